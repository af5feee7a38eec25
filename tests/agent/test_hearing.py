"""Hearing: every hole is stated with its count and cause, and only holes are."""

import pytest

from agent import hearing as hears
from agent.health import RING_BYTES, RING_FRAMES, Health
from agent.hearing import STREAMS_MAX, Hearing
from agent.moment import Moment
from agent.sealer import BODY_BYTES_MAX, Piece
from drivers.line import Frame
from evidence import event, gap
from evidence.code import Cause, Check, Flag, Kind
from evidence.gap import Gap
from evidence.leap import NS
from evidence.observation import Sample
from tests.agent.listening import begin, hear, holes, sealed
from tests.agent.site import PERIOD, START, Time, bad, frame, setup


def test_missing_frames_are_one_gap_before_the_next(
    hearing: Hearing, health: Health, time: Time
) -> None:
    time.go(NS)
    hear(hearing, setup(), frame(0), frame(1), frame(5), frame(6))
    samples = sealed(hearing)
    assert [one.kind == Kind.GAP for one in samples] == [False, False, True, False, False]
    first, last = START + PERIOD + 1, START + 5 * PERIOD - 1
    assert holes(samples) == [Gap(Cause.NOT_HEARD, first, last, 3)]
    assert (samples[2].tai, samples[2].heard) == (time.tai, 0), "stated by the gateway's clock"
    assert health.gaps == {"not_heard": 1}


@pytest.mark.parametrize("split", [False, True], ids=["one read", "two reads"])
def test_one_missing_frame_is_a_gap_of_one(hearing: Hearing, split: bool) -> None:
    hear(hearing, setup(), frame(0))
    if split:
        hear(hearing, frame(2))
    else:
        hear(hearing, frame(2), frame(3))
    assert [hole.count for hole in holes(sealed(hearing))] == [1]


def test_a_hole_after_the_line_was_lost_says_so_once(hearing: Hearing) -> None:
    hear(hearing, setup(), frame(0))
    hearing.lost("pmu")
    hear(hearing, setup(), frame(10), frame(12))
    found = [(hole.cause, hole.count) for hole in holes(sealed(hearing))]
    assert found == [(Cause.DRIVER_DOWN, 9), (Cause.NOT_HEARD, 1)]


def test_a_line_back_without_a_hole_is_not_blamed_later(hearing: Hearing) -> None:
    hear(hearing, setup(), frame(0))
    hearing.lost("pmu")
    hear(hearing, setup(), frame(1), frame(2))
    hear(hearing, frame(9))
    assert [hole.cause for hole in holes(sealed(hearing))] == [Cause.NOT_HEARD]


def test_another_lines_loss_is_not_ours(hearing: Hearing) -> None:
    hear(hearing, setup(), frame(0))
    hearing.lost("other")
    hear(hearing, frame(9))
    assert [hole.cause for hole in holes(sealed(hearing))] == [Cause.NOT_HEARD]


