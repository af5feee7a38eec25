"""What a unit measures, in the words of evidence.descriptor.QUANTITIES, where a map does not say.

It converts nothing.
"""

from typing import Final

from drivers.modbus.point import FLOATS, INTEGERS

_OF: Final = {
    "V": "voltage",
    "A": "current",
    "Hz": "frequency",
    "Hz/s": "rocof",
    "W": "power",
    "var": "power",
    "Var": "power",
    "VAr": "power",
    "VA": "power",
}
_PREFIXES = ("", "m", "k", "M", "G")


def quantity_of(unit: str, kind: str, named: bool) -> str:
    """Of a number of that type; `named`: its values are words, not a measurement."""
    if kind == "bool":
        return "digital"
    unit = unit.strip()
    for prefix in _PREFIXES:
        found = _OF.get(unit.removeprefix(prefix)) if unit.startswith(prefix) else None
        if found is not None:
            return found
    return "analog" if kind in (*INTEGERS, *FLOATS) and not named else "other"
