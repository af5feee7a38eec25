"""Tests of a source: when the flag is on, over what it is laid, and when it goes off by itself."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from agent import declared, trial
from agent.declared import SPAN_NS_MAX
from agent.health import Health
from agent.hearing import Hearing
from agent.trial import KEPT_NS, LATE_NS, Trials
from drivers.line import Frame
from evidence import event
from evidence.code import Event, Flag, Kind
from evidence.event import Noticed
from evidence.leap import NS
from evidence.observation import Sample
from evidence.siteplan import Site, SitePlan, Stream
from provisioning.trial import Moment, begun, ended, text_of
from tests.agent.listening import begin, hear, sealed
from tests.agent.site import START, Randomness, Time, frame, setup

BOOT, HOUR = "a-boot", 3600 * NS


class Clock(Time):
    """That of a machine, with one that counts from its boot."""

    def __init__(self) -> None:
        super().__init__()
        self.boot_ns = 100 * NS

    def boottime_ns(self) -> int:
        return self.boot_ns

    def go(self, ns: int) -> None:
        super().go(ns)
        self.boot_ns += ns


class Bench:
    """A gateway's hearing and the file beside its configuration."""

    def __init__(self, folder: Path) -> None:
        self.path, self.clock, self.boot = folder / trial.FILE, Clock(), BOOT
        self.start()

    def start(self) -> None:
        """An agent, as after a restart."""
        plan = SitePlan(Site("Site"), stream=[Stream("pmu", path_ms=500)])
        self.hearing = Hearing(plan, self.clock, Randomness("trial"), Health())
        self.hearing.attach(begin())
        names = ("pmu", "other")
        self.trials = Trials(self.path, self.clock, self.hearing, names, self.boot)
        self.trials.look()

    @property
    def moment(self) -> Moment:
        return Moment(self.clock.table.utc_ns(self.clock.tai), self.boot, self.clock.boot_ns)

    def declare(self, reason: str = "injection", span_ns: int = HOUR, source: str = "pmu") -> None:
        rows = declared.load(self.path)
        told = begun(rows, source, reason, "A. Tester", span_ns, self.moment)
        self.path.write_text(text_of(told))

    def stop(self) -> None:
        self.path.write_text(text_of(ended(declared.load(self.path), "pmu", self.moment)))

    def look(self) -> None:
        self.trials.look()

    def go(self, ns: int) -> None:
        self.clock.go(ns)
        self.trials.look()

    def heard(self, *frames: Frame) -> list[Sample]:
        """What is sealed of these, events aside."""
        hear(self.hearing, setup(), *frames)
        return [one for one in sealed(self.hearing) if one.kind == Kind.C37118]

    def now(self) -> Frame:
        """A frame measured now."""
        return frame(0)._replace(tai=self.clock.tai, heard=self.clock.now())

    def flagged(self) -> bool:
        return flagged(self.heard(self.now())[-1])

    def state(self) -> list[str]:
        return [one["state"] for one in self.trials.report() if one["source"] == "pmu"]


def flagged(sample: Sample) -> bool:
    return bool(sample.flags & Flag.TEST)


def events(samples: list[Sample]) -> list[Noticed]:
    return [event.read(one.raw) for one in samples if one.kind == Kind.EVENT]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_all_that_is_sealed_meanwhile_carries_the_flag(bench: Bench) -> None:
    assert not bench.flagged() and not bench.state()
    bench.declare()
    bench.go(NS)
    assert bench.flagged() and bench.state() == ["on"]
    far = bench.now()._replace(tai=START - 1000 * HOUR)  # whatever the device's clock says
    assert all(map(flagged, bench.heard(far, bench.now())))
    assert bench.trials.report()[0]["reason"] == "injection"


def test_another_source_does_not(bench: Bench) -> None:
    bench.declare(source="other")
    bench.go(NS)
    assert not bench.flagged()


def test_a_stream_that_is_new_amid_it_carries_it_from_its_first_sample(bench: Bench) -> None:
    bench.declare()
    bench.look()
    hear(bench.hearing, setup("9"), bench.now()._replace(key="9"))
    bench.look()
    samples = sealed(bench.hearing)
    assert [flagged(one) for one in samples if one.kind == Kind.C37118] == [True]
    assert [one.event for one in events(samples)] == [Event.TEST_BEGAN]


def test_the_end_waits_for_what_is_on_its_way(bench: Bench) -> None:
    bench.declare()
    bench.go(NS)
    assert bench.flagged()
    bench.go(NS)
    bench.stop()
    bench.look()
    assert bench.state() == ["ending"] and bench.flagged()
    late_ns = LATE_NS + 500_000_000 + 7 * NS // 50  # the plan's path, and 7/Fs
    bench.go(late_ns - 1)
    assert bench.flagged()
    bench.go(1)
    assert not bench.flagged() and bench.state() == []


