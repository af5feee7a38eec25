"""Bundles of what authorities share: seams, records with their states, what was computed and is
computed again, witnesses, revocations, documents.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from evidence import cose, instant, receipt
from evidence.anchor import by_kid
from evidence.checkpoint import read as read_checkpoint
from evidence.code import Agreement, Truth, Typ, Word
from evidence.export import Item, Sealed
from evidence.joint.record import Observed
from evidence.joint.truth import Found
from evidence.key import Ed25519Key
from evidence.leap import NS
from evidence.tlog import checkpoint, cosignature
from evidence.tlog.note import COSIGNATURE, Verifier
from record.handoff import evaluate
from record.handoff.evaluate import evaluation_of
from record.known import Known
from record.reconstruct import document
from record.reconstruct.document import File
from record.reconstruct.material import Material
from record.schema import NoteRow
from record.settle.job import settled
from record.store import open_writer
from tests.evidence.joint.sharing import EAST, FOUNDERS, WEST, founders_text, signed, word
from tests.record.authority import Book
from tests.record.bundling import Seam as Pair
from tests.record.bundling import device, files, reconstruct, rewritten, sealed_anew, verify
from tests.record.gateway import START, Statement, id_of, key
from tests.record.handoff.conftest import begin, decide, measure, volts
from tests.record.judge import Judge
from tests.record.settle.border import BUS, LINE, SIDES, Pmu, Shared
from tests.record.settle.test_job import I1, I2, SECONDS, V1, V2, both, fill, job_of, settle
from tests.record.upstream import AUTHORITIES, LOG, Upstream

AWAY = replace(SIDES[0], node=b"\x09" * 16, terminal=b"\x0a" * 16)
WITNESS, OTHER = key("witness"), key("other witness")


@pytest.fixture(scope="module")
def seam(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A line with both its sides, and a gateway elsewhere; what the sides come to is joint, and
    somebody says something else of the same leaves."""
    folder = tmp_path_factory.mktemp("seam")
    shared = Shared(folder / "record.db", LINE, BUS)
    both(shared, LINE, (V1, I1), (V2, I2))
    fill(Pmu(shared, AWAY), V1, I1)
    settled = settle(shared, LINE)
    shared.agree(settled.record(WEST), EAST)
    shared.upstream.close()
    _anchors(folder)
    return folder


def _anchors(folder: Path, more: str = "") -> None:
    text = f'{more}[log]\nname = "demo"\nkey = "{LOG.public.raw.hex()}"\n{founders_text()}'
    one = key("authority").public.raw.hex()
    text += f'[[authority]]\nname = "Utility A"\nkey = "{one}"\n'
    (folder / "anchors.toml").write_text(text)


