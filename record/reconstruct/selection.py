"""Which batches a bundle holds: of each gateway that is asked for, all that it cut from the first
batch of the interval to the last, without a hole of ours.

1. Nothing is left out between two batches that are there, whatever streams they hold: so the chains
   of heads and links show that nothing is missing.
2. At both ends it reaches to a batch that lies outside of the interval for each stream, where one
   is within FENCE_MAX batches: what is measured before and after proves that nothing between them
   is left out.
3. With a seam, gateways are those that measure at its sides: by the credential's issuer, and the
   node or terminal that a descriptor names. What else they measure is in their batches. Beside
   them stand those that records of the interval lean on (record.reconstruct.closure).

It reads the log as at one size.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from evidence import cose, observation
from evidence.code import Typ
from evidence.head import read as read_head
from evidence.joint.seam import Seam
from record.ground import Grounds, at_once
from record.known import Known, KnownRun
from record.leaf import Leaves
from record.schema import INT_MAX, HeadRow, RunRow, SpanRow
from record.series import Wanted
from record.settle.agreed import in_force
from record.store import Store, StoreError

FENCE_MAX = 256  # batches: a minute of a gateway that cuts four a second


_Numbers = tuple[int, int]  # of batches, from and to


class Stretch(NamedTuple):
    """Batches of one run, by number, these included."""

    run: KnownRun
    first: int
    last: int


class Selection:
    """The batches of one interval. `devices`: by what tells the device, in rising order."""

    def __init__(
        self,
        store: Store,
        known: Known,
        size: int,
        begins: int,
        ends: int,
        seam: Seam | None,
        more: Iterable[int] = (),
    ) -> None:
        """`more`: the log indexes of other batches that must be in it."""
        self._store, self._known, self._size = store, known, size
        self._begins, self._ends = begins, ends
        self._rows = {row.id: row for row in store.runs() if row.id < size}
        found: dict[bytes, dict[int, _Numbers]] = {}
        fences: list[int] = []
        for idx in (*self._measured(self._devices(seam), fences), *more):
            run, number = self._head(idx)
            stretches = found.setdefault(self._rows[run].device, {})
            stretches[run] = _spanned(stretches.get(run), number)
        for idx in fences:
            run, number = self._head(idx)
            stretches = found.get(self._rows[run].device, {})
            if run in stretches and _is_near(stretches[run], number):
                stretches[run] = _spanned(stretches[run], number)
        grounds = Grounds(store, known, size)
        for stretches in found.values():
            self._ground(grounds, stretches)
        self.devices = {device: self._joined(found[device]) for device in sorted(found)}

    def heads(self, stretch: Stretch) -> Iterator[HeadRow]:
        """The batches of a stretch that are in the log, by number."""
        for row in self._store.heads_up(stretch.run.id, stretch.first, stretch.last):
            if row.idx < self._size:
                yield row

    def _devices(self, seam: Seam | None) -> set[bytes]:
        """Those that are asked for."""
        if seam is None:
            return {row.device for row in self._rows.values()}
        heirs = in_force(self._store, b"", seam, (self._size, self._size)).heirs
        sides = [
            Wanted(node=side.node, issuer=side.authority, heirs=own)
            for side, own in zip(seam.sides, heirs, strict=True)
        ]
        leaves = Leaves(self._store, self._known, self._size)
        found = leaves.of(sides, self._begins, self._ends)
        return {self._rows[self._head(idx)[0]].device for idx in found}

    def _measured(self, devices: set[bytes], fences: list[int]) -> Iterator[int]:
        """Log indexes of the first and the last batch of each stream that measured something in the
        interval; into `fences` go those before and after."""
        for row in self._rows.values():
            if row.device not in devices:
                continue
            for stream in self._store.streams(row.id):
                yield from self._of_stream(row.id, stream, fences)

    def _of_stream(self, run: int, stream: int, fences: list[int]) -> Iterator[int]:
        last = min(self._ends - 1, INT_MAX)
        found = self._store.spans_measured(run, stream, self._begins, last)
        spans = [span for span in found if span.idx < self._size]
        after = self._store.first_measured(run, stream, self._ends)
        if after is not None and (after.idx >= self._size or not self._is_batch(after)):
            after = None
        if after is not None and self._holds(after):
            spans.append(after)
        elif after is not None and spans:
            fences.append(after.idx)
        if not spans:
            return
        before = self._before(spans[0])
        if before is not None:
            fences.append(before.idx)
        yield spans[0].idx
        yield spans[-1].idx

    def _holds(self, span: SpanRow) -> bool:
        """Whether a batch that reaches beyond the interval holds something of it."""
        entry, body = self._store.entry(span.idx), self._store.body(span.idx)
        if entry is None or body is None:
            raise StoreError(f"entry {span.idx} is missing")
        place = 0
        ranges = read_head(cose.read(entry.encoded).payload).ranges
        instants = list(observation.instants(body))
        for part in ranges:
            if (part.stream, part.last_leaf) == (span.stream, span.last_leaf):
                own = instants[place : place + part.count]
                return any(self._begins <= tai < self._ends for tai in own)
            place += part.count
        raise StoreError(f"entry {span.idx} does not hold what its span says")

    def _before(self, span: SpanRow) -> SpanRow | None:
        """The batch of a stream before this one."""
        seq = span.first_seq - 1
        while seq >= 0:
            near = self._store.spans_near(span.run, span.stream, seq, seq)
            found = next((one for one in near if one.idx < self._size), None)
            if found is None or self._is_batch(found):
                return found
            seq = found.first_seq - 1
        return None

    def _is_batch(self, span: SpanRow) -> bool:
        entry = self._store.entry(span.idx)
        return entry is not None and entry.typ == Typ.HEAD

    def _head(self, idx: int) -> tuple[int, int]:
        """The run and the number of a batch. Raises StoreError."""
        entry = self._store.entry(idx)
        if entry is None:
            raise StoreError(f"entry {idx} is missing")
        head = read_head(cose.read(entry.encoded).payload)
        row = self._store.run(head.run)
        if row is None:
            raise StoreError(f"the run of entry {idx} is missing")
        return row.id, head.number

    def _ground(self, grounds: Grounds, stretches: dict[int, _Numbers]) -> None:
        """Reaches on, at both ends of a device's batches, to the heads of boards."""
        order = self._ordered(self._rows[next(iter(stretches))].device)
        order = [row for row in order if row.id in stretches]
        begins, ends = stretches[order[0].id][0], stretches[order[-1].id][1]
        for steps in (grounds.back(order[0], begins), grounds.forth(order[-1], ends)):
            row, number = at_once(steps)
            stretches[row.id] = _spanned(stretches.get(row.id), number)

    def _joined(self, stretches: dict[int, _Numbers]) -> list[Stretch]:
        """Of one device, from its first batch to its last, run after run."""
        order = self._ordered(self._rows[next(iter(stretches))].device)
        places = [at for at, row in enumerate(order) if row.id in stretches]
        found = []
        for at in range(places[0], places[-1] + 1):
            row = order[at]
            first, last = stretches.get(row.id, (0, INT_MAX))
            run = self._known.run(row.name)
            if run is None:
                raise StoreError(f"run {row.name.hex()[:16]} is missing")
            whole = (0 if at > places[0] else first, INT_MAX if at < places[-1] else last)
            found.append(Stretch(run, *whole))
        return found

    def _ordered(self, device: bytes) -> list[RunRow]:
        """The runs of a device, each after the one that it continues; else as the log has them."""
        rows = [row for row in self._rows.values() if row.device == device]
        after: dict[bytes | None, list[RunRow]] = {}
        names = {row.name for row in rows}
        for row in rows:
            known = row.predecessor if row.predecessor in names else None
            after.setdefault(known, []).append(row)
        found: list[RunRow] = []
        waiting = list(reversed(after.get(None, [])))
        while waiting:
            row = waiting.pop()
            found.append(row)
            waiting += reversed(after.get(row.name, []))
        return found


def _spanned(there: _Numbers | None, number: int) -> _Numbers:
    first, last = there or (number, number)
    return min(first, number), max(last, number)


def _is_near(there: _Numbers, number: int) -> bool:
    return there[0] - FENCE_MAX <= number <= there[1] + FENCE_MAX
