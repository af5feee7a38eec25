"""IEEE 1344: the stream of bytes, a datagram, each type of frame, a data frame under a
configuration, and the conversation that all of it is for.
"""

from drivers.ieee1344 import wire
from drivers.ieee1344.frame import close
from drivers.ieee1344.session import Session, Terms
from drivers.line import FrameError, Instant, Setup
from hil.fuzz.target import Piece, Target

_HEARD = Instant(1_700_000_000_000_000_000, None)
_SOC = 1_700_000_000
BYTES_MAX = 4 * wire.FRAME_BYTES_MAX
# Without a SYNC every byte may begin a frame of up to 2,047 bytes, and each is checked by its CRC:
# 7 us a byte, three times over here.
CASE_NS_MAX = 200_000_000
_PORT = ":4713"
_CONFIGURATION = wire.Configuration(
    "Station A", 7,
    (wire.Phasor("VA", False, 915_527), wire.Phasor("IA", True, 45_776)),
    (wire.Digital("breakers", 0xFFFF),),
    wire.FNOM_50_HZ, 100,
)  # fmt: skip
_LAYOUT = wire.Layout(_CONFIGURATION)


def _seeds() -> tuple[bytes, ...]:
    told = b"".join(wire.encode_configuration(_CONFIGURATION, _SOC))
    parts = wire.encode_configuration(_CONFIGURATION, _SOC, 0, 60)
    values = [50.0 if slot.quantity == "frequency" else 0.0 for slot in _LAYOUT.slots]
    data = [wire.encode_values(_LAYOUT, _SOC, count, values) for count in range(3)]
    header = wire.build(wire.FrameType.HEADER, _SOC, 0, 0, b"what its owner typed")
    conversation = told + b"".join(data)
    return told, data[0], conversation, header, b"".join(parts), wire.build_command(2, 7, _SOC)


_SEEDS = _seeds()


def _stream(raw: bytes) -> None:
    splitter = wire.Splitter()
    items = [*splitter.feed(raw), *splitter.flush()]
    if not any(isinstance(item, bytes) for item in items):
        raise FrameError("no_frame", f"{len(raw)} bytes, and no frame in them")


def _datagram(raw: bytes) -> None:
    items = wire.datagram(raw)
    if not any(isinstance(item, bytes) for item in items):
        raise FrameError("no_frame", f"{len(raw)} bytes, and no frame in them")


def _read_configuration(raw: bytes) -> None:
    """A configuration, and a frame of its own size beneath it."""
    compiled = wire.compiled(raw)
    room = compiled.frame_bytes - wire.FRAME_BYTES_MIN
    body = (raw * (room // len(raw) + 1))[:room] if room > 0 else b""
    frame = wire.build(wire.FrameType.DATA, _SOC, 1, 0, body)
    if len(compiled.decode(frame)) != len(compiled.slots):
        raise ValueError("values that are not its slots")
    for start, size in compiled.judge.slices:
        compiled.judge((frame[start : start + size],))


def _converse(raw: bytes) -> None:
    session = Session(Terms())
    items = [*session.feed(raw, _HEARD), *session.flush(_HEARD)]
    items += [*session.datagram(raw, _HEARD), *session.feed(_SEEDS[2], _HEARD)]
    if not any(isinstance(item, Setup) or item.fault is None for item in items[:-4]):
        raise FrameError("no_frame", f"{len(raw)} bytes, and no frame in them")


def _mend(raw: bytes) -> bytes:
    """The length in the head, and CHK."""
    if not wire.FRAME_BYTES_MIN <= len(raw) <= wire.FRAME_BYTES_MAX:
        return raw
    word = int.from_bytes(raw[6:8], "big") & 0xF800 | len(raw)
    return close(raw[:6] + word.to_bytes(2, "big") + raw[8:-2])


def _takes(piece: Piece) -> bool:
    return piece.kind in ("tcp", "udp") and _PORT in piece.label and piece.data[:1] != b"\xaa"


def target() -> Target:
    """All of IEEE 1344."""
    return Target(
        {
            "stream": _stream,
            "datagram": _datagram,
            "frame": wire.check,
            "configuration": _read_configuration,
            "data": _LAYOUT.decode,
            "session": _converse,
        },
        FrameError,
        _SEEDS,
        _takes,
        _mend,
        bytes_max=BYTES_MAX,
        cpu_ns_max=CASE_NS_MAX,
    )
