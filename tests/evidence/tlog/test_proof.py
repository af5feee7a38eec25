"""A tlog-proof: its one spelling, and what it takes to believe it."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import merkle
from evidence.code import Reason
from evidence.key import Ed25519Key
from evidence.refusal import EvidenceError
from evidence.tlog import checkpoint, cosignature, policy, proof
from evidence.tlog.checkpoint import Checkpoint
from evidence.tlog.note import COSIGNATURE, ED25519, Verifier
from evidence.tlog.proof import Proof

LOG, ONE, TWO = (Ed25519Key(bytes([at]) * 32) for at in (1, 2, 3))
ORIGIN = "log.example/seam"
LEAVES = [merkle.leaf_hash(b"%d" % at) for at in range(11)]
INDEX, TIME_S = 6, 1_800_000_000
LOG_KEY = Verifier(ORIGIN, ED25519, LOG.public)
KEYS = [Verifier(f"w{at}.example", COSIGNATURE, key.public) for at, key in ((1, ONE), (2, TWO))]
POLICY = "".join(f"witness w{at} {key.vkey()}\n" for at, key in enumerate(KEYS, 1))
TRUSTED = f"log {LOG_KEY.vkey()}\n{POLICY}group both all w1 w2\nquorum both\n".encode()


def path(index: int, leaves: list[bytes]) -> tuple[bytes, ...]:
    """PATH of RFC 9162 2.1.3.1."""
    if len(leaves) == 1:
        return ()
    k = 1 << ((len(leaves) - 1).bit_length() - 1)
    if index < k:
        return (*path(index, leaves[:k]), merkle.root(leaves[k:]))
    return (*path(index - k, leaves[k:]), merkle.root(leaves[:k]))


def made(extra: bytes | None = None, cosigned: int = 2) -> Proof:
    signed = checkpoint.sign(Checkpoint(ORIGIN, len(LEAVES), merkle.root(LEAVES)), LOG)
    lines = [
        cosignature.sign(signed.text, key.name, signer, TIME_S + at)
        for at, (key, signer) in enumerate(zip(KEYS, (ONE, TWO), strict=True))
    ]
    note = signed.with_lines(lines[:cosigned]).encode()
    return Proof(INDEX, path(INDEX, LEAVES), note, extra)


def test_its_text_is_that_of_the_specification():
    hashes = [base64.b64encode(each).decode() for each in path(INDEX, LEAVES)]
    lines = ["c2sp.org/tlog-proof@v1", "extra aGk=", "index 6", *hashes, "", ""]
    found = made(b"hi")
    assert found.encode() == "\n".join(lines).encode() + found.signed
    assert proof.is_proof(found.encode())
    assert proof.read(found.encode()) == found
    assert b"extra" not in made().encode()


def test_it_holds_by_a_policy_from_outside():
    trusted = policy.read(TRUSTED)
    seen = proof.read(made(b"x").encode()).check(LEAVES[INDEX], trusted)
    assert (seen.checkpoint.size, dict(seen.witnessed)) == (
        11,
        {"w1": TIME_S, "w2": TIME_S + 1},
    )
    lone = policy.read(b"quorum none\n")
    assert made(cosigned=0).check(LEAVES[INDEX], lone, [LOG_KEY]).witnessed == {}


@pytest.mark.parametrize(
    ("leaf", "cosigned", "index", "reason"),
    [
        (INDEX + 1, 2, INDEX, Reason.INCLUSION),
        (INDEX, 2, INDEX + 1, Reason.INCLUSION),
        (INDEX, 1, INDEX, Reason.WITNESS),
    ],
)
def test_what_does_not_hold_has_its_reason(leaf: int, cosigned: int, index: int, reason: Reason):
    found = Proof(index, made().hashes, made(cosigned=cosigned).signed)
    with pytest.raises(EvidenceError) as caught:
        found.check(LEAVES[leaf], policy.read(TRUSTED))
    assert caught.value.reason == reason


def test_a_log_that_nobody_trusts_proves_nothing():
    other = Verifier(ORIGIN, ED25519, Ed25519Key(bytes(32)).public)
    with pytest.raises(EvidenceError) as caught:
        made().check(LEAVES[INDEX], policy.read(b"quorum none\n"), [other])
    assert caught.value.reason == Reason.SIGNATURE


def test_a_tree_of_one_entry_needs_no_hashes():
    signed = checkpoint.sign(Checkpoint(ORIGIN, 1, LEAVES[0]), LOG).encode()
    found = proof.read(Proof(0, (), signed).encode())
    found.check(LEAVES[0], policy.read(b"quorum none\n"), [LOG_KEY])


WHOLE = made(b"hi").encode()
BEGIN = b"c2sp.org/tlog-proof@v1\n"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"@v1", b"@v2"),
        (b"index 6", b"index 06"),
        (b"index 6", b"index -6"),
        (b"index 6", b"Index 6"),
        (b"index 6\n", b"index 6\r\n"),
        (b"extra aGk=", b"extra aGl="),  # bits left over
        (b"extra aGk=", b"extra "),
        (b"extra aGk=\n", b"extra aGk=\nextra aGk=\n"),
        (b"index 6\n", b"index 6\nAAAA\n"),  # no hash
        (b"index 6\n", b"index 6\n" + b"A" * 43 + b"=\n" * 64),
        (b"\n\n", b"\n"),
        (b"index 6", b"index 99999999999999999999"),
        (BEGIN, b"\xff" + BEGIN),
    ],
)
def test_another_spelling_is_refused(old: bytes, new: bytes):
    assert old in WHOLE
    with pytest.raises(EvidenceError):
        proof.read(WHOLE.replace(old, new, 1))


@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 7))
def test_a_flipped_bit_is_refused_or_is_another_proof(at: int, bit: int):
    """Wherever it is: in no byte but those of the extra data does a change go unnoticed."""
    changed = bytearray(WHOLE)
    changed[at] ^= 1 << bit
    try:
        found = proof.read(bytes(changed))
        assert found.encode() == bytes(changed)
        seen = found.check(LEAVES[INDEX], policy.read(TRUSTED))
    except EvidenceError:
        return
    assert found.extra != b"hi"
    assert seen.checkpoint.size == len(LEAVES)


@given(st.binary(max_size=200))
def test_foreign_bytes_are_refused_by_name(data: bytes):
    for each in (data, BEGIN + data, BEGIN + b"index 0\n\n" + data):
        with pytest.raises(EvidenceError):
            proof.read(each)
