"""ADUs of Modbus over TCP (and TLS) and on a serial line: what a read asks for, and what an answer
to it is.

1. Four functions, all reads (MODBUS Application Protocol V1.1b3, 6.1 to 6.4): read coils, discrete
   inputs, holding registers, input registers. Nothing else has a meaning here.
2. An answer is judged against its request, never by itself: a response does not say which registers
   it answers. What is wrong with it has a name (`Answer.name`), and only `answered` has data.
3. TCP: MBAP header (MODBUS Messaging on TCP/IP V1.0b, 3.1.3). Serial line: address, PDU, CRC.

It sends nothing, and asks for nothing outside the four functions.
"""

import struct
from enum import IntEnum
from typing import Final, NamedTuple

from drivers.line import FrameError
from drivers.modbus import crc

PDU_BYTES_MAX = 253  # V1.1b3 4.1: what an RS-485 frame of 256 leaves
MBAP_BYTES = 7  # transaction, protocol, length, unit
TCP_BYTES_MAX = MBAP_BYTES + PDU_BYTES_MAX
RTU_BYTES_MAX = 256
TCP_REQUEST_BYTES = 12
RTU_REQUEST_BYTES = 8
RTU_EXCEPTION_BYTES = 5  # and of an answer, all that is not data
REGISTERS_MAX = 125  # of one read: V1.1b3 6.3, 6.4
BITS_MAX = 2000  # of one read: V1.1b3 6.1, 6.2
ADDRESSES = 65536
EXCEPTION = 0x80  # added to the function of a refusal: V1.1b3 7
UNIT_SERIAL_MAX = 247  # Serial Line V1.02 2.2: 0 is everybody, who never answers

MBAP: Final = struct.Struct(">HHHB")
_READ: Final = struct.Struct(">BHH")


class Framing(IntEnum):
    """How an ADU is framed; the number stands in what is sealed."""

    TCP = 0
    RTU = 1


# What can be read, as maps and keys spell it, and the function that reads it.
TABLES: Final = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}
TABLE_OF: Final = {function: table for table, function in TABLES.items()}

EXCEPTIONS: Final = {  # V1.1b3 7
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "server device failure",
    5: "acknowledge",
    6: "server device busy",
    8: "memory parity error",
    10: "gateway path unavailable",
    11: "gateway target device failed to respond",
}
TARGET_SILENT = 11


class Request(NamedTuple):
    """One read, as it was asked."""

    unit: int
    function: int
    address: int  # of the protocol, from 0
    length: int  # bits or registers

    @property
    def answer_bytes(self) -> int:
        """Data bytes of the answer that it asks for."""
        return 2 * self.length if self.function > 2 else (self.length + 7) // 8


class Answer(NamedTuple):
    """What came of a request. `data` only where the name is `answered`."""

    name: str
    data: bytes = b""
    code: int = 0  # of an exception

    def text(self) -> str:
        """For people."""
        if self.name != "exception":
            return self.name.replace("_", " ")
        return f"exception {self.code} ({EXCEPTIONS.get(self.code, 'unknown')})"


ANSWERED = "answered"
REFUSED = "exception"
NO_ANSWER = Answer("no_answer")


def pdu(function: int, address: int, count: int) -> bytes:
    """The PDU of a read."""
    return _READ.pack(function, address, count)


def read_request(framing: int, raw: bytes) -> Request:
    """The read that these bytes ask for. Raises FrameError: request."""
    if framing == Framing.TCP:
        if len(raw) != TCP_REQUEST_BYTES or raw[2:6] != b"\0\0\0\6":
            raise FrameError("request", f"not a read over TCP: {raw[:16].hex()}")
        unit, body = raw[6], raw[MBAP_BYTES:]
    else:
        if len(raw) != RTU_REQUEST_BYTES or not crc.holds(raw):
            raise FrameError("request", f"not a read on a serial line: {raw[:16].hex()}")
        unit, body = raw[0], raw[1:6]
    function, address, count = _READ.unpack(body)
    if function not in TABLE_OF:
        raise FrameError("request", f"function {function} is no read")
    most = REGISTERS_MAX if function > 2 else BITS_MAX
    if not 1 <= count <= most or address + count > ADDRESSES:
        raise FrameError("request", f"{count} from {address}: 1 to {most}, below {ADDRESSES}")
    return Request(unit, function, address, count)


def answer(framing: int, asked: bytes, request: Request, raw: bytes) -> Answer:
    """What these bytes, possibly none, are to the request, which was sent as `asked`."""
    if not raw:
        return NO_ANSWER
    if framing == Framing.RTU:
        return _on_serial(request, raw)
    if len(raw) < MBAP_BYTES + 2:
        return Answer("short_answer")
    transaction, protocol, length, unit = MBAP.unpack_from(raw)
    if protocol:
        return Answer("not_modbus")
    if transaction != int.from_bytes(asked[:2], "big"):
        return Answer("crossed_answer")
    if length + 6 != len(raw):
        return Answer("short_answer" if length + 6 > len(raw) else "long_answer")
    return _body(request, unit, raw[MBAP_BYTES:])


def _on_serial(request: Request, raw: bytes) -> Answer:
    if not crc.holds(raw):
        refused = raw[1:2] == bytes([request.function | EXCEPTION])
        wanted = RTU_EXCEPTION_BYTES if refused else RTU_EXCEPTION_BYTES + request.answer_bytes
        if len(raw) < wanted:
            return Answer("short_answer")
        return Answer("long_answer" if crc.holds(raw[:wanted]) else "check_word")
    if len(raw) < RTU_EXCEPTION_BYTES:
        return Answer("short_answer")
    return _body(request, raw[0], raw[1 : -crc.CRC_BYTES])


def _body(request: Request, unit: int, body: bytes) -> Answer:
    """A whole PDU, against what was asked."""
    if unit != request.unit:
        return Answer("wrong_unit")
    function = body[0]
    if function == request.function | EXCEPTION and len(body) == 2:
        return Answer(REFUSED, b"", body[1])
    if function != request.function:
        return Answer("wrong_function")
    if len(body) < 2 or body[1] != len(body) - 2:
        return Answer("short_answer" if len(body) < 2 or body[1] > len(body) - 2 else "long_answer")
    if body[1] != request.answer_bytes:
        return Answer("wrong_size")  # to another request than this one
    return Answer(ANSWERED, body[2:])
