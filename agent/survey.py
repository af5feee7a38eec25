"""Where devices say that they stand, against the site plan: what their configurations name
(CFG-3 of C37.118.2-2011, Table 10), never what is measured.

1. A device stands where it should at the antenna that was surveyed, or at a bus of its own stream
   whose offset from the antenna is stated: whichever is nearest counts.
2. Agreement is evidence.position's: three sigma, 10 m, and what binary32 rounded. Heights are not
   compared.
3. A configuration that contradicts the plan is an event of its stream (Check.DEVICE_PLACE), and no
   doubt: its numbers were typed by somebody, and nothing moves when they are wrong. What a receiver
   measures is agent/place.py's.

It reads no file and asks nobody.
"""

from collections.abc import Sequence
from typing import NamedTuple

from agent.checks import Checks
from drivers.line import Setup
from evidence import position
from evidence.code import Check
from evidence.position import Position
from evidence.siteplan import SitePlan, Stream

_MM = 1000


class Spot(NamedTuple):
    """Somewhere that a device of a source may stand."""

    name: str
    place: Position


class Away(NamedTuple):
    """How far a stated position is from the nearest spot, and how far it may be; m."""

    distance_m: float
    allowed_m: float
    spot: Spot
    stated: Position

    @property
    def agrees(self) -> bool:
        return self.distance_m <= self.allowed_m

    def words(self) -> str:
        text = f"{position.length(self.distance_m)} from {self.spot.name}"
        if self.agrees:
            return text
        text += f", {position.length(self.allowed_m)} may be: it says {self.stated.words()}"
        guess = position.guess(self.stated, self.spot.place)
        return f"{text}; is it {guess}?" if guess else text


def spots(plan: SitePlan, source: str = "") -> list[Spot]:
    """Where a device of this source may stand; of none in particular: at the antenna."""
    survey = plan.site.survey
    if survey is None:
        return []
    antenna = survey.place()
    found = [Spot("the survey", antenna)]
    stream = plan.stream_of(source)
    for bus in plan.bus if stream is not None else ():
        if bus.offset_mm is not None and stream is not None and bus.name in _buses(stream):
            east, north, _ = bus.offset_mm
            found.append(Spot(f"bus {bus.name!r}", antenna.moved(east / _MM, north / _MM)))
    return found


def away(stated: Position, where: Sequence[Spot]) -> Away:
    """Against the nearest of these spots, of which there is one at least."""
    found = (
        Away(
            position.distance_m(stated, one.place),
            position.allowed_m(stated, one.place),
            one,
            stated,
        )
        for one in where
    )
    return min(found, key=lambda one: one.distance_m - one.allowed_m)


def check(checks: Checks, plan: SitePlan, source: str, setup: Setup) -> None:
    """Trips or clears the check of the stream that this configuration rules from now on. One that
    is not known takes nothing back.
    """
    if not setup.configuration:
        return
    of, words = (source, setup.key), contradiction(plan, source, setup)
    if words:
        checks.find(Check.DEVICE_PLACE, of, words)
    else:
        checks.clear(Check.DEVICE_PLACE, of)


def contradiction(plan: SitePlan, source: str, setup: Setup) -> str:
    """In words, what a configuration says of places that the plan does not; empty where it says
    nothing else, or there is nothing to compare with.
    """
    where = spots(plan, source)
    if not where:
        return ""
    wrong = [
        f"IDCODE {block.idcode}: {found.words()}"
        for block in setup.blocks
        if block.position is not None and not (found := away(block.position, where)).agrees
    ]
    more = f"; and {len(wrong) - 1} more" if len(wrong) > 1 else ""
    return f"{wrong[0]}{more}" if wrong else ""


def _buses(stream: Stream) -> set[str]:
    return {stream.bus, *(channel.bus for channel in stream.channel)}
