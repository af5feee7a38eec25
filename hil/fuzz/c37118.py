"""C37.118: the stream of bytes, each type of frame, a data frame under a configuration, and the
conversation that all of it is for.
"""

from drivers.c37118 import wire
from drivers.c37118.session import Session, Terms
from drivers.line import FrameError, Instant, Setup
from hil.fuzz.target import Piece, Target

_HEARD = Instant(1_700_000_000_000_000_000, None)
_STAMP = wire.Stamp(1_700_000_000, 500_000)


def _station(form: wire.Format) -> wire.Station:
    """Every kind of channel once."""
    return wire.Station(
        "Station A", 7, form,
        (wire.Phasor("VA", False, 915_527), wire.Phasor("IA", True, 45_776)),
        (wire.Analog("P", 0, 2),),
        (wire.Digital(tuple(f"bit {bit}" for bit in range(16)), 0, 0xFFFF),),
        50, 3,
    )  # fmt: skip


def _configuration(kind: wire.FrameType, form: wire.Format) -> wire.Configuration:
    return wire.Configuration(kind, 7, 1_000_000, (_station(form), _station(form)), 50, 2)


_KINDS = (wire.FrameType.CFG1, wire.FrameType.CFG2, wire.FrameType.CFG3)
_CONFIGURATIONS = tuple(
    _configuration(kind, wire.Format(form)) for kind in _KINDS for form in (0, 15)
)
_LAYOUTS = tuple(wire.Layout(each) for each in _CONFIGURATIONS[2:4])


def _seeds() -> tuple[bytes, ...]:
    found = [wire.encode_configuration(each, _STAMP) for each in _CONFIGURATIONS]
    found.append(b"".join(wire.encode_fragments(_CONFIGURATIONS[-1], _STAMP, 200)))
    block = wire.Block(0, ((1.0, 0.5), (2.0, -0.5)), 50.0, 0.0, (4.0,), (1,))
    data = [wire.encode_data(layout, _STAMP, (block, block)) for layout in _LAYOUTS]
    found += data
    found += [found[2 + at] + data[at] * 3 for at in range(len(data))]  # a conversation
    found.append(wire.encode_command(wire.Command.DATA_ON, 7, _STAMP))
    found.append(wire.encode_command(wire.Command.EXTENDED, 7, _STAMP, extension=b"extension"))
    found.append(wire.encode_header_text("what its owner typed", 7, _STAMP))
    return tuple(found)


def _stream(raw: bytes) -> None:
    """As a line brings it. Raises the first fault where no frame is found."""
    splitter = wire.Splitter()
    items = [*splitter.feed(raw), *splitter.flush()]
    bad = [item for item in items if isinstance(item, wire.Bad)]
    if len(bad) == len(items) and bad:
        raise bad[0].fault
    for frame in items:
        if isinstance(frame, bytes):
            wire.check(frame)


def _read_frame(raw: bytes) -> None:
    """As a datagram brings it."""
    header = wire.check(raw)
    if header.frame_type is wire.FrameType.COMMAND:
        wire.decode_command(raw)
    elif header.frame_type is wire.FrameType.HEADER:
        wire.decode_header_text(raw)


def _read_configuration(raw: bytes) -> None:
    """A configuration, and a frame of its own size beneath it."""
    found = wire.decode_configuration(raw)
    found.rate()
    layout = wire.Layout(found)
    body = (raw * (layout.size // len(raw) + 1))[: layout.size - wire.HEAD_BYTES - wire.CHK_BYTES]
    frame = wire.build(wire.FrameType.DATA, 2, found.idcode, _STAMP, body)
    values = layout.decode(frame)
    if len(values) != len(layout.slots):
        raise ValueError(f"{len(values)} values, {len(layout.slots)} places")
    layout.stats(frame)
    layout.phasors(values)


def _converse(raw: bytes) -> None:
    """What a session makes of it, and of a good frame after it. Raises where it hears no frame."""
    session = Session(Terms())
    items = [*session.feed(raw, _HEARD), *session.flush(_HEARD)]
    session.feed(_GOOD, _HEARD)
    if not any(isinstance(item, Setup) or item.fault is None for item in items):
        raise FrameError("no_frame", f"{len(raw)} bytes, and no frame in them")


_SEEDS = _seeds()
_GOOD = _SEEDS[2] + _SEEDS[-5]


def _mend(raw: bytes) -> bytes:
    """FRAMESIZE and CHK of the first frame, if there is room for them."""
    if not wire.FRAME_BYTES_MIN <= len(raw) <= wire.FRAME_BYTES_MAX:
        return raw
    return wire.close(raw[:2] + len(raw).to_bytes(2, "big") + raw[4 : -wire.CHK_BYTES])


def _takes(piece: Piece) -> bool:
    return piece.kind in ("tcp", "udp") and piece.data[:1] == b"\xaa"


def target() -> Target:
    """All of C37.118."""
    return Target(
        {
            "stream": _stream,
            "frame": _read_frame,
            "configuration": _read_configuration,
            "integers": _LAYOUTS[0].decode,
            "floats": _LAYOUTS[1].decode,
            "session": _converse,
        },
        FrameError,
        _SEEDS,
        _takes,
        _mend,
    )
