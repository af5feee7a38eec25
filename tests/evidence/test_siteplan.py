"""The site plan: what is right is read, and each wrong thing named with line and nearest."""

import pytest

from evidence import cbor, siteplan
from evidence.config import ConfigError

B1 = "7d8f1b80-0000-4000-8000-000000000001"
B2 = "7d8f1b80-0000-4000-8000-000000000002"
PLAN = f"""\
[site]
name = "North"
survey = {{ latitude = 50, longitude = 8.5, altitude_m = 100.0, accuracy_m = 0.1 }}

[[bus]]
name = "North 345"
mrid = "{B1}"
offset_mm = [-1500, 20000, 0]

[[bus]]
name = "North 138"
mrid = "{B2}"

[[stream]]
source = "pmu-a"
bus = "North 345"
[[stream.channel]]
name = "VA"
phase = "A"
ratio = [345000, 115]
[[stream.channel]]
name = "VB"

[[stream]]
source = "pmu-b"
origin = "concentrator"
wait_ms = 40
[[stream.channel]]
name = "IA"
idcode = 7
bus = "North 138"
terminal = "{B1}"
[[stream.channel]]
name = "IA"
idcode = 8
"""


def fault_of(text):
    with pytest.raises(ConfigError) as fault:
        siteplan.read(text, "site.toml")
    return fault.value


def test_a_plan_is_read():
    plan = siteplan.read(PLAN, "site.toml")
    assert [bus.hex() for bus in plan.mrids()] == [B1.replace("-", ""), B2.replace("-", "")]
    stream, survey = plan.stream_of("pmu-b"), plan.site.survey
    assert stream is not None and survey is not None
    assert stream.channel[0].bus == "North 138"
    assert plan.stream_of("pmu-c") is None
    assert plan.bus_named("South") is None
    position = survey.position()
    assert position.hex() == (
        "a401fb4049000000000000"  # RFC 9711 4.2.10: 1 latitude
        "02fb4021000000000000"
        "03fb4059000000000000"
        "04fb3fb999999999999a"
    )


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "told"),
    [
        ('bus = "North 345"', 'bus = "Nort 345"', 16, "stream[0].bus", "mean 'North 345'?"),
        ('bus = "North 138"', 'bus = "X"', 31, "stream[1].channel[0].bus", "known: North 138, No"),
        (f'terminal = "{B1}"', 'terminal = "T1"', 32, "stream[1].channel[0].terminal", "a UUID"),
        (
            'phase = "A"',
            'phase = "a"',
            19,
            "stream[0].channel[0].phase",
            "'a' is unknown; known: 0",
        ),
        ('phase = "A"', 'phase = "CAB"', 19, "stream[0].channel[0].phase", "did you mean 'CA'?"),
        (f'mrid = "{B2}"', 'mrid = "2"', 12, "bus[1].mrid", "'2' is no mRID"),
        (f'mrid = "{B2}"', f'mrid = "{{{B2}}}"', 12, "bus[1].mrid", "is no mRID"),
        (f'mrid = "{B2}"', f'mrid = "{B1.upper()}"', 12, "bus[1].mrid", "stands 2 times"),
        ('name = "North 138"', 'name = "North 345"', 11, "bus[1].name", "stands 2 times"),
        ('name = "North 138"', 'name = ""', 11, "bus[1].name", "length >= 1"),
        ('source = "pmu-b"', 'source = "pmu-a"', 25, "stream[1].source", "stands 2 times"),
        ('name = "VB"', 'name = "VA"', 22, "stream[0].channel[1].name", "stands twice"),
        ("idcode = 8", "idcode = 7", 34, "stream[1].channel[1].name", "stands twice"),
        ("latitude = 50", "latitude = 91", 3, "site.survey.latitude", "<= 90"),
        ("latitude = 50", "latitude = nan", 3, "site.survey.latitude", "found nan"),
        ("altitude_m = 100.0", "altitude_m = inf", 3, "site.survey.altitude_m", "no number"),
        ("accuracy_m = 0.1", "accuracy_m = -1.0", 3, "site.survey.accuracy_m", ">= 0"),
        ("[345000, 115]", "[345000, 0]", 20, "stream[0].channel[0].ratio[1]", ">= 1"),
        ("wait_ms = 40", "wait_ms = -1", 27, "stream[1].wait_ms", ">= 0; found -1"),
        ("wait_ms = 40", "wait = 40", 27, "stream[1].wait", "did you mean 'wait_ms'?"),
        ("concentrator", "gateway", 26, "stream[1].origin", "known: concentrator, direct"),
        ("20000, 0]", "20000]", 8, "bus[0].offset_mm", "length 3"),
        ("[-1500,", f"[{1 << 70},", 8, "bus[0].offset_mm[0]", ""),
        ('name = "North"\n', "", 1, "site", "missing required field `name`"),
        ('name = "VB"', f'name = "{"V" * 300}"', 22, "stream[0].channel[1].name", "<= 256"),
    ],
)
def test_each_wrong_thing_is_named_with_its_line(old, new, line, key, told):
    changed = PLAN.replace(old, new, 1)
    assert changed != PLAN
    fault = fault_of(changed)
    assert told in fault.text
    assert (fault.file, fault.line, fault.key) == ("site.toml", line, key)


