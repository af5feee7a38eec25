"""The field and the curve under X25519 (RFC 7748, 5) and Ed25519 (RFC 8032, 5.1), in slices.

1. Whatever takes long yields after each operation on a point, or each few on the field, so that
   whoever drives it can look after its lines between. One such slice is a dozen products.
2. A point is (X, Y, Z, T) with x = X/Z, y = Y/Z, xy = T/Z (RFC 8032, 5.1.4).

Its time depends on its secrets: a board that somebody can measure closely keeps none. It holds no
keys and makes no randomness.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import TypeVar

    Result = TypeVar("Result")
    Point = tuple[int, int, int, int]
    Sliced = Generator[None, None, int]

P = 2**255 - 19
D = 0x52036CEE2B6FFE738CC740797779E89800700A4D4141D8AB75EB4DCA135978A3
ROOT = 0x2B8324804FC1DF0B2B4D00993DFBD7A72F431806AD2FE478C4EE1B274A0EA0B0  # of -1
ORDER = 2**252 + 27742317777372353535851937790883648493
_X = 0x216936D3CD6E53FEC0A4E231FDD6DC5C692CC7609525A7B2C9562D608F25D51A
_Y = 0x6666666666666666666666666666666666666666666666666666666666666658
BASE = (_X, _Y, 1, _X * _Y % P)
NEUTRAL = (0, 1, 1, 0)

_SQUARES_A_SLICE = 4


def add(one: "Point", other: "Point") -> "Point":
    """The sum of two points; complete, so that it doubles too (RFC 8032, 5.1.4)."""
    x1, y1, z1, t1 = one
    x2, y2, z2, t2 = other
    a = (y1 - x1) * (y2 - x2) % P
    b = (y1 + x1) * (y2 + x2) % P
    c = 2 * D * t1 * t2 % P
    d = 2 * z1 * z2 % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def double(point: "Point") -> "Point":
    """Twice a point, in fewer products."""
    x, y, z, _ = point
    a, b, c = x * x % P, y * y % P, 2 * z * z % P
    h = a + b
    e = h - (x + y) * (x + y) % P
    g = a - b
    f = c + g
    return e * f % P, g * h % P, f * g % P, e * h % P


def power(base: int, exponent: int) -> "Sliced":
    """base ** exponent in the field."""
    result = 1
    for index in range(255, -1, -1):
        result = result * result % P
        if exponent >> index & 1:
            result = result * base % P
        if index % _SQUARES_A_SLICE == 0:
            yield
    return result


def inverse(value: int) -> "Sliced":
    """1 / value; of 0, 0."""
    return (yield from power(value, P - 2))


def times(scalar: int, point: "Point") -> "Generator[None, None, Point]":
    """The scalar, of at most 256 bits, times any point."""
    result = NEUTRAL
    for index in range(255, -1, -1):
        result = double(result)
        if scalar >> index & 1:
            result = add(result, point)
        yield
    return result


def encoded(point: "Point") -> "Generator[None, None, bytes]":
    """The 32 octets of a point (RFC 8032, 5.1.2)."""
    x, y, z, _ = point
    over = yield from inverse(z)
    x, y = x * over % P, y * over % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def decoded(octets: bytes) -> "Generator[None, None, Point]":
    """The point of 32 octets (RFC 8032, 5.1.3). ValueError: none, or not in its one form."""
    whole = int.from_bytes(octets, "little")
    y, sign = whole & (1 << 255) - 1, whole >> 255
    if len(octets) != 32 or y >= P:
        raise ValueError("no point: not below the field's prime")
    u, v = (y * y - 1) % P, (D * y * y + 1) % P
    found = yield from power(u * v**7 % P, (P - 5) // 8)
    x = u * v**3 % P * found % P
    if (v * x * x + u) % P == 0:
        x = x * ROOT % P
    if (v * x * x - u) % P or (x == 0 and sign):
        raise ValueError("no point: not on the curve")
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


def x25519(scalar: bytes, point: bytes) -> "Generator[None, None, bytes]":
    """The 32 octets of RFC 7748, 5. ValueError: they are all zero (6.1), or not 32 were given."""
    if len(scalar) != 32 or len(point) != 32:
        raise ValueError("a scalar and a point have 32 octets each")
    k = int.from_bytes(scalar, "little") & (1 << 255) - 8 | 1 << 254
    k &= (1 << 255) - 1
    x1 = (int.from_bytes(point, "little") & (1 << 255) - 1) % P
    x2, z2, x3, z3, swapped = 1, 0, x1, 1, 0
    for index in range(254, -1, -1):
        bit = k >> index & 1
        if bit != swapped:
            x2, z2, x3, z3 = x3, z3, x2, z2
        swapped = bit
        x2, z2, x3, z3 = _step(x1, x2, z2, x3, z3)
        yield
    if swapped:
        x2, z2 = x3, z3
    over = yield from inverse(z2)
    shared = x2 * over % P
    if shared == 0:
        raise ValueError("a point of low order")
    return shared.to_bytes(32, "little")


def _step(x1: int, x2: int, z2: int, x3: int, z3: int) -> tuple[int, int, int, int]:
    """One rung of the ladder."""
    a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
    aa, bb = a * a % P, b * b % P
    e = aa - bb
    da, cb = d * a % P, c * b % P
    return (
        aa * bb % P,
        e * (aa + 121665 * e) % P,
        (da + cb) * (da + cb) % P,
        x1 * ((da - cb) * (da - cb) % P) % P,
    )


def run(sliced: "Generator[None, None, Result]") -> "Result":
    """To its end at once, where nothing else waits."""
    while True:
        try:
            next(sliced)
        except StopIteration as end:
            result: Result = end.value
            return result
