"""CFG-1, CFG-2 and CFG-3, both ways; CFG-3 in fragments too.

1. What a frame declares is weighed against the bytes that are there before anything is built:
   65,535 phasors in a frame of 100 bytes cost nothing. A configuration whose data frames could not
   have a FRAMESIZE is refused.
2. Decoding takes one frame, or the fragments of one CFG-3 one after the other, as they arrived.
3. Bytes of a name that are not UTF-8 become U+FFFD: a name is shown, never compared with; the
   frame's bytes are what is kept.

It does not decide which configuration rules a stream.
"""

from struct import Struct
from struct import error as StructError

from drivers.c37118 import version3
from drivers.c37118.cursor import NAME_BYTES, Cursor
from drivers.c37118.frame import (
    CHK_BYTES,
    FRAME_BYTES_MAX,
    HEAD_BYTES,
    VERSION_2024,
    FrameType,
    Header,
    Stamp,
    build,
    check,
    parse_header,
)
from drivers.c37118.station import (
    DIGITAL_BITS,
    Analog,
    Configuration,
    Digital,
    Format,
    Phasor,
    Station,
)
from drivers.line import FrameError

CFG_TYPES = (FrameType.CFG1, FrameType.CFG2, FrameType.CFG3)
CONFIGURATION_BYTES_MAX = (
    1 << 20
)  # of one configuration in fragments: far beyond the 300 PMUs that a data frame holds
NAME_BYTES_MAX = 255  # of CFG-3: one byte of length
CONT_ONLY, CONT_FIRST, CONT_LAST = 0, 1, 0xFFFF  # C37.118.2-2011 Table 10, CONT_IDX
FNOM_50_HZ = 1

_COUNTS = Struct(">HHHHH")  # IDCODE, FORMAT, PHNMR, ANNMR, DGNMR
_COUNTS_3 = Struct(">H16sHHHH")  # IDCODE, G_PMU_ID, FORMAT, PHNMR, ANNMR, DGNMR
_PHSCALE = Struct(">HBBff")
_ANSCALE = Struct(">ff")
_TAIL_3 = Struct(">fffcii")  # PMU_LAT, PMU_LON, PMU_ELEV, SVC_CLASS, WINDOW, GRP_DLY
_PAIR = Struct(">HH")
_OPENING = Struct(">IH")  # TIME_BASE, NUM_PMU
_WORD = Struct(">I")
_RATE = Struct(">h")

# The fewest bytes that one of each takes, so that a declared count can be refused before it is
# believed.
_STATION_MIN = NAME_BYTES + _COUNTS.size + _PAIR.size
_STATION_MIN_3 = 1 + _COUNTS_3.size + _TAIL_3.size + _PAIR.size
_EACH = (NAME_BYTES + 4, NAME_BYTES + 4, NAME_BYTES * DIGITAL_BITS + 4)
_EACH_3 = (1 + _PHSCALE.size, 1 + _ANSCALE.size, DIGITAL_BITS + 4)


# --- reading ----------------------------------------------------------------------------------


def decode_configuration(raw: bytes) -> Configuration:
    """Reads one CFG frame, or the concatenated fragments of one CFG-3. Raises FrameError."""
    header = parse_header(raw)
    if header.frame_type not in CFG_TYPES:
        raise FrameError("shape", f"a {header.frame_type.name} frame, a configuration expected")
    body = _joined(raw) if in_fragments(header) else _whole(raw)
    if header.version == VERSION_2024:
        return _fitting(version3.read(header, body))
    cursor = Cursor(body)
    time_base, num_pmu = cursor.read(_OPENING, "TIME_BASE and NUM_PMU")
    cfg3 = header.frame_type is FrameType.CFG3
    _weigh(cursor, num_pmu * (_STATION_MIN_3 if cfg3 else _STATION_MIN), f"NUM_PMU {num_pmu}")
    if not num_pmu or not time_base & 0xFFFFFF:
        raise FrameError(
            "shape", f"NUM_PMU {num_pmu}, TIME_BASE {time_base & 0xFFFFFF}: neither may be 0"
        )
    read = _station_3 if cfg3 else _station
    stations = tuple(read(cursor) for _ in range(num_pmu))
    (data_rate,) = cursor.read(_RATE, "DATA_RATE")
    if cursor.left():
        raise FrameError("shape", f"{cursor.left()} bytes after DATA_RATE")
    configuration = Configuration(
        header.frame_type,
        header.idcode,
        time_base & 0xFFFFFF,
        stations,
        data_rate,
        header.version,
        time_base >> 24,
    )
    return _fitting(configuration)


