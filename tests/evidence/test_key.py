"""Signatures: published answers, and the forgeries that lax verifiers take.

Sources: RFC 8032 7.1 (Ed25519), RFC 6979 A.2.5 (P-256 with SHA-256).
"""

import hashlib
import random
from types import SimpleNamespace

import pytest

from evidence import p256
from evidence.code import ALG_ED25519, ALG_ESP256
from evidence.key import Ed25519Key, PublicKey
from tests.evidence.test_vector import asked

ED25519 = [  # secret, public, message, signature: TEST 1 to 3
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555"
        "fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]
ED25519_ORDER = (1 << 252) + 27742317777372353535851937790883648493
P256_PUBLIC = bytes.fromhex(
    "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
    "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"
)
P256 = {
    b"sample": "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
    "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
    b"test": "f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367"
    "019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083",
}


def pair(r, s):
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


@pytest.mark.parametrize(("secret", "public", "message", "signature"), ED25519)
def test_published_signatures_of_ed25519(secret, public, message, signature):
    key = Ed25519Key(bytes.fromhex(secret))
    assert key.public.raw.hex() == public
    assert key.sign(bytes.fromhex(message)).hex() == signature
    assert key.public.verify(bytes.fromhex(message), bytes.fromhex(signature))
    assert not key.public.verify(bytes.fromhex(message) + b"\x00", bytes.fromhex(signature))


def test_nobody_else_makes_a_second_ed25519_signature():
    secret, _, message, signature = (bytes.fromhex(text) for text in ED25519[2])
    public = Ed25519Key(secret).public
    s = int.from_bytes(signature[32:], "little") + ED25519_ORDER
    assert not public.verify(message, signature[:32] + s.to_bytes(32, "little"))
    for size in (0, 63, 65, 128):
        assert not public.verify(message, (signature * 2)[:size])


@pytest.mark.parametrize(
    "point",
    [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ],
)
def test_keys_of_small_order_sign_nothing(point):
    """Under them, a lax verifier takes one signature for many messages."""
    key = PublicKey(ALG_ED25519, bytes.fromhex(point))
    for r in (bytes.fromhex(point), b"\x01" + bytes(31)):
        assert not any(key.verify(bytes([at]), r + bytes(32)) for at in range(32))


def test_a_private_key_prints_as_its_kid():
    key = Ed25519Key(bytes(32))
    assert repr(key) == f"Ed25519Key({hashlib.sha256(key.public.raw).hexdigest()[:16]})"
    assert key.public.fingerprint.startswith(key.public.kid.hex())


@pytest.mark.parametrize("message", P256)
def test_published_signatures_of_p256(message):
    signature = bytes.fromhex(P256[message])
    assert PublicKey(ALG_ESP256, P256_PUBLIC).verify(message, signature)
    assert not p256.verify(P256_PUBLIC, message + b"-", signature)
    for bit in range(512):
        changed = (int.from_bytes(signature, "big") ^ (1 << bit)).to_bytes(64, "big")
        assert not p256.verify(P256_PUBLIC, message, changed)


def test_what_ecdsa_lets_everybody_do():
    """(r, n - s) verifies too: why a statement is named by its payload (evidence.cose, 4)."""
    signature = bytes.fromhex(P256[b"sample"])
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    assert p256.verify(P256_PUBLIC, b"sample", pair(r, p256.N - s))


def test_edges_of_p256():
    signature = bytes.fromhex(P256[b"sample"])
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    n, top = p256.N, (1 << 256) - 1
    edges = (0, 1, n - 1, n, n + 1, top)
    for bad in [*((r, edge) for edge in edges), *((edge, s) for edge in edges), (0, 0), (n, n)]:
        assert not p256.verify(P256_PUBLIC, b"sample", pair(*bad))
    assert not p256.verify(P256_PUBLIC, b"sample", pair(s, r))
    for size in (0, 63, 65):
        assert not p256.verify(P256_PUBLIC, b"sample", (signature * 2)[:size])
        assert not p256.verify((P256_PUBLIC * 2)[:size], b"sample", signature)


def test_points_that_are_no_keys():
    signature = bytes.fromhex(P256[b"sample"])
    x, y = int.from_bytes(P256_PUBLIC[:32], "big"), int.from_bytes(P256_PUBLIC[32:], "big")
    points = [(0, 0), (x, y ^ 1), (x ^ 1, y), (y, x), (x, p256.P - y), (x, 0), (0, y)]
    points += [(p256.P, y), (x, p256.P), ((1 << 256) - 1, (1 << 256) - 1)]
    for point in points:
        assert not p256.verify(pair(*point), b"sample", signature)


def test_a_key_has_one_spelling(monkeypatch):
    """X + P names the same point for small X; a second spelling would be a second kid."""
    digest = SimpleNamespace(sha256=lambda message: SimpleNamespace(digest=lambda: message))
    monkeypatch.setattr(p256, "hashlib", digest)  # so that the hash can be chosen: a forgery
    found = 0
    for x in range(200):
        square = (x**3 - 3 * x + p256.B) % p256.P
        y = pow(square, (p256.P + 1) // 4, p256.P)
        if y * y % p256.P != square:
            continue
        point = p256._add(p256._multiply(p256.G, 5), p256._multiply((x, y, 1), 7))
        r = point[0] * pow(point[2], -2, p256.P) % p256.P % p256.N
        s = r * pow(7, -1, p256.N) % p256.N
        message = (5 * s % p256.N).to_bytes(32, "big")
        assert p256.verify(pair(x, y), message, pair(r, s))
        assert not p256.verify(pair(x + p256.P, y), message, pair(r, s))
        found += 1
    assert found > 5


def test_a_key_whose_multiples_meet_the_generator():
    """Keys G and -G, messages that make both halves equal or opposite: doubling, and infinity."""
    e = int.from_bytes(hashlib.sha256(b"m").digest(), "big")
    gx, gy = p256.G[:2]
    # With the key G: u1 + u2 = (e + r) / s; any r, s that satisfy it for a known point sign.
    for k in (1, 2, 3, p256.N - 1):
        point = p256._multiply(p256.G, k)
        z = pow(point[2], -1, p256.P)
        r = point[0] * z * z % p256.P % p256.N
        for secret, key in ((1, pair(gx, gy)), (p256.N - 1, pair(gx, p256.P - gy))):
            s = pow(k, -1, p256.N) * (e + r * secret) % p256.N
            assert p256.verify(key, b"m", pair(r, s))
            assert not p256.verify(key, b"n", pair(r, s))
    # u1 G + u2 (-G) with u1 = u2 is infinity: r = e makes it so, whatever s.
    assert not p256.verify(pair(gx, p256.P - gy), b"m", pair(e % p256.N, 7))
    # And with the key G, u1 = u2 makes the sum a doubling.
    double = p256._multiply(p256.G, 2)
    x = double[0] * pow(double[2], -2, p256.P) % p256.P
    same = e % p256.N
    assert p256.verify(pair(gx, gy), b"m", pair(same, same)) == (x % p256.N == same)


def test_p256_against_an_independent_library(oracle):
    """Good signatures, and each kind of damage, judged alike."""
    rng = random.Random(20261123)
    secrets = [rng.randrange(1, p256.N) for _ in range(6)] + [1, 2, p256.N - 1, p256.N - 2]
    made = []
    for secret in secrets:
        for size in (0, 1, 64, 500):
            made.append({"secret": f"{secret:064x}", "message": rng.randbytes(size).hex()})
    keys = asked(oracle, [{"do": "p256_public", **item} for item in made])
    signatures = asked(oracle, [{"do": "p256_sign", **item} for item in made])
    questions = []
    for item, key, signature in zip(made, keys, signatures, strict=True):
        good = {"do": "p256_verify", "key": key, "message": item["message"]}
        number = int(signature, 16)
        s = number & ((1 << 256) - 1)
        damaged = [number ^ (1 << rng.randrange(512)) for _ in range(2)]
        damaged += [number - s + p256.N - s, number - s, s, number - s + p256.N]
        for value in [number, *damaged]:
            questions.append(good | {"signature": f"{value:0128x}"})
        bad_key = f"{int(key, 16) ^ (1 << rng.randrange(512)):0128x}"
        questions.append(good | {"key": bad_key, "signature": signature})
    answers = asked(oracle, questions)
    assert sum(answers) == 2 * len(made)  # the signature, and its (r, n - s)
    for question, answer in zip(questions, answers, strict=True):
        parts = (bytes.fromhex(question[part]) for part in ("key", "message", "signature"))
        assert p256.verify(*parts) == answer, question
