"""What the phasors of one side of a seam lead to at the other: the law between them.

All laws are one two-port, in each phase:

    V2 = A V1 - B I1        I2 = A I1 - C V1

with the currents of both sides counted from the first side to the second.

1. Bus: A = 1, B = C = 0, and only voltages. Sum of currents: A = 1, B = C = 0; I1 is the sum of
   what the first side's branches bring to a bus, I2 of what the second's take from it.
2. Line: from its whole series impedance Z and charging admittance Y (CIM ACLineSegment: r + jx,
   bch): A = 1 + ZY/2, B = Z, C = Y (1 + ZY/4). These lump what is spread; above LUMPED_KM_MAX it is
   A = cosh g, B = Z sinh g / g, C = Y sinh g / g, with g = sqrt(ZY). So that form alone is used
   there, and where nobody states the length, since it tends to the other for short lines.
3. Nothing relates phasors across a DC tie: there is no law for it here.

It judges nothing, and knows no instrument.
"""

import cmath
from typing import NamedTuple

from evidence.code import SeamKind
from evidence.joint.seam import Seam

LUMPED_KM_MAX = 100  # at 100 km the lumped B is 0.3 % high, 2.7 % at 300 km
LINE_SHARE = 0.05  # of Z and of Y: what they may be off where nobody states better


class LawError(Exception):
    """There is no such law, or what it takes is missing. The text is for people."""


class Law(NamedTuple):
    """A, B, C of a seam, of Z and Y, and what these may be off, as shares."""

    kind: SeamKind
    a: complex
    b: complex
    c: complex
    z: complex = 0j
    y: complex = 0j
    z_share: float = 0.0
    y_share: float = 0.0
    volts: bool = True  # whether voltages are compared
    amps: bool = True
    tap_share: float = 0.0  # what the ratio of a transformer between the sides may be off
    tap: str = ""  # why, for people

    def predict(self, volt: complex, amp: complex) -> tuple[complex, complex]:
        """V2 and I2 of a phase."""
        return self.a * volt - self.b * amp, self.a * amp - self.c * volt


BUS = Law(SeamKind.BUS, 1 + 0j, 0j, 0j, amps=False)


def total(complete: bool, volts: bool = True) -> Law:
    """At a bus all of whose branches are measured; Kirchhoff says nothing of some of them.

    `volts`: whether both sides measure the voltage of that bus, too. Raises LawError.
    """
    if not complete:
        raise LawError("not all branches of the bus are measured")
    return Law(SeamKind.SUM, 1 + 0j, 0j, 0j, volts=volts)


def line(
    z: complex,
    y: complex,
    km: float | None,
    z_share: float = LINE_SHARE,
    y_share: float = LINE_SHARE,
) -> Law:
    """A line with these constants as a whole. Raises LawError."""
    if not (cmath.isfinite(z) and cmath.isfinite(y)) or z == 0:
        raise LawError("a line without a series impedance")
    if km is not None and km <= LUMPED_KM_MAX:
        a, b, c = 1 + z * y / 2, z, y * (1 + z * y / 4)
    else:
        g = cmath.sqrt(z * y)
        # sinh g / g of a line without charging is 1.
        ratio = cmath.sinh(g) / g if g else 1 + 0j
        a, b, c = cmath.cosh(g), z * ratio, y * ratio
    return Law(SeamKind.LINE, a, b, c, z, y, z_share, y_share)


def of(seam: Seam, complete: bool = False) -> Law:
    """The law of a seam. `complete`: whether all branches of its bus are measured. Raises
    LawError.
    """
    if seam.kind == SeamKind.BUS:
        return BUS
    if seam.kind == SeamKind.LINE and seam.line is not None:
        own = seam.line
        return line(complex(own.r_ohm, own.x_ohm), 1j * own.b_siemens, own.km)
    if seam.kind == SeamKind.SUM:
        return total(complete)
    raise LawError("no angle is compared across a DC tie: it settles by energy")
