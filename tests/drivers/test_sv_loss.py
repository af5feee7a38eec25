"""What is lost, late, twice or forged in a stream of Sampled Values."""

import pytest

from drivers.sv.wire import decode_block
from evidence.code import Class, Reason
from evidence.leap import NS
from tests.drivers.make_sv import VLAN, asdu, frame, hsr, plain, prp, sample, sav_pdu
from tests.drivers.sv import (
    LATENCY_NS,
    MISSING,
    T0,
    counts_of,
    heard,
    played,
    stream,
    verdicts,
)


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


@pytest.mark.parametrize("away", [800, 1400, 2800, 7600, 50_800])
def test_the_same_samples_in_a_later_second_are_not_heard_twice(away: int):
    """A test set repeats itself each second; so does a line without voltage."""
    packets = stream([*range(4000), *range(4000 + away, 14_000 + away)])
    _, frames, session = played(packets)
    assert sum(len(decode_block(each.raw)) for each in frames) == len(packets)
    assert not session.counts["heard_twice"]


def copies(number: int, how: str) -> list[bytes]:
    raw = plain(number)
    if how == "prp":
        return [prp(raw, number, lan) for lan in (0xA, 0xB)]
    if how == "prp-vlan":
        tagged = plain(number, tags=VLAN)
        return [prp(tagged, number, lan, tags=4) for lan in (0xA, 0xB)]
    if how == "hsr":
        return [hsr(raw, number, path) for path in (0, 1)]
    if how == "tap":  # one that puts the time behind each frame
        return [raw, raw + number.to_bytes(4)]
    if how == "taps":
        return [raw + bytes(4), raw + number.to_bytes(4)]
    if how == "mirror-vlan":
        return [raw, plain(number, tags=VLAN)]
    return [raw, raw]


@pytest.mark.parametrize("how", ["prp", "prp-vlan", "hsr", "mirror", "mirror-vlan", "tap", "taps"])
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
    assert session.counts == {"late": 1}


@pytest.mark.parametrize("ahead", [130, 300, 470])
def test_a_forged_count_ahead_costs_some_blocks_and_no_more(ahead: int):
    """True samples that now seem late stay together; none becomes a block alone."""
    packets = stream(range(4800))
    packets.insert(1300, heard(1300, 4800, plain(1300 + ahead, synch=0)))
    setups, frames, _ = played(packets)
    assert sum(len(decode_block(each.raw)) for each in frames) == 4801
    assert len(frames) <= 40 + 3
    assert sum(bool(verdicts(setups[0], each)) for each in frames) <= 5


def test_more_than_a_block_can_hold_makes_more_blocks():
    """Thousands of forgeries of one sample: bounded, and every frame kept."""
    packets = stream(range(60))
    packets += [
        heard(60, 4800, frame(sav_pdu(asdu(60, sample(at)))), LATENCY_NS + at) for at in range(3000)
    ]
    _, frames, session = played(packets)
    assert sum(len(decode_block(each.raw)) for each in frames) == 3060
    assert session.counts["smp_cnt_repeated"] == 2999
