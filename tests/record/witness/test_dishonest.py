"""What a mirror finds of a log that is not honest: forks, truncations, changed bytes, entries that
are back-dated. The log is files behind a server of files; what it does wrong is written by the
test.
"""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evidence import cbor, cose
from evidence import checkpoint as logged
from evidence.code import Reason
from evidence.refusal import EvidenceError
from evidence.tlog import checkpoint, fork, note
from record.witness import show
from tests.record.witness.rig import Rig
from tests.record.witness.shown import NOW, NS
from tests.record.witness.watched import LOG, LOGS_KEY


@settings(max_examples=10)
@given(st.integers(0, 299), st.integers(1, 300))
def test_a_fork_is_found_and_its_first_entry_named(base: tuple[Path, str], index: int, more: int):
    rig = Rig(*base)
    rig.follow(300)
    before = rig.copy.published()
    rig.log.twist(index)
    rig.log.grow(more)
    rig.log.show()
    rig.refuses(Reason.FORK, f"entry {index} is another than before")
    (exhibit,) = rig.state.exhibits()
    assert show.standing(rig.state, exhibit) == show.PROVEN
    assert exhibit.note == rig.log.note()
    assert note.read(exhibit.held).text == note.read(before or b"").text
    assert checkpoint.check(exhibit.held, [LOGS_KEY]) and checkpoint.check(exhibit.note, [LOGS_KEY])
    rig.state.close()


def test_a_fork_is_found_though_its_entries_are_kept_back(rig: Rig):
    rig.follow(5)
    rig.log.twist(2)
    rig.log.grow(3)
    rig.log.show()
    for path in rig.log.folder.glob("tile/entries/**/*"):
        if path.is_file():
            path.unlink()
    rig.refuses(Reason.FORK, "entry 2")


def test_another_root_of_the_same_size_is_a_fork(rig: Rig):
    rig.follow(5)
    rig.log.twist(4)
    rig.log.show()
    rig.refuses(Reason.FORK, "another root than before for the tree of 5")
    assert rig.found() == [(Reason.FORK, show.PROVEN)]


def test_a_truncation_is_found_and_stands_until_the_log_is_back(rig: Rig):
    rig.follow(5)
    rig.follow(4)
    whole = list(rig.log.entries)
    rig.log.cut(5)
    rig.log.show()
    rig.refuses(Reason.TRUNCATED, "a tree of 5 is served after one of 9")
    assert rig.found() == [(Reason.TRUNCATED, show.ACCUSES)]
    rig.log.grow(5, word="other")  # and has gone on from there
    rig.log.show()
    rig.refuses(Reason.FORK, "entry 5 is another")
    assert rig.found()[-1] == (Reason.TRUNCATED, show.ACCUSES)
    rig.log.cut(0)
    rig.log.commits.clear()
    rig.log.commit(*whole[:5])
    rig.log.commit(*whole[5:])
    assert rig.follow(1) == 1
    assert rig.found() == [(Reason.FORK, show.PROVEN), (Reason.TRUNCATED, show.ANSWERED)]


def test_a_smaller_tree_with_another_history_is_a_fork(rig: Rig):
    rig.follow(9)
    rig.log.cut(5)
    rig.log.twist(3)
    rig.log.show()
    rig.refuses(Reason.FORK, "tree of 5")


@pytest.mark.parametrize("path", ["tile/0/000", "tile/entries/001", "tile/1/000.p/2"])
def test_a_changed_byte_of_an_old_tile_is_named(rig: Rig, path: str):
    rig.follow(512)
    rig.log.spoil(path, 40)
    with pytest.raises(EvidenceError, match=f"root: {path}: byte 40 is another than before"):
        for _ in range(3):
            rig.pull()
    assert rig.found() == [(Reason.ROOT, show.ITS_WORD)]
    rig.log.spoil(path, 40)
    assert rig.pull() == 0


def test_a_changed_byte_of_a_bundle_that_grows_is_named(rig: Rig):
    rig.follow(5)
    rig.log.grow(1)
    rig.log.show()
    rig.log.spoil("tile/entries/000.p/6", 4)
    rig.refuses(Reason.ROOT, "tile/entries/000.p/6")


def test_a_back_dated_entry_is_found(rig: Rig):
    """It was not there at noon, and the log says it was logged before."""
    rig.follow(5, NOW)
    rig.now = NOW + 600 * NS
    assert rig.pull() == 0  # nothing came in ten minutes
    rig.now = NOW + 700 * NS
    rig.log.grow(2, NOW + 500 * NS)
    assert rig.follow(1, NOW + 650 * NS) == 3
    (exhibit,) = rig.state.exhibits()
    assert show.standing(rig.state, exhibit) == show.ITS_WORD
    assert exhibit.reason == Reason.BACK_DATED
    assert exhibit.words.startswith("entries 5 to 6 were logged at ")
    assert exhibit.words.endswith("100 s later it did not show them")
    said = logged.read(cose.read(exhibit.proof).payload)
    assert (said.size, said.tai) == (7, NOW + 500 * NS)
    assert rig.whole() == []  # it is in the signed tree


def test_a_back_dated_entry_is_found_after_a_restart(rig: Rig):
    rig.follow(5, NOW)
    rig.state.close()
    rig.restart()
    rig.now = NOW + 3600 * NS
    rig.follow(1, NOW - 61 * NS)
    assert rig.found() == [(Reason.BACK_DATED, show.ITS_WORD)]


def test_within_the_bound_nothing_is_back_dated(rig: Rig):
    rig.log.grow(5, NOW - 900 * NS)  # how old a log is when it is first seen says nothing
    rig.log.show()
    rig.pull()
    rig.now = NOW + 100 * NS
    rig.log.grow(1, NOW - 60 * NS)
    rig.follow(1, NOW + 160 * NS)
    assert rig.found() == []


def test_times_that_fall_or_run_ahead_are_found(rig: Rig):
    rig.log.grow(2, NOW)
    rig.log.grow(2, NOW - 1)
    rig.follow(2, NOW + 61 * NS)
    reasons = {one.reason: one.words for one in rig.state.exhibits()}
    assert reasons.keys() == {Reason.BACK_DATED, Reason.CLOCK_SUSPECTED}
    assert reasons[Reason.BACK_DATED].startswith("entries 2 to 3 ")
    assert reasons[Reason.CLOCK_SUSPECTED].startswith("entries 4 to 5 ")


def test_two_roots_in_two_renderings_are_a_fork(rig: Rig):
    rig.log.grow(2)
    rig.log.grow(3)
    rig.log.show()
    other = rig.log.stated(2, NOW, bytes(32))
    both = [other, rig.log.stated(5, NOW)]
    rig.log.put("v1/checkpoints/0", cbor.encode(both))
    rig.refuses(Reason.FORK, "its own checkpoint over 2 entries has another root")
    found = fork.read(rig.state.exhibits()[0].proof)
    assert found.smaller == other
    assert found.check(LOG.public)[0].root == bytes(32)


@pytest.mark.parametrize("restarts", [False, True])
def test_times_that_fall_from_one_pull_to_the_next_are_found(rig: Rig, restarts: bool):
    rig.follow(2, NOW - 10 * NS)
    rig.follow(2, NOW)
    if restarts:
        rig.state.close()
        rig.restart()
    rig.follow(2, NOW - NS)  # within the bound of when they were seen
    (exhibit,) = rig.state.exhibits()
    assert exhibit.reason == Reason.BACK_DATED
    assert exhibit.words.startswith("entries 4 to 5 were logged at ")
    assert rig.whole() == []
