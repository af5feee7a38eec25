"""A receiver on a serial line, a PMU, the real agent and the real record: what is found of time and
place, how soon, what samples carry of it, and what the record holds in the end.
"""

import contextlib
import time
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

from agent.verdict import LOOK_S
from agent.witness import LOST_NS
from drivers.gnss.wire import Epochs, Fix
from drivers.line import Instant
from evidence.code import Check, Event, Flag, Kind, TimeSource
from evidence.leap import NS
from evidence.observation import Sample
from evidence.verdict import PlaceState
from hil.devices.gnss import Plight, Truth
from hil.devices.pace import tai_now
from tests.drivers.receiver_peer import runs
from tests.scenario.witnessing import Held, Site, Timed, receiver, second, site, ublox

# Of an epoch through a pseudo-terminal of a busy machine, and of what is asked then.
ARRIVAL_S = 0.4
EPOCH_S = 1.0  # what is found by an epoch stands before the next one
RULING_S = 1.0  # how often all sources of time are looked at together


@contextlib.asynccontextmanager
async def watched(folder: Path, nmea: bool = False) -> AsyncIterator[tuple[Timed, Site]]:
    """A gateway with one receiver."""
    async with receiver(nmea=nmea) as (gnss, path), site(folder, {"gnss": ublox(path)}) as there:
        yield gnss, there


async def flagged(
    gnss: Timed, there: Site, check: Check, words: str, most_s: float, last: bool = False
) -> int:
    """Waits until it stands, so long after the first epoch from now on, or after the `last` one
    before; when it did, ns TAI."""
    now_s = time.monotonic()
    await there.finds(check, words)
    found_s, found = time.monotonic(), tai_now()
    took_s = found_s - (gnss.told_s[-1] if last else gnss.first_since(now_s))
    assert took_s < most_s, f"{check.name} took {took_s:.1f} s"
    return found


