"""CMD and HDR: the two frames that need no configuration to be read.

1. A command outside C37.118.2-2011 Table 15 is kept as its number: extended and user commands
   exist, we only never send them.
2. Header text is whatever the PMU's owner typed; bytes that are not UTF-8 are shown by their
   escape, never an error.

It does not decide what may be sent: see drivers.asks.
"""

from enum import IntEnum
from typing import NamedTuple

from drivers.c37118.frame import CHK_BYTES, HEAD_BYTES, FrameType, Header, Stamp, build, check
from drivers.line import FrameError


class Command(IntEnum):
    """C37.118.2-2011 6.6, Table 15."""

    DATA_OFF = 1
    DATA_ON = 2
    SEND_HDR = 3
    SEND_CFG1 = 4
    SEND_CFG2 = 5
    SEND_CFG3 = 6
    EXTENDED = 8


class CommandFrame(NamedTuple):
    """One CMD frame: the command's number, and EXTFRAME, which only the extended command has."""

    header: Header
    command: int
    extension: bytes


def encode_command(
    command: int, idcode: int, stamp: Stamp, version: int = 2, extension: bytes = b""
) -> bytes:
    """A whole CMD frame. Raises ValueError for a number that is not 16 bits."""
    if not 0 <= command <= 0xFFFF:
        raise ValueError(f"CMD {command}; 16 bits expected")
    body = command.to_bytes(2, "big") + extension
    return build(FrameType.COMMAND, version, idcode, stamp, body)


def decode_command(raw: bytes) -> CommandFrame:
    """Reads a whole CMD frame. Raises FrameError."""
    header = check(raw)
    if header.frame_type is not FrameType.COMMAND:
        raise FrameError("shape", f"a {header.frame_type.name} frame, a command expected")
    body = raw[HEAD_BYTES:-CHK_BYTES]
    if len(body) < 2:
        raise FrameError("truncated", "a command frame without its CMD word")
    return CommandFrame(header, int.from_bytes(body[:2], "big"), body[2:])


def encode_header_text(text: str, idcode: int, stamp: Stamp, version: int = 2) -> bytes:
    """A whole HDR frame. Raises ValueError when the text is too long for one."""
    return build(FrameType.HEADER, version, idcode, stamp, text.encode("utf-8", "surrogateescape"))


def decode_header_text(raw: bytes) -> str:
    """The text of a whole HDR frame, empty where the PMU sends none. Raises FrameError."""
    header = check(raw)
    if header.frame_type is not FrameType.HEADER:
        raise FrameError("shape", f"a {header.frame_type.name} frame, a header expected")
    return raw[HEAD_BYTES:-CHK_BYTES].decode("utf-8", "surrogateescape")
