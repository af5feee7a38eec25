"""A settlement is an entry of the log, however long its interval: it is split or summed up by a
rule that is stated, and never too long when all is done. And what is kept of one is numbers."""

import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from evidence import instant
from evidence.code import Agreement
from evidence.joint import record
from evidence.joint.measure import Measure, Term
from evidence.joint.record import ENTRY_BYTES_MAX
from evidence.joint.seam import Seam
from record.command import settle as command
from record.settle import job as jobs
from record.settle.corroboration import Heard, Pmu
from record.settle.interval import Stretch, cut
from record.settle.learning import Lessons
from tests.evidence.joint.sharing import WEST
from tests.record.gateway import NANOSECONDS, START
from tests.record.settle import border
from tests.record.settle.border import HOUR, LINE, MINUTE, RATE, TIE, Shared
from tests.record.settle.test_energy import GAINED, SENT, flowing, leaving
from tests.record.settle.test_job import I1, I2, V1, V2, fill, job_of, settle

PMU = Pmu(7, b"", bytes(16), 0)


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Shared]:
    found = Shared(tmp_path / "record.db", TIE, LINE)
    yield found
    found.upstream.close()


def split(shared: Shared, seam: Seam, stretch: Stretch, whole: bool = False) -> list[Stretch]:
    of = job_of(shared, seam, stretch).of
    found = command._jobs(shared.store, shared.known(), of, stretch, shared.size, whole)
    return [one.stretch for one in found]


