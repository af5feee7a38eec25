"""What `gridseal-agent export` writes of a spool, and what it answers to what is typed."""

import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import apsw
import pytest

from agent import extract
from agent.commit import State
from agent.export import Selection
from evidence import cose, descriptor, export, head
from evidence.code import Typ
from evidence.export import Item, Loose, Opening, Passed, Sealed, Stated
from evidence.leap import NS
from tests.agent.archiving import (
    ALL,
    beat,
    export_of,
    exported,
    go,
    items,
    kinds,
    receipts,
    typed,
    verified,
)
from tests.agent.keeping import end, running, tick
from tests.agent.site import PERIOD, START, Agent, Record, Site, frame, setup
from tests.evidence.exporting import written

ROOT = Path(__file__).resolve().parents[2]
WAIT_S = 20


def instants(first: int, end: int) -> Selection:
    """From one measurement on and before another."""
    return Selection(START + first * PERIOD, START + end * PERIOD)


def test_all_of_it_is_written_and_holds(filled: Site) -> None:
    data = exported(filled)
    reasons, tally = verified(filled, data)
    assert reasons == []
    frames = 40 + 15 + 25 + 1
    assert tally.observations >= 2 * frames
    assert tally.receipted == 3 and tally.batches > 4 and tally.loose > 0
    assert [tally.streams[number].name for number in (1, 2)] == ["pmu/7", "pmu-b/8"]
    assert tally.gaps["not_heard"] == 2
    assert tally.passed == tally.open == 0
    assert len([one for one in items(data) if isinstance(one, Stated)]) == 8


def test_an_interval_is_whole_batches_that_touch_it(filled: Site) -> None:
    whole = [one for one in items(exported(filled)) if isinstance(one, Sealed)]
    data = exported(filled, instants(20, 22))
    reasons, tally = verified(filled, data)
    assert reasons == []
    (one,) = [item for item in items(data) if isinstance(item, Sealed)]
    assert one in whole[1:-1] and tally.receipted == 1
    seen = tally.streams[1]
    assert seen.first <= START + 20 * PERIOD < START + 22 * PERIOD <= seen.last + PERIOD
    # The ends: what begins with `first` is in, what begins with `end` is not.
    assert exported(filled, Selection(seen.last + 1, seen.last + 2)) != data
    assert kinds(exported(filled, Selection(seen.last, seen.last + 1))) == "S"
    assert kinds(exported(filled, Selection(seen.first - 1, seen.first))) in ("", "S")
    before = exported(filled, Selection(seen.first - 1, seen.first))
    assert one not in items(before)


def test_a_stream_brings_the_batches_that_it_is_in(tmp_path: Path) -> None:
    """And the edges of what came along are nobody's question."""
    site = Site(tmp_path / "gateway")

    async def work() -> None:
        agent = await running(site)
        for number in range(10):
            if number in (3, 7):
                agent.hear(setup("8"), source="pmu-b")
                agent.hear(*_frames(number, "8"), source="pmu-b")
            agent.hear(*_frames(number, "7"))
            await agent.keeper.commit()
            await agent.keeper._commit_last()
        await end(agent)

    go(work())
    assert kinds(exported(site)) == "S" * 10
    data = exported(site, ALL._replace(streams=frozenset({2})))
    assert kinds(data) == "SPS"
    reasons, tally = verified(site, data)
    assert reasons == [] and tally.passed == 3
    one, _, two = [item for item in items(data) if not isinstance(item, Stated)]
    passed = Passed(head.read(cose.read(one.head).payload).run, 4, 6)  # type: ignore[union-attr]
    assert passed in items(data)
    # Without a batch of the stream itself, the word of who exported does not help.
    three = _story(site, 3)
    assert verified(site, three)[0]


def _frames(number: int, key: str) -> list[Any]:
    return [frame(number, key)]


def _story(site: Site, lost: int) -> bytes:
    """The export of stream 2, as somebody would forge it who leaves one of its batches out."""
    opening = Opening(ALL.first, ALL.end, (1,), "forged")
    found = items(exported(site, ALL._replace(streams=frozenset({1}))))
    sealed = [one for one in found if isinstance(one, Sealed)]
    at = found.index(sealed[lost])
    run = head.read(cose.read(sealed[lost].head).payload).run
    return written([*found[:at], Passed(run, lost, lost), *found[at + 1 :]], opening)


def test_without_disclosures_holds_and_tells_no_name(filled: Site) -> None:
    data = exported(filled, ALL._replace(disclosures=False))
    reasons, tally = verified(filled, data)
    assert reasons == [] and not tally.disclosed
    assert b"pmu" not in data.replace(b"pmu/7", b"") or b"pmu-b" not in data
    assert b"pmu-b" in exported(filled)


