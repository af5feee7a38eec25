"""A log as files, honest or not, and a server of files that shows them: Python's own, as a process.

1. The test writes what it wants to be seen; `StaticLog` writes it as an honest log would.
2. Nothing of the mirror's own writing is used: names and bundles are written here once more.
"""

import contextlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from evidence import cbor, cose, merkle
from evidence import checkpoint as logged
from evidence.code import Typ
from evidence.key import Ed25519Key
from evidence.tlog import checkpoint
from evidence.tlog.checkpoint import Checkpoint
from tests.record.witness.watched import LOG, ORIGIN

NS = 1_000_000_000
NOW = 1_790_000_000 * NS


@contextlib.contextmanager
def files(folder: Path) -> Iterator[str]:
    """The address under which a folder's files are shown."""
    typed = [
        sys.executable,
        "-u",
        "-m",
        "http.server",
        "0",
        "--bind",
        "127.0.0.1",
        "-d",
        str(folder),
    ]
    with subprocess.Popen(
        typed, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"port (\d+)", process.stdout.readline())
            assert found
            yield f"http://127.0.0.1:{found[1]}"
        finally:
            process.kill()


def tile_name(level: str, index: int, width: int) -> str:
    """C2SP tlog-tiles, for the indexes that a test reaches."""
    name = f"{index:03}" if index < 1000 else f"x{index // 1000:03}/{index % 1000:03}"
    return f"tile/{level}/{name}" + ("" if width == 256 else f".p/{width}")


class StaticLog:
    """Entries, the commits that brought them, and their files."""

    def __init__(self, folder: Path, key: Ed25519Key = LOG) -> None:
        self.folder, self._key = folder, key
        self.entries: list[bytes] = []
        self.bodies: dict[bytes, bytes] = {}
        self.commits: list[tuple[int, int]] = []  # size and tai

    def commit(self, *entries: bytes, tai: int = NOW) -> None:
        self.entries += entries
        self.commits.append((len(self.entries), tai))

    def grow(self, count: int, tai: int = NOW, word: str = "entry") -> None:
        """So many entries in one commit."""
        first = len(self.entries)
        self.commit(*(f"{word} {at}".encode() for at in range(first, first + count)), tai=tai)

    def twist(self, index: int) -> None:
        """The history is another from there on."""
        self.entries[index] = b"twisted"

    def cut(self, size: int) -> None:
        """The rest is gone."""
        del self.entries[size:]
        self.commits = [one for one in self.commits if one[0] < size] + [(size, NOW)]

    def root(self, size: int | None = None) -> bytes:
        return merkle.root([merkle.leaf_hash(one) for one in self.entries[:size]])

    def note(self) -> bytes:
        size = len(self.entries)
        return checkpoint.sign(Checkpoint(ORIGIN, size, self.root()), self._key).encode()

    def show(self) -> None:
        """Writes it all."""
        leaves = [merkle.leaf_hash(one) for one in self.entries]
        level, hashes = 0, leaves
        while hashes:
            for index in range(-(-len(hashes) // 256)):
                part = hashes[256 * index : 256 * (index + 1)]
                self.put(tile_name(str(level), index, len(part)), b"".join(part))
            full = range(len(hashes) // 256)
            level, hashes = level + 1, [
                merkle.root(hashes[256 * at : 256 * (at + 1)]) for at in full
            ]  # fmt: skip
        for index in range(-(-len(leaves) // 256)):
            part = self.entries[256 * index : 256 * (index + 1)]
            bundle = b"".join(len(one).to_bytes(2, "big") + one for one in part)
            self.put(tile_name("entries", index, len(part)), bundle)
        stated = [(size, self.stated(size, tai)) for size, tai in self.commits]
        for since in (0, *(size for size, _ in stated)):
            after = [encoded for size, encoded in stated if size > since]
            self.put(f"v1/checkpoints/{since}", cbor.encode(after[:256]))
        for subject, observations in self.bodies.items():
            self.put(f"v1/body/{subject.hex()}", observations)
        self.put("checkpoint", self.note())

    def stated(self, size: int, tai: int, root: bytes | None = None) -> bytes:
        """The log's own checkpoint."""
        payload = logged.Checkpoint(size, root or self.root(size), tai).payload()
        return cose.sign(Typ.CHECKPOINT, payload, self._key)

    def put(self, path: str, data: bytes) -> None:
        at = self.folder / path
        at.parent.mkdir(parents=True, exist_ok=True)
        at.write_bytes(data)

    def read(self, path: str) -> bytes:
        return (self.folder / path).read_bytes()

    def spoil(self, path: str, at: int) -> None:
        """One byte of it is another."""
        data = bytearray(self.read(path))
        data[at] ^= 1
        self.put(path, bytes(data))
