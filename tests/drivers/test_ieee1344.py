"""IEEE 1344 as bytes and as a conversation: vectors, a real PMU's own frames, samples a second."""

import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import decode
from drivers.c37118.splitter import Bad
from drivers.ieee1344.frame import close
from drivers.ieee1344.session import HELD_MAX, SETUPS_A_MINUTE_MAX, Session, Terms
from drivers.ieee1344.wire import (
    FNOM_50_HZ,
    Configuration,
    Digital,
    FrameType,
    Layout,
    Phasor,
    Splitter,
    build,
    build_command,
    check,
    datagram,
    decode_configuration,
    encode_configuration,
    encode_values,
    parse_header,
)
from drivers.line import Frame, FrameError, Instant, Setup
from evidence.code import Class, Flag, Kind, Reason, TimeSource
from evidence.leap import NS
from tests.drivers.vector import expected, vector, vectors

WANTED = expected("ieee1344")
HEARD = Instant((1_700_000_000 + 37) * NS, 1_000_000)
CONFIGURATION = decode_configuration(vector("ieee1344", "configuration"))
LAYOUT = Layout(CONFIGURATION)
NOTHING = [0.0, *[0.0] * 4, 50.0, 0.0, 0.0]
TRUSTED = Terms(commands=False, time_bound_ns=1000)


def data(number: int, per_s: int = 2400, status: int = 0) -> bytes:
    """Data frame `number`, 50 a second, of a PMU that takes so many samples a second."""
    values = [float(status), *[1.0] * 4, 50.0, 0.0, 0]
    soc, at = divmod(number, 50)
    return encode_values(LAYOUT, 1_700_000_000 + soc, at * per_s // 50, values)


def frames(items: list[Frame | Setup], kind: Kind = Kind.IEEE1344) -> list[Frame]:
    return [one for one in items if isinstance(one, Frame) and one.kind == kind]


# --- bytes


@pytest.mark.parametrize("name", ["configuration", "configuration_absent"])
def test_configurations_say_what_they_must(name: str):
    found, want = decode_configuration(vector("ieee1344", name)), WANTED[name]
    assert (found.name, found.idcode, found.nominal_hz) == (
        want["station"], want["idcode"], want["nominal_hz"],
    )  # fmt: skip
    assert list(found.rate()) == want["rate"]
    assert [[one.name, one.current, one.phunit] for one in found.phasors] == want["phasors"]
    assert [[one.name, one.mask] for one in found.digitals] == want["digitals"]
    assert found.data_bytes() == want["data_bytes"]


def test_parts_say_what_the_whole_says():
    assert decode_configuration(vector("ieee1344", "configuration_parts")) == CONFIGURATION


@pytest.mark.parametrize(
    ("name", "by"),
    [
        ("data", "configuration"),
        ("data_unsynchronised", "configuration"),
        ("data_absent", "configuration_absent"),
    ],
)
def test_values(name: str, by: str):
    raw, want = vector("ieee1344", name), WANTED[name]
    compiled = decode.compiled(Kind.IEEE1344, vector("ieee1344", by))
    assert [slot.name for slot in compiled.slots] == want["names"]
    for value, wanted in zip(compiled.decode(raw), want["values"], strict=True):
        assert isinstance(value, int | float)
        assert math.isnan(value) if wanted is None else value == pytest.approx(wanted, rel=1e-12)
    header = check(raw)
    assert (header.soc, header.sample) == (want["soc"], want["sample"])


def test_what_status_says():
    judge = decode.compiled(Kind.IEEE1344, vector("ieee1344", "configuration")).judge
    ((at, size),) = judge.slices

    def verdict(raw: bytes) -> list[tuple[Class, Reason]]:
        return judge((raw[at : at + size],))

    assert verdict(vector("ieee1344", "data")) == []
    assert verdict(vector("ieee1344", "data_unsynchronised")) == [
        (Class.DATA_INVALID, Reason.STAT_DATA_ERROR),
        (Class.TIME_DOUBTFUL, Reason.STAT_SYNC),
    ]
    assert verdict(vector("ieee1344", "data_absent")) == [
        (Class.DATA_INVALID, Reason.NO_CONFIGURATION)
    ]
    assert verdict(vector("ieee1344", "header")) == [(Class.DATA_INVALID, Reason.MALFORMED)]
    assert verdict(b"") == [(Class.DATA_INVALID, Reason.MALFORMED)]


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("type_3", "type_unknown"),
        ("configuration_65535_phasors", "shape"),
        ("data", "shape"),
        ("header_empty", "shape"),
    ],
)
def test_what_is_no_configuration(name: str, fault: str):
    with pytest.raises(FrameError) as told:
        decode_configuration(vector("ieee1344", name))
    assert told.value.fault == fault


