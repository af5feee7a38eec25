"""What carries GOOSE messages: an Ethernet frame of EtherType 0x88B8 (IEC 61850-8-1 Annex C), or a
datagram of R-GOOSE (see routed.py).

    octets  IEC 61850-8-1 Annex C.2
    2       APPID
    2       Length: these eight octets and the message
    2       Reserved1: bit 15 says simulation; the low octet is of IEC 62351-6
    2       Reserved2
    ...     the message, and behind it what IEC 62351-6 adds

1. A Length that goes beyond the frame is refused, as is one that ends within the message. One that
   takes in what looks like a PRP trailer says that it is none.
2. What stands behind the message is kept as it came: within Length, and beyond it as many octets as
   Reserved1 announces (IEC 62351-6: the length of the extension). Padding is nobody's. None of it
   is verified.
3. An Ethernet frame and a datagram are told apart by their first octets and the EtherType.

Raises only FrameError.
"""

from struct import Struct
from typing import NamedTuple

from drivers import ber
from drivers.ethernet.frame import TYPE_GOOSE, Ethernet, parse
from drivers.goose import routed
from drivers.goose.pdu import PDU_TAG, Pdu, decode_pdu
from drivers.line import FrameError
from drivers.values import Values

HEAD_BYTES = 8
SIMULATED = 0x8000  # Reserved1
EXTENSION_LENGTH = 0x00FF  # Reserved1, by IEC 62351-6
_HEAD = Struct(">HHHH")


class Carried(NamedTuple):
    """Where a message lies in raw, and what is said of it outside itself."""

    appid: int
    length: int
    reserved1: int
    reserved2: int
    start: int
    stop: int
    extension: bytes  # of IEC 62351-6, or the signature of IEC 61850-90-5, as it came
    ethernet: Ethernet | None  # None in a datagram

    @property
    def simulated(self) -> bool:
        """The simulation bit of Reserved1 (of the payload, in a datagram)."""
        return bool(self.reserved1 & SIMULATED)


class Message(NamedTuple):
    """A whole frame: what carries the message, the message, and its typed entries."""

    carried: Carried
    pdu: Pdu
    values: Values


def decode_frame(raw: bytes) -> Message:
    """The first message of a frame. Raises FrameError."""
    carried = carry(raw)
    pdu = decode_pdu(raw, carried.start, carried.stop)
    return Message(carried, pdu, pdu.read())


def carry(raw: bytes) -> Carried:
    """What carries the first message. Raises FrameError."""
    if routed.is_routed(raw):
        return _of_datagram(routed.decode_datagram(raw))
    frame = parse(raw)
    if frame.ethertype != TYPE_GOOSE:
        raise FrameError("ethertype", f"EtherType {frame.ethertype:#06x}; GOOSE has 0x88b8")
    start = frame.start + HEAD_BYTES
    if start > frame.end:
        raise FrameError("truncated", f"{frame.end - frame.start} octets behind the EtherType")
    appid, length, reserved1, reserved2 = _HEAD.unpack_from(raw, frame.start)
    end = frame.start + length
    if end > len(raw) or length < HEAD_BYTES:
        text = f"Length {length}, {len(raw) - frame.start} octets there"
        raise FrameError("truncated" if length >= HEAD_BYTES else "frame_length", text)
    stop = message_end(raw, start, end)
    extension_end = max(end, min(stop + (reserved1 & EXTENSION_LENGTH), frame.end))
    return Carried(appid, length, reserved1, reserved2, start, stop, raw[stop:extension_end], frame)


def message_end(raw: bytes, start: int, end: int) -> int:
    """Where the message ends that begins at `start`. Raises FrameError."""
    found = ber.element(raw, start, end)
    if found.tag != PDU_TAG:
        text = f"tag {found.tag:#04x} where a message has {PDU_TAG:#04x}"
        raise FrameError("pdu_tag", text)
    return found.stop


def _of_datagram(datagram: routed.Datagram) -> Carried:
    for payload in datagram.payloads:
        if payload.kind == routed.PAYLOAD_GOOSE:
            reserved1 = SIMULATED if payload.simulated else 0
            place = (payload.start, payload.stop, datagram.signature, None)
            return Carried(payload.appid, payload.length, reserved1, 0, *place)
    raise FrameError("no_goose", "a datagram of IEC 61850-90-5 without a GOOSE payload")


def encode_frame(
    destination: bytes,
    source: bytes,
    appid: int,
    pdu: bytes,
    *,
    tci: int | None = None,
    simulated: bool = False,
    reserved1: int = 0,
    reserved2: int = 0,
    extension: bytes = b"",
) -> bytes:
    """An Ethernet frame with one message; `tci`: of a VLAN tag. Not padded. For hil/ and tests."""
    reserved1 |= SIMULATED if simulated else 0
    reserved1 |= len(extension) & EXTENSION_LENGTH
    tag = b"" if tci is None else b"\x81\x00" + tci.to_bytes(2, "big")
    head = _HEAD.pack(appid, HEAD_BYTES + len(pdu), reserved1, reserved2)
    return destination + source + tag + TYPE_GOOSE.to_bytes(2, "big") + head + pdu + extension
