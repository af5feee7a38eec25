"""Records of authorities for people and as JSON: what each is worth, who has signed, who has not.

1. States are by the log's clock, at the checkpoint that stands last.
2. It needs no anchors and checks nothing: that is `verify`. What the record derived is told as it
   stands.
3. Rows come one after another, whatever their number.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from evidence import checkpoint, cose, instant
from evidence.code import Matter, Part, Reason, Word
from evidence.joint import countersignature
from evidence.joint.asked import Need
from evidence.joint.record import Record
from evidence.joint.state import Docket, Said, Standing, State
from evidence.merkle import HASH_BYTES
from record.joint import Shelf
from record.lookup import NotFoundError
from record.schema import JointRow
from record.store import Store, StoreError

Told = dict[str, Any]
MATTERS = {matter.name.lower(): matter for matter in Matter}
STATES = {state.name.lower(): state for state in State}
PREFIX_MIN = 8  # digits of a name: one record in four thousand million has them by chance


@dataclass(frozen=True, slots=True)
class Filter:
    """Which records are asked for; None: any. `missing`: for whose signature they wait;
    `notified`: whom the policy tells of them."""

    state: State | None = None
    matter: Matter | None = None
    author: str | None = None
    missing: str | None = None
    element: str | None = None
    notified: str | None = None


class Listing:
    """The records of a store, at its last checkpoint. Raises StoreError."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._size = store.size()
        signed = store.checkpoint(self._size)
        self._tai = checkpoint.read(cose.read(signed).payload).tai if signed else 0
        self._shelf = Shelf(store)
        self._docket = Docket((), self._shelf)

    def rows(self, wanted: Filter) -> Iterator[Told]:
        """Each that passes, in the order of the log."""
        for row in self._candidates(wanted.state):
            found = self._standing(row)
            if self._passes(found, wanted):
                yield self._told(found)

    def one(self, name: str) -> Told:
        """All of one record, by the first digits of its name. Raises NotFoundError."""
        found = list(self._named(name))
        if len(found) != 1:
            what = "no record" if not found else f"{len(found)} records"
            raise NotFoundError(f"{name}: {what} of that name: see `records STORE`")
        standing = self._standing(found[0])
        says = self._says(standing)
        return self._told(standing) | {
            "footprints": list(says.footprints),
            "elements": list(says.elements),
            "parts": {Part(part).name.lower(): who for part, who in says.parts},
            "parents": [_parent(item) for item in says.parents],
            "children": [child.hex() for child in self._store.children(standing.case.name)],
            "body": says.body.hex(),
            "words": self._words(standing.case.name),
        }

    # --- inside -------------------------------------------------------------------------------

    def _candidates(self, state: State | None) -> Iterator[JointRow]:
        if state is None:
            return self._store.joints()
        # What has expired is kept as pending until somebody says something of it.
        if state == State.EXPIRED:
            return self._store.joints()
        return self._store.joints_in(int(state))

    def _named(self, name: str) -> Iterator[JointRow]:
        if len(name) == 2 * HASH_BYTES:
            try:
                row = self._store.joint(bytes.fromhex(name))
            except ValueError:
                row = None
            if row is not None:
                yield row
            return
        if len(name) < PREFIX_MIN:
            raise NotFoundError(f"{name!r}: a record's name, or its first {PREFIX_MIN} digits")
        for row in self._store.joints():
            if row.name.hex().startswith(name.lower()):
                yield row

    def _standing(self, row: JointRow) -> Standing:
        found = self._docket.standing(row.name, self._size, self._tai)
        if found is None:
            raise StoreError(f"the record at entry {row.idx} is not in the log yet")
        return found

    def _says(self, found: Standing) -> Record:
        says = self._shelf.record(found.case.name)
        if says is None:
            raise StoreError(f"entry {found.case.idx} is missing")
        return says

    def _passes(self, found: Standing, wanted: Filter) -> bool:
        case = found.case
        return (
            (wanted.state is None or found.state == wanted.state)
            and (wanted.matter is None or case.matter == wanted.matter)
            and (wanted.author is None or case.author == wanted.author)
            and (wanted.missing is None or wanted.missing in map(_authority, found.missing))
            and (wanted.notified is None or wanted.notified in case.notified)
            and (wanted.element is None or wanted.element in self._says(found).elements)
        )

    def _told(self, found: Standing) -> Told:
        case = found.case
        return {
            "name": case.name.hex(),
            "entry": case.idx,
            "matter": case.matter.name.lower(),
            "author": case.author,
            "from": instant.words(case.begins),
            "to": instant.words(case.ends),
            "logged": instant.words(case.tai),
            "state": found.state.name.lower(),
            "since": found.since,
            "expires": None if case.deadline is None else instant.words(case.deadline),
            "signed": list(map(_need, found.signed)),
            "dissented": list(map(_need, found.dissent)),
            "missing": list(map(_need, found.missing)),
            "unasked": list(map(_unasked, found.unasked)),
            "notified": list(case.notified),
            "flags": [Reason(flag).name.lower() for flag in case.flags],
        }

    def _words(self, name: bytes) -> list[Told]:
        told = []
        for said in self._shelf.words(name):
            entry = self._store.entry(said.idx)
            if entry is None:
                raise StoreError(f"entry {said.idx} is missing")
            text = countersignature.read(cose.read(entry.encoded).payload).text
            word = Word(said.word).name.lower()
            row = {"author": said.author, "word": word, "entry": said.idx, "text": text}
            told.append(row | {"logged": instant.words(said.tai)})
        return told