def test_soc_begins_anew_in_2036():
    assert parse_header(vector("ieee1344", "era_1")).soc == 2_085_978_496
    with pytest.raises(ValueError, match="32 bits cannot say"):
        build(FrameType.DATA, -3_000_000_000, 0, 0, b"")


CONFIGURATIONS = st.builds(
    Configuration,
    st.text("abc ÄÖ", max_size=8).map(str.strip),
    st.integers(0, (1 << 64) - 1),
    st.lists(
        st.builds(Phasor, st.just("P"), st.booleans(), st.integers(1, 0xFFFFFF)), max_size=9
    ).map(tuple),
    st.lists(st.builds(Digital, st.just("D"), st.integers(0, 0xFFFF)), max_size=9).map(tuple),
    st.sampled_from([0, FNOM_50_HZ]),
    st.integers(0, 0xFFFF),
)


@given(CONFIGURATIONS, st.integers(50, 2047))
def test_what_is_written_is_read(found: Configuration, part: int):
    written = b"".join(encode_configuration(found, 1_700_000_000, 0, part))
    assert decode_configuration(written) == found


@given(st.data())
def test_values_written_are_read(drawn: st.DataObject):
    counts = [drawn.draw(st.integers(-32768, 32767)) for _ in range(6)]
    raw = build(
        FrameType.DATA, 1_700_000_000, 5, 0x8000,
        b"".join(one.to_bytes(2, "big", signed=True) for one in counts) + b"\x12\x34",
    )  # fmt: skip
    assert encode_values(LAYOUT, 1_700_000_000, 5, LAYOUT.decode(raw)) == raw


@given(st.binary(max_size=300))
def test_whatever_the_bytes_it_is_a_frame_error(raw: bytes):
    for read in (parse_header, check, decode_configuration, LAYOUT.decode):
        try:
            read(raw)
        except FrameError:
            pass
    datagram(raw)


def test_amid_other_bytes_a_check_word_alone_is_not_believed():
    """A good frame of another day, with nothing behind it, may be chance; two in a row are none."""
    near, far = data(0), encode_values(LAYOUT, 1_800_000_000, 0, NOTHING)
    splits = Splitter()
    assert splits.feed(near) == [near]
    items = splits.feed(b"garbage" + far + b"garbage" + near)
    assert [one for one in items if isinstance(one, bytes)] == [near]
    items = splits.feed(b"garbage" + far + far)
    assert [one for one in items if isinstance(one, bytes)] == [far, far]


def test_bytes_made_to_be_searched_for_ever_are_dropped():
    bait = b"\0\0\0\0\0\0\7\xff" * 8192
    splits = Splitter()
    items = splits.feed(bait)
    assert [one.fault.fault for one in items if isinstance(one, Bad)] == ["flood"]
    assert splits.feed(data(3)) == [data(3)]


# --- the conversation


def configured(terms: Terms = TRUSTED) -> Session:
    session = Session(terms)
    items = session.feed(vector("ieee1344", "configuration"), HEARD)
    assert isinstance(items[0], Setup) and items[0].rate == (50, 1)
    return session


