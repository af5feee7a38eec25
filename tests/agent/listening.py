"""What tests of the hearing share: a sealer, what was sealed by it, and the holes in that."""

from agent.health import Health
from agent.hearing import Hearing
from agent.sealer import SOFTWARE, Came, Sealer
from drivers.line import Frame, Setup
from evidence import gap, observation, siteplan
from evidence.code import Cause, Kind
from evidence.gap import Gap
from evidence.key import Ed25519Key
from evidence.observation import Sample
from evidence.run import Run
from evidence.siteplan import SitePlan
from tests.agent.site import START, Randomness, Time

DEVICE = Ed25519Key(bytes(32)).public


def begin(seed: int = 1) -> Sealer:
    run = Run(
        *(bytes(32), bytes(32), START, None, Cause.FIRST_START, None, False, None, ()),
        *(SOFTWARE, bytes(64)),
    )
    return Sealer(run, DEVICE, bytes([seed]) * 32)


def hear(hearing: Hearing, *items: Frame | Setup) -> None:
    hearing.hear("pmu", items)


def resumed(time: Time, health: Health, last: int, owed: tuple[int, int] | None = None) -> Hearing:
    """After a restart: stream 3 was measured up to this instant, and owes this hole before it."""
    found = Hearing(SitePlan(siteplan.Site("Site")), time, Randomness("hearing"), health)
    found.attach(begin(), {("gateway", "own"): 0, ("pmu", "7"): 3})
    found.resume({3: Came(last, owed)})
    return found


def sealed(hearing: Hearing, stream: int = 1) -> list[Sample]:
    links = [one.links for one in hearing.take()[0].stretches if one.stream == stream]
    return [observation.read_at(one, 0)[0] for each in links for one in observation.split(each)]


def holes(samples: list[Sample]) -> list[Gap]:
    return [gap.read(one.raw) for one in samples if one.kind == Kind.GAP]
