"""The CRC of a serial line, by pymodbus: what a driver of ours is told is not by its own code."""

from pymodbus.framer.rtu import FramerRTU

CRC_BYTES = 2


def sealed(body: bytes) -> bytes:
    """A whole ADU. MODBUS over Serial Line V1.02 2.5.1.2: the low byte goes first."""
    return body + FramerRTU.compute_CRC(body).to_bytes(CRC_BYTES, "big")


def holds(adu: bytes) -> bool:
    return len(adu) > CRC_BYTES and sealed(adu[:-CRC_BYTES]) == adu
