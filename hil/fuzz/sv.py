"""Sampled Values: a frame, a block of them with and without a configuration, the configuration, and
the session that makes blocks.

1. What a reader says by what it has learned is what one says that has learned nothing.
"""

from collections.abc import Callable
from random import Random

from drivers.ethernet.frame import TYPE_SV
from drivers.line import Frame, FrameError, Instant, Setup
from drivers.sv import wire
from drivers.sv.session import Session, Terms
from drivers.values import Values
from hil.fuzz import ber, ethernet
from hil.fuzz.message import HEAD_BYTES, Message
from hil.fuzz.target import Target

_MESSAGE = Message(TYPE_SV)
_HEARD = Instant(1_700_000_037_000_000_000, 1_000_000)
_STEP_NS = 208_333
_ADDRESSES = bytes.fromhex("010ccd040001020000000001")
_TAG = bytes.fromhex("8100800a")
_TOKENS = (*ethernet.TOKENS, b"\x01\x00\x01", b"\x87\x40", b"\x82\x02\x00\x00")


def _asdu(sv_id: bytes, count: int, more: bool = False) -> bytes:
    sample = b"".join((each * 1000).to_bytes(4, "big") + bytes(4) for each in range(8))
    parts = [(0x80, sv_id), (0x82, count.to_bytes(2, "big")), (0x83, b"\0\0\0\1")]
    if more:
        parts.insert(1, (0x81, b"MU01/LLN0$PhsMeas1"))
        parts.append((0x84, bytes.fromhex("6553f1008000000a")))
    parts.append((0x85, b"\x02"))
    if more:
        parts.append((0x86, b"\x12\xc0"))
    parts.append((0x87, sample))
    if more:
        parts += [(0x88, b"\x00\x01"), (0x89, bytes(8))]
    return b"\x30" + _sized(b"".join(bytes((tag,)) + _sized(said) for tag, said in parts))


def _sized(contents: bytes) -> bytes:
    return ber.size(len(contents)) + contents


def _frame(asdus: list[bytes], tag: bytes = b"", security: bytes = b"") -> bytes:
    inner = b"\xa2" + _sized(b"".join(asdus))
    message = b"\x60" + _sized(bytes((0x80, 1, len(asdus))) + security + inner)
    head = b"\x40\x00" + (HEAD_BYTES + len(message)).to_bytes(2, "big") + bytes(4)
    return _ADDRESSES + tag + TYPE_SV.to_bytes(2, "big") + head + message


_FRAMES = (
    _frame([_asdu(b"MU01", 0)]),
    _frame([_asdu(b"MU01", 0), _asdu(b"MU01", 1)], _TAG),
    _frame([_asdu(b"MU01", 0, more=True)]),
    _frame([_asdu(b"MU01", 0), _asdu(b"MU02", 0)], security=b"\x81\x02\xab\xcd"),
    _frame([_asdu(b"MU01", 0)], security=b"\xa1\x04\x04\x02\xab\xcd"),
)
_ROW = [_frame([_asdu(b"MU01", count)]) for count in range(6)]
_BLOCKS = (wire.encode_block(_ROW), wire.encode_block(_FRAMES), wire.encode_block(_FRAMES[:1]))
_OTHER = (
    wire.Member("I", "current", "A", "", "float32", 0.5),
    wire.Member("t", "other", "", "", "timestamp"),
)
_CONFIGURATION = wire.encode_configuration(
    wire.Configuration(4800, 120, (wire.Dataset("MU01", wire.PHS_MEAS_1), wire.Dataset("", None)))
)
_SEEDS = (
    *_FRAMES, *_BLOCKS, _CONFIGURATION,
    wire.encode_configuration(wire.Configuration(0, 0, (wire.Dataset("x", _OTHER),))),
)  # fmt: skip


def _under(configuration: bytes) -> Callable[[bytes], None]:
    """A block under a configuration; rule 1."""
    learned = wire.compiled(configuration)
    for block in _BLOCKS:
        learned.decode(block)

    def read(raw: bytes) -> None:
        fresh = wire.compiled(configuration)
        if learned.judge((raw,)) != fresh.judge((raw,)):
            raise ValueError(f"learned: {learned.judge((raw,))}, else {fresh.judge((raw,))}")
        said, fault = _said(learned.decode, raw)
        other, fault_fresh = _said(fresh.decode, raw)
        if repr(said) != repr(other):  # as repr, for NaN is not itself
            raise ValueError(f"learned: {said!r}, {fault}; else {other!r}, {fault_fresh}")
        if fault is not None:
            raise fault
        if said is None or len(said) != len(fresh.slots):
            raise ValueError(f"{said!r} for {len(fresh.slots)} slots")

    return read


def _said(decode: Callable[[bytes], Values], raw: bytes) -> tuple[Values | None, FrameError | None]:
    try:
        return decode(raw), None
    except FrameError as fault:
        return None, fault


def _read_configuration(raw: bytes) -> None:
    found = wire.decode_configuration(raw)
    wire.compiled(raw)
    if wire.encode_configuration(found) != raw:
        raise ValueError("a configuration of two encodings")


def _converse(raw: bytes) -> None:
    """The frame among those of a stream: what a session gives can be decoded, or has a fault."""
    session = Session(Terms(rate=4800))
    row = [*_ROW[:3], raw, raw, *_ROW[3:], raw]
    items = session.feed(
        (each, Instant(_HEARD.tai + at * _STEP_NS, _HEARD.bound), 0) for at, each in enumerate(row)
    )
    items += [*session.tick(_HEARD.tai + 10**9), *session.flush()]
    setups = {item.key: item.configuration for item in items if isinstance(item, Setup)}
    for item in items:
        if isinstance(item, Frame) and item.fault is None:
            wire.compiled(setups[item.key]).decode(item.raw)


def _vary(chance: Random, raw: bytes) -> bytes:
    at = _MESSAGE.at(raw)
    if not at or len(raw) < at + HEAD_BYTES or raw[0] != 1:  # no block
        return _MESSAGE.vary(chance, raw)
    try:
        frames = wire.decode_block(raw)
    except FrameError:
        return raw
    which = chance.randrange(len(frames))
    frames[which] = chance.choice((_vary(chance, frames[which]), chance.choice(_FRAMES)))
    try:
        return wire.encode_block(frames * chance.choice((1, 1, 1, 40)))
    except ValueError:  # more than a block holds
        return raw


def target() -> Target:
    """All of Sampled Values."""
    return Target(
        {
            "frame": wire.decode_pdu,
            "unconfigured": _under(b""),
            "configured": _under(_CONFIGURATION),
            "configuration": _read_configuration,
            "session": _converse,
        },
        FrameError,
        _SEEDS,
        _MESSAGE.takes,
        _MESSAGE.mend,
        _vary,
        _TOKENS,
    )
