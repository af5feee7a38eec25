"""The watchdog: a board whose loop stands still starts anew.

Once begun it cannot be ended, on any port; elsewhere than on a board there is none. It watches the
loop alone: whether what turns is right is not its business.
"""

SECONDS_MAX = 8  # RP2040's counts to 8.3 s; the others' go further

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Watchdog:
    """`seconds` without `feed`, and the board is reset. 0: never."""

    def __init__(self, seconds: int) -> None:
        self._dog: Any = None
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
