"""PMUs of one bus on different gateways: what the record finds of their clocks, from the grid
alone."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from drivers.c37118.wire import (
    Configuration,
    Format,
    FrameType,
    Layout,
    Phasor,
    Stamp,
    Station,
    encode_values,
)
from evidence.code import Class, Reason
from record.cli import main
from record.database import Place
from tests.record.gateway import (
    BUS,
    NANOSECONDS,
    OTHER_BUS,
    START,
    START_S,
    Gateway,
    GatewayRun,
    cfg_bytes,
)
from tests.record.test_appraisal import holds
from tests.record.upstream import AUTHORITY, BOTH, Upstream

RATE, SECONDS = 10, 600
CHANNELS = ((0, "VA"), (0, "FREQ"), (0, "DFREQ"))
CYCLE_S = 1 / 60
APART = (Class.TIME_DOUBTFUL, Reason.TIME_CONTRADICTED)
OPEN = (Class.SETTLEABLE, Reason.NOT_SEPARABLE)
WAVE_S = 240.0
Grid = Callable[[float], tuple[float, float, float]]


def moving(t: float) -> tuple[float, float, float]:
    """Angle (rad, against 60 Hz), Hz and Hz/s of a grid that swings by 30 mHz, and trembles."""
    return _waves(t, ((0.03, WAVE_S), (0.004, 11.0)))


def steady(t: float) -> tuple[float, float, float]:
    return _waves(t, ((0.0005, WAVE_S),))


def _waves(t: float, waves: Sequence[tuple[float, float]]) -> tuple[float, float, float]:
    angle, hz, rate = 2 * math.pi * -0.05 * t, 59.95, 0.0  # a grid is never at 60 Hz
    for size, period in waves:
        turn = 2 * math.pi / period
        angle += 2 * math.pi * size / turn * (1 - math.cos(turn * t))
        hz += size * math.sin(turn * t)
        rate += size * turn * math.cos(turn * t)
    return angle, hz, rate


def layout(form: Format = Format.POLAR | Format.PHASOR_FLOAT) -> Layout:
    station = Station("PMU", 1, form | Format.FREQ_FLOAT, (Phasor("VA"),))
    return Layout(Configuration(FrameType.CFG2, 7, 1_000_000, (station,), RATE))


class Pmu:
    """One PMU on a gateway of its own; its clock is ahead by `off_s`."""

    def __init__(
        self, upstream: Upstream, name: str, off_s: float = 0.0, node: bytes = BUS,
        rectangular: bool = False, stat: int = 0, **described: Any,
    ) -> None:  # fmt: skip
        self.off_s, self.stat, self.rectangular = off_s, stat, rectangular
        form = Format.PHASOR_FLOAT if rectangular else Format.POLAR | Format.PHASOR_FLOAT
        self.layout = layout(form)
        gateway = Gateway(name, AUTHORITY, buses=(BUS, OTHER_BUS))
        self.run: GatewayRun = gateway.start()
        told = self.run.describe(
            1, cfg_bytes(self.layout.configuration), node, channels=CHANNELS,
            **({"rate": (RATE, 1)} | described),
        )  # fmt: skip
        upstream.send(gateway.statement, self.run.statement, told)

    def measure(self, number: int, grid: Grid) -> None:
        t = number / RATE
        angle, hz, rate = grid(t - self.off_s)
        angle -= 2 * math.pi * 60 * self.off_s
        if self.rectangular:
            phasor = (100 * math.cos(angle + 1), 100 * math.sin(angle + 1))
        else:
            phasor = (100.0, math.remainder(angle, 2 * math.pi))
        values = [float(self.stat), *phasor, hz, rate]
        second, part = divmod(number, RATE)
        raw = encode_values(self.layout, Stamp(START_S + second, part * 1_000_000 // RATE), values)
        self.run.observe(1, raw, tai=START + number * NANOSECONDS // RATE)


def hear(upstream: Upstream, pmus: Sequence[Pmu], grid: Grid, seconds: int = SECONDS) -> None:
    """So many seconds, batches of a minute, then a look."""
    for number in range(seconds * RATE):
        for pmu in pmus:
            pmu.measure(number, grid)
        if number % (60 * RATE) == 60 * RATE - 1:
            upstream.push_all([pmu.run.cut() for pmu in pmus])
    upstream.appraise()


def told(upstream: Upstream, pmus: Sequence[Pmu]) -> list[tuple[int, int] | None]:
    """What was found of each."""
    found = {row.run: row for row in upstream.findings()}
    assert len(found) == len(upstream.findings())
    for row in found.values():
        assert (row.subject, row.stream, row.channels) == (None, 1, None)
        assert row.first_seq is not None and row.last_seq is not None
        assert row.first_seq <= 20 and row.last_seq >= SECONDS * RATE - 20
    rows = [found.get(pmu.run.name) for pmu in pmus]
    return [None if row is None else (Class(row.klass), Reason(row.reason)) for row in rows]


@BOTH
def test_a_clock_that_is_a_cycle_off_is_found_and_nobody_knows_which(
    upstream: Upstream, place: Place, tmp_path: Path
):
    pmus = [Pmu(upstream, "gw-1"), Pmu(upstream, "gw-2", CYCLE_S)]
    hear(upstream, pmus, moving)
    assert told(upstream, pmus) == [APART, APART]
    assert holds(place, tmp_path)


def test_clocks_in_step_are_left_alone(upstream: Upstream, place: Place, tmp_path: Path):
    """One in polar, one in rectangular form, of another phase."""
    pmus = [Pmu(upstream, "gw-1"), Pmu(upstream, "gw-2", rectangular=True)]
    hear(upstream, pmus, moving)
    assert told(upstream, pmus) == [None, None]
    assert holds(place, tmp_path)


def test_where_too_little_moves_the_log_says_so(upstream: Upstream, place: Place, tmp_path: Path):
    pmus = [Pmu(upstream, "gw-1"), Pmu(upstream, "gw-2", CYCLE_S)]
    hear(upstream, pmus, steady)
    assert told(upstream, pmus) == [OPEN, OPEN]
    assert holds(place, tmp_path)


def test_of_three_the_odd_one_out_is_found(upstream: Upstream, place: Place, tmp_path: Path):
    pmus = [Pmu(upstream, f"gw-{at}", CYCLE_S * (at == 1)) for at in range(3)]
    hear(upstream, pmus, moving)
    assert told(upstream, pmus) == [None, APART, None]
    assert holds(place, tmp_path)


def test_a_gateway_that_starts_again_and_again_keeps_no_others_from_being_compared(
    upstream: Upstream,
):
    gateway = Gateway("gw-0", AUTHORITY)
    upstream.send(gateway.statement)
    run = None
    for _ in range(6):
        run = gateway.start(run)
        cfg = cfg_bytes(layout().configuration)
        upstream.send(run.statement, run.describe(1, cfg, channels=CHANNELS, rate=(RATE, 1)))
        run.observe(1, b"none")
        upstream.push(run.cut())
    pmus = [Pmu(upstream, "gw-1"), Pmu(upstream, "gw-2", CYCLE_S)]
    hear(upstream, pmus, moving)
    assert told(upstream, pmus) == [APART, APART]


@pytest.mark.parametrize("how", ["another bus", "known to be wrong", "alone", "rates"])
def test_what_is_not_compared(upstream: Upstream, how: str):
    node = OTHER_BUS if how == "another bus" else BUS
    stat = 0x2000 if how == "known to be wrong" else 0
    rate = (0, 0) if how == "rates" else (RATE, 1)
    pmus = [Pmu(upstream, "gw-1")]
    if how != "alone":
        pmus.append(Pmu(upstream, "gw-2", CYCLE_S, node, stat=stat, rate=rate))
    hear(upstream, pmus, moving, 120)
    rows = upstream.findings()
    # What cannot be compared is not in step by default.
    assert [row[5:7] for row in rows] == ([OPEN, OPEN] if how == "rates" else [])


def test_an_instant_that_no_clock_counts_to_is_compared_with_nothing(
    upstream: Upstream, place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """One such sample must not end the looks of a record for ever."""
    pmus = [Pmu(upstream, "gw-1"), Pmu(upstream, "gw-2", CYCLE_S)]
    raw = encode_values(pmus[0].layout, Stamp(START_S, 0), [0.0, 100.0, 0.0, 60.0, 0.0])
    far = 10**19
    pmus[0].run.observe(1, raw, tai=far, heard=START - far, heard_bound=None)
    hear(upstream, pmus, moving)
    assert told(upstream, pmus) == [APART, APART]
    assert holds(place, tmp_path)
    assert main(["show", str(place), "--sample", "gw-1/1/1"]) == 0
    assert "sample " in capsys.readouterr().out


def test_a_finding_makes_nothing_better(
    upstream: Upstream, place: Place, capsys: pytest.CaptureFixture[str]
):
    """It is a range; a sample in it that is worth less stays so."""
    pmus = [Pmu(upstream, "gw-1"), Pmu(upstream, "gw-2", CYCLE_S)]
    for number in range(SECONDS * RATE):
        for pmu in pmus:
            pmu.stat = 0x4000 if number == 1000 else 0
            pmu.measure(number, moving)
        if number % 600 == 599:
            upstream.push_all([pmu.run.cut() for pmu in pmus])
    upstream.appraise()
    for seq, expected in ((1001, "data_invalid"), (1002, "time_doubtful")):
        assert main(["show", str(place), "--sample", f"gw-1/1/{seq}"]) == 0
        lines = capsys.readouterr().out
        assert f"class         {expected}: " in lines
        assert "time_doubtful: time_contradicted, found " in lines
