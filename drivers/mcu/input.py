"""A board's own inputs as streams: what is on a pin is a value of the point map that names it.

1. The map is a Modbus map (drivers.modbus.map), as if the board were a device with these registers:
   a digital input is the discrete input of its number, an analog one the input register of its
   number (u16, 0 to 65,535 of the converter's range), the pulse's count input register PULSE on
   (u32, from the boot's first edge). Scale, offset, unit, quantity, `invalid` and `enum` mean what
   they mean there.
2. One stream an input; its configuration is a block of that one point, and drivers.modbus decodes.
3. A frame of another input, or of another kind, has no value: FrameError, whatever the bytes.
4. A digital input's instant is its change, an analog one's its conversion, a pulse's its edge: all
   by the board's ticks. `refresh_ms` and `filter_ms` of the map count as a device's do.

Whether a count is of seconds or of energy the map says by its unit; it is no clock here.
"""

import struct
from typing import Final, NamedTuple

from drivers.line import Frame, FrameError, Instant, Setup
from drivers.mcu.wire import fields
from drivers.modbus import stamp
from drivers.modbus.adu import Request
from drivers.modbus.map import PointMap
from drivers.modbus.plan import PlanError, heard
from drivers.modbus.point import Block, read_block
from drivers.modbus.stream import setup_of
from drivers.modbus.value import Layout
from drivers.modbus.wire import BOUND_NS_MAX
from drivers.values import WHOLE, Compiled, Values, Verdict, no_words
from evidence.code import Class, Kind, Reason
from firmware_bridge import frame as board

INPUTS_MAX = 4  # of a board: firmware_bridge.firmware.settings
PULSE = 16  # the first of the two registers of its count: beyond all inputs
_DISCRETE, _REGISTER = 2, 4  # the functions that read such
# What there is, by how it would be read: its frames, and what their body begins with.
_KINDS: Final = {
    (_DISCRETE, 1): (board.LEVEL, board.DIGITAL),
    (_REGISTER, 1): (board.LEVEL, board.ANALOG),
    (_REGISTER, 2): (board.PULSE, None),
}


class Input(NamedTuple):
    """One input, by its point."""

    key: str
    layout: Layout

    @property
    def setup(self) -> Setup:
        made = setup_of(self.layout.block)
        return Setup(self.key, int(Kind.MCU_INPUT), made.configuration, (0, 0), made.blocks)

    def read(self, raw: bytes) -> Values:
        """The value of a frame. Raises FrameError: it is not this input's."""
        return self.layout.values(_registers(self.layout.block, raw))

    def frame(self, raw: bytes, at: Instant, flags: int) -> Frame:
        """The sample that a frame of this input makes; `at`: when it was so."""
        made = stamp.by_gateway(self.layout.block, at, at)
        place = (made.tai, made.bound, made.source, made.flags | flags, at)
        return Frame(self.key, int(Kind.MCU_INPUT), raw, *place)


def inputs(found: PointMap) -> dict[tuple[int, int], Input]:
    """Those that a map names, by kind of frame and number. Raises PlanError: no board has that."""
    made: dict[tuple[int, int], Input] = {}
    for entry in found.entries:
        point = entry.point
        kind = _KINDS.get((entry.function, point.size))
        pulse = kind is not None and kind[0] == board.PULSE
        if kind is None or point.exponent is not None or entry.stamps:
            text = "an input is a discrete, an input of one register, or the pulse's count of two"
            raise PlanError(point.name, text)
        if point.address != PULSE if pulse else point.address >= INPUTS_MAX:
            raise PlanError(point.name, f"address: 0 to {INPUTS_MAX - 1}, or of the pulse {PULSE}")
        number = 0 if pulse else point.address
        if (kind[0], number) in made:
            raise PlanError(point.name, "a second point of one input")
        request = Request(0, entry.function, point.address, point.size)
        block = heard(request, found.station or "board", found._replace(entries=(entry,)))
        if block is not None:
            block = block._replace(refresh_us=block.refresh_us or 0)  # it is the board that looks
            made[kind[0], number] = Input("pulse" if pulse else f"input={number}", Layout(block))
    return made


def _registers(block: Block, raw: bytes) -> bytes:
    """What would stand in the registers. Raises FrameError."""
    found = fields(raw)
    request = block.request
    kind, of = _KINDS.get((request.function, request.length), (0, None))
    number = 0 if kind == board.PULSE else request.address
    form = board.PULSE_BODY if kind == board.PULSE else board.LEVEL_BODY
    if (found.kind, found.port) != (kind, number) or len(found.body) != struct.calcsize(form):
        raise FrameError("board_input", "a frame of another input")
    if kind == board.PULSE:
        return found.body
    is_of, level = struct.unpack(form, found.body)
    if is_of != of or (of == board.DIGITAL and level > 1):
        raise FrameError("board_input", "an input of another kind than its map says")
    return bytes([level]) if of == board.DIGITAL else found.body[1:]


class _Judge:
    """What the frame of an input is good for: a sentinel of the map's is no value."""

    slices = WHOLE

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def __call__(self, marks: tuple[bytes, ...]) -> list[Verdict]:
        try:
            data = _registers(self._layout.block, marks[0] if marks else b"")
        except FrameError:
            return [(Class.DATA_INVALID, Reason.MALFORMED)]
        if not self._layout.whole(data):
            return [(Class.DATA_INVALID, Reason.POINT_INVALID)]
        return []


def compiled(configuration: bytes) -> Compiled:
    """What decodes and judges the frames of an input. Raises FrameError."""
    layout = Layout(read_block(configuration))

    known = Input("", layout)
    return Compiled(known.read, layout.slots, 0, (0, 0), _Judge(layout), BOUND_NS_MAX, no_words)
