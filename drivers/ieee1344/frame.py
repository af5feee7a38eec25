"""The envelope of every IEEE 1344-1995 frame: SOC, SMPCNT, STATUS, and CHK.

    SOC     32 bits  seconds since 1900-01-01, as NTP counts them
    SMPCNT  16 bits  type in bits 15 to 13; below it the number of the sample within its second, or
                     of data, header and configuration files in parts: 12 not the first, 11 not the
                     last one
    STATUS  16 bits  15 not synchronised, 14 data not valid, 13 to 11 the trigger, below it the
                     frame's length in bytes
    CHK     16 bits  CRC-CCITT, as C37.118 has it

1. There is no SYNC: a frame is told by its length and CHK. Both hold, or it is a FrameError; no
   other exception leaves this file, whatever the bytes.
2. A command is told by a length of 0: where STATUS stands, it has bits 47 to 32 of its IDCODE,
   which are 0 in any that a device has. It is 16 bytes long, and its CMD is not 0: of zeros behind
   ffff, which other protocols send, CHK would hold.

The standard was not at hand. The layout is that of the Grid Protection Alliance's library (gsf,
IEEE1344/*.cs), and holds for 974 frames of a real PMU.
"""

from binascii import crc_hqx
from enum import IntEnum
from struct import Struct
from typing import NamedTuple

from drivers.line import FrameError

FRAME_BYTES_MAX = 0x7FF  # the length has 11 bits
FRAME_BYTES_MIN = 10  # SOC to STATUS, and CHK: a header without text
HEAD_BYTES = 8
CHK_BYTES = 2
COMMAND_BYTES = 16  # SOC, IDCODE, CMD, CHK
LENGTH_MASK = 0x7FF
SAMPLE_MASK = 0x1FFF
CRC_START = 0xFFFF

NOT_FIRST, NOT_LAST = 0x1000, 0x0800  # of SMPCNT, in files

# Seconds from 1900 to 1970, and what NTP's 32 bits begin anew with on 2036-02-07. RFC 4330 3: with
# the top bit set they count from 1900, else from 2036.
UNIX_IN_1900 = 2_208_988_800
_ERA = 1 << 32

_HEAD = Struct(">IHH")


class FrameType(IntEnum):
    """SMPCNT bits 15 to 13; a command has none, and bears a number that they cannot have."""

    DATA = 0
    HEADER = 1
    CONFIGURATION = 2
    COMMAND = 8


class Header(NamedTuple):
    """SOC, SMPCNT and STATUS of one frame."""

    frame_type: FrameType
    soc: int  # since 1970, as everywhere else here
    sample: int  # SMPCNT without the type: 13 bits
    status: int  # without the length
    size: int


def parse_header(raw: bytes) -> Header:
    """SOC to STATUS. Raises FrameError: truncated, type_unknown, frame_size."""
    if len(raw) < HEAD_BYTES:
        raise FrameError("truncated", f"{len(raw)} bytes, {HEAD_BYTES} of header expected")
    soc, smpcnt, status = _HEAD.unpack_from(raw)
    size = status & LENGTH_MASK
    if size == 0:
        return Header(FrameType.COMMAND, unix(soc), 0, 0, COMMAND_BYTES)
    kind = smpcnt >> 13
    if kind > FrameType.CONFIGURATION:
        raise FrameError("type_unknown", f"SMPCNT {smpcnt:04x}: type {kind} is not defined")
    if size < FRAME_BYTES_MIN:
        raise FrameError("frame_size", f"length {size}, at least {FRAME_BYTES_MIN} expected")
    return Header(FrameType(kind), unix(soc), smpcnt & SAMPLE_MASK, status & ~LENGTH_MASK, size)


def check(raw: bytes) -> Header:
    """The header of a whole frame: length and CHK hold. Raises FrameError."""
    header = parse_header(raw)
    if len(raw) < header.size:
        raise FrameError("truncated", f"length {header.size}, {len(raw)} bytes there")
    if len(raw) > header.size:
        raise FrameError("frame_size", f"length {header.size}, {len(raw)} bytes there")
    if header.frame_type is FrameType.COMMAND and not any(raw[12:14]):
        raise FrameError("frame_size", "length 0, and no command")
    if crc_hqx(raw, CRC_START):
        raise FrameError(
            "check_word", f"CHK {raw[-2:].hex()}, {crc_hqx(raw[:-2], CRC_START):04x} computed"
        )
    return header


def unix(soc: int) -> int:
    """Seconds since 1970 of an SOC as it stands on the wire."""
    return soc - UNIX_IN_1900 + (0 if soc >> 31 else _ERA)


def build(frame_type: FrameType, soc: int, sample: int, status: int, body: bytes) -> bytes:
    """One whole frame around `body`, CHK included; `soc` since 1970. Raises ValueError for what no
    frame can say.
    """
    size = HEAD_BYTES + len(body) + CHK_BYTES
    if size > FRAME_BYTES_MAX:
        raise ValueError(f"a frame of {size} bytes; its length ends at {FRAME_BYTES_MAX}")
    if frame_type is FrameType.COMMAND or not 0 <= sample <= SAMPLE_MASK:
        raise ValueError(f"a {frame_type.name} frame with SMPCNT {sample}")
    if status & LENGTH_MASK or not 0 <= status <= 0xFFFF:
        raise ValueError(f"STATUS {status:#x}; bits 15 to 11 expected")
    head = _HEAD.pack(_wire(soc), frame_type << 13 | sample, status | size)
    return close(head + body)


def build_command(command: int, idcode: int, soc: int) -> bytes:
    """One whole command frame; `soc` since 1970. Raises ValueError for what none can say."""
    if not (0 <= command <= 0xFFFF and 0 <= idcode < 1 << 32):
        raise ValueError(f"CMD {command}, IDCODE {idcode}; 16 and 32 bits expected")
    head = _wire(soc).to_bytes(4, "big") + idcode.to_bytes(8, "big")
    return close(head + command.to_bytes(2, "big"))


def close(unchecked: bytes) -> bytes:
    """Appends CHK."""
    return unchecked + crc_hqx(unchecked, CRC_START).to_bytes(2, "big")


def _wire(soc: int) -> int:
    counted = soc + UNIX_IN_1900
    if not 1 << 31 <= counted < _ERA + (1 << 31):
        raise ValueError(f"SOC {soc}; 32 bits cannot say it")
    return counted % _ERA
