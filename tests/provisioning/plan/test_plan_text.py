"""A site plan that is written is read back as the same plan, whatever is in it."""

from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from evidence import descriptor, siteplan
from evidence.plant import At, Base, Device, End, Equipment, Line
from evidence.siteplan import (
    Antenna,
    Bus,
    Channel,
    Correction,
    Point,
    Site,
    SitePlan,
    Stream,
    Survey,
)
from provisioning.plan import text

SIGNS = st.characters(codec="utf-8")
NAMES = st.text(SIGNS, min_size=1, max_size=20)
WORDS = st.text(SIGNS, max_size=12)
POINTS = [Point(5.0, 2.5, 0.8, -1200, 900), Point(120.0, 2.5, 0.8, 300, -250)]
CALIBRATED = st.builds(Correction, NAMES, st.just("0f" * 32), st.just(200), st.just(POINTS))
FIGURES = st.none() | st.floats(-1e6, 1e6)
COUNTS = st.integers(0, 8)
SMALL = st.none() | st.floats(0.001, 1000)


def surveys():
    return st.builds(
        Survey,
        st.floats(-90, 90),
        st.floats(-180, 180),
        st.floats(-1e4, 1e4),
        st.floats(0, 1e3),
        WORDS,
        epoch=st.none() | st.floats(1984, 2200),
    )


class Drawing:
    """Parts of one plan: mRIDs are counted, so that none is twice."""

    def __init__(self, draw):
        self.draw, self._count = draw, iter(range(1, 10_000))
        self.names = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))

    def mrid(self):
        return str(UUID(int=next(self._count) << 64))

    def bus(self, name):
        return Bus(
            name,
            self.mrid(),
            self.draw(st.none() | st.floats(0.4, 1200)),
            self.draw(st.none() | st.floats(15, 400)),
            self.draw(st.sampled_from([None, "ABC", "ACB"])),
            aliases=self.draw(st.lists(WORDS, max_size=2)),
            offset_mm=self.draw(st.none() | st.tuples(*[st.integers(-(10**9), 10**9)] * 3)),
        )

    def line(self, name):
        first = End(self.mrid(), self.draw(st.sampled_from(self.names)), self.draw(WORDS))
        owner = self.draw(WORDS.filter(lambda word: not word or word != first.owner))
        last = End(self.mrid(), self.draw(st.sampled_from(["", *self.names])), owner)
        figures = self.draw(FIGURES), self.draw(FIGURES), self.draw(FIGURES)
        stated = any(figure is not None for figure in figures)
        based = st.none() | st.builds(Base, st.floats(0.1, 1e5), st.floats(0.1, 2000))
        base = self.draw(based) if stated else None
        length = self.draw(st.none() | st.floats(0.001, 1e4))
        return Line(name, self.mrid(), first, last, *figures, base, length)

    def channel(self, name):
        placed = self.draw(st.booleans())
        turns = st.integers(1, 10**9)
        burden = self.draw(st.sampled_from([None, 2.5, 0.125]))
        return Channel(
            name,
            self.draw(st.sampled_from(self.names)),
            self.mrid() if placed else "",
            self.draw(st.sampled_from(descriptor.PHASES)),
            self.draw(st.sampled_from(["unknown", "in", "out"])) if placed else "unknown",
            self.draw(st.none() | st.tuples(turns, turns)),
            self.draw(st.sampled_from(["", "0.2S", "5P20", "0.5/3P"])),
            self.draw(WORDS),
            self.draw(WORDS),
            self.draw(st.none() | st.builds(Correction, NAMES, st.just("0f" * 32)) | CALIBRATED),
            self.draw(st.sampled_from([None, "wye", "delta", "open-delta", "single"])),
            self.draw(st.none() | st.floats(0.1, 2e6)),
            self.draw(SMALL),
            burden,
            None if burden is None else 0.8,
            self.draw(st.none() | st.floats(1, 40)),
            self.draw(st.none() | st.integers(0, 65534)),
        )

    def stream(self, source):
        return Stream(
            source,
            self.draw(st.sampled_from(["", *self.names])),
            self.draw(st.sampled_from(["direct", "concentrator"])),
            self.draw(st.none() | st.integers(0, 3_600_000)),
            channel=self.several(self.channel, 3),
        )

    def equipment(self, name):
        kind = self.draw(st.sampled_from(["breaker", "transformer", "machine", "other"]))
        count = self.draw(st.integers(0, 3))
        buses = st.sampled_from(["", *self.names])
        places = [At(self.mrid(), self.draw(buses)) for _ in range(count)]
        return Equipment(name, self.mrid(), kind, places)

    def device(self, name):
        sessions = self.draw(st.none() | COUNTS)
        return Device(name, make=self.draw(WORDS), address=self.draw(WORDS), sessions=sessions)

    def several(self, make, most=2):
        names = self.draw(st.lists(NAMES, max_size=most, unique=True))
        return [make(name) for name in names]

    def site(self):
        delay, splitter = st.none() | st.integers(0, 100_000), st.none() | st.booleans() | WORDS
        return Site(
            self.draw(WORDS),
            self.draw(st.none() | st.floats(15, 400)),
            self.draw(st.sampled_from([None, "ABC", "ACB"])),
            self.draw(st.none() | surveys()),
            self.draw(st.none() | st.builds(Antenna, delay, splitter)),
        )


@st.composite
def plans(draw):
    """Any plan that the reader takes."""
    parts = Drawing(draw)
    return SitePlan(
        parts.site(),
        [parts.bus(name) for name in parts.names],
        parts.several(parts.stream),
        parts.several(parts.line),
        parts.several(parts.line),
        parts.several(parts.equipment),
        parts.several(parts.device),
    )


@given(plans())
@settings(max_examples=150)
def test_what_is_written_is_read_back_equal(plan: SitePlan):
    made = text.written(plan, ["made by a test", "of two\nlines"])
    assert siteplan.read(made, "site.toml") == plan
    assert text.checked(plan, made, "site.toml") == made
    assert all(line.isprintable() for line in made.split("\n"))


def test_a_name_from_elsewhere_adds_no_line():
    plan = SitePlan(Site('N"\n[gateway]\x1b[2J\\'))
    made = text.written(plan)
    assert made == '[site]\nname = "N\\"\\u000a[gateway]\\u001b[2J\\\\"\n'
    assert siteplan.read(made, "site.toml") == plan


def test_what_nobody_stated_is_not_written():
    plan = SitePlan(Site("N"), [Bus("B", str(UUID(int=1)))])
    assert (
        text.written(plan) == f'[site]\nname = "N"\n\n[[bus]]\nname = "B"\nmrid = "{UUID(int=1)}"\n'
    )
