"""The tree against RFC 9162 written out word for word, and against published roots."""

import hashlib
from functools import cache

import pytest

from evidence import merkle
from evidence.code import Reason
from evidence.refusal import EvidenceError

SIZE = 64
LEAVES = tuple(merkle.leaf_hash(bytes([at])) for at in range(SIZE))

# The reference tree of Certificate Transparency, as its implementations all test it
# (google/certificate-transparency, merkle_tree_test; the eight inputs and the roots of 1 to 8).
INPUTS = [
    *("", "00", "10", "2021", "3031", "40414243", "5051525354555657"),
    "606162636465666768696a6b6c6d6e6f",
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def split(count):
    """RFC 9162 2.1.1: the largest power of two smaller than the count."""
    k = 1
    while k * 2 < count:
        k *= 2
    return k


@cache
def mth(leaves):
    """RFC 9162 2.1.1."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return hashlib.sha256(b"\x01" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def path(m, leaves):
    """RFC 9162 2.1.3.1."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if m < k:
        return [*path(m, leaves[:k]), mth(leaves[k:])]
    return [*path(m - k, leaves[k:]), mth(leaves[:k])]


def subproof(m, leaves, whole):
    """RFC 9162 2.1.4.1."""
    if m == len(leaves):
        return [] if whole else [mth(leaves)]
    k = split(len(leaves))
    if m <= k:
        return [*subproof(m, leaves[:k], whole), mth(leaves[k:])]
    return [*subproof(m - k, leaves[k:], False), mth(leaves[:k])]


def fetch(level, index):
    """The stored nodes of a tree of SIZE leaves: complete ones only."""
    start, end = index << level, (index + 1) << level
    assert end <= SIZE
    return mth(LEAVES[start:end])


def changes(proof):
    """Every proof that is this one but for one thing."""
    for at, item in enumerate(proof):
        yield [*proof[:at], item[:-1] + bytes([item[-1] ^ 1]), *proof[at + 1 :]]
        yield [*proof[:at], *proof[at + 1 :]]
        yield [*proof[:at], item, *proof[at:]]
        if at and proof[at - 1] != item:
            yield [*proof[: at - 1], item, proof[at - 1], *proof[at + 1 :]]
    yield [*proof, bytes(32)]
    yield [bytes(32), *proof]


def refused(reasons, check, *args):
    with pytest.raises(EvidenceError) as fault:
        check(*args)
    return fault.value.reason in reasons


def test_published_roots():
    leaves = [merkle.leaf_hash(bytes.fromhex(text)) for text in INPUTS]
    frontier = merkle.Frontier()
    for size, expected in enumerate(ROOTS, 1):
        frontier.append(leaves[size - 1])
        assert merkle.root(leaves[:size]).hex() == frontier.root().hex() == expected
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"  # SHA-256 of nothing
    assert merkle.root([]).hex() == merkle.Frontier().root().hex() == empty


def test_roots_and_frontiers_of_every_size():
    frontier = merkle.Frontier()
    stored: dict[tuple[int, int], bytes] = {}
    for size in range(SIZE + 1):
        assert merkle.root(LEAVES[:size]) == frontier.root() == mth(LEAVES[:size])
        kept = [stored[level, size >> level & ~1] for level in range(7)[::-1] if size >> level & 1]
        again = merkle.Frontier(size, kept)
        assert again.root() == frontier.root()
        if size < SIZE:
            completed = frontier.append(LEAVES[size])
            assert completed == again.append(LEAVES[size])
            stored |= {(level, index): node for level, index, node in completed}
    assert stored == {(k, at): fetch(k, at) for k in range(7) for at in range(SIZE >> k)}


def test_every_inclusion_proof():
    for size in range(1, SIZE + 1):
        whole = mth(LEAVES[:size])
        for index in range(size):
            proof = merkle.inclusion_proof(index, size, fetch)
            assert proof == path(index, LEAVES[:size])
            merkle.check_inclusion(LEAVES[index], index, size, proof, whole)


def test_every_changed_inclusion_proof_is_refused():
    for size in range(1, 34):
        whole = mth(LEAVES[:size])
        for index in range(size):
            proof = path(index, LEAVES[:size])
            for changed in changes(proof):
                args = (LEAVES[index], index, size, changed, whole)
                assert refused({Reason.INCLUSION}, merkle.check_inclusion, *args)
            for other in {0, index - 1, index + 1, size - 1, size, -1} - {index}:
                args = (LEAVES[index], other, size, proof, whole)
                assert refused({Reason.INCLUSION}, merkle.check_inclusion, *args)
            args = (LEAVES[index - 1] if size > 1 else bytes(32), index, size, proof, whole)
            assert refused({Reason.INCLUSION}, merkle.check_inclusion, *args)
            args = (LEAVES[index], index, size, proof, whole[::-1])
            assert refused({Reason.INCLUSION}, merkle.check_inclusion, *args)


def test_every_consistency_proof():
    for second in range(SIZE + 1):
        for first in range(second + 1):
            proof = merkle.consistency_proof(first, second, fetch)
            assert proof == ([] if not first else subproof(first, LEAVES[:second], True))
            roots = mth(LEAVES[:first]), mth(LEAVES[:second])
            merkle.check_consistency(first, roots[0], second, roots[1], proof)


def test_every_changed_consistency_proof_is_refused():
    for second in range(2, 34):
        for first in range(1, second):
            proof = subproof(first, LEAVES[:second], True)
            roots = mth(LEAVES[:first]), mth(LEAVES[:second])
            tried = [(first, roots[0], second, roots[1], changed) for changed in changes(proof)]
            tried.append((first, bytes(32), second, roots[1], proof))
            tried.append((first, roots[0], second, bytes(32), proof))
            tried.append((first, roots[1], second, roots[0], proof))
            for args in tried:
                assert refused({Reason.CONSISTENCY}, merkle.check_consistency, *args)


def test_a_proof_serves_no_tree_of_another_depth():
    """The root alone does not tell the size: a path must have the length that the size demands."""
    for size in range(1, 34):
        whole = mth(LEAVES[:size])
        for index in range(size):
            proof = path(index, LEAVES[:size])
            for claimed in range(index + 1, SIZE):
                if len(path(index, LEAVES[:claimed])) != len(proof):
                    args = (LEAVES[index], index, claimed, proof, whole)
                    assert refused({Reason.INCLUSION}, merkle.check_inclusion, *args)
        for first in range(1, size):
            proof = subproof(first, LEAVES[:size], True)
            for claimed in range(first + 1, SIZE):
                if len(subproof(first, LEAVES[:claimed], True)) != len(proof):
                    trees = (first, mth(LEAVES[:first]), claimed, whole, proof)
                    assert refused({Reason.CONSISTENCY}, merkle.check_consistency, *trees)


def test_trees_that_do_not_grow():
    a, b = mth(LEAVES[:5]), mth(LEAVES[:6])
    none: list[bytes] = []
    for args in ((5, a, 5, b, none), (5, a, 5, a, [a]), (0, merkle.EMPTY_ROOT, 5, a, [a])):
        assert refused({Reason.CONSISTENCY}, merkle.check_consistency, *args)
    for args in ((6, b, 5, a, none), (-1, b, 5, a, none), (5, a, 6, b, [a] * 129)):
        assert refused({Reason.TREE_SIZE}, merkle.check_consistency, *args)
    assert refused({Reason.INCLUSION}, merkle.check_inclusion, a, 0, 1 << 200, [a] * 129, a)
    assert refused({Reason.INCLUSION}, merkle.check_inclusion, a, 0, 0, [], merkle.EMPTY_ROOT)


def test_a_leaf_is_no_node():
    """RFC 9162 2.1.1: the first byte keeps a node from passing as an entry."""
    node = merkle.node_hash(LEAVES[0], LEAVES[1])
    assert merkle.leaf_hash(LEAVES[0] + LEAVES[1]) != node
    none: list[bytes] = []
    args = (merkle.leaf_hash(LEAVES[0] + LEAVES[1]), 0, 1, none, node)
    assert refused({Reason.INCLUSION}, merkle.check_inclusion, *args)


@pytest.mark.parametrize("make", [merkle.inclusion_proof, merkle.consistency_proof])
def test_proofs_of_what_is_not_there(make):
    for numbers in ((-1, 5), (6, 5)):
        with pytest.raises(ValueError, match="no "):
            make(*numbers, fetch)
    with pytest.raises(ValueError, match="3 complete subtrees"):
        merkle.Frontier(7, [bytes(32)])
