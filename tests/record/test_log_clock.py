"""The log's clock never goes back: what a record does when its machine's does, and who finds one
that let it go back all the same."""

import logging
from functools import partial
from pathlib import Path

import pytest

from evidence import checkpoint, cose, merkle
from evidence.bundle import tree as trees
from evidence.bundle.place import Places
from evidence.code import Role
from evidence.joint.registry import Key
from evidence.joint.state import State
from evidence.receipt import Receipt
from evidence.refusal import EvidenceError
from record.cli import main
from record.database import Place
from record.log import stored_node
from record.store import Store
from tests.evidence.joint.sharing import (
    EAST,
    HOUR,
    KEYS,
    STATE,
    WEST,
    founders_text,
    listing,
    lists,
    signed,
    word,
)
from tests.record.bundling import Seam, reconstruct, verify
from tests.record.judge import Judge
from tests.record.test_audit import SHARING, anchors_text
from tests.record.test_joint import hour, rule, send, state
from tests.record.upstream import BOTH, NOW, Upstream

BACK = "logged 3600000000000 ns before"


def clock(store: Store) -> list[int]:
    """What the log's checkpoints say, in their order."""
    signed_ = (store.checkpoint(size) for size in store.checkpoints())
    return [checkpoint.read(cose.read(one or b"").payload).tai for one in signed_]


@BOTH
def test_while_the_machines_clock_is_behind_the_logs_stands_still(
    place: Place, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    """What expired stays so, a word that comes too late stays late, over a restart too; and once
    is said, not with each commit."""
    upstream = Upstream(place, authorities=SHARING)
    rule(upstream)
    of, late = hour(), hour(7.0)
    end = NOW + 169 * HOUR
    send(upstream, signed(of))
    send(upstream, signed(late), now=end)
    with caplog.at_level(logging.WARNING, "gridseal.record.sequencer"):
        send(upstream, word(of, EAST), now=NOW)
        assert state(upstream, of, tai=clock(upstream.store)[-1]) == State.EXPIRED
        send(upstream, word(late, EAST), now=NOW + HOUR)
        send(upstream, signed(hour(8.0)), now=end + 1)
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]
    assert "608400.000 s behind" in caplog.text
    upstream.close()
    again = Upstream(place, authorities=SHARING)
    send(again, word(hour(8.0), EAST), now=NOW)
    assert clock(again.store)[-5:] == [end, end, end, end + 1, end + 1]
    assert state(again, of, tai=end + 1) == State.EXPIRED
    again.close()
    path = tmp_path / "anchors.toml"
    path.write_text(anchors_text() + founders_text())
    assert main(["verify", str(place), "--anchors", str(path)]) == 0


def test_a_key_does_not_come_back_into_force(tmp_path: Path):
    """And what gets no place moves no clock: no checkpoint says it."""
    upstream = Upstream(tmp_path / "record.db", authorities=SHARING)
    rule(upstream)
    keys = (Key(KEYS[EAST].public, 0, NOW + HOUR),)
    entry = lists(listing(EAST, Role.BA, Role.RC, at=["EAST"], keys=keys), author=EAST)
    send(upstream, signed(entry), word(entry, WEST), word(entry, STATE))
    send(upstream, signed(hour()), signed(hour(7.0)))
    with pytest.raises(EvidenceError, match="key_expired"):
        send(upstream, word(hour(), EAST), now=NOW + HOUR)
    send(upstream, word(hour(), EAST))
    assert state(upstream, hour()) == State.JOINT
    send(upstream, signed(hour(8.0)), now=NOW + HOUR)
    with pytest.raises(EvidenceError, match="key_expired"):
        send(upstream, word(hour(7.0), EAST))
    upstream.close()


@pytest.fixture(scope="module")
def set_back(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A record that let its clock go back by an hour."""
    folder = tmp_path_factory.mktemp("back")
    seam = Seam(folder, gateways=1)
    seam.measure(seam.runs[0], gap=False)
    seam.second = 1
    seam.upstream.push(seam.runs[0].cut(), seam.now + HOUR)
    seam.upstream.sequencer.tai = 0
    seam.go(1)
    seam.close()
    (folder / "anchors.toml").write_text(seam.anchors())
    return folder


def test_an_audit_finds_a_clock_that_went_back(set_back: Path, capsys):
    assert verify(set_back / "record.db", set_back / "anchors.toml") == 1
    assert BACK in capsys.readouterr().out


def test_a_bundle_of_a_clock_that_went_back_is_refused_by_both(
    set_back: Path, tmp_path: Path, judge: Judge, capsys
):
    out, anchors = tmp_path / "bundle", set_back / "anchors.toml"
    reconstruct(set_back / "record.db", out, first=0, last=2)
    code, told = judge.main(out, "--anchors", anchors)
    assert (code, BACK in told, "clock.bin: back_dated" in told) == (1, True, True), told
    capsys.readouterr()
    assert verify(out, anchors) == 1
    assert BACK in capsys.readouterr().out


def test_a_receipt_of_a_later_commit_is_another_instant_and_is_refused(tmp_path: Path):
    """A log that signs a second one, by which a key had expired when its word came."""
    seam = Seam(tmp_path, gateways=1)
    seam.go(2)
    store, log = seam.upstream.store, seam.upstream.log
    sizes, entry = store.checkpoints(), store.entry(4)
    assert entry is not None
    leaves = {idx: merkle.leaf_hash(one.encoded) for idx, one in enumerate(store.entries())}
    tree = trees.read(trees.write(log.size, leaves, list(sizes), partial(stored_node, store)))
    places = Places(tree, seam.log.public)
    for size in sizes:
        places.see(store.checkpoint(size) or b"")
    later = Receipt(entry.subject, 4, log.size, log.root(), log.inclusion(4, log.size), ())
    with pytest.raises(EvidenceError, match="that of 5 has entry 4 too"):
        places.placed(entry.encoded, later)
    seam.close()
