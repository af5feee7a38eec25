"""A SunSpec meter: models 1 and 203 (three phases, wye) from register 40000 on.

1. As the SunSpec Device Information Model Specification has it: "SunS", then models one after the
   other, each with its number and length, then 0xFFFF with length 0.
2. Integers come with scale factors of their own; what is not measured is the type's sentinel.

What pysunspec2 makes of it is compared in tests.
"""

from collections.abc import Mapping
from typing import Final

from hil.devices.modbus.bank import HOLDING, TYPES, Run, Value
from hil.measurand import Measurand

BASE = 40000
REFRESH_NS = 500_000_000
_SUNS = 0x53756E53
_PHASES = ("A", "B", "C")

_COMMON: Final = (
    ("ID_1", "u16"),
    ("L_1", "u16"),
    ("Mn", "text32"),
    ("Md", "text32"),
    ("Opt", "text16"),
    ("Vr", "text16"),
    ("SN", "text32"),
    ("DA", "u16"),
    ("Pad", "s16"),
)
# Names as in SunSpec's model 203; the scale factor follows what it scales.
_METER: Final = (
    ("ID_203", "u16"),
    ("L_203", "u16"),
    *((name, "s16") for name in ("A", "AphA", "AphB", "AphC", "A_SF")),
    *((name, "s16") for name in ("PhV", "PhVphA", "PhVphB", "PhVphC")),
    *((name, "s16") for name in ("PPV", "PhVphAB", "PhVphBC", "PhVphCA", "V_SF")),
    *((name, "s16") for name in ("Hz", "Hz_SF")),
    *((name, "s16") for name in ("W", "WphA", "WphB", "WphC", "W_SF")),
    *((name, "s16") for name in ("VA", "VAphA", "VAphB", "VAphC", "VA_SF")),
    *((name, "s16") for name in ("VAR", "VARphA", "VARphB", "VARphC", "VAR_SF")),
    *((name, "s16") for name in ("PF", "PFphA", "PFphB", "PFphC", "PF_SF")),
    *((f"TotWhExp{phase}", "acc32") for phase in ("", "PhA", "PhB", "PhC")),
    *((f"TotWhImp{phase}", "acc32") for phase in ("", "PhA", "PhB", "PhC")),
    ("TotWh_SF", "s16"),
    *((f"TotVAhExp{phase}", "acc32") for phase in ("", "PhA", "PhB", "PhC")),
    *((f"TotVAhImp{phase}", "acc32") for phase in ("", "PhA", "PhB", "PhC")),
    ("TotVAh_SF", "s16"),
    *(
        (f"TotVArh{way}{quadrant}{phase}", "acc32")
        for way, quadrant in (("Imp", "Q1"), ("Imp", "Q2"), ("Exp", "Q3"), ("Exp", "Q4"))
        for phase in ("", "PhA", "PhB", "PhC")
    ),
    ("TotVArh_SF", "s16"),
    ("Evt", "u32"),
)
_END: Final = (("ID_end", "u16"), ("L_end", "u16"))
RUNS = (Run(HOLDING, BASE, (("SunS", "u32"), *_COMMON, *_METER, *_END)),)
_A_SF, _V_SF, _HZ_SF, _W_SF, _PF_SF, _WH_SF = -1, 2, -2, 5, -2, 3


class SunSpecMeter:
    """One SunSpec meter at a bus of a grid."""

    refresh_ns = REFRESH_NS
    runs = RUNS

    def __init__(self, grid: Measurand, bus: int = 1, device: int = 3) -> None:
        self._grid = grid
        self._bus = bus
        self._device = device
        self._fixed = self._plate()

    def values(self, tai: int) -> Mapping[str, Value]:
        reading = self._grid.measured(tai, self._bus, self._device)
        volts, amps = reading.voltages, reading.currents
        flows = [v * i.conjugate() for v, i in zip(volts, amps, strict=True)]
        total = sum(flows)
        found: dict[str, Value] = dict(self._fixed)
        found["A"] = sum(map(abs, amps)) / 10**_A_SF
        found["PhV"] = sum(map(abs, volts)) / 3 / 10**_V_SF
        between = [abs(volts[at] - volts[(at + 1) % 3]) / 10**_V_SF for at in range(3)]
        found["PPV"] = sum(between) / 3
        found.update(zip(("PhVphAB", "PhVphBC", "PhVphCA"), between, strict=True))
        found["Hz"] = reading.frequency_hz / 10**_HZ_SF
        for phase, v, i, flow in zip(_PHASES, volts, amps, flows, strict=True):
            found[f"Aph{phase}"] = abs(i) / 10**_A_SF
            found[f"PhVph{phase}"] = abs(v) / 10**_V_SF
            found.update(_power(f"ph{phase}", flow))
        found.update(_power("", total))
        found["TotWhImp"] = 4_200_000
        return found

    def _plate(self) -> dict[str, Value]:
        """What never changes: name plate, scale factors, and what is not measured."""
        kinds = dict((*_COMMON, *_METER))
        lengths = [sum(TYPES[kind][1] for _, kind in model[2:]) for model in (_COMMON, _METER)]
        return {
            **dict.fromkeys(kinds),
            "SunS": _SUNS,
            "ID_1": 1,
            "L_1": lengths[0],
            "Mn": "Gridseal bench",
            "Md": "SunSpec meter",
            "Opt": "",
            "Vr": "1.0",
            "SN": f"{self._device:08d}",
            "DA": 1,
            "ID_203": 203,
            "L_203": lengths[1],
            "A_SF": _A_SF,
            "V_SF": _V_SF,
            "Hz_SF": _HZ_SF,
            "W_SF": _W_SF,
            "VA_SF": _W_SF,
            "VAR_SF": _W_SF,
            "PF_SF": _PF_SF,
            "TotWh_SF": _WH_SF,
            "Evt": 0,
            "ID_end": 0xFFFF,
            "L_end": 0,
        }


def _power(where: str, flow: complex) -> dict[str, Value]:
    return {
        f"W{where}": flow.real / 10**_W_SF,
        f"VA{where}": abs(flow) / 10**_W_SF,
        f"VAR{where}": flow.imag / 10**_W_SF,
        f"PF{where}": 100 * (flow.real / abs(flow) if flow else 1.0) / 10**_PF_SF,  # Pct,
    }
