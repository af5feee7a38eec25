"""A feeder protection relay: a breaker, what it measures in scaled integers, and what it lacks.

1. Breaker and trip come as discrete inputs, and again as bits of a status word: a reader sees
   whether it takes both for the same.
2. An open breaker carries no current. The two auxiliary contacts are never equal, but for one asked
   for (`between`).
3. There is no second temperature sensor: its register holds the sentinel.

`relay.toml` says the same to a driver. It protects nothing.
"""

from collections.abc import Mapping

from hil.devices.modbus.bank import COILS, DISCRETE, HOLDING, INPUT, BitRun, Run, Value, cp56
from hil.measurand import Measurand

REFRESH_NS = 100_000_000  # of the measurements of a relay; its own status is no faster here
VOLT, AMP, WATT, HZ = 10.0, 1.0, 100_000.0, 0.001  # of one count
MODE_IN_SERVICE, MODE_TEST = 1, 2

STATUS = ("closed", "open", "tripped", "remote", "spring_charged", "alarm", "test", "spare")
RUNS = (
    BitRun(DISCRETE, 0, STATUS),
    BitRun(COILS, 0, ("close_output", "trip_output", "lamp_test", "reset_output")),
    Run(
        HOLDING,
        0,
        (("maker", "text16"), ("model", "text16"), ("vt_ratio", "u16"), ("ct_ratio", "u16")),
    ),
    Run(
        INPUT,
        0,
        (
            ("sequence", "u32"),
            ("status", "u16"),
            ("mode", "u16"),
            ("va", "u16"),
            ("vb", "u16"),
            ("vc", "u16"),
            ("ia", "u16"),
            ("ib", "u16"),
            ("ic", "u16"),
            ("frequency", "u16"),
            ("power", "s16"),
            ("reactive", "s16"),
            ("temperature", "s16"),
            ("temperature_2", "s16"),
            ("operations", "u32w"),
            ("fault_km", "u16"),
            ("time", "cp56"),
        ),
    ),
)


class Relay:
    """One relay at a bus of a grid."""

    refresh_ns = REFRESH_NS
    runs = RUNS

    def __init__(self, grid: Measurand, bus: int = 1, device: int = 1) -> None:
        self._grid = grid
        self._bus = bus
        self._device = device
        self.closed = True
        self.between = False  # neither contact is made: the breaker moves, or one is broken
        self.tripped = False
        self.mode = MODE_IN_SERVICE
        self.operations = 41

    def trip(self) -> None:
        """Protection opens the breaker."""
        self.tripped = True
        self.operate(False)

    def operate(self, closed: bool) -> None:
        """The breaker moves; a trip is over when it closes."""
        if closed != self.closed:
            self.operations += 1
        self.closed = closed
        self.tripped = self.tripped and not closed

    def values(self, tai: int) -> Mapping[str, Value]:
        reading = self._grid.measured(tai, self._bus, self._device)
        volts = [abs(v) / VOLT for v in reading.voltages]
        amps = [abs(i) / AMP if self.closed else 0.0 for i in reading.currents]
        flow = sum(
            v * i.conjugate() for v, i in zip(reading.voltages, reading.currents, strict=True)
        )
        flow = flow if self.closed else 0j
        bits = self._bits()
        return {
            **bits,
            "status": sum(bits[name] << at for at, name in enumerate(STATUS)),
            "mode": self.mode,
            **dict(zip(("va", "vb", "vc"), volts, strict=True)),
            **dict(zip(("ia", "ib", "ic"), amps, strict=True)),
            "frequency": reading.frequency_hz / HZ,
            "power": flow.real / WATT,
            "reactive": flow.imag / WATT,
            "temperature": 310 + amps[0] / 100,
            "temperature_2": None,
            "operations": self.operations,
            "fault_km": None if not self.tripped else 127,
            "time": cp56(tai),
            "maker": "Gridseal bench",
            "model": "Relay 1",
            "vt_ratio": 3000,
            "ct_ratio": 240,
        }

    def _bits(self) -> dict[str, int]:
        return {
            "closed": int(self.closed and not self.between),
            "open": int(not self.closed and not self.between),
            "tripped": int(self.tripped),
            "remote": 1,
            "spring_charged": 1,
            "alarm": int(self.between),
            "test": int(self.mode == MODE_TEST),
            "spare": 0,
            "close_output": 0,
            "trip_output": int(self.tripped),
            "lamp_test": 0,
            "reset_output": 0,
        }
