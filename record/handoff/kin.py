"""What a record in a store rests on, and what rests on it: the store as a source of
evidence.joint.lineage, and each thing met as one object for JSON and as a line for people.

1. An observation is here when its batch's head and body are, and the body has that place.
2. What a record is worth is told as at the log's last checkpoint; of a request for a handoff, where
   that stands, too.
3. An evaluation is evaluated again, as far as its author's share allows: where it does not hold,
   it and what leans on it are told with `evaluated_otherwise` beside the log's own flags.
4. What names an observation is told for it: so a GOOSE trip leads to the record of its sequence of
   events.

It checks no signature: that is `verify`.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from evidence import checkpoint, cose, instant, observation
from evidence.code import Kind, Matter, Reason, Step, Typ
from evidence.head import Head
from evidence.head import read as read_head
from evidence.joint import custody, decision, emergency, evaluation, handoff, interchange, lineage
from evidence.joint import record as joint
from evidence.joint.lineage import Kin, Lineage, Presence
from evidence.joint.record import Observed, Parent, Record
from evidence.joint.state import Standing, State
from evidence.refusal import EvidenceError
from record.handoff.evaluate import Effort
from record.handoff.otherwise import LEANS, Doubts
from record.joint import Shelf, case_of
from record.known import Known
from record.lookup import Lookup, NotFoundError, Seen, name_of, read_name
from record.schema import Entry
from record.store import Store, StoreError

DIGITS_MIN = 8  # of a record's name
_RECORD = re.compile(r"[0-9a-f]{8,64}", re.ASCII)
_OBSERVED = re.compile(r"([0-9a-f]{64})/(\d{1,18})", re.ASCII)
_STATEMENTS = tuple(typ for typ in Typ if typ not in (Typ.RECORD, Typ.HEAD))
Told = dict[str, Any]


class Kindred:
    """One store, asked."""

    def __init__(self, store: Store, known: Known) -> None:
        self._store, self._known = store, known
        self._shelf, self._doubts = Shelf(store), Doubts(store, known)
        self._met: dict[Observed, Seen | None] = {}  # lineage.LINKS_MAX at most
        encoded = store.checkpoint(store.size())
        self._tai = 0 if encoded is None else checkpoint.read(cose.read(encoded).payload).tai

    # --- an evidence.joint.lineage.Source -----------------------------------------------------

    def record(self, name: bytes) -> Record | None:
        found = self._store.statement(name, Typ.RECORD)
        return None if found is None else joint.read(cose.read(found.encoded).payload)

    def statement(self, name: bytes) -> Presence:
        here = any(self._store.statement(name, typ) for typ in _STATEMENTS)
        return Presence.HERE if here else Presence.MISSING

    def observed(self, observed: Observed) -> Presence:
        return Presence.MISSING if self._seen(observed) is None else Presence.HERE

    def leaf(self, idx: int) -> Presence:
        entry = self._store.entry(idx)
        return Presence.HERE if entry is not None and entry.typ == Typ.HEAD else Presence.MISSING

    # --- asking -------------------------------------------------------------------------------

    @property
    def effort(self) -> Effort:
        """What was not evaluated again for what was told so far."""
        return self._doubts.effort

    def named(self, text: str) -> Parent:
        """What people mean: a record by 8 digits of its name or more, an observation as
        BATCH/PLACE or GATEWAY/STREAM/SEQ. Raises NotFoundError."""
        observed = _OBSERVED.fullmatch(text)
        if observed is not None:
            return Observed(bytes.fromhex(observed[1]), int(observed[2]))
        if not _RECORD.fullmatch(text):
            return self._observed_of(Lookup(self._store, self._known).sample(read_name(text)))
        if len(text) == 64:
            return bytes.fromhex(text)
        found = {row.name for row in self._store.joints() if row.name.hex().startswith(text)}
        if len(found) != 1:
            raise NotFoundError(f"{len(found)} records have a name that begins with {text}")
        return found.pop()

    def lineage(self, name: Parent) -> Lineage:
        """Raises NotFoundError where there is nothing of this name, StoreError, EvidenceError."""
        found = lineage.lineage(name, self)
        if found.kin[0].presence == Presence.MISSING:
            raise NotFoundError(f"nothing here is called {lineage.words(name)}")
        return found

    def naming(self, name: Parent) -> list[Kin]:
        """The records that name it as a parent, in the order of the log."""
        key = name.batch if isinstance(name, Observed) else name
        found = [(child, self.record(child)) for child in self._store.children(key)]
        return [
            Kin(0, child, record, Presence.HERE)
            for child, record in found
            if record is not None and name in record.parents
        ]

    def told(self, kin: Kin) -> Told:
        """As one object."""
        row: Told = {
            "depth": kin.depth,
            "name": lineage.words(kin.of),
            "presence": kin.presence.name.lower(),
            "again": kin.again,
            "unfounded": kin.unfounded,
        }
        if isinstance(kin.of, Observed):
            seen = self._seen(kin.of)
            return row | {"is": "observation"} | ({} if seen is None else _observation(seen))
        if isinstance(kin.of, tuple):
            return row | {"is": "leaves"}
        if kin.record is None:
            return row | {"is": "statement"}
        return row | {"is": "record"} | self._record(kin.of, kin.record)

    # --- beneath ------------------------------------------------------------------------------

    def _record(self, name: bytes, record: Record) -> Told:
        standing = self._standing(name)
        row: Told = {
            "matter": record.matter.name.lower(),
            "author": record.author,
            "from": instant.words(record.begins),
            "to": instant.words(record.ends),
            "state": None if standing is None else standing.state.name.lower(),
            "flags": self._flags(name, record, standing),
            "says": _says(record),
        }
        found = custody.stands(name, self.record, self._store.steps, self._standing, self._tai)
        if found is not None:
            row["stands"] = found.step.name.lower()
            row["holder"] = found.holder
            row["steps"] = [_step(step, of) for step, of in found.steps]
        return row

    def _flags(self, name: bytes, record: Record, standing: Standing | None) -> list[str]:
        flags = [] if standing is None else list(standing.case.flags)
        evaluated = record.matter == Matter.EVALUATION or record.matter in LEANS
        if evaluated and self._doubts.of(name):
            flags.append(Reason.EVALUATED_OTHERWISE)
        return [one.name.lower() for one in flags]

    def _standing(self, name: bytes) -> Standing | None:
        """What it is worth after the word that came last, and the time that is over since."""
        row = self._store.joint(name)
        if row is None:
            return None
        state, case = State(row.state), case_of(row)
        if state == State.PENDING and case.deadline is not None and self._tai > case.deadline:
            state = State.EXPIRED
        return Standing(case, state, row.since, (), (), ())

    def _observed_of(self, seen: Seen) -> Observed:
        before = sum(part.count for part in seen.ranges[: seen.at])
        place = before + seen.sample.seq - seen.ranges[seen.at].first_seq
        return Observed(seen.entry.subject, place)

    def _seen(self, observed: Observed) -> Seen | None:
        """Raises StoreError."""
        if observed not in self._met:
            self._met[observed] = self._looked(observed)
        return self._met[observed]

    def _looked(self, observed: Observed) -> Seen | None:
        entry = self._store.entry_of(observed.batch)
        if entry is None or entry.typ != Typ.HEAD:
            return None
        try:
            return self._at(entry, read_head(cose.read(entry.encoded).payload), observed.place)
        except EvidenceError as fault:
            raise StoreError(f"entry {entry.idx}: {fault}") from fault

    def _at(self, entry: Entry, head: Head, place: int) -> Seen | None:
        body = self._store.body(entry.idx)
        if body is None or place >= head.count:
            return None
        start = 0
        for _ in range(place + 1):
            sample, _, start = observation.read_at(body, start)
        left = place
        for at, part in enumerate(head.ranges):
            if left < part.count:
                known = self._known.descriptor(part.descriptor)
                if known is None:
                    return None
                return Seen(known.run, known, entry, head.ranges, at, sample)
            left -= part.count
        return None


def _step(step: Step, of: Standing) -> Told:
    return {
        "step": step.name.lower(),
        "name": of.case.name.hex(),
        "state": of.state.name.lower(),
        "flags": [one.name.lower() for one in of.case.flags],
    }


def _observation(seen: Seen) -> Told:
    gateway, stream = seen.run.credential.subject, name_of(seen.known) or seen.sample.stream
    kind = seen.sample.kind
    return {
        "sample": f"{gateway}/{stream}/{seen.sample.seq}",
        "kind": Kind(kind).name.lower() if kind in list(Kind) else str(kind),
        "instant": instant.words(seen.sample.tai),
        "bound_ns": seen.sample.bound,
    }


def _says(record: Record) -> str:
    """What a record says, in words; empty of a matter that is another's to tell."""
    try:
        if record.matter == Matter.EVALUATION:
            found = evaluation.read(record.body)
            return f"{found.found.truth.name.lower()}: {found.predicate.text}"
        if record.matter == Matter.HANDOFF:
            step = handoff.read(record.body)
            text = step.scope if isinstance(step, handoff.Request) else step.text
            return f"{step.step.name.lower()}: {text}"
        if record.matter == Matter.INTERCHANGE:
            return interchange.read(record.body).told()
        if record.matter == Matter.DC_TIE_EMERGENCY:
            return emergency.read(record.body).told()
        if record.matter == Matter.RELAY_OPERATION:
            return _decided(decision.read_operation(record.body))
        if record.matter in lineage.DECISIONS:
            return _decided(decision.read(record.body))
    except EvidenceError as fault:
        return f"nobody can read it: {fault}"
    return ""


