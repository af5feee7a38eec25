"""Configuration frames of IEEE 1344: what a PMU says of itself, read and written.

1. Sizes are checked before a count is believed. A file in parts is joined in their order.
2. What shapes a data frame stands here alone; the times and the status of the frame do not.
3. Bytes of a name that are not UTF-8 become U+FFFD: a name is shown, never compared with.

It does not decide which configuration rules.
"""

from dataclasses import dataclass
from math import gcd
from struct import Struct
from struct import error as StructError

from drivers.ieee1344.frame import (
    CHK_BYTES,
    FRAME_BYTES_MAX,
    HEAD_BYTES,
    NOT_FIRST,
    NOT_LAST,
    FrameType,
    build,
    check,
    parse_header,
)
from drivers.line import FrameError

CONFIGURATION_BYTES_MAX = 64 * FRAME_BYTES_MAX  # of a file in parts: a data frame has room for 508
NAME_BYTES = 16
PHUNIT_STEP = 1e-5  # V or A a bit, as C37.118 has it
FNOM_50_HZ, NO_FREQ, NO_DFREQ = 0x0001, 0x0100, 0x0200  # of the word on the frequency
PERIOD_CYCLE = 100  # PERIOD counts hundredths of a cycle from frame to frame

_OPENING = Struct(">16sQHH")  # STN, IDCODE, PHNMR, DGNMR
_WORD = Struct(">I")
_PAIR = Struct(">HH")


@dataclass(frozen=True, slots=True)
class Phasor:
    """One phasor channel: counts times phunit times 1e-5 are V or A."""

    name: str
    current: bool = False
    phunit: int = 0  # 24 bits


@dataclass(frozen=True, slots=True)
class Digital:
    """One digital word, under one name."""

    name: str
    mask: int = 0  # DIGUNIT: the normal state and the bits that are wired, in 16 bits together


@dataclass(frozen=True, slots=True)
class Configuration:
    """One PMU as its configuration frame states it."""

    name: str
    idcode: int  # 64 bits
    phasors: tuple[Phasor, ...] = ()
    digitals: tuple[Digital, ...] = ()
    frequency: int = 0  # FNOM_50_HZ, NO_FREQ, NO_DFREQ
    period: int = 200  # hundredths of a cycle

    @property
    def nominal_hz(self) -> int:
        return 50 if self.frequency & FNOM_50_HZ else 60

    def data_bytes(self) -> int:
        """The length of this PMU's data frames."""
        return HEAD_BYTES + 4 * len(self.phasors) + 4 + 2 * len(self.digitals) + CHK_BYTES

    def rate(self) -> tuple[int, int]:
        """Frames, and the seconds that they take; (0, 0) unknown."""
        if not self.period:
            return (0, 0)
        cycles = self.nominal_hz * PERIOD_CYCLE
        shared = gcd(cycles, self.period)
        return (cycles // shared, self.period // shared)


def decode_configuration(raw: bytes) -> Configuration:
    """Reads one configuration frame, or the parts of one, concatenated. Raises FrameError."""
    body = _joined(raw)
    if len(body) < _OPENING.size:
        raise FrameError("truncated", f"{len(body)} bytes of a configuration")
    name, idcode, phnmr, dgnmr = _OPENING.unpack_from(body)
    names = phnmr + dgnmr
    expected = _OPENING.size + NAME_BYTES * names + 4 * phnmr + 2 * dgnmr + 4
    if len(body) != expected:
        counts = f"PHNMR {phnmr} and DGNMR {dgnmr}"
        raise FrameError("shape", f"{counts} need {expected} bytes, {len(body)} there")
    at = _OPENING.size
    labels = [_text(body[at + NAME_BYTES * n : at + NAME_BYTES * (n + 1)]) for n in range(names)]
    at += NAME_BYTES * names
    units = [unit for (unit,) in _WORD.iter_unpack(body[at : at + 4 * phnmr])]
    at += 4 * phnmr
    masks = [int.from_bytes(body[at + 2 * n : at + 2 * n + 2], "big") for n in range(dgnmr)]
    frequency, period = _PAIR.unpack_from(body, at + 2 * dgnmr)
    found = Configuration(
        _text(name),
        idcode,
        tuple(
            Phasor(label, bool(unit >> 24), unit & 0xFFFFFF)
            for label, unit in zip(labels[:phnmr], units, strict=True)
        ),
        tuple(Digital(label, mask) for label, mask in zip(labels[phnmr:], masks, strict=True)),
        frequency,
        period,
    )
    if found.data_bytes() > FRAME_BYTES_MAX:
        raise FrameError("shape", f"its data frames would have {found.data_bytes()} bytes")
    return found


def _joined(raw: bytes) -> bytes:
    """What a configuration says: of its one frame, or of its parts in order."""
    if len(raw) > CONFIGURATION_BYTES_MAX:
        raise FrameError("frame_size", f"a configuration of {len(raw)} bytes")
    parts: list[bytes] = []
    at = 0
    while at < len(raw) or not parts:
        size = parse_header(raw[at : at + HEAD_BYTES]).size
        header = check(raw[at : at + size])
        if header.frame_type is not FrameType.CONFIGURATION:
            raise FrameError("shape", f"a {header.frame_type.name} frame, a configuration expected")
        first, last = not parts, at + size == len(raw)
        if bool(header.sample & NOT_FIRST) == first or bool(header.sample & NOT_LAST) == last:
            raise FrameError("shape", f"part {len(parts) + 1} says SMPCNT {header.sample:04x}")
        parts.append(raw[at + HEAD_BYTES : at + size - CHK_BYTES])
        at += size
    return b"".join(parts)


def _text(name: bytes) -> str:
    return name.decode("utf-8", "replace").rstrip(" \0")


def encode_configuration(
    configuration: Configuration, soc: int, status: int = 0, part_bytes_max: int = FRAME_BYTES_MAX
) -> tuple[bytes, ...]:
    """Its frames: one, or as many as needed. Raises ValueError where a field does not fit."""
    names = [one.name for one in configuration.phasors]
    names += [one.name for one in configuration.digitals]
    counts = (len(configuration.phasors), len(configuration.digitals))
    try:
        body = b"".join(
            (
                _OPENING.pack(_name(configuration.name), configuration.idcode, *counts),
                *(_name(name) for name in names),
                *(_WORD.pack(one.current << 24 | one.phunit) for one in configuration.phasors),
                *(one.mask.to_bytes(2, "big") for one in configuration.digitals),
                _PAIR.pack(configuration.frequency, configuration.period),
            )
        )
    except (StructError, OverflowError) as fault:
        raise ValueError(f"a field of the configuration is out of its range: {fault}") from fault
    room = part_bytes_max - HEAD_BYTES - CHK_BYTES
    if room < 1:
        raise ValueError(f"no configuration fits frames of {part_bytes_max} bytes")
    parts = [body[at : at + room] for at in range(0, len(body), room)]
    last = len(parts) - 1
    return tuple(
        build(
            FrameType.CONFIGURATION,
            soc,
            (NOT_FIRST if number else 0) | (NOT_LAST if number < last else 0),
            status,
            part,
        )
        for number, part in enumerate(parts)
    )


def _name(text: str) -> bytes:
    encoded = text.encode()
    if len(encoded) > NAME_BYTES:
        raise ValueError(f"the name {text!r} has {len(encoded)} bytes; {NAME_BYTES} at most")
    return encoded.ljust(NAME_BYTES)
