"""Sources typed on one line: what each part becomes, in the type that its option has."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import registry, url
from drivers.registry import SCHEMES
from evidence.config import ConfigError


@pytest.mark.parametrize("name", SCHEMES)
def test_the_parts_of_a_url_are_options_that_the_scheme_has(name: str):
    known = {field.encode_name for field in msgspec.structs.fields(registry.options_type(name))}
    named = [option for option in SCHEMES[name].place if option]
    assert named and known.issuperset(named)


@pytest.mark.parametrize(
    ("text", "scheme", "options"),
    [
        (
            "c37118+tcp://pmu:4712?idcode=7",
            "c37118+tcp",
            {"host": "pmu", "port": 4712, "idcode": 7},
        ),
        (
            "c37118+tcp://[::1]:4713?idcode=7&prefer=2,1&commands=full&silence_s=2",
            "c37118+tcp",
            {"host": "::1", "port": 4713, "idcode": 7, "prefer": [2, 1], "commands": "full"}
            | {"silence_s": 2.0},
        ),
        (
            "c37118+serial:///dev/serial/by-id/usb-A%20B?baud=57600&idcode=0x10&simulated=true",
            "c37118+serial",
            {"path": "/dev/serial/by-id/usb-A B", "baud": 57600, "idcode": 16, "simulated": True},
        ),
    ],
)
def test_options_have_the_types_of_their_struct(text: str, scheme: str, options: dict[str, object]):
    found = url.source(text)
    assert found.scheme == scheme
    assert found.options == options
    assert {key: type(value) for key, value in found.options.items()} == {
        key: type(value) for key, value in options.items()
    }


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("c37118+udp://pmu:4713?idcode=7", {"host": "pmu", "port": 4713, "idcode": 7}),
        (
            "c37118+udp://0.0.0.0:4713",
            {"local_host": "0.0.0.0", "local_port": 4713, "commands": "none"},
        ),
        (
            "c37118+udp://[::]:4713?host=pmu&idcode=7",
            {"local_host": "::", "local_port": 4713, "host": "pmu", "idcode": 7},
        ),
        (
            "c37118+udp://239.1.2.3:4713?interface=eth0",
            {"group": "239.1.2.3", "local_port": 4713, "interface": "eth0", "commands": "none"},
        ),
        ("c37118+udp://?local_port=4713", {"local_port": 4713, "commands": "none"}),
    ],
)
def test_datagrams_by_whom_they_come_from_or_where_they_are_heard(
    text: str, options: dict[str, object]
):
    assert url.source(text).options == options


def test_what_looks_like_a_number_and_is_a_name_stays_one():
    assert url.source("c37118+serial:///dev/7?configuration=7&idcode=7").options == {
        "path": "/dev/7",
        "configuration": "7",
        "idcode": 7,
    }


def test_the_host_is_as_it_was_typed():
    """An interface has great letters and small."""
    assert url.read("c37118+tcp://PMU-North?idcode=7").options["host"] == "PMU-North"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("c37118+tpc://pmu", "'c37118+tpc' is unknown; did you mean 'c37118+tcp'?"),
        ("pmu:4712", "scheme"),
        ("192.0.2.7", "scheme '' is missing; known: "),
        ("c37118+tcp://pmu?idcod=7", "idcod: unknown; did you mean 'idcode'?"),
        ("c37118+tcp://pmu?idcode=seven", "idcode: Expected `int | null`"),
        ("c37118+tcp://pmu?idcode=70000", "idcode: Expected `int` <= 65534"),
        ("c37118+tcp://pmu?idcode=7&commands=ful", "'ful' is unknown; did you mean 'full'?"),
        ("c37118+tcp://pmu?idcode=7&prefer=4", "prefer"),
        ("c37118+tcp://pmu?idcode=7&prefer=", "prefer"),
        (
            "c37118+tcp://pmu?idcode=7&simulated=yes",
            "simulated: Expected `bool`, got `str`; found 'yes'",
        ),
        ("c37118+tcp://?idcode=7", "missing required field `host`"),
        ("c37118+serial://dev/ttyUSB0", "a device file is written c37118+serial:///dev/ttyUSB0"),
        ("c37118+tcp://pmu/dev/ttyUSB0", "'/dev/ttyUSB0' means nothing here"),
        ("c37118+tcp://me:secret@pmu", "a user or password (before @) means nothing here"),
    ],
)
def test_what_is_typed_wrongly_is_refused_with_the_part(text: str, says: str):
    with pytest.raises(ConfigError) as fault:
        url.source(text)
    assert says in str(fault.value)
    assert "secret" not in str(fault.value)


@given(st.text(max_size=60))
def test_whatever_is_typed_is_a_source_or_a_fault(tail: str):
    for head in ("c37118+tcp://", "c37118+serial://", "c37118+tcp://h?idcode=7&"):
        try:
            assert url.source(head + tail).scheme in SCHEMES
        except ConfigError as fault:
            assert str(fault)
