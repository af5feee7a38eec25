"""What a stream is: the link of its chain that rules the observations after it, signed by the run
key, typ DESCRIPTOR.

1. Its name is part of what every observation signs (external_aad): so a sample is bound to bus,
   position, configuration and run without carrying them.
2. It has a seq and a prev like any link; a new configuration is a new descriptor in the same chain.
3. Names, aliases, configuration bytes and positions are salted hashes (evidence.disclosure); mRIDs
   are not.
4. Float channels of C37.118 are already in engineering units; PHUNIT and ANUNIT scale integers
   only. `decode` knows.
"""

from dataclasses import dataclass
from typing import Any

from evidence import cbor, shape
from evidence.code import VERSION
from evidence.credential import MRID_BYTES
from evidence.merkle import HASH_BYTES

QUANTITIES = ("voltage", "current", "frequency", "rocof", "power", "digital", "analog", "other")
# Phase, pair, or sequence component.
PHASES = ("", "A", "B", "C", "N", "AB", "BC", "CA", "0", "1", "2")
ORIGINS = ("direct", "concentrator", "gateway")
DIRECTIONS = (0, 1, -1)  # unknown; positive into the terminal's equipment; positive out of it
CHANNELS_MAX = 4096
BLOCKS_MAX = 1024


@dataclass(frozen=True, slots=True)
class Block:
    """One measuring device in the frame.

    `station` is a digest; window and group delay in us, None when not stated.
    """

    station: bytes
    idcode: int
    service_class: str
    window_us: int | None
    group_delay_us: int | None


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
    aliases: bytes | None  # digest


@dataclass(frozen=True, slots=True)
class Descriptor:
    """One descriptor.

    `rate`: frames and seconds, (60, 1) or (1, 10). `position`: digest; offset of the bus in mm (E,
    N, up).
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
    offset_mm: tuple[int, int, int] | None
    blocks: tuple[Block, ...]
    channels: tuple[Channel, ...]

    def payload(self) -> bytes:
        return cbor.encode(
            [
                *(VERSION, self.run, self.stream, self.seq, self.prev, self.tai, self.kind),
                *(self.source, ORIGINS.index(self.origin), self.wait_ms, self.configuration),
                *(self.rate, self.position, self.offset_mm),
                [_block_array(block) for block in self.blocks],
                [_channel_array(channel) for channel in self.channels],
            ]
        )

    @property
    def digests(self) -> tuple[bytes, ...]:
        hidden = [self.source, self.configuration, self.position]
        hidden += [block.station for block in self.blocks]
        for channel in self.channels:
            hidden += [channel.name, channel.aliases]
        return tuple(item for item in hidden if item is not None)

    @property
    def nodes(self) -> frozenset[bytes]:
        """The buses that it claims."""
        return frozenset(channel.node for channel in self.channels if channel.node is not None)


def position_value(
    latitude: float, longitude: float, altitude_m: float, accuracy_m: float
) -> bytes:
    """A surveyed WGS84 position as the location claim (264) of EAT (RFC 9711 4.2.10); what
    `position` hides."""
    return cbor.encode(
        {1: float(latitude), 2: float(longitude), 3: float(altitude_m), 4: float(accuracy_m)}
    )


def read(payload: bytes) -> Descriptor:
    """The descriptor in a payload. Raises EvidenceError."""
    value = shape.versioned(cbor.decode(payload), "descriptor", 16)
    blocks, channels = shape.array(value[14], "blocks"), shape.array(value[15], "channels")
    if len(blocks) > BLOCKS_MAX or len(channels) > CHANNELS_MAX:
        shape.fail(
            "descriptor",
            (len(blocks), len(channels)),
            f"at most {BLOCKS_MAX} blocks, {CHANNELS_MAX} channels",
        )
    frames, seconds = shape.array(value[11], "rate", 2)
    return Descriptor(
        shape.blob(value[1], "run", HASH_BYTES),
        shape.uint(value[2], "stream"),
        shape.uint(value[3], "seq"),
        shape.blob(value[4], "prev", HASH_BYTES),
        shape.uint(value[5], "tai"),
        shape.uint(value[6], "kind"),
        shape.blob(value[7], "source", HASH_BYTES),
        ORIGINS[shape.uint(value[8], "origin", len(ORIGINS) - 1)],
        shape.optional(value[9], shape.uint, "wait"),
        shape.optional(value[10], shape.blob, "configuration", HASH_BYTES),
        (shape.uint(frames, "rate"), shape.uint(seconds, "rate")),
        shape.optional(value[12], shape.blob, "position", HASH_BYTES),
        _read_offset(value[13]),
        tuple(_read_block(item) for item in blocks),
        tuple(_read_channel(item, len(blocks)) for item in channels),
    )


def _block_array(block: Block) -> list[Any]:
    station, idcode, service_class = block.station, block.idcode, block.service_class
    return [station, idcode, service_class, block.window_us, block.group_delay_us]


def _channel_array(channel: Channel) -> list[Any]:
    return [
        *(channel.block, channel.name, QUANTITIES.index(channel.quantity), channel.unit),
        *(PHASES.index(channel.phase), channel.node, channel.terminal, channel.direction),
        *(channel.ratio, channel.accuracy, channel.core),
        *(channel.burden, channel.correction, channel.aliases),
    ]


def _read_offset(value: Any) -> tuple[int, int, int] | None:
    if value is None:
        return None
    east, north, up = shape.array(value, "offset", 3)
    return (
        shape.integer(east, "offset"),
        shape.integer(north, "offset"),
        shape.integer(up, "offset"),
    )


def _read_block(value: Any) -> Block:
    station, idcode, service_class, window, delay = shape.array(value, "block", 5)
    return Block(
        shape.blob(station, "station", HASH_BYTES),
        shape.uint(idcode, "IDCODE", 65535),
        shape.text(service_class, "service class"),
        shape.optional(window, shape.uint, "window"),
        shape.optional(delay, shape.integer, "group delay"),
    )


def _read_channel(value: Any, blocks: int) -> Channel:
    item = shape.array(value, "channel", 14)
    direction = shape.integer(item[7], "direction")
    if direction not in DIRECTIONS:
        shape.fail("direction", direction, "0, 1 or -1")
    return Channel(
        shape.uint(item[0], "block", blocks - 1),
        shape.blob(item[1], "name", HASH_BYTES),
        QUANTITIES[shape.uint(item[2], "quantity", len(QUANTITIES) - 1)],
        shape.text(item[3], "unit"),
        PHASES[shape.uint(item[4], "phase", len(PHASES) - 1)],
        shape.optional(item[5], shape.blob, "node", MRID_BYTES),
        shape.optional(item[6], shape.blob, "terminal", MRID_BYTES),
        direction,
        _read_ratio(item[8]),
        shape.text(item[9], "class"),
        shape.text(item[10], "core"),
        shape.text(item[11], "burden"),
        shape.optional(item[12], shape.blob, "correction", HASH_BYTES),
        shape.optional(item[13], shape.blob, "aliases", HASH_BYTES),
    )


def _read_ratio(value: Any) -> tuple[int, int] | None:
    if value is None:
        return None
    primary, secondary = shape.array(value, "ratio", 2)
    if not shape.uint(primary, "ratio") or not shape.uint(secondary, "ratio"):
        shape.fail("ratio", value, "two numbers above zero")
    return primary, secondary
