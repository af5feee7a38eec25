"""What authorities share, in memory: founders, their records and words, and a log of them."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from evidence import cbor, cose
from evidence.code import Emergency, Exchange, Matter, Part, Role, SeamKind, Typ, Word
from evidence.joint import policy
from evidence.joint.countersignature import Countersignature
from evidence.joint.decision import Decision
from evidence.joint.der import Aggregation
from evidence.joint.emergency import TieEmergency
from evidence.joint.interchange import Interchange
from evidence.joint.record import Record
from evidence.joint.registry import Key, Listing
from evidence.joint.seam import Dc, Seam, Side
from evidence.joint.shelf import Memory
from evidence.joint.state import Docket, Standing, State
from evidence.key import Ed25519Key, PublicKey
from evidence.leap import BUILT_IN
from evidence.merkle import leaf_hash
from evidence.trust import Authority

NS = 1_000_000_000
HOUR = 3600 * NS
START = 1_780_000_000 * NS
SHIPPED = Path(__file__).parents[3] / "record" / "policy.toml"


_MADE: dict[PublicKey, Ed25519Key] = {}


def key(name: str) -> Ed25519Key:
    made = Ed25519Key(leaf_hash(name.encode()))
    return _MADE.setdefault(made.public, made)


WEST, EAST, STATE = "West Balancing", "East Pool", "State Commission"
KEYS = {name: key(name) for name in (WEST, EAST, STATE)}
FOUNDERS = (
    Authority(WEST, KEYS[WEST].public, frozenset({Role.BA, Role.DP}), frozenset({"WEST"})),
    Authority(EAST, KEYS[EAST].public, frozenset({Role.BA, Role.RC}), frozenset({"EAST"})),
    Authority(STATE, KEYS[STATE].public, frozenset({Role.COMMISSION}), frozenset({"WEST", "EAST"})),
)


def roof(number: int) -> bytes:
    """The mRID of a roof."""
    return number.to_bytes(16)


ROOFS = ((roof(1), 60.0), (roof(2), 60.0))
TIE = Seam(
    "North Tie", SeamKind.DC_TIE,
    (
        Side("WEST", WEST, b"\x01" * 16, b"\x02" * 16, 345.0, 500.0),
        Side("EAST", EAST, b"\x03" * 16, b"\x04" * 16, 345.0, 500.0),
    ),
    None, Dc(2.0, 0.015),
)  # fmt: skip

DECIDED = Decision(None, "unit 1", 100.0, "ordered")
# Of matters whose body says nothing that a test asks: one that can be read.
PLAIN = {
    **dict.fromkeys((Matter.DISPATCH, Matter.CURTAILMENT, Matter.LOAD_SHED), DECIDED.body()),
    Matter.RELAY_OPERATION: replace(DECIDED, events=()).body(),
    Matter.DC_TIE_EMERGENCY: TieEmergency(
        Emergency.CURTAILED, None, 0.0, None, None, "ordered"
    ).body(),
}


def founders_text() -> str:
    """The founders, as anchors.toml names them."""
    rows = []
    for one in FOUNDERS:
        roles, footprints = sorted(role.name for role in one.roles), sorted(one.footprints)
        rows.append(
            f'[[authority]]\nname = "{one.name}"\nkey = "{one.key.raw.hex()}"\n'
            f"roles = {roles}\nfootprints = {footprints}\n"
        )
    return "".join(rows)


def record(matter: Matter, author: str, **changes: Any) -> Record:
    """A record over the hour before START, unless it says otherwise."""
    fields: dict[str, Any] = {
        "matter": matter, "author": author, "footprints": (), "elements": (), "parts": (),
        "begins": START - HOUR, "ends": START, "parents": (),
        "body": PLAIN.get(matter, cbor.encode([])),
    }  # fmt: skip
    return Record(**(fields | changes))


def signed(of: Record, by: Ed25519Key | None = None) -> bytes:
    return cose.sign(Typ.RECORD, of.payload(), by or KEYS[of.author])


def name_of(of: Record) -> bytes:
    return cose.name(of.payload())


def word(
    of: Record | bytes, author: str, says: Word = Word.ASSENT, text: str = "",
    by: Ed25519Key | None = None,
) -> bytes:  # fmt: skip
    """A countersignature."""
    name = of if isinstance(of, bytes) else name_of(of)
    payload = Countersignature(name, author, says, text).payload()
    return cose.sign(Typ.COUNTERSIGNATURE, payload, by or KEYS[author])


def says_policy(text: str | None = None, author: str = WEST, **changes: Any) -> Record:
    body = policy.body(SHIPPED.read_text(encoding="utf-8") if text is None else text)
    return record(Matter.POLICY, author, body=body, **changes)


def says_seam(of: Seam = TIE, author: str = WEST, **changes: Any) -> Record:
    return record(Matter.SEAM, author, body=of.body(), **changes)


def lists(listing: Listing, author: str = WEST, **changes: Any) -> Record:
    return record(Matter.REGISTRY, author, body=listing.body(), **changes)


def hour_of(tai: int) -> tuple[int, int]:
    """The hour of the clock in which an instant lies."""
    into = BUILT_IN.utc_ns(tai) % HOUR
    return tai - into, tai - into + HOUR


def interchange(author: str = WEST, mwh: float = 120.0, **changes: Any) -> Record:
    """Of the hour of the clock in which its interval would begin."""
    begins, ends = hour_of(changes.pop("begins", START - HOUR))
    changes.pop("ends", None)
    body = Interchange(Exchange.ACTUAL, "WEST", "EAST", mwh).body()
    fields: dict[str, Any] = {
        "elements": (TIE.name,), "body": body, "begins": begins, "ends": ends,
    }  # fmt: skip
    return record(Matter.INTERCHANGE, author, **(fields | changes))


def handoff_parts(releasing: str, accepting: str) -> tuple[tuple[Part, str], ...]:
    return (Part.RELEASING, releasing), (Part.ACCEPTING, accepting)


def decision(matter: Matter, author: str, **changes: Any) -> Record:
    """What an operator did, and of nothing: flagged unfounded."""
    events = () if matter == Matter.RELAY_OPERATION else None
    body = Decision(None, "line 1", 100.0, "overload", events).body()
    return record(matter, author, **({"body": body} | changes))


def listing(name: str, *roles: Role, at: Iterable[str] = (), **changes: Any) -> Listing:
    """An authority with one key, named like itself; whatever `key` made agrees to be listed so."""
    KEYS.setdefault(name, key(name))
    keys = changes.pop("keys", (Key(KEYS[name].public, 0, None),))
    made = Listing(name, frozenset(roles), frozenset(at), keys, **changes)
    for one in keys:
        if one.public in _MADE:
            made = made.proved(_MADE[one.public])
    return made


def aggregation(
    name: str = "Roofs", assets: tuple[tuple[bytes, float], ...] = ROOFS,
    author: str = WEST, service: str = "energy", **changes: Any,
) -> Record:  # fmt: skip
    """Of an aggregator in WEST's footprint, whose host and RTO West Balancing is as well."""
    fields: dict[str, Any] = {
        "footprints": ("WEST",), "body": Aggregation(name, service, assets).body(),
        "parts": ((Part.RTO, WEST), (Part.HOST, WEST), (Part.AGGREGATOR, author)),
    }  # fmt: skip
    return record(Matter.DER_AGGREGATION, author, **(fields | changes))


