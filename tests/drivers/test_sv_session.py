"""What a gateway makes of streams of Sampled Values: blocks, instants, bounds, losses, copies, and
streams that are told apart.
"""

import itertools
from collections.abc import Iterable

import pytest

from drivers import decode
from drivers.line import STREAMS_MAX, Frame, Instant, Setup
from drivers.sv.block import BLOCK_BYTES_MAX
from drivers.sv.dataset import PHS_MEAS_1, Member
from drivers.sv.session import LAYOUTS_MAX, DatasetTerms, Session, Terms
from drivers.sv.stamp import Vouched
from drivers.sv.wire import decode_block, decode_configuration
from evidence.code import Class, Flag, Kind, Reason, TimeSource
from evidence.leap import BUILT_IN, NS
from tests.drivers.make_sv import (
    REFR_TM,
    VLAN,
    asdu,
    frame,
    hsr,
    plain,
    prp,
    sample,
    sav_pdu,
)

Item = Frame | Setup
T0 = 1_795_608_037 * NS  # a second of TAI: 2026-11-25 12:00:00 UTC
LATENCY_NS = 1_500_000
BOUND = 1_000
PROFILES = ((4000, 1), (4800, 1), (4800, 2), (12_800, 8), (14_400, 6), (15_360, 8))


def heard(
    number: int, rate: int, raw: bytes, late_ns: int = LATENCY_NS, bound: int | None = BOUND
) -> tuple[bytes, Instant, int]:
    """A frame whose first sample is `number` after T0."""
    return raw, Instant(T0 + number * NS // rate + late_ns, bound), 0


def stream(
    numbers: Iterable[int], rate: int = 4800, asdus: int = 1, **how: object
) -> list[tuple[bytes, Instant, int]]:
    return [
        heard(number, rate, plain(number % rate, rate, asdus, **how))  # type: ignore[arg-type]
        for number in numbers
    ]


def played(
    packets: list[tuple[bytes, Instant, int]], terms: Terms | None = None, at_once: int = 48
) -> tuple[list[Setup], list[Frame], Session]:
    session = Session(terms or Terms(rate=4800))
    items: list[Item] = []
    for several in (
        itertools.batched(packets, at_once)
        if hasattr(itertools, "batched")
        else [packets[at : at + at_once] for at in range(0, len(packets), at_once)]
    ):
        items += session.feed(several)
    items += session.flush()
    frames = [item for item in items if isinstance(item, Frame)]
    return [item for item in items if isinstance(item, Setup)], frames, session


def counts_of(setup: Setup, frame: Frame) -> tuple[int, ...]:
    values = decode.decode(frame.kind, setup.configuration, frame.raw)
    return values[0]  # type: ignore[return-value]


def verdicts(setup: Setup, frame: Frame) -> set[tuple[Class, Reason]]:
    return set(decode.compiled(frame.kind, setup.configuration).judge((frame.raw,)))


MISSING = (Class.DATA_INVALID, Reason.SAMPLES_MISSING)


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


# --- instants and bounds


@pytest.mark.parametrize(
    ("synch", "vouched", "bound", "flags"),
    [
        (2, Vouched(), 4000, Flag.LOCKED | Flag.TRACEABLE),
        (2, Vouched(bound_ns=1000), 1000, Flag.LOCKED | Flag.TRACEABLE),
        (2, Vouched(bound_ns=None), None, Flag.LOCKED | Flag.TRACEABLE),
        (1, Vouched(), None, Flag(0)),
        (1, Vouched(area_clocks=frozenset({1})), 4000, Flag.LOCKED),
        (17, Vouched(), None, Flag(0)),
        (17, Vouched(area_clocks=frozenset({17})), 4000, Flag.LOCKED),
        (17, Vouched(area_clocks=frozenset({18})), None, Flag(0)),
    ],
)
def test_smp_synch_says_what_the_bound_is_worth(
    synch: int, vouched: Vouched, bound: int | None, flags: Flag
):
    _, frames, _ = played(stream(range(120), synch=synch), Terms(rate=4800, vouched=vouched))
    (only,) = frames
    assert (only.tai, only.bound, only.source) == (T0, bound, TimeSource.DEVICE)
    assert only.flags == flags


@pytest.mark.parametrize("synch", [0, None])
def test_a_counter_that_nothing_steers_has_the_arrival(synch: int | None):
    _, frames, _ = played(stream(range(240), synch=synch))
    assert [each.tai for each in frames] == [
        T0 + LATENCY_NS, T0 + 25_000_000 + LATENCY_NS,
    ]  # fmt: skip
    assert all(each.bound is None and each.flags == Flag.AGENT_STAMPED for each in frames)
    assert {each.source for each in frames} == {TimeSource.UNKNOWN}


def test_one_sample_without_synchronisation_takes_the_blocks_bound():
    packets = stream(range(120))
    packets[60] = stream([60], synch=1)[0]
    _, frames, _ = played(packets)
    assert [each.bound for each in frames] == [None]
    packets[60] = stream([60], synch=0)[0]
    _, frames, _ = played(packets)
    assert [each.flags for each in frames] == [Flag.AGENT_STAMPED]


@pytest.mark.parametrize("bound", [None, 300_000_000])
def test_a_gateway_that_may_not_know_the_second_has_no_bound(bound: int | None):
    packets = [heard(at, 4800, plain(at), bound=bound) for at in range(120)]
    _, frames, _ = played(packets)
    assert [(each.tai, each.bound) for each in frames] == [(T0, None)]


@pytest.mark.parametrize("late_ns", [-240_000_000, 0, 3_000_000, 740_000_000])
def test_the_second_is_the_one_that_makes_the_frame_young(late_ns: int):
    packets = [heard(at, 4800, plain(at % 4800), late_ns) for at in range(4680, 4920)]
    _, frames, _ = played(packets)
    assert [each.tai for each in frames] == [T0 + 975_000_000, T0 + NS]


def test_refr_tm_has_a_date_and_a_bound():
    """To 2^-10 s, as its quality says. TAI, by the leap table."""
    packets = [(plain(2400, refr_tm=REFR_TM), Instant(T0 + 9 * NS, None), 0)]
    _, frames, _ = played(packets)
    assert frames[0].tai == BUILT_IN.tai_ns(1_795_608_000, 500_000_000)
    assert (frames[0].bound, frames[0].flags) == (976_563, Flag.LOCKED)


@pytest.mark.parametrize("quality", [0x40, 0x20])
def test_refr_tm_of_a_bad_clock_is_not_believed(quality: int):
    told = REFR_TM[:7] + bytes((quality,))
    packets = [heard(2400, 4800, plain(2400, refr_tm=told))]
    _, frames, _ = played(packets)
    assert (frames[0].tai, frames[0].bound) == (T0 + 500_000_000, 4000)


def test_simulated_by_the_site():
    _, frames, _ = played(stream(range(3)), Terms(rate=4800, vouched=Vouched(simulated=True)))
    assert frames[0].flags & Flag.SIMULATED


# --- losses, copies, order


def test_a_loss_inside_a_block_is_named_and_counted():
    lost = {150, 151, 200}
    packets = stream(at for at in range(480) if at not in lost)
    setups, frames, session = played(packets)
    assert [verdicts(setups[0], each) for each in frames] == [set(), {MISSING}, set(), set()]
    assert session.counts == {"samples_missing": 3}
    assert frames[1].tai == T0 + 25_000_000


@pytest.mark.parametrize("lost", [120, 239])
def test_a_loss_at_the_edge_of_a_block_is_in_that_block(lost: int):
    setups, frames, _ = played(stream(at for at in range(480) if at != lost))
    assert [each.tai - T0 for each in frames] == [0, 25_000_000, 50_000_000, 75_000_000]
    assert [verdicts(setups[0], each) for each in frames] == [set(), {MISSING}, set(), set()]


def test_a_block_that_is_lost_whole_leaves_its_place():
    setups, frames, _ = played(stream(at for at in range(480) if not 120 <= at < 240))
    assert [each.tai - T0 for each in frames] == [0, 50_000_000, 75_000_000]
    assert all(not verdicts(setups[0], each) for each in frames)


def test_the_return_to_0_is_no_loss():
    setups, frames, session = played(stream(range(4560, 5040)))
    assert [each.tai - T0 for each in frames] == [
        950_000_000, 975_000_000, 1_000_000_000, 1_025_000_000,
    ]  # fmt: skip
    assert all(not verdicts(setups[0], each) for each in frames)
    assert not session.counts


def test_a_stream_that_was_away_comes_back_in_a_block_of_its_own():
    """Into the same place of a later second, too."""
    packets = stream([*range(60), *range(4860, 4920)])
    setups, frames, _ = played(packets)
    assert [each.tai - T0 for each in frames] == [0, NS]
    assert [verdicts(setups[0], each) for each in frames] == [{MISSING}] * 2


def copies(number: int, how: str) -> list[bytes]:
    raw = plain(number)
    if how == "prp":
        return [prp(raw, number, lan) for lan in (0xA, 0xB)]
    if how == "prp-vlan":
        tagged = plain(number, tags=VLAN)
        return [prp(tagged, number, lan, tags=4) for lan in (0xA, 0xB)]
    if how == "hsr":
        return [hsr(raw, number, path) for path in (0, 1)]
    if how == "mirror-vlan":
        return [raw, plain(number, tags=VLAN)]
    return [raw, raw]


@pytest.mark.parametrize("how", ["prp", "prp-vlan", "hsr", "mirror", "mirror-vlan"])
@pytest.mark.parametrize("late_ns", [10_000, 2_000_000, 100_000_000])
def test_copies_are_one_frame_heard_twice(how: str, late_ns: int):
    """However much later the second one comes, within 400 ms."""
    packets = [
        heard(number, 4800, raw, LATENCY_NS + at * late_ns)
        for number in range(2400)
        for at, raw in enumerate(copies(number, how))
    ]
    packets.sort(key=lambda packet: packet[1].tai)
    setups, frames, session = played(packets)
    assert [counts_of(setups[0], each) for each in frames] == [
        tuple(range(at, at + 120)) for at in range(0, 2400, 120)
    ]
    assert all(not verdicts(setups[0], each) for each in frames)
    assert session.counts == {"heard_twice": 2400}


def test_what_one_lan_loses_the_other_brings():
    """Alternately, and up to 2 ms later: also over the edge of a block."""
    packets = []
    for number in range(960):
        first, second = copies(number, "prp")
        if number % 3:
            packets.append(heard(number, 4800, first))
        packets.append(heard(number, 4800, second, LATENCY_NS + 2_000_000))
    packets.sort(key=lambda packet: packet[1].tai)
    setups, frames, session = played(packets)
    assert len(frames) == 8
    assert all(not verdicts(setups[0], each) for each in frames)
    assert session.counts["heard_twice"] == 640 and not session.counts["late"]


def test_the_same_count_a_second_later_is_no_copy():
    """Though a sample be the same to the bit."""
    content = sample(0)
    packets = [heard(at, 4800, frame(sav_pdu(asdu(at % 4800, content)))) for at in range(2 * 4800)]
    setups, frames, session = played(packets)
    assert len(frames) == 80 and not session.counts
    assert all(not verdicts(setups[0], each) for each in frames)


def test_another_sample_of_the_same_count_is_kept_and_named():
    packets = stream(range(240))
    forged = frame(sav_pdu(asdu(100, sample(999))))
    packets.insert(101, heard(100, 4800, forged))
    setups, frames, session = played(packets)
    assert forged in decode_block(frames[0].raw)
    assert verdicts(setups[0], frames[0]) == {(Class.DATA_INVALID, Reason.MALFORMED)}
    assert not verdicts(setups[0], frames[1])
    assert session.counts == {"smp_cnt_repeated": 1, "reordered": 1}


def test_order_is_kept_as_heard_and_counted():
    packets = stream(range(240))
    packets[50], packets[51] = packets[51], packets[50]
    packets[119], packets[120] = packets[120], packets[119]
    setups, frames, session = played(packets)
    assert len(frames) == 2
    assert counts_of(setups[0], frames[0])[49:53] == (49, 51, 50, 52)
    assert all(not verdicts(setups[0], each) for each in frames)
    assert session.counts == {"reordered": 1}


def test_what_comes_after_its_block_was_closed_is_a_block_of_its_own():
    packets = [packet for packet in stream(range(480)) if packet[0] != plain(100)]
    packets.insert(300, (plain(100), packets[300][1], 0))
    setups, frames, session = played(packets)
    late = [each for each in frames if counts_of(setups[0], each) == (100,)]
    assert len(late) == 1 and late[0].tai == T0
    assert len(frames) == 5
    assert session.counts["late"] == 1


def test_more_than_a_block_can_hold_makes_more_blocks():
    """Thousands of forgeries of one sample: bounded, and every frame kept."""
    packets = stream(range(60))
    packets += [
        heard(60, 4800, frame(sav_pdu(asdu(60, sample(at)))), LATENCY_NS + at) for at in range(3000)
    ]
    _, frames, session = played(packets)
    assert sum(len(decode_block(each.raw)) for each in frames) == 3060
    assert session.counts["smp_cnt_repeated"] == 2999


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


def test_what_is_held_for_want_of_a_rate_is_let_go_in_time():
    session = Session(Terms())
    assert not session.feed(stream(range(5)))
    assert not session.ruled()
    items = session.tick(T0 + 3 * NS)
    assert isinstance(items[0], Setup) and items[0].rate == (0, 0)
    assert session.ruled()
