"""What of the site plan and of a device's own words is signed in a descriptor, and how hidden."""

import pytest

from agent import description
from agent.description import Place
from agent.health import Health
from agent.hearing import Hearing
from drivers.line import Block, Channel, Setup
from evidence import cbor, descriptor, disclosure, position, siteplan
from evidence.calibration import Burden, Calibration, Figures, Point
from evidence.code import Kind
from evidence.config import ConfigError
from evidence.descriptor import Descriptor
from evidence.disclosure import Discloser
from evidence.position import Position
from tests.agent.listening import begin
from tests.agent.site import START, Randomness, Time

B1, B2 = "7d8f1b80-0000-4000-8000-000000000001", "7d8f1b80-0000-4000-8000-000000000002"
T1 = "123e4567-e89b-12d3-a456-426614174000"
PLAN = f"""\
[site]
name = "North"
[site.survey]
latitude = 46.948
longitude = 7.4474
altitude_m = 600.0
accuracy_m = 0.5
method = "RTK"
[site.antenna]
cable_delay_ns = 150
splitter = true
[[bus]]
name = "North 345"
mrid = "{B1}"
psse = 12345
eic = "10T-AT-DE-00008Y"
offset_mm = [-1500, 20000, 0]
[[bus]]
name = "North 138"
mrid = "{B2}"
[[stream]]
source = "pmu"
bus = "North 345"
origin = "concentrator"
wait_ms = 40
path_ms = 20
time_bound_ns = 1000
time_document = "PMU 500 data sheet C, 4.2"
[[stream.channel]]
name = "IA"
terminal = "{T1}"
direction = "out"
[[stream.channel]]
name = "VB"
bus = "North 138"
"""
SPOT = Position(46.5, 7.25, 599.0, None, 0.4)
BLOCKS = (
    Block("NORTH", 7, "M", 100_000, -8, tuple(
        Channel(name, "voltage", "V") for name in ("VA", "VB", "VC", "IA")
    ), SPOT),
    Block("SOUTH", 8, "", None, None, (Channel("VA", "voltage", "V"),)),
)  # fmt: skip


def described(plan: str = PLAN, source: str = "pmu") -> tuple[Descriptor, dict[bytes, bytes]]:
    """The descriptor as a record reads it, and what travels beside it."""
    hidden = Discloser(Randomness("hidden"))
    setup = Setup("7", int(Kind.C37118), b"CFG-3", (50, 1), BLOCKS)
    place = Place(bytes(32), 3, 0, bytes(32), START)
    made = description.describe(place, source, setup, siteplan.read(plan, "site.toml"), hidden)
    read = descriptor.read(made.payload())
    assert read == made
    told = disclosure.match(hidden.pairs, made.digests)
    assert told.keys() == set(made.digests)
    return made, told


def test_the_bound_that_the_plan_states_is_signed_with_its_document() -> None:
    made, _ = described()
    assert (made.time_bound_ns, made.time_document) == (1000, "PMU 500 data sheet C, 4.2")
    assert (made.wait_ms, made.path_ms) == (40, 20)
    other, _ = described(source="another")
    assert (other.time_bound_ns, other.time_document, other.path_ms) == (None, "", 0)


def test_each_channel_names_its_bus_terminal_and_direction() -> None:
    made, told = described()
    ends = [(one.node, one.terminal, one.direction) for one in made.channels]
    north, south = (bytes.fromhex(mrid.replace("-", "")) for mrid in (B1, B2))
    terminal = bytes.fromhex(T1.replace("-", ""))
    assert ends == [
        *((north, None, 0), (south, None, 0), (north, None, 0)),
        *((north, terminal, -1), (north, None, 0)),
    ]
    names = [cbor.decode(told[one.aliases or b""]) for one in made.channels]
    assert names[0] == names[3] == ("North 345", 12345, "10T-AT-DE-00008Y", ())
    assert names[1] == ("North 138", None, "", ())
    assert cbor.decode(told[made.channels[0].offset or b""]) == (-1500, 20000, 0)
    assert made.channels[1].offset is None


def test_what_is_known_of_a_transformer_is_signed_and_the_rest_is_not() -> None:
    """Wiring and rated values are for people: a descriptor has no place for them."""
    stated = f"""direction = "out"
ratio = [1200, 5]
accuracy = "5P20"
core = "2"
burden = "2.5 VA"
wiring = "wye"
rated = 1200.0
rated_burden_va = 10.0
correction = {{ file = "ct.csv", sha256 = "{"0f" * 32}" }}
"""
    made, _ = described(PLAN.replace('direction = "out"\n', stated))
    (current,) = (one for one in made.channels if one.ratio is not None)
    assert (current.ratio, current.accuracy, current.core) == ((1200, 5), "5P20", "2")
    assert (current.burden, current.correction) == ("2.5 VA", b"\x0f" * 32)
    assert b"wye" not in made.payload() and b"ct.csv" not in made.payload()


