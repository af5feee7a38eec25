"""The site plan: what is right is read, and each wrong thing named with line and nearest."""

import pytest

from evidence import siteplan
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


def test_no_more_buses_than_a_credential_can_grant():
    bus = '[[bus]]\nname = "{0}"\nmrid = "7d8f1b80-0000-4000-8000-{0:012d}"\n'
    most = '[site]\nname = "S"\n' + "".join(bus.format(at) for at in range(256))
    assert len(siteplan.read(most, "site.toml").bus) == 256
    assert fault_of(most + bus.format(256)).key == "bus"
