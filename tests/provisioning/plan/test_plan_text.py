"""A site plan that is written is read back as the same plan, whatever is in it."""

from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from evidence import descriptor, siteplan
from evidence.plant import At, Base, Device, End, Equipment, Line
from evidence.siteplan import Antenna, Bus, Channel, Correction, Site, SitePlan, Stream, Survey
from provisioning.plan import text

NAMES = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=20)
WORDS = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
FIGURES = st.none() | st.floats(-1e6, 1e6)
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


@st.composite
def plans(draw):
    """Any plan that the reader takes: mRIDs are counted, so that none is twice."""
    count = iter(range(1, 10_000))

    def mrid():
        return str(UUID(int=next(count) << 64))

    def some(least, most):
        return range(draw(st.integers(least, most)))

    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    buses = [
        Bus(
            name,
            mrid(),
            draw(st.none() | st.floats(0.4, 1200)),
            draw(st.none() | st.floats(15, 400)),
            draw(st.sampled_from([None, "ABC", "ACB"])),
            aliases=draw(st.lists(WORDS, max_size=2)),
            offset_mm=draw(st.none() | st.tuples(*[st.integers(-(10**9), 10**9)] * 3)),
        )
        for name in names
    ]

    def end(known=True):
        return End(mrid(), draw(st.sampled_from(names if known else ["", *names])), draw(WORDS))

    def lines():
        found = []
        for name in draw(st.lists(NAMES, max_size=2, unique=True)):
            first, last = end(), end(known=False)
            if first.owner == last.owner:
                last = End(last.terminal, last.bus)
            figures = [draw(FIGURES) for _ in range(3)]
            base = None
            if any(figure is not None for figure in figures):
                base = draw(st.none() | st.builds(Base, st.floats(0.1, 1e5), st.floats(0.1, 2000)))
            length = draw(st.none() | st.floats(0.001, 1e4))
            found.append(Line(name, mrid(), first, last, *figures, base, length))
        return found

    def channels():
        for name in draw(st.lists(NAMES, max_size=3, unique=True)):
            bus = draw(st.sampled_from(names))
            placed = draw(st.booleans())
            yield Channel(
                name,
                bus,
                mrid() if placed else "",
                draw(st.sampled_from(descriptor.PHASES)),
                draw(st.sampled_from(["unknown", "in", "out"])) if placed else "unknown",
                draw(st.none() | st.tuples(st.integers(1, 10**9), st.integers(1, 10**9))),
                draw(st.sampled_from(["", "0.2S", "5P20", "0.5/3P"])),
                draw(WORDS),
                draw(WORDS),
                draw(st.none() | st.builds(Correction, NAMES, st.just("0f" * 32))),
                draw(st.sampled_from([None, "wye", "delta", "open-delta", "single"])),
                draw(st.none() | st.floats(0.1, 2e6)),
                draw(SMALL),
                draw(st.none() | st.integers(0, 65534)),
            )

    streams = [
        Stream(
            source,
            draw(st.sampled_from(["", *names])),
            draw(st.sampled_from(["direct", "concentrator"])),
            draw(st.none() | st.integers(0, 3_600_000)),
            channel=list(channels()),
        )
        for source in draw(st.lists(NAMES, max_size=2, unique=True))
    ]
    splitter = draw(st.none() | st.booleans() | WORDS)
    site = Site(
        draw(WORDS),
        draw(st.none() | st.floats(15, 400)),
        draw(st.sampled_from([None, "ABC", "ACB"])),
        draw(st.none() | surveys()),
        draw(st.none() | st.builds(Antenna, st.none() | st.integers(0, 100_000))),
    )
    if site.antenna is not None:
        site = Site(site.name, antenna=Antenna(splitter=splitter))
    equipment = [
        Equipment(
            draw(NAMES),
            mrid(),
            draw(st.sampled_from(["breaker", "transformer", "machine", "other"])),
            [At(mrid(), draw(st.sampled_from(["", *names]))) for _ in some(0, 3)],
        )
        for _ in some(0, 2)
    ]
    devices = [
        Device(name, "", *(draw(WORDS) for _ in range(5)), draw(st.none() | st.integers(0, 8)))
        for name in draw(st.lists(NAMES, max_size=2, unique=True))
    ]
    return SitePlan(site, buses, streams, lines(), lines(), equipment, devices)


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
