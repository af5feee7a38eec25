"""What of an observation is a board's own frame: the part that counts in the board's chain.

1. `raw` of whatever a board sealed (evidence.code.OF_BOARDS) is one frame of it, whole; but of an
   exchange (MCU_MODBUS) a copy of the frame with its request may stand behind, which is sealed, and
   counts, where it was heard.
2. Where the octets are no frame, all of them are given: whoever reads the frame says what is wrong.

It checks nothing. The frame's layout is firmware_bridge.frame's.
"""

from evidence.code import Kind

HEADER_BYTES = 26
LENGTH_BYTES = 2  # of the body's length: the last of the header, big-endian
TAG_BYTES = 16


def chained(kind: int, raw: bytes) -> bytes:
    """The frame that an observation adds to its board's chain."""
    if kind != Kind.MCU_MODBUS:
        return raw
    length = int.from_bytes(raw[HEADER_BYTES - LENGTH_BYTES : HEADER_BYTES], "big")
    return raw[: HEADER_BYTES + length + TAG_BYTES]
