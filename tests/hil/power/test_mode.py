"""Small signals: the modes of a system are those of the books, of an independent reduction of its
network, and of its own motion in time."""

import cmath
import math
from dataclasses import replace

import pytest

from hil.power import case, flow
from hil.power.case import Case
from hil.power.model import Model
from tests.hil.power.linear import mode, state_matrix
from tests.hil.power.system import T0, classical


def test_the_inter_area_mode_has_frequency_and_damping_of_kundurs_example() -> None:
    """Table E12.3 (manual excitation): -0.111 +- j 3.43, which is 0.546 Hz and 0.0323. Detailed
    machines there, classical ones here: the frequency is within 3 %."""
    found, vector = mode(state_matrix(Model(case.load("two-area"), T0, noise=0.0).plant), 0.55)
    assert found.imag / (2 * math.pi) == pytest.approx(3.43 / (2 * math.pi), rel=0.03)
    assert -found.real / abs(found) == pytest.approx(0.0323, abs=0.001)
    west, east = vector[4:6], vector[6:8]  # speeds
    for one in west:  # each area as one against the other
        for other in east:
            assert abs(cmath.phase(one / other)) > math.radians(170)
        assert abs(cmath.phase(one / west[0])) < math.radians(10)


@pytest.mark.parametrize(("name", "hz"), [("two-area", 0.55), ("ieee9", 1.4), ("ieee39", 0.63)])
def test_what_is_moved_along_a_mode_swings_and_decays_as_the_mode_says(
    name: str, hz: float
) -> None:
    plant = Model(case.load(name), T0, noise=0.0).plant
    found, vector = mode(state_matrix(plant), hz)
    first, count = plant.first(), len(plant.machines)
    size = 1e-4 / max(map(abs, vector[:count]))  # the most that an angle is moved, rad
    moved = [
        tuple(
            value + size * vector[n * count + at].real
            for at, value in enumerate(getattr(first, of))
        )
        for n, of in enumerate(("angle", "speed", "gate", "lag"))
    ]
    state = replace(first, angle=moved[0], speed=moved[1], gate=moved[2], lag=moved[3])
    seconds = 4.0 if name == "ieee39" else 8.0
    for step in range(1, round(seconds * plant.rate) + 1):
        state = plant.advanced(state, (), T0)
        if step % 97:
            continue
        turn = size * cmath.exp(found * step / plant.rate)
        for n, of in ((0, "angle"), (1, "speed")):
            own = vector[n * count : (n + 1) * count]
            largest = max(map(abs, own)) * size
            for value, still, part in zip(getattr(state, of), getattr(first, of), own, strict=True):
                assert value - still == pytest.approx((turn * part).real, abs=0.01 * largest)


# --- another way to the same equations ------------------------------------------------------------


def _reduced(loaded: Case, volts: tuple[complex, ...]) -> list[list[complex]]:
    """The admittances between inner voltages (Kron): loads and shunts as admittances, buses
    eliminated one by one. Nothing of hil.power.network is in it."""
    at = {row.name: n for n, row in enumerate(loaded.bus)}
    buses, machines = len(at), len(loaded.machine)
    y = [[0j] * (buses + machines) for _ in range(buses + machines)]

    def between(a: int, b: int, own: complex) -> None:
        for one, other in ((a, b), (b, a)):
            y[one][one] += own
            y[one][other] -= own

    for n, bus in enumerate(loaded.bus):
        y[n][n] += 1j * bus.shunt_mvar / loaded.base_mva
    for row in loaded.branch:
        f, t, series, tap = at[row.begin], at[row.end], 1 / complex(row.r, row.x), row.tap or 1.0
        # MATPOWER manual 3.2: an ideal transformer at the from end, charging behind it.
        y[f][f] += (series + 0.5j * row.b) / tap**2
        y[t][t] += series + 0.5j * row.b
        y[f][t] -= series / tap
        y[t][f] -= series / tap
    for load in loaded.load:
        n = at[load.bus]
        y[n][n] += complex(load.mw, -load.mvar) / loaded.base_mva / abs(volts[n]) ** 2
    for n, one in enumerate(loaded.machine):
        between(at[one.bus], buses + n, 1 / (1j * one.x_transient * loaded.base_mva / one.mva))
    for gone in range(buses):
        for n in range(gone + 1, len(y)):
            share = y[n][gone] / y[gone][gone]
            if share:
                for column in range(gone, len(y)):
                    y[n][column] -= share * y[gone][column]
    return [own[buses:] for own in y[buses:]]


@pytest.mark.parametrize("name", ["ieee9", "ieee39"])
def test_machines_pull_at_each_other_as_the_reduced_network_has_it(name: str) -> None:
    """P_i = sum E_i E_j (G_ij cos d_ij + B_ij sin d_ij) (Anderson and Fouad 2.57; Sauer and Pai
    7.9.3); d speed_i / d angle_j is -dP_i / d angle_j over 2 H_i of the system base."""
    loaded = classical(name)
    plant = Model(loaded, T0, noise=0.0).plant
    found, y = state_matrix(plant), _reduced(loaded, flow.solve(loaded).volts)
    first, count = plant.first(), len(loaded.machine)
    e = [one.inner for one in plant.machines]
    for i, row in enumerate(loaded.machine):
        pull = [0.0] * count
        given = e[i] ** 2 * y[i][i].real
        for j in range(count):
            if j != i:
                d, g, b = first.angle[i] - first.angle[j], y[i][j].real, y[i][j].imag
                given += e[i] * e[j] * (g * math.cos(d) + b * math.sin(d))
                pull[j] = e[i] * e[j] * (g * math.sin(d) - b * math.cos(d))
        pull[i] = -sum(pull)
        assert given == pytest.approx(first.reference[i], abs=1e-8)
        twice_h = 2 * row.h_s * row.mva / loaded.base_mva
        for j in range(count):
            assert found[count + i][j] == pytest.approx(-pull[j] / twice_h, abs=1e-6)
        assert found[i][count + i] == pytest.approx(2 * math.pi * 60)  # rad/s a per unit of speed
