"""Whether this machine kept time while something ran on it: how late a thread came that only
sleeps, and now and then writes a byte to the disk.

1. What came LATE_S late or more, or took the disk as long, counts: then nothing on the machine was
   served in time, and what came too late beside it says nothing of who it came from.
2. It is a thread, not a task: what keeps a loop busy is a fault of the program, not the machine.
"""

import contextlib
import os
import tempfile
import threading
import time
from pathlib import Path
from typing import IO

from evidence.leap import NS

BEAT_S = 0.05
DISK_BEATS = 20  # a write every second
LATE_S = 0.25  # two busy lanes of tests on two cores make it 0.1 s late


class Pulse:
    """One machine's, by the disk of one folder."""

    def __init__(self) -> None:
        self.times = self.worst_ns = 0  # that it was late, and how late
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, folder: Path) -> None:
        """Raises OSError where no file can be made there."""
        file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - the thread closes it
        self._thread = threading.Thread(target=self._beat, args=(file,), daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Idempotent."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def _beat(self, file: IO[bytes]) -> None:
        beats = 0
        with file:
            while not self._over.is_set():
                began = time.monotonic_ns()
                self._over.wait(BEAT_S)
                beats += 1
                if beats % DISK_BEATS == 0:
                    with contextlib.suppress(OSError):  # a full disk is not a slow one
                        os.pwrite(file.fileno(), b"\0", 0)
                        os.fsync(file.fileno())
                self._came(time.monotonic_ns() - began - int(BEAT_S * NS))

    def _came(self, late_ns: int) -> None:
        if late_ns >= LATE_S * NS:
            self.times += 1
            self.worst_ns = max(self.worst_ns, late_ns)
