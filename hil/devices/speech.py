"""What a simulated PMU speaks, as far as the port where it is heard must know: where frames end,
whom one is for, and which are data.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from drivers.c37118 import splitter as c37118_splitter
from drivers.c37118 import wire as c37118
from drivers.c37118.splitter import Bad
from drivers.ieee1344 import wire as ieee1344


class Splits(Protocol):
    """Bytes in, whole frames and Bads out."""

    def feed(self, data: bytes) -> list[bytes | Bad]: ...


class Speech(NamedTuple):
    """One protocol."""

    splitter: Callable[[], Splits]
    datagram: Callable[[bytes], list[bytes | Bad]]
    idcode: Callable[[bytes], int | None]  # of a whole frame
    is_data: Callable[[bytes], bool]


def _c37118_idcode(raw: bytes) -> int:
    return c37118.parse_header(raw).idcode


def _c37118_is_data(raw: bytes) -> bool:
    return c37118.parse_header(raw).frame_type is c37118.FrameType.DATA


def _ieee1344_idcode(raw: bytes) -> int | None:
    command = ieee1344.parse_header(raw).frame_type is ieee1344.FrameType.COMMAND
    return int.from_bytes(raw[4:12], "big") if command else None


def _ieee1344_is_data(raw: bytes) -> bool:
    return ieee1344.parse_header(raw).frame_type is ieee1344.FrameType.DATA


C37118 = Speech(c37118.Splitter, c37118_splitter.datagram, _c37118_idcode, _c37118_is_data)
IEEE1344 = Speech(ieee1344.Splitter, ieee1344.datagram, _ieee1344_idcode, _ieee1344_is_data)
