"""The judge, on cases made by hand: where each frame sent is, and what is stated too much."""

import pytest

from evidence.code import Cause
from evidence.leap import NS
from hil.faults.judge import Continued, Held, Hole, Lost, Place, Seen, beyond, excess_max, judge

LINE, OTHER = "gateway idcode=7", "gateway idcode=8"
ONE, TWO, THREE = b"run 1", b"run 2", b"run 3"
RESTART, NOT_KEPT = int(Cause.RESTART), int(Cause.NOT_KEPT)


def frame(tai: int, run: bytes = ONE, seq: int | None = None, line: str = LINE) -> Seen:
    at = tai if seq is None else seq
    return Seen(line, tai, Place(run, 1, at), b"%s %d" % (run, tai))


def hole(first: int, last: int, cause: int = NOT_KEPT, line: str = LINE) -> Hole:
    return Hole(line, cause, first, last, Place(ONE, 1, 1000 + first))


def held(*items: Seen | Hole, runs: dict[bytes, Continued] | None = None) -> Held:
    return Held(
        [item for item in items if isinstance(item, Seen)],
        [item for item in items if isinstance(item, Hole)],
        runs or {},
    )


def test_each_frame_sent_is_in_one_place_and_the_places_add_up():
    sent = {LINE: set(range(10, 20)), OTHER: {10, 11}}
    record = held(*map(frame, range(10, 14)), hole(16, 17))
    disk = held(*map(frame, range(12, 16)), frame(10, TWO, line=OTHER))
    found = judge(sent, record, disk)
    assert (found.sent, found.in_record, found.on_disk, found.in_gaps, found.lost) == (
        12,
        4,
        3,
        2,
        3,
    )
    assert found.in_record + found.on_disk + found.in_gaps + found.lost == found.sent
    assert found.lost_spans == (Lost(LINE, 18, 19, 2), Lost(OTHER, 11, 11, 1))
    assert (found.duplicated, found.gap_excess, found.twins, found.unsent) == (0, 0, 0, 0)
    assert found.gaps == {"not_kept": 1}


def test_a_gap_counts_on_the_disk_too_with_both_ends_and_for_its_own_line_alone():
    sent = {LINE: {10, 11, 12, 13}, OTHER: {11}}
    found = judge(sent, held(), held(hole(11, 12)))
    assert (found.in_gaps, found.lost) == (2, 3)
    assert found.lost_spans == (
        Lost(LINE, 10, 10, 1),
        Lost(LINE, 13, 13, 1),
        Lost(OTHER, 11, 11, 1),
    )


def test_the_same_gap_in_record_and_spool_is_one():
    found = judge({LINE: {10, 11}}, held(frame(10), hole(11, 11)), held(hole(11, 11)))
    assert (found.in_gaps, found.gaps) == (1, {"not_kept": 1})


def test_the_same_observation_in_record_and_spool_is_no_duplicate():
    found = judge({LINE: {10}}, held(frame(10)), held(frame(10)))
    assert (found.in_record, found.on_disk, found.duplicated, found.twins) == (1, 0, 0, 0)


@pytest.mark.parametrize(
    ("runs", "duplicated"),
    [
        ({TWO: Continued(3, ONE, True)}, 0),  # the later names the first as uncertain
        ({TWO: Continued(3, ONE, False)}, 1),  # it names it, and doubts nothing
        ({TWO: Continued(3, THREE, True)}, 1),  # it doubts another
        ({TWO: Continued(3, THREE, True), THREE: Continued(3, ONE, True)}, 0),  # by way of another
        ({TWO: Continued(3, THREE, True), THREE: Continued(3, ONE, False)}, 1),
        ({TWO: Continued(3, ONE, True), ONE: Continued(3, TWO, True)}, 0),  # a circle ends
        ({}, 1),
    ],
)
def test_a_frame_under_two_runs_counts_once_where_the_later_doubts_the_first(runs, duplicated):
    record = held(frame(10), frame(10, TWO), runs=runs)
    assert judge({LINE: {10}}, record, held()).duplicated == duplicated


def test_a_frame_twice_in_one_run_is_a_duplicate_whatever_the_runs_say():
    runs = {TWO: Continued(3, ONE, True)}
    record = held(frame(10, seq=1), frame(10, seq=2), frame(10, TWO), runs=runs)
    assert judge({LINE: {10}}, record, held()).duplicated == 1


def test_two_contents_at_one_place_are_a_twin():
    other = Seen(LINE, 11, Place(ONE, 1, 10), b"another")
    found = judge({LINE: {10, 11}}, held(frame(10)), held(other))
    assert (found.twins, found.in_record, found.on_disk) == (1, 1, 1)


def test_a_frame_that_nobody_sent_is_told():
    assert judge({LINE: {10}}, held(frame(10), frame(12)), held()).unsent == 1


def test_a_restart_may_state_a_little_too_much_and_nothing_else_may():
    sent = {LINE: set(range(10, 20))}
    frames = list(map(frame, range(10, 20)))
    found = judge(sent, held(*frames, hole(12, 14, RESTART), hole(17, 17)), held(), most=3)
    assert (found.gap_excess, found.gap_excess_max) == (4, 3)
    assert [(item.hole.first, item.frames) for item in found.excess] == [(12, 3), (17, 1)]
    assert [item.hole.first for item in beyond(found, 3)] == [17]
    assert [item.hole.first for item in beyond(found, 2)] == [12, 17]


def test_what_two_gaps_state_too_much_is_counted_once():
    found = judge({LINE: {10}}, held(frame(10), hole(9, 10), hole(10, 11)), held())
    assert found.gap_excess == 1 and len(found.excess) == 2


def test_gaps_and_runs_are_told_by_their_causes():
    runs = {ONE: Continued(1, None, False), TWO: Continued(2, ONE, False)}
    found = judge({}, held(hole(1, 2, RESTART), hole(3, 4), runs=runs), held())
    assert found.gaps == {"restart": 1, "not_kept": 1}
    assert found.runs == {"first_start": 1, "restart": 1}


def test_the_bound_of_a_restart_is_what_arrives_in_a_commit_and_a_sync():
    assert excess_max(60, 50_000_000, 0) == 4  # three frames, and the one under way
    assert excess_max(60, 50_000_000, NS) == 64


def test_an_instant_may_be_there_as_often_as_it_was_sent_and_is_lost_where_it_is_less_often():
    """A device whose clock was set back says the same instants again."""
    sent = {LINE: [10, 11, 11, 12]}
    twice = held(frame(10), frame(11), frame(11, seq=100), frame(12))
    found = judge(sent, twice, held())
    assert (found.sent, found.in_record, found.lost, found.duplicated) == (4, 4, 0, 0)
    once = held(frame(10), frame(11), frame(12))
    found = judge(sent, once, held())
    assert (found.in_record, found.lost, found.lost_spans) == (3, 1, (Lost(LINE, 11, 11, 1),))
    thrice = held(*twice.frames, frame(11, seq=101))
    assert judge(sent, thrice, held()).duplicated == 1
