"""How far a revenue meter of a class may be off, as a share of the energy that it counts.

1. IEC 62053-22 (classes 0.1S, 0.2S, 0.5S) 7.9, Table 3, in the edition of 2003 8.1, Table 4, and
   IEC 62053-21 (1, 2): limits for balanced loads. The power factor of an interval is not among
   registers of energy, so the limit is that of 0.5 inductive to 0.8 capacitive, the wider one.
2. Below a tenth of the nominal current the limit of small currents holds, down to 2 % of it (5 %
   for classes 1 and 2). For less the standards state none at that power factor: what may be off is
   then taken as what it would be there.
3. A class of IEEE/ANSI C12.20 (0.1, 0.2, 0.5) is judged by the limits of the same figure with S.
4. Errors of the transformers before the meter are not in it: record.settle.tie adds those that the
   site plan states.

It reads no register.
"""

from typing import Final

# Per cent at power factor 0.5 inductive or 0.8 capacitive: from 10 % of In, and from 2 % to 10 %.
_LIMITS: Final[dict[str, tuple[float, float]]] = {
    "0.1S": (0.15, 0.25),
    "0.2S": (0.3, 0.5),
    "0.5S": (0.6, 1.0),
    "1": (1.0, 1.5),
    "2": (2.0, 2.5),
}
_ALIKE: Final = {"0.1": "0.1S", "0.2": "0.2S", "0.5": "0.5S", "1.0": "1", "2.0": "2"}
SMALL = 0.1  # of the nominal current
LEAST = {"1": 0.05, "2": 0.05}
LEAST_S = 0.02


def is_known(accuracy: str) -> bool:
    """Whether a class is one of a meter."""
    return _ALIKE.get(accuracy, accuracy) in _LIMITS


def error_mwh(accuracy: str, mwh: float, hours: float, rated_mw: float) -> float:
    """What the energy that a register counted within so many hours may be off. Raises KeyError for
    a class that is not `is_known`."""
    usual, small = _LIMITS[_ALIKE.get(accuracy, accuracy)]
    share = mwh / hours / rated_mw
    if share >= SMALL:
        return mwh * usual / 100.0
    least = LEAST.get(_ALIKE.get(accuracy, accuracy), LEAST_S)
    return max(mwh, least * rated_mw * hours if mwh else 0.0) * small / 100.0