def test_a_gateway_whose_clock_was_wrong_is_found(tmp_path: Path) -> None:
    """It started in another year, as one without a battery does; its PMUs did not."""
    site = Site(tmp_path / "gateway")

    async def work() -> None:
        agent = site.agent()
        site.time.tai -= 200 * 86_400 * NS
        await agent.keeper.start()
        agent.hear(setup())
        agent.hear(setup("8"), source="pmu-b")
        await beat(agent, 0, 59)
        await end(agent)

    go(work())
    data = exported(site, instants(30, 31))
    assert kinds(data) == "S"
    assert verified(site, data)[1].streams[1].first <= START + 30 * PERIOD


def test_what_comes_late_is_found_in_the_batch_that_holds_it(tmp_path: Path) -> None:
    """An instant inside a batch, though neither its first nor its last."""
    site = Site(tmp_path / "gateway")

    async def work() -> None:
        agent = await running(site)
        late = [one for number in (50, 51, 10, 52) for one in _frames(number, "7")]
        agent.hear(*late)
        await agent.keeper._commit_last()
        await end(agent)

    go(work())
    assert kinds(exported(site, instants(10, 11))) == "S"
    assert kinds(exported(site, instants(11, 50))) == ""


def test_a_hole_that_reaches_into_the_interval_comes_with_it(filled: Site) -> None:
    data = exported(filled, instants(108, 110))
    reasons, tally = verified(filled, data)
    assert reasons == [] and tally.gaps["not_heard"] == 2


def test_a_descriptor_that_rules_nothing_keeps_the_chain_whole(tmp_path: Path) -> None:
    site = Site(tmp_path / "gateway")

    async def work() -> None:
        agent = site.agent()
        await agent.keeper.start()
        agent.hear(setup(), *_frames(0, "7"))
        await agent.keeper._commit_last()
        agent.hear(setup(cfg=b"one"), setup(cfg=b"two"), *_frames(1, "7"), setup(cfg=b"three"))
        await end(agent)
        again = site.agent()
        site.time.go(NS)
        await again.keeper.start()
        again.hear(setup(cfg=b"four"), *_frames(100, "7"))
        await end(again)

    go(work())
    data = exported(site)
    assert verified(site, data)[0] == []
    stated = [cose.read(one.encoded) for one in items(data) if isinstance(one, Stated)]
    places = [
        (found.stream, found.seq)
        for one in stated
        if one.typ == Typ.DESCRIPTOR
        for found in [descriptor.read(one.payload)]
        if found.stream == 1
    ]
    assert len(places) >= 3


def test_an_empty_run_and_an_empty_archive(tmp_path: Path, capsys: Any) -> None:
    site = Site(tmp_path / "gateway")

    async def work() -> None:
        agent = site.agent()
        await agent.keeper.start()
        await end(agent)

    go(work())
    out = tmp_path / "out"
    code = typed(site, "--out", str(out))
    err = capsys.readouterr().err
    assert code == 1 and not out.exists()
    assert "no file was written" in err or "nothing of it is in the archive" in err


def test_loose_pieces_are_under_no_head(filled: Site) -> None:
    loose = [one for one in items(exported(filled)) if isinstance(one, Loose)]
    assert loose and all(part.descriptor for one in loose for part in one.ranges)


def test_what_was_given_up_is_told_by_its_statement(site: Site, record: Record) -> None:
    """Receipted batches stay before the hole, and their chain goes on behind it."""
    site.spool_changes = {"when_full": "drop_oldest", "pending_bytes_max": 60_000}

    async def before() -> None:
        agent = await running(site)
        await one_a_batch(agent, 0, 9)
        await end(agent)

    async def after() -> None:
        agent = site.agent()
        await agent.keeper.start()
        for row, receipt, count, size in answers:
            agent.keeper.answer(row, State.RECEIPTED, receipt, count, size)
        agent.hear(setup())
        await one_a_batch(agent, 10, 120)
        assert agent.health.given_up > 20
        await end(agent)

    go(before())
    answers = receipts(site, record)
    go(after())
    data = exported(site)
    reasons, tally = verified(site, data)
    assert (reasons, tally.receipted) == ([], len(answers))
    assert tally.given_up > 0 and tally.open == 0 and tally.passed > 20
    # For the observations the gateway's statements are enough, without the word of who exported.
    opening, *all_of_it = export.read([data])
    assert isinstance(opening, Opening)
    signed: list[Item] = [one for one in all_of_it if isinstance(one, Stated | Sealed | Loose)]
    assert not [one for one in verified(site, written(signed, opening))[0] if "stream" in one]


async def one_a_batch(agent: Agent, first: int, last: int) -> None:
    for number in range(first, last + 1):
        agent.hear(frame(number, raw=b"%d " % number + bytes(1000)))
        agent.time.go(PERIOD + 10 * NS)  # a batch is due with each commit
        await tick(agent)


