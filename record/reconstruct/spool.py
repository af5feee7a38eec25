"""Bytes of many files that are made at once and read one after the other, in one temporary file.

Memory does not grow with them: what is not yet on the disk is SPOOL_BYTES_MAX at most.
"""

import tempfile
from collections.abc import Iterator
from contextlib import suppress
from types import TracebackType

SPOOL_BYTES_MAX = 32 << 20  # of all files together, before they are put down
PIECE_BYTES = 1 << 20  # read at a time
Places = dict[bytes, list[tuple[int, int]]]  # by key: where in the file, and how many bytes


class Spool:
    """Files by a key. Raises OSError, which names where temporary files lie."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 (closed with this)
        self._fresh: dict[bytes, bytearray] = {}
        self._places: Places = {}
        self._others: list[Spool] = []
        self._size = self._held = 0

    def __enter__(self) -> "Spool":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for one in (self, *self._others):
            with suppress(OSError):  # what was not put down by now is read by nobody
                one._file.close()

    def add(self, key: bytes, data: bytes) -> None:
        self._fresh.setdefault(key, bytearray()).extend(data)
        self._held += len(data)
        if self._held >= SPOOL_BYTES_MAX:
            self._put()

    def places(self) -> Places:
        """What is in the file; of a process that shares it, after the last that was added."""
        self._put()
        return self._places

    def join(self, other: "Spool", places: Places) -> None:
        """Also gives what another process put into the file of another one: other keys."""
        other._places = places
        self._others.append(other)

    def read(self, key: bytes) -> Iterator[bytes]:
        """What was added under a key, in its order."""
        for other in self._others:
            if key in other._places:
                yield from other.read(key)
                return
        self._put()
        for at, size in self._places.get(key, ()):
            while size:
                self._file.seek(at)
                data = self._file.read(min(size, PIECE_BYTES))
                yield data
                at, size = at + len(data), size - len(data)

    def _put(self) -> None:
        try:
            self._file.seek(self._size)
            for key, data in self._fresh.items():
                self._file.write(data)
                self._places.setdefault(key, []).append((self._size, len(data)))
                self._size += len(data)
            self._file.flush()
        except OSError as fault:
            raise OSError(fault.errno, fault.strerror, tempfile.gettempdir()) from fault
        self._fresh, self._held = {}, 0
