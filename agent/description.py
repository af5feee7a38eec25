"""Makes a stream's descriptor from what the device says (Setup) and what the site plan says.

1. Neither is guessed from the other: a channel that the plan does not name has no bus of its own
   but its stream's, and one that the plan names and the device lacks is reported by `missing`.
2. Names, configuration, position and aliases are hidden (evidence.disclosure).

It signs nothing: the sealer does, when it gives the descriptor its place in the chain.
"""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from agent.sealer import Chain
from drivers import line
from drivers.line import Setup
from evidence import cbor, siteplan
from evidence.descriptor import Block, Channel, Descriptor
from evidence.disclosure import Discloser
from evidence.siteplan import SitePlan

OWN_SOURCE, OWN_KEY = "gateway", "own"  # stream 0: gaps, events, verdicts of the gateway itself
OWN_SETUP = Setup(OWN_KEY, 0, b"", (0, 0), ())  # of no one kind
_DIRECTION = {"unknown": 0, "in": 1, "out": -1}


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
    survey = plan.site.survey
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
        offset_mm=_offset(plan, stream.bus),
        blocks=tuple(_block(block, hidden) for block in setup.blocks),
        channels=tuple(
            _channel(number, block, channel, stream, plan, hidden)
            for number, block in enumerate(setup.blocks)
            for channel in block.channels
        ),
    )


def missing(source: str, setup: Setup, plan: SitePlan) -> list[str]:
    """Channels that the plan names for this source and the device does not have."""
    stream = plan.stream_of(source)
    there = {(block.idcode, channel.name) for block in setup.blocks for channel in block.channels}
    names = {name for _, name in there}
    wanted = stream.channel if stream else []
    return [
        item.name
        for item in wanted
        if (item.idcode, item.name) not in there and (item.idcode or item.name not in names)
    ]


def _offset(plan: SitePlan, bus: str) -> tuple[int, int, int] | None:
    found = plan.bus_named(bus)
    return found.offset_mm if found else None


def _block(block: line.Block, hidden: Discloser) -> Block:
    station = hidden.hide(block.station.encode())
    return Block(station, block.idcode, block.service_class, block.window_us, block.group_delay_us)


def _channel(
    number: int,
    block: line.Block,
    channel: line.Channel,
    stream: siteplan.Stream,
    plan: SitePlan,
    hidden: Discloser,
) -> Channel:
    known = _planned(stream, block.idcode, channel.name)
    bus = plan.bus_named(known.bus or stream.bus)
    return Channel(
        block=number,
        name=hidden.hide(channel.name.encode()),
        quantity=channel.quantity,
        unit=channel.unit,
        phase=known.phase,
        node=UUID(bus.mrid).bytes if bus else None,
        terminal=UUID(known.terminal).bytes if known.terminal else None,
        direction=_DIRECTION[known.direction],
        ratio=known.ratio,
        accuracy=known.accuracy,
        core=known.core,
        burden=known.burden,
        correction=None,
        aliases=hidden.hide(cbor.encode(bus.aliases)) if bus and bus.aliases else None,
    )


def _planned(stream: siteplan.Stream, idcode: int, name: str) -> siteplan.Channel:
    for item in stream.channel:
        if item.name == name and item.idcode in (None, idcode):
            return item
    return siteplan.Channel(name)