def test_what_was_measured_within_it_is_flagged_whenever_it_is_heard(bench: Bench) -> None:
    bench.declare()
    bench.go(NS)
    within = bench.now()
    bench.go(NS)
    bench.stop()
    bench.look()
    bench.go(HOUR)
    before, after = within._replace(tai=START - NS), bench.now()
    assert [flagged(one) for one in bench.heard(before, within, after)] == [False, True, False]
    bench.start()  # and after a restart
    assert [flagged(one) for one in bench.heard(before, within, after)] == [False, True, False]
    bench.clock.go(KEPT_NS)
    bench.start()
    assert not any(map(flagged, bench.heard(within)))


def test_it_is_stated_when_it_begins_and_when_its_flag_goes_off(bench: Bench) -> None:
    bench.heard(bench.now())
    bench.declare("secondary injection, CT 3")
    bench.go(NS)
    on = bench.clock.tai
    (began,) = events(sealed(bench.hearing))
    assert (began.event, began.first, began.check) == (Event.TEST_BEGAN, on, None)
    assert "secondary injection, CT 3 (by A. Tester, since " in began.text
    bench.go(5 * NS)
    bench.stop()
    bench.look()
    end = bench.clock.tai
    assert not events(sealed(bench.hearing))
    bench.go(10 * NS)
    (over,) = events(samples := sealed(bench.hearing))
    assert (over.event, over.first, over.last) == (Event.TEST_ENDED, on, end)
    assert "stopped by word" in over.text and flagged(samples[-1])


