"""How long an inclusion proof takes that is made from tile files on disk, none of which is in
memory; in a log of ten million entries.

1. The log is whole, as tlog-tiles has it: every tile of every level, in a file of its name. Its
   leaves are random bytes, which is what hashes look like; there are no entries beside them.
2. Cold is: before each proof the kernel is told to drop the pages of each file that it will read
   (posix_fadvise, DONTNEED), once all of them are on the disk. Whether it did is asked of it, file
   by file (a read that must not wait), and the share that was still there is told. Names and
   inodes stay in memory: a folder of a log that is in use is.
3. Timed is what the one does who has the files: opening and reading them, and making the path.
   That it leads to the root is checked beside the clock.
4. Beside it stands what of that was the processor's: on a machine that does other work the rest is
   the wait for a turn, and for the disk.
5. LEAST proofs at least: a 99th percentile of fewer means nothing.

It is the code that a mirror serves by, and an auditor proves with.
"""

import os
import random
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evidence import merkle
from evidence.merkle import HASH_BYTES
from evidence.tlog import tile
from evidence.tlog.tile import WIDTH, Tile, Tiles
from hil.bench import BenchError
from record.witness.copy import Copy

LEAVES = 10_000_000
LEAST = 1000
ASKED_P99_MS = 5.0
CACHED_MOST = 0.01  # of the files: below, they are not what the 99th percentile is made of
SEED = 20261126


def measure(seconds: float = 10.0, leaves: int = LEAVES) -> dict[str, Any]:
    """The figures of `gridseal-hil bench tiles`."""
    chosen = random.Random(SEED)
    with tempfile.TemporaryDirectory(prefix="gridseal-bench-") as folder:
        copy = Copy(Path(folder), "bench.example/tiles")
        began = time.perf_counter()
        count = build(copy, leaves, chosen)
        built_s = time.perf_counter() - began
        log = _Cold(copy, leaves)
        took: list[float] = []
        busy: list[float] = []
        until = time.perf_counter() + seconds
        while time.perf_counter() < until or len(took) < LEAST:
            one, processor = log.prove(chosen.randrange(leaves))
            took.append(one)
            busy.append(processor)
    took.sort()
    busy.sort()
    p99_ms = took[len(took) * 99 // 100] * 1e3
    cached = log.cached / log.files
    reasons = []
    if cached > CACHED_MOST:
        reasons.append(f"{cached:.1%} of the files were still in memory: that is not cold")
    slow = f"99 of 100 proofs take up to {p99_ms:.1f} ms, asked are {ASKED_P99_MS} ms"
    return {
        "leaves": leaves,
        "tiles": count,
        "proofs": len(took),
        "p50_ms": round(took[len(took) // 2] * 1e3, 3),
        "p99_ms": round(p99_ms, 3),
        "most_ms": round(took[-1] * 1e3, 3),
        "processor_p99_ms": round(busy[len(busy) * 99 // 100] * 1e3, 3),
        "files_a_proof": round(log.files / len(took), 2),
        "still_cached_share": round(cached, 4),
        "cold": "posix_fadvise DONTNEED of each file before each proof",
        "built_s": round(built_s, 1),
        "reasons": [*reasons, slow] if p99_ms >= ASKED_P99_MS else reasons,
    }


def build(copy: Copy, leaves: int, chosen: random.Random) -> int:
    """Writes every tile of a log of random leaves, durable; how many there are."""
    count, level, hashes = 0, 0, leaves
    above: Sequence[bytes] = ()
    while hashes:
        roots = []
        for index in range(-(-hashes // WIDTH)):
            one = Tile(level, index, tile.width(level, index, leaves))
            if level == 0:
                data = chosen.randbytes(one.width * HASH_BYTES)
            else:
                data = b"".join(above[one.start : one.start + one.width])
            at = copy.folder / one.path()
            at.parent.mkdir(parents=True, exist_ok=True)
            at.write_bytes(data)
            count += 1
            if one.width == WIDTH:
                roots.append(tile.above(one, data))
        above, hashes, level = roots, len(roots), level + 1
    os.sync()  # a page that is not on the disk yet is not dropped
    return count


class _Cold:
    """A log in files, each read as if for the first time."""

    def __init__(self, copy: Copy, leaves: int) -> None:
        self._copy, self._leaves = copy, leaves
        self._root = Tiles(leaves, copy.tile).root()
        self.files = self.cached = 0

    def prove(self, index: int) -> tuple[float, float]:
        """Seconds, and those of the processor. Raises BenchError for a proof that does not hold."""
        needed = tile.for_inclusion(index, self._leaves)
        for one in needed:
            self.cached += _dropped(self._copy.folder / one.path())
        self.files += len(needed)
        leaf = Tile(0, index // WIDTH, tile.width(0, index // WIDTH, self._leaves))
        start, begun = time.perf_counter(), time.thread_time()
        proof = Tiles(self._leaves, self._copy.tile).inclusion(index)
        took = time.perf_counter() - start, time.thread_time() - begun
        hashes = tile.read_hashes(leaf, self._copy.tile(leaf))
        try:
            merkle.check_inclusion(hashes[index % WIDTH], index, self._leaves, proof, self._root)
        except ValueError as fault:
            raise BenchError(f"the proof of leaf {index}: {fault}") from fault
        return took


def _dropped(path: Path) -> bool:
    """Has the kernel drop a file's pages; whether the first is still there."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        try:
            os.preadv(file, [bytearray(1)], 0, os.RWF_NOWAIT)
        except BlockingIOError:
            return False
        except OSError:  # a file system that cannot tell, such as one in memory
            return True
        return True
    finally:
        os.close(file)
