"""CRC-16 of the serial line (MODBUS over Serial Line V1.02, 6.2.2): polynomial 0xA001 (reflected
0x8005), begun with 0xFFFF, low byte first on the wire.

It knows no frame.
"""

CRC_BYTES = 2


def _row(value: int) -> int:
    for _ in range(8):
        value = value >> 1 ^ 0xA001 if value & 1 else value >> 1
    return value


_TABLE = tuple(map(_row, range(256)))


def crc(data: bytes) -> bytes:
    """The two bytes that follow `data` on the line."""
    table, value = _TABLE, 0xFFFF
    for byte in data:
        value = value >> 8 ^ table[(value ^ byte) & 0xFF]
    return value.to_bytes(2, "little")


def holds(frame: bytes) -> bool:
    """Whether a frame ends in the CRC of what comes before."""
    return len(frame) > CRC_BYTES and crc(frame[:-CRC_BYTES]) == frame[-CRC_BYTES:]
