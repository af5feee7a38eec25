"""A revenue meter: floats, energy counters of 64 bits, and a clock of its own.

1. Energy is counted from one refresh to the next, from where the counter stood when the meter was
   made: it only ever rises.
2. `ahead_ns` puts the meter's clock ahead of the true time: what it stamps is then off by that.
3. The neutral current is not measured: NaN.

`meter.toml` says the same to a driver.
"""

from collections.abc import Mapping

from hil.devices.modbus.bank import HOLDING, INPUT, Run, Value, utc_ms
from hil.grid import NS
from hil.measurand import Measurand

REFRESH_NS = 200_000_000
WH_START = (81_234_567_000, 1_234_000)  # imported and exported, when the meter is made
_HOUR_NS = 3600 * NS

MEASUREMENTS = 3000  # where they begin, as makers like to have it
FILLER_ADDRESS, FILLER = 4000, 100  # beside them: each register holds its number from there
RUNS = (
    Run(HOLDING, 0, (("maker", "text16"), ("model", "text16"), ("serial", "text16"))),
    Run(
        INPUT,
        MEASUREMENTS,
        (
            ("sequence", "u32"),
            ("time_ms", "u64"),
            *((name, "f32") for name in ("va", "vb", "vc", "ia", "ib", "ic", "in")),
            *((name, "f32") for name in ("power", "reactive", "apparent", "factor", "frequency")),
            ("imported_wh", "u64"),
            ("exported_wh", "u64"),
            ("demand_w", "u32w"),
            ("quality", "u16"),
        ),
    ),
    Run(INPUT, FILLER_ADDRESS, tuple((f"count_{number}", "u16") for number in range(FILLER))),
)


class Meter:
    """One meter at a bus of a grid."""

    refresh_ns = REFRESH_NS
    runs = RUNS

    def __init__(self, grid: Measurand, bus: int = 1, device: int = 2, ahead_ns: int = 0) -> None:
        self._grid = grid
        self._bus = bus
        self._device = device
        self.ahead_ns = ahead_ns
        self.quality = 0  # bits: 1 clock not set, 2 a voltage missing
        self._last_tai = -1
        # Watt times ns not yet counted as Wh; whole Wh beside, as a float would lose them.
        self._rest = [0.0, 0.0]
        self._wh = list(WH_START)
        self._counts = {f"count_{number}": number for number in range(FILLER)}

    def values(self, tai: int) -> Mapping[str, Value]:
        reading = self._grid.measured(tai, self._bus, self._device)
        flow = sum(
            v * i.conjugate() for v, i in zip(reading.voltages, reading.currents, strict=True)
        )
        self._count(tai, flow.real)
        volts, amps = reading.voltages, reading.currents
        return {
            **self._counts,
            "time_ms": utc_ms(tai + self.ahead_ns),
            **{f"v{phase}": abs(v) for phase, v in zip("abc", volts, strict=True)},
            **{f"i{phase}": abs(i) for phase, i in zip("abc", amps, strict=True)},
            "in": None,
            "power": flow.real,
            "reactive": flow.imag,
            "apparent": abs(flow),
            "factor": flow.real / abs(flow) if flow else 1.0,  # nothing flows at a dead bus
            "frequency": reading.frequency_hz,
            "imported_wh": self._wh[0],
            "exported_wh": self._wh[1],
            "demand_w": abs(flow.real),
            "quality": self.quality,
            "maker": "Gridseal bench",
            "model": "Meter 1",
            "serial": f"{self._device:08d}",
        }

    def _count(self, tai: int, watts: float) -> None:
        """Energy since the last refresh, in the counter of its direction."""
        if self._last_tai >= 0 and tai > self._last_tai:
            into = 0 if watts >= 0 else 1
            self._rest[into] += abs(watts) * (tai - self._last_tai)
            whole = int(self._rest[into] // _HOUR_NS)
            self._wh[into] += whole
            self._rest[into] -= whole * _HOUR_NS
        self._last_tai = tai
