"""What tests of conclusions share: receivers a second a step, and rulings made by hand."""

from collections.abc import Iterable
from typing import Any

from agent.health import Health
from agent.hearing import Hearing
from agent.timing.opinion import Judged, Opinion, Ruling
from agent.verdict import Verdicts
from drivers.gnss.fix import KEY, Fix
from drivers.line import Setup
from evidence import event, observation, siteplan, verdict
from evidence.code import Check, Event, Flag, Kind, TimeSource
from evidence.leap import NS
from evidence.observation import Sample
from evidence.siteplan import SitePlan, Survey
from evidence.verdict import State, Term, Verdict
from tests.agent.listening import begin
from tests.agent.site import Randomness, Time
from tests.drivers.receiver_line import Line

SURVEY = Survey(46.9480, 7.4474, 600.0, 0.5)
MARKS = Flag.SPOOF_SUSPECTED | Flag.JAM_SUSPECTED | Flag.PLACE_CHECKED | Flag.PLACE_DOUBTED


def opinion(name: str, source: TimeSource = TimeSource.GNSS, **other: Any) -> Opinion:
    plain = Opinion(name, source, 0, 120, 400, 10, (Term("accuracy", 400),), locked=True)
    return plain._replace(**other)


def ruling(*judged: Judged, **other: Any) -> Ruling:
    chosen = next((one.opinion for one in judged if one.state is State.CHOSEN), None)
    terms = (Term("offset", 120), Term("accuracy", 400))
    plain = Ruling(
        0, 520, 10, chosen.source if chosen else TimeSource.UNKNOWN, int(Flag.LOCKED),
        chosen.name if chosen else None, "the least bound", terms, None, judged, 37,
    )  # fmt: skip
    return plain._replace(**other)


GOOD = ruling(Judged(opinion("gnss"), State.CHOSEN, "the least bound"))


class Rig:
    """A hearing, receivers by name, and their conclusions; a second a step."""

    def __init__(self, *names: str, survey: Survey | None = SURVEY, period_s: int = 10) -> None:
        self.time, self.health = Time(), Health()
        self.room = True
        plan = SitePlan(siteplan.Site("Site"))
        self.hearing = Hearing(plan, self.time, Randomness("hearing"), self.health)
        self.hearing.attach(begin())
        self.lines = {name: Line() for name in names}
        self.verdicts = Verdicts(
            self.hearing, self.time, survey, names, period_s, lambda: self.room
        )
        for name in names:
            self.hearing.hear(name, [Setup(KEY, int(Kind.FIX), b"", (1, 10), ())])
        self.ruling, self.ruled = GOOD, False
        self.links: list[Sample] = []
        self.fixes: dict[str, Fix] = {}

    def step(self, seconds: int = 1, ruled: Ruling | None = None, **plight: Any) -> "Rig":
        """Every receiver says an epoch, under this plight, and all sources are ruled on."""
        self.ruling = ruled or self.ruling
        for _ in range(seconds):
            for name, line in self.lines.items():
                for fix in line.steps(**plight):
                    self.fixes[name] = fix
                    self.verdicts.heard(name, fix)
            self.rule()
            self.time.go(NS)
        return self

    def rule(self) -> None:
        at_ns = self.time.mono
        self.ruling, self.ruled = self.ruling._replace(at_ns=at_ns), True
        self.verdicts.ruled(self.ruling)

    def quiet(self, ns: int) -> "Rig":
        """No epoch comes for so long; it is looked ten times a second."""
        for _ in range(ns // (NS // 10)):
            self.time.go(NS // 10)
            self.verdicts.look()
        return self

    def sealed(self) -> list[Sample]:
        """Of stream 0, since the last call."""
        links = [one.links for one in self.hearing.take()[0].stretches if one.stream == 0]
        found = [
            observation.read_at(one, 0)[0] for each in links for one in observation.split(each)
        ]
        self.links += found
        return found

    def verdicts_of(self, samples: Iterable[Sample]) -> list[Verdict]:
        return [verdict.read(one.raw) for one in samples if one.kind == Kind.VERDICT]

    def events(self) -> list[tuple[Event, Check | None, str]]:
        read = [event.read(one.raw) for one in self.sealed() if one.kind == Kind.EVENT]
        return [(one.event, one.check, one.text) for one in read]

    def marks(self) -> Flag:
        return Flag(self.hearing.moment.marks)

    def words(self, check: Check) -> str:
        found = [one.text for one in self.hearing.checks.standing() if one.check is check]
        return found[0] if found else ""
