"""What one value of a relay or a breaker says, in a word or two, and whether a breaker is open.

1. A name is the device's own, without the logical device before it (IEC 61850-8-1 writes that as
   "IED1LD0/") and with its part where a register is several bits.
2. A double point and a quality are told by their words: IEC 61850-7-3 6.2 and its Dbpos.
3. A position is a Dbpos, or a point whose unit is that of settling (record.settle.switchgear).

It decodes nothing.
"""

from typing import Any, NamedTuple

from agent.reading import words_of
from drivers.goose.data import UtcTime
from evidence import instant
from evidence.leap import BUILT_IN
from record.settle.switchgear import CLOSED

UNKNOWN = "not known"
POSITIONS = {"00": "between", "01": "open", "10": "closed", "11": "bad"}
_GOOD, _DBPOS, _QUALITY = "0" * 13, "Dbpos", "Quality"


class Said(NamedTuple):
    """A value in words."""

    name: str
    text: str


def said(slot: Any, value: Any) -> Said:
    """Of one slot (drivers.values.Slot)."""
    name = slot.name.rpartition("/")[2]
    kind = getattr(slot, "btype", "")
    if not kind and slot.part and isinstance(value, bool):
        name = f"{name}.{slot.part}"
    if kind == _DBPOS and value in POSITIONS:
        return Said(name, POSITIONS[value])
    if kind == _QUALITY and value == _GOOD:
        return Said(name, "good")
    unit = "" if isinstance(value, bool) else slot.unit
    return Said(name, f"{_short(value)} {unit}".strip())


def position(slots: Any, values: Any) -> str:
    """Of the breaker that these speak of; empty where they speak of none."""
    for slot, value in zip(slots, values, strict=True):
        if getattr(slot, "btype", "") == _DBPOS:
            return POSITIONS.get(value, UNKNOWN)
        if slot.unit == CLOSED:
            return ("closed" if value else "open") if isinstance(value, bool) else UNKNOWN
    return ""


def _short(value: Any) -> str:
    if isinstance(value, UtcTime):  # of a GOOSE t
        return f"{instant.words(BUILT_IN.tai_ns(value.seconds))[11:19]} UTC"
    if value is None or isinstance(value, tuple | bytes | bool):
        return words_of(value)
    return f"{value:.5g}" if isinstance(value, float) else str(value)
