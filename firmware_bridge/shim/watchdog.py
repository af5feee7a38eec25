"""The watchdog: a board whose loop stands still starts anew.

Once begun it cannot be ended, on any port, not even by a technician at the prompt: so it is begun
when a board has keys, and no prompt. Elsewhere than on a board there is none. It watches the loop
alone: whether what turns is right is not its business.
"""

SECONDS_MAX = 8  # RP2040's counts to 8.3 s; the others' go further

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Watchdog:
    """Does nothing until it is begun."""

    def __init__(self) -> None:
        self._dog: Any = None

    def begin(self, seconds: int) -> None:
        """So long without `feed`, and the board is reset. 0: never."""
        if seconds:
            try:
                from machine import WDT  # type: ignore[import-not-found]

                self._dog = WDT(timeout=seconds * 1000)
            except ImportError:  # not a board, or one without
                pass

    def feed(self) -> None:
        """In each turn."""
        if self._dog is not None:
            self._dog.feed()
