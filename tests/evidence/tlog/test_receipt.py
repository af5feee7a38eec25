"""COSE Receipts: read and checked here, and by `scitt-cose`, an implementation of others."""

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import cbor, cose, merkle
from evidence.code import Reason
from evidence.key import Ed25519Key
from evidence.refusal import EvidenceError
from evidence.tlog import receipt

LOG, OTHER = Ed25519Key(b"l" * 32), Ed25519Key(b"o" * 32)
ORIGIN = "log.example/seam"
ENTRIES = [b"entry %d" % at for at in range(13)]
LEAVES = [merkle.leaf_hash(entry) for entry in ENTRIES]
ORACLE = """
import json, sys
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives import serialization as ser
from scitt_cose import merkle, verify_receipt
told = []
for one in json.load(sys.stdin):
    if one["do"] == "consistency":
        told.append(merkle.verify_consistency(*one["arguments"]))
        continue
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(one["key"]))
    pem = key.public_bytes(ser.Encoding.PEM, ser.PublicFormat.SubjectPublicKeyInfo)
    found = verify_receipt(
        bytes.fromhex(one["receipt"]), leaf_entry_hex=one["entry"], log_public_key_pem=pem)
    told.append([found.ok, found.tree_size, found.leaf_index, found.root, found.issuer,
                 found.subject])
json.dump(told, sys.stdout)
"""


def fetch(level: int, position: int) -> bytes:
    return merkle.root(LEAVES[position << level : (position + 1) << level])


def included(index: int, size: int) -> bytes:
    path = merkle.inclusion_proof(index, size, fetch)
    return receipt.include(ENTRIES[index], index, size, path, ORIGIN, LOG)


def continued(first: int, second: int) -> bytes:
    path = merkle.consistency_proof(first, second, fetch)
    return receipt.continue_(first, merkle.root(LEAVES[:first]), second, path, ORIGIN, LOG)


def asked(oracle: Path, questions: list[dict[str, Any]]) -> list[Any]:
    done = subprocess.run(
        [str(oracle), "-c", ORACLE],
        input=json.dumps(questions), capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    found: list[Any] = json.loads(done.stdout)
    return found


def question(encoded: bytes, entry: bytes, key: Ed25519Key = LOG) -> dict[str, Any]:
    return {
        "do": "receipt", "receipt": encoded.hex(), "entry": entry.hex(),
        "key": key.public.raw.hex(),
    }  # fmt: skip


def test_another_implementation_accepts_every_receipt_of_inclusion(oracle: Path):
    places = [(index, size) for size in (2, 3, 8, 13) for index in range(size)]
    questions = [question(included(*each), ENTRIES[each[0]]) for each in places]
    wanted = [
        [
            *(True, size, index, merkle.root(LEAVES[:size]).hex(), ORIGIN),
            hashlib.sha256(ENTRIES[index]).hexdigest(),
        ]
        for index, size in places
    ]
    assert asked(oracle, questions) == wanted


def test_another_implementation_refuses_what_we_refuse(oracle: Path):
    good = included(6, 13)
    at = good.rindex(LEAVES[7])
    flipped = good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :]
    cases = [
        question(good, ENTRIES[7]),
        question(good, ENTRIES[6], OTHER),
        question(flipped, ENTRIES[6]),
        question(good[:-1] + bytes([good[-1] ^ 1]), ENTRIES[6]),
    ]
    assert [ok for ok, *_ in asked(oracle, cases)] == [False] * len(cases)
    for case in cases:
        with pytest.raises(EvidenceError):
            key = LOG if case["key"] == LOG.public.raw.hex() else OTHER
            receipt.read(bytes.fromhex(case["receipt"])).check_inclusion(
                bytes.fromhex(case["entry"]), key.public
            )


def test_another_implementation_accepts_the_paths_of_consistency(oracle: Path):
    """It has no receipts of them; the path is the proof."""
    questions = []
    for first, second in ((1, 2), (3, 7), (6, 7), (8, 13), (5, 13)):
        found = receipt.read(continued(first, second))
        roots = [merkle.root(LEAVES[:size]) for size in (first, second)]
        assert found.check_consistency(roots[0], LOG.public) == roots[1]
        hashes = [each.hex() for each in found.hashes]
        arguments = [roots[0].hex(), roots[1].hex(), first, second, hashes]
        questions.append({"do": "consistency", "arguments": arguments})
    assert asked(oracle, questions) == [True] * len(questions)


