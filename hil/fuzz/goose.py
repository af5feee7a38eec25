"""GOOSE: a frame, a datagram of R-GOOSE, the configuration of a stream, and a frame under one.

1. What a layout reads by what it has learned is what one reads that has learned nothing.
"""

from collections.abc import Callable

from drivers.ethernet.frame import TYPE_GOOSE
from drivers.goose import wire
from drivers.goose.data import nodes
from drivers.goose.session import Session, Terms
from drivers.line import Frame, FrameError, Instant, Setup
from drivers.values import Values
from evidence.code import Kind
from hil.fuzz import ethernet
from hil.fuzz.message import Message
from hil.fuzz.target import JUMBO_BYTES_MAX, Target

_DESTINATION, _SOURCE = bytes.fromhex("010ccd010001"), bytes.fromhex("020000000001")
_T = wire.UtcTime(1_700_000_000, 0x800000, 0x0A)
_ENTRIES = wire.encode_data(
    ("boolean", True), ("bit-string", "0000000000000"), ("integer", -5), ("integer", 7, 8),
    ("unsigned", 4_294_967_295), ("floating-point", 1.5, 4), ("floating-point", -2.5, 8),
    ("octet-string", b"\x00\xff"), ("visible-string", "closed"), ("mMSString", "zu"),
    ("utc-time", _T), ("binary-time", wire.BinaryTime(80_000_123, 14_562)),
    ("binary-time", wire.BinaryTime(80_000_123, None)), ("bcd", 42), ("booleanArray", "101"),
    ("structure", (("boolean", False), ("structure", (("integer", 1),)))),
    ("array", (("integer", 1), ("integer", 2))), ("objId", b"\x2b\x81\x01"), ("real", b"\x00"),
    ("generalized-time", "20231114221320.123Z"),
)  # fmt: skip
_PDU = wire.Pdu(
    "IED1LD0/LLN0$GO$gcb1", 2000, "IED1LD0/LLN0$ds1", "gcb1", _T, 3, 17, False, 1, False, 20,
    _ENTRIES, b"",
)  # fmt: skip
# A jumbo frame has three thousand entries: a session learns them, tells them and compiles them.
CASE_NS_MAX = 200_000_000
_HEARD = Instant(1_700_000_037_600_000_000, 1_000_000)
_STEP_NS = 150_000_000
_MESSAGE = Message(TYPE_GOOSE)


def _frame(
    pdu: wire.Pdu, tci: int | None = None, simulated: bool = False, octets: int = 0
) -> bytes:
    message = wire.encode_pdu(pdu, octets)
    return wire.encode_frame(_DESTINATION, _SOURCE, 1, message, tci=tci, simulated=simulated)


def _routed(message: bytes) -> bytes:
    """One datagram of version 1 (IEC 61850-90-5 11), neither encrypted nor signed."""
    payload = bytes((0x81, 0, 0, 1)) + len(message).to_bytes(2, "big") + message
    head = bytes.fromhex("00000000 00000001 0001 65538f00 0000 00 00 00000001")
    session = bytes((0x80, len(head) + 4)) + head + len(payload).to_bytes(4, "big")
    return bytes((0x01, 0x40, 0xA1, len(session))) + session + payload


def _configured(raw: bytes) -> bytes:
    """The configuration that a frame tells of itself."""
    pdu = wire.decode_frame(raw).pdu
    found = nodes(pdu.allData, 0, len(pdu.allData))
    return wire.learned(pdu.gocbRef, pdu.datSet, pdu.goID, pdu.confRev, found).encode()


_FRAMES = (
    _frame(_PDU),
    _frame(_PDU, tci=0xA00A, octets=5),
    _frame(_PDU._replace(simulation=True, goID=None), simulated=True),
    _frame(_PDU._replace(ndsCom=True, allData=b"", numDatSetEntries=0)),
)
_CONFIGURATION = _configured(_FRAMES[0])
_SEEDS = (*_FRAMES, _routed(wire.encode_pdu(_PDU)), _CONFIGURATION)


def _read_configuration(raw: bytes) -> None:
    """A data set, and what is compiled of it."""
    found = wire.decode_configuration(raw)
    found.channels()
    compiled = wire.compiled(raw)
    if found.encode() != raw:
        raise ValueError("a configuration of two encodings")
    if len(compiled.slots) != len(found.leaves()):
        raise ValueError("slots that are not its leaves")


def _under(configuration: bytes) -> Callable[[bytes], None]:
    """A frame under a configuration; rule 1."""
    layout = wire.Layout(wire.decode_configuration(configuration))
    judge = wire.compiled(configuration).judge
    for frame in _FRAMES[:3]:
        layout.decode(frame)

    def read(raw: bytes) -> None:
        judge((raw,))
        learned, fault = _said(layout, raw)
        fresh, fault_fresh = _said(wire.Layout(layout.dataset), raw)
        if repr(learned) != repr(fresh):  # as repr, for NaN is not itself
            raise ValueError(f"learned: {learned!r}, {fault}; else {fresh!r}, {fault_fresh}")
        if fault is not None:
            raise fault
        if learned is None or len(learned) != len(layout.slots):
            raise ValueError(f"{learned!r} for {len(layout.slots)} slots")

    return read


def _said(layout: wire.Layout, raw: bytes) -> tuple[Values | None, FrameError | None]:
    try:
        return layout.decode(raw), None
    except FrameError as fault:
        return None, fault


def _unconfigured(raw: bytes) -> None:
    """A frame of which nobody has told anything."""
    compiled = wire.compiled(b"")
    compiled.judge((raw,))
    if len(compiled.decode(raw)) != len(compiled.slots):
        raise ValueError("values that are not its slots")


def _converse(raw: bytes) -> None:
    """The frame among those of a stream: what a session gives can be decoded, or has a fault."""
    session = Session(Terms())
    items = session.begin()
    row = (_FRAMES[0], raw, _FRAMES[1], raw, _FRAMES[2])
    heard = [Instant(_HEARD.tai + at * _STEP_NS, _HEARD.bound) for at in range(len(row) + 1)]
    found = [item for at, each in enumerate(row) for item in session.accept(each, heard[at])]
    found += session.watch(heard[-1])
    setups = {item.key: item.configuration for item in found if isinstance(item, Setup)}
    if items:
        raise ValueError("Setups of nothing")
    for item in found:
        if isinstance(item, Frame) and item.fault is None and item.kind == Kind.GOOSE:
            wire.compiled(setups[item.key]).decode(item.raw)


def target() -> Target:
    """All of GOOSE."""
    return Target(
        {
            "frame": wire.decode_frame,
            "unconfigured": _unconfigured,
            "configured": _under(_CONFIGURATION),
            "datagram": wire.decode_datagram,
            "configuration": _read_configuration,
            "session": _converse,
        },
        FrameError,
        _SEEDS,
        _MESSAGE.takes,
        _MESSAGE.mend,
        _MESSAGE.vary,
        ethernet.TOKENS,
        JUMBO_BYTES_MAX,
        CASE_NS_MAX,
    )
