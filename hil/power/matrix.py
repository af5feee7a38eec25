"""Dense linear equations of some tens of unknowns, in plain Python.

1. Pivots are the largest of their column: the same input gives the same bits.
2. Rows of zeros in the way are skipped; an admittance matrix is mostly zeros.

It is for what happens when something is switched, not for each step.
"""

from typing import TypeVar

Number = TypeVar("Number", float, complex)
PIVOT_LEAST = 1e-12  # of matrices per unit, whose entries are 0.1 to 1,000


class SingularError(ArithmeticError):
    """The equations have no one solution."""


def solved(matrix: list[list[Number]], right: list[list[Number]]) -> list[list[Number]]:
    """X of matrix X = right, by Gauss and Jordan. Raises SingularError."""
    size = len(matrix)
    rows = [one + other for one, other in zip(matrix, right, strict=True)]
    for at in range(size):
        best = max(range(at, size), key=lambda row: abs(rows[row][at]))
        pivot = rows[best][at]
        if abs(pivot) < PIVOT_LEAST:
            raise SingularError(f"unknown {at} of {size} cannot be told")
        rows[at], rows[best] = rows[best], rows[at]
        # Columns before `at` are those of the identity by now.
        ruling = [value / pivot for value in rows[at][at:]]
        rows[at][at:] = ruling
        for row in range(size):
            factor = rows[row][at]
            if row != at and factor:
                tail = rows[row][at:]
                rows[row][at:] = [x - factor * y for x, y in zip(tail, ruling, strict=True)]
    return [row[size:] for row in rows]


def inverse(matrix: list[list[complex]]) -> list[list[complex]]:
    """Raises SingularError."""
    size = len(matrix)
    return solved(matrix, [[complex(row == at) for at in range(size)] for row in range(size)])
