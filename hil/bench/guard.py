"""What doubting a device's clock costs: the guard of arrivals, a frame on the sealing path; a pair
of PMUs of one bus, as a share of a core, beside it.

1. The guard: the two comparisons that each frame meets, timed alone, and what Hearing takes longer
   with a guard that looks than with one that is asleep; nothing is signed meanwhile.
2. The pair: what Neighbours takes for SECONDS of two PMUs at 60/s, all their frames shown to it.
3. Slices alternate and the least of each counts: what else the machine does only adds.
"""

import random
import time
from collections.abc import Sequence
from typing import Any

from agent.beside import Neighbours
from agent.guard import NEVER
from agent.health import Health
from agent.hearing import Hearing
from drivers.c37118.session import Session, Terms
from drivers.c37118.splitter import Splitter
from drivers.c37118.wire import FrameType, Stamp, encode_configuration
from drivers.line import Frame, Instant, Setup
from evidence import siteplan
from evidence.code import Kind
from evidence.leap import BUILT_IN, NS
from evidence.siteplan import Bus, SitePlan, Stream
from hil.devices.profile import Profile
from hil.devices.unit import Instant as Moment
from hil.devices.unit import Pmu
from hil.grid import Grid

GUARD_US_MOST = 0.2
PAIR_SHARE_MOST = 0.005
RATE, SECONDS = 60, 120
ROUNDS = 9
START_S = 1_790_000_000
START = BUILT_IN.tai_ns(START_S)
BUS = Bus("North", "123e4567-e89b-12d3-a456-426614174000")
NAMES = ("first", "second")


class _Clock:
    """Stands still: nothing here asks it but for statements."""

    table = BUILT_IN

    def now(self) -> Instant:
        return Instant(START, 1000)

    def monotonic_ns(self) -> int:
        return 1


def measure() -> dict[str, Any]:
    """The figures, and why they do not hold."""
    heard = {name: _heard(number) for number, name in enumerate(NAMES, 1)}
    (setup,) = [one for one in heard["first"] if isinstance(one, Setup)]
    frames = [one for one in heard["first"] if isinstance(one, Frame)]
    spent: dict[str, list[float]] = {"asleep": [], "awake": [], "compared": [], "pair": []}
    for _ in range(ROUNDS):
        spent["asleep"].append(_hearing_s(setup, frames, False))
        spent["awake"].append(_hearing_s(setup, frames, True))
        spent["compared"].append(_compared_s(frames))
        spent["pair"].append(_pair_s(heard))
    least = {name: min(all_of_it) for name, all_of_it in spent.items()}
    looked = max(least["awake"] - least["asleep"], 0.0)
    guard_us = (least["compared"] + looked) / len(frames) * 1e6
    share = least["pair"] / SECONDS
    reasons = []
    if guard_us > GUARD_US_MOST:
        reasons.append(f"the guard takes {guard_us:.2f} us a frame; at most {GUARD_US_MOST}")
    if share > PAIR_SHARE_MOST:
        reasons.append(f"a pair takes {share:.2%} of a core; at most {PAIR_SHARE_MOST:.1%}")
    return {
        "guard_us_a_frame": round(guard_us, 3),
        "compared_us_a_frame": round(least["compared"] / len(frames) * 1e6, 3),
        "pair_core_share": round(share, 5),
        "reasons": reasons,
    }


def _heard(device: int) -> list[Frame | Setup]:
    """What a PMU brought in SECONDS, and when: 20 to 23 ms after it was measured."""
    profile = Profile(idcode=device, device=device, rate=RATE)
    pmu, rng = Pmu(profile, Grid(), lambda: START), random.Random(device)
    splitter, session = Splitter(), Session(Terms())
    raw = encode_configuration(profile.configuration(FrameType.CFG2), Stamp(START_S, 0, 0))
    found = list(session.accept(splitter.feed(raw), Instant(START, 1000)))
    for number in range(RATE * SECONDS):
        second, place = divmod(number, RATE)
        tai = START + second * NS + place * NS // RATE
        raw = pmu.frame(Moment(tai, START_S + second, place))
        late = 20_000_000 + rng.randrange(3_000_000)
        found += session.accept(splitter.feed(raw), Instant(tai + late, 1000))
    return found


def _hearing_s(setup: Setup, frames: Sequence[Frame], awake: bool) -> float:
    """One frame a read, none signed: no run is attached."""
    hearing = Hearing(SitePlan(siteplan.Site("Site")), _Clock(), bytes, Health())
    hearing.hear("first", [setup])
    guard = hearing._lanes["first", setup.key].guard
    if not awake:
        guard.low_ns, guard.high_ns, guard.until_ns = -NEVER, NEVER, NEVER
    reads = [[frame] for frame in frames]
    begun = time.process_time()
    for read in reads:
        hearing.hear("first", read)
    return time.process_time() - begun


def _compared_s(frames: Sequence[Frame]) -> float:
    """What `hear` compares, without the loop that it stands in."""
    hearing = Hearing(SitePlan(siteplan.Site("Site")), _Clock(), bytes, Health())
    hearing.hear("first", [Setup(frames[0].key, int(Kind.C37118), b"", (RATE, 1), ())])
    lane = hearing._lanes["first", frames[0].key]
    lane.guard.low_ns, lane.guard.high_ns = -NEVER, NEVER
    begun = time.process_time()
    for item in frames:
        tai = item.tai
    bare = time.process_time() - begun
    begun = time.process_time()
    for item in frames:
        tai, guard = item.tai, lane.guard
        if not guard.low_ns <= item.heard.tai - tai <= guard.high_ns:
            raise AssertionError("it lets everything pass")
    return max(time.process_time() - begun - bare, 0.0)


def _pair_s(heard: dict[str, list[Frame | Setup]]) -> float:
    plan = SitePlan(siteplan.Site("Site"), [BUS], [Stream(name, bus="North") for name in NAMES])
    neighbours = Neighbours(plan, Hearing(plan, _Clock(), bytes, Health()))
    turns = list(zip(*heard.values(), strict=True))
    begun = time.process_time()
    for turn in turns:
        for name, item in zip(NAMES, turn, strict=True):
            neighbours.hear(name, [item])
    return time.process_time() - begun
