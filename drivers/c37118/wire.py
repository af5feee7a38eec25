"""IEEE C37.118.2-2011 and C37.118-2005: bytes in, facts out, and back. The one name by which others
know the protocol.

    frame.py          SYNC to FRACSEC, CHK; type and version together      6.2
    splitter.py       whole frames out of a stream of bytes                6.2
    station.py        what a configuration says                            6.4
    configuration.py  CFG-1, CFG-2, CFG-3 and its fragments                6.4
    data.py           a configuration compiled; channel values             6.3
    judge.py          what STAT says against a frame's values              6.3
    command.py        CMD and HDR                                          6.5, 6.6

1. None of these opens, waits, sleeps or asks a clock: no socket, serial, asyncio, time or
   threading.
2. Whatever the bytes, the only exception is FrameError; what a caller asks to be written and no
   frame can say is ValueError.

It decides nothing about a conversation: see session.py.
"""

from drivers.c37118.command import (
    Command,
    CommandFrame,
    decode_command,
    decode_header_text,
    encode_command,
    encode_header_text,
)
from drivers.c37118.configuration import (
    CFG_TYPES,
    CONFIGURATION_BYTES_MAX,
    CONT_FIRST,
    CONT_LAST,
    CONT_ONLY,
    cont_idx,
    decode_configuration,
    encode_configuration,
    encode_fragments,
)
from drivers.c37118.data import Block, Layout, Slot, Values, encode_data, encode_values
from drivers.c37118.frame import (
    CHK_BYTES,
    FRACSEC_MAX,
    FRAME_BYTES_MAX,
    FRAME_BYTES_MIN,
    HEAD_BYTES,
    IDCODE_MAX,
    VERSION_2005,
    VERSION_2011,
    FrameType,
    Header,
    Stamp,
    build,
    check,
    close,
    parse_header,
)
from drivers.c37118.judge import StatJudge
from drivers.c37118.splitter import Bad, Splitter, whole
from drivers.c37118.station import (
    COMPONENTS,
    Analog,
    Configuration,
    Digital,
    Format,
    Phasor,
    Station,
)
from drivers.line import FrameError
from drivers.values import Compiled

__all__ = [
    "CFG_TYPES", "CHK_BYTES", "COMPONENTS", "CONFIGURATION_BYTES_MAX", "CONT_FIRST",
    "CONT_LAST", "CONT_ONLY", "FRACSEC_MAX", "FRAME_BYTES_MAX", "FRAME_BYTES_MIN", "HEAD_BYTES",
    "IDCODE_MAX", "VERSION_2005", "VERSION_2011", "Analog", "Bad", "Block", "Command",
    "CommandFrame", "Configuration", "Digital", "Format", "FrameType", "Header", "Layout",
    "Phasor", "Slot", "Splitter", "Stamp", "Station", "Values", "build", "check", "close",
    "compiled", "cont_idx", "decode_command", "decode_configuration", "decode_header_text",
    "encode_command", "encode_configuration", "encode_data", "encode_fragments",
    "encode_header_text", "encode_values", "parse_header", "whole",
]  # fmt: skip


def compiled(configuration: bytes) -> Compiled:
    """What decodes and judges data frames under a CFG frame. Raises FrameError."""
    if not configuration:
        raise FrameError("no_configuration", "the stream's configuration is not known")
    found = decode_configuration(configuration)
    layout = Layout(found)
    judge = StatJudge(layout.size, layout.stat_offsets)
    return Compiled(layout.decode, layout.slots, layout.size, found.rate(), judge)