def in_fragments(header: Header) -> bool:
    """Whether a configuration frame begins with CONT_IDX: CFG-3, and both of version 3."""
    return header.frame_type is FrameType.CFG3 or header.version == VERSION_2024


def _fitting(configuration: Configuration) -> Configuration:
    if configuration.data_bytes() > FRAME_BYTES_MAX:
        raise FrameError("shape", f"its data frames would have {configuration.data_bytes()} bytes")
    return configuration


def cont_idx(raw: bytes) -> int:
    """CONT_IDX of a CFG-3 frame. Raises FrameError."""
    if len(raw) < HEAD_BYTES + 2 + CHK_BYTES:
        raise FrameError("truncated", "a CFG-3 frame without CONT_IDX")
    return int.from_bytes(raw[HEAD_BYTES : HEAD_BYTES + 2], "big")


def _whole(raw: bytes) -> bytes:
    check(raw)
    return raw[HEAD_BYTES:-CHK_BYTES]


def _joined(raw: bytes) -> bytes:
    """The payload of a CFG-3: of its one frame, or of its fragments in order."""
    if len(raw) > CONFIGURATION_BYTES_MAX:
        raise FrameError(
            "frame_size", f"a configuration of {len(raw)} bytes; {CONFIGURATION_BYTES_MAX} at most"
        )
    parts: list[bytes] = []
    at, first, expected = 0, (raw[1:2], raw[4:6]), 1
    while at < len(raw):
        size = parse_header(raw[at : at + HEAD_BYTES]).size
        fragment = raw[at : at + size]
        header = check(fragment)
        index = cont_idx(fragment)
        last = at + size == len(raw)
        alone = at == 0 and last
        if not in_fragments(header) or (fragment[1:2], fragment[4:6]) != first:
            raise FrameError("shape", "fragments of different streams or types")
        if index != (CONT_ONLY if alone else CONT_LAST if last else expected):
            raise FrameError("shape", f"CONT_IDX {index} at fragment {expected}")
        parts.append(fragment[HEAD_BYTES + 2 : -CHK_BYTES])
        at, expected = at + size, expected + 1
    return b"".join(parts)


def _weigh(cursor: Cursor, least: int, what: str) -> None:
    if least > cursor.left():
        raise FrameError("shape", f"{what} needs at least {least} bytes, {cursor.left()} left")


def _weigh_counts(cursor: Cursor, counts: tuple[int, ...], each: tuple[int, ...]) -> None:
    least = sum(count * bytes_each for count, bytes_each in zip(counts, each, strict=True))
    _weigh(cursor, least, f"PHNMR {counts[0]}, ANNMR {counts[1]}, DGNMR {counts[2]}")


def _station(cursor: Cursor) -> Station:
    """C37.118.2-2011 Table 9, fields 8 to 18."""
    name = cursor.name()
    idcode, form, *counts = cursor.read(_COUNTS, "IDCODE to DGNMR")
    phnmr, annmr, dgnmr = counts
    _weigh_counts(cursor, (phnmr, annmr, dgnmr), _EACH)
    phasor_names = [cursor.name() for _ in range(phnmr)]
    analog_names = [cursor.name() for _ in range(annmr)]
    labels = [tuple(cursor.name() for _ in range(DIGITAL_BITS)) for _ in range(dgnmr)]
    phasors = []
    for channel in phasor_names:
        (unit,) = cursor.read(_WORD, "PHUNIT")
        phasors.append(Phasor(channel, bool(unit >> 24), unit & 0xFFFFFF))
    analogs = []
    for channel in analog_names:
        (unit,) = cursor.read(_WORD, "ANUNIT")
        analogs.append(Analog(channel, unit >> 24, _signed24(unit & 0xFFFFFF)))
    digitals = tuple(Digital(names, *cursor.read(_PAIR, "DIGUNIT")) for names in labels)
    fnom, cfgcnt = cursor.read(_PAIR, "FNOM and CFGCNT")
    return Station(
        name,
        idcode,
        Format(form & 0xF),
        tuple(phasors),
        tuple(analogs),
        digitals,
        _hertz(fnom),
        cfgcnt,
    )


