"""What `verify` of a record and of an export says of boards: how many frames stand under heads that
they signed, and what a gateway made up or left out.
"""

from collections.abc import Sequence
from pathlib import Path

import pytest

from evidence.board.chain import REORDER_MAX
from tests.evidence.exporting import Story, written
from tests.record.boarding import (
    BOARD,
    OTHER,
    TAPPED,
    Kept,
    Sealed,
    filled,
    long,
    named,
    observe,
    own,
    tap,
    tapped,
    verify,
)
from tests.record.gateway import (
    NANOSECONDS,
    START,
)


def test_verify_tells_what_boards_signed(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert filled(tmp_path / "record.db", tapped().frames).verify() == 0
    name = f"board {BOARD.public.raw.hex()[:16]} (gw-1/relay)"
    said = capsys.readouterr().out
    assert f"{name}: 4 frames under heads that it signed, 1 under no head\n" in said


def test_the_streams_of_a_long_batch_are_put_in_the_boards_order(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """A batch has one stream after the other, and more than a frame that is late is waited for."""
    assert filled(tmp_path / "record.db", long(REORDER_MAX + 200)).verify() == 0
    assert "missing" not in capsys.readouterr().out


def test_verify_finds_what_a_gateway_made_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    made, forged = tapped(), Sealed()
    forged.say(TAPPED[3])
    frames = [forged.frames[0], *made.frames[1:]]
    assert filled(tmp_path / "record.db", frames).verify() == 1
    said = capsys.readouterr().out
    assert "board_link: boot 1, head in frame 4: frames 0 to 3 are not those" in said
    assert "everything holds" not in said


def test_a_backlog_that_comes_after_what_is_live_is_no_hole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """As after every time that the record was away for some seconds."""
    kept, frames = Kept(tmp_path / "record.db"), long(REORDER_MAX + 500)
    run = kept.run()
    kept.upstream.send(tap(run), own(run))
    first, *live = [observe(run, frames[at : at + 303]).cut() for at in range(0, len(frames), 303)]
    for batch in (*live, first):
        kept.upstream.push(batch)
    assert kept.verify() == 0
    said = capsys.readouterr().out
    assert "missing" not in said and "too late" not in said and "again" not in said
    assert f"{len(frames) - 25:,} frames under heads" in said


def test_a_run_that_comes_before_the_one_that_it_continues_is_no_hole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """As where the agent was started anew while the record was away: what was there is backlog."""
    kept, frames = Kept(tmp_path / "record.db"), long(REORDER_MAX + 500)
    before = kept.gateway.start()
    described = (tap(before), own(before))
    backlog = observe(before, frames[:303]).cut()
    run = kept.run(before)
    kept.upstream.send(tap(run), own(run))
    kept.upstream.push(observe(run, frames[303:], START + 5 * NANOSECONDS).cut())
    kept.upstream.send(before.statement, *described)
    kept.upstream.push(backlog)
    assert kept.verify() == 0
    said = capsys.readouterr().out
    assert "missing" not in said and "too late" not in said
    assert f"{len(frames) - 25:,} frames under heads" in said


def test_a_board_that_says_nothing_at_first_is_known_by_what_it_says_later(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """As where the agent begins while the board has long been there: until its next head."""
    kept, frames = Kept(tmp_path / "record.db"), tapped().frames
    run = kept.run()
    kept.upstream.send(tap(run))
    kept.upstream.push(observe(run, frames[:4]).cut())
    kept.upstream.send(own(run))
    kept.upstream.push(observe(run, frames[4:]).cut())
    assert kept.verify() == 0
    assert "4 frames under heads that it signed, 1 under no head\n" in capsys.readouterr().out


def test_a_board_that_nobody_names_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    kept = Kept(tmp_path / "record.db")
    run = kept.run()
    kept.upstream.send(tap(run))
    kept.upstream.push(observe(run, tapped().frames[:4]).cut())
    assert kept.verify() == 0
    told = "gw-1/relay: 4 frames of a board whose key no descriptor names\n"
    assert told in capsys.readouterr().out


def test_a_board_of_the_anchors_is_called_by_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert filled(tmp_path / "record.db", tapped().frames).verify(named(BOARD)) == 0
    assert "board bay 7 (gw-1/relay): 4 frames under heads" in capsys.readouterr().out


def test_a_board_that_a_gateway_made_up_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """It has a key of its own for it, and all its heads hold."""
    assert filled(tmp_path / "record.db", tapped().frames).verify(named(OTHER)) == 1
    told = f"gw-1/relay: board_unknown: no board of the anchors' has {BOARD.public.raw.hex()}\n"
    assert told in capsys.readouterr().out


def export_of(path: Path, frames: Sequence[bytes]) -> Path:
    story = Story()
    for one in (tap(story.run), own(story.run)):
        story.state(one)
    observe(story.run, frames)
    story.cut()
    path.write_bytes(written(story.items))
    return path


def test_an_export_that_begins_amid_a_boot_misses_nothing_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert verify(export_of(tmp_path / "part.gsx", long(300)[150:])) == 0
    said = capsys.readouterr().out
    # From the first head on that it has, all are under one but the last head itself.
    assert "(gw-1/relay): 101 frames under heads that it signed, 52 under no head\n" in said


def test_an_export_with_a_frame_that_a_gateway_made_up_does_not_hold(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    made, forged = tapped(), Sealed()
    forged.say(TAPPED[3])
    assert verify(export_of(tmp_path / "part.gsx", [forged.frames[0], *made.frames[1:]])) == 1
    assert "board_link: boot 1, head in frame 4" in capsys.readouterr().out


def heard_long(path: Path, seconds: int, head_every: int = 0, pause: int = 0) -> Path:
    """A record of a board that a gateway heard so long, a frame in ten seconds. `pause`: seconds in
    the middle in which it did not."""
    kept, made = Kept(path), Sealed()
    run = kept.run()
    kept.upstream.send(tap(run), own(run))
    for second in range(0, seconds, 10):
        before = len(made.frames)
        made.say(TAPPED[second // 10 % 4])
        if head_every and second % head_every == 0:
            made.head()
        late = pause if second > seconds // 2 else 0
        observe(run, made.frames[before:], START + (second + late) * NANOSECONDS)
    kept.upstream.push(run.cut())
    kept.upstream.close()
    return path


def test_an_anchored_board_without_its_heads_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """A gateway that takes out all heads, so that nothing can be held against it."""
    place = heard_long(tmp_path / "record.db", 700)
    assert verify(place, named(BOARD)) == 1
    said = capsys.readouterr().out
    assert (
        "board bay 7 (gw-1/relay): board_headless: heard for 610 s up to frame 61 without" in said
    )
    assert said.count("board_headless") == 1
    assert verify(place) == 0  # whom nobody anchored promised nothing


@pytest.mark.parametrize(
    ("seconds", "head_every", "pause"),
    [(600, 0, 0), (1500, 240, 0), (1500, 480, 0), (1100, 0, 300)],
    ids=["not due", "each 240 s", "one lost", "away in between"],
)
def test_an_anchored_board_whose_head_is_not_due_holds(
    tmp_path: Path, seconds: int, head_every: int, pause: int
):
    place = heard_long(tmp_path / "record.db", seconds, head_every, pause)
    assert verify(place, named(BOARD)) == 0


def test_where_boards_are_anchored_one_that_nobody_names_does_not_hold(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """A gateway that leaves out what its board says of itself, and its heads with it."""
    kept = Kept(tmp_path / "record.db")
    run = kept.run()
    kept.upstream.send(tap(run))
    kept.upstream.push(observe(run, tapped().frames[:4]).cut())
    assert kept.verify(named(BOARD)) == 1
    told = "gw-1/relay: board_unknown: 4 frames of a board whose key no descriptor names\n"
    assert told in capsys.readouterr().out