def _decided(found: decision.Decision) -> str:
    what = "" if found.equipment is None else f" ({UUID(bytes=found.equipment)})"
    much = "" if found.mw is None else f", {found.mw:g} MW"
    events = "" if found.events is None else f", {len(found.events)} events"
    return f"{found.name}{what}{much}{events}: {found.reason}"


# --- for people -----------------------------------------------------------------------------------


def lines(rows: Sequence[Told]) -> Iterator[str]:
    """A tree, a line each."""
    for row in rows:
        yield "  " * row["depth"] + _line(row)


def _line(row: Told) -> str:
    name = row["name"] if row["is"] == "leaves" else row["name"][:16]
    if row["presence"] != "here":
        return f"{row['presence']}: {row['name']}"
    if row["is"] == "observation":
        return f"{row['kind']} {row['sample']}, {row['instant']}, of batch {name}"
    if row["is"] != "record":
        return name if row["is"] == "leaves" else f"statement {name}"
    told = f"{row['matter']} {name} by {row['author']}, {row['state']}"
    told += "".join(f", {flag}" for flag in row["flags"])
    told += f": {row['says']}" if row["says"] else ""
    if "stands" in row:
        told += f" (stands: {row['stands']}; with {row['holder']})"
    if row["again"]:
        told += ", as above"
    return told