@pytest.mark.parametrize("rate", [60, 30, 120])
@pytest.mark.parametrize("base", [1_000_000, 16_777_215, 1000])
def test_rounded_fracsec_is_no_hole(hearing: Hearing, rate: int, base: int) -> None:
    """IEEE C37.118.2-2011 6.2: FRACSEC counts in 1/TIME_BASE, so that 1/60 s is never exact."""
    hear(hearing, setup(rate=(rate, 1)))
    for number in range(3 * rate):
        second, place = divmod(number, rate)
        fracsec = place * base // rate
        hear(hearing, frame(number, tai=START + second * NS + fracsec * NS // base))
    samples = sealed(hearing)
    assert len(samples) == 3 * rate
    assert holes(samples) == []


def test_slow_rates_are_in_seconds_per_frame(hearing: Hearing) -> None:
    hear(
        hearing,
        setup(rate=(1, 10)),
        *(frame(n, tai=START + at * NS) for n, at in enumerate((0, 10, 20, 50))),
    )
    assert [hole.count for hole in holes(sealed(hearing))] == [2]


def test_without_a_rate_nothing_is_called_a_hole(hearing: Hearing) -> None:
    hear(hearing, setup(rate=(0, 0)), frame(0), frame(500))
    assert holes(sealed(hearing)) == []


def test_a_faster_rate_makes_no_hole_of_the_slower_ones_period(hearing: Hearing) -> None:
    hear(hearing, setup(rate=(25, 1)), frame(0), frame(2), setup(rate=(50, 1)), frame(4), frame(5))
    assert holes(sealed(hearing)) == []


def test_a_new_configuration_is_a_new_descriptor_in_the_same_chain(hearing: Hearing) -> None:
    hear(hearing, setup(cfg=b"one"), frame(0), frame(1), setup(cfg=b"two"), frame(2))
    piece = hearing.take()[0]
    first, second = piece.stretches
    assert first.descriptor != second.descriptor
    assert (first.first_seq, first.last_seq, second.first_seq) == (1, 2, 4)
    assert len(piece.statements) == 2


def test_the_same_setup_again_keeps_its_descriptor(hearing: Hearing) -> None:
    hear(hearing, setup(cfg=b"one"), frame(0))
    hear(hearing, setup(cfg=b"one"), frame(1))
    (only,) = hearing.take()[0].stretches
    assert (only.first_seq, only.last_seq) == (1, 2)


def test_bad_frames_are_counted_kept_for_a_look_and_not_sealed(
    hearing: Hearing, health: Health
) -> None:
    hear(hearing, setup(), frame(0))
    for number in range(RING_FRAMES + 5):
        hear(hearing, bad(number.to_bytes(2, "big") + bytes(RING_BYTES)))
    assert [one.raw for one in sealed(hearing)] == [frame(0).raw]
    assert health.source("pmu").faults == {"chk": RING_FRAMES + 5}
    assert len(health.ring) == RING_FRAMES
    assert health.ring[-1].raw == (RING_FRAMES + 4).to_bytes(2, "big") + bytes(RING_BYTES - 2)
    assert health.report()["faults"] == RING_FRAMES + 5


def test_a_stream_too_many_is_a_fault_with_a_name(hearing: Hearing, health: Health) -> None:
    for number in range(STREAMS_MAX - 1):  # and the gateway's own
        hear(hearing, setup(str(number)), frame(0, str(number)))
    hear(hearing, setup("more", b"cfg"), frame(0, "more"), frame(0, "0"))
    assert health.source("pmu").faults == {"streams": 2}
    piece = hearing.take()[0]
    assert piece.observations == STREAMS_MAX
    assert len({one.stream for one in piece.stretches}) == STREAMS_MAX - 1


def test_numbers_on_disk_bound_new_streams_too(
    hearing: Hearing, health: Health, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hears, "NUMBERS_MAX", 3)
    hearing.attach(begin(2), {("gateway", "own"): 0, ("gone", "1"): 1, ("gone", "2"): 2})
    hear(hearing, setup("new"), frame(0, "new"))
    assert health.source("pmu").faults == {"streams": 2}
    hearing.hear("gone", [setup("1"), frame(0, "1")])
    assert len(sealed(hearing, 1)) == 1


def test_a_stream_keeps_its_number_and_a_new_one_gets_a_new_number(hearing: Hearing) -> None:
    hearing.attach(begin(2), {("gateway", "own"): 0, ("gone", "1"): 7, ("pmu", "7"): 3})
    hear(hearing, setup("7"), frame(0, "7"), setup("9"), frame(0, "9"))
    piece, new = hearing.take()
    assert {one.stream for one in piece.stretches} == {3, 8}
    assert new == [(8, "pmu", "9")]


def test_without_a_sealer_frames_are_counted_then_stated(hearing: Hearing, health: Health) -> None:
    hear(hearing, setup(), frame(0))
    hearing.take()
    unsent: Piece = hearing.detach()
    assert unsent.observations == 0
    hear(hearing, frame(1), frame(2))
    hear(hearing, frame(3))
    assert health.unkept == 3
    assert health.source("pmu").sealed == 1
    hearing.attach(begin(2))
    hear(hearing, frame(4))
    samples = sealed(hearing)
    assert holes(samples) == [Gap(Cause.NOT_KEPT, START + PERIOD, START + 3 * PERIOD, 3)]
    assert samples[-1].raw == frame(4).raw


@pytest.mark.parametrize("back", [50, 3000], ids=["late", "a clock set back"])
@pytest.mark.parametrize("sealed_before", [False, True], ids=["heard only", "sealed before"])
def test_what_is_not_kept_says_nothing_of_what_was_before(
    hearing: Hearing, health: Health, back: int, sealed_before: bool
) -> None:
    hear(hearing, setup(), *map(frame, range(4001)))
    hearing.take()
    if not sealed_before:
        hearing.detach()
    late = [4001 - back, 4002 - back] if back > 100 else [4001 - back, 4002]
    hear(hearing, frame(4001), *map(frame, late))
    absent = hearing.detach().stretches
    hearing.attach(begin(2))
    hearing.again(absent, {}, room=False)
    assert health.unkept == 3
    assert health.forgone == (3 if sealed_before else 0)
    found = [(hole.first, hole.last) for hole in holes(sealed(hearing))]
    missing = sorted({frame(number).tai for number in (4001, *late)})
    near = range(4001 - 150, 4003)
    there = [tai for tai in (frame(number).tai for number in near) if tai not in missing]
    assert all(any(low <= tai <= high for low, high in found) for tai in missing)
    assert not any(low <= tai <= high for tai in there for low, high in found)


def test_a_check_that_trips_before_the_run_is_open_is_sealed_in_it(
    hearing: Hearing, time: Time
) -> None:
    hear(hearing, setup(), frame(0))
    hearing.detach()
    hearing.checks.find(Check.UNSYNCHRONISED, None, "nobody measures the clock")
    hearing.attach(begin(2))
    hearing.watch(time.monotonic_ns())
    (one,) = [one for one in sealed(hearing, 0) if one.kind == Kind.EVENT]
    assert event.read(one.raw).check == Check.UNSYNCHRONISED


def test_what_came_before_its_setup_is_stated_when_that_comes(hearing: Hearing) -> None:
    hear(hearing, frame(1), frame(2))
    hearing.detach()
    hearing.attach(begin(2))
    hearing.again((), {})
    hear(hearing, setup(), frame(3))
    assert holes(sealed(hearing)) == [Gap(Cause.NOT_KEPT, frame(1).tai, frame(2).tai, 2)]


def test_what_is_given_up_is_stated_however_many_streams_are_heard(hearing: Hearing) -> None:
    hearing.detach()
    hearing.attach(begin(2), {("gateway", "own"): 0, ("pmu", "gone"): 1})
    for number in range(STREAMS_MAX):
        hear(hearing, setup(f"{number}"), frame(0, f"{number}"))
    hearing.take()
    hole = Gap(Cause.NOT_KEPT, START, START + PERIOD, 2)
    hearing.give_up(1, int(Kind.C37118), [hole])
    assert holes(sealed(hearing)) == [hole]


def test_the_health_report_counts_what_was_heard_and_sealed(
    hearing: Hearing, health: Health
) -> None:
    hear(hearing, setup(), frame(0), bad(b"x"), frame(1))
    report = health.report()
    assert (report["heard"], report["sealed"], report["faults"]) == (3, 2, 1)
    assert report["sources"]["pmu"]["last_tai"] == frame(1).tai


def test_a_hole_across_a_new_rate_is_stated_from_the_last_measurement(hearing: Hearing) -> None:
    hear(hearing, setup(rate=(25, 1)), frame(0), frame(2), setup(rate=(50, 1)), frame(12))
    (hole,) = holes(sealed(hearing))
    assert (hole.first, hole.last, hole.count) == (frame(2).tai + 1, frame(12).tai - 1, 9)


def test_a_rate_learned_late_makes_no_hole_of_what_was_before(hearing: Hearing) -> None:
    hear(hearing, setup(rate=(0, 0)), frame(0), setup(rate=(50, 1)), frame(40), frame(42))
    assert [hole.count for hole in holes(sealed(hearing))] == [1]


def test_a_line_that_says_nothing_more_has_its_hole_stated_too(hearing: Hearing) -> None:
    hear(hearing, setup(), frame(0))
    hearing.take()
    hearing.detach()
    hear(hearing, frame(1), frame(2))
    hearing.attach(begin(2))
    hearing.again((), {})
    (hole,) = sealed(hearing)
    assert gap.read(hole.raw) == Gap(Cause.NOT_KEPT, START + PERIOD, START + 2 * PERIOD, 2)
    hear(hearing, frame(3))
    assert [one.raw for one in sealed(hearing)] == [frame(3).raw], "stated once"


@pytest.mark.parametrize("order", [(0, 1, 2, 1, 3), (0, 1, 2, 2, 3), (1, 2, 0, 3, 4)])
def test_what_comes_late_or_twice_makes_no_hole(
    hearing: Hearing, health: Health, order: tuple[int, ...]
) -> None:
    hearing.hear("pmu", [setup(), *map(frame, order)])
    assert health.gaps == {}
    assert health.sealed == len(order)


def test_a_hole_while_the_disk_takes_nothing_is_part_of_what_was_not_kept(
    hearing: Hearing, health: Health
) -> None:
    hear(hearing, setup(), frame(0))
    hearing.detach()
    hear(hearing, frame(1), frame(5))
    hearing.attach(begin(2))
    hear(hearing, frame(6))
    assert health.unkept == 2
    assert holes(sealed(hearing)) == [Gap(Cause.NOT_KEPT, frame(0).tai + PERIOD, frame(5).tai, 5)]


def test_what_is_sealed_anew_goes_into_pieces_that_a_batch_can_hold(hearing: Hearing) -> None:
    def long(first: int) -> list[Frame]:
        return [frame(number, raw=bytes(60_000)) for number in range(first, first + 80)]

    hear(hearing, setup(), *long(0))
    committing, _ = hearing.take()
    hear(hearing, *long(80))
    absent = (*committing.stretches, *hearing.detach().stretches)
    hearing.attach(begin(2))
    hearing.again(absent, {})
    pieces = [hearing.take()[0], hearing.take()[0]]
    assert [piece.observations for piece in pieces] == [80, 80]
    assert all(piece.size <= BODY_BYTES_MAX for piece in pieces)
    assert hearing.size == 0


@pytest.mark.parametrize("tai", [-1, 1 << 63])
def test_an_instant_that_cannot_be_signed_spoils_no_batch(
    hearing: Hearing, health: Health, tai: int
) -> None:
    hear(hearing, setup(), frame(0), frame(1)._replace(tai=tai), frame(2))
    assert health.sealed == 2 + sum(health.gaps.values())
    assert health.source("pmu").faults == {"instant": 1}


def flags_of(samples: list[Sample]) -> list[tuple[bytes, Flag]]:
    marks = Flag.SPOOF_SUSPECTED | Flag.PLACE_CHECKED | Flag.TIME_DOUBTED
    return [(one.raw, Flag(one.flags) & marks) for one in samples if one.kind == Kind.C37118]


def test_frames_of_one_read_between_which_the_marks_change_have_each_its_own(
    hearing: Hearing,
) -> None:
    hearing.moment = Moment(int(Flag.PLACE_CHECKED))
    hear(hearing, setup(), frame(0), frame(1))
    hearing.moment = Moment(int(Flag.SPOOF_SUSPECTED))
    hear(hearing, frame(2))
    hearing.moment = Moment(int(Flag.PLACE_CHECKED))
    hear(hearing, frame(3))
    stretches = [one for one in hearing.take()[0].stretches if one.stream == 1]
    assert [one.marks for one in stretches] == [
        *(int(Flag.PLACE_CHECKED), int(Flag.SPOOF_SUSPECTED), int(Flag.PLACE_CHECKED)),
    ]


def test_a_frame_that_is_found_wrong_carries_the_mark_and_the_one_before_it_in_its_read_does_not(
    hearing: Hearing,
) -> None:
    hear(hearing, setup(), frame(0))
    early = frame(2)
    early = early._replace(heard=early.heard._replace(tai=early.tai - 3 * NS))
    hear(hearing, frame(1), early, frame(3))
    assert flags_of(sealed(hearing)) == [
        *((frame(0).raw, Flag(0)), (frame(1).raw, Flag(0))),
        *((early.raw, Flag.TIME_DOUBTED), (frame(3).raw, Flag.TIME_DOUBTED)),
    ]


def test_what_is_sealed_anew_keeps_the_marks_of_its_own_moment(hearing: Hearing) -> None:
    """After a failed commit: what was heard while spoofing was suspected says so in the new run,
    and nothing else does.
    """
    hearing.moment = Moment(int(Flag.PLACE_CHECKED))
    hear(hearing, setup(), frame(0))
    hearing.moment = Moment(int(Flag.SPOOF_SUSPECTED))
    hear(hearing, frame(1), frame(2))
    committing, _ = hearing.take()
    hearing.moment = Moment(int(Flag.PLACE_CHECKED))
    hear(hearing, frame(3))
    absent = (*committing.stretches, *hearing.detach().stretches)
    hearing.moment = Moment()
    hearing.attach(begin(2))
    durable = next(one.first_seq for one in committing.stretches if one.stream == 1)
    hearing.again(absent, {1: durable})  # the first frame is on the disk all the same
    hear(hearing, frame(4))
    assert flags_of(sealed(hearing)) == [
        (frame(1).raw, Flag.SPOOF_SUSPECTED),
        (frame(2).raw, Flag.SPOOF_SUSPECTED),
        (frame(3).raw, Flag.PLACE_CHECKED),
        (frame(4).raw, Flag(0)),
    ]


def test_where_there_is_no_room_for_it_it_is_counted_and_stated(
    hearing: Hearing, health: Health
) -> None:
    """A receiver is read whatever the disk does; what it says is not kept then."""
    hear(hearing, setup(), frame(0))
    hearing.hear("pmu", [frame(1), frame(2), frame(5)], room=False)
    assert hearing.size and health.unkept == 3
    hear(hearing, frame(6))
    samples = sealed(hearing)
    assert [one.raw for one in samples if one.kind == Kind.C37118] == [frame(0).raw, frame(6).raw]
    assert holes(samples) == [Gap(Cause.NOT_KEPT, frame(1).tai, frame(5).tai, 5)]
    assert health.sealed == 3