def line(told: Told) -> str:
    """A record on one line."""
    flags = f" ({', '.join(told['flags'])})" if told["flags"] else ""
    text = (
        f"{told['entry']:>8}  {told['name'][:16]}  {told['state']:<8}  {told['matter']}{flags},"
        f" {told['author']}: {told['from']} to {told['to']}"
    )
    if told["dissented"]:
        text += f"; against it: {_names(told['dissented'])}"
    if told["missing"]:
        text += f"; missing: {_names(told['missing'])}"
    if told["unasked"]:
        text += f"; not asked, and not counted: {_names(told['unasked'])}"
    return text


def lines(told: Told) -> list[str]:
    """All of one record."""
    flags = f", {', '.join(told['flags'])}" if told["flags"] else ""
    rows = [
        ("record", f"{told['name']}, entry {told['entry']}, logged {told['logged']}"),
        ("matter", f"{told['matter']}, said by {told['author']}"),
        ("interval", f"{told['from']} to {told['to']}"),
        ("state", f"{told['state']}{flags}, since entry {told['since']}"),
        ("expires", told["expires"]),
        *((name, ", ".join(told[name])) for name in ("footprints", "elements", "notified")),
        *(("part", f"{part}: {who}") for part, who in told["parts"].items()),
        *((kind, f"{row['authority']} ({row['as']})")
          for kind in ("signed", "dissented", "missing", "unasked") for row in told[kind]),
        *((row["word"], f"{row['author']}, entry {row['entry']}, {row['logged']}"
           + (f": {row['text']}" if row["text"] else "")) for row in told["words"]),
        *(("parent", name) for name in told["parents"]),
        *(("child", name) for name in told["children"]),
        ("body", told["body"]),
    ]  # fmt: skip
    return [f"{title:<13} {text}" for title, text in rows if text]


def _names(rows: list[Told]) -> str:
    return ", ".join(f"{row['authority']} ({row['as']})" for row in rows)


def _need(need: Need) -> Told:
    return {"authority": need.authority, "as": need.why}


def _unasked(said: Said) -> Told:
    return {"authority": said.author, "as": Word(said.word).name.lower()}


def _authority(need: Need) -> str:
    return need.authority


def _parent(parent: Any) -> str:
    return parent.hex() if isinstance(parent, bytes) else f"{parent.batch.hex()}/{parent.place}"