def test_what_an_entry_does_not_hold_is_settled_by_the_next_finer_interval(
    shared: Shared, monkeypatch: pytest.MonkeyPatch
):
    """An hour whose batches came minute by minute; an entry of a tenth of its size."""
    for meter, say in (
        (shared.meter(TIE.sides[0]), flowing(SENT)),
        (shared.meter(TIE.sides[1]), leaving(GAINED)),
    ):
        for minute in range(-2, 63):
            shared.play(meter, say, [minute])
    assert split(shared, TIE, HOUR) == [HOUR]
    whole = jobs.leaves_bytes(job_of(shared, TIE, HOUR))
    monkeypatch.setattr(command, "LEAVES_BYTES_MAX", whole // 2)
    quarters = list(cut(*HOUR, 15 * MINUTE))
    assert split(shared, TIE, HOUR) == quarters
    assert split(shared, TIE, HOUR, whole=True) == [HOUR]  # nothing is to be logged
    for part in quarters:
        found = settle(shared, TIE, part)
        assert jobs.leaves_bytes(found.job) <= whole // 2
        assert found.outcome.verdict == Agreement.AGREED


@pytest.mark.parametrize("words", ["a name", "x" * 250, "\u20ac" * 85])
def test_a_tolerance_of_many_instruments_is_summed_up(words: str):
    """What is largest keeps its name, and the whole stays what it was."""
    terms = tuple(Term(f"{at} {words}"[:256], float(at)) for at in range(64))
    measures = [Measure(str(at), "1", 0j, 0.0, 0.0, terms) for at in range(64)]
    summed = list(map(jobs._summed_up, measures))
    assert all(one.tolerance == measures[0].tolerance for one in summed)
    assert sum(map(jobs._words, summed)) < 64 * 600
    assert [term.amount for term in summed[0].terms][:5] == [59.0, 60.0, 61.0, 62.0, 63.0]
    assert summed[0].terms[-1].source == "59 smaller ones"


def test_the_longest_that_is_said_fits_an_entry(shared: Shared):
    """A sum of 28 branches a side: every instrument is named, and leaves take all they may."""
    fill(border.Pmu(shared, LINE.sides[0]), V1, I1)
    fill(border.Pmu(shared, LINE.sides[1]), V2, -I2)
    found = settle(shared, LINE)
    terms = tuple(Term(f"{at}: {'class 5P20 ' * 9}", float(at)) for at in range(60))
    measures = tuple(jobs._summed_up(replace(one, terms=terms)) for one in found.outcome.measures)
    size = 1 << 30
    step = size // 9000
    leaves = replace(found.job.leaves[0], tree_size=size, indexes=tuple(range(0, size, step)))
    job = found.job._replace(leaves=(replace(leaves, indexes=leaves.indexes[:3500]),) * 2)
    assert 34_000 < jobs.leaves_bytes(job) <= jobs.LEAVES_BYTES_MAX
    outcome = replace(found.outcome, measures=measures, why="y" * 4096, verdict=Agreement.AGREED)
    payload = found._replace(job=job, outcome=outcome).record(WEST).payload()
    assert len(payload) < ENTRY_BYTES_MAX - 256
    assert record.read(payload).elements == (LINE.name,)


def test_what_is_learned_is_of_the_last_whose_leaves_an_entry_holds(
    shared: Shared, monkeypatch: pytest.MonkeyPatch
):
    for pmu, (volt, amp) in zip(
        [border.Pmu(shared, side) for side in LINE.sides], ((V1, I1), (V2, -I2)), strict=True
    ):
        for second in range(0, 200, 10):
            fill(pmu, volt, amp, 10, second)
    lessons = Lessons()
    some = [
        settle(shared, LINE, part)
        for part in cut(START, START + 200 * NANOSECONDS, 20 * NANOSECONDS)
    ]
    room = sum(jobs.leaves_bytes(one.job) for one in some[5:])
    monkeypatch.setattr("record.settle.learning.LEAVES_BYTES_MAX", room)
    for one in some:
        lessons.add(one)
    made = lessons.record(shared.store, WEST)
    assert (made.begins, made.ends) == (some[5].job.stretch.begins, some[-1].job.stretch.ends)
    assert lessons.left_out == 5


def test_what_a_settlement_keeps_of_a_sample_is_numbers(
    shared: Shared, monkeypatch: pytest.MonkeyPatch
):
    """Ten seconds and forty: what more is kept at its peak is below a kilobyte a sample,
    where all readings as they are take more than two."""
    for pmu, (volt, amp) in zip(
        [border.Pmu(shared, side) for side in LINE.sides], ((V1, I1), (V2, -I2)), strict=True
    ):
        for second in range(0, 40, 5):
            fill(pmu, volt, amp, 5, second)
    monkeypatch.setattr("record.series.READINGS_MAX", 500)
    peaks = []
    for seconds in (10, 40):
        stretch = Stretch(START, START + seconds * NANOSECONDS)
        asked, known = job_of(shared, LINE, stretch), shared.known()
        tracemalloc.start()
        try:
            found = jobs.settled(shared.store, known, asked)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
        assert found.outcome.counts.compared == seconds * RATE
    grown = peaks[1] - peaks[0]
    windows = 30 * 14_000  # a window's readings, with the terms of each
    assert grown - windows < 2 * RATE * 30 * 900


def heard(*told: tuple[str, int, complex | None]) -> Heard:
    found = Heard(PMU)
    for gateway, tai, value in told:
        found.add((tai, 1000), gateway, "V", value)
        if tai % 2:
            found.pack()
    return found


def test_order_of_arrival_and_packing_change_nothing():
    told = [("a", 3, 1 + 1j), ("b", 3, 1 + 1j), ("a", 1, 2j), ("b", 2, None), ("b", 4, 5 + 0j)]
    one, other = heard(*told), heard(*reversed(told), *told)
    assert list(one.instants()) == list(other.instants())
    assert [each.tai for each in one.instants()] == [1, 2, 3, 4]
    assert [list(each.values) for each in one.instants()] == [[2j], [None], [1 + 1j], [5 + 0j]]


def test_gateways_that_differ_dispute_an_instant_and_so_does_one_with_itself():
    two = heard(("a", 1, 1j), ("b", 1, 2j), ("a", 2, 1j), ("b", 2, 1j))
    assert [one.tai for one in two.instants()] == [2]
    assert [one.text for one in two.disputed.values()] == [
        f"a and b tell different values of the PMU 7, of 1 instant, {instant.words(1)}"
    ]
    for told in ([("a", 1, 1j), ("a", 1, 2j)], [("a", 2, 1j), ("a", 2, 2j)]):
        alone = heard(*told)
        assert len(alone) == 0
        assert [one.text for one in alone.disputed.values()] == [
            f"a tells different values of the PMU 7, of 1 instant, {instant.words(told[0][1])}"
        ]