def test_a_seam_is_its_sides_and_its_settlement_is_computed_again(
    seam: Path, tmp_path: Path, judge: Judge, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "bundle"
    asked = {"first": 0, "last": SECONDS}
    assert reconstruct(seam / "record.db", out, "--seam", LINE.name, **asked) == 0
    assert "2 gateways, 2 batches" in capsys.readouterr().out
    assert verify(out, seam / "anchors.toml") == 0
    told = capsys.readouterr().out
    for words in ("settlement joint: 1", "seam joint: 2", "policy joint: 1", ", seam South Line"):
        assert words in told
    assert "again      1 evaluations and settlements, from the observations" in told
    assert judge.main(out, "--anchors", seam / "anchors.toml")[0] == 0
    assert reconstruct(seam / "record.db", tmp_path / "all", **asked) == 0
    assert "3 gateways, 3 batches" in capsys.readouterr().out
    assert reconstruct(seam / "record.db", tmp_path / "none", "--seam", "West", **asked) == 2
    assert "in force: Border Bus, South Line" in capsys.readouterr().err


def test_a_side_of_which_nothing_is_in_it_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    shared = Shared(tmp_path / "record.db", LINE)
    fill(Pmu(shared, SIDES[0]), V1, I1)
    shared.upstream.close()
    _anchors(tmp_path)
    more = ("--seam", LINE.name)
    assert reconstruct(tmp_path / "record.db", tmp_path / "one", *more, first=0, last=SECONDS) == 0
    assert verify(tmp_path / "one", tmp_path / "anchors.toml") == 0
    told = capsys.readouterr().out
    assert f"open       no gateway of {SIDES[1].authority}, a side of the seam, is in it" in told
    assert f"no gateway of {SIDES[0].authority}" not in told


def test_what_is_withheld_cannot_be_computed_again(
    seam: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    more = ("--seam", LINE.name, "--withhold", "gw-1/*")
    assert reconstruct(seam / "record.db", tmp_path / "less", *more, first=0, last=SECONDS) == 0
    told = capsys.readouterr().out
    assert "leans on what is withheld, and cannot be computed again: settlement, entry " in told
    assert ": of 1 of its 2 batches\n" in told
    assert reconstruct(seam / "record.db", tmp_path / "all", *more[:2], first=0, last=SECONDS) == 0
    assert "leans" not in capsys.readouterr().out
    assert verify(tmp_path / "less", seam / "anchors.toml") == 0
    told = capsys.readouterr().out
    assert "1 lean on batches that are not in it, or not whole" in told
    assert "0 observations" in told and "; 40 withheld" in told


def test_values_that_are_withheld_leave_nothing_to_compute_with(
    seam: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    more = ("--seam", LINE.name, "--withhold", "others", "--withhold", "configurations")
    assert reconstruct(seam / "record.db", tmp_path / "less", *more, first=0, last=SECONDS) == 0
    assert "80 observations (0 withheld)" in capsys.readouterr().out
    assert verify(tmp_path / "less", seam / "anchors.toml") == 0
    told = capsys.readouterr().out
    assert "1 lean on batches that are not in it, or not whole" in told
    assert "withheld   1 values: their salted hashes stand in" in told


def test_a_settlement_that_its_leaves_do_not_come_to_is_found(
    tmp_path: Path, judge: Judge, capsys: pytest.CaptureFixture[str]
):
    """Signed by both sides, and in the log; only who has the observations can tell."""
    shared = Shared(tmp_path / "record.db", LINE)
    both(shared, LINE, (V1, I1), (V2, I2))
    settled = settle(shared, LINE)
    body = replace(settled.body, verdict=Agreement.NOT_COMPARABLE, disagreement=None, why="a storm")
    shared.agree(replace(settled.record(WEST), body=body.body()), EAST)
    shared.upstream.close()
    _anchors(tmp_path)
    assert reconstruct(tmp_path / "record.db", tmp_path / "bad", first=0, last=SECONDS) == 0
    assert verify(tmp_path / "bad", tmp_path / "anchors.toml") == 1
    assert "it says not_comparable; settled again" in capsys.readouterr().out
    code, told = judge.main(tmp_path / "bad", "--anchors", tmp_path / "anchors.toml")
    assert code == 0 and "`gridseal-record verify` makes them again" in told


def test_a_settlement_that_chose_its_leaves_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Two meters of one side, and the one that fits is named: what it comes to is right."""
    shared = Shared(tmp_path / "record.db", LINE)
    both(shared, LINE, (V1, I1), (V2, I2))
    fill(Pmu(shared, SIDES[0]), 1.2 * V1, I1)
    whole = job_of(shared, LINE)
    first = replace(whole.leaves[0], indexes=whole.leaves[0].indexes[:1])
    chosen = settled(shared.store, shared.known(), whole._replace(leaves=(first, whole.leaves[1])))
    shared.agree(chosen.record(WEST), EAST)
    shared.upstream.close()
    _anchors(tmp_path)
    assert reconstruct(tmp_path / "record.db", tmp_path / "bad", first=0, last=SECONDS) == 0
    assert verify(tmp_path / "bad", tmp_path / "anchors.toml") == 1
    told = capsys.readouterr().out
    assert "settlement of West Balancing: first: leaves out 1 of 2 leaves of the log" in told


def test_a_handoff_its_condition_and_its_states(
    tmp_path: Path,
    judge: Judge,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    upstream, run = begin(tmp_path / "record.db")
    leaves = measure(upstream, run)
    run.observe(2, b"\x01", START)
    batch = run.cut()
    idx = upstream.push(batch).idx
    made = decide(upstream, tmp_path / "record.db", leaves, Observed(id_of(batch), 0))
    upstream.send(Statement(word(made.bare, EAST, Word.DISSENT, "not so")))
    at = START + NS
    wrong = evaluation_of(upstream.store, Known(upstream.store), volts(), at)
    lie = replace(wrong, found=Found(Truth.FALSE)).record(EAST, at)
    upstream.close()
    _anchors(tmp_path)
    assert reconstruct(tmp_path / "record.db", tmp_path / "good", first=0, last=1) == 0
    assert verify(tmp_path / "good", tmp_path / "anchors.toml") == 0
    told = capsys.readouterr().out
    assert "again      1 evaluations and settlements" in told
    assert "handoff joint" in told and "evaluation joint: 1" in told
    assert idx < int(told.split("whole      each entry of the log up to ")[1].split()[0])
    rows = by_kid([*AUTHORITIES.values(), *FOUNDERS])
    again = Upstream(tmp_path / "record.db", authorities=rows)
    again.send(Statement(signed(lie)))
    again.close()
    assert reconstruct(tmp_path / "record.db", tmp_path / "bad", first=0, last=1) == 0
    assert verify(tmp_path / "bad", tmp_path / "anchors.toml") == 1
    assert "evaluation of East Pool: evaluated_otherwise: " in capsys.readouterr().out
    assert judge.main(tmp_path / "bad", "--anchors", tmp_path / "anchors.toml")[0] == 0
    monkeypatch.setattr(evaluate, "EFFORT_MAX", 0)
    assert verify(tmp_path / "bad", tmp_path / "anchors.toml") == 0
    assert "not evaluated again, for it would take long: entries " in capsys.readouterr().out
    assert verify(tmp_path / "bad", tmp_path / "anchors.toml", "--every") == 1


# --- witnesses ------------------------------------------------------------------------------------


def witnessed(place: Path, *witnesses: Ed25519Key, root: bytes | None = None) -> None:
    """Publishes the last checkpoint of a record, cosigned; `root`: in place of its own."""
    store = open_writer(place)
    size = store.checkpoints()[-1]
    root = root or read_checkpoint(cose.read(store.checkpoint(size) or b"").payload).root
    note = checkpoint.sign(checkpoint.Checkpoint("demo", size, root), LOG)
    for number, one in enumerate(witnesses):
        line = cosignature.sign(note.text, f"w{number}", one, 1_790_000_100)
        note = note.with_lines([line])
    data = note.encode()
    store.begin()
    store.add_note(NoteRow(size, data, hashlib.sha256(data).digest()))
    store.commit()
    store.close()


def policy(witness: Ed25519Key) -> str:
    vkey = Verifier("w0", COSIGNATURE, witness.public).vkey()
    return f"witness one {vkey}\nquorum one\n"


def test_cosignatures_are_those_that_the_anchors_ask_for(
    tmp_path: Path, judge: Judge, capsys: pytest.CaptureFixture[str]
):
    pair = Pair(tmp_path, rate=2)
    pair.go(2)
    pair.close()
    text = pair.anchors()
    (tmp_path / "policy").write_text(policy(WITNESS))
    (tmp_path / "anchors.toml").write_text(f'witness_policy = "policy"\n{text}')
    other = tmp_path / "other.toml"
    other.write_text(f"witness_policy = '''\n{policy(OTHER)}'''\n{text}")
    assert reconstruct(pair.place, tmp_path / "bare", first=0, last=2) == 0
    witnessed(pair.place, WITNESS)
    assert reconstruct(pair.place, tmp_path / "good", first=0, last=2) == 0
    capsys.readouterr()
    for name, anchors, code, words in (
        ("good", tmp_path / "anchors.toml", 0, "witnesses  one at 2026-09-21T14:15:00Z, of demo"),
        ("good", other, 1, "checkpoint.note: witness: cosigned by nobody"),
        ("bare", tmp_path / "anchors.toml", 1, "witness: there is no published checkpoint"),
    ):
        assert verify(tmp_path / name, anchors) == code
        assert words in capsys.readouterr().out
        found, told = judge.main(tmp_path / name, "--anchors", anchors)
        assert (found, words in told) == (code, True)


def test_a_bundle_of_another_tree_than_was_published_is_a_fork(
    tmp_path: Path, judge: Judge, capsys: pytest.CaptureFixture[str]
):
    """The log's key signed both, of one size: one for the witnesses, one for whoever asks."""
    pair = Pair(tmp_path, rate=2)
    pair.go(2)
    pair.close()
    (tmp_path / "anchors.toml").write_text(pair.anchors())
    witnessed(pair.place, WITNESS, root=bytes(range(32)))
    assert reconstruct(pair.place, tmp_path / "forked", first=0, last=2) == 0
    capsys.readouterr()
    said = "checkpoint.note: fork: of a tree of"
    assert verify(tmp_path / "forked", tmp_path / "anchors.toml") == 1
    assert said in capsys.readouterr().out
    code, told = judge.main(tmp_path / "forked", "--anchors", tmp_path / "anchors.toml")
    assert code == 1 and said in told


# --- revocation -----------------------------------------------------------------------------------


def test_what_came_after_its_key_was_revoked_says_so_or_the_log_is_refused(
    tmp_path: Path, judge: Judge, capsys: pytest.CaptureFixture[str]
):
    pair = Pair(tmp_path, rate=2, gateways=1)
    pair.go(2)
    book = Book(pair.one)
    pair.send(book.open(), book.revoke(pair.gateways[0].device.public))
    pair.go(1)
    pair.close()
    anchors = tmp_path / "anchors.toml"
    anchors.write_text(pair.anchors())
    assert reconstruct(pair.place, tmp_path / "good", first=0, last=3) == 0
    assert verify(tmp_path / "good", anchors) == 0
    told = capsys.readouterr().out
    assert "revoked    1 batches came after their key was revoked, and say so" in told
    assert "class      key_doubtful: 2, by the receipts" in told

    def silence(items: list[Item]) -> None:
        at = [number for number, item in enumerate(items) if isinstance(item, Sealed)][-1]
        item = items[at]
        assert isinstance(item, Sealed) and item.answer is not None
        says = replace(receipt.read(cose.read(item.answer).payload), classed=())
        items[at] = item._replace(answer=cose.sign(Typ.RECEIPT, says.payload(), LOG))

    rewritten(device(tmp_path / "good"), silence)
    sealed_anew(tmp_path / "good")
    assert verify(tmp_path / "good", anchors) == 1
    assert "credential_revoked: stream 1 came after" in capsys.readouterr().out
    assert judge.main(tmp_path / "good", "--anchors", anchors)[0] == 1


# --- documents ------------------------------------------------------------------------------------


def _count(material: Material) -> Iterator[File]:
    """A document: how many batches, and when the log saw the first entry."""
    held = material.held
    heads = sum(entry.typ == Typ.HEAD for entry in held.store.entries())
    first = next(iter(held.store.entries())).idx
    text = f"{heads} batches; {instant.words(held.clock(first))}\n"
    yield File("count.txt", [text.encode(), b"of "] * 2)


def test_documents_are_written_again_and_compared(
    tmp_path: Path, judge: Judge, capsys: pytest.CaptureFixture[str], monkeypatch
):
    monkeypatch.setattr(document, "DOCUMENTS", (_count,))
    pair = Pair(tmp_path, rate=2)
    pair.go(2)
    pair.close()
    anchors = tmp_path / "anchors.toml"
    anchors.write_text(pair.anchors())
    out = tmp_path / "good"
    assert reconstruct(pair.place, out, first=0, last=2) == 0
    assert (out / "documents" / "count.txt").read_text().startswith("4 batches; 2026-09-21T14:13")
    assert verify(out, anchors) == 0
    assert "documents  1 files, written again: the same bytes" in capsys.readouterr().out
    (out / "documents" / "count.txt").write_text("5 batches")
    sealed_anew(out)
    assert verify(out, anchors) == 1
    assert "count.txt: bundle: is not what the evidence makes it" in capsys.readouterr().out
    assert judge.main(out, "--anchors", anchors)[0] == 0  # its hash is in the manifest
    (out / "documents" / "count.txt").rename(out / "documents" / "more.txt")
    sealed_anew(out)
    assert verify(out, anchors) == 1
    told = capsys.readouterr().out
    assert "count.txt: bundle: is missing" in told and "more.txt: bundle: is no document" in told
    assert len(files(out)) == 10
