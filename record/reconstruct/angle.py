"""Magnitude and angle of a phasor that a device sent as real and imaginary part, the same bits on
every machine: + - * / and sqrt alone, in one order (IEEE 754 rounds each of them in one way).

math.atan2 is the platform's: two of them may differ in the last bit, and a document that was
written on one machine is compared byte for byte on another.
"""

from math import isfinite, nan, pi, sqrt

# atan(t) = t - t^3/3 + t^5/5 - ... for |t| <= tan(pi/8): the first term left out, t^25/25, is below
# 1.1e-11 rad, and half a unit of the last place of a binary32 near pi is 1.2e-7.
_TERMS = tuple((-1.0) ** n / (2 * n + 1) for n in range(11, -1, -1))


def polar(real: float, imaginary: float) -> tuple[float, float]:
    """Magnitude, in the unit of the parts, and angle in rad, from -pi to pi."""
    if not isfinite(real) or not isfinite(imaginary):
        return nan, nan
    magnitude = sqrt(real * real + imaginary * imaginary)
    across, along = abs(imaginary), abs(real)
    if not across and not along:
        return 0.0, 0.0
    turned = across > along
    tangent = along / across if turned else across / along
    half = tangent / (1.0 + sqrt(1.0 + tangent * tangent))
    square = half * half
    total = 0.0
    for term in _TERMS:
        total = total * square + term
    angle = 2.0 * half * total
    if turned:
        angle = pi / 2 - angle
    if real < 0.0:
        angle = pi - angle
    return magnitude, -angle if imaginary < 0.0 else angle
