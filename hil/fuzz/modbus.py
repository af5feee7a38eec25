"""Modbus: what a TCP connection and a serial line bring, an exchange under a configuration, the
configuration itself, and the registers that a SunSpec device shows.
"""

from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

from drivers.line import FrameError, LinkError
from drivers.modbus import plan, sunspec, wire
from drivers.modbus.adu import MBAP, MBAP_BYTES, TABLES, pdu
from drivers.modbus.crc import CRC_BYTES, crc
from drivers.modbus.splitter import heads
from hil.fuzz import cbor
from hil.fuzz.target import Piece, Target

# A device may show as many SunSpec models as it likes, up to the bounds of the chain: a thousand
# points are read, planned and compiled, once.
CASE_NS_MAX = 200_000_000
_REQUEST = wire.Request(1, TABLES["holding"], 100, 40)
_READ_BYTES = 4_096  # what a terminal's line discipline gives at once, tty(4)
_PORT = ":502"
_TCP, _RTU = wire.Framing.TCP, wire.Framing.RTU
_RHYTHM = sunspec.Rhythm(1_000, None, 0)


def _points() -> tuple[wire.Point, ...]:
    """Every type, and every way to read one."""
    kinds = (
        ("u16", 1), ("s16", 1), ("u32", 2), ("s32", 2), ("u64", 4), ("s64", 4), ("f32", 2),
        ("f64", 4), ("string", 3), ("octets", 2), ("time_s", 2), ("time_ms", 4), ("cp56", 4),
    )  # fmt: skip
    found, at = list[wire.Point](), _REQUEST.address
    for kind, size in kinds:
        found.append(wire.Point(kind, "other", "", kind, at, size))
        at += size
    found += [
        wire.Point("scaled", "power", "W", "s16", at, 1, scale=0.1, offset=-5, exponent=at + 1),
        wire.Point("turned", "other", "", "f32", at, 2, word_order=1, byte_order=1),
        wire.Point("flags", "digital", "", "u16", at, 1, bits=(("open", 0, 1), ("mode", 4, 3))),
        wire.Point("state", "digital", "", "u16", at, 1, labels=((0, "off"), (1, "on"))),
        wire.Point("one", "digital", "", "bool", at, 1, bits=(("", 3, 1),), invalid=(0xFFFF,)),
        wire.Point("none", "other", "", "u16", at, 1, invalid=(0,), optional=True),
    ]
    return tuple(found)


_BLOCK = wire.Block(
    "meter", "fast", _REQUEST, 1_000, 500_000, 0, wire.Stamp(10, 5_000, "p. 7"), _points()
)
_CONFIGURATION = _BLOCK.encoded()
_LAYOUT = wire.Layout(_BLOCK)


def _adu(framing: int, body: bytes) -> bytes:
    if framing == _TCP:
        return MBAP.pack(7, 0, len(body) + 1, _REQUEST.unit) + body
    frame = bytes((_REQUEST.unit,)) + body
    return frame + crc(frame)


_ASK = pdu(_REQUEST.function, _REQUEST.address, _REQUEST.length)
_DATA = bytes(range(2 * _REQUEST.length))
_ANSWER = bytes((_REQUEST.function, len(_DATA))) + _DATA
_REFUSAL = bytes((_REQUEST.function | 0x80, 2))


def _exchange(framing: int, response: bytes) -> bytes:
    at = 1_700_000_000_000_000_000
    return wire.Exchange(framing, at, at + 5_000_000, _adu(framing, _ASK), response).raw()


def _shown() -> bytes:
    """A common model and an inverter, as registers from 40000 on."""
    common = b"Maker".ljust(32, b"\0") + b"Model".ljust(32, b"\0") + bytes(64)
    inverter = b"".join(number.to_bytes(2, "big") for number in range(50))
    return b"".join(
        (
            sunspec.MARK, (1).to_bytes(2, "big"), (66).to_bytes(2, "big"), common.ljust(132, b"\0"),
            (103).to_bytes(2, "big"), (50).to_bytes(2, "big"), inverter, b"\xff\xff\x00\x00",
        )
    )  # fmt: skip


_SEEDS = (
    _adu(_TCP, _ANSWER), _adu(_TCP, _ASK) + _adu(_TCP, _REFUSAL), _adu(_RTU, _ANSWER),
    _adu(_RTU, _REFUSAL) + _adu(_RTU, _ANSWER), _exchange(_TCP, _adu(_TCP, _ANSWER)),
    _adu(_RTU, _ASK), _exchange(_RTU, _adu(_RTU, _ANSWER)),
    _exchange(_TCP, _adu(_TCP, _REFUSAL)), _CONFIGURATION, _shown(),
)  # fmt: skip


