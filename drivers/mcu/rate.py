"""At which rate a board's line is to run: it begins at START_BAUD, and is changed to the one that
the configuration names once both ends have agreed on it, and heard each other there.

1. A board is looked for at START_BAUD, where one that has just started is (but for one whose
   settings say otherwise), and at the rate wanted, where one is that had a gateway a moment ago; a
   look at each in turn, so that one that was reset is found again within LOST_NS and two looks.
2. A rate is proposed until the board agrees, at most ASKS_MAX times. Once it has, the line is
   changed, and the proposal said again: the answer to that is the proof.
3. Where the proof does not come within TRY_NS the rate is given up for as long as the line is open:
   the board is home by itself, after `BAUD_TRIAL_US`, or `SILENT_US` where it heard the gateway and
   was not heard; meanwhile it must not hear the gateway at the rate that was given up.

It opens nothing, says nothing and knows the time only as it is told.
"""

from enum import Enum
from typing import NamedTuple

from firmware_bridge.link import START_BAUD

LOOK_NS = 1_200_000_000  # two HELLOs
LOST_NS = 1_500_000_000  # without a packet; a board answers each second
ASK_NS = 300_000_000  # one frame of the board's longest, at START_BAUD, is 180 ms
ASKS_MAX = 5
PROVE_NS = 150_000_000  # at the new rate, which is the faster one
TRY_NS = 900_000_000  # below the board's own BAUD_TRIAL_US


class _State(Enum):
    LOOKING = 0
    ASKING = 1
    TRYING = 2
    SETTLED = 3


class Step(NamedTuple):
    """What is to be done, in this order."""

    change: bool = False  # the line, to `now`
    again: bool = False  # the session begins anew
    propose: bool = False  # `wanted`


class Rate:
    """`now`: what the line is to be at. `wanted`: of the configuration, until it is given up."""

    def __init__(self, wanted: int) -> None:
        self.wanted, self.now = wanted, START_BAUD
        self.given_up = False
        self._state = _State.LOOKING
        self._since_ns: int | None = None  # when this state, or this look, began
        self._asked_ns = 0
        self._asks = 0

    def turn(self, now_ns: int, greeted: bool, heard_ns: int, agreed: int | None) -> Step:
        """To be asked often. `heard_ns`: when a packet was last heard; `agreed`: since the last
        proposal."""
        if not greeted:
            return self._look(now_ns)
        trying = self._state is _State.TRYING  # which ends by itself, and is remembered
        if self.now != START_BAUD and not trying and now_ns - heard_ns > LOST_NS:
            self._enter(_State.LOOKING, now_ns)
            return Step(again=True)
        if self._state is _State.LOOKING:
            self._enter(_State.SETTLED if self.now == self.wanted else _State.ASKING, now_ns)
        if self._state is _State.ASKING:
            return self._ask(now_ns, agreed)
        return self._try(now_ns, agreed) if self._state is _State.TRYING else Step()

    def give_up(self, now_ns: int) -> Step:
        """This line cannot do what is wanted, or the board at its end."""
        self.given_up, self.wanted, self.now = True, START_BAUD, START_BAUD
        self._enter(_State.LOOKING, now_ns)
        return Step(change=True, again=True)

    def _enter(self, state: _State, now_ns: int) -> None:
        self._state, self._since_ns, self._asks = state, now_ns, 0

    def _look(self, now_ns: int) -> Step:
        if self._state is not _State.LOOKING or self._since_ns is None:
            self._enter(_State.LOOKING, now_ns)
        elif now_ns - self._since_ns > LOOK_NS and self.wanted != START_BAUD:
            self._since_ns = now_ns
            self.now = self.wanted if self.now == START_BAUD else START_BAUD
            return Step(change=True)
        return Step()

    def _ask(self, now_ns: int, agreed: int | None) -> Step:
        if agreed == self.wanted and self._asks:
            self.now = self.wanted
            self._enter(_State.TRYING, now_ns)
            self._asked_ns = now_ns
            return Step(change=True, propose=True)
        if self._asks and now_ns - self._asked_ns < ASK_NS:
            return Step()
        if self._asks == ASKS_MAX:
            self.given_up, self.wanted = True, START_BAUD
            self._enter(_State.SETTLED, now_ns)
            return Step()
        self._asks, self._asked_ns = self._asks + 1, now_ns
        return Step(propose=True)

    def _try(self, now_ns: int, agreed: int | None) -> Step:
        if agreed == self.wanted:
            self._enter(_State.SETTLED, now_ns)
            return Step()
        if now_ns - (self._since_ns or 0) > TRY_NS:
            return self.give_up(now_ns)
        if now_ns - self._asked_ns < PROVE_NS:
            return Step()
        self._asked_ns = now_ns
        return Step(propose=True)
