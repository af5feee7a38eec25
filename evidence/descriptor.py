"""What a stream is: the link of its chain that rules the observations after it, signed by the run
key, typ DESCRIPTOR.

1. Its name is part of what every observation signs (external_aad): so a sample is bound to bus,
   position, configuration and run without carrying them.
2. It has a seq and a prev like any link; a new configuration is a new descriptor in the same chain.
3. Names, configuration bytes, positions and all else that tells where something stands are salted
   hashes (evidence.disclosure); mRIDs are not.
4. A bound that the device does not state itself is told openly, with the document that states it:
   whoever relies on the bound of a sample reads here where it came from.
5. A channel's figures stand at its end where there are any, and nothing stands there where there
   are none. Values of a correction come with the hash of its file, and not without.
6. Float channels of C37.118 are already in engineering units; PHUNIT and ANUNIT scale integers
   only. `decode` knows.
"""

from dataclasses import dataclass
from typing import Any

from evidence import calibration, cbor, shape
from evidence.calibration import Figures
from evidence.code import VERSION
from evidence.credential import MRID_BYTES, Terminal, read_direction
from evidence.merkle import HASH_BYTES

QUANTITIES = ("voltage", "current", "frequency", "rocof", "power", "digital", "analog", "other")
# Phase, pair, or sequence component.
PHASES = ("", "A", "B", "C", "N", "AB", "BC", "CA", "0", "1", "2")
ORIGINS = ("direct", "concentrator", "gateway")
CHANNELS_MAX = 4096
BLOCKS_MAX = 1024
_CHANNEL_FIELDS = (15, 16)  # without figures, with them