def _station_3(cursor: Cursor) -> Station:
    """C37.118.2-2011 Table 10, fields 9 to 27."""
    name = cursor.name_3()
    idcode, g_pmu_id, form, phnmr, annmr, dgnmr = _COUNTS_3.unpack(
        cursor.take(_COUNTS_3.size, "IDCODE to DGNMR")
    )
    _weigh_counts(cursor, (phnmr, annmr, dgnmr), _EACH_3)
    phasor_names = [cursor.name_3() for _ in range(phnmr)]
    analog_names = [cursor.name_3() for _ in range(annmr)]
    labels = [tuple(cursor.name_3() for _ in range(DIGITAL_BITS)) for _ in range(dgnmr)]
    phasors = []
    for channel in phasor_names:
        modified, kind, user, scale, angle = _PHSCALE.unpack(cursor.take(_PHSCALE.size, "PHSCALE"))
        phasors.append(
            Phasor(
                channel,
                bool(kind & 8),
                0,
                scale,
                angle,
                modified=modified,
                component=kind & 7,
                user=user,
            )
        )
    analogs = []
    for channel in analog_names:
        scale, offset = _ANSCALE.unpack(cursor.take(_ANSCALE.size, "ANSCALE"))
        analogs.append(Analog(channel, scale=scale, offset=offset))
    digitals = tuple(Digital(names, *cursor.read(_PAIR, "DIGUNIT")) for names in labels)
    tail = cursor.take(_TAIL_3.size, "PMU_LAT to GRP_DLY")
    latitude, longitude, elevation, service_class, window_us, delay_us = _TAIL_3.unpack(tail)
    fnom, cfgcnt = cursor.read(_PAIR, "FNOM and CFGCNT")
    return Station(
        name, idcode, Format(form & 0xF), tuple(phasors), tuple(analogs), digitals,
        _hertz(fnom), cfgcnt, g_pmu_id, _stated(latitude), _stated(longitude), _stated(elevation),
        service_class.decode("ascii", "replace").strip(" \0"), window_us, delay_us,
    )  # fmt: skip


def _hertz(fnom: int) -> int:
    return 50 if fnom & FNOM_50_HZ else 60


def _signed24(count: int) -> int:
    return count - (1 << 24) if count & 1 << 23 else count


def _stated(place: float) -> float | None:
    """C37.118.2-2011 Table 11: infinity for an unspecified location; NaN is no place either."""
    return place if abs(place) < float("inf") else None


# --- writing ----------------------------------------------------------------------------------


def encode_configuration(configuration: Configuration, stamp: Stamp) -> bytes:
    """One CFG frame. Raises ValueError where it does not fit one frame, or a field its width."""
    return encode_fragments(configuration, stamp, FRAME_BYTES_MAX, fragments_max=1)[0]


def encode_fragments(
    configuration: Configuration,
    stamp: Stamp,
    frame_bytes_max: int = FRAME_BYTES_MAX,
    fragments_max: int = 0xFFFE,
) -> tuple[bytes, ...]:
    """The frames of a configuration: one, or for CFG-3 as many fragments as needed. Raises
    ValueError.
    """
    kind, version, idcode = configuration.frame_type, configuration.version, configuration.idcode
    if version == VERSION_2024:
        raise ValueError("configurations of version 3 are read, not written")
    try:
        body = _body(configuration)
    except (StructError, OverflowError) as fault:
        raise ValueError(f"a field of the configuration is out of its range: {fault}") from fault
    if kind is not FrameType.CFG3:
        return (build(kind, version, idcode, stamp, body),)
    room = frame_bytes_max - HEAD_BYTES - CHK_BYTES - 2
    if room < 1:
        raise ValueError(f"no configuration fits frames of {frame_bytes_max} bytes")
    parts = [body[at : at + room] for at in range(0, len(body), room)]
    if len(parts) > fragments_max:
        raise ValueError(f"{len(parts)} fragments, {fragments_max} at most")
    indices = [CONT_ONLY] if len(parts) == 1 else [*range(CONT_FIRST, len(parts)), CONT_LAST]
    return tuple(
        build(kind, version, idcode, stamp, index.to_bytes(2, "big") + part)
        for index, part in zip(indices, parts, strict=True)
    )


