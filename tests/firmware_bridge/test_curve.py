"""Ed25519, X25519 and SHA-512 of the board, against libsodium's and CPython's."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl import bindings

from firmware_bridge import curve25519, ed25519
from firmware_bridge.curve25519 import ORDER, run
from firmware_bridge.sha512 import MESSAGE_MAX_BYTES, sha512

SEEDS = st.binary(min_size=32, max_size=32)
MESSAGES = st.binary(max_size=300)
LOW_ORDER = (0, 1, curve25519.P - 1, curve25519.P, curve25519.P + 1)  # RFC 7748, 6.1


@given(MESSAGES)
def test_sha512_is_cpythons(message):
    assert run(sha512(message)) == hashlib.sha512(message).digest()


def test_a_message_longer_than_it_may_be_is_refused():
    assert run(sha512(bytes(MESSAGE_MAX_BYTES)))
    with pytest.raises(ValueError, match="1,024 octets"):
        run(sha512(bytes(MESSAGE_MAX_BYTES + 1)))


@given(SEEDS, MESSAGES)
@settings(max_examples=20)
def test_signatures_are_libsodiums(seed, message):
    public, secret = bindings.crypto_sign_seed_keypair(seed)
    signer = ed25519.Signer(seed)
    assert run(signer.prepared()) == public
    signature = run(signer.signed(message))
    assert signature == bindings.crypto_sign(message, secret)[:64]
    assert run(ed25519.verified(public, message, signature)) is True


def test_what_was_changed_is_not_verified():
    public, secret = bindings.crypto_sign_seed_keypair(bytes(32))
    signature = bindings.crypto_sign(b"head", secret)[:64]
    s = int.from_bytes(signature[32:], "little")
    forged = (
        (public, b"heae", signature),
        (bytes(32), b"head", signature),
        (b"\xff" * 32, b"head", signature),  # no point
        (public[:31], b"head", signature),
        (public, b"head", signature[:63]),
        (public, b"head", bytes([signature[0] ^ 1]) + signature[1:]),
        (public, b"head", signature[:32] + (s + ORDER).to_bytes(32, "little")),  # malleable
    )
    assert run(ed25519.verified(public, b"head", signature)) is True
    for one in forged:
        assert run(ed25519.verified(*one)) is False, one


@given(SEEDS, SEEDS)
@settings(max_examples=20)
def test_agreement_is_libsodiums(mine, other):
    point = bindings.crypto_scalarmult_base(other)
    wanted = bindings.crypto_scalarmult(mine, point)
    assert run(curve25519.x25519(mine, point)) == wanted


@pytest.mark.parametrize("u", LOW_ORDER)
def test_a_point_of_low_order_agrees_on_nothing(u):
    with pytest.raises(ValueError, match="low order"):
        run(curve25519.x25519(bytes(32), u.to_bytes(32, "little")))


def test_nothing_takes_long_between_two_looks_at_the_line():
    """The longest slice is some hundredth of the whole, so that a slow board may look between."""
    signer = ed25519.Signer(bytes(32))
    run(signer.prepared())
    assert sum(1 for _ in signer.signed(b"head")) > 100
