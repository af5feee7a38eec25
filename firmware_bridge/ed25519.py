"""Ed25519 (RFC 8032, 5.1) in slices: a board signs the head of its chain, and checks a manifest.

1. A signature is deterministic: RFC 8032's, the same as every other implementation's.
2. Multiples of the base are taken from a comb of 16 points: 64 doublings and 64 additions, instead
   of 256 and some 128. The comb is made once, in as many slices as one signature takes.
3. A signature checked here has S below the order, and keys and R in their one form.

It keeps the seed in the board's memory. Its time depends on it (see curve25519).
"""

from firmware_bridge.curve25519 import BASE, NEUTRAL, ORDER, P, add, decoded, double, encoded, times
from firmware_bridge.sha512 import sha512

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator

    from firmware_bridge.curve25519 import Point

SEED_BYTES = PUBLIC_BYTES = 32
SIGNATURE_BYTES = 64

_ROWS = 4  # of the comb
_STEP = 64  # bits between two of its rows


class Signer:
    """Signs with one seed. Before anything else, `prepared` is driven to its end."""

    __slots__ = ("_seed", "_scalar", "_prefix", "_comb", "public")

    def __init__(self, seed: bytes) -> None:
        if len(seed) != SEED_BYTES:
            raise ValueError("a seed has 32 octets")
        self._seed = seed
        self.public = b""

    def prepared(self) -> "Generator[None, None, bytes]":
        """Makes the comb and the public key, which it returns."""
        whole = yield from sha512(self._seed)
        self._scalar = int.from_bytes(whole[:32], "little") & (1 << 254) - 8 | 1 << 254
        self._prefix = whole[32:]
        self._comb = yield from _comb()
        self.public = yield from encoded((yield from self._base_times(self._scalar)))
        return self.public

    def signed(self, message: bytes) -> "Generator[None, None, bytes]":
        """The 64 octets over the message."""
        first = yield from sha512(self._prefix + message)
        r = int.from_bytes(first, "little") % ORDER
        yield
        point = yield from encoded((yield from self._base_times(r)))
        yield
        second = yield from sha512(point + self.public + message)
        yield
        s = (r + int.from_bytes(second, "little") % ORDER * self._scalar) % ORDER
        return point + s.to_bytes(32, "little")

    def _base_times(self, scalar: int) -> "Generator[None, None, Point]":
        result = NEUTRAL
        for column in range(_STEP - 1, -1, -1):
            result = double(result)
            yield
            index = 0
            for row in range(_ROWS):
                index |= (scalar >> (row * _STEP + column) & 1) << row
            result = add(result, self._comb[index])
            yield
        return result


def _comb() -> "Generator[None, None, list[Point]]":
    """For each choice of rows, the sum of the base times two to the power of each row's place."""
    rows = [BASE]
    for _ in range(_ROWS - 1):
        point = rows[-1]
        for _ in range(_STEP):
            point = double(point)
            yield
        rows.append(point)
    comb = [NEUTRAL]
    for row in rows:
        for index in range(len(comb)):
            comb.append(add(comb[index], row))
            yield
    return comb


def verified(public: bytes, message: bytes, signature: bytes) -> "Generator[None, None, bool]":
    """Whether the holder of this public key signed the message."""
    if len(public) != PUBLIC_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    s = int.from_bytes(signature[32:], "little")
    if s >= ORDER:
        return False
    try:
        key = yield from decoded(public)
    except ValueError:
        return False
    x, y, z, t = key
    whole = yield from sha512(signature[:32] + public + message)
    k = int.from_bytes(whole, "little") % ORDER
    left = yield from times(s, BASE)
    right = yield from times(k, (P - x, y, z, P - t))
    return (yield from encoded(add(left, right))) == signature[:32]
