"""Tiles against the tree of RFC 9162 written out word for word, and against the examples of C2SP
tlog-tiles."""

import hashlib
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import merkle
from evidence.code import Reason
from evidence.merkle import Frontier
from evidence.refusal import EvidenceError
from evidence.tlog import tile
from evidence.tlog.tile import ENTRIES, SIZE_MAX, WIDTH, Tile, Tiles

# A log of more than one full tile of level 1: its leaves are alike but for their numbers.
SIZE = WIDTH * WIDTH + 3 * WIDTH + 5
LEAVES = [hashlib.sha256(b"\0%d" % at).digest() for at in range(SIZE)]


@cache
def mth(start: int, end: int) -> bytes:
    """RFC 9162 2.1.1, over the leaves from start to end."""
    if end - start == 1:
        return LEAVES[start]
    k = 1
    while k * 2 < end - start:
        k *= 2
    return hashlib.sha256(b"\1" + mth(start, start + k) + mth(start + k, end)).digest()


def served(asked: Tile) -> bytes:
    """What tlog-tiles says of the n-th tile of a level, in its own words."""
    step = 256**asked.level
    first = asked.index * 256
    return b"".join(mth((first + i) * step, (first + i + 1) * step) for i in range(asked.width))


def root(size: int) -> bytes:
    return mth(0, size) if size else hashlib.sha256().digest()