def test_it_is_read_back_and_gives_the_root():
    found = receipt.read(included(4, 11))
    assert (found.one, found.other, found.issuer) == (4, 11, ORIGIN)
    assert found.check_inclusion(ENTRIES[4], LOG.public) == merkle.root(LEAVES[:11])
    assert found.encode() == included(4, 11)


def test_it_is_no_statement_of_ours():
    with pytest.raises(EvidenceError):
        cose.read(included(4, 11))


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        (lambda: receipt.read(included(4, 11)).check_inclusion(ENTRIES[5], LOG.public),
         Reason.OTHER_SUBJECT),
        (lambda: receipt.read(included(4, 11)).check_inclusion(ENTRIES[4], OTHER.public),
         Reason.KID),
        (lambda: receipt.read(included(4, 11)).check_consistency(LEAVES[0], LOG.public),
         Reason.SHAPE),
        (lambda: receipt.read(continued(4, 11)).check_inclusion(ENTRIES[4], LOG.public),
         Reason.SHAPE),
        (lambda: receipt.read(continued(5, 11)).check_consistency(LEAVES[0], LOG.public),
         Reason.CONSISTENCY),
        # A power of two: the path begins with the root that one has, whatever it is.
        (lambda: receipt.read(continued(4, 11)).check_consistency(LEAVES[0], LOG.public),
         Reason.SIGNATURE),
        (lambda: receipt.include(ENTRIES[0], 0, 1, (), ORIGIN, LOG), Reason.SHAPE),
        (lambda: receipt.include(ENTRIES[0], 0, 5, (), ORIGIN, LOG), Reason.INCLUSION),
    ],
)  # fmt: skip
def test_what_does_not_hold_has_its_reason(what: Any, reason: Reason):
    with pytest.raises(EvidenceError) as caught:
        what()
    assert caught.value.reason == reason


def protected(**changes: Any) -> bytes:
    header = {1: -8, 4: LOG.public.kid, 15: {-65545: [2, 0], 1: ORIGIN, 2: "x"}, 395: 1}
    members = {int(name[1:]): value for name, value in changes.items()}
    return cbor.encode({key: item for key, item in (header | members).items() if item is not None})


def test_the_shape_that_others_are_held_against_is_read():
    proofs = {396: {-1: [cbor.encode([2, 0, [LEAVES[1]]])]}}
    receipt.read(b"\xd2" + cbor.encode([protected(), proofs, None, bytes(64)]))


@pytest.mark.parametrize(
    "message",
    [
        [protected(_1=-19), {396: {-1: [cbor.encode([2, 0, [LEAVES[1]]])]}}, None, bytes(64)],
        [protected(), {396: {-1: [cbor.encode([3, 0, [LEAVES[1]]])]}}, None, bytes(64)],
        [protected(_395=2), {396: {-1: [cbor.encode([2, 0, [LEAVES[1]]])]}}, None, bytes(64)],
        [protected(_395=True), {396: {-1: [cbor.encode([2, 0, [LEAVES[1]]])]}}, None, bytes(64)],
        [protected(_4=None), {396: {-1: [cbor.encode([2, 0, [LEAVES[1]]])]}}, None, bytes(64)],
        [protected(_15={1: ORIGIN}), {396: {-1: [cbor.encode([2, 0, []])]}}, None, bytes(64)],
        [protected(), {396: {-1: [cbor.encode([2, 0, [LEAVES[1]]])]}}, LEAVES[0], bytes(64)],
        [protected(), {396: {-1: [cbor.encode([2, 0, []])]}}, None, bytes(64)],
        [protected(), {396: {-1: []}}, None, bytes(64)],
        [protected(), {396: {-3: [b""]}}, None, bytes(64)],
        [protected(), {396: []}, None, bytes(64)],
        [protected(), {}, None, bytes(64)],
        [protected(), {396: {-1: [cbor.encode([2, 0, [b"short"]])]}}, None, bytes(64)],
        [protected(), {396: {-1: [cbor.encode([2, 0, [LEAVES[1]]])]}}, None, bytes(63)],
    ],
)
def test_another_shape_is_refused(message: list[Any]):
    with pytest.raises(EvidenceError):
        receipt.read(b"\xd2" + cbor.encode(message))


@given(st.integers(0, len(included(6, 13)) - 1), st.integers(0, 7))
def test_a_flipped_bit_is_refused(at: int, bit: int):
    changed = bytearray(included(6, 13))
    changed[at] ^= 1 << bit
    with pytest.raises(EvidenceError):
        receipt.read(bytes(changed)).check_inclusion(ENTRIES[6], LOG.public)
