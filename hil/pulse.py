"""Whether this machine kept time while something ran on it: how late a thread came that only
sleeps, and every second writes a byte to the disk.

1. What came LATE_S late or more, or took the disk as long, counts: then what came too late beside
   it says nothing of who it came from.
2. Where this process itself was at work for most of the delay, its thread waited for that alone:
   such a delay is the program's, and does not count.
"""

import contextlib
import os
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from evidence.leap import NS

BEAT_S = 0.05
DISK_BEATS = 20  # a write every second
END_S = 1.0
LATE_S = 0.25  # two busy lanes of tests on two cores make it 0.1 s late


class Pulse:
    """One machine's, by the disk of one folder. `now_ns`: of the monotonic clock; `worked_ns`: what
    this process has had of the processor."""

    def __init__(
        self,
        now_ns: Callable[[], int] = time.monotonic_ns,
        worked_ns: Callable[[], int] = time.process_time_ns,
    ) -> None:
        self.now_ns, self.worked_ns = now_ns, worked_ns
        self.times = self.worst_ns = 0  # that it was late, and how late
        self._over = threading.Event()
        self._began = self._busy = 0  # of the beat under way: monotonic, and of the processor
        self._thread: threading.Thread | None = None

    def start(self, folder: Path) -> None:
        """Raises OSError where no file can be made there."""
        file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - the thread closes it
        self._thread = threading.Thread(target=self._beat, args=(file,), daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Idempotent. A disk that hangs is not waited for."""
        self._over.set()
        if self._thread is not None:
            self._thread.join(END_S)

    def stood(self) -> int:
        """How many times it was late, that of now among them."""
        return self.times + (self._late_ns() > 0)

    def _beat(self, file: IO[bytes]) -> None:
        beats = 0
        with file:
            while not self._over.is_set():
                self._begin()
                self._over.wait(BEAT_S)
                beats += 1
                if beats % DISK_BEATS == 0:
                    with contextlib.suppress(OSError):  # a full disk is not a slow one
                        os.pwrite(file.fileno(), b"\0", 0)
                        os.fsync(file.fileno())
                self._end()

    def _begin(self) -> None:
        """A beat."""
        self._busy, self._began = self.worked_ns(), self.now_ns()

    def _end(self) -> None:
        """The beat under way."""
        if late_ns := self._late_ns():
            self.times += 1
            self.worst_ns = max(self.worst_ns, late_ns)

    def _late_ns(self) -> int:
        """By how much the beat under way is late; 0: not by LATE_S, or by our own work."""
        if not self._began:
            return 0
        late_ns = self.now_ns() - self._began - int(BEAT_S * NS)
        busy_ns = self.worked_ns() - self._busy
        return late_ns if late_ns >= LATE_S * NS and busy_ns < late_ns / 2 else 0
