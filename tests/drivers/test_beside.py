"""Two clocks by what the grid does: what a real PMU measured, shifted against itself, and what may
look like a clock and is none.
"""

import math
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from drivers import decode
from drivers.ieee1344.session import Session, Terms
from drivers.line import Frame, Instant, Setup
from drivers.pmu.beside import STEP_NS, Beside, Finding, Reading, State, compare, step_of, together
from evidence.code import Kind
from evidence.leap import NS

START = 1_790_000_037 * NS
CYCLE_S = 1 / 60
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)  # an example takes a second


def ramp(t: float) -> float:
    """20 mHz in ten minutes, and no more."""
    return -0.03 + 0.02 * t / 600


def dip(t: float) -> float:
    """A unit is lost."""
    return -0.02 * (1 - math.exp(-(t - 200) / 3)) * math.exp(-(t - 200) / 60) if t > 200 else 0.0


def loss(t: float) -> float:
    """A large unit, and what swings after it."""
    since = t - 200
    return -0.1 * math.exp(-since / 60) * (1 - math.cos(since) / (1 + since)) if t > 200 else 0.0


def swing(t: float) -> float:
    return 0.01 * math.sin(t / 24)


def still(t: float) -> float:
    return -0.03


class Twins:
    """Two devices of one bus; the second's clock is ahead by `off_s`."""

    def __init__(
        self,
        frequency: Callable[[float], float],
        off_s: float = 0.0,
        *,
        seed: int = 1,
        jump: tuple[float, float] = (1e9, 0.0),
        noise_deg: float = 0.04,
        seconds: int = 600,
    ) -> None:
        """Noise of angle and FREQ as a real PMU has it; `jump`: when, and by how many degrees."""
        self._rng = random.Random(seed)
        self._noise, self._jump, self._seconds = noise_deg, jump, seconds
        self._off_s = off_s
        self._turns = [0.0]
        for at in range(10 * (seconds + 10)):
            t = at / 10 - 5
            wave = 0.0008 * math.sin(2.6 * t)  # the inter-area mode that is always there
            self._turns.append(self._turns[-1] + (frequency(t) + wave) / 10)

    def _cycles(self, t: float) -> float:
        at, part = divmod((t + 5) * 10, 1)
        turns = self._turns
        return turns[int(at)] + (turns[int(at) + 1] - turns[int(at)]) * part

    def _reading(self, t: float, off_s: float, more_deg: float) -> Reading:
        rng = self._rng
        turn = self._cycles(t - off_s) - 60 * off_s
        angle = 2 * math.pi * turn + math.radians(more_deg + rng.gauss(0, self._noise))
        hz = 60 + (self._cycles(t - off_s + 0.05) - self._cycles(t - off_s - 0.05)) * 10
        angle = math.remainder(angle, 2 * math.pi)
        return Reading(
            START + round(t * 10) * NS // 10, angle, hz + rng.gauss(0, 0.005), rng.gauss(0, 1)
        )

    def heard(self) -> Beside:
        beside = Beside()
        for at in range(10 * self._seconds):
            t = at / 10
            more = 30 + (self._jump[1] if t >= self._jump[0] else 0.0)
            beside.add(self._reading(t, 0.0, 0.0), self._reading(t, self._off_s, more))
        return beside

    def found(self) -> Finding:
        beside = self.heard()
        return together(beside.by_angle(), beside.by_rate())


@pytest.mark.parametrize("frequency", [ramp, dip, swing])
@pytest.mark.parametrize("off_s", [CYCLE_S, -CYCLE_S])
def test_a_standing_cycle_is_found_in_ten_minutes_in_which_f_moves_by_20_mhz(
    frequency: Callable[[float], float], off_s: float
) -> None:
    found = Twins(frequency, off_s).found()
    assert found.state is State.OFF
    assert found.off_ns is not None and found.uncertainty_ns is not None
    assert abs(found.off_ns - off_s * NS) <= found.uncertainty_ns


@pytest.mark.parametrize("frequency", [ramp, dip, swing])
def test_honest_devices_are_in_step(frequency: Callable[[float], float]) -> None:
    assert Twins(frequency).found().state is State.IN_STEP


@pytest.mark.parametrize("off_s", [0.0, CYCLE_S])
def test_where_the_frequency_stands_still_nothing_can_be_told(off_s: float) -> None:
    assert Twins(still, off_s).found().state is State.NOT_SEPARABLE


@pytest.mark.parametrize("off_s", [1.0, -1.0])
def test_seconds_are_found_by_the_shape_of_the_frequency_too(off_s: float) -> None:
    beside = Twins(loss, off_s).heard()
    for found in (beside.by_angle(), beside.by_rate()):
        assert found.state is State.OFF
        assert found.off_ns is not None and found.uncertainty_ns is not None
        assert abs(found.off_ns - off_s * NS) <= found.uncertainty_ns < 0.5 * NS


