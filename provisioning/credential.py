"""A credential in words, for whoever holds the file and asks what it is.

1. Who signed it is checked when anchors are given, and said to be unchecked when not: a credential
   that nobody checked proves nothing.
2. What came from elsewhere is printed with its control characters made visible.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from agent import config as agent_config
from agent.config import HeldCredential
from evidence import anchor, cbor, cose, disclosure, position, shape
from evidence.anchor import Authorities
from evidence.code import ALG_ED25519
from evidence.credential import Credential
from evidence.leap import NS
from evidence.position import Position
from evidence.refusal import EvidenceError
from provisioning.argument import Now, Parser, content, only
from provisioning.terminal import printable

_DAY_S = 86_400
SENSE = {0: "direction unknown", 1: "positive in", -1: "positive out"}


@dataclass(frozen=True, slots=True)
class Shown:
    """A credential taken apart.

    `site`, `position`: None when not disclosed; `names`: by bus, those that are; `signed`: None
    when no anchors were given.
    """

    says: Credential
    name: bytes
    kid: bytes  # of the key that signed, or claims to have
    site: str | None
    position: Position | None
    names: dict[bytes, str]
    signed: bool | None


def run(argv: Sequence[str], now: Now) -> int:
    """`gridseal-provision show`. Raises UsageError, ConfigError."""
    about = "Says in words what a credential says."
    show = Parser(prog="gridseal-provision show", description=about, allow_abbrev=False)
    add = show.add_argument
    add("file", type=Path, metavar="FILE", help="a credential, such as credential.cbor")
    add("--anchors", type=Path, metavar="FILE", help="check its signature by these")
    add("--json", action="store_true", help="one JSON object instead of words")
    asked = only(show, argv)
    authorities = None
    if asked.anchors is not None:
        authorities = anchor.read(content(asked.anchors), str(asked.anchors)).authorities
    shown = read(agent_config.read_credential(asked.file), authorities)
    now_s = now() // NS
    print(json.dumps(told(shown, now_s)) if asked.json else "\n".join(lines(shown, now_s)))
    return 0


def read(held: HeldCredential, authorities: Authorities | None) -> Shown:
    """`authorities`: of the trust anchors; None: none were given."""
    message = cose.read(held.encoded)
    found = disclosure.match(held.pairs, held.says.digests)
    site = found.get(held.says.site)
    where = found.get(held.says.position) if held.says.position is not None else None
    told = {item.node: found[item.names] for item in held.says.named if item.names in found}
    return Shown(
        held.says,
        held.name,
        message.kid,
        None if site is None else site.decode(errors="replace"),
        None if where is None else _position(where),
        {bus: _names(value) for bus, value in told.items()},
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
        f"Issued by    {printable(says.issuer)} (key {shown.kid.hex()}; signature {signed})",
        f"For          {printable(says.subject)}, as {says.role}",
        f"Device key   {algorithm} {says.key.fingerprint}",
        f"From         {instant(says.not_before_s)}",
        f"To           {instant(says.expires_s)} ({validity(says, now_s)})",
        f"Site         {'not disclosed' if shown.site is None else printable(shown.site)}",
        f"Position     {_position_words(shown)}",
        f"Name         {shown.name.hex()}",
    ]
    buses = [
        f"  {UUID(bytes=bus)}  {printable(shown.names.get(bus, ''))}".rstrip() for bus in says.buses
    ]
    text += [f"Buses        {len(buses)}", *buses]
    terminals = [
        f"  {UUID(bytes=one.terminal)}  at {UUID(bytes=one.node)}, {SENSE[one.direction]}"
        for one in says.terminals
    ]
    return [*text, f"Terminals    {len(terminals)}", *terminals]


def told(shown: Shown, now_s: int) -> dict[str, object]:
    """The same as an object for programs."""
    says = shown.says
    return {
        "issuer": says.issuer,
        "signed_by": shown.kid.hex(),
        "signature_good": shown.signed,
        "subject": says.subject,
        "role": says.role,
        "fingerprint": says.key.fingerprint,
        "not_before_s": says.not_before_s,
        "expires_s": says.expires_s,
        "validity": validity(says, now_s),
        "site": shown.site,
        "position": None if shown.position is None else list(shown.position[:4]),
        "buses": [str(UUID(bytes=bus)) for bus in says.buses],
        "terminals": [
            {"terminal": str(UUID(bytes=one.terminal)), "bus": str(UUID(bytes=one.node))}
            | {"direction": one.direction}
            for one in says.terminals
        ],
        "names": {str(UUID(bytes=bus)): names for bus, names in shown.names.items()},
        "name": shown.name.hex(),
    }


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


def _names(value: bytes) -> str:
    """What a bus is called, in words (evidence.siteplan.Bus.names); empty if it is something
    else.
    """
    try:
        name, psse, eic, others = shape.array(cbor.decode(value), "names", 4)
        told = [f"PSS/E {shape.uint(psse, 'PSS/E number')}"] if psse is not None else []
        told += [f"EIC {shape.text(eic, 'EIC')}"] if eic else []
        told += [shape.text(other, "alias") for other in shape.array(others, "aliases")]
        return ", ".join([shape.text(name, "name"), *told])
    except EvidenceError:
        return ""


def _position(value: bytes) -> Position | None:
    """None if it is none."""
    try:
        return position.read(value)
    except EvidenceError:
        return None


def _position_words(shown: Shown) -> str:
    if shown.says.position is None:
        return "not surveyed"
    if shown.position is None:
        return "not disclosed"
    where = shown.position
    height = "" if where.altitude_m is None else f", {where.altitude_m:.2f} m"
    within = "" if where.accuracy_m is None else f", within {where.accuracy_m:.2f} m"
    return f"{where.words()}{height}{within}"
