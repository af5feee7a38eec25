"""What is remembered of records and words, in memory: for a verifier, which has the whole log."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from evidence.code import Matter
from evidence.joint import sold
from evidence.joint.asked import Need
from evidence.joint.before import Sold
from evidence.joint.record import Record
from evidence.joint.state import Case, Law, Said, State


class Memory:
    """An evidence.joint.state.Shelf. `states`: of each record by name, and since which place."""

    def __init__(self) -> None:
        self.states: dict[bytes, tuple[State, int]] = {}
        self._cases: dict[bytes, Case] = {}
        self._records: dict[bytes, Record] = {}
        self._words: dict[bytes, list[Said]] = {}
        self._steps: dict[bytes, list[bytes]] = {}
        self._sellers: dict[bytes, list[tuple[bytes, Sold]]] = {}
        self._laws: list[Law] = []
        self._needs: dict[tuple[Need, ...], tuple[Need, ...]] = {}  # alike in most: kept once

    def case(self, name: bytes) -> Case | None:
        return self._cases.get(name)

    def record(self, name: bytes) -> Record | None:
        return self._records.get(name)

    def steps(self, name: bytes) -> Sequence[bytes]:
        return self._steps.get(name, ())

    def words(self, name: bytes) -> Sequence[Said]:
        return tuple(self._words.get(name, ()))

    def sellers(self, digest: bytes, begins: int, ends: int) -> Sequence[tuple[bytes, Sold]]:
        rows = self._sellers.get(digest, ())
        return [row for row in rows if row[1].begins < ends and begins < row[1].ends]

    def laws(self) -> Iterable[Law]:
        return tuple(self._laws)

    def add_case(self, case: Case, of: Record, state: State) -> None:
        case = replace(case, needs=self._needs.setdefault(case.needs, case.needs))
        self._cases[case.name], self._records[case.name] = case, of
        self.states[case.name] = state, case.idx
        for parent in of.parents:
            if of.matter == Matter.HANDOFF and isinstance(parent, bytes):
                self._steps.setdefault(parent, []).append(case.name)
        for digest, row in sold.rows(of, self.record):
            self._sellers.setdefault(digest, []).append((case.name, row))

    def add_word(self, said: Said) -> None:
        self._words.setdefault(said.record, []).append(said)

    def add_law(self, place: int, of: Case, whole: bool) -> None:
        # One entry may both revoke at once and come into force: the latter says all.
        if self._laws and self._laws[-1].place == place:
            self._laws.pop()
        self._laws.append(Law(place, self._records[of.name], whole))

    def change(self, case: Case, state: State, since: int) -> None:
        self._cases[case.name] = replace(self._cases[case.name], flags=case.flags)
        self.states[case.name] = state, since
