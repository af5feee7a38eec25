"""A revenue meter of a scenario: energy registers and a clock of its own, read by Modbus over TCP.

1. Registers count from when the figures begin, in Wh, each in its direction, and hold besides what
   flowed in the quarter of an hour that ended last; what they say at an instant does not depend on
   who read them before.
2. `gain` is how far this meter is off, as its class allows: two meters of one tie never agree to
   the last digit.
3. The request, the answer and what is made of both are the shipped driver's (drivers.modbus); only
   the wire between them is left out.

It integrates nothing: a feed knows its energy in closed form.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from drivers.line import Frame, Instant, Setup
from drivers.modbus import map, plan
from drivers.modbus.adu import MBAP_BYTES, Framing
from drivers.modbus.conversation import Target, TcpConversation, Terms
from drivers.modbus.request import encode
from drivers.modbus.stream import setup_of
from drivers.modbus.value import Layout
from evidence.leap import BUILT_IN, NS
from evidence.siteplan import Direction
from hil.devices.modbus.bank import INPUT, Run, Value, utc_ms
from hil.devices.modbus.unit import Unit
from hil.scenario.feed import Feed
from hil.scenario.gateway import CLOCK_BOUND_NS

WH = 1_000_000  # of a MWh
UNIT = 1
ANSWER_NS = 30_000_000  # from request to answer
INTERVAL_MS = 900_000  # of its interval registers: a quarter of an hour, from the full hour
_INTERVAL_NS = INTERVAL_MS * 1_000_000
_FIELDS: Final = (
    *(("sequence", "u32"), ("time_ms", "u64"), ("power_mw", "f32")),
    *(("imported_wh", "u64"), ("exported_wh", "u64")),
)
_ENDED: Final = (
    *(("ended_ms", "u64"), ("ended_imported_wh", "u64"), ("ended_exported_wh", "u64")),
)
_RUNS: Final = (Run(INPUT, 0, _FIELDS), Run(INPUT, 100, _ENDED))
# The same, said to a driver. Of its instants the meter's own clock vouches, to a millisecond.
_MAP: Final = """
station = {station}
period_ms = {period_ms}

[[group]]
name = "interval"
period_ms = {interval_ms}

[[point]]
name = "sequence"
table = "input"
address = 0
type = "u32"

[[point]]
name = "time_ms"
table = "input"
address = 2
type = "time_ms"
stamps = true
bound_us = 1000
document = "hil/scenario/README.md"

[[point]]
name = "power"
table = "input"
address = 6
type = "f32"
unit = "MW"

[[point]]
name = "imported"
table = "input"
address = 8
type = "u64"
unit = "Wh"

[[point]]
name = "exported"
table = "input"
address = 12
type = "u64"
unit = "Wh"

[[point]]
name = "ended_ms"
group = "interval"
table = "input"
address = 100
type = "time_ms"
stamps = true
bound_us = 1000
document = "hil/scenario/README.md"

[[point]]
name = "imported of interval"
group = "interval"
table = "input"
address = 104
type = "u64"
unit = "Wh/15min"

[[point]]
name = "exported of interval"
group = "interval"
table = "input"
address = 108
type = "u64"
unit = "Wh/15min"
"""
# What is counted into the equipment at its terminal, and what out of it.
DIRECTIONS: Final[dict[str, Direction]] = {
    "power": "in",
    "imported": "in",
    "exported": "out",
    "imported of interval": "in",
    "exported of interval": "out",
}


class _Registers:
    """hil.devices.modbus.bank.Content: what stands there at an instant."""

    refresh_ns = NS
    runs = _RUNS

    def __init__(self, feed: Feed, gain: float) -> None:
        self._feed, self._gain = feed, gain

    def values(self, tai: int) -> Mapping[str, Value]:
        utc_ns = BUILT_IN.utc_ns(tai)
        ended = tai - utc_ns % _INTERVAL_NS
        counted, there = self._counted(tai), self._counted(ended)
        within = there - self._counted(ended - _INTERVAL_NS)
        return {
            "time_ms": utc_ms(tai),
            "power_mw": self._gain * self._feed.value(tai),
            "imported_wh": max(counted, 0),
            "exported_wh": max(-counted, 0),
            "ended_ms": utc_ms(ended),
            "ended_imported_wh": max(within, 0),
            "ended_exported_wh": max(-within, 0),
        }

    def _counted(self, tai: int) -> int:
        return round(WH * self._gain * self._feed.energy(tai))


class _Clock:
    """The gateway's, at each question."""

    table = BUILT_IN

    def __init__(self, tai: int) -> None:
        self.tai = tai

    def now(self) -> Instant:
        return Instant(self.tai, CLOCK_BOUND_NS)


class Meter:
    """One meter. `poll` asks it for what is due; `setups` says what it is. `gain` below 0: what its
    feed gives flows out of the equipment at its terminal."""

    def __init__(self, station: str, feed: Feed, gain: float, period_ms: int, now: int) -> None:
        text = _MAP.format(station=f'"{station}"', period_ms=period_ms, interval_ms=INTERVAL_MS)
        blocks = plan.blocks(UNIT, station, map.read_map(text, station))
        self._clock = _Clock(now)
        self._unit = Unit(UNIT, _Registers(feed, gain), lambda: self._clock.tai)
        requests = encode(Framing.TCP, [block.request for block in blocks])
        targets = [Target(Layout(one), raw) for one, raw in zip(blocks, requests, strict=True)]
        self._talk = TcpConversation(targets, Terms(NS, BUILT_IN), self._clock, now)
        self.setups: Sequence[Setup] = [setup_of(block) for block in blocks]

    def poll(self, tai: int) -> list[Frame]:
        """The exchanges that are due at an instant. Instants come in order, a period apart."""
        self._clock.tai = tai
        heard = Instant(tai + ANSWER_NS, CLOCK_BOUND_NS)
        while (asked := self._talk.ask(tai)) is not None:
            said = bytes((UNIT,)) + self._unit.answer(asked[MBAP_BYTES:])
            answer = asked[:4] + len(said).to_bytes(2, "big") + said
            self._talk.feed(answer, heard, tai)
        items, self._talk.items = self._talk.items, []
        return items
