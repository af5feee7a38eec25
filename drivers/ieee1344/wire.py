"""IEEE 1344-1995, the parent of C37.118: bytes in, facts out, and back. The one name by which
others know the protocol.

    frame.py          SOC, SMPCNT, STATUS, CHK; commands
    splitter.py       whole frames out of a stream of bytes without a SYNC
    configuration.py  what a PMU says of itself
    data.py           a configuration compiled; channel values
    judge.py          what STATUS says against them
    sampling.py       samples a second

1. None of these opens, waits, sleeps or asks a clock.
2. Whatever the bytes, the only exception is FrameError; what a caller asks to be written and no
   frame can say is ValueError.

It decides nothing about a conversation: see session.py.
"""

from drivers.ieee1344.configuration import (
    FNOM_50_HZ,
    NO_DFREQ,
    NO_FREQ,
    Configuration,
    Digital,
    Phasor,
    decode_configuration,
    encode_configuration,
)
from drivers.ieee1344.data import Layout, encode_values
from drivers.ieee1344.frame import (
    FRAME_BYTES_MAX,
    FRAME_BYTES_MIN,
    FrameType,
    Header,
    build,
    build_command,
    check,
    parse_header,
)
from drivers.ieee1344.judge import StatusJudge
from drivers.ieee1344.splitter import Splitter, datagram, whole
from drivers.line import FrameError
from drivers.values import Compiled

__all__ = [
    "FNOM_50_HZ", "FRAME_BYTES_MAX", "FRAME_BYTES_MIN", "NO_DFREQ", "NO_FREQ", "Configuration",
    "Digital", "FrameType", "Header", "Layout", "Phasor", "Splitter", "build", "build_command",
    "check", "compiled", "datagram", "decode_configuration", "encode_configuration",
    "encode_values", "parse_header", "whole",
]  # fmt: skip


def compiled(configuration: bytes) -> Compiled:
    """What reads a stream under this configuration frame. Raises FrameError."""
    if not configuration:
        raise FrameError("no_configuration", "the stream's configuration is not known")
    layout = Layout(decode_configuration(configuration))
    rate = layout.configuration.rate()
    return Compiled(layout.decode, layout.slots, layout.size, rate, StatusJudge(layout.size))