@settings(max_examples=6, phases=PHASES)
@given(
    at=st.floats(20, 580),
    degrees=st.sampled_from([0.03, 0.1, 0.3, 0.5, 1.0, 1.9, 5.0, 30.0, -0.2]),
    seed=st.integers(0, 1000),
)
def test_a_jump_of_the_angle_is_a_switch_and_no_clock(at: float, degrees: float, seed: int) -> None:
    """Another voltage transformer, a tap, a breaker: in a ramp of f it looks most like a slope."""
    assert Twins(ramp, seed=seed, jump=(at, degrees)).found().state is not State.OFF


def test_two_grids_are_not_one_bus() -> None:
    """Turning against each other by 10 mHz, each moving as it likes."""
    first, second = Twins(swing, seed=1), Twins(lambda t: 0.01 + dip(t), seed=2)
    beside = Beside()
    for at in range(6000):
        beside.add(first._reading(at / 10, 0, 0), second._reading(at / 10, 0, 0))
    assert beside.by_angle().state is State.NOT_SEPARABLE
    assert "grids" in beside.by_angle().why or "buses" in beside.by_angle().why


@settings(max_examples=25)
@given(
    st.lists(
        st.tuples(*[st.floats(allow_nan=True, allow_infinity=True, width=32)] * 6),
        min_size=1,
        max_size=20,
    ),
    st.integers(1, 60),
)
def test_whatever_numbers_it_is_shown_it_finds_nothing_and_stays_calm(
    rows: list[tuple[float, ...]], turns: int
) -> None:
    beside = Beside()
    for at in range(turns * len(rows)):
        a, b, c, d, e, f = rows[at % len(rows)]
        tai = START + at * STEP_NS
        beside.add(Reading(tai, a, b, c), Reading(tai, d, e, f))
    beside.by_angle()
    beside.by_rate()


def test_missing_values_cost_only_themselves() -> None:
    twins, beside = Twins(swing, CYCLE_S), Beside()
    for at in range(6000):
        first, second = twins._reading(at / 10, 0, 0), twins._reading(at / 10, CYCLE_S, 0)
        beside.add(first, second._replace(angle_rad=math.nan) if at % 50 == 0 else second)
    assert beside.by_angle().state is State.OFF


def test_rates_have_instants_in_common_or_are_not_compared() -> None:
    assert step_of((60, 1), (60, 1)) == step_of((60, 1), (50, 1)) == NS // 10
    assert step_of((25, 1), (30, 1)) == NS // 5
    assert step_of((12, 1), (12, 1)) == step_of((24, 1), (60, 1)) == NS // 2
    assert step_of((12, 1), (25, 1)) is None
    assert step_of((1, 1), (60, 1)) is None and step_of((1, 10), (60, 1)) is None
    assert step_of((0, 0), (60, 1)) is None


# --- a real PMU


def shelby(events: Path) -> list[tuple[int, float, float, float, float]]:
    """Instants, angles of both buses, FREQ and DFREQ: 32 s at 30/s, 500 kV, 2007."""
    raw = (events / "pmu_capture_1344" / "Sample1344.PmuCapture").read_bytes()
    session = Session(Terms(commands=False, time_bound_ns=1000))
    heard = Instant(1_177_614_950 * NS, 1000)
    items = [*session.feed(raw, heard), *session.flush(heard)]
    (setup,) = [one for one in items if isinstance(one, Setup)]
    compiled = decode.compiled(Kind.IEEE1344, setup.configuration)
    rows = []
    for one in items:
        if isinstance(one, Frame) and one.kind == Kind.IEEE1344:
            values = [float(value) for value in compiled.decode(one.raw)]  # type: ignore[arg-type]
            angles = (math.atan2(values[2], values[1]), math.atan2(values[4], values[3]))
            rows.append((one.tai, *angles, values[11], values[12]))
    return rows


def test_two_buses_of_a_real_pmu_are_in_step(events: Path) -> None:
    rows = shelby(events)
    found, rate = compare(
        [Reading(tai, a, f, r) for tai, a, _, f, r in rows],
        [Reading(tai, b, f, r) for tai, _, b, f, r in rows],
    )
    assert found.state is State.IN_STEP and rate.state is State.NOT_SEPARABLE


@pytest.mark.parametrize("frames", [3, 6, 15, 30, -30])
def test_a_real_pmu_shifted_against_itself_is_off_by_so_much(events: Path, frames: int) -> None:
    """A frame is two whole cycles, so that the angle's reference moves by nothing. Half a minute,
    in which f moves by 5 mHz, is enough for a tenth of a second.
    """
    rows = shelby(events)
    first = [Reading(tai, a, f, r) for tai, a, _, f, r in rows]
    second = [
        Reading(rows[at + frames][0], b, f, r)
        for at, (_, _, b, f, r) in enumerate(rows)
        if 0 <= at + frames < len(rows)
    ]
    found = compare(first, second)[0]
    assert found.state is State.OFF
    assert found.off_ns is not None and found.uncertainty_ns is not None
    assert abs(found.off_ns - frames * NS / 30) <= found.uncertainty_ns
