"""A Modbus RTU line that is only heard: which response answers which request, and what both are as
a sample.

1. An answer is taken where a read was the frame before it on its port, and where it is that read's
   by unit, function, length and check word. Whatever else comes in between ends the waiting; so
   does whatever may be missing (`forget`): better no value than another register's.
2. A read that nobody answered leaves a doubt: an answer of the same unit, function and length that
   comes within LATE_NS may be its, late, and answers no other read. Where the master asks the same
   once more, whichever it answers it is, and its instant reaches back to when it was asked first.
3. Where request and response came as one frame, they are an exchange all the same.
4. One stream a read, by what the point map of its unit has in it; READS_MAX of them, for a master
   may ask for anything. What has no point there gives no value.

It seals nothing: a frame of which nothing is made is its port's, as it came.
"""

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from drivers.line import Frame, FrameError, Instant, Setup
from drivers.mcu.wire import key_of
from drivers.modbus import stamp
from drivers.modbus.adu import (
    ANSWERED,
    REFUSED,
    RTU_REQUEST_BYTES,
    Answer,
    Framing,
    Request,
    answer,
    read_request,
)
from drivers.modbus.disagreement import Disagreements
from drivers.modbus.map import PointMap
from drivers.modbus.plan import PlanError, heard
from drivers.modbus.stream import setup_of
from drivers.modbus.value import Layout
from evidence.code import Kind
from evidence.leap import NS, LeapTable

READS_MAX = 24  # of a port: two ports, the board and its inputs stay below drivers.line.STREAMS_MAX
KNOWN_MAX = 256  # reads of which it is remembered that no point lies in them
LATE_NS = 2 * NS  # masters give up after some tenths of a second; a device that late has lost it
_RTU = Framing.RTU

Item = Frame | Setup


class Unit(NamedTuple):
    """One device of the line; `station` before that of its map."""

    station: str
    map: PointMap


class _Asked(NamedTuple):
    """A read that passed."""

    request: Request
    octets: bytes
    raw: bytes  # the board's frame
    at: Instant  # when it was asked, or asked first


class Bus:
    """One port. `counts` is the session's."""

    def __init__(
        self, port: int, units: Mapping[int, Unit], table: LeapTable, counts: Counter[str]
    ) -> None:
        self._port, self._units, self._table, self._counts = port, units, table, counts
        self._disagreements = Disagreements(table, counts)
        self._asked: _Asked | None = None
        self._left: _Asked | None = None  # what nobody answered
        self._layouts: dict[Request, Layout | None] = {}
        self._named_reads = 0

    def forget(self) -> None:
        """Something of this port may be missing: nobody knows what the next frame answers."""
        self._left, self._asked = self._asked or self._left, None

    def take(self, raw: bytes, body: bytes, at: Instant, flags: int) -> list[Item]:
        """What a good frame of the board makes: a sample, after the Setup of its stream where that
        is new; or nothing.
        """
        asked, self._asked = self._asked, None
        if asked is not None and body != asked.octets:
            found = answer(_RTU, asked.octets, asked.request, body)
            if found.name in (ANSWERED, REFUSED):
                return self._answered(asked, found, raw + asked.raw, at, flags)
        request = _read(body)
        if request is not None:
            self._waits(asked, _Asked(request, body, raw, at))
            return []
        if asked is not None:
            self._give_up(asked)
        request = _read(body[:RTU_REQUEST_BYTES])
        if request is not None:
            octets = body[:RTU_REQUEST_BYTES]
            found = answer(_RTU, octets, request, body[RTU_REQUEST_BYTES:])
            if found.name in (ANSWERED, REFUSED):
                return self._answered(_Asked(request, octets, raw, at), found, raw, at, flags)
        self._counts["modbus_unpaired"] += 1
        return []

    def _waits(self, before: _Asked | None, asked: _Asked) -> None:
        if before is not None:
            self._give_up(before)
        left = self._left
        if left is not None and left.octets == asked.octets and not _is_past(left, asked.at):
            asked = asked._replace(at=left.at)
        self._asked = asked

    def _give_up(self, asked: _Asked) -> None:
        self._left = asked
        self._counts["modbus_no_answer"] += 1

    def _answered(
        self, asked: _Asked, found: Answer, raw: bytes, at: Instant, flags: int
    ) -> list[Item]:
        left, self._left = self._left, None
        if left is not None and left.octets != asked.octets and not _is_past(left, at):
            alike = (left.request.unit, left.request.function, left.request.length)
            if alike == (asked.request.unit, asked.request.function, asked.request.length):
                self._counts["modbus_doubtful"] += 1
                return []
        items: list[Item] = []
        if asked.request not in self._layouts:
            items += self._named(asked.request)
        layout = self._layouts.get(asked.request)
        if layout is None:
            self._counts["modbus_unnamed"] += 1
            return []
        made = stamp.of_exchange(layout, found, asked.at, at, self._table)
        self._counts[f"modbus_{found.name}"] += 1
        place = (made.tai, made.bound, made.source, made.flags | flags, at)
        key = key_of(self._port, layout.block.key)
        items += self._disagreements.judge(key, made, at)
        items.append(Frame(key, int(Kind.MCU_MODBUS), raw, *place))
        return items

    def _named(self, request: Request) -> list[Item]:
        """What the map has of a read that was not heard before."""
        unit = self._units.get(request.unit)
        if unit is None or self._named_reads >= READS_MAX:
            return []
        try:
            block = heard(request, unit.station, unit.map)
        except PlanError:  # two points that stamp, in a read that the map's own plan would not make
            block = None
        if block is None:
            if len(self._layouts) < KNOWN_MAX:
                self._layouts[request] = None
            return []
        self._layouts[request] = Layout(block)
        self._named_reads += 1
        made = setup_of(block)
        key = key_of(self._port, made.key)
        return [Setup(key, int(Kind.MCU_MODBUS), made.configuration, (0, 0), made.blocks)]


def _read(octets: bytes) -> Request | None:
    try:
        return read_request(_RTU, octets)
    except FrameError:
        return None


def _is_past(left: _Asked, at: Instant) -> bool:
    return not 0 <= at.tai - left.at.tai <= LATE_NS