def test_a_damaged_batch_that_the_agent_stated_holds(site: Site) -> None:
    """It is damaged all the same, and said to be; but nothing is missing that is not accounted
    for."""

    async def work() -> None:
        agent = await running(site)
        await one_a_batch(agent, 0, 11)
        spool = agent.keeper.spool
        row = (await agent.keeper.on_disk(lambda: spool.waiting(0, 100)))[4].row
        spool._db.execute("UPDATE piece SET links = x'00' WHERE id = ?", (row,))
        agent.keeper.relief.damaged(row)
        await one_a_batch(agent, 12, 14)
        await end(agent)

    go(work())
    data, done, said = export_of(site.spool, ALL)
    assert done.damaged == 1 and "batch 4 of run" in said[0]
    reasons, tally = verified(site, data)
    assert (reasons, tally.unread, tally.given_up) == ([], 1, 1)


def test_a_piece_that_was_set_aside_is_named(site: Site) -> None:
    async def killed() -> None:
        agent = await running(site)
        for at in range(3):
            agent.hear(*(frame(10 * at + number) for number in range(10)))
            await agent.keeper.commit()
        await agent.crash()

    async def after() -> None:
        agent = site.agent()
        await agent.keeper.start()
        await end(agent)

    go(killed())
    db = apsw.Connection(str(site.spool))
    (piece,) = next(iter(db.execute("SELECT id FROM piece ORDER BY id LIMIT 1 OFFSET 1")))
    db.execute("UPDATE piece SET links = x'00' WHERE id = ?", (piece,))
    db.close()
    go(after())
    data, done, said = export_of(site.spool, ALL)
    assert done.damaged == 1
    assert said == [f"piece {piece}: the agent found it damaged and set it aside"]
    reasons, tally = verified(site, data)
    assert tally.streams[1].observations >= 20
    assert all("stream 1: seq 11 to 20 is not in this file" in reason for reason in reasons)


# --- in words ---------------------------------------------------------------------------------


def test_typed(filled: Site, tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "export"
    assert typed(filled, "--out", str(out)) == 0
    told, err = capsys.readouterr()
    assert err == "" and told.startswith(f"{out}: ")
    assert "observations of 2 streams" in told and "without a receipt yet" in told
    assert out.read_bytes() == exported(filled)
    assert stat.S_IMODE(out.stat().st_mode) & 0o111 == 0
    assert list(tmp_path.iterdir()) == [out]
    assert typed(filled, "--out", str(out)) == 2
    assert "is there already" in capsys.readouterr().err
    spool = tmp_path / "copy.db"
    shutil.copy(filled.spool, spool)
    assert typed(filled, "--spool", str(spool), "--out", str(tmp_path / "two")) == 0
    assert (tmp_path / "two").read_bytes() == out.read_bytes()


def test_typed_to_standard_output(filled: Site) -> None:
    command = [
        sys.executable, "-m", "agent.cli", "export", "--spool", str(filled.spool),
        "--from", "2026-09-21T00:00:00Z", "--to", "2026-09-22T00:00:00.5Z",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=WAIT_S, check=False)
    assert done.returncode == 0 and b"standard output: " in done.stderr
    assert verified(filled, done.stdout)[0] == []


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--stream", "pmu/7"), ""),
        (("--stream", "pmu", "--stream", "pmu-b/8"), ""),
        (("--stream", "pmu/8"), "'pmu/8' is unknown; did you mean"),
        (("--stream", "nothing"), "'nothing' is unknown; known: gateway"),
        (("--from", "yesterday"), "--from: 'yesterday' is no instant in UTC, such as 2026-"),
        (("--to", "2026-11-25T10:00:00+01:00"), "--to: '2026-11-25T10:00:00+01:00' is no instant"),
        (("--from", "2026-02-30T10:00:00Z"), "is in no calendar"),
        (("--from", "2026-11-25T10:00:60Z"), "no minute then had a second 60"),
        (("--from", "2027-11-25T10:00:00Z"), "--to: is not after --from"),
    ],
)
def test_words_are_checked(
    filled: Site, tmp_path: Path, capsys: Any, more: tuple[str, ...], words: str
) -> None:
    code = typed(filled, "--out", str(tmp_path / "out"), *more)
    err = capsys.readouterr().err
    assert (code, err.count("\n")) == ((2, 1) if words else (0, 0))
    assert words in err and (tmp_path / "out").exists() == (not words)


def test_nothing_there_says_what_there_is(filled: Site, tmp_path: Path, capsys: Any) -> None:
    day = ("--from", "2026-09-20T00:00:00Z", "--to", "2026-09-21T00:00:00Z")
    assert typed(filled, "--out", str(tmp_path / "out"), *day) == 1
    err = capsys.readouterr().err
    assert "committed from 2026-09-21T14:13:20" in err
    assert not list(tmp_path.iterdir())


def test_the_agents_disk_is_not_filled(
    filled: Site, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extract, "LEFT_BYTES", 1 << 60)
    assert typed(filled, "--out", str(filled.folder / "out")) == 1
    assert "which the agent needs: name a file on another by --out" in capsys.readouterr().err
    assert not list(filled.folder.glob("out*"))
