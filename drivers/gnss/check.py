"""The check words of what a receiver sends.

    UBX    CK_A, CK_B      8-bit Fletcher over class, identifier, length and payload
    NMEA   two hex digits  exclusive or between $ and *       NMEA 0183, IEC 61162-1
    RTCM   CRC-24Q         over all before it                 RTCM 10403.3, section 4

1. Bytes in, a number or bytes out; nothing is judged here.
"""

from functools import reduce
from operator import xor

UBX_SYNC = b"\xb5\x62"
UBX_FRAME_BYTES = 8  # sync, class, identifier, length; and the two check bytes
_CRC24Q = 0x1864CFB


def fletcher(covered: bytes | memoryview) -> bytes:
    """CK_A and CK_B. The sums are of bytes, and are cut to eight bits at the end."""
    first = second = 0
    for byte in covered:
        first += byte
        second += first
    return bytes((first & 0xFF, second & 0xFF))


def ubx(identity: tuple[int, int], payload: bytes = b"") -> bytes:
    """A whole UBX message: (class, identifier), payload. Raises ValueError beyond 65,535 bytes."""
    if len(payload) > 0xFFFF:
        raise ValueError(f"a payload of {len(payload)} bytes; LENGTH has 16 bits")
    covered = bytes(identity) + len(payload).to_bytes(2, "little") + payload
    return UBX_SYNC + covered + fletcher(covered)


def parity(covered: bytes | memoryview) -> int:
    """The check of an NMEA sentence."""
    return reduce(xor, covered, 0)


def _crc24q_row(byte: int) -> int:
    crc = byte << 16
    for _ in range(8):
        crc = crc << 1 ^ (_CRC24Q if crc & 0x800000 else 0)
    return crc & 0xFFFFFF


_CRC24Q_ROWS = tuple(map(_crc24q_row, range(256)))


def crc24q(covered: bytes | memoryview) -> int:
    """0 over a whole RTCM message, its CRC included."""
    crc = 0
    for byte in covered:
        crc = crc << 8 & 0xFFFFFF ^ _CRC24Q_ROWS[crc >> 16 ^ byte]
    return crc