def test_instants_once_samples_a_second_are_known():
    """Two steps alike tell them; what came before waits, and the end of the second confirms."""
    session = configured()
    assert frames(session.feed(data(3), HEARD)) == []
    assert frames(session.feed(data(4), HEARD)) == []
    found = frames(session.feed(data(5), HEARD))
    for number in range(6, 60):
        found += frames(session.feed(data(number), HEARD))
    start = (1_700_000_000 + 37) * NS
    assert [one.tai for one in found] == [start + number * NS // 50 for number in range(3, 60)]
    assert {one.source for one in found} == {TimeSource.DEVICE}
    # Number 50 is the first sample of a second, and 51 the first that is sure of the rate.
    assert [one.bound for one in found] == [None] * 47 + [1000] * 10


def test_samples_a_second_that_are_stated_hold_at_once():
    session = configured(Terms(commands=False, time_bound_ns=1000, samples_per_s=2400))
    (frame,) = frames(session.feed(data(7), HEARD))
    assert (frame.tai, frame.bound) == ((1_700_000_000 + 37) * NS + 140_000_000, 1000)
    assert frame.flags == Flag.LOCKED | Flag.TRACEABLE


def test_a_rate_that_the_end_of_the_second_does_not_confirm_is_forgotten():
    """Every second frame lost: the step is twice what it should be, and so would be the rate."""
    session = configured()
    found = []
    for number in range(1, 100, 2):
        found += frames(session.feed(data(number), HEARD))
    assert all(one.bound is None for one in found)
    found = []
    for number in range(100, 260):
        found += frames(session.feed(data(number), HEARD))
    assert [one.bound for one in found][-100:] == [1000] * 100
    start = (1_700_000_000 + 37) * NS
    assert [one.tai for one in found][-100:] == [
        start + number * NS // 50 for number in range(160, 260)
    ]


def test_a_lost_frame_teaches_nothing_wrong():
    session = configured()
    numbers = [number for number in range(1, 120) if number % 17]
    found = []
    for number in numbers:
        found += frames(session.feed(data(number), HEARD))
    start = (1_700_000_000 + 37) * NS
    assert [one.tai for one in found] == [start + number * NS // 50 for number in numbers]


def test_a_pmu_whose_samples_tell_nothing_is_stamped_by_the_gateway():
    session = configured()
    raws = [encode_values(LAYOUT, 1_700_000_000 + n, 7, NOTHING) for n in range(HELD_MAX + 1)]
    found = [one for raw in raws for one in frames(session.feed(raw, HEARD))]
    assert [one.raw for one in found] == raws
    assert all(one.flags & Flag.AGENT_STAMPED and one.tai == HEARD.tai for one in found)


def test_what_waits_is_let_go_when_the_line_ends():
    session = configured()
    assert frames(session.feed(data(3) + data(4)[:9], HEARD)) == []
    items = session.flush(HEARD)
    assert [one.raw for one in items if isinstance(one, Frame)] == [data(4)[:9], data(3)]


def test_a_frame_that_does_not_fit_is_kept_and_the_configuration_asked_for():
    session = configured(Terms(4711, True, time_bound_ns=1000, samples_per_s=2400))
    assert session.next_ask(HEARD) is None
    other = vector("ieee1344", "data_absent")
    items = session.feed(other, HEARD)
    assert isinstance(items[0], Setup) and not items[0].configuration
    assert [one.raw for one in frames(items)] == [other]
    assert session.next_ask(HEARD) == build_command(5, 4711, 1_700_000_000)
    assert session.counts["configuration_unannounced"] == 1
    items = session.feed(vector("ieee1344", "configuration"), HEARD)
    assert isinstance(items[0], Setup) and items[0].configuration
    assert session.unknown() == []


def test_two_devices_on_one_line_do_not_make_setups_for_ever():
    session = Session(TRUSTED)
    first, second = vector("ieee1344", "configuration"), vector("ieee1344", "configuration_absent")
    setups = [
        one
        for _ in range(100)
        for raw in (first, second)
        for one in session.feed(raw, HEARD)
        if isinstance(one, Setup)
    ]
    assert len(setups) <= SETUPS_A_MINUTE_MAX + 1
    assert session.counts["configuration_flapping"]


def test_the_end_of_a_second_does_not_end_the_wait():
    """Heard from the last two frames of a second on: they bear the device's instants, too."""
    session = configured()
    found = [one for number in range(48, 53) for one in frames(session.feed(data(number), HEARD))]
    wanted = [HEARD.tai + number * NS // 50 for number in range(48, 53)]
    assert [(one.tai, one.source) for one in found] == [(tai, TimeSource.DEVICE) for tai in wanted]


def test_a_configuration_that_stays_after_all_rules_in_the_end():
    """Two PMUs under one IDCODE, until one of them is taken away: it is asked, and rules again."""
    session, now = Session(Terms(CONFIGURATION.idcode)), HEARD
    other = replace(CONFIGURATION, phasors=CONFIGURATION.phasors[:1])
    rulings: list[bool] = []
    for second in range(100):
        stated = other if second % 2 and second < 40 else CONFIGURATION
        layout, now = Layout(stated), Instant(now.tai + NS, None)
        values = [0.0] * (len(layout.slots) - 3) + [50.0, 0.0, 0.0]
        items = session.feed(encode_values(layout, 1_700_000_000 + second, 0, values), now)
        while session.next_ask(now) is not None:
            items += session.feed(encode_configuration(stated, 1_700_000_000 + second)[0], now)
        rulings += [bool(one.configuration) for one in items if isinstance(one, Setup)]
    assert session.counts["configuration_flapping"]
    assert rulings[-1] and not session.unknown()


def test_a_second_before_1970_is_no_instant():
    """What is signed counts from 1970: one such frame would spoil a whole batch."""
    session = configured()
    for number in range(4):
        session.feed(data(number), HEARD)
    raw = close((1 << 31).to_bytes(4, "big") + data(4)[4:-2])
    (found,) = frames(session.feed(raw, HEARD))
    assert (found.raw, found.tai, found.fault) == (raw, HEARD.tai, None)
    assert found.flags & Flag.AGENT_STAMPED


def test_another_pmu_than_the_one_stated_is_refused():
    session = Session(Terms(5, False))
    items = session.feed(vector("ieee1344", "configuration"), HEARD)
    assert [one.fault.fault for one in items if isinstance(one, Frame) and one.fault] == [
        "unknown_idcode"
    ]


def test_commands_and_headers_that_are_heard_are_kept():
    session = configured()
    raws = [vector("ieee1344", name) for name in ("header", "command_data_on", "header_empty")]
    found = frames(session.feed(b"".join(raws), HEARD), Kind.IEEE1344_INFO)
    assert [one.raw for one in found] == raws
    assert all(one.fault is None and one.flags & Flag.AGENT_STAMPED for one in found)


# --- a real PMU


def test_every_frame_of_a_real_pmu(events: Path):
    """A 500 kV station on 2007-04-26, 32.4 s at 30 a second."""
    raw = (events / "pmu_capture_1344" / "Sample1344.PmuCapture").read_bytes()
    session = Session(Terms(commands=False, time_bound_ns=1000))
    items: list[Frame | Setup] = []
    for at in range(0, len(raw), 100):
        items += session.feed(raw[at : at + 100], HEARD)
    items += session.flush(HEARD)
    (setup,) = [one for one in items if isinstance(one, Setup)]
    assert (setup.rate, setup.blocks[0].station, setup.blocks[0].idcode) == ((30, 1), "Shelby", 2)
    assert [one.name for one in setup.blocks[0].channels[:5]] == [
        "Bus 1", "Bus 2", "Cordova", "Dell", "Lagoon Creek",
    ]  # fmt: skip
    all_frames = [one for one in items if isinstance(one, Frame)]
    assert b"".join(one.raw for one in all_frames) == raw
    measured = frames(items)
    assert (len(all_frames), len(measured)) == (974, 973)
    first = 1_177_614_912 + 33  # 2007-04-26T19:15:12 UTC; TAI was 33 s ahead
    assert measured[0].tai == first * NS + 666_666_667
    steps = {b.tai - a.tai for a, b in pairwise(measured)}
    assert steps == {33_333_333, 33_333_334}
    assert measured[-1].tai - measured[0].tai == 32_400_000_000
    assert [one.bound for one in measured[:10]] == [None] * 10
    assert {one.bound for one in measured[10:]} == {1000}
    compiled = decode.compiled(Kind.IEEE1344, setup.configuration)
    apart, volts = [], []
    for one in measured:
        _, a, b, c, d, *rest = compiled.decode(one.raw)
        assert isinstance(rest[6], float)
        bus_1, bus_2 = complex(a, b), complex(c, d)  # type: ignore[arg-type]
        apart.append(abs(1 - abs(bus_2) / abs(bus_1)))
        volts.append(abs(bus_1) * 3**0.5)
        assert rest[6] == pytest.approx(60, abs=0.1)
    assert sum(apart) / len(apart) == pytest.approx(0.00338, abs=5e-5)
    assert max(apart) == pytest.approx(0.0035, abs=5e-5)
    assert all(510e3 < one < 525e3 for one in volts)


def test_vectors_are_those_that_the_script_makes():
    from tests.drivers import make_ieee1344

    assert vectors("ieee1344") == {name: raw for name, (_, raw) in make_ieee1344.VECTORS.items()}


def test_zeros_are_no_command():
    """CHK begins with ffff: those two bytes and any number of zeros hold, as in other protocols."""
    raw = b"\xff\xff" + bytes(14)
    with pytest.raises(FrameError) as told:
        check(raw)
    assert told.value.fault == "frame_size"
    assert not [one for one in Splitter().feed(raw * 9) if isinstance(one, bytes)]
