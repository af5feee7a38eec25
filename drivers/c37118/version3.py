"""Configurations of C37.118.2-2024, its version 3: capability and stream configuration.

1. No copy of the standard was at hand, and no PMU that speaks it. What is read here is what a
   public simulator of it documents and sends (README.md): fixed-point phasors, any number of
   frequencies and rates of change, no analogs and no digitals.
2. What that leaves open (where analogs, digital words and data attributes stand, floating point) is
   layout_unknown: a guess would put values under wrong names.
3. The frames are evidence all the same, and kept as they are.

It writes nothing, and knows no command: version 3 can rename and configure by command.
"""

from struct import Struct

from drivers.c37118.cursor import Cursor
from drivers.c37118.frame import Header
from drivers.c37118.station import Configuration, Format, Phasor, Rate, Station
from drivers.line import FrameError

_COUNTS = Struct(">HH16sHHHHHH")  # PMU_ID, PMU_VERSION, G_PMU_ID, FORMAT, five counts
_PHASOR = Struct(">HBBfff")  # flags, type, user, scale, angle, voltage class
_SCALE = Struct(">ff")
_TAIL = Struct(">fffHiihH")  # place, PMU_FLAG, window, group delay, DATA_RATE, CFGCNT
_END = Struct(">hH")  # of the stream: DATA_RATE, CFGCNT
_VERSION = 3
_FLAG_50_HZ, _FLAG_ATTRIBUTES = 1 << 13, 1 << 12


def read(header: Header, body: bytes) -> Configuration:
    """The configuration in the joined payload of its frames. Raises FrameError."""
    cursor = Cursor(body)
    time_base = int.from_bytes(cursor.take(4, "TIME_BASE"), "big")
    cursor.name_3()  # of the concentrator
    num_pmu = int.from_bytes(cursor.take(2, "NUM_PMU"), "big")
    if not num_pmu or not time_base & 0xFFFFFF:
        text = f"NUM_PMU {num_pmu}, TIME_BASE {time_base & 0xFFFFFF}: neither may be 0"
        raise FrameError("shape", text)
    if num_pmu * (1 + _COUNTS.size + _TAIL.size) > cursor.left():
        raise FrameError("shape", f"NUM_PMU {num_pmu}, {cursor.left()} bytes left")
    stations = tuple(_station(cursor) for _ in range(num_pmu))
    data_rate, _ = _END.unpack(cursor.take(_END.size, "DATA_RATE"))
    if cursor.left():
        raise FrameError("shape", f"{cursor.left()} bytes after the last CFGCNT")
    kind, version = header.frame_type, header.version
    base, flags = time_base & 0xFFFFFF, time_base >> 24
    return Configuration(kind, header.idcode, base, stations, data_rate, version, flags)


def _station(cursor: Cursor) -> Station:
    name = cursor.name_3()
    found = _COUNTS.unpack(cursor.take(_COUNTS.size, "PMU_ID to DGNMR"))
    idcode, version, g_pmu_id, form, phnmr, annmr, freqs, rocofs, dgnmr = found
    _check_known(version, form, annmr, dgnmr)
    least = phnmr * (1 + _PHASOR.size) + (freqs + rocofs) * (1 + _SCALE.size)
    if least > cursor.left():
        raise FrameError("shape", f"{least} bytes of channels at least, {cursor.left()} left")
    names = [cursor.name_3() for _ in range(phnmr + freqs + rocofs)]
    phasors = []
    for channel in names[:phnmr]:
        modified, kind, user, scale, angle, _ = _PHASOR.unpack(
            cursor.take(_PHASOR.size, "a phasor's scale")
        )
        phasors.append(
            Phasor(
                channel, bool(kind & 8), 0, scale, angle,
                modified=modified, component=kind & 7, user=user,
            )
        )  # fmt: skip
    rates = [
        Rate(channel, *_SCALE.unpack(cursor.take(_SCALE.size, "a scale")))
        for channel in names[phnmr:]
    ]
    tail = _TAIL.unpack(cursor.take(_TAIL.size, "the place to CFGCNT"))
    *place, flag, window_us, delay_us, _, cfgcnt = tail
    if flag & _FLAG_ATTRIBUTES:
        raise FrameError("layout_unknown", "data attributes of version 3")
    north, east, height = (one if abs(one) < float("inf") else None for one in place)
    return Station(
        name, idcode, Format(form), tuple(phasors), (), (), 50 if flag & _FLAG_50_HZ else 60,
        cfgcnt, g_pmu_id, north, east, height, "", window_us, delay_us,
        tuple(rates[:freqs]), tuple(rates[freqs:]), version,
    )  # fmt: skip


def _check_known(version: int, form: int, annmr: int, dgnmr: int) -> None:
    """Rule 2. Raises FrameError."""
    unknown = [
        text
        for text, there in (
            (f"PMU_VERSION {version}", version != _VERSION),
            (f"FORMAT {form:04x}", form not in (0, Format.POLAR)),
            (f"ANNMR {annmr}", annmr),
            (f"DGNMR {dgnmr}", dgnmr),
        )
        if there
    ]
    if unknown:
        raise FrameError("layout_unknown", f"version 3 with {', '.join(unknown)}")
