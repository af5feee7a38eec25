"""The ranges of a receipt: marks over classes, and how many there may be."""

from evidence.code import Reason
from evidence.head import Range
from evidence.receipt import Classed
from record.continuity import Mark
from record.overlay import MARKS_MAX, by_range, coarse, overlaid


def test_marks_lie_over_classes():
    base = [Classed(1, 1, 4, 1, 89), Classed(1, 8, 9, 5, 84)]
    marks = [Mark(3, 8, 4, 28), Mark(5, 5, 4, 29)]
    assert overlaid(base, 1, marks) == [
        Classed(1, 1, 2, 1, 89),
        Classed(1, 3, 7, 4, 28),
        Classed(1, 8, 9, 5, 84),
    ]
    assert overlaid((), 1, [Mark(n, n, 4, 28) for n in range(0, 200, 2)]) == [
        Classed(1, 0, 198, 4, 28)
    ]


def test_a_receipt_stays_short():
    parts = [[Classed(1, n, n, 1 + n % 2, 80) for n in range(1500)], [Classed(2, 1, 600, 1, 89)]]
    assert coarse(parts) == [row for part in parts for row in part]
    parts.append([Classed(3, n, n, 1 + n % 5, 80 + n % 5) for n in range(600)])
    assert coarse(parts) == [
        Classed(1, 0, 1499, 2, 80),
        Classed(2, 1, 600, 1, 89),
        Classed(3, 0, 599, 5, 84),
    ]


def test_ranges_of_a_receipt_belong_to_ranges_of_its_head():
    """A stream's leftovers of an earlier run, beside its own, and another stream between."""

    def part(stream: int, first: int, last: int) -> Range:
        return Range(stream, bytes(32), first, last, bytes(32), bytes(32))

    ranges = [part(1, 50, 60), part(2, 1, 9), part(1, 1, 60), part(3, 1, 5)]
    rows = [Classed(*row, 1, 89) for row in ((1, 50, 52), (1, 55, 60), (1, 3, 4), (1, 50, 60))]
    assert by_range(ranges, rows) == [rows[:2], [], rows[2:], []]
    assert by_range(ranges, [Classed(3, 1, 5, 1, 89)]) == [[], [], [], [Classed(3, 1, 5, 1, 89)]]
    long = Classed(1, 52, 61, 1, 89)
    assert by_range([part(1, 50, 60), part(1, 50, 70)], [long]) == [[], [long]]
    late = Classed(1, 2, 3, 1, 89)
    assert by_range(ranges, [late]) == [[], [], [late], []]


def test_what_an_authority_may_lift_hides_no_other_doubt():
    """A revoked key is the least of reasons where many ranges become one."""
    revoked, twin = (4, int(Reason.CREDENTIAL_REVOKED)), (4, int(Reason.TWIN))
    marks = [Mark(n, n, *twin) for n in range(0, 2 * MARKS_MAX, 2)]
    marks.append(Mark(0, 2 * MARKS_MAX, *revoked))
    assert {row[3:] for row in overlaid((), 1, marks)} == {twin}
    rows = [Classed(1, 2 * n, 2 * n, *(twin if n == 5 else revoked)) for n in range(2100)]
    (row,) = coarse([rows])
    assert row[3:] == twin
