"""What is told of one instrument transformer in figures: its plate, the burden that is connected,
and what a calibration on file found it to be off by. Part of a descriptor's channel.

    figures = [rated mVA / null, burden / null, upto / null, calibration / null]
    burden = [mVA, power factor]
    calibration = [uncertainty ppm, [2*32 point]]
    point = [load, burden, ratio error ppm, phase displacement urad]

1. Signs are those of IEC 61869-1 3.4: the ratio error is positive where the secondary is too large,
   the phase displacement where it leads. So what is measured is (1 + error) exp(j displacement) of
   what there is. IEEE C57.13 states a ratio correction factor: its inverse, less 1.
2. `load`: of the rated primary, in thousandths, as `upto`, to which the plate extends the class
   (IEC 61869-2 5.6.201.5; IEEE: rating factor; of voltages the rated voltage factor).
3. Burdens are at the rated secondary current or voltage; power factors in thousandths, lagging.
4. `uncertainty`: of both errors together, the most that the certificate is off; not one sigma.
5. Points rise by load, mVA, power factor, each once, and are of two loads or more: a single one
   says nothing of any other.

It interpolates nothing: record/settle/correction.py does.
"""

from itertools import pairwise
from typing import Any, NamedTuple

from evidence import shape

POINTS_MAX = 32  # five loads at two burdens are 10; three taps of each would be 30
MVA_MAX = 1_000_000  # 1 kVA: no core of an instrument has more
LOAD_MAX = 40_000  # 40 times the rated current: no accuracy limit factor is larger
PPM_MAX = 200_000  # 20 %: beyond, it is no instrument
WHOLE = 1000


class Burden(NamedTuple):
    """What is connected to a secondary: mVA, and its power factor in thousandths, lagging."""

    mva: int
    power_factor: int


class Point(NamedTuple):
    """What was found at one load and burden: ppm, urad."""

    load: int
    burden: Burden
    ratio_ppm: int
    phase_urad: int


class Calibration(NamedTuple):
    """All that was found. `uncertainty`: ppm."""

    uncertainty: int
    points: tuple[Point, ...]


class Figures(NamedTuple):
    """What is told of one transformer. None: nobody says."""

    rated_mva: int | None = None
    connected: Burden | None = None
    upto: int | None = None
    calibration: Calibration | None = None


def read(value: Any, field: str) -> Figures:
    """The figures in a decoded value. Raises EvidenceError(SHAPE)."""
    rated, connected, upto, calibration = shape.array(value, field, 4)
    if value == (None,) * 4:
        shape.fail(field, value, "figures, or nothing in their place")
    return Figures(
        shape.optional(rated, _positive, "rated burden", MVA_MAX),
        shape.optional(connected, _burden, "burden"),
        shape.optional(upto, _positive, "extended range", LOAD_MAX),
        shape.optional(calibration, _calibration, "calibration"),
    )


def _calibration(value: Any, field: str) -> Calibration:
    uncertainty, rows = shape.array(value, field, 2)
    if len(shape.array(rows, "points")) > POINTS_MAX:
        shape.fail("points", len(rows), f"at most {POINTS_MAX}")
    points = tuple(_point(row, "point") for row in rows)
    if any(one[:2] >= after[:2] for one, after in pairwise(points)):
        shape.fail("points", len(points), "rising by load and burden, each once")
    if len({point.load for point in points}) < 2:
        shape.fail("points", len(points), "points of two loads")
    return Calibration(shape.uint(uncertainty, "uncertainty", PPM_MAX), points)


def _point(value: Any, field: str) -> Point:
    load, burden, ratio, phase = shape.array(value, field, 4)
    return Point(
        _positive(load, "load", LOAD_MAX),
        _burden(burden, "test burden"),
        _within(ratio, "ratio error"),
        _within(phase, "phase displacement"),
    )


def _burden(value: Any, field: str) -> Burden:
    mva, power_factor = shape.array(value, field, 2)
    return Burden(shape.uint(mva, field, MVA_MAX), shape.uint(power_factor, field, WHOLE))


def _positive(value: Any, field: str, most: int) -> int:
    if shape.uint(value, field, most) == 0:
        shape.fail(field, value, "above 0")
    return int(value)


def _within(value: Any, field: str) -> int:
    if abs(shape.integer(value, field)) > PPM_MAX:
        shape.fail(field, value, f"within {PPM_MAX} millionths")
    return int(value)
