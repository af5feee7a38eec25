"""Bundles with a board's frames: the lone verifier follows its chain and its heads, and says which
of them a gateway made up."""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from evidence import export, instant
from evidence.leap import NS
from firmware_bridge import frame as board
from tests.record.boarding import BOARD, OTHER, TAPPED, Sealed, named, own, tap
from tests.record.bundling import device, reconstruct, rewritten, sealed_anew, verify
from tests.record.gateway import START, Gateway
from tests.record.judge import Judge
from tests.record.test_audit import anchors_text
from tests.record.upstream import AUTHORITY, Upstream

SECONDS, RATE, EVERY = 40, 4, 10  # a head each ten seconds
PER_HEAD = RATE * EVERY + 1
FIRST, LAST = 14, 17  # of the interval: it begins and ends between two heads


def said(made: Sealed | None = None) -> list[list[bytes]]:
    """What a board says, second by second."""
    made = made or Sealed()
    found = []
    for second in range(SECONDS):
        before = len(made.frames)
        for number in range(RATE):
            made.say(TAPPED[number % 4])
        if second % EVERY == EVERY - 1:
            made.head()
        found.append(made.frames[before:])
    return found


def filled(
    folder: Path, seconds: Sequence[Sequence[bytes]], boards: str = "", every: int = 1
) -> Path:
    """A record of them, a batch a second or after so many, and anchors beside it."""
    folder.mkdir(exist_ok=True)
    upstream, gateway = Upstream(folder / "record.db"), Gateway("gw-1", AUTHORITY)
    run = gateway.start()
    upstream.send(gateway.statement, run.statement, tap(run), own(run), now=START)
    for second, frames in enumerate(seconds):
        for raw in frames:
            stream = 1 if board.Fields(raw).kind == board.TAPPED else 2
            run.observe(stream, raw, tai=START + second * every * NS)
        upstream.push(run.cut(), START + (second * every + 1) * NS)
    upstream.close()
    (folder / "anchors.toml").write_text(anchors_text() + boards)
    return folder / "record.db"


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a record, and of a bundle of some seconds of it."""
    folder = tmp_path_factory.mktemp("honest")
    place = filled(folder, said(), named(BOARD))
    assert reconstruct(place, folder / "bundle", first=FIRST, last=LAST) == 0
    return folder


def judged(judge: Judge, bundle: Path, anchors: Path, capsys) -> tuple[int, str]:
    """What the lone verifier says, which the program says, too."""
    capsys.readouterr()
    code, told = judge.main(bundle, "--anchors", anchors)
    assert verify(bundle, anchors) == code
    program = capsys.readouterr().out
    lines = [line for line in told.splitlines() if "board" in line]
    assert all(line in program for line in lines)
    return code, told


def test_what_is_asked_for_stands_under_the_next_head(honest: Path, judge: Judge, capsys):
    """It begins and ends between two heads: from the frame after the one that a head before it
    names on, all stand under the head after it but that head itself."""
    code, told = judged(judge, honest / "bundle", honest / "anchors.toml", capsys)
    assert code == 0
    assert "board      bay 7 (gw-1/relay): " in told
    line = next(line for line in told.splitlines() if line.startswith("board "))
    under = int(line.split(": ")[1].split(" ")[0])
    assert under >= (LAST - FIRST) * RATE
    assert under == PER_HEAD  # the head before, and ten seconds
    assert "missing" not in line


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("tag", "board_link: boot 1, head in frame 81: frames 40 to 80 are not those"),
        ("head", "board_signature: boot 1, head in frame 81: not signed by the board"),
        ("left out", "missing in 1 hole (boot 1, frame 62)"),
        ("twin", "board_twin: boot 1, frame 62: sealed with two contents"),
    ],
)
def test_what_a_gateway_made_up_is_named(
    change: str, reason: str, tmp_path: Path, judge: Judge, capsys
):
    """It seals what it likes, and all that it signs itself holds."""
    seconds = said()
    at = seconds[15]
    assert board.Fields(at[1]).seq == 62
    if change == "tag":
        at[1] = at[1][:-1] + bytes([at[1][-1] ^ 1])
    elif change == "head":
        made = Sealed(OTHER, of=BOARD.public.raw)
        seconds[10:20] = said(made)[10:20]
    elif change == "left out":
        del at[1]
    else:
        at.append(at[1][:-1] + bytes([at[1][-1] ^ 1]))
    place = filled(tmp_path / "bad", seconds)
    assert reconstruct(place, tmp_path / "bundle", first=FIRST, last=LAST) == 0
    code, told = judged(judge, tmp_path / "bundle", tmp_path / "bad" / "anchors.toml", capsys)
    assert reason in told
    assert code == (0 if change == "left out" else 1)


def test_a_frame_that_is_changed_on_the_way_is_named(
    honest: Path, tmp_path: Path, judge: Judge, capsys
):
    """By whoever has the bundle, and no gateway's key: the batch's own root finds it first."""
    bundle = tmp_path / "bundle"
    shutil.copytree(honest / "bundle", bundle)

    def change(items: list[export.Item]) -> None:
        for at, item in enumerate(items):
            raw = said()[15][1]
            if isinstance(item, export.Sealed) and raw in (item.body or b""):
                body = (item.body or b"").replace(raw, raw[:-1] + bytes([raw[-1] ^ 1]))
                items[at] = item._replace(body=body)

    rewritten(device(bundle), change)
    sealed_anew(bundle)
    code, told = judged(judge, bundle, honest / "anchors.toml", capsys)
    assert code == 1
    assert re.search(r"batch 15: link: seq 63", told), told


def test_what_is_withheld_of_a_board_is_told_and_is_no_fault(tmp_path: Path, judge: Judge, capsys):
    """Its chain goes on at the next head."""
    place = filled(tmp_path / "record", said(), named(BOARD))
    bundle, anchors = tmp_path / "bundle", place.with_name("anchors.toml")
    begins, ends = (instant.words(START + second * NS) for second in (15, 16))
    word = f"gw-1/1@{begins}..{ends}"
    assert reconstruct(place, bundle, "--withhold", word, first=FIRST, last=LAST) == 0
    code, told = judged(judge, bundle, anchors, capsys)
    assert code == 0
    line = next(line for line in told.splitlines() if line.startswith("board "))
    assert f"{RATE} missing in 1 hole (boot 1, frames 61 to 64), {RATE} withheld" in line
    assert " 0 frames under heads" in line
    sealed = tmp_path / "sealed"
    assert reconstruct(place, sealed, "--withhold", "names", first=FIRST, last=LAST) == 0
    code, told = judged(judge, sealed, anchors, capsys)
    assert (code, "2 descriptors of boards do not tell whose" in told) == (0, True)


def test_heads_that_a_gateway_takes_out_are_missed_in_a_bundle(
    tmp_path: Path, judge: Judge, capsys
):
    """All of them, of a board that the anchors name."""
    made, seconds = Sealed(), []
    for second in range(40):
        made.say(TAPPED[second % 4])
        seconds.append(made.frames[-1:])
        if second == 1:
            made.head()
            seconds[-1] = made.frames[-2:]
    place = filled(tmp_path / "record", seconds, named(BOARD), every=20)
    bundle, anchors = tmp_path / "bundle", place.with_name("anchors.toml")
    assert reconstruct(place, bundle, first=1, last=790) == 0
    code, told = judged(judge, bundle, anchors, capsys)
    assert (code, "board_headless: heard for 620 s up to frame 33 without a head" in told) == (
        1,
        True,
    )