def _split(splitter: wire.TcpSplitter | wire.RtuSplitter, raw: bytes) -> None:
    """As a line brings it: every byte comes out once. Raises where no ADU is found."""
    items: list[bytes | wire.Bad] = []
    for at in range(0, len(raw), _READ_BYTES):
        items += splitter.feed(raw[at : at + _READ_BYTES])
    items += splitter.flush()
    told = b"".join(item.raw if isinstance(item, wire.Bad) else item for item in items)
    if told != raw:
        raise ValueError(f"{len(raw)} bytes in, {len(told)} out")
    adus = [item for item in items if isinstance(item, bytes)]
    for adu in adus:
        wire.answer(_TCP, _adu(_TCP, _ASK), _REQUEST, adu)
        wire.answer(_RTU, _adu(_RTU, _ASK), _REQUEST, adu)
    if not adus:
        raise FrameError("no_adu", f"{len(raw)} bytes, and no ADU in them")


def _tcp(raw: bytes) -> None:
    _split(wire.TcpSplitter(), raw)


def _serial(raw: bytes) -> None:
    _split(wire.RtuSplitter(heads(_REQUEST)), raw)


def _ask(framing: int) -> Callable[[bytes], object]:
    return lambda raw: wire.read_request(framing, raw)


def _under_block(raw: bytes) -> None:
    """An exchange under a configuration."""
    compiled = wire.compiled(_CONFIGURATION)
    compiled.judge((raw,))
    _LAYOUT.measured_ms((raw + _DATA)[: len(_DATA)])
    if len(compiled.decode(raw)) != len(compiled.slots):
        raise ValueError("values that are not its slots")


def _read_configuration(raw: bytes) -> None:
    """A configuration, and what any registers are under it."""
    block = wire.read_block(raw)
    if block.encoded() != raw:
        raise ValueError("a configuration of two encodings")
    show(raw, block)


def show(raw: bytes, block: wire.Block) -> None:
    """Registers made of these bytes, under a block."""
    layout = wire.Layout(block)
    size = block.request.answer_bytes
    data = (raw * (size // max(len(raw), 1) + 1))[:size].ljust(size, b"\xff")
    for registers in (data, bytes(size), b"\xff" * size, b"\x7f" * size):
        if len(layout.values(registers)) != len(layout.slots):
            raise ValueError("values that are not its slots")
        layout.measured_ms(registers)
    wire.compiled(block.encoded())


def _discover(raw: bytes) -> None:
    """The registers of a device, from 40000 on. A LinkError of the driver is a refusal here."""
    base = sunspec.BASES[0]

    async def read(address: int, count: int) -> bytes | None:
        at = 2 * (address - base)
        found = raw[at : at + 2 * count] if at >= 0 else b""
        return found if len(found) == 2 * count else None

    try:
        found = _done(sunspec.discover(read))
        blocks = plan.blocks(1, "", sunspec.point_map(found, _RHYTHM))
    except LinkError as fault:
        raise FrameError("link", str(fault)) from fault
    except plan.PlanError as fault:
        raise FrameError("plan", str(fault)) from fault
    for block in blocks:
        show(raw, block)


def _done(waiting: Coroutine[Any, Any, tuple[sunspec.Model, ...]]) -> tuple[sunspec.Model, ...]:
    """What comes of something that never has to wait."""
    try:
        waiting.send(None)
    except StopIteration as done:
        found: tuple[sunspec.Model, ...] = done.value
        return found
    waiting.close()
    raise ValueError("it waits")


def _vary(chance: Random, raw: bytes) -> bytes:
    """One item of a configuration; else a byte of a PDU."""
    at = MBAP_BYTES + chance.randrange(4)
    return cbor.vary(chance, raw) or raw[:at] + chance.randbytes(1) + raw[at + 1 :]


def _mend(raw: bytes) -> bytes:
    """Length of an MBAP header, or the CRC of a serial line: whichever the bytes look like."""
    if raw[2:4] == b"\0\0" and len(raw) > MBAP_BYTES:
        return raw[:4] + ((len(raw) - 6) & 0xFFFF).to_bytes(2, "big") + raw[6:]
    return raw[:-CRC_BYTES] + crc(raw[:-CRC_BYTES]) if len(raw) <= 256 else raw


def _takes(piece: Piece) -> bool:
    return piece.kind == "tcp" and _PORT in piece.label


def target() -> Target:
    """All of Modbus."""
    return Target(
        {
            "tcp": _tcp,
            "serial": _serial,
            "ask over tcp": _ask(_TCP),
            "ask on a serial line": _ask(_RTU),
            "exchange": _under_block,
            "configuration": _read_configuration,
            "sunspec": _discover,
        },
        FrameError,
        _SEEDS,
        _takes,
        _mend,
        _vary,
        (*heads(_REQUEST), sunspec.MARK, _adu(_RTU, _REFUSAL)),
        cpu_ns_max=CASE_NS_MAX,
    )