FULL = f"""\
[site]
name = "North"
[site.survey]
latitude = 50.5
longitude = 8.5
altitude_m = 100.0
accuracy_m = 0.1
method = "RTK"
epoch = 2026.4
[site.antenna]
cable_delay_ns = 150
splitter = "1:4"
splitter_delay_ns = 3

[[bus]]
name = "North 345"
mrid = "{B1}"
psse = 12345
eic = "10T-AT-DE-00008Y"
aliases = ["NRTH"]

[[bus]]
name = "North 138"
mrid = "{B2}"
psse = 12346

[[stream]]
source = "pmu-a"
bus = "North 345"
path_ms = 20
time_bound_ns = 1000
time_document = "PMU 500 data sheet C, 4.2"
[[stream.channel]]
name = "IA"
terminal = "{B2}"
direction = "in"
[[stream.channel]]
name = "IB"
terminal = "{B2}"
direction = "in"
[[stream.channel]]
name = "IC"
bus = "North 138"
terminal = "{B1}"
direction = "out"
"""


def test_what_tells_of_a_place_is_signed_as_written_here():
    plan = siteplan.read(FULL, "site.toml")
    survey, antenna = plan.site.survey, plan.site.antenna
    assert survey is not None and antenna is not None
    assert cbor.decode(survey.found()) == ("WGS84", 2026.4, "RTK")
    assert cbor.decode(antenna.value()) == (150, "1:4", 3)
    assert cbor.decode(plan.bus[0].names()) == (
        *("North 345", 12345, "10T-AT-DE-00008Y"),
        ("NRTH",),
    )
    assert cbor.decode(plan.bus[1].names()) == ("North 138", 12346, "", ())
    assert plan.bus[0].offset() is None


def test_a_credential_is_to_grant_each_terminal_once_with_bus_and_direction():
    north, south = plan_mrids = siteplan.read(FULL, "site.toml").mrids()
    assert siteplan.read(FULL, "site.toml").terminals() == ((south, north, 1), (north, south, -1))
    assert len(plan_mrids) == 2


@pytest.mark.parametrize(("given", "kept"), [("true", True), ("false", False), ('""', "")])
def test_whether_there_is_a_splitter_is_known_or_its_make(given, kept):
    plan = siteplan.read(FULL.replace('splitter = "1:4"', f"splitter = {given}"), "site.toml")
    assert plan.site.antenna is not None and plan.site.antenna.splitter == kept


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "told"),
    [
        ("8Y", "8X", 19, "bus[0].eic", "ends in 'X'; its check character is 'Y'"),
        ("10T-", "10S-", 19, "bus[0].eic", "has 'S' as its type; expected one of A (substation)"),
        ("12346", "12345", 25, "bus[1].psse", "12345 stands 2 times"),
        ("12346", "0", 25, "bus[1].psse", ">= 1; found 0"),
        ("12346", "1000000", 25, "bus[1].psse", "<= 999997"),
        ("epoch", 'datum = "ETRS89"\nepoch', 9, "site.survey.datum", "'ETRS89' is unknown"),
        ("2026.4", "26.4", 9, "site.survey.epoch", ">= 1984"),
        ("cable_delay_ns = 150", "cable_delay_ns = -1", 11, "site.antenna.cable_delay_ns", ">= 0"),
        ("time_document =", "#", 31, "stream[0].time_bound_ns", "1000 ns, and nobody says so"),
        (
            '"PMU 500 data sheet C, 4.2"',
            '" "',
            31,
            "stream[0].time_bound_ns",
            "expected beside it: time_document",
        ),
        ("time_bound_ns = 1000", "", 32, "stream[0].time_document", "and no figure from it"),
        ("time_bound_ns = 1000", "time_bound_ns = 0", 31, "stream[0].time_bound_ns", ">= 1"),
        ("path_ms = 20", "path_ms = 3600001", 30, "stream[0].path_ms", "<= 3600000"),
        (
            f'terminal = "{B1}"\n',
            "",
            44,
            "stream[0].channel[2].direction",
            "'out' without a terminal",
        ),
        (
            f'terminal = "{B1}"',
            f'terminal = "{B2}"',
            44,
            "stream[0].channel[2].terminal",
            "at 'North 138' here, and at 'North 345' above",
        ),
        (
            'bus = "North 345"\n',
            "",
            34,
            "stream[0].channel[0].terminal",
            "a terminal without its bus",
        ),
    ],
)
def test_what_a_place_is_said_to_be_is_checked(old, new, line, key, told):
    changed = FULL.replace(old, new, 1)
    assert changed != FULL
    fault = fault_of(changed)
    assert told in fault.text
    assert (fault.file, fault.line, fault.key) == ("site.toml", line, key)


def test_no_more_buses_than_a_credential_can_grant():
    bus = '[[bus]]\nname = "{0}"\nmrid = "7d8f1b80-0000-4000-8000-{0:012d}"\n'
    most = '[site]\nname = "S"\n' + "".join(bus.format(at) for at in range(256))
    assert len(siteplan.read(most, "site.toml").bus) == 256
    assert fault_of(most + bus.format(256)).key == "bus"