def _body(configuration: Configuration) -> bytes:
    if configuration.frame_type not in CFG_TYPES:
        raise ValueError(f"a configuration as {configuration.frame_type.name}")
    write = _station_3_bytes if configuration.frame_type is FrameType.CFG3 else _station_bytes
    time_base = configuration.time_base_flags << 24 | configuration.time_base
    return b"".join(
        (
            _OPENING.pack(time_base, len(configuration.stations)),
            *(write(station) for station in configuration.stations),
            _RATE.pack(configuration.data_rate),
        )
    )


def _station_bytes(station: Station) -> bytes:
    names: list[Phasor | Analog] = [*station.phasors, *station.analogs]
    parts = [
        _name(station.name),
        _COUNTS.pack(
            station.idcode,
            station.format,
            len(station.phasors),
            len(station.analogs),
            len(station.digitals),
        ),
        *(_name(channel.name) for channel in names),
        *(_name(label) for word in station.digitals for label in _labels(word)),
        *(_WORD.pack(int(channel.current) << 24 | channel.phunit) for channel in station.phasors),
        *(
            _WORD.pack(channel.measure << 24 | channel.anunit & 0xFFFFFF)
            for channel in station.analogs
        ),
        *(_PAIR.pack(word.normal, word.valid) for word in station.digitals),
        _PAIR.pack(_fnom(station), station.cfgcnt),
    ]
    return b"".join(parts)


def _station_3_bytes(station: Station) -> bytes:
    names: list[Phasor | Analog] = [*station.phasors, *station.analogs]
    counts = (len(station.phasors), len(station.analogs), len(station.digitals))
    place = (station.latitude_deg, station.longitude_deg, station.elevation_m)
    service_class = (station.service_class or "\0").encode("ascii", "replace")[:1]
    parts = [
        _name_3(station.name),
        _COUNTS_3.pack(station.idcode, station.g_pmu_id, station.format, *counts),
        *(_name_3(channel.name) for channel in names),
        *(_name_3(label) for word in station.digitals for label in _labels(word)),
        *(
            _PHSCALE.pack(
                channel.modified, channel.current << 3 | channel.component, channel.user,
                channel.scale, channel.angle_rad,
            )
            for channel in station.phasors
        ),
        *(_ANSCALE.pack(channel.scale, channel.offset) for channel in station.analogs),
        *(_PAIR.pack(word.normal, word.valid) for word in station.digitals),
        _TAIL_3.pack(
            *(float("inf") if value is None else value for value in place),
            service_class, station.window_us, station.group_delay_us,
        ),
        _PAIR.pack(_fnom(station), station.cfgcnt),
    ]  # fmt: skip
    return b"".join(parts)


def _fnom(station: Station) -> int:
    if station.nominal_hz not in (50, 60):
        raise ValueError(f"a nominal frequency of {station.nominal_hz} Hz; 50 or 60 expected")
    return FNOM_50_HZ if station.nominal_hz == 50 else 0


def _labels(word: Digital) -> tuple[str, ...]:
    if len(word.names) != DIGITAL_BITS:
        raise ValueError(f"{len(word.names)} labels of a digital word, {DIGITAL_BITS} expected")
    return word.names


def _name(text: str) -> bytes:
    encoded = text.encode()
    if len(encoded) > NAME_BYTES:
        raise ValueError(f"the name {text!r} has {len(encoded)} bytes; {NAME_BYTES} at most")
    return encoded.ljust(NAME_BYTES)


def _name_3(text: str) -> bytes:
    encoded = text.encode()
    if len(encoded) > NAME_BYTES_MAX:
        raise ValueError(
            f"the name {text[:20]!r}... has {len(encoded)} bytes; {NAME_BYTES_MAX} at most"
        )
    return bytes((len(encoded),)) + encoded
