"""A position on the Earth: how it is written where it is signed, and how far one is from another.

1. WGS84, degrees and m. What is signed is the location claim (264) of EAT (RFC 9711 4.2.10), with
   the accuracy as 1 sigma, in m.
2. Distances are horizontal: the chord between the two points of the ellipsoid. Below 100 km a chord
   is an arc to 1 m in 100 km; it needs no cases for poles or the date line.
3. Two positions agree within SIGMAS times what both may be off together, and ROOM_M, and what
   either was rounded by.
4. Where they disagree, `guess` says what that may be: the mistakes that are made are few.

Heights are not compared: devices state them above the sea and above the ellipsoid alike.
"""

import math
from typing import Any, NamedTuple

from evidence import cbor, shape

SIGMAS = 3
ROOM_M = 10.0  # antennas move with masts, receivers wander: nobody moves a substation by less
GUESS_M = 1000.0  # a mistake explains a position if without it the position would be so near
UNSET_DEGREES = 1e-3  # around 0, 0, in the Gulf of Guinea: what a device says that was never set
EARTH_M = 6_378_137.0  # WGS84: the semi-major axis, and the flattening
_FLATTENING = 1 / 298.257223563
_E2 = _FLATTENING * (2 - _FLATTENING)
_BENT_M = EARTH_M / (1 - _FLATTENING)  # the largest radius of curvature, at the poles
# EAT: RFC 9711 4.2.10.
_LATITUDE, _LONGITUDE, _ALTITUDE, _ACCURACY = 1, 2, 3, 4


class Position(NamedTuple):
    """Degrees north and east. Altitude and accuracy (1 sigma) in m; None: not stated.

    `rounded_m`: how far the way it was stated may have moved it, at most; not signed.
    """

    latitude: float
    longitude: float
    altitude_m: float | None = None
    accuracy_m: float | None = None
    rounded_m: float = 0.0

    def value(self) -> bytes:
        """As it is signed: the value that a digest hides."""
        claim = {_LATITUDE: float(self.latitude), _LONGITUDE: float(self.longitude)}
        for key, item in ((_ALTITUDE, self.altitude_m), (_ACCURACY, self.accuracy_m)):
            if item is not None:
                claim[key] = float(item)
        return cbor.encode(claim)

    def possible(self) -> bool:
        """Whether there is such a place."""
        return abs(self.latitude) <= 90 and abs(self.longitude) <= 180

    def unset(self) -> bool:
        """Whether it is what a device says that was never told where it stands."""
        return abs(self.latitude) < UNSET_DEGREES and abs(self.longitude) < UNSET_DEGREES

    def moved(self, east_m: float, north_m: float) -> "Position":
        """The place so far from here; for the extent of a site, not of a country."""
        latitude = math.radians(self.latitude)
        bend = 1 - _E2 * math.sin(latitude) ** 2
        meridian = EARTH_M * (1 - _E2) / bend**1.5
        parallel = EARTH_M / math.sqrt(bend) * max(math.cos(latitude), 1e-9)
        return self._replace(
            latitude=self.latitude + math.degrees(north_m / meridian),
            longitude=(self.longitude + math.degrees(east_m / parallel) + 540) % 360 - 180,
        )

    def words(self) -> str:
        return f"{self.latitude:.6f}, {self.longitude:.6f}"


def of_binary32(latitude: float, longitude: float, altitude_m: float | None) -> Position:
    """A position that was stated in binary32, as CFG-3 does (C37.118.2-2011 Table 10): degrees of
    24 significant bits, so up to 0.85 m are lost in each direction.
    """
    lost = math.radians(_half_step(latitude)), math.radians(_half_step(longitude))
    narrowed = math.cos(math.radians(latitude)) if abs(latitude) <= 90 else 1.0
    rounded_m = _BENT_M * math.hypot(lost[0], lost[1] * narrowed)
    return Position(latitude, longitude, altitude_m, None, rounded_m)


def read(value: bytes) -> Position:
    """What `Position.value` wrote. Raises EvidenceError."""
    claim = cbor.decode(value)
    keys = {_LATITUDE, _LONGITUDE}
    if type(claim) is not dict or not keys <= claim.keys() <= keys | {_ALTITUDE, _ACCURACY}:
        shape.fail("position", claim, "a location claim of EAT")
    members = (_LATITUDE, _LONGITUDE, _ALTITUDE, _ACCURACY)
    found = Position(*(_number(claim.get(key)) for key in members))
    if found.latitude is None or found.longitude is None or not found.possible():
        shape.fail("position", claim, "degrees north and east")
    return found


def distance_m(one: Position, other: Position) -> float:
    """Rule 2."""
    return math.dist(_on_ellipsoid(one), _on_ellipsoid(other))


def allowed_m(one: Position, other: Position) -> float:
    """How far two statements of one place may be apart. Rule 3."""
    sigma = math.hypot(one.accuracy_m or 0.0, other.accuracy_m or 0.0)
    return SIGMAS * sigma + ROOM_M + one.rounded_m + other.rounded_m


def agree(one: Position, other: Position) -> bool:
    return distance_m(one, other) <= allowed_m(one, other)


def refusal(claimed: bytes | None, granted: bytes | None) -> str:
    """Why a position that is claimed is not the one that was granted, both as they are signed;
    empty where it is, and where one of them is not known. Raises EvidenceError.
    """
    if claimed is None or granted is None or claimed == granted:
        return ""
    here, there = read(claimed), read(granted)
    if agree(here, there):
        return ""
    apart, may = length(distance_m(here, there)), length(allowed_m(here, there))
    return f"{apart} from the position in the credential, {may} may be"


def guess(stated: Position, expected: Position) -> str:
    """What may be wrong with a position that is not where it was expected; empty where no usual
    mistake would explain it.
    """
    north, east = stated.latitude, stated.longitude
    mistakes = (
        ("latitude and longitude exchanged", (east, north)),
        ("the sign of the longitude", (north, -east)),
        ("the sign of the latitude", (-north, east)),
        ("the signs of both", (-north, -east)),
        ("radians for degrees", (math.degrees(north), math.degrees(east))),
    )
    near_m = min(GUESS_M, distance_m(stated, expected) / 10)
    for what, (latitude, longitude) in mistakes:
        meant = stated._replace(latitude=latitude, longitude=longitude)
        if meant.possible() and distance_m(meant, expected) <= near_m:
            return what
    return ""


def length(metres: float) -> str:
    """A distance in words."""
    if metres < 10:
        return f"{metres:.1f} m"
    return f"{metres:.0f} m" if metres < 10_000 else f"{metres / 1000:.0f} km"


def _number(item: Any) -> Any:
    """A float, or nothing. Raises EvidenceError."""
    if item is not None and type(item) is not float:
        shape.fail("position", item, "a number")
    return item


def _half_step(degrees: float) -> float:
    """Half the distance between two neighbours in binary32 (24 significant bits)."""
    return math.ldexp(1.0, math.frexp(degrees)[1] - 25) if degrees else 0.0


def _on_ellipsoid(place: Position) -> tuple[float, float, float]:
    latitude, longitude = math.radians(place.latitude), math.radians(place.longitude)
    normal = EARTH_M / math.sqrt(1 - _E2 * math.sin(latitude) ** 2)
    flat = normal * math.cos(latitude)
    return (
        flat * math.cos(longitude),
        flat * math.sin(longitude),
        normal * (1 - _E2) * math.sin(latitude),
    )
