"""A credential in words, for whoever holds the file and asks what it is.

1. Who signed it is checked when anchors are given, and said to be unchecked when not: a credential
   that nobody checked proves nothing.
2. What came from elsewhere is printed with its control characters made visible.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from agent.config import HeldCredential
from evidence import anchor, cbor, cose, disclosure
from evidence.anchor import Authorities
from evidence.code import ALG_ED25519
from evidence.credential import Credential
from evidence.refusal import EvidenceError

_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Shown:
    """A credential taken apart.

    `site`, `position`: None when not disclosed; `signed`: None when no anchors were given.
    """

    says: Credential
    name: bytes
    kid: bytes  # of the key that signed, or claims to have
    site: str | None
    position: tuple[float, float, float, float] | None  # degrees, degrees, m, m
    signed: bool | None


def read(held: HeldCredential, authorities: Authorities | None) -> Shown:
    """`authorities`: of the trust anchors; None: none were given."""
    message = cose.read(held.encoded)
    found = disclosure.match(held.pairs, held.says.digests)
    site = found.get(held.says.site)
    position = found.get(held.says.position) if held.says.position is not None else None
    return Shown(
        held.says,
        held.name,
        message.kid,
        None if site is None else site.decode(errors="replace"),
        None if position is None else _position(position),
        None if authorities is None else _signed(message, authorities),
    )


def validity(says: Credential, now_s: int) -> str:
    """How it stands at an instant."""
    if now_s < says.not_before_s:
        return "not valid yet"
    if now_s >= says.expires_s:
        return "expired"
    return f"valid, {(says.expires_s - now_s) // _DAY_S} days left"


def lines(shown: Shown, now_s: int) -> list[str]:
    """What a person reads."""
    says = shown.says
    algorithm = "Ed25519" if says.key.alg == ALG_ED25519 else "P-256"
    signed = {
        None: "not checked: give --anchors FILE",
        True: "good",
        False: "NOT of this authority",
    }[shown.signed]
    text = [
        f"Issued by    {_plain(says.issuer)} (key {shown.kid.hex()}; signature {signed})",
        f"For          {_plain(says.subject)}, as {says.role}",
        f"Device key   {algorithm} {says.key.fingerprint}",
        f"From         {instant(says.not_before_s)}",
        f"To           {instant(says.expires_s)} ({validity(says, now_s)})",
        f"Site         {'not disclosed' if shown.site is None else _plain(shown.site)}",
        f"Position     {_position_words(shown)}",
        f"Name         {shown.name.hex()}",
    ]
    buses = [f"  {UUID(bytes=bus)}" for bus in says.buses]
    return [*text, f"Buses        {len(buses)}", *buses]


def instant(seconds: int) -> str:
    """UTC, in ISO 8601; a number that no calendar reaches stays a number."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return f"{seconds} s after 1970"


def _signed(message: cose.Sign1, authorities: Authorities) -> bool:
    """Whether an authority signed it, in its own name."""
    try:
        anchor.vouched(message, authorities)
    except EvidenceError:
        return False
    return True


def _position(value: bytes) -> tuple[float, float, float, float] | None:
    """What evidence.descriptor.position_value wrote; None if it is something else."""
    try:
        claims = cbor.decode(value)
    except EvidenceError:
        return None
    if type(claims) is not dict or claims.keys() != {1, 2, 3, 4}:
        return None
    if not all(type(item) is float for item in claims.values()):
        return None
    return claims[1], claims[2], claims[3], claims[4]


def _position_words(shown: Shown) -> str:
    if shown.says.position is None:
        return "not surveyed"
    if shown.position is None:
        return "not disclosed"
    latitude, longitude, altitude, accuracy = shown.position
    return f"{latitude:.6f}, {longitude:.6f}, {altitude:.2f} m, within {accuracy:.2f} m"


def _plain(text: str) -> str:
    return "".join(sign if sign.isprintable() else f"\\u{ord(sign):04x}" for sign in text)
