"""What a gateway makes of Sampled Values: blocks, streams that are told apart, data sets."""

import pytest

from drivers import decode
from drivers.line import STREAMS_MAX, Frame, Setup
from drivers.sv.block import BLOCK_BYTES_MAX
from drivers.sv.dataset import PHS_MEAS_1, Member
from drivers.sv.session import LAYOUTS_MAX, OPEN_NS_MAX, DatasetTerms, Session, Terms
from drivers.sv.wire import decode_block, decode_configuration
from evidence.code import Flag, Kind
from evidence.leap import NS
from tests.drivers.make_sv import asdu, frame, plain, sample, sav_pdu
from tests.drivers.sv import (
    BOUND,
    LATENCY_NS,
    PROFILES,
    T0,
    counts_of,
    heard,
    played,
    stream,
    verdicts,
)

# --- whole streams


@pytest.mark.parametrize(("rate", "asdus"), PROFILES)
def test_every_profile_is_learned_and_blocked(rate: int, asdus: int):
    """Nothing is configured: the rate is found, and every frame is in a block, in order."""
    packets = stream(range(0, 2 * rate, asdus), rate, asdus)
    setups, frames, session = played(packets, Terms())
    assert [setup.key for setup in setups] == ["MU01"]
    (setup,) = setups
    found = decode_configuration(setup.configuration)
    assert found.rate == rate
    assert setup.rate == (rate // found.span, 1)
    assert 20 <= 1000 * found.span / rate <= 50
    assert [raw for each in frames for raw in decode_block(each.raw)] == [p[0] for p in packets]
    assert all(len(each.raw) <= BLOCK_BYTES_MAX for each in frames)
    assert [verdicts(setup, each) for each in frames] == [set()] * len(frames)
    period = NS * found.span // rate
    assert [each.tai for each in frames] == [T0 + at * period for at in range(len(frames))]
    assert not session.counts


def test_what_a_frame_of_a_block_says():
    setups, frames, _ = played(stream(range(240)))
    assert [each.kind for each in frames] == [Kind.SV] * 2
    assert [(each.key, each.fault) for each in frames] == [("MU01", None)] * 2
    assert frames[1].heard == (T0 + 25_000_000 + LATENCY_NS, BOUND)
    assert counts_of(setups[0], frames[1]) == tuple(range(120, 240))
    assert [channel.name for channel in setups[0].blocks[0].channels] == [
        "IA", "IB", "IC", "IN", "VA", "VB", "VC", "VN",
    ]  # fmt: skip
    assert (setups[0].blocks[0].station, setups[0].blocks[0].idcode) == ("MU01", 0x4000)


@pytest.mark.parametrize(
    ("mod", "stated", "hz", "rate"),
    [(b"\0\1", 4800, None, 4800), (b"\0\0", 80, 60, 4800), (None, 80, 50, 4000)],
)
def test_a_rate_that_frames_state_is_known_at_once(
    mod: bytes | None, stated: int, hz: int | None, rate: int
):
    told = stated.to_bytes(2, "big")
    setups, frames, _ = played(
        stream(range(3), rate, smp_rate=told, smp_mod=mod), Terms(nominal_hz=hz)
    )
    assert decode_configuration(setups[0].configuration).rate == rate
    assert len(frames) == 1


def test_an_unusual_rate_is_learned_by_the_counters_return():
    setups, frames, _ = played(stream(range(5000, 13_000), 5000), Terms())
    assert decode_configuration(setups[0].configuration).rate == 5000
    assert all(not verdicts(setups[0], each) for each in frames)


def test_a_stream_of_which_no_rate_can_be_known_is_heard_all_the_same():
    """As libiec61850's example sends: 20 a second, a counter that never returns."""
    packets = [heard(at, 20, plain(at, 65_536)) for at in range(100)]
    setups, frames, _ = played(packets, Terms())
    assert decode_configuration(setups[0].configuration).rate == 0
    assert setups[0].rate == (0, 0)
    assert [raw for each in frames for raw in decode_block(each.raw)] == [p[0] for p in packets]
    assert all(each.flags & Flag.AGENT_STAMPED and each.bound is None for each in frames)
    assert frames[0].tai == packets[0][1].tai


def test_a_rate_that_the_counter_contradicts_is_learned_anew():
    setups, frames, session = played(stream(range(2 * 4800)), Terms(rate=4000))
    assert [decode_configuration(each.configuration).rate for each in setups] == [4000, 4800]
    assert session.counts["rate_contradicted"] == 1
    raws = [raw for each in frames for raw in decode_block(each.raw)]
    assert raws == [packet[0] for packet in stream(range(2 * 4800))]


def test_a_rate_that_is_too_high_is_learned_anew():
    setups, _, session = played(stream(range(3 * 4000), 4000), Terms(rate=4800))
    assert [decode_configuration(each.configuration).rate for each in setups] == [4800, 4000]
    assert session.counts["rate_contradicted"] == 1


# --- streams told apart


def test_several_streams_of_one_interface():
    packets = stream(range(480)) + stream(range(480), sv_id="MU02", appid=0x4001)
    packets += stream(range(0, 480, 2), asdus=2, sv_id="MU03")
    packets.sort(key=lambda packet: packet[1].tai)
    setups, frames, _ = played(packets)
    assert {setup.key for setup in setups} == {"MU01", "MU02", "MU03"}
    by_key = {key: [f for f in frames if f.key == key] for key in ("MU01", "MU02", "MU03")}
    assert [len(several) for several in by_key.values()] == [4, 4, 4]


def test_a_simulated_stream_is_another_than_the_real_one():
    packets = [
        packet
        for number in range(240)
        for packet in (*stream([number]), *stream([number], simulated=True, quality=1))
    ]
    setups, frames, session = played(packets)
    assert [setup.key for setup in setups] == ["MU01", "MU01 (simulated)"]
    flags = {each.key: each.flags & Flag.SIMULATED for each in frames}
    assert flags == {"MU01": 0, "MU01 (simulated)": Flag.SIMULATED}
    assert not session.counts


def test_two_senders_of_one_svid_are_two_streams():
    packets = [
        packet
        for number in range(240)
        for packet in (*stream([number]), *stream([number], source=bytes.fromhex("0200000000b2")))
    ]
    setups, frames, session = played(packets)
    assert [setup.key for setup in setups] == ["MU01", "MU01 from 02:00:00:00:00:b2"]
    assert len(frames) == 4
    assert session.counts == {"sv_id_twice": 1}


def test_two_svids_of_one_frame_are_one_stream_of_two_devices():
    packets = [
        heard(at, 4800, frame(sav_pdu(asdu(at, sample(at), "A"), asdu(at, sample(at), "B"))))
        for at in range(240)
    ]
    setups, frames, _ = played(packets)
    assert [setup.key for setup in setups] == ["A + B"]
    assert [block.station for block in setups[0].blocks] == ["A", "B"]
    assert len(frames) == 2
    assert all(not verdicts(setups[0], each) for each in frames)


def test_only_what_is_asked_for():
    packets = stream(range(240)) + stream(range(240), sv_id="MU02", appid=0x4001)
    for terms in (
        Terms(rate=4800, sv_ids=frozenset({"MU02"})),
        Terms(rate=4800, appids=frozenset({0x4001})),
    ):
        setups, frames, session = played(packets, terms)
        assert [setup.key for setup in setups] == ["MU02"]
        assert session.counts == {"not_asked_for": 240}
        assert list(session.passed_over) == ["MU01"]


def test_streams_are_bounded():
    packets = [
        packet
        for number in range(2)
        for at in range(STREAMS_MAX + 3)
        for packet in stream([number], sv_id=f"MU{at}")
    ]
    setups, frames, _ = played(packets)
    assert len(setups) == STREAMS_MAX
    refused = [each.fault.fault for each in frames if each.fault is not None]
    assert refused == ["streams"] * 6


def test_shapes_are_bounded():
    """A sender that says something new in every frame costs time, never memory."""
    session = Session(Terms(rate=4800))
    for at in range(3 * LAYOUTS_MAX):
        raw = plain(at % 4800, conf_rev=at.to_bytes(4, "big"))
        session.feed([heard(at, 4800, raw)])
        assert sum(map(len, session._known.values())) <= LAYOUTS_MAX


# --- data sets


OWN = (
    Member("V", "voltage", "V", "", "int32", 0.1),
    Member("V", "voltage", "", "quality", "quality"),
)


def test_a_data_set_by_configuration_and_its_revision():
    content = (1234).to_bytes(4, "big") + bytes(4)
    packets = [heard(at, 4800, frame(sav_pdu(asdu(at, content)))) for at in range(120)]
    for terms, members, counted in (
        (DatasetTerms(OWN), OWN, {}),
        (DatasetTerms(OWN, 1), OWN, {}),
        (DatasetTerms(OWN, 2), None, {"conf_rev_mismatch": 1}),
        (DatasetTerms(PHS_MEAS_1), None, {"sample_size_mismatch": 1}),
    ):
        setups, frames, session = played(packets, Terms(rate=4800, datasets={"MU01": terms}))
        assert decode_configuration(setups[0].configuration).datasets[0].members == members
        assert {name: n for name, n in session.counts.items() if n} == counted
        values = decode.decode(Kind.SV, setups[0].configuration, frames[0].raw)
        assert values[2][0] == (pytest.approx(123.4) if members else content)  # type: ignore[index]


def test_another_data_set_is_another_setup():
    small = frame(sav_pdu(asdu(120, bytes(12))))
    packets = [*stream(range(120)), heard(120, 4800, small)]
    setups, frames, session = played(packets)
    assert len(setups) == 2 and setups[0].key == setups[1].key
    assert session.counts["configuration_changed"] == 1
    assert [len(decode_block(each.raw)) for each in frames] == [120, 1]
    assert not verdicts(setups[0], frames[0])


def test_the_data_set_of_before_rules_again():
    """One frame of another must not take the names from all that follow."""
    small = frame(sav_pdu(asdu(120, bytes(12))))
    packets = [*stream(range(120)), heard(120, 4800, small), *stream(range(121, 480))]
    setups, frames, session = played(packets)
    first, other, last = setups
    assert first == last != other
    assert session.counts["configuration_changed"] == 2
    assert all(not verdicts(last, each) for each in frames[3:])


def test_frames_of_two_numbers_of_asdus_are_blocks_still():
    """Two that send under one svID: bounded in what is made of it."""
    packets = [
        heard(number, 4800, plain(number % 4800, 4800, 1 + number % 2)) for number in range(2400)
    ]
    setups, frames, _ = played(packets)
    assert len(setups) == 1 and len(frames) < 60
    assert sum(len(decode_block(each.raw)) for each in frames) == len(packets)


def test_a_stream_that_flaps_is_not_described_for_ever():
    """Two shapes by turns: every frame is kept, and a minute has twelve descriptions at most."""
    packets = [
        heard(at, 4800, plain(at % 4800) if at % 2 else frame(sav_pdu(asdu(at % 4800, bytes(12)))))
        for at in range(4800)
    ]
    setups, frames, _ = played(packets)
    assert len(setups) <= 12
    assert sum(len(decode_block(each.raw)) for each in frames) == 4800


# --- what is not for us, and time that passes


def test_bad_frames_are_faults_and_other_traffic_is_none():
    good = stream(range(3))
    packets = [
        (good[0][0][:60], good[0][1], 0),
        (good[0][0], good[0][1], 12),
        (good[0][0].replace(b"\x88\xba", b"\x88\xb8"), good[0][1], 0),
        (b"\xff" * 12 + b"\x08\x00" + bytes(50), good[0][1], 0),
        (b"", good[0][1], 0),
        *good,
    ]
    _, frames, session = played(packets)
    faults = [each.fault.fault for each in frames if each.fault is not None]
    assert faults == ["sv_length", "truncated", "truncated"]
    assert session.counts == {"other": 2}
    assert [each.fault for each in frames][-1] is None


def test_a_stream_that_ends_gives_its_last_block_without_more_frames():
    session = Session(Terms(rate=4800))
    items = session.feed(stream(range(130)))
    assert not [item for item in items if isinstance(item, Frame)]
    assert not session.tick(T0 + 100_000_000)
    items = session.tick(T0 + 300_000_000)
    assert [len(decode_block(item.raw)) for item in items if isinstance(item, Frame)] == [120, 10]
    assert not session.tick(T0 + 600_000_000)
    assert not session.counts  # what would have come later is not missing


@pytest.mark.parametrize(("rate", "asdus"), [(4_000, 1), (4_800, 2), (4_800, 1)])
@pytest.mark.parametrize("pause_ns", [0, OPEN_NS_MAX, OPEN_NS_MAX + 1])
def test_a_second_has_40_blocks_but_for_a_pause_in_one(rate: int, asdus: int, pause_ns: int):
    """Within the eleventh block the sender pauses, and every 10 ms somebody looks meanwhile."""
    session, at = Session(Terms(rate=rate)), rate // 4 + asdus
    before = stream(range(0, at, asdus), rate, asdus)
    last = before[-1][1].tai
    items = session.feed(before)
    for now in range(last, last + pause_ns + 1, 10_000_000):
        items += session.tick(now)
    items += session.tick(last + pause_ns)
    items += session.feed(
        heard(number, rate, plain(number, rate, asdus), LATENCY_NS + pause_ns)
        for number in range(at, rate, asdus)
    )
    items += session.flush()
    (setup,) = [item for item in items if isinstance(item, Setup)]
    counts = [counts_of(setup, item) for item in items if isinstance(item, Frame)]
    assert [count for block in counts for count in block] == list(range(rate))
    ends = [block[-1] + 1 for block in counts]
    borders = list(range(rate // 40, rate + 1, rate // 40))
    assert ends == sorted([*borders, *([at] if pause_ns > OPEN_NS_MAX else [])])


def test_what_is_held_for_want_of_a_rate_is_let_go_in_time():
    session = Session(Terms())
    assert not session.feed(stream(range(5)))
    assert not session.ruled()
    items = session.tick(T0 + 3 * NS)
    assert isinstance(items[0], Setup) and items[0].rate == (0, 0)
    assert session.ruled()


def test_a_sender_that_stumbles_does_not_change_its_rate():
    """It is 30 ms late at first, and catches up: by arrivals alone 14,400 would be more."""
    rate = 14_400
    packets = [
        heard(at, rate, plain(at, rate, 6), max(30_000_000 - at * 2_000, LATENCY_NS))
        for at in range(0, rate, 6)
    ]
    packets += stream(range(rate, 2 * rate, 6), rate, 6)
    setups, _, session = played(packets, Terms())
    assert [decode_configuration(each.configuration).rate for each in setups] == [rate]
    assert not session.counts


def test_a_capture_shorter_than_a_second_has_its_rate_by_arrivals():
    setups, frames, _ = played(stream(range(100, 700)), Terms())
    assert decode_configuration(setups[0].configuration).rate == 4800
    assert len(frames) == 6


@pytest.mark.parametrize("lost", [{4799}, {4800}, {4799, 4800}])
def test_a_lost_return_to_0_is_waited_for_once_more(lost: set[int]):
    packets = stream(at for at in range(4000, 11_000) if at not in lost)
    setups, _, _ = played(packets, Terms())
    assert [decode_configuration(each.configuration).rate for each in setups] == [4800]
