"""Authorities' records and countersignatures as the record keeps them: what each is worth, in the
order of the log.

1. Who may say what, who must sign, and what comes of it is evidence.joint's, the same here, in the
   audit and in a verifier that has neither. This file is its shelf: rows in and out.
2. In memory are the policy, the registry and the seams in force, which authorities agree on, and
   the records of the group that is being committed; all else is looked up. A hundred thousand
   records take no more memory than none.
3. A record or a word is judged where it gets its place (record.sequencer): its key, its author's
   role and whom the policy asks are those of that place, and of the log's clock there.
"""

from collections.abc import Iterator, Sequence

from evidence import cbor, cose, shape
from evidence.anchor import Authorities
from evidence.code import Matter, Reason, Typ, Word
from evidence.joint import record
from evidence.joint import sold as once
from evidence.joint.asked import Need
from evidence.joint.before import Sold
from evidence.joint.countersignature import Countersignature
from evidence.joint.record import Record
from evidence.joint.state import Case, Docket, Judged, Law, Said, State
from evidence.key import PublicKey
from record.admit import NewBatch, NewStatement
from record.schema import JointRow, LawRow, ParentRow, SoldRow, WordRow
from record.store import Store, StoreError


class Joint:
    """The shared records of one store, whose founders are these."""

    def __init__(self, store: Store, authorities: Authorities) -> None:
        self._shelf = Shelf(store)
        self._docket = Docket(authorities.values(), self._shelf)
        self._judged: Judged | None = None

    def reset(self) -> None:
        """Goes back to what the store holds."""
        self._shelf.end()
        self._docket.reset()

    def end(self) -> None:
        """The group is durable."""
        self._shelf.end()

    def key(self, kid: bytes) -> PublicKey | None:
        """A key that the registry has, whether it holds or not."""
        return self._docket.registry.key(kid)

    def check(self, item: NewStatement | NewBatch, idx: int, tai: int) -> None:
        """Whether an item may have this place, at this instant of the log's clock. Raises
        EvidenceError."""
        if not isinstance(item, NewBatch) and isinstance(item.value, Record | Countersignature):
            self._judged = self._docket.judge(cose.read(item.encoded), idx, tai)

    def add(self, item: NewStatement, idx: int) -> None:
        """What was checked last has its place in the log."""
        judged, self._judged = self._judged, None
        if isinstance(item.value, Record | Countersignature) and judged is not None:
            self._docket.enter(judged, idx)


class Shelf:
    """An evidence.joint.state.Shelf over a store, for whoever writes it, and for whoever reads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._fresh: dict[bytes, tuple[int, Record]] = {}  # of this group: in no table yet

    def end(self) -> None:
        self._fresh.clear()

    # --- reading ------------------------------------------------------------------------------

    def case(self, name: bytes) -> Case | None:
        row = self._store.joint(name)
        return None if row is None else case_of(row)

    def record(self, name: bytes) -> Record | None:
        fresh = self._fresh.get(name)
        if fresh is not None:
            return fresh[1]
        found = self._store.statement(name, Typ.RECORD)
        return None if found is None else record.read(cose.read(found.encoded).payload)

    def steps(self, name: bytes) -> Sequence[bytes]:
        return self._store.steps(name)

    def words(self, name: bytes) -> Sequence[Said]:
        return list(map(_said, self._store.words(name)))

    def sellers(self, digest: bytes, begins: int, ends: int) -> Sequence[tuple[bytes, Sold]]:
        rows = self._store.sellers(digest, begins, ends)
        return [(name, Sold(by, begins, ends)) for name, by, begins, ends in rows]

    def laws(self) -> Iterator[Law]:
        for row in self._store.laws():
            found = self._store.entry(row.record)
            if found is None:
                raise StoreError(f"entry {row.record}, which is in force, is missing")
            says = record.read(cose.read(found.encoded).payload)
            yield Law(row.place, says, bool(row.whole))

    # --- writing ------------------------------------------------------------------------------

    def add_case(self, case: Case, of: Record, state: State) -> None:
        self._fresh[case.name] = case.idx, of
        self._store.add_joint(_row(case, state, case.idx))
        parents = dict.fromkeys(
            item if isinstance(item, bytes) else item.batch for item in of.parents
        )
        self._store.add_parents([ParentRow(parent, case.idx) for parent in parents])
        sold = once.rows(of, self.record)
        if sold:
            self._store.add_sold([SoldRow(one, case.idx, *row) for one, row in sold])

    def add_word(self, said: Said) -> None:
        author = said.author.encode()
        self._store.add_word(WordRow(said.record, author, int(said.word), said.idx, said.tai))

    def add_law(self, place: int, of: Case, whole: bool) -> None:
        self._store.add_law(LawRow(place, of.idx, int(whole)))

    def change(self, case: Case, state: State, since: int) -> None:
        self._store.change_joint(case.idx, _flags(case), int(state), since)


def case_of(row: JointRow) -> Case:
    """Raises StoreError for a row that nobody wrote so."""
    try:
        needs, notified = shape.array(cbor.decode(row.parties), "parties", 2)
        return Case(
            row.name, row.idx, row.tai, Matter(row.matter), row.author.decode(),
            row.begins, row.ends, row.deadline,
            tuple(Need(name, why) for name, why in needs), notified,
            tuple(map(Reason, cbor.decode(row.flags))), row.base,
        )  # fmt: skip
    except (ValueError, TypeError) as fault:
        raise StoreError(f"what is kept of the record at entry {row.idx}: {fault}") from fault


def _said(row: WordRow) -> Said:
    """Raises StoreError, as `case_of`."""
    try:
        return Said(row.record, row.author.decode(), Word(row.word), row.idx, row.tai)
    except ValueError as fault:
        raise StoreError(f"what is kept of the word at entry {row.idx}: {fault}") from fault


def _row(case: Case, state: State, since: int) -> JointRow:
    parties = cbor.encode([list(map(list, case.needs)), case.notified])
    return JointRow(
        case.idx, case.name, int(case.matter), case.author.encode(), case.tai,
        case.begins, case.ends, case.deadline, parties, case.base, _flags(case),
        int(state), since,
    )  # fmt: skip


def _flags(case: Case) -> bytes:
    return cbor.encode([int(flag) for flag in case.flags])
