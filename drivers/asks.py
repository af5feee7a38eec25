"""All that Gridseal may send to a device, and the one function through which it is sent.

1. The table is closed: what is not in it is not sent. An encoded command is compared with the table
   as bytes, just before it goes out, so that a mistake above cannot become a write below.
2. IEEE C37.118.2-2011 Table 15: data off, data on, send HDR, CFG-1, CFG-2 and CFG-3. Never the
   extended frame, whose meaning is the vendor's, nor what C37.118.2-2024 adds (rename and configure
   write).
3. An ask refused is a mistake of ours, never of the peer: AskError, for which nobody retries.

It opens nothing and waits for nothing: the descriptor is non-blocking, and an ask is a few bytes.
"""

import os
import socket
from binascii import crc_hqx
from collections.abc import Callable
from typing import Final

from drivers.line import LinkError

C37118_COMMANDS: Final = {
    1: "data off",
    2: "data on",
    3: "send HDR",
    4: "send CFG-1",
    5: "send CFG-2",
    6: "send CFG-3",
}
_C37118_COMMAND_BYTES = 18
_C37118_SYNCS = (b"\xaa\x41", b"\xaa\x42")  # a command frame of 2005 or 2011


class AskError(Exception):
    """Something was about to be sent that the table does not hold."""


def send(descriptor: int, protocol: str, encoded: bytes, to: tuple[str, int] | None = None) -> str:
    """Sends one ask, whole, and returns what the table calls it. `to`: the numeric address and the
    port, where the descriptor is a UDP socket that is bound to no peer.

    Raises AskError with nothing sent, LinkError when the line does not take it.
    """
    named = _PROTOCOLS.get(protocol)
    if named is None:
        raise AskError(f"nothing may be sent by {protocol!r}")
    name = named(encoded)
    borrowed = None if to is None else socket.socket(fileno=descriptor)
    try:
        if borrowed is None or to is None:
            sent = os.write(descriptor, encoded)
        else:
            sent = borrowed.sendto(encoded, to)
    except OSError as fault:
        raise LinkError(f"cannot send {name}: {fault.strerror or fault}") from fault
    finally:
        if borrowed is not None:
            borrowed.detach()  # the descriptor is the line's, not ours to close
    if sent != len(encoded):
        raise LinkError(f"the line took {sent} of {len(encoded)} bytes of {name}")
    return name


def _c37118(encoded: bytes) -> str:
    """The name of a C37.118 command frame that may be sent."""
    if len(encoded) != _C37118_COMMAND_BYTES or encoded[:2] not in _C37118_SYNCS:
        raise AskError(f"not a plain C37.118 command frame: {encoded[:20].hex()}")
    if int.from_bytes(encoded[2:4], "big") != len(encoded) or crc_hqx(encoded, 0xFFFF):
        raise AskError(f"FRAMESIZE or CHK of a command is wrong: {encoded.hex()}")
    name = C37118_COMMANDS.get(int.from_bytes(encoded[14:16], "big"))
    if name is None:
        raise AskError(f"C37.118 command {encoded[14:16].hex()} is not in the table")
    return name


_PROTOCOLS: Final[dict[str, Callable[[bytes], str]]] = {"c37118": _c37118}