@runs
async def test_suspicion_and_loss_are_found_at_once_and_the_record_has_all_of_it(
    tmp_path: Path,
) -> None:
    async with receiver() as (gnss, path):
        sources = {"gnss": ublox(path, fix_s=2)}
        async with site(tmp_path, sources) as there:
            await there.place("checked")
            await there.calm()
            calm = tai_now()
            await second()
            gnss.plight.spoofing = 3
            spoofed = await flagged(gnss, there, Check.SPOOFING, "several signs", EPOCH_S)
            gnss.plight.spoofing = 1
            await there.calm()
            await second()
            gnss.plight.lost = True
            lost = await flagged(gnss, there, Check.FIX_LOST, "no fix", EPOCH_S)
            told = await there.told()
            assert told is not None and told["place"]["state"] == "unchecked"
            assert told["receivers"]["gnss"]["fix"] == "none"
            gnss.plight.lost = False
            await there.calm()
            await second()
            gnss.plight.silent = True
            words, soon_s = "no epoch any more", LOST_NS / NS + LOOK_S + ARRIVAL_S
            await flagged(gnss, there, Check.FIX_LOST, words, soon_s, last=True)
            gnss.plight.silent = False
            await there.place("checked")
            words = await there.words()
            assert "place      checked: gnss: " in words
            assert "gnss: fix space, navigation mode, 20 satellites" in words
            assert "FIX LOST for " in words
            held = await there.end()
    expected = [
        *(held.changes().index((kind, check)) for kind, check in (
            (Event.CHECK_TRIPPED, Check.SPOOFING), (Event.CHECK_CLEARED, Check.SPOOFING),
            (Event.CHECK_TRIPPED, Check.FIX_LOST), (Event.CHECK_CLEARED, Check.FIX_LOST),
        )),
    ]  # fmt: skip
    assert expected == sorted(expected), "each is told when it trips and when it clears, in order"
    assert held.marks(calm, calm + NS // 5) == {Flag.PLACE_CHECKED}
    assert held.marks(spoofed + NS // 5, spoofed + NS) == {Flag.SPOOF_SUSPECTED}
    assert held.marks(lost + NS // 5, lost + NS // 2) == {Flag(0)}
    _fixes_hold(held.of(Kind.FIX))
    _verdicts_hold(held)


def _fixes_hold(fixes: list[Sample]) -> None:
    """One every fix period, the receiver's own bytes, stamped by what they say."""
    good = [one for one in fixes if not one.flags & Flag.AGENT_STAMPED]
    assert len(good) >= 5 and all(one.source == TimeSource.GNSS for one in good)
    for one in good:
        again = Epochs().feed(one.raw, Instant(one.tai + one.heard, None))
        assert [fix.tai for fix in again if isinstance(fix, Fix)][-1:] == [one.tai]
    assert any(one.flags & Flag.SPOOF_SUSPECTED for one in fixes)


def _verdicts_hold(held: Held) -> None:
    """One every period at least; the receiver by its stream; the checks of each moment in it."""
    found = held.verdicts()
    instants = [tai for tai, _ in found]
    assert max(b - a for a, b in pairwise(instants)) < 3 * NS
    assert len(found) < 60, "and not one each second"
    assert {one.stream for _, said in found for one in said.receivers} == {
        one.stream for one in held.of(Kind.FIX)
    }
    spoofed = [said for _, said in found if Check.SPOOFING in [one.check for one in said.tripped]]
    assert any(said.receivers[0].spoofing == 3 for said in spoofed)
    assert all(Flag(said.clock.flags) & Flag.SPOOF_SUSPECTED for said in spoofed)
    assert any(said.place.state is PlaceState.CHECKED for _, said in found)


@runs
async def test_moved_by_50_m_is_flagged_within_15_s_and_cleared_when_it_is_back(
    tmp_path: Path,
) -> None:
    async with watched(tmp_path) as (gnss, there):
        await there.place("checked")
        await second()
        gnss.plight.moved_m = (30.0, -40.0, 0.0)
        moved = await flagged(gnss, there, Check.MOVED, "from the survey", 14.0)
        told = await there.told()
        assert told is not None and 45 < told["place"]["distance_m"] < 55
        words = await there.words()
        assert "place      doubted: gnss: " in words and "MOVED for " in words
        gnss.plight.moved_m = (0.0, 0.0, 0.0)
        await there.place("checked", 20.0)
        back = tai_now()
        await there.until(lambda told: told["time"]["flags"].count("place_checked") == 1)
        held = await there.end()
    assert held.marks(moved + NS // 5, moved + NS) == {Flag.PLACE_DOUBTED}
    assert held.marks(back + NS // 5, back + NS) <= {Flag.PLACE_CHECKED}
    doubted = [said for _, said in held.verdicts() if said.place.state is PlaceState.DOUBTED]
    assert doubted and all(
        said.place.distance_mm is not None and said.place.distance_mm > 40_000 for said in doubted
    )


@runs
async def test_a_fixed_receiver_checks_no_place_and_says_so_once(tmp_path: Path) -> None:
    async with receiver() as (gnss, path):
        gnss.plight.held = True
        gnss.plight.moved_m = (500.0, 0.0, 0.0)
        async with site(tmp_path, {"gnss": ublox(path)}) as there:
            await there.finds(Check.PLACE_UNCHECKED, "fixed mode")
            held = await there.end()
    said = [one for one in held.changes() if one[1] is Check.PLACE_UNCHECKED]
    assert said == [(Event.CHECK_TRIPPED, Check.PLACE_UNCHECKED)]
    assert held.marks(0, tai_now()) == {Flag(0)}


@runs
async def test_what_is_wrong_with_its_words_is_named_and_the_claim_shrinks(tmp_path: Path) -> None:
    """Bad checksums, messages cut short, a rollover, the year 2000, the last fix again."""
    async with watched(tmp_path, nmea=True) as (gnss, there):
        await there.place("checked")
        counted: list[int] = []
        for name, value, check, words in (
            ("weeks_off", -1024, Check.FIX_DOUBTED, "week_rollover"),
            ("unset", True, Check.FIX_DOUBTED, "clock_unset: its clock was never set"),
            ("repeats", True, Check.FIX_DOUBTED, "repeated: the same instant again"),
            ("bad_checks", True, Check.FIX_LOST, "no epoch any more"),
            ("truncated", True, Check.FIX_LOST, "no epoch any more"),
        ):
            setattr(gnss.plight, name, value)
            told = await there.finds(check, words, 6.0)
            assert told["place"]["state"] != "checked", words
            assert "place_checked" not in told["time"]["flags"]
            setattr(gnss.plight, name, getattr(Plight(), name))
            await there.place("checked")
            if check is Check.FIX_LOST:
                told = await there.calm()
                counted.append(sum(told["sources"]["gnss"]["faults"].values()))
        assert 0 < counted[0] < counted[1]
        await there.end()


@runs
async def test_two_receivers_that_contradict_each_other(tmp_path: Path) -> None:
    """One is pulled by two seconds and 80 m, and notices nothing itself."""
    async with receiver() as (_, path), receiver() as (pulled, other):
        assert Truth() == pulled.sky.truth
        sources = {"north": ublox(path), "south": ublox(other)}
        async with site(tmp_path, sources) as there:
            await there.until(
                lambda told: all(
                    one.get("distance_m") is not None for one in told["receivers"].values()
                )
            )
            await there.calm()
            await second()
            pulled.plight.pull_ns = 2 * NS
            pulled.plight.pull_m = (80.0, 0.0)
            begun_s = time.monotonic()
            told = await there.until(lambda told: "spoof_suspected" in told["time"]["flags"], 5.0)
            assert time.monotonic() - pulled.first_since(begun_s) < RULING_S + ARRIVAL_S
            named = {one["check"]: one["words"] for one in told["checks"]}
            assert "south: " in named.get("sources_apart", "") + named.get("source_jumped", "")
            assert "clock_doubted" in told["time"]["flags"]
            told = await there.finds(Check.MOVED, "south: ")
            assert told["place"]["state"] == "doubted"
            before = told["sources"]["pmu"]["sealed"]
            await there.until(lambda told: told["sources"]["pmu"]["sealed"] > before)
            held = await there.end()
    moment = held.of(Kind.C37118)[-1]
    assert Flag(moment.flags) & Flag.SPOOF_SUSPECTED and Flag(moment.flags) & Flag.PLACE_DOUBTED
