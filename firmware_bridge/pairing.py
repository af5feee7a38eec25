"""How a board and a gateway come to a key that nobody else has, and how people make sure of it.

    OFFER    gateway -> board   SHA-256 over the gateway's point and nonce
    ANSWER   board -> gateway   the board's point, its Ed25519 public key, its nonce
    REVEAL   gateway -> board   the gateway's point and nonce, which must hash to the offer
    REVEALED board -> gateway   nothing: it shows its code
    CONFIRM  gateway -> board   a tag, once a person has said that both show the same code
    PAIRED   board -> gateway   a tag: the keys are on the board's flash
    KEYED    board -> gateway   nothing: it has keys already, and answers no OFFER otherwise
    FAILED   board -> gateway   why it goes no further, as text
    UNPAIRED board -> gateway   its firmware's version, to HELLO: it has no keys

1. Points are of X25519 (RFC 7748); the key, the code and the tags are HMAC-SHA256 of the agreed
   secret and of everything said (HKDF, RFC 5869). All of it is new at each pairing.
2. The gateway's point is bound before the board's is known: who sits between the two has one try
   in a million at a code of six digits, for each OFFER that a board answers. He knows what the code
   will be before he reveals, so the board answers few (firmware/pair.py).
3. What was not heard is said again: OFFER has one ANSWER, REVEAL one code, however often either
   comes. Of each OFFER there is one REVEAL that it allows; another ends it. REVEALED says that
   there is a code, and nothing of it.
4. Nothing is kept at either end before the other's tag holds; a board that has keys refuses.

It makes no randomness, shows nothing and stores nothing: whoever drives it does.
"""

import struct

from firmware_bridge.curve25519 import x25519
from firmware_bridge.shim.digest import Hmac, same, sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator

OFFER, REVEAL, CONFIRM = 0x10, 0x11, 0x12
ANSWER, PAIRED, KEYED, FAILED, UNPAIRED, REVEALED = 0x90, 0x91, 0x92, 0x93, 0x94, 0x95
NONCE_BYTES = 16
POINT_BYTES = 32
BASE_POINT = b"\x09" + bytes(31)  # RFC 7748, 4.1
CODE_DIGITS = 6

_CONTEXT = b"gridseal board pairing 1\x00"
_CODES = 10**CODE_DIGITS


class PairingError(ValueError):
    """The other end is not who it should be, or says what cannot be: its argument says which."""


class Agreed:
    """What both ends have when each has the other's point.

    `key`: of the frames' tags. `code`: what people compare. `gateway`, `board`: the two tags.
    """

    __slots__ = ("key", "code", "gateway", "board")

    def __init__(self, secret: bytes, said: bytes) -> None:
        drawn = Hmac(Hmac(sha256(_CONTEXT, said)).tag(secret))
        self.key = drawn.tag(b"frames\x01")
        number = struct.unpack(">I", drawn.tag(b"code\x01")[:4])[0]
        digits = str(number % _CODES)
        self.code = "0" * (CODE_DIGITS - len(digits)) + digits
        self.gateway, self.board = drawn.tag(b"gateway\x01"), drawn.tag(b"board\x01")


class GatewayEnd:
    """The gateway's side. `scalar` and `nonce` are random, 32 and 16 octets, and used once."""

    def __init__(self, scalar: bytes, nonce: bytes) -> None:
        self._scalar, self._nonce = scalar, nonce
        self._point = b""
        self.board_public = b""  # the board's Ed25519 key, after `answered`
        self.agreed: Agreed | None = None

    def offer(self) -> "Generator[None, None, bytes]":
        """The body of OFFER."""
        self._point = yield from x25519(self._scalar, BASE_POINT)
        return sha256(self._point, self._nonce)

    def answered(self, body: bytes) -> "Generator[None, None, bytes]":
        """Takes ANSWER; the body of REVEAL. The code is there afterwards. Raises PairingError."""
        if len(body) != 2 * POINT_BYTES + NONCE_BYTES:
            raise PairingError("an answer of another length")
        point, self.board_public = body[:POINT_BYTES], body[POINT_BYTES : 2 * POINT_BYTES]
        secret = yield from _secret(self._scalar, point)
        self.agreed = Agreed(secret, self._point + self._nonce + body)
        return self._point + self._nonce

    def confirm(self) -> bytes:
        """The body of CONFIRM: only after a person has compared. Raises PairingError."""
        if self.agreed is None:
            raise PairingError("confirmed before anything was agreed")
        return self.agreed.gateway

    def paired(self, body: bytes) -> bytes:
        """Takes PAIRED; the key. Raises PairingError."""
        if self.agreed is None or not same(body, self.agreed.board):
            raise PairingError("the board does not have the same key")
        return self.agreed.key


class BoardEnd:
    """The board's side. `public`: its own Ed25519 key, already made."""

    def __init__(self, scalar: bytes, nonce: bytes, public: bytes) -> None:
        self._scalar, self._nonce, self._public = scalar, nonce, public
        self._offer = self._answer = b""
        self.agreed: Agreed | None = None

    def offered(self, body: bytes) -> "Generator[None, None, bytes]":
        """Takes OFFER; the body of ANSWER. Raises PairingError."""
        if len(body) != 32:
            raise PairingError("an offer of another length")
        self._offer, self.agreed = body, None
        point = yield from x25519(self._scalar, BASE_POINT)
        self._answer = point + self._public + self._nonce
        return self._answer

    def revealed(self, body: bytes) -> "Generator[None, None, str]":
        """Takes REVEAL; the code to show. Raises PairingError."""
        if not self._answer or len(body) != POINT_BYTES + NONCE_BYTES:
            raise PairingError("revealed before it was offered, or of another length")
        if not same(sha256(body), self._offer):
            raise PairingError("not the point that was offered")
        secret = yield from _secret(self._scalar, body[:POINT_BYTES])
        self.agreed = Agreed(secret, body + self._answer)
        return self.agreed.code

    def confirmed(self, body: bytes) -> bytes:
        """Takes CONFIRM; the key, to be kept before PAIRED is said. Raises PairingError."""
        if self.agreed is None or not same(body, self.agreed.gateway):
            raise PairingError("the gateway does not have the same key")
        return self.agreed.key

    def paired(self) -> bytes:
        """The body of PAIRED: only when the key is on the flash. Raises PairingError."""
        if self.agreed is None:
            raise PairingError("paired before anything was agreed")
        return self.agreed.board


def _secret(scalar: bytes, point: bytes) -> "Generator[None, None, bytes]":
    try:
        return (yield from x25519(scalar, point))
    except ValueError:
        raise PairingError("a point of low order") from None
