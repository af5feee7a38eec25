"""Verifies ECDSA over P-256 with SHA-256 (ESP256 of RFC 9864), and does nothing else.

For run statements of keys in a TPM: about one a day a gateway, so a plain implementation serves,
and an auditor needs no library. It holds no secret, hence need not run in constant time, and must
never be made to sign.

Source: FIPS 186-5 6.4.2 (verification), SP 800-186 3.2.1.3 (the curve); points in Jacobian
coordinates.
"""

import hashlib

P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
    1,
)
_Point = tuple[int, int, int]
_INFINITY: _Point = (1, 1, 0)


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether R || S (64 bytes) signs the message under X || Y (64 bytes)."""
    if len(public) != 64 or len(signature) != 64:
        return False
    x, y = int.from_bytes(public[:32], "big"), int.from_bytes(public[32:], "big")
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    if not (0 < r < N and 0 < s < N) or x >= P or y >= P or (y * y - x * x * x + 3 * x - B) % P:
        return False
    e = int.from_bytes(hashlib.sha256(message).digest(), "big")
    w = pow(s, -1, N)
    point = _add(_multiply(G, e * w % N), _multiply((x, y, 1), r * w % N))
    if point[2] == 0:
        return False
    return point[0] * pow(point[2], -2, P) % P % N == r


def _double(point: _Point) -> _Point:
    x, y, z = point
    if z == 0 or y == 0:
        return _INFINITY
    s = 4 * x * y * y % P
    m = 3 * (x - z * z) * (x + z * z) % P  # a = -3
    x3 = (m * m - 2 * s) % P
    return x3, (m * (s - x3) - 8 * y**4) % P, 2 * y * z % P


def _add(one: _Point, two: _Point) -> _Point:
    if one[2] == 0:
        return two
    if two[2] == 0:
        return one
    z1, z2 = one[2] * one[2] % P, two[2] * two[2] % P
    u1, u2 = one[0] * z2 % P, two[0] * z1 % P
    s1, s2 = one[1] * z2 * two[2] % P, two[1] * z1 * one[2] % P
    h, r = (u2 - u1) % P, (s2 - s1) % P
    if h == 0:
        return _double(one) if r == 0 else _INFINITY
    h2, h3 = h * h % P, h * h * h % P
    x3 = (r * r - h3 - 2 * u1 * h2) % P
    return x3, (r * (u1 * h2 - x3) - s1 * h3) % P, h * one[2] * two[2] % P


def _multiply(point: _Point, by: int) -> _Point:
    total = _INFINITY
    for bit in bin(by)[2:]:
        total = _double(total)
        if bit == "1":
            total = _add(total, point)
    return total
