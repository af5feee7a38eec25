"""One exchange, as it is sealed: the request and whatever came back, with the two instants.

1. Both ADUs are the bytes that were on the wire. Of a request that nobody answered the response is
   empty, and its instant is when it was given up; bytes that are no answer are kept as they came.
2. One encoding an exchange: version, framing, request instant and response instant (ns TAI, 64 bits
   each), length of the request, request, response.

It judges no answer: that is adu.py.
"""

import struct
from typing import Final, NamedTuple

from drivers.line import FrameError
from drivers.modbus.adu import TCP_BYTES_MAX, Framing

VERSION = 1
# Bytes that came instead of an answer: one ADU with as much noise around it. More is cut.
RESPONSE_BYTES_MAX = 2 * TCP_BYTES_MAX
REQUEST_BYTES_MAX = 255  # its length is one byte; the longest of the protocol's own is 260 (writes)
_HEAD: Final = struct.Struct(">BBQQB")
HEAD_BYTES = _HEAD.size


class Exchange(NamedTuple):
    """A request and what came of it."""

    framing: int
    asked_tai: int  # ns, just before the request went out
    heard_tai: int  # ns, when the response was whole, or given up
    request: bytes
    response: bytes

    def raw(self) -> bytes:
        """As it is sealed."""
        head = _HEAD.pack(VERSION, self.framing, self.asked_tai, self.heard_tai, len(self.request))
        return head + self.request + self.response


def read_exchange(raw: bytes) -> Exchange:
    """The exchange in these bytes. Raises FrameError: exchange, version_unsupported."""
    if len(raw) < HEAD_BYTES:
        raise FrameError("exchange", f"{len(raw)} bytes; at least {HEAD_BYTES}")
    version, framing, asked_tai, heard_tai, size = _HEAD.unpack_from(raw)
    if version != VERSION:
        raise FrameError("version_unsupported", f"exchange of version {version}")
    request, response = raw[HEAD_BYTES : HEAD_BYTES + size], raw[HEAD_BYTES + size :]
    if framing not in (Framing.TCP, Framing.RTU) or not size or len(request) != size:
        raise FrameError("exchange", f"framing {framing}, request of {size} bytes")
    if len(response) > RESPONSE_BYTES_MAX:
        raise FrameError("exchange", f"response of {len(response)}; at most {RESPONSE_BYTES_MAX}")
    return Exchange(framing, asked_tai, heard_tai, request, response)
