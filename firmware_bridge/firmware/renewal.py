"""What a running version does about the next one, and about being on trial itself.

1. `update.py` is loaded when it is needed: a board that only bridges has its memory to itself.
2. A version on trial is known to work when a gateway has opened a session under it, not before.
3. When a new version is to be tried, the board goes on for `REST_US`, so that what was asked last
   is answered, also twice; then it is to start anew.
"""

from firmware_bridge.link import Board
from firmware_bridge.shim import flash
from firmware_bridge.shim.ticks import since

TYPE_CHECKING = False
if TYPE_CHECKING:
    from firmware_bridge.firmware.update import Update

REST_US = 1_000_000
_KINDS = (0x20, 0x21, 0x22)  # of update.py


class Renewal:
    """`over`: the board is to start anew."""

    def __init__(self, folder: str, board: Board) -> None:
        self._folder, self._board = folder, board
        self._update: Update | None = None
        self._done = False
        self._done_us = 0
        self.over = False
        board.besides = self._heard
        slot = (flash.read(folder + "/slot") or b"").split()
        if len(slot) == 3 and slot[1] != b"-":
            self._load()

    def turn(self, now_us: int) -> bool:
        """One slice. Whether there is more to do at once. OSError: of the flash."""
        update = self._update
        if update is None:
            return False
        if self._board.open:
            update.reported()
        told = update.turn()
        if told is not None:
            self._board.answer(told[0], told[1])
        if update.done and not self._done:
            self._done, self._done_us = True, now_us
        self.over = self._done and since(now_us, self._done_us) > REST_US
        return update.busy

    def _heard(self, kind: int, body: bytes) -> None:
        if kind in _KINDS:
            self._load().take(kind, body)

    def _load(self) -> "Update":
        if self._update is None:
            from firmware_bridge.firmware.update import Update

            self._update = Update(self._folder)
        return self._update