class Log:
    """A log of what is said, entry by entry, and what it comes to."""

    def __init__(self, founders: Sequence[Authority] = FOUNDERS, tai: int = START) -> None:
        self.founders = founders
        self.shelf = Memory()
        self.docket = Docket(founders, self.shelf)
        self.entries: list[tuple[int, bytes]] = []
        self.tai = tai

    def add(self, *encoded: bytes, tai: int | None = None) -> None:
        """Raises EvidenceError for one that has no place."""
        for one in encoded:
            at = self.tai if tai is None else tai
            idx = len(self.entries)
            self.docket.enter(self.docket.judge(cose.read(one), idx, at), idx)
            self.entries.append((at, one))

    def agree(self, of: Record, *others: str) -> None:
        """A record, and the assent of these."""
        self.add(signed(of), *(word(of, other) for other in others))

    def found(self, of: Record, size: int | None = None, tai: int | None = None) -> Standing:
        size = len(self.entries) if size is None else size
        got = self.docket.standing(name_of(of), size, self.tai if tai is None else tai)
        assert got is not None
        return got

    def state(self, of: Record, **at: Any) -> State:
        return self.found(of, **at).state


def ruled(text: str | None = None) -> Log:
    """A log in which the policy that is shipped, or another, and the tie are in force."""
    log = Log()
    log.agree(says_policy(text), EAST, STATE)
    log.agree(says_seam(), EAST)
    return log
