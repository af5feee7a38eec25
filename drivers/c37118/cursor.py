"""A place in bytes that only moves forward, and never past the end: what is not there is a
FrameError before it is read.
"""

from struct import Struct

from drivers.line import FrameError

NAME_BYTES = 16  # of CFG-1 and CFG-2


class Cursor:
    """Reads what a configuration says, in order."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def left(self) -> int:
        return len(self._data) - self._at

    def take(self, count: int, what: str) -> bytes:
        if count > self.left():
            raise FrameError("truncated", f"{what} needs {count} bytes, {self.left()} left")
        self._at += count
        return self._data[self._at - count : self._at]

    def read(self, form: Struct, what: str) -> tuple[int, ...]:
        return form.unpack(self.take(form.size, what))

    def name(self) -> str:
        return self.take(NAME_BYTES, "a name").decode("utf-8", "replace").rstrip(" \0")

    def name_3(self) -> str:
        return self.take(self.take(1, "a name")[0], "a name").decode("utf-8", "replace")
