"""Sampled Values of IEC 61850-9-2, as UCA's 9-2LE and IEC 61869-9 profile them: bytes in, facts
out. The one name by which others know the protocol.

    pdu.py       a frame taken apart: header, savPdu, ASDUs
    dataset.py   what a sample is made of; a stream's configuration in bytes
    layout.py    what frames of a stream have in common
    block.py     the frames of some milliseconds as one `raw`
    counter.py   smpCnt: rates, blocks, what is missing
    reader.py    a configuration compiled; values, and what is wrong with them

1. None of these opens, waits, sleeps or asks a clock: no socket, serial, asyncio, time or
   threading.
2. Whatever the bytes, the only exception is FrameError; what a caller asks to be written and no
   block can hold is ValueError.

It decides nothing about a stream: see session.py.
"""

from drivers.sv.block import BLOCK_BYTES_MAX, decode_block, encode_block
from drivers.sv.counter import RATES, RateEstimate, missing, span_of
from drivers.sv.dataset import (
    PHS_MEAS_1,
    Configuration,
    Dataset,
    Member,
    decode_configuration,
    encode_configuration,
)
from drivers.sv.layout import Identity, Layout
from drivers.sv.pdu import Asdu, Pdu, decode_pdu
from drivers.sv.reader import ANY, Reader, Slot
from drivers.values import Compiled

__all__ = [
    "ANY", "BLOCK_BYTES_MAX", "PHS_MEAS_1", "RATES", "Asdu", "Configuration", "Dataset", "Identity",
    "Layout", "Member", "Pdu", "RateEstimate", "Reader", "Slot", "compiled", "decode_block",
    "decode_configuration", "decode_pdu", "encode_block", "encode_configuration", "missing",
    "span_of",
]  # fmt: skip

_UNKNOWN = Configuration(0, 0, (Dataset(ANY, None),))


def compiled(configuration: bytes) -> Compiled:
    """What decodes and judges blocks. Without a configuration samples are octets, of any svID.

    Raises FrameError.
    """
    found = decode_configuration(configuration) if configuration else _UNKNOWN
    reader = Reader(found)
    blocks = (found.rate // found.span, 1) if found.span else (0, 0)
    return Compiled(reader.decode, reader.slots, 0, blocks, reader.judge)