# --- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "path"),
    [
        (Tile(0, 1234067), "tile/0/x001/x234/067"),  # the specification's example
        (Tile(0, 0), "tile/0/000"),
        (Tile(3, 999, 1), "tile/3/999.p/1"),
        (Tile(63, 1000, 255), "tile/63/x001/000.p/255"),
        (Tile(ENTRIES, 273, 112), "tile/entries/273.p/112"),
        (Tile(0, SIZE_MAX // 256), "tile/0/x036/x028/x797/x018/x963/967"),
    ],
)
def test_a_tile_has_one_name(asked: Tile, path: str):
    assert asked.path() == path
    assert tile.read_path(path) == asked


@pytest.mark.parametrize(
    "path",
    [
        *("", "tile", "tile/0", "tile/0/0", "tile/0/00", "tile/0/0000", "tile/00/000"),
        *("tile/0/x000/000", "tile/0/001/000", "tile/0/x001", "tile/64/000", "tile/-1/000"),
        *("tile/0/000.p/0", "tile/0/000.p/256", "tile/0/000.p/01", "tile/0/000.p/", "tile/0/000.p"),
        *("/tile/0/000", "tile/0/000/", "tile/0/000\n", "tile/0/\u0660\u0660\u0660"),
        *("tile/entry/000", "tile/Entries/000", "tile/0/X001/000", "tile/0/x001/x002/x003"),
        "tile/0/" + "x001/" * 7 + "000",
    ],
)
def test_another_spelling_names_no_tile(path: str):
    with pytest.raises(EvidenceError) as caught:
        tile.read_path(path)
    assert caught.value.reason == Reason.ENCODING


@given(st.integers(ENTRIES, 63), st.integers(0, SIZE_MAX // 256), st.integers(1, WIDTH))
def test_every_name_is_read_back(level: int, index: int, width: int):
    assert tile.read_path(Tile(level, index, width).path()) == Tile(level, index, width)


# --- which there are ------------------------------------------------------------------------------


def test_a_tree_of_70000_has_the_tiles_of_the_specification():
    """Its own example: 273 full tiles of level 0 and one of 112; a full and one of 17 above; and
    one of one hash."""
    found = [each for each in tile.tiles(70_000) if each.level >= 0]
    widths = {level: [each.width for each in found if each.level == level] for level in range(4)}
    assert widths == {0: [256] * 273 + [112], 1: [256, 17], 2: [1], 3: []}
    assert [each.path() for each in tile.tiles(256)] == [
        *("tile/0/000", "tile/1/000.p/1", "tile/entries/000"),
    ]


@given(st.integers(0, 1 << 20), st.integers(0, 1 << 20))
def test_what_a_grown_tree_adds_is_what_the_smaller_one_has_not(one: int, other: int):
    first, second = sorted((one, other))
    assert set(tile.tiles(second, first)) == set(tile.tiles(second)) - set(tile.tiles(first))


@given(st.integers(1, 1 << 62), st.data())
def test_a_proof_needs_few_tiles_and_all_of_them_are_there(size: int, data: st.DataObject):
    needed = tile.for_inclusion(data.draw(st.integers(0, size - 1)), size)
    assert len(needed) <= 2 * -(-size.bit_length() // 8)
    for each in needed:
        assert 0 < each.width == tile.width(each.level, each.index, size)
    with pytest.raises(ValueError, match="no leaf"):
        tile.for_inclusion(size, size)


# --- what they prove ------------------------------------------------------------------------------

SIZES = st.one_of(
    st.sampled_from([1, 2, 255, 256, 257, 512, 65_535, 65_536, 65_537, SIZE]),
    st.integers(1, SIZE),
)


@given(SIZES, st.data())
def test_proofs_from_tiles_lead_to_the_root(size: int, data: st.DataObject):
    index = data.draw(st.integers(0, size - 1))
    first = data.draw(st.integers(0, size))
    asked: list[Tile] = []

    def get(each: Tile) -> bytes:
        asked.append(each)
        return served(each)

    tree = Tiles(size, get)
    assert tree.root() == root(size)
    assert asked == list(tile.for_root(size))
    merkle.check_inclusion(LEAVES[index], index, size, tree.inclusion(index), root(size))
    merkle.check_consistency(first, root(first), size, root(size), tree.consistency(first))
    assert len(asked) == len(set(asked))  # each once
    asked.clear()
    Tiles(size, get).inclusion(index)
    assert asked == list(tile.for_inclusion(index, size))
    asked.clear()
    Tiles(size, get).consistency(first)
    assert asked == list(tile.for_consistency(first, size))


def test_a_tile_above_is_made_of_full_tiles_below():
    level_0 = [served(Tile(0, index)) for index in range(WIDTH)]
    assert b"".join(tile.above(Tile(0, at), data) for at, data in enumerate(level_0)) == served(
        Tile(1, 0)
    )
    tile.check_tile(Tile(1, 0), served(Tile(1, 0)), level_0)
    for wrong in (level_0[:-1], [*level_0[1:], level_0[0]]):
        with pytest.raises(EvidenceError) as caught:
            tile.check_tile(Tile(1, 0), served(Tile(1, 0)), wrong)
        assert caught.value.reason == Reason.ROOT
    partial = Tile(0, 0, 255)
    with pytest.raises(EvidenceError, match="stands in no level above"):
        tile.above(partial, served(partial))


@pytest.mark.parametrize("change", ["flip", "shorter", "longer", "another"])
def test_a_bad_tile_proves_nothing(change: str):
    """A tile that was changed gives no proof, or one that does not hold."""
    size, index = SIZE, 1000
    bad = tile.for_inclusion(index, size)[-1]

    def get(each: Tile) -> bytes:
        data = served(each)
        if each != bad:
            return data
        changes = {
            "flip": bytes([data[64] ^ 1]),
            "shorter": b"",
            "longer": data[64:65] + b"\0",
            "another": b"",
        }
        if change == "another":
            return served(Tile(each.level, each.index + 1))
        return data[:64] + changes[change] + data[65:]

    with pytest.raises(EvidenceError) as caught:
        proof = Tiles(size, get).inclusion(index)
        merkle.check_inclusion(LEAVES[index], index, size, proof, root(size))
    assert caught.value.reason in (Reason.SHAPE, Reason.INCLUSION)


def test_a_subtree_beyond_the_tree_is_nowhere():
    with pytest.raises(ValueError, match="no subtree"):
        tile.of_node(0, 10, 10)
    with pytest.raises(ValueError, match="no subtree"):
        tile.of_node(4, 0, 15)


def test_the_edge_of_a_growing_tree_is_what_its_tiles_say():
    frontier = Frontier()
    for leaf in LEAVES[:600]:
        frontier.append(leaf)
    assert Tiles(600, served).root() == frontier.root()


# --- entries --------------------------------------------------------------------------------------


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=WIDTH))
def test_a_bundle_is_read_back(entries: list[bytes]):
    bundle, asked = tile.write_entries(entries), Tile(ENTRIES, 7, len(entries))
    assert tile.read_entries(asked, bundle) == entries
    hashes = tile.read_hashes(Tile(0, 7, len(entries)), tile.leaves(entries))
    assert hashes == [merkle.leaf_hash(entry) for entry in entries]


@given(st.lists(st.binary(max_size=20), min_size=2, max_size=9), st.data())
def test_a_bundle_of_another_length_is_refused(entries: list[bytes], data: st.DataObject):
    bundle, asked = tile.write_entries(entries), Tile(ENTRIES, 0, len(entries))
    cut = data.draw(st.integers(0, len(bundle) - 1))
    for bad in (bundle[:cut], bundle + b"\0", bundle + b"\0\0"):
        with pytest.raises(EvidenceError) as caught:
            tile.read_entries(asked, bad)
        assert caught.value.reason == Reason.SHAPE


def test_an_entry_has_at_most_65535_bytes():
    longest = bytes(65535)
    asked = Tile(ENTRIES, 0, 1)
    assert tile.read_entries(asked, tile.write_entries([longest])) == [longest]
    with pytest.raises(EvidenceError) as caught:
        tile.write_entries([longest + b"\0"])
    assert caught.value.reason == Reason.TOO_LONG
