"""One good piece of bytes made bad, by a seed.

1. The same chance, seeds and target give the same bytes, wherever they run.
2. What comes out is never longer than the target's `bytes_max`.

It knows no protocol: what only one has is that target's own `vary`.
"""

from collections.abc import Callable, Sequence
from random import Random

from hil.fuzz.target import Target

STEPS_MAX = 6  # of one case: after more, little of the seed is left
INSERT_BYTES_MAX = 64
REPEATS_MAX = 1_000
EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF, 0x7FFFFFFF, 0x80000000, 1 << 24)
# Of BER (X.690 8.1.3): 2^31, 2^31 - 1, indefinite, reserved, eight bytes, a long form of nothing.
LENGTHS = tuple(
    bytes.fromhex(text)
    for text in ("8480000000", "847fffffff", "80", "ff", "88ffffffffffffffff", "82ffff", "8100")
)

Step = Callable[[Random, bytes, Sequence[bytes]], bytes]


def mutant(chance: Random, target: Target, seeds: Sequence[bytes]) -> bytes:
    """One case."""
    # A capture is a thousand frames of one kind: what was made here counts as much as all that.
    raw = chance.choice(target.seeds if chance.random() < 0.5 else seeds)
    for _ in range(_steps(chance)):
        if target.tokens and chance.random() < 0.2:
            raw = _put(chance, raw, chance.choice(target.tokens))
        elif chance.random() < 0.4:
            raw = target.vary(chance, raw)
        else:
            raw = chance.choice(STEPS)(chance, raw, seeds)
        raw = raw[: target.bytes_max]
    return target.mend(raw)[: target.bytes_max] if chance.random() < 0.6 else raw


def _steps(chance: Random) -> int:
    """Mostly one: what several hide from each other, one shows."""
    return min(1 + int(chance.expovariate(1.0)), STEPS_MAX)


def _span(chance: Random, raw: bytes) -> tuple[int, int]:
    """A piece of the bytes: where it begins and ends."""
    first, last = chance.randint(0, len(raw)), chance.randint(0, len(raw))
    return min(first, last), max(first, last)


def _put(chance: Random, raw: bytes, piece: bytes) -> bytes:
    at = chance.randint(0, len(raw))
    return raw[:at] + piece + raw[at:]


def _flip(chance: Random, raw: bytes, _: Sequence[bytes]) -> bytes:
    if not raw:
        return raw
    hurt = bytearray(raw)
    for _flips in range(chance.choice((1, 1, 1, 2, 4, 16))):
        bit = chance.randrange(8 * len(hurt))
        hurt[bit // 8] ^= 1 << bit % 8
    return bytes(hurt)


def _overwrite(chance: Random, raw: bytes, _: Sequence[bytes]) -> bytes:
    at = chance.randint(0, len(raw))
    piece = chance.randbytes(chance.randint(1, 8))
    return raw[:at] + piece + raw[at + len(piece) :]


def _end(chance: Random, raw: bytes, _: Sequence[bytes]) -> bytes:
    return raw[: chance.randint(0, len(raw))]


def _remove(chance: Random, raw: bytes, _: Sequence[bytes]) -> bytes:
    first, last = _span(chance, raw)
    return raw[:first] + raw[last:]


def _insert(chance: Random, raw: bytes, _: Sequence[bytes]) -> bytes:
    return _put(chance, raw, chance.randbytes(chance.randint(1, INSERT_BYTES_MAX)))


def _lie(chance: Random, raw: bytes, _: Sequence[bytes]) -> bytes:
    """A number of one, two or four bytes that claims too much, or too little."""
    width = chance.choice((1, 2, 2, 4))
    number = chance.choice(EXTREMES) % (1 << 8 * width)
    at = chance.randint(0, len(raw))
    order: tuple[str, ...] = ("big", "big", "little")
    piece = number.to_bytes(width, "little" if chance.choice(order) == "little" else "big")
    return raw[:at] + piece + raw[at + width :]


def _lie_ber(chance: Random, raw: bytes, _: Sequence[bytes]) -> bytes:
    at = chance.randint(0, len(raw))
    return raw[:at] + chance.choice(LENGTHS) + raw[at + 1 :]


def _splice(chance: Random, raw: bytes, seeds: Sequence[bytes]) -> bytes:
    """The beginning of one, the end of another."""
    other = chance.choice(seeds)
    return raw[: chance.randint(0, len(raw))] + other[chance.randint(0, len(other)) :]


def _chain(chance: Random, raw: bytes, seeds: Sequence[bytes]) -> bytes:
    return raw + chance.choice(seeds)


def _repeat(chance: Random, raw: bytes, _: Sequence[bytes]) -> bytes:
    """A piece of it again and again: what costs more than its length shows here."""
    first, last = _span(chance, raw)
    times = chance.choice((2, 3, 10, 100, REPEATS_MAX))
    return raw[:first] + raw[first:last] * times + raw[last:]


def _exchange(chance: Random, raw: bytes, _: Sequence[bytes]) -> bytes:
    first, last = _span(chance, raw)
    middle = chance.randint(first, last)
    return raw[:first] + raw[middle:last] + raw[first:middle] + raw[last:]


STEPS: tuple[Step, ...] = (
    _flip, _flip, _overwrite, _end, _remove, _insert, _lie, _lie, _lie_ber, _splice, _chain,
    _repeat, _exchange,
)  # fmt: skip
