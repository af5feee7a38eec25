"""Small signals: what a system does when it is moved a little, as a matrix, and its modes."""

import math

from hil.power.demand import Drive
from hil.power.matrix import solved
from hil.power.plant import Plant

STEP = 1e-6  # of a state, rad or per unit: differences are exact to its square


def state_matrix(plant: Plant) -> list[list[float]]:
    """Of angles, speeds, valves and lags of all machines at first, by central differences."""
    first = plant.first()
    net = plant.network(first.topology)
    swing = plant._swing(first.topology)
    drive = Drive([1.0] * len(plant.case.load), first.dc)
    at = [*first.angle, *first.speed, *first.gate, *first.lag]
    count = len(first.angle)

    def settle(inner: list[complex], speeds: dict[int, float]) -> list[complex]:
        injected = list(first.injected)
        return plant._demand.settled(net, first.topology, inner, drive, speeds, injected)

    def slope(x: list[float]) -> list[float]:
        four = (x[:count], x[count : 2 * count], x[2 * count : 3 * count], x[3 * count :])
        return [one for part in swing.slope(four, first.reference, settle) for one in part]

    columns = []
    for n, value in enumerate(at):
        more, less = list(at), list(at)
        more[n], less[n] = value + STEP, value - STEP
        pairs = zip(slope(more), slope(less), strict=True)
        columns.append([(a - b) / (2 * STEP) for a, b in pairs])
    return [list(row) for row in zip(*columns, strict=True)]


def mode(matrix: list[list[float]], hz: float) -> tuple[complex, list[complex]]:
    """The mode near a frequency: its eigenvalue and eigenvector, by inverse iteration."""
    size, near = len(matrix), complex(-0.1, 2 * math.pi * hz)
    vector = [complex(1 + n / 10) for n in range(size)]
    for turn in range(12):
        if turn == 3:
            near += 1e-7  # of what it came to: never the eigenvalue itself
        shifted = [
            [value - near * (row == n) for n, value in enumerate(values)]
            for row, values in enumerate(matrix)
        ]
        new = [one for (one,) in solved(shifted, [[one] for one in vector])]
        largest = max(new, key=abs)
        vector = [one / largest for one in new]
    turned = [sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix]
    length = sum(abs(one) ** 2 for one in vector)
    return sum(a * b.conjugate() for a, b in zip(turned, vector, strict=True)) / length, vector
