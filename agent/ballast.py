"""Space that is kept for statements: a file beside the spool, given up when the disk takes nothing.

1. BYTES are enough for a thousand gap statements through SQLite's log, and the run that makes them.
2. It is made with real blocks, and only where there is room for it and the reserve (agent.disk);
   once given up it is made anew when space returns.

The reserve keeps the agent's own samples from filling the disk; the ballast is for a disk that
others fill.
"""

import os
from pathlib import Path

BYTES = 4 << 20


class Ballast:
    """The ballast of the spool at a path. Called in the spool's thread only."""

    def __init__(self, spool: Path) -> None:
        self._path = Path(f"{spool}.ballast")

    def make(self) -> None:
        """Makes it, if it is not there whole. Where there is no room, there is none."""
        try:
            if self._path.exists() and self._path.stat().st_size == BYTES:
                return
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return
        try:
            os.posix_fallocate(handle, 0, BYTES)
        except OSError:
            self.give_up()
        finally:
            os.close(handle)

    def give_up(self) -> bool:
        """Frees its space; whether there was any."""
        try:
            os.unlink(self._path)
        except OSError:
            return False
        return True
