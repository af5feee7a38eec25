"""What PMUs say of each other, and of their own channels: whatever two good ones may err by is
nothing, and what is beyond is told by its kind. Frames are those of simulated PMUs.
"""

import cmath
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import NamedTuple

import pytest

from drivers.c37118.configuration import encode_configuration
from drivers.c37118.frame import FrameType, Stamp
from drivers.line import FrameError
from drivers.values import Values
from evidence.code import Kind
from evidence.leap import BUILT_IN, NS
from evidence.observation import Sample
from hil.devices.profile import PHASORS_10, Profile
from hil.devices.unit import Instant, Pmu
from hil.devices.wiring import Wiring
from hil.fact import Fact
from hil.grid import Grid
from hil.live import content
from hil.live.content import Content, Pair
from hil.report.admitted import Lookup, Shape, shape_of

BEGINS_S, RATE, FRAMES = 1_800_000_000, 10, 20
ONE = cmath.rect(100.0, 0.3)
LINES = {("north-1", "pmu-a"): (1, ""), ("south-1", "pmu-b"): (1, ""), ("south-1", "c"): (2, "")}


@pytest.mark.parametrize(
    ("factor", "how"),
    [
        (1, ""),
        (1.019, ""),
        (1.025, "ratio"),
        (1 / 1.2, "ratio"),
        (cmath.rect(1, math.radians(1)), ""),
        (cmath.rect(1, math.radians(120)), "phase"),
        (cmath.rect(1, math.radians(-120)), "phase"),
        (-1, "polarity"),
        (-1.2, "polarity"),
    ],
)
def test_how_two_phasors_are_apart(factor: complex, how: str):
    assert content.how(ONE, ONE * factor) == how
    assert content.how(ONE * factor, ONE) == how


def test_two_that_measure_nothing_do_not_differ():
    assert content.how(0j, 0j) == ""


class Frame(NamedTuple):
    """One measurement. `arrived`: ns TAI by the bench's clock."""

    line: str
    descriptor: bytes
    sample: Sample
    arrived: int


def facts(frames: Iterable[Frame], known: Lookup, pairs: Sequence[Pair]) -> list[Fact]:
    """All of them, of frames that nobody has decoded yet."""
    shapes: dict[bytes, Shape | None] = {}
    with closing(Content(pairs)) as found:
        for one in frames:
            if one.descriptor not in shapes:
                shapes[one.descriptor] = shape_of(known, one.descriptor, Kind.C37118)
            shape = shapes[one.descriptor]
            found.take(one.line, one.sample.tai, one.arrived, shape, _values(shape, one.sample))
        return found.facts()


def _values(shape: Shape | None, sample: Sample) -> Values | None:
    try:
        return None if shape is None else shape.compiled.decode(sample.raw)
    except FrameError:
        return None  # its class says so


@dataclass(frozen=True)
class Described:
    configuration: bytes | None


class Descriptors:
    """Those of some PMUs, by name."""

    def __init__(self) -> None:
        self.all: dict[bytes, Described] = {}

    def descriptor(self, name: bytes) -> Described | None:
        return self.all.get(name)


def said(
    line: str, profile: Profile, known: Descriptors, first: int = 0, frames: int = FRAMES
) -> Iterator[Frame]:
    """What a PMU says from a frame on, as a record has it."""
    encoded = encode_configuration(profile.configuration(FrameType.CFG2), Stamp(BEGINS_S))
    name = line.encode() + encoded
    known.all[name] = Described(encoded)
    pmu = Pmu(profile, Grid(), lambda: 0)
    for at in range(first, first + frames):
        second, number = divmod(at, RATE)
        soc = BEGINS_S + second
        tai = BUILT_IN.tai_ns(soc, number * NS // RATE)
        raw = pmu.frame(Instant(tai, soc, number))
        sample = Sample(1, at, tai, 1000, 1, 0, 0, None, bytes(32), Kind.C37118, raw)
        yield Frame(line, name, sample, tai)


def profile(**more: object) -> Profile:
    return Profile(rate=RATE, **more)  # type: ignore[arg-type]


def read(*frames: Iterator[Frame], known: Descriptors) -> list[Fact]:
    whole = [one for some in frames for one in some]
    return facts(whole, known, content.pairs_of(LINES))


@pytest.mark.parametrize(
    ("wiring", "apart"),
    [
        (Wiring(), {}),
        (Wiring(reversed="A"), {"IA": "polarity"}),
        (Wiring(ct=1.2), {"IA": "ratio", "IB": "ratio", "IC": "ratio"}),
        (Wiring(pt=1.1), {"VA": "ratio", "VB": "ratio", "VC": "ratio"}),
        (Wiring(amps="ACB"), {"IB": "phase", "IC": "phase"}),
    ],
)
def test_two_of_one_bus_are_held_against_each_other(wiring: Wiring, apart: dict[str, str]):
    known = Descriptors()
    found = read(
        said("north-1 pmu-a", profile(device=1), known),
        said("south-1 pmu-b", profile(device=2, wiring=wiring), known),
        said("south-1 c", profile(bus=2, wiring=Wiring(reversed="ABC")), known),
        known=known,
    )
    assert {str(one.words["channel"]): one.words["how"] for one in found} == apart
    for one in found:
        assert (one.words["device"], one.count) == (("pmu-a", "pmu-b"), FRAMES)


def test_what_is_past_and_comes_again_is_told_twice():
    known, wrong = Descriptors(), profile(device=2, wiring=Wiring(ct=1.2))
    found = read(
        said("north-1 pmu-a", profile(), known, frames=3 * FRAMES),
        said("south-1 pmu-b", wrong, known, frames=FRAMES),
        said("south-1 pmu-b", profile(device=2), known, first=FRAMES),
        said("south-1 pmu-b", wrong, known, first=2 * FRAMES),
        known=known,
    )
    assert [one.count for one in found if one.words["channel"] == "IA"] == [FRAMES, FRAMES]


def test_other_channels_are_told_from_their_first_frame_on():
    known = Descriptors()
    found = read(
        said("south-1 c", profile(), known),
        said("south-1 c", profile(phasors=PHASORS_10), known, first=FRAMES),
        said("south-1 c", profile(phasors=PHASORS_10), known, first=2 * FRAMES),
        known=known,
    )
    (one,) = found
    assert one.words == {
        "what": "configuration",
        "gateway": "south-1",
        "device": "c",
        "phasors": "10",
    }
    assert one.begins == BUILT_IN.tai_ns(BEGINS_S + FRAMES // RATE, 0)


def test_what_cannot_be_decoded_says_nothing():
    known = Descriptors()
    frames = list(said("north-1 pmu-a", profile(), known))
    frames += said("south-1 pmu-b", profile(wiring=Wiring(ct=1.2)), known)
    pairs = content.pairs_of(LINES)
    assert facts(frames, known, pairs)
    short = [one._replace(sample=one.sample._replace(raw=b"\xaa")) for one in frames]
    assert facts(short, known, pairs) == []
    assert facts(frames, Descriptors(), pairs) == []
    known.all = dict.fromkeys(known.all, Described(b"no configuration"))
    assert facts(frames, known, pairs) == []