def test_what_a_calibration_found_is_signed_in_whole_numbers() -> None:
    stated = f"""direction = "out"
ratio = [1200, 5]
rated_burden_va = 10.0
burden_va = 2.5
burden_power_factor = 0.8
rating_factor = 1.5
[stream.channel.correction]
file = "ct.csv"
sha256 = "{"0f" * 32}"
uncertainty_ppm = 150
point = [
  {{ load_percent = 120, burden_va = 2.5, power_factor = 0.8, ratio_ppm = 3, phase_urad = -4 }},
  {{ load_percent = 0.5, burden_va = 2.5, power_factor = 0.8, ratio_ppm = -2100, phase_urad = 7 }},
]
"""
    made, _ = described(PLAN.replace('direction = "out"\n', stated))
    (figures,) = (one.figures for one in made.channels if one.figures is not None)
    burden = Burden(2500, 800)
    points = Point(5, burden, -2100, 7), Point(1200, burden, 3, -4)
    assert figures == Figures(10_000, burden, 1500, Calibration(150, points))


def test_where_it_stands_is_hidden_and_can_be_told() -> None:
    made, told = described()
    survey = siteplan.read(PLAN, "site.toml").site.survey
    assert survey is not None
    assert position.read(told[made.position or b""]) == survey.place()
    assert cbor.decode(told[made.survey or b""]) == ("WGS84", None, "RTK")
    assert cbor.decode(told[made.antenna or b""]) == (150, True, None)
    first, second = made.blocks
    assert position.read(told[first.position or b""]) == SPOT._replace(rounded_m=0.0)
    assert second.position is None
    for secret in (b"North", b"RTK", b"10T-AT", b"46.9", SPOT.value(), survey.position()):
        assert secret not in made.payload()


def test_what_is_said_of_a_bus_is_hidden_once() -> None:
    made, told = described()
    assert len({one.aliases for one in made.channels}) == 2
    assert len(told) == len(made.digests) - 3 - 3  # four names and offsets more of the first bus


def test_a_plan_that_says_nothing_signs_nothing() -> None:
    made, told = described('[site]\nname = "North"\n')
    assert (made.position, made.survey, made.antenna) == (None, None, None)
    assert {one.node for one in made.channels} == {None}
    assert len(told) == 2 + 2 + 1 + 5  # source, configuration; stations, a position; channels


def test_a_stream_that_no_entry_of_the_log_can_describe_is_refused() -> None:
    """Before it is heard, and with its size: the record would refuse it, and all that it rules."""
    plan = siteplan.read(PLAN, "site.toml")

    def setup(count: int) -> Setup:
        channels = tuple(Channel(f"V{at}", "voltage", "V") for at in range(count))
        block = Block("NORTH", 7, "M", None, None, channels)
        return Setup("7", int(Kind.C37118), b"CFG-3", (50, 1), (block,))

    description.check("pmu", setup(200), plan)
    with pytest.raises(ConfigError, match=r"source pmu: its descriptor has \d+ bytes for 2000"):
        description.check("pmu", setup(2000), plan)


SPREAD = """\
[site]
name = "North"
[[stream]]
source = "meter"
[[stream.channel]]
name = "power"
[[stream.channel]]
name = "energy"
[[stream.channel]]
name = "tariff"
"""


def test_what_a_plan_names_is_missing_where_no_stream_of_the_source_has_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A meter's registers are read in several blocks, each a stream of its own."""
    plan = siteplan.read(SPREAD, "site.toml")

    def block(name: str) -> Setup:
        channels = (Channel(name, "power", "MW"),)
        return Setup(
            name, int(Kind.MODBUS), b"map", (0, 0), (Block("M", 0, "", None, None, channels),)
        )

    hearing = Hearing(plan, Time(), Randomness("meter"), Health())
    hearing.attach(begin())
    hearing.hear("meter", [block("power"), block("energy")])
    told = [one.getMessage() for one in caplog.records]
    assert told == ["meter: the site plan names channel 'tariff', which is not there"]
    hearing.hear("meter", [block("power"), block("energy")])  # as after a reconnect: nothing new
    hearing.hear("meter", [block("tariff")])
    assert len(caplog.records) == 1
