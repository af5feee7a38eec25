"""Bodies of records as a person writes them: one table for each matter that has a form.

    [policy]             file = "policy.toml"
    [registry]           name, roles, footprints, revoked, successor_of
    [[registry.key]]     key (hex), from, until; possession: of a new key, as `possess` prints it
    [seam]               name, kind = "bus" | "line" | "sum" | "dc_tie"
    [[seam.side]]        footprint, authority, node, terminal, rated_kv, rated_a: twice;
                         branches = [TERMINAL, ...] of kind sum: all that the bus has
    [seam.line]          r_ohm, x_ohm, b_siemens, km
    [seam.dc]            fixed_loss_mw, loss_share
    [seam.tap]           ratio, low, neutral, high, step_percent
    [interchange]        kind = "scheduled" | "actual", from, to (footprints), mwh, rounded, tags,
                         source
    [dc_tie_emergency]   act = "assistance" | "curtailed" | "blocked" | "restored", toward,
                         limit_mw, ramp_mw_min, reason, under; [dc_tie_emergency.eea] footprint,
                         level
    [der_aggregation]    name, service; [[der_aggregation.asset]] mrid, kw
    [evaluation]         text, tree_size, leaves = "5,7-9", root, truth = "undetermined"
    [[evaluation.quantity]]              as of [[handoff.condition]]
    [[evaluation.cause]] cause = "missing", quantity (its name), first, end
    [claim]              text, source; [[claim.figure]] name, unit, value, rounded
    [dispatch], [curtailment], [load_shed], [relay_operation]    name, reason, equipment, mw
    [[relay_operation.event]]            parent (its place, from 0), at, text
    [handoff]            step = "requested", scope, fresh_s, expires
    [handoff.takers]     accepted = ["releasing", "accepting"]: who may take which later step, each
                         alone; of what is not named evidence.joint.handoff's own
    [[handoff.limit]]    name, value, unit
    [[handoff.condition]]                text
    [[handoff.condition.quantity]]       name, place = "bus", label, mrid, quantity, phase, part,
                                         unit, issuer, hole_ms
    [handoff]            step = "accepted" and later: request, before (names of records), text

1. What a file leaves out is what a body leaves out; nothing is filled in.
2. Instants are TOML's own or texts, in UTC; names of records and keys are hex digits.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from evidence import instant
from evidence.code import (
    ALG_ED25519,
    ALG_ESP256,
    Emergency,
    Exchange,
    Matter,
    Open,
    Part,
    SeamKind,
    Step,
    Truth,
)
from evidence.descriptor import PHASES, QUANTITIES
from evidence.joint import (
    claim,
    der,
    evaluation,
    grammar,
    handoff,
    leaf,
    policy,
    predicate,
    registry,
    seam,
    truth,
)
from evidence.joint.decision import Decision, Event
from evidence.joint.emergency import LEVEL_MAX, Alert, TieEmergency
from evidence.joint.interchange import Interchange
from evidence.joint.predicate import Quantity
from evidence.joint.record import TAI_MAX
from evidence.joint.seam import Dc, Line, Side, Tap
from evidence.key import PublicKey
from evidence.leap import NS
from evidence.merkle import HASH_BYTES
from evidence.toml import Table, TomlError
from evidence.trust import ROLES
from record.config import read_text

_KINDS = {kind.name.lower(): kind for kind in SeamKind}
_STEPS = {step.name.lower(): step for step in Step}
_EXCHANGES = {kind.name.lower(): kind for kind in Exchange}
_ACTS = {act.name.lower(): act for act in Emergency}
_TRUTHS = {one.name.lower(): one for one in Truth}
_OPEN = {one.name.lower(): one for one in Open}
LEAVES = re.compile(r"(\d{1,18})(?:-(\d{1,18}))?", re.ASCII)  # an index of a leaf, or a range
_SIDES = {part.name.lower(): part for part in (Part.RELEASING, Part.ACCEPTING)}
_ALGS = {32: ALG_ED25519, 64: ALG_ESP256}
FRESH_S_MAX, HOLE_MS_MAX = 31 * 86_400, 86_400_000  # a month, a day: what is older settles nothing
PARENTS_MAX = 1024  # as of a record
Form = Callable[[Table, Path], bytes]  # with the folder that paths are relative to


def _policy(row: Table, folder: Path) -> bytes:
    return policy.body(read_text(folder / row.text("file")))


def _registry(row: Table, _: Path) -> bytes:
    keys = []
    for item in row.tables("key"):
        raw = digits(item, "key")
        if len(raw) not in _ALGS:
            item.fail("key", item.text("key"), "the hex digits of 32 bytes (Ed25519) or 64 (P-256)")
        since = moment(item, "from") if item.has("from") else 0
        until = moment(item, "until") if item.has("until") else None
        agreed = digits(item, "possession") if item.has("possession") else None
        keys.append(registry.Key(PublicKey(_ALGS[len(raw)], raw), since, until, agreed))
        item.end()
    return registry.Listing(
        row.text("name"),
        frozenset(ROLES[word] for word in row.words("roles", ROLES))
        if row.has("roles")
        else frozenset(),
        frozenset(names(row, "footprints")),
        tuple(keys),
        frozenset(hash_of(row, "revoked", text) for text in texts(row, "revoked")),
        row.text("successor_of") if row.has("successor_of") else None,
    ).body()


def _seam(row: Table, _: Path) -> bytes:
    sides = [_side(item) for item in row.tables("side")]
    if len(sides) != 2:
        row.fail("side", len(sides), "two tables, [[seam.side]]")
    line = dc = tap = None
    if row.has("line"):
        of = row.table("line")
        km = of.number("km") if of.has("km") else None
        line = Line(of.number("r_ohm"), of.number("x_ohm"), of.number("b_siemens"), km)
        of.end()
    if row.has("dc"):
        of = row.table("dc")
        dc = Dc(of.number("fixed_loss_mw"), of.number("loss_share"))
        of.end()
    if row.has("tap"):
        of = row.table("tap")
        keys = ("low", "neutral", "high")
        low, neutral, high = (of.whole(key, -seam.TAPS_MAX, seam.TAPS_MAX) for key in keys)
        tap = Tap(of.number("ratio"), low, neutral, high, of.number("step_percent"))
        of.end()
    kind = _KINDS[row.word("kind", _KINDS)]
    return seam.Seam(row.text("name"), kind, (sides[0], sides[1]), line, dc, tap).body()


def _side(row: Table) -> Side:
    terminal = digits(row, "terminal", dashed=True) if row.has("terminal") else None
    branches = [_bytes(row, "branches", text, True) for text in texts(row, "branches")]
    made = Side(
        row.text("footprint"), row.text("authority"), digits(row, "node", dashed=True), terminal,
        row.number("rated_kv"), row.number("rated_a"), tuple(sorted(branches)),
    )  # fmt: skip
    row.end()
    return made


def _aggregation(row: Table, _: Path) -> bytes:
    assets = []
    for item in row.tables("asset"):
        assets.append((digits(item, "mrid", dashed=True), item.number("kw")))
        item.end()
    return der.Aggregation(row.text("name"), row.text("service"), tuple(sorted(assets))).body()


def _interchange(row: Table, _: Path) -> bytes:
    return Interchange(
        _EXCHANGES[row.word("kind", _EXCHANGES)],
        *(row.text("from"), row.text("to"), row.number("mwh")),
        row.number("rounded") if row.has("rounded") else None,
        *(names(row, "tags"), row.text("source") if row.has("source") else ""),
    ).body()


def _emergency(row: Table, _: Path) -> bytes:
    def number(key: str) -> float | None:
        return row.number(key) if row.has(key) else None

    alert = None
    if row.has("eea"):
        of = row.table("eea")
        alert = Alert(of.text("footprint"), of.whole("level", 0, LEVEL_MAX))
        of.end()
    return TieEmergency(
        _ACTS[row.word("act", _ACTS)],
        row.text("toward") if row.has("toward") else None,
        *(number("limit_mw"), number("ramp_mw_min"), alert, row.text("reason")),
        row.text("under") if row.has("under") else "",
    ).body()


def _evaluation(row: Table, _: Path) -> bytes:
    rows = [_quantity(item) for item in row.tables("quantity")]
    asked = grammar.predicate(row.text("text"), rows)
    named = [one.name for one in asked.quantities]
    causes = []
    for item in row.tables("cause"):
        of = named.index(item.word("quantity", named)) if item.has("quantity") else None
        kind = _OPEN[item.word("cause", _OPEN)]
        causes.append(truth.Cause(kind, of, moment(item, "first"), moment(item, "end")))
        item.end()
    found = truth.Found(_TRUTHS[row.word("truth", _TRUTHS)], tuple(causes))
    leaves = leaf.Leaves(row.whole("tree_size", 1, TAI_MAX), _leaves(row))
    root = hash_of(row, "root", row.text("root"))
    return evaluation.Evaluation(asked, leaves, root, found).body()


def _leaves(row: Table) -> tuple[int, ...]:
    text, found = row.text("leaves"), set[int]()
    for part in text.split(","):
        match = LEAVES.fullmatch(part.strip())
        first, last = (0, -1) if match is None else (int(match[1]), int(match[2] or match[1]))
        if not 0 <= last - first < leaf.LEAVES_MAX:
            row.fail("leaves", part, f"an index, or a range such as 7-9 of {leaf.LEAVES_MAX}")
        found.update(range(first, last + 1))
    return tuple(sorted(found))


def _claim(row: Table, _: Path) -> bytes:
    figures = []
    for item in row.tables("figure"):
        rounded = item.number("rounded") if item.has("rounded") else None
        made = claim.Figure(item.text("name"), item.text("unit"), item.number("value"), rounded)
        figures.append(made)
        item.end()
    source = row.text("source") if row.has("source") else ""
    return claim.Claim(row.text("text"), source, tuple(figures)).body()


def _decision(row: Table, _: Path) -> bytes:
    return _decided(row, None)


def _operation(row: Table, _: Path) -> bytes:
    events = []
    for item in row.tables("event"):
        parent = item.whole("parent", 0, PARENTS_MAX - 1)
        events.append(Event(parent, moment(item, "at"), item.text("text")))
        item.end()
    return _decided(row, tuple(events))


def _decided(row: Table, events: tuple[Event, ...] | None) -> bytes:
    equipment = digits(row, "equipment", dashed=True) if row.has("equipment") else None
    mw = row.number("mw") if row.has("mw") else None
    return Decision(equipment, row.text("name"), mw, row.text("reason"), events).body()


def _handoff(row: Table, _: Path) -> bytes:
    step = _STEPS[row.word("step", _STEPS)]
    if step != Step.REQUESTED:
        request = hash_of(row, "request", row.text("request"))
        before = hash_of(row, "before", row.text("before"))
        text = row.text("text") if row.has("text") else ""
        return handoff.Taken(step, request, before, text).body()
    limits = []
    for item in row.tables("limit"):
        limits.append(handoff.Limit(item.text("name"), item.number("value"), item.text("unit")))
        item.end()
    return handoff.Request(
        row.text("scope"),
        tuple(_condition(item) for item in row.tables("condition")),
        tuple(limits),
        row.whole("fresh_s", 0, FRESH_S_MAX) * NS,
        _takers(row),
        moment(row, "expires") if row.has("expires") else None,
    ).body()


def _takers(row: Table) -> tuple[tuple[Part, ...], ...]:
    found = dict(handoff.TAKERS)
    if row.has("takers"):
        of = row.table("takers")
        for step in (one for one in handoff.LATER if of.has(one.name.lower())):
            words = of.words(step.name.lower(), _SIDES)
            found[step] = tuple(sorted(_SIDES[word] for word in words))
        of.end()
    return tuple(found[step] for step in handoff.LATER)


def _condition(row: Table) -> predicate.Predicate:
    rows = [_quantity(item) for item in row.tables("quantity")]
    found = grammar.predicate(row.text("text"), rows)
    row.end()
    return found


def _quantity(row: Table) -> Quantity:
    def word(key: str, known: tuple[str, ...]) -> int:
        return known.index(row.word(key, known)) if row.has(key) else 0

    place = predicate.Place(row.word("place", predicate.PLACES), row.text("label"))
    made = Quantity(
        row.text("name"), place, digits(row, "mrid", dashed=True),
        word("quantity", QUANTITIES), word("phase", PHASES), word("part", predicate.PARTS),
        row.text("unit") if row.has("unit") else "",
        row.text("issuer") if row.has("issuer") else "",
        row.whole("hole_ms", 1, HOLE_MS_MAX) * 1_000_000,
    )  # fmt: skip
    row.end()
    return made


# The matters that have a form of their own; what is not here is written as it is encoded.
FORMS: Mapping[Matter, Form] = {
    Matter.POLICY: _policy,
    Matter.REGISTRY: _registry,
    Matter.SEAM: _seam,
    Matter.INTERCHANGE: _interchange,
    Matter.DC_TIE_EMERGENCY: _emergency,
    Matter.EVALUATION: _evaluation,
    Matter.DER_AGGREGATION: _aggregation,
    Matter.CLAIM: _claim,
    Matter.DISPATCH: _decision,
    Matter.CURTAILMENT: _decision,
    Matter.LOAD_SHED: _decision,
    Matter.RELAY_OPERATION: _operation,
    Matter.HANDOFF: _handoff,
}


def moment(row: Table, key: str) -> int:
    """An instant, ns TAI: of TOML's own kind, or a text. Raises TomlError."""
    value = row.value(key)
    if isinstance(value, datetime) and value.tzinfo is not None:
        try:
            value = value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        except OverflowError:  # in UTC it is before the year 1, or after 9999
            row.fail(key, value.isoformat(), f"an instant such as {instant.EXAMPLE}")
    if not isinstance(value, str):
        row.fail(key, value, f"an instant in UTC, such as {instant.EXAMPLE}")
    try:
        return instant.read(value)
    except ValueError as fault:
        raise TomlError((*row.steps, key), f"{fault}") from fault


def digits(row: Table, key: str, dashed: bool = False) -> bytes:
    """Bytes in hex; a UUID may have its dashes. Raises TomlError."""
    return _bytes(row, key, row.text(key), dashed)


def _bytes(row: Table, key: str, text: str, dashed: bool) -> bytes:
    try:
        return bytes.fromhex(text.replace("-", "") if dashed else text)
    except ValueError:
        row.fail(key, text, "hex digits")


def hash_of(row: Table, key: str, text: str) -> bytes:
    """The hash in a text that stands under this key. Raises TomlError."""
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if len(found) != HASH_BYTES:
        row.fail(key, text, f"{2 * HASH_BYTES} hex digits")
    return found


def texts(row: Table, key: str) -> tuple[str, ...]:
    """Texts; none where there is no such key. Raises TomlError."""
    return row.words(key) if row.has(key) else ()


def names(row: Table, key: str) -> tuple[str, ...]:
    """Texts, sorted. Raises TomlError."""
    return tuple(sorted(texts(row, key)))
