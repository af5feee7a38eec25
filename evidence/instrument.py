"""How far an instrument transformer of an accuracy class may be off, as its standard has it, and
what that makes of a phasor.

Sources: IEC 61869-2:2012 5.6.201.3 (current: Tables 201 and 202 of measuring classes, at 1, 5, 20,
100 and 120 % of rated current, 25 to 100 % of rated burden), 5.6.202 (205 of P and PR, 206 of TPX,
TPY, TPZ), 5.6.201.5 (extended currents); IEC 61869-3:2011 5.6.301.3 (voltage: Table 301, 80 to
120 %), 5.6.302.3 (302: 3P, 6P at 2 and 5 %, and up to the voltage factor); IEEE C57.13-2016 5.3
and 6.3 (metering), 6.4 (relaying), IEEE C57.13.6-2005 (0.15, 0.15S from 5 % of rated current).
evidence/README.md says which figures were checked against what.

1. A class limits the ratio error and the phase displacement from stated points on. Between two of
   them the wider rules: no standard draws a line between them.
2. Below the lowest point no standard says anything. The error is taken as what it may be there in
   amperes or volts, since the exciting current of a core falls with its flux: so its share grows as
   the current falls, and is never that of the point itself.
3. Above its range a class promises nothing, nor outside of its burdens, nor of a phase that it does
   not limit (3, 5, 10P, PX, T): None. What is nobody's promise settles nothing.
4. C57.13 limits a corrected ratio (TCF) for power factors of 0.6 to 1: a corner of its
   parallelogram allows the ratio its whole limit and the phase 2600 times twice that, in minutes.
5. C and K are judged by the exciting current, of whatever phase (C57.13 6.4: 3 % at rated, 10 % at
   20 times); so is the composite error of P above rated. It bounds the phasor as it is.
6. Of two classes that one core keeps both hold: the narrower rules.

It knows classes by evidence.accuracy and no device's own figures: a correction on file is the
user's to put in their place.
"""

import math
import re
from functools import cache
from typing import NamedTuple

_MINUTE = math.pi / 180 / 60
_MEASURING_UPTO = 1.2  # of rated current, or of rated voltage
_FULL_BURDEN = (0.25, 1.0)  # IEC: of the rated burden
_ANY_BURDEN = (0.0, 1.0)  # C57.13
_TCF_MINUTES = 2600  # C57.13: of a share


class Point(NamedTuple):
    """From this share of the rated value on."""

    at: float
    share: float  # of the actual value that the phasor may be off
    ratio: float  # share; the whole of it where only that is limited
    phase_rad: float


class Class(NamedTuple):
    """One class: its points, rising, the share of rated up to which it holds, its burdens."""

    points: tuple[Point, ...]
    upto: float
    burdens: tuple[float, float]
    source: str


def share_off(
    word: str, quantity: str, load: float, burden: float | None = None, upto: float | None = None
) -> float | None:
    """What a phasor may be off, as a share of itself, behind a transformer of a class.

    `quantity`: "voltage" or "current"; `load`: the actual value, as a share of the rated; `burden`:
    as a share of the rated, None where nobody states it, which is taken as within the class's
    range. `upto`: where the plate extends the range (a rating factor, an extended current). None
    where the class promises nothing.
    """
    found = [_share(one, load, burden, upto) for one in classes(word, quantity)]
    promised = [one for one in found if one is not None]
    return min(promised) if promised else None


def source(word: str, quantity: str) -> str:
    """Where the limits of a class stand, for people; empty where it has none for phasors."""
    return " and ".join(one.source for one in classes(word, quantity))


@cache
def classes(word: str, quantity: str) -> tuple[Class, ...]:
    """The classes of a plate that limit phasors of this quantity."""
    parts = (re.sub(r" ?FS\d{1,2}$", "", part) for part in word.split("/"))
    of = _voltage if quantity == "voltage" else _current
    return tuple(found for part in parts if (found := of(part)) is not None)


def _share(one: Class, load: float, burden: float | None, upto: float | None) -> float | None:
    low, high = one.burdens
    if load > max(one.upto, upto or 0.0) or (burden is not None and not low <= burden <= high):
        return None
    ruling = one.points[0]
    if load <= ruling.at:
        return ruling.share * ruling.at / load if load > 0.0 else math.inf
    for point in one.points:
        if load >= point.at:
            ruling = point
    return ruling.share


def _point(at: float, per_cent: float, minutes: float) -> Point:
    ratio, phase = per_cent / 100, minutes * _MINUTE
    # |(1 + r) exp(j p) - 1|, at its largest for r above 0.
    share = math.sqrt(ratio * ratio + (1 + ratio) * (2 * math.sin(phase / 2)) ** 2)
    return Point(at, share, ratio, phase)


def _excited(at: float, per_cent: float) -> Point:
    """Where the error itself is limited, whatever its phase."""
    share = per_cent / 100
    return Point(at, share, share, math.asin(share))


def _rows(*rows: tuple[float, float, float]) -> tuple[Point, ...]:
    return tuple(_point(*row) for row in rows)