@pytest.mark.parametrize("span_ns", [HOUR, SPAN_NS_MAX])
@pytest.mark.parametrize("set_ns", [0, -10 * HOUR, 10 * HOUR], ids=["true", "back", "forward"])
def test_it_ends_by_itself_whatever_is_done_to_the_wall_clock(
    bench: Bench, span_ns: int, set_ns: int
) -> None:
    bench.declare(span_ns=span_ns)
    bench.look()
    bench.go(span_ns // 2)
    bench.clock.tai += set_ns
    bench.go(span_ns // 2 - 1)
    assert bench.state() == ["on"] and bench.flagged()
    bench.go(1)
    assert bench.state() == ["ending"]
    bench.go(10 * NS)
    assert not bench.flagged()


def test_no_row_makes_it_longer_than_four_hours(bench: Bench) -> None:
    bench.declare(span_ns=100 * HOUR)
    bench.look()
    bench.go(SPAN_NS_MAX)
    assert bench.state() == ["ending"]


@pytest.mark.parametrize("set_ns", [0, -10 * HOUR, 10 * HOUR], ids=["true", "back", "forward"])
def test_a_restart_does_not_begin_it_anew(bench: Bench, set_ns: int) -> None:
    bench.declare(span_ns=2 * HOUR)
    bench.look()
    bench.clock.go(HOUR)
    bench.clock.tai += set_ns
    bench.start()
    assert bench.flagged(), "from the first sample"
    bench.go(HOUR - 1)
    assert bench.state() == ["on"]
    bench.go(1)
    assert bench.state() == ["ending"]


def test_after_a_power_cut_the_wall_clock_says_what_is_left(bench: Bench) -> None:
    bench.declare(span_ns=2 * HOUR)
    bench.clock.go(HOUR)
    bench.boot, bench.clock.boot_ns = "another", NS
    bench.start()
    assert bench.trials.report()[0]["left_s"] == 3600 and bench.flagged()
    bench.clock.go(HOUR + NS)
    bench.start()
    assert not bench.flagged()
    bench.clock.tai -= 5 * HOUR  # before it was declared: it may just have begun
    bench.start()
    assert bench.trials.report()[0]["left_s"] == 7200


def _a_folder(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()


def _a_pipe(path: Path) -> None:
    """Whoever opened it to wait would wait for ever."""
    path.unlink(missing_ok=True)
    os.mkfifo(path)


FAULTS: dict[str, Callable[[Path], object]] = {
    "no TOML": lambda path: path.write_text("[[test]"),
    "not text": lambda path: path.write_bytes(b"\xff\xfe"),
    "another key": lambda path: path.write_text('[[test]]\nsource = "pmu"\n'),
    "no instant": lambda path: path.write_text(
        '[[test]]\nsource = "pmu"\nsince = "now"\nuntil = "then"\nreason = "x"\nby = "y"\n'
    ),
    "a folder": _a_folder,
    "a pipe": _a_pipe,
    "too long": lambda path: path.write_text("#" * (declared.BYTES_MAX + 1)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_file_that_cannot_be_read_changes_nothing_and_is_told(
    bench: Bench, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    bench.declare()
    bench.look()
    FAULTS[fault](bench.path)
    bench.go(NS)
    bench.go(NS)
    assert bench.flagged() and bench.state() == ["on"]
    assert bench.trials.fault and trial.FILE in bench.trials.fault
    assert caplog.text.count("tests stay as they were") == 1
    bench.go(HOUR)
    assert bench.state() == ["ending"], "it ends all the same"


@pytest.mark.parametrize("fault", FAULTS)
def test_at_a_start_nobody_knows_and_everything_is_flagged(bench: Bench, fault: str) -> None:
    FAULTS[fault](bench.path)
    bench.start()
    assert bench.flagged()
    assert {one["source"] for one in bench.trials.report()} == {"pmu", "other"}
    if bench.path.is_dir():
        bench.path.rmdir()
    elif fault not in ("no TOML", "a pipe"):  # taken away, it is no word of any test either
        bench.path.write_text("")
    else:
        bench.path.unlink()
    bench.go(NS)
    bench.go(10 * NS)
    assert not bench.flagged()


def test_what_is_over_flags_nothing_that_comes_after_it(bench: Bench) -> None:
    """Whatever its row says of its end, and however often the file is read."""
    bench.declare(span_ns=100 * HOUR)
    bench.look()
    bench.go(SPAN_NS_MAX)
    bench.go(10 * NS)
    for _ in range(3):
        bench.path.write_text(bench.path.read_text() + "\n")
        bench.go(NS)
        assert not bench.flagged()
    bench.start()
    assert not bench.flagged()
    bench.clock.tai -= 10 * HOUR  # the row's instants lie ahead now
    bench.start()
    assert not bench.flagged()
    bench.go(8 * HOUR)
    assert not bench.flagged()


def test_while_the_disk_takes_nothing_no_flag_goes_off(bench: Bench) -> None:
    bench.heard(bench.now())
    bench.declare()
    bench.look()
    bench.hearing.detach()
    bench.go(HOUR)
    bench.go(HOUR)
    assert bench.state() == ["ending"]
    bench.hearing.attach(begin(2))
    bench.heard(bench.now())
    bench.look()
    assert [one.event for one in events(sealed(bench.hearing))] == [Event.TEST_ENDED]
    assert not bench.flagged()


@pytest.mark.parametrize("set_ns", [0, HOUR])
def test_what_was_measured_before_a_restart_amid_it_is_flagged(bench: Bench, set_ns: int) -> None:
    """Heard when the flag is off; `set_ns`: the wall clock was set on meanwhile."""
    bench.declare()
    late = bench.now()
    bench.go(HOUR // 4)
    bench.start()
    bench.clock.tai += set_ns
    bench.stop()
    bench.go(NS)
    bench.go(10 * NS)
    assert flagged(bench.heard(late)[-1]) and not bench.flagged()


@pytest.mark.parametrize("again", [False, True])
def test_a_file_that_is_taken_away_is_no_stop(bench: Bench, again: bool) -> None:
    """Somebody may go on injecting: its time ends it, or a word in a new file."""
    bench.declare()
    bench.look()
    bench.path.unlink()
    bench.go(HOUR // 2)
    assert bench.flagged() and "was removed amid a test" in bench.trials.fault
    if again:
        bench.declare("the same, to stop it")
        bench.stop()
    bench.go(1 if again else HOUR // 2)
    bench.go(10 * NS)
    assert not bench.flagged() and not bench.trials.fault


def test_another_test_takes_over_without_a_sample_between(bench: Bench) -> None:
    bench.declare(span_ns=HOUR)
    bench.look()
    bench.go(HOUR // 2)
    bench.declare("once more", span_ns=HOUR)
    bench.look()
    assert bench.flagged() and bench.trials.report()[0]["reason"] == "once more"
    bench.go(HOUR - 1)
    assert bench.state() == ["on"]


def test_what_could_not_be_made_durable_is_sealed_anew_with_its_flag(bench: Bench) -> None:
    bench.heard(bench.now())
    bench.declare()
    bench.look()
    hear(bench.hearing, bench.now())
    absent = bench.hearing.detach().stretches
    bench.go(HOUR + 10 * NS)  # over meanwhile
    bench.hearing.attach(begin(2))
    bench.hearing.again(absent, {})
    samples = [one for one in sealed(bench.hearing) if one.kind == Kind.C37118]
    assert list(map(flagged, samples)) == [True]
