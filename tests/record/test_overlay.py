"""The ranges of a receipt: marks over classes, and how many there may be."""

from evidence.receipt import Classed
from record.continuity import Mark
from record.overlay import coarse, overlaid


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
