"""When a log says that it logged its entries, against the clock of who saw them come.

1. The log's own checkpoints say it: one over each commit, COSE, signed by its key, with its time.
   They are taken for the copy as they are, without a gap up to the published tree.
2. Entries that come after one that was seen to be the last, at an instant of the mirror's, cannot
   have been published before that. That they were not logged either follows only as far as the log
   publishes within the bound, which is for two clocks that differ as well.
3. Times rise with the tree, from pull to pull, too.

What a record claims of its own past is no business of the log's time, nor of this.
"""

from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

from evidence import cbor, cose, instant, shape
from evidence import checkpoint as logged
from evidence.code import Reason, Typ
from evidence.leap import NS
from evidence.refusal import EvidenceError
from evidence.tlog.note import Verifier
from record.database import StoreError
from record.witness.copy import Copy, times_path
from record.witness.source import Source, SourceError

STEP_BYTES_MAX = 1 << 18  # of one answer: 256 checkpoints of some 150 bytes


class Said(NamedTuple):
    """One of the log's own checkpoints."""

    size: int
    root: bytes
    tai: int
    encoded: bytes


class Doubt(NamedTuple):
    """A time that contradicts, and the checkpoint that says it."""

    reason: Reason
    words: str
    encoded: bytes


class Clock:
    """What the mirror's clock says of the entries after `size`, ns TAI. `empty`: when their place
    was seen to be empty last, 0 where it never was; `seen`: when they were there; `late`: the
    bound; `latest`: when those up to `size` were logged, as the log says."""

    def __init__(self, size: int, empty: int, seen: int, late: int, latest: int) -> None:
        self._size, self._empty, self._seen, self._late = size, empty, seen, late
        self.latest = latest

    def doubt(self, said: Said) -> Doubt | None:
        """Of the checkpoints of one pull, in their order."""
        first, self._size = self._size, said.size
        before, self.latest = self.latest, max(self.latest, said.tai)
        what = f"entries {first} to {said.size - 1} were logged at {instant.words(said.tai)}"
        if said.tai < self._empty - self._late:
            late_s = (self._empty - said.tai) // NS
            words = f"{what}, it says, and {late_s} s later it did not show them"
            return Doubt(Reason.BACK_DATED, words, said.encoded)
        if said.tai < before:
            words = f"{what}, it says, and those before them later, at {instant.words(before)}"
            return Doubt(Reason.BACK_DATED, words, said.encoded)
        if said.tai > self._seen + self._late:
            early_s = (said.tai - self._seen) // NS
            words = f"{what}, it says, and were seen {early_s} s before"
            return Doubt(Reason.CLOCK_SUSPECTED, words, said.encoded)
        return None


def latest(copy: Copy, size: int, keys: Sequence[Verifier]) -> int:
    """When the last entries of a copy of so many were logged, as the log says, ns TAI; 0: nothing
    tells. Raises StoreError."""
    since = max((at for at in copy.times() if at < size), default=None)
    if since is None:
        return 0
    path = times_path(since)
    try:
        found = read(copy.read(path), since, size, keys)
    except EvidenceError as fault:
        raise StoreError(f"{copy.folder / path}: the copy is damaged: {fault}") from fault
    return max((one.tai for one in found), default=0)


async def pulled(
    source: Source, copy: Copy, old: int, size: int, keys: Sequence[Verifier]
) -> AsyncIterator[Said]:
    """The log's own checkpoints from one size up to another, rising, verified but for their roots;
    and puts them into the copy.

    Raises EvidenceError, SourceError, StoreError.
    """
    since = old
    while since < size:
        path = times_path(since)
        found = read(await source.get(path, STEP_BYTES_MAX), since, size, keys)
        if not found:
            raise SourceError(f"{path}: the log's own checkpoints end there, the tree at {size}")
        copy.put(path, cbor.encode([one.encoded for one in found]))
        since = found[-1].size
        for one in found:
            yield one


def read(data: bytes, since: int, size: int, keys: Sequence[Verifier]) -> list[Said]:
    """Those up to a size: the log may have grown since. Raises EvidenceError."""
    found: list[Said] = []
    for item in shape.array(cbor.decode(data), "checkpoints"):
        said = _said(shape.blob(item, "checkpoint"), keys)
        if said.size <= since:
            text = f"a checkpoint over {said.size} entries after one over {since}"
            raise EvidenceError(Reason.TREE_SIZE, text)
        if said.size > size:
            break
        since = said.size
        found.append(said)
    return found


def _said(encoded: bytes, keys: Sequence[Verifier]) -> Said:
    message = cose.read_statement(encoded, Typ.CHECKPOINT)
    for key in keys:
        if key.key.kid == message.kid:
            cose.check(message, key.key)
            says = logged.read(message.payload)
            return Said(says.size, says.root, says.tai, encoded)
    raise EvidenceError(Reason.KID, f"a checkpoint by key {message.kid.hex()}, none of the log's")
