"""What a running version does about the next one, and about being on trial itself.

1. It is loaded when a packet of an update comes, or when this version is on trial, and given up
   once it is `idle`: a board that only bridges has its memory to itself, whatever a stray packet
   asked of it. An update that went on after such a pause would have to begin anew.
2. A version on trial is known to work when a gateway has opened a session under it, not before.
3. When a new version is to be tried, the board goes on for `REST_US`, so that what was asked last
   is answered, also twice; then it is to start anew.
"""

from firmware_bridge.firmware.update import Update
from firmware_bridge.link import Board
from firmware_bridge.shim.ticks import since

REST_US = 3_000_000  # asked again each second
IDLE_US = 60_000_000  # whoever sends an update asks again each second, and gives up sooner


class Renewal:
    """`over`: the board is to start anew. `idle`: nobody asks, and nothing is under way. `wrote`:
    the last turn wrote to the flash. `trial`: the version that runs is on trial."""

    def __init__(self, folder: str, board: Board, trial: bool) -> None:
        self._board, self._update = board, Update(folder, trial)
        self._done_us: int | None = None
        self._asked_us: int | None = None  # when something was last under way
        self.over = self.idle = self.wrote = False

    def turn(self, now_us: int) -> bool:
        """One slice. Whether there is more to do at once. OSError: of the flash."""
        board, update = self._board, self._update
        update.wrote = False
        if board.open:
            update.reported()
        asked, board.renewal = board.renewal, None
        if asked is not None:
            update.take(asked[0], asked[1])
        told = update.turn()
        if told is not None:
            board.answer(told[0], told[1])
        if update.done:
            if self._done_us is None:
                self._done_us = now_us
            self.over = since(now_us, self._done_us) > REST_US
        if self._asked_us is None or asked or update.busy or update.done or update.trial:
            self._asked_us = now_us
        self.idle = since(now_us, self._asked_us) > IDLE_US
        if self.idle:
            update.close()
        self.wrote = update.wrote
        return update.busy
