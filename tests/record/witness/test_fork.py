"""A fork as one file: whoever has it and the log's key sees it, by the program and by arithmetic of
another's (RFC 9162 2.1.4.2 and signed notes, written here once more, over PyNaCl alone).
"""

import base64
import hashlib
from pathlib import Path

import pytest
from nacl.signing import VerifyKey

from evidence import cbor
from evidence.code import Reason
from evidence.refusal import EvidenceError
from evidence.tlog import fork
from evidence.tlog.fork import Fork
from record.cli import main
from record.command.witness import told
from record.witness import show
from record.witness.witness import Witness
from tests.record.witness.rig import Rig
from tests.record.witness.watched import FORKED, HONEST, LOG, ORIGIN, STRANGER, GrownLog


def parent(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def led_to(first: int, root: bytes, second: int, proof: list[bytes]) -> tuple[bytes, bytes]:
    """RFC 9162 2.1.4.2, steps 2 to 6: the two roots that a proof leads to."""
    path = [root, *proof] if first & (first - 1) == 0 else list(proof)
    fn, sn = first - 1, second - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = path[0]
    for node in path[1:]:
        assert sn
        if fn & 1 or fn == sn:
            fr, sr = parent(node, fr), parent(node, sr)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = parent(sr, node)
        fn, sn = fn >> 1, sn >> 1
    assert sn == 0
    return fr, sr


def signed(data: bytes) -> tuple[int, bytes]:
    """Size and root of a note that the log's key signed."""
    text, _, lines = data.decode().rpartition("\n\n")
    origin, size, root = text.split("\n")
    assert origin == ORIGIN
    raw = base64.b64decode(lines.split(" ")[2])
    VerifyKey(LOG.public.raw).verify(f"{text}\n".encode(), raw[4:])
    return int(size), base64.b64decode(root)


def shows_a_fork(data: bytes) -> None:
    """By nothing of Gridseal's but the reading of CBOR."""
    _, _, smaller, larger, root, proof = cbor.decode(data)
    (first, one), (second, other) = signed(smaller), signed(larger)
    if first == second:
        assert one != other
    else:
        assert led_to(first, root, second, list(proof)) == (root, other)
        assert root != one


def anchored(folder: Path, key: bytes = LOG.public.raw) -> str:
    path = folder / "anchors.toml"
    path.write_text(f'[log]\nname = "{ORIGIN}"\nkey = "{key.hex()}"\n')
    return str(path)


@pytest.mark.parametrize(
    ("before", "twisted", "more"), [(300, 7, 215), (5, 0, 3), (256, 255, 256), (257, 3, 0)]
)
def test_a_mirrors_fork_is_shown_by_its_file_alone(
    rig: Rig, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    before: int, twisted: int, more: int,
):  # fmt: skip
    rig.log.grow(before)
    rig.log.show()
    rig.pull()
    rig.log.twist(twisted)
    if more:
        rig.log.grow(more)
    rig.log.show()
    rig.refuses(Reason.FORK)
    (data,) = show.forks(rig.state)
    shows_a_fork(data)
    path = tmp_path / "evidence"
    path.write_bytes(data)
    assert main(["verify", str(path), "--anchors", anchored(tmp_path)]) == 0
    assert "it showed two histories" in capsys.readouterr().out
    assert main(["verify", str(path), "--anchors", anchored(tmp_path, bytes([3] * 32))]) != 0


def test_a_smaller_tree_of_another_history_is_shown_too(rig: Rig):
    rig.log.grow(300)
    rig.log.show()
    rig.pull()
    rig.log.cut(257)
    rig.log.twist(3)
    rig.log.show()
    rig.refuses(Reason.FORK)
    (data,) = show.forks(rig.state)
    assert signed(fork.read(data).smaller)[0] == 257
    shows_a_fork(data)


def test_a_witness_writes_each_of_its_forks(
    witness: Witness, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Of a size that was cosigned, then and later, and of one that never was."""
    assert witness.add_checkpoint(HONEST.body(0, 5)).status == 200
    assert witness.add_checkpoint(FORKED.body(5, 5)).status == 422
    assert witness.add_checkpoint(FORKED.body(5, 8)).status == 422
    assert witness.add_checkpoint(HONEST.body(5, 8)).status == 200
    for log in (HONEST, FORKED):
        assert witness.add_checkpoint(log.body(0, 6)).status == 409
    witness.by.state.close()
    assert told(tmp_path / "witness.db", False, tmp_path / "forks") == 1
    capsys.readouterr()
    files = sorted((tmp_path / "forks").iterdir())
    assert sorted(signed(fork.read(one.read_bytes()).larger)[0] for one in files) == [5, 6, 8]
    for one in files:
        shows_a_fork(one.read_bytes())
        assert main(["verify", str(one), "--anchors", anchored(tmp_path)]) == 0


ROOT5, ROOT8 = (HONEST.checkpoint(size).root for size in (5, 8))
GOOD = HONEST.proof(5, 8)
ELSEWHERE = GrownLog(origin="log.example/elsewhere", twist=3)
NO_FORKS = {
    "one history": (Fork(HONEST.note(5), HONEST.note(8), ROOT5, GOOD), Reason.FORK),
    "one tree twice": (Fork(HONEST.note(5), HONEST.note(5), ROOT5), Reason.FORK),
    "a root that no proof leads from": (
        Fork(HONEST.note(5), HONEST.note(8), bytes(32), GOOD), Reason.CONSISTENCY,
    ),
    "no proof": (Fork(HONEST.note(5), FORKED.note(8), bytes(32)), Reason.CONSISTENCY),
    "the larger one first": (Fork(HONEST.note(8), HONEST.note(5), ROOT8), Reason.TREE_SIZE),
    "an empty tree": (Fork(HONEST.note(0), HONEST.note(8), bytes(32)), Reason.CONSISTENCY),
    "a stranger's": (Fork(HONEST.note(5), STRANGER.note(5), ROOT5), Reason.SIGNATURE),
    "another log's of the same key": (
        Fork(HONEST.note(5), ELSEWHERE.note(5), ROOT5), Reason.FORK,
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", NO_FORKS)
def test_what_shows_no_fork_is_refused(tmp_path: Path, what: str):
    found, reason = NO_FORKS[what]
    with pytest.raises(EvidenceError) as fault:
        fork.read(found.encode()).check(LOG.public)
    assert fault.value.reason == reason, fault.value
    path = tmp_path / "none"
    path.write_bytes(found.encode())
    assert main(["verify", str(path), "--anchors", anchored(tmp_path)]) == 1


def test_no_byte_of_it_can_be_another():
    data = fork.of(HONEST.note(5), FORKED.note(8), FORKED.checkpoint(5).root, FORKED.proof(5, 8))
    shows_a_fork(data)
    fork.read(data).check(LOG.public)
    for at in range(len(data)):
        spoiled = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        with pytest.raises(EvidenceError):
            fork.read(spoiled).check(LOG.public)
