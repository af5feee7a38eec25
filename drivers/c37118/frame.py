"""The envelope of every C37.118 frame: SYNC to FRACSEC, and CHK.

1. Type and version are looked up together in one table of the 256 second SYNC bytes; a byte that is
   not in it is a named fault. Version 3 (C37.118.2-2024) sets bit 7 of that byte and has types of
   its own, so masking the type alone would read its frames as those of version 2.
2. A frame is whole or it is a FrameError: no other exception leaves this file, whatever the bytes.
3. CHK is checked by running the same CRC over the whole frame, CHK included: the remainder is 0.

It knows nothing of what stands between FRACSEC and CHK.
"""

from binascii import crc_hqx
from enum import IntEnum
from struct import Struct
from typing import Final, NamedTuple

from drivers.line import FrameError

# C37.118.2-2011 6.2, Table 2.
SYNC_LEAD = 0xAA
FRAME_BYTES_MAX = 65535  # FRAMESIZE is a 16-bit field
FRAME_BYTES_MIN = 16  # 14 of header and CHK: an empty header frame; seen from real PMUs
HEAD_BYTES = 14
CHK_BYTES = 2
IDCODE_MAX = 65534  # C37.118.2-2011 6.2: 0 and 65535 are reserved
FRACSEC_MAX = (1 << 24) - 1
CRC_START = 0xFFFF  # C37.118.2-2011 Annex B: CRC-CCITT, x^16 + x^12 + x^5 + 1, no final mask

VERSION_2005 = 1
VERSION_2011 = 2
VERSION_2024 = 3

_HEAD = Struct(">xBHHII")


class FrameType(IntEnum):
    """C37.118.2-2011 6.2, Table 2: SYNC bits 6 to 4."""

    DATA = 0
    HEADER = 1
    CFG1 = 2
    CFG2 = 3
    COMMAND = 4
    CFG3 = 5
    ERROR = 6  # of version 3 alone, where it has number 15


# Version 3's numbers, SYNC bits 7 to 4, as far as they are known publicly: see version3.py. What it
# calls capability is what CFG-1 is, and its stream configuration what CFG-3 is.
TYPES_2024: Final = {
    0x8: FrameType.DATA,
    0xA: FrameType.CFG1,
    0xB: FrameType.CFG3,
    0xC: FrameType.COMMAND,
    0xF: FrameType.ERROR,
}
_NUMBERS_2024 = {kind: number for number, kind in TYPES_2024.items()}


class Header(NamedTuple):
    """SYNC, FRAMESIZE, IDCODE, SOC and FRACSEC of one frame; FRACSEC split into its count and its
    time quality.
    """

    frame_type: FrameType
    version: int
    size: int
    idcode: int
    soc: int
    fracsec: int  # 24 bits, in 1 / TIME_BASE s
    time_quality: int  # the top byte of FRACSEC: leap-second bits and MSG_TQ


def _sync_table() -> tuple[tuple[FrameType, int] | str, ...]:
    """For each second SYNC byte: its type and version, or the name of the fault."""
    rows: list[tuple[FrameType, int] | str] = []
    for byte in range(256):
        kind, version = byte >> 4, byte & 0x0F
        if kind > 7 and version == VERSION_2024:
            known = TYPES_2024.get(kind)
            rows.append("type_unknown" if known is None else (known, version))
        elif kind > 7 or version not in (VERSION_2005, VERSION_2011):
            rows.append("version_unsupported")
        elif kind > FrameType.CFG3:
            rows.append("type_unknown")
        else:
            # A CFG-3 marked version 1 is read: type 5 has no other meaning there.
            rows.append((FrameType(kind), version))
    return tuple(rows)


SYNC_TABLE = _sync_table()


def sync_fault(second: int) -> FrameError | None:
    """Why a second SYNC byte is not one of ours, or None when it is."""
    row = SYNC_TABLE[second]
    if not isinstance(row, str):
        return None
    if row == "version_unsupported":
        return FrameError(row, f"SYNC aa{second:02x}: version 1, 2 or 3 expected")
    return FrameError(row, f"SYNC aa{second:02x}: type {second >> 4} is not defined")


def parse_header(raw: bytes) -> Header:
    """SYNC to FRACSEC. Raises FrameError: truncated, sync, version_unsupported, type_unknown,
    frame_size.
    """
    if len(raw) < HEAD_BYTES:
        raise FrameError("truncated", f"{len(raw)} bytes, {HEAD_BYTES} of header expected")
    if raw[0] != SYNC_LEAD:
        raise FrameError("sync", f"starts with {raw[:2].hex()}, not aa")
    second, size, idcode, soc, fracsec = _HEAD.unpack_from(raw)
    row = SYNC_TABLE[second]
    if isinstance(row, str):
        raise sync_fault(second) or FrameError(row, f"SYNC aa{second:02x}")
    if size < FRAME_BYTES_MIN:
        raise FrameError("frame_size", f"FRAMESIZE {size}, at least {FRAME_BYTES_MIN} expected")
    return Header(row[0], row[1], size, idcode, soc, fracsec & FRACSEC_MAX, fracsec >> 24)


def check(raw: bytes) -> Header:
    """The header of a whole frame, as a datagram or a capture gives it: FRAMESIZE and CHK hold.
    Raises FrameError.
    """
    header = parse_header(raw)
    if len(raw) < header.size:
        raise FrameError("truncated", f"FRAMESIZE {header.size}, {len(raw)} bytes there")
    if len(raw) > header.size:
        raise FrameError("frame_size", f"FRAMESIZE {header.size}, {len(raw)} bytes there")
    if crc_hqx(raw, CRC_START):
        raise FrameError(
            "check_word", f"CHK {raw[-2:].hex()}, {crc_hqx(raw[:-2], CRC_START):04x} computed"
        )
    return header


class Stamp(NamedTuple):
    """SOC, FRACSEC and time quality of a frame to be built."""

    soc: int
    fracsec: int = 0
    time_quality: int = 0


def build(frame_type: FrameType, version: int, idcode: int, stamp: Stamp, body: bytes) -> bytes:
    """One whole frame around `body`, CHK included. Raises ValueError for what no frame can say."""
    size = HEAD_BYTES + len(body) + CHK_BYTES
    if size > FRAME_BYTES_MAX:
        raise ValueError(f"a frame of {size} bytes; FRAMESIZE ends at {FRAME_BYTES_MAX}")
    number = _NUMBERS_2024.get(frame_type) if version == VERSION_2024 else int(frame_type)
    if number is None or not VERSION_2005 <= version <= VERSION_2024:
        raise ValueError(f"version {version} has no {frame_type.name} frame")
    if not (0 <= idcode <= 0xFFFF and 0 <= stamp.soc < 1 << 32):
        raise ValueError(f"IDCODE {idcode} or SOC {stamp.soc} out of range")
    if not (0 <= stamp.fracsec <= FRACSEC_MAX and 0 <= stamp.time_quality <= 0xFF):
        raise ValueError(
            f"FRACSEC {stamp.fracsec} or time quality {stamp.time_quality} out of range"
        )
    second = number << 4 | version
    fracsec = stamp.time_quality << 24 | stamp.fracsec
    head = bytes((SYNC_LEAD,)) + _HEAD.pack(second, size, idcode, stamp.soc, fracsec)[1:]
    return close(head + body)


def close(unchecked: bytes) -> bytes:
    """Appends CHK."""
    return unchecked + crc_hqx(unchecked, CRC_START).to_bytes(2, "big")