# At 1 %, 5 %, 20 %, 100 % of the rated current: per cent, minutes.
_IEC_CURRENT = {
    "0.1": _rows((0.05, 0.4, 15), (0.2, 0.2, 8), (1.0, 0.1, 5)),
    "0.2": _rows((0.05, 0.75, 30), (0.2, 0.35, 15), (1.0, 0.2, 10)),
    "0.5": _rows((0.05, 1.5, 90), (0.2, 0.75, 45), (1.0, 0.5, 30)),
    "1": _rows((0.05, 3.0, 180), (0.2, 1.5, 90), (1.0, 1.0, 60)),
    "0.2S": _rows((0.01, 0.75, 30), (0.05, 0.35, 15), (0.2, 0.2, 10)),
    "0.5S": _rows((0.01, 1.5, 90), (0.05, 0.75, 45), (0.2, 0.5, 30)),
}
_TRANSIENT = {
    "TPX": _rows((1.0, 0.5, 30)),
    "TPY": _rows((1.0, 1.0, 60)),
    "TPZ": _rows((1.0, 1.0, 198)),  # 180 minutes, and 18 to either side of it
}
# From 80 to 120 % of the rated voltage.
_IEC_VOLTAGE = {"0.1": 5.0, "0.2": 10.0, "0.5": 20.0, "1": 40.0}
_PROTECTIVE_VOLTAGE = {
    "3P": _rows((0.02, 6.0, 240), (0.05, 3.0, 120)),
    "6P": _rows((0.02, 12.0, 480), (0.05, 6.0, 240)),
}
_IEEE = re.compile(r"(0\.15|0\.3|0\.6|1\.2)([SN]?)")
_PROTECTIVE = re.compile(r"5PR?(\d*)")
_RELAYING = re.compile(r"[CK]\d{2,4}")


def _current(word: str) -> Class | None:
    plain = "1" if word == "1.0" else word
    if plain in _IEC_CURRENT:
        return Class(_IEC_CURRENT[plain], _MEASURING_UPTO, _FULL_BURDEN, f"IEC 61869-2 {word}")
    if word in _TRANSIENT:
        return Class(_TRANSIENT[word], 1.0, _ANY_BURDEN, f"IEC 61869-2 {word}")
    if word == "5TPE":
        return Class(_rows((1.0, 1.0, 60)), 1.0, _ANY_BURDEN, "IEC 61869-6 5TPE")
    if found := _PROTECTIVE.fullmatch(word):
        points = _rows((1.0, 1.0, 60))
        limit = float(found[1] or 1)
        if limit > 1.0:
            points += (_excited(math.nextafter(1.0, 2.0), 5.0),)
        return Class(points, limit, _ANY_BURDEN, f"IEC 61869-2 {word}")
    if _RELAYING.fullmatch(word):
        points = (_excited(1.0, 3.0), _excited(math.nextafter(1.0, 2.0), 10.0))
        return Class(points, 20.0, _ANY_BURDEN, f"IEEE C57.13 {word}")
    if found := _IEEE.fullmatch(word):
        return _metering(float(found[1]), found[2], word)
    return None


def _metering(per_cent: float, kind: str, word: str) -> Class:
    """C57.13: at 10 % of the rated current twice the limit; C57.13.6: at 5 %, and S has no second.

    0.15N is tested at 10 %, as what C57.13 had before C57.13.6: below, it is the wider of the two.
    """
    minutes = _TCF_MINUTES * 2 * per_cent / 100
    whole = (per_cent, minutes)
    low = 0.05 if kind == "S" or (per_cent < 0.3 and not kind) else 0.1
    rows = [(low, *whole)] if kind == "S" else [(low, 2 * per_cent, 2 * minutes), (1.0, *whole)]
    return Class(_rows(*rows), 1.0, _ANY_BURDEN, f"IEEE C57.13 {word}")


def _voltage(word: str) -> Class | None:
    plain = "1" if word == "1.0" else word
    if plain in _IEC_VOLTAGE:
        points = _rows((0.8, float(plain), _IEC_VOLTAGE[plain]))
        return Class(points, _MEASURING_UPTO, _FULL_BURDEN, f"IEC 61869-3 {word}")
    if word in _PROTECTIVE_VOLTAGE:
        # 1.2 is the least voltage factor; a plate that states 1.5 or 1.9 extends it.
        points = _PROTECTIVE_VOLTAGE[word]
        return Class(points, _MEASURING_UPTO, _FULL_BURDEN, f"IEC 61869-3 {word}")
    if word.endswith("P") and word[:-1] in _IEC_VOLTAGE:
        # IEC 61869-6 for low-power transformers; here no further than its measuring class goes.
        points = _rows((0.8, float(word[:-1]), _IEC_VOLTAGE[word[:-1]]))
        return Class(points, _MEASURING_UPTO, _ANY_BURDEN, f"IEC 61869-6 {word}")
    if found := _IEEE.fullmatch(word):
        per_cent = float(found[1])
        points = _rows((0.9, per_cent, _TCF_MINUTES * 2 * per_cent / 100))
        return Class(points, 1.1, _ANY_BURDEN, f"IEEE C57.13 {word}")
    return None
