"""Makes a stream's descriptor from what the device says (Setup) and what the site plan says.

1. Neither is guessed from the other: a channel that the plan does not name has no bus of its own
   but its stream's, and one that the plan names and the device lacks is reported by `missing`.
2. Names, configuration, positions and all else that tells of a place are hidden
   (evidence.disclosure); what is said of one bus is hidden once.

It signs nothing: the sealer does, when it gives the descriptor its place in the chain.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from uuid import UUID

from agent.sealer import Chain
from drivers import line
from drivers.line import Setup
from evidence import cbor, cose, siteplan
from evidence.config import ConfigError
from evidence.descriptor import Block, Channel, Descriptor
from evidence.disclosure import Discloser
from evidence.merkle import ZERO
from evidence.siteplan import Bus, SitePlan

OWN_SOURCE, OWN_KEY = "gateway", "own"  # stream 0: gaps, events, verdicts of the gateway itself
AROUND_BYTES = 128  # of a statement around its payload: headers, and a signature of 64
log = logging.getLogger("gridseal.agent.description")
OWN_SETUP = Setup(OWN_KEY, 0, b"", (0, 0), ())  # of no one kind


@dataclass(frozen=True, slots=True)
class Place:
    """Where in its chain a descriptor stands."""

    run: bytes
    stream: int
    seq: int
    prev: bytes
    tai: int


def maker(
    run: bytes,
    source: str,
    setup: Setup,
    plan: SitePlan,
    random: Callable[[int], bytes],
    tai: int,
) -> Callable[[Chain], tuple[Descriptor, bytes]]:
    """What makes a stream's descriptor for its place in the chain, and what it hides, encoded."""

    def make(chain: Chain) -> tuple[Descriptor, bytes]:
        hidden = Discloser(random)
        place = Place(run, chain.number, chain.seq, chain.prev, tai)
        return describe(place, source, setup, plan, hidden), cbor.encode(hidden.pairs)

    return make


def describe(
    place: Place, source: str, setup: Setup, plan: SitePlan, hidden: Discloser
) -> Descriptor:
    """The descriptor of a stream; what it hides is in `hidden`."""
    stream = plan.stream_of(source) or siteplan.Stream(source)
    survey, antenna = plan.site.survey, plan.site.antenna
    buses = _Buses(plan, hidden)
    return Descriptor(
        run=place.run,
        stream=place.stream,
        seq=place.seq,
        prev=place.prev,
        tai=place.tai,
        kind=setup.kind,
        source=hidden.hide(cbor.encode([source, setup.key])),
        origin="gateway" if source == OWN_SOURCE else stream.origin,
        wait_ms=stream.wait_ms,
        configuration=hidden.hide(setup.configuration) if setup.configuration else None,
        rate=setup.rate,
        position=hidden.hide(survey.position()) if survey else None,
        blocks=tuple(_block(block, hidden) for block in setup.blocks),
        channels=tuple(
            _channel(number, block, channel, stream, buses)
            for number, block in enumerate(setup.blocks)
            for channel in block.channels
        ),
        path_ms=stream.path_ms,
        time_bound_ns=stream.time_bound_ns,
        time_document=stream.time_document,
        survey=hidden.hide(survey.found()) if survey else None,
        antenna=hidden.hide(antenna.value()) if antenna else None,
    )


def check(source: str, setup: Setup, plan: SitePlan) -> None:
    """Raises ConfigError for a stream that no descriptor can describe: the record would refuse it,
    and all that it rules."""
    latest = (1 << 63) - 1  # wherever it will stand, no number in it is longer
    place = Place(ZERO, latest, latest, ZERO, latest)
    size = len(describe(place, source, setup, plan, Discloser(bytes)).payload()) + AROUND_BYTES
    if size > cose.ENTRY_BYTES_MAX:
        channels = sum(len(block.channels) for block in setup.blocks)
        text = (
            f"its descriptor has {size} bytes for {channels} channels, an entry of the log"
            f" {cose.ENTRY_BYTES_MAX}; let the concentrator send fewer PMUs a stream"
        )
        raise ConfigError(f"source {source}", "", text)


def compare(source: str, setups: Iterable[Setup], plan: SitePlan) -> None:
    """Says what the plan names for a source and none of its streams has."""
    for name in missing(source, setups, plan):
        log.warning("%s: the site plan names channel %r, which is not there", source, name)


def missing(source: str, setups: Iterable[Setup], plan: SitePlan) -> list[str]:
    """Channels that the plan names for a source and that are in none of these streams of it: a
    meter's channels are spread over several."""
    stream = plan.stream_of(source)
    blocks = [block for setup in setups for block in setup.blocks]
    there = {(block.idcode, channel.name) for block in blocks for channel in block.channels}
    names = {name for _, name in there}
    wanted = stream.channel if stream else []
    return [
        item.name
        for item in wanted
        if (item.idcode, item.name) not in there and (item.idcode or item.name not in names)
    ]


class _Buses:
    """The buses of one descriptor, with what is hidden of each."""

    def __init__(self, plan: SitePlan, hidden: Discloser) -> None:
        self.plan, self.hidden = plan, hidden
        self._told: dict[str, tuple[bytes, bytes | None]] = {}

    def told(self, bus: Bus) -> tuple[bytes, bytes | None]:
        """Digests of its names and of its offset from the antenna."""
        found = self._told.get(bus.name)
        if found is None:
            offset = bus.offset()
            found = (
                self.hidden.hide(bus.names()),
                None if offset is None else self.hidden.hide(offset),
            )
            self._told[bus.name] = found
        return found


def _block(block: line.Block, hidden: Discloser) -> Block:
    station, where = hidden.hide(block.station.encode()), block.position
    return Block(
        *(station, block.idcode, block.service_class, block.window_us, block.group_delay_us),
        None if where is None else hidden.hide(where.value()),
    )


def _channel(
    number: int,
    block: line.Block,
    channel: line.Channel,
    stream: siteplan.Stream,
    buses: _Buses,
) -> Channel:
    known = planned(stream, block.idcode, channel.name)
    bus = buses.plan.bus_of(stream, known)
    aliases, offset = (None, None) if bus is None else buses.told(bus)
    return Channel(
        block=number,
        name=buses.hidden.hide(channel.name.encode()),
        quantity=channel.quantity,
        unit=channel.unit,
        phase=known.phase,
        node=bus.node() if bus else None,
        terminal=UUID(known.terminal).bytes if known.terminal else None,
        direction=known.sense(),
        ratio=known.ratio,
        accuracy=known.accuracy,
        core=known.core,
        burden=known.burden,
        correction=known.correction.digest() if known.correction else None,
        aliases=aliases,
        offset=offset,
        figures=known.figures(),
    )


def planned(stream: siteplan.Stream, idcode: int, name: str) -> siteplan.Channel:
    """What the plan says of a channel of one device of a stream; nothing, where it names none."""
    for item in stream.channel:
        if item.name == name and item.idcode in (None, idcode):
            return item
    return siteplan.Channel(name)
