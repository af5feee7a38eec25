"""Many leaves and earlier sizes of one tree, under one root; and CBOR without a library."""

import hashlib
import tracemalloc

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import merkle, plain
from evidence.bundle import tree
from evidence.code import Reason
from evidence.refusal import EvidenceError

LEAVES = [hashlib.sha256(b"\x00entry %d" % at).digest() for at in range(70)]


def fetch(level: int, position: int) -> bytes:
    return merkle.root(LEAVES[position << level : (position + 1) << level])


def written(size: int, indexes: set[int], seen: set[int]) -> bytes:
    return tree.write(size, {at: LEAVES[at] for at in indexes}, sorted(seen), fetch)


@given(st.data())
def test_leaves_and_earlier_sizes_are_of_one_tree(data: st.DataObject):
    size = data.draw(st.integers(1, len(LEAVES)))
    indexes = data.draw(st.sets(st.integers(0, size - 1), min_size=1, max_size=12))
    seen = data.draw(st.sets(st.integers(0, size), max_size=6))
    encoded = written(size, indexes, seen)
    found = tree.read(encoded)
    assert found.root == merkle.root(LEAVES[:size])
    assert all(found.root_at(at) == merkle.root(LEAVES[:at]) for at in seen)
    assert [found.index(b"entry %d" % at) for at in sorted(indexes)] == sorted(indexes)
    with pytest.raises(EvidenceError, match="does not prove"):
        found.index(b"another")
    at = data.draw(st.integers(0, len(encoded) - 1))
    bad = bytearray(encoded)
    bad[at] ^= data.draw(st.integers(1, 255))
    try:
        other = tree.read(bytes(bad))
        same = other.root_at(size) == found.root  # as the checkpoint has it, of its own size
        same = same and all(other.root_at(at) == merkle.root(LEAVES[:at]) for at in other.seen)
    except EvidenceError:
        return
    assert not same or other.seen != found.seen


def test_a_tree_of_another_size_under_the_same_root_is_held_against_the_checkpoints():
    """What is not opened is one hash, however many leaves it is of."""
    encoded = written(8, {0}, set())
    found, other = tree.read(encoded), tree.read(encoded[:2] + b"\x07" + encoded[3:])
    assert (found.size, other.size) == (8, 7)
    assert other.root == found.root == found.root_at(8)
    with pytest.raises(EvidenceError, match="nothing proves the tree of 8") as fault:
        other.root_at(8)
    assert fault.value.reason == Reason.CONSISTENCY


def test_neighbours_cost_a_hash_each():
    assert len(written(64, set(range(64)), set())) < 64 * 32 + 100 + 64
    assert len(written(64, {40}, set())) < 7 * 32 + 50


@pytest.mark.parametrize("change", ["one too few", "one too many", "none", "twice"])
def test_what_is_no_tree_is_refused(change: str):
    from evidence import cbor

    version, size, indexes, leaves, seen, nodes = cbor.decode(written(50, {3, 40}, {20}))
    row = {
        "one too few": [version, size, indexes, leaves, seen, nodes[:-32]],
        "one too many": [version, size, indexes, leaves, seen, nodes + bytes(32)],
        "none": [version, size, [], b"", seen, nodes],
        "twice": [version, size, [3, 3], leaves, seen, nodes],
    }[change]
    with pytest.raises(EvidenceError) as fault:
        tree.read(cbor.encode(row))
    assert fault.value.reason in (Reason.INCLUSION, Reason.SHAPE)


@pytest.mark.parametrize("place", ["a list", "a list in a list", "the version", "the leaves"])
def test_a_list_of_millions_is_refused_before_it_is_in_memory(place: str):
    many = b"\x9a" + (1 << 22).to_bytes(4, "big") + bytes(1 << 22)
    data = {
        "a list": b"\x86\x01\x0a" + many + b"\x40\x80\x40",
        "a list in a list": b"\x86\x01\x0a\x81" + many + b"\x40\x80\x40",
        "the version": b"\x86" + many + b"\x0a\x81\x00\x40\x80\x40",
        "the leaves": b"\x86\x01\x0a\x81\x00" + many + b"\x80\x40",
    }[place]
    tracemalloc.start()
    try:
        with pytest.raises(EvidenceError) as fault:
            tree.read(data)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
    assert fault.value.reason == Reason.SHAPE


_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 64), (1 << 64) - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.binary(max_size=300)
    | st.text(max_size=300),
    lambda inner: st.lists(inner, max_size=30) | st.dictionaries(st.integers(), inner, max_size=3),
    max_leaves=20,
)


@given(_VALUES)
def test_what_the_lone_verifier_writes_is_what_the_library_writes(value: object):
    try:
        wanted = cbor2.dumps(value)
    except (OverflowError, ValueError):
        return
    if b"\xc2" in wanted or b"\xc3" in wanted:  # beyond 64 bits it has tags, and we have a fault
        return
    assert plain.dumps(value) == wanted