@dataclass(frozen=True, slots=True)
class Block:
    """One measuring device in the frame.

    `station` and `position` (as the device's own configuration states it) are digests; window and
    group delay in us, None when not stated.
    """

    station: bytes
    idcode: int
    service_class: str
    window_us: int | None
    group_delay_us: int | None
    position: bytes | None = None


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel: the device's side (name, quantity, unit) and the site plan's (the rest; empty
    when the plan is silent)."""

    block: int
    name: bytes  # digest
    quantity: str
    unit: str
    phase: str
    node: bytes | None  # CIM mRID of the ConnectivityNode (the bus)
    terminal: bytes | None  # CIM mRID of the Terminal
    direction: int
    ratio: tuple[int, int] | None  # transformer: primary, secondary
    accuracy: str  # class, such as "0.3" or "3P"
    core: str
    burden: str
    correction: bytes | None  # SHA-256 of the correction on file
    aliases: bytes | None  # digest of what the bus is called
    offset: bytes | None = None  # digest of where the bus is, from the antenna
    figures: Figures | None = None  # plate, burden and correction, as numbers


@dataclass(frozen=True, slots=True)
class Descriptor:
    """One descriptor.

    `rate`: frames and seconds, (60, 1) or (1, 10). Digests: `position` of the antenna, `survey`
    (how that was found), `antenna` (cable and splitter).
    """

    run: bytes
    stream: int
    seq: int
    prev: bytes
    tai: int
    kind: int
    source: bytes  # digest of the source's name and stream key
    origin: str
    wait_ms: int | None  # a concentrator's, declared
    configuration: bytes | None  # digest; None while nothing is known
    rate: tuple[int, int]
    position: bytes | None
    blocks: tuple[Block, ...]
    channels: tuple[Channel, ...]
    path_ms: int = 0  # of the way from the device to the gateway, declared
    time_bound_ns: int | None = None  # of the device's clock when locked, as the document states
    time_document: str = ""
    survey: bytes | None = None
    antenna: bytes | None = None

    def payload(self) -> bytes:
        return cbor.encode(
            [
                *(VERSION, self.run, self.stream, self.seq, self.prev, self.tai, self.kind),
                *(self.source, ORIGINS.index(self.origin), self.wait_ms, self.path_ms),
                *(self.configuration, self.rate, self.time_bound_ns, self.time_document),
                *(self.position, self.survey, self.antenna),
                [_block_array(block) for block in self.blocks],
                [_channel_array(channel) for channel in self.channels],
            ]
        )

    @property
    def digests(self) -> tuple[bytes, ...]:
        hidden = [self.source, self.configuration, self.position, self.survey, self.antenna]
        for block in self.blocks:
            hidden += [block.station, block.position]
        for channel in self.channels:
            hidden += [channel.name, channel.aliases, channel.offset]
        return tuple(item for item in hidden if item is not None)

    @property
    def claimed(self) -> frozenset[Terminal]:
        """The buses, terminals and directions that it claims; what a channel does not name is
        empty. For Credential.refusal to judge.
        """
        return frozenset(
            Terminal(channel.terminal or b"", channel.node or b"", channel.direction)
            for channel in self.channels
        )


def read(payload: bytes) -> Descriptor:
    """The descriptor in a payload. Raises EvidenceError."""
    value = shape.versioned(cbor.decode(payload), "descriptor", 20)
    blocks, channels = shape.array(value[18], "blocks"), shape.array(value[19], "channels")
    if len(blocks) > BLOCKS_MAX or len(channels) > CHANNELS_MAX:
        shape.fail(
            "descriptor",
            (len(blocks), len(channels)),
            f"at most {BLOCKS_MAX} blocks, {CHANNELS_MAX} channels",
        )
    frames, seconds = shape.array(value[12], "rate", 2)
    made = Descriptor(
        run=shape.blob(value[1], "run", HASH_BYTES),
        stream=shape.uint(value[2], "stream"),
        seq=shape.uint(value[3], "seq"),
        prev=shape.blob(value[4], "prev", HASH_BYTES),
        tai=shape.uint(value[5], "tai"),
        kind=shape.uint(value[6], "kind"),
        source=shape.blob(value[7], "source", HASH_BYTES),
        origin=ORIGINS[shape.uint(value[8], "origin", len(ORIGINS) - 1)],
        wait_ms=shape.optional(value[9], shape.uint, "wait"),
        path_ms=shape.uint(value[10], "path"),
        configuration=_read_digest(value[11], "configuration"),
        rate=(shape.uint(frames, "rate"), shape.uint(seconds, "rate")),
        time_bound_ns=shape.optional(value[13], shape.uint, "time bound"),
        time_document=shape.text(value[14], "time document"),
        position=_read_digest(value[15], "position"),
        survey=_read_digest(value[16], "survey"),
        antenna=_read_digest(value[17], "antenna"),
        blocks=tuple(_read_block(item) for item in blocks),
        channels=tuple(_read_channel(item, len(blocks)) for item in channels),
    )
    if made.time_bound_ns is not None and not made.time_document:
        shape.fail("time bound", made.time_bound_ns, "a figure with its document")
    return made


def _block_array(block: Block) -> list[Any]:
    return [
        *(block.station, block.idcode, block.service_class),
        *(block.window_us, block.group_delay_us, block.position),
    ]


def _channel_array(channel: Channel) -> list[Any]:
    figures = () if channel.figures is None else (channel.figures,)
    return [
        *(channel.block, channel.name, QUANTITIES.index(channel.quantity), channel.unit),
        *(PHASES.index(channel.phase), channel.node, channel.terminal, channel.direction),
        *(channel.ratio, channel.accuracy, channel.core),
        *(channel.burden, channel.correction, channel.aliases, channel.offset, *figures),
    ]


def _read_digest(value: Any, field: str) -> bytes | None:
    return shape.optional(value, shape.blob, field, HASH_BYTES)


def _read_block(value: Any) -> Block:
    station, idcode, service_class, window, delay, position = shape.array(value, "block", 6)
    return Block(
        shape.blob(station, "station", HASH_BYTES),
        shape.uint(idcode, "IDCODE", 65535),
        shape.text(service_class, "service class"),
        shape.optional(window, shape.uint, "window"),
        shape.optional(delay, shape.integer, "group delay"),
        _read_digest(position, "position"),
    )


def _read_channel(value: Any, blocks: int) -> Channel:
    item = shape.array(value, "channel")
    if len(item) not in _CHANNEL_FIELDS:
        shape.fail("channel", len(item), "an array of 15, or of 16 with figures")
    correction = _read_digest(item[12], "correction")
    figures = calibration.read(item[15], "figures") if len(item) > 15 else None
    if figures is not None and figures.calibration is not None and correction is None:
        shape.fail("calibration", figures.calibration.uncertainty, "one of a correction on file")
    return Channel(
        shape.uint(item[0], "block", blocks - 1),
        shape.blob(item[1], "name", HASH_BYTES),
        QUANTITIES[shape.uint(item[2], "quantity", len(QUANTITIES) - 1)],
        shape.text(item[3], "unit"),
        PHASES[shape.uint(item[4], "phase", len(PHASES) - 1)],
        shape.optional(item[5], shape.blob, "node", MRID_BYTES),
        shape.optional(item[6], shape.blob, "terminal", MRID_BYTES),
        read_direction(item[7]),
        _read_ratio(item[8]),
        shape.text(item[9], "class"),
        shape.text(item[10], "core"),
        shape.text(item[11], "burden"),
        correction,
        _read_digest(item[13], "aliases"),
        _read_digest(item[14], "offset"),
        figures,
    )


def _read_ratio(value: Any) -> tuple[int, int] | None:
    if value is None:
        return None
    primary, secondary = shape.array(value, "ratio", 2)
    if not shape.uint(primary, "ratio") or not shape.uint(secondary, "ratio"):
        shape.fail("ratio", value, "two numbers above zero")
    return primary, secondary
