"""What a record says, by a classification, of frames that a board's own heads refute: which
observations, once, and the same when the log is run again."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from evidence.code import Class, Reason
from evidence.leap import NS
from firmware_bridge import frame as board
from record.cli import main
from record.refuted import RANGES_MAX
from tests.record.boarding import BOARD, OTHER, TAPPED, Sealed, own, tap, verify
from tests.record.gateway import START, Gateway, GatewayRun
from tests.record.upstream import AUTHORITY, Upstream

LINK = (Class.KEY_DOUBTFUL, Reason.BOARD_LINK)


class Heard:
    """A gateway that hears a board; a second is a batch, and a round follows where asked."""

    def __init__(self, folder: Path) -> None:
        self.place = folder / "record.db"
        self.upstream, self.gateway = Upstream(self.place), Gateway("gw-1", AUTHORITY)
        self.upstream.send(self.gateway.statement)
        self.second = 0

    def start(self, after: GatewayRun | None = None) -> GatewayRun:
        run = self.gateway.start(after, started=START + self.second * NS)
        self.upstream.send(run.statement, tap(run), own(run))
        return run

    def cut(self, run: GatewayRun, frames: Sequence[bytes]) -> bytes:
        for raw in frames:
            stream = 1 if board.Fields(raw).kind == board.TAPPED else 2
            run.observe(stream, raw, tai=START + self.second * NS)
        self.second += 1
        return run.cut()

    def found(self) -> list[tuple[int | None, int | None, int | None, int, int]]:
        return [
            (one.stream, one.first_seq, one.last_seq, one.klass, one.reason)
            for one in self.upstream.findings()
        ]


def made_up(seconds: int, at: int) -> list[list[bytes]]:
    """Four frames a second, a head after each third second; one frame is the gateway's."""
    made, found = Sealed(), []
    for second in range(seconds):
        before = len(made.frames)
        for number in range(4):
            made.say(TAPPED[number])
        if second % 3 == 2:
            made.head()
        found.append(made.frames[before:])
    frames = found[at]
    frames[1] = frames[1][:-1] + bytes([frames[1][-1] ^ 1])
    return found


@pytest.fixture
def heard(tmp_path: Path) -> Heard:
    return Heard(tmp_path)


def ran_again(heard: Heard, capsys) -> str:
    """What `verify` says: nothing but of the board, and so that the same was found again."""
    heard.upstream.close()
    capsys.readouterr()
    assert verify(heard.place) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines and all(line.startswith("board ") for line in lines)
    return "\n".join(lines)


def test_frames_are_classed_once_their_head_is_there(heard: Heard, capsys):
    """The head comes in a later round than its frames, and the next one finds nothing new."""
    run = heard.start()
    for number, frames in enumerate(made_up(9, 4)):
        heard.upstream.push(heard.cut(run, frames))
        heard.upstream.appraise()
        if number < 5:
            assert heard.found() == []
    # Frames 12 to 24: twelve of the device's, the head before them; in the order of the streams.
    assert sorted(heard.found()) == [(1, 13, 24, *LINK), (2, 1, 1, *LINK)]
    told = ran_again(heard, capsys)
    assert "board_link: boot 1, head in frame 25: frames 12 to 24 are not those" in told


def test_they_settle_no_more(heard: Heard, capsys):
    run = heard.start()
    for frames in made_up(9, 4):
        heard.upstream.push(heard.cut(run, frames))
    heard.upstream.appraise()
    heard.upstream.close()
    worth = {}
    for seq in (12, 13, 24, 25):
        capsys.readouterr()
        assert main(["show", "--json", str(heard.place), "--sample", f"gw-1/1/{seq}"]) == 0
        worth[seq] = json.loads(capsys.readouterr().out)["class"]
    assert [worth[seq] for seq in (12, 13, 24, 25)] == [
        *("place_unchecked", "key_doubtful", "key_doubtful", "place_unchecked")
    ]


def test_a_backlog_is_held_against_the_head_that_came_before_it(heard: Heard, capsys):
    run = heard.start()
    batches = [heard.cut(run, frames) for frames in made_up(9, 4)]
    for batch in (*batches[:3], *batches[5:]):
        heard.upstream.push(batch)
    heard.upstream.appraise()
    assert heard.found() == []  # a hole is no fault
    for batch in batches[3:5]:
        heard.upstream.push(batch)
    heard.upstream.appraise()
    assert sorted(heard.found()) == [(1, 13, 24, *LINK), (2, 1, 1, *LINK)]
    ran_again(heard, capsys)


def test_a_gateway_that_starts_anew_hides_nothing(heard: Heard, capsys):
    """The head that is the ground is in the run before."""
    run, seconds = heard.start(), made_up(9, 4)
    for frames in seconds[:4]:
        heard.upstream.push(heard.cut(run, frames))
    heard.upstream.appraise()
    run = heard.start(run)
    for frames in seconds[4:]:
        heard.upstream.push(heard.cut(run, frames))
        heard.upstream.appraise()
    # The last second of the run before, and two of this one; the head in frame 12 with the first.
    assert sorted(heard.found()) == [(1, 1, 8, *LINK), (1, 13, 16, *LINK), (2, 1, 1, *LINK)]
    ran_again(heard, capsys)


def test_a_backlog_of_the_run_before_comes_late(heard: Heard, capsys):
    """What was found while it was away is found again by who has all of the log."""
    before, seconds = heard.start(), made_up(12, 7)
    batches = [heard.cut(before, frames) for frames in seconds[:6]]
    run = heard.start(before)
    for batch in (*batches[:2], *(heard.cut(run, frames) for frames in seconds[6:9])):
        heard.upstream.push(batch)
        heard.upstream.appraise()
    assert heard.found() == []  # no ground: the head in frame 25 is not there
    for batch in batches[2:]:
        heard.upstream.push(batch)
    heard.upstream.appraise()
    assert sorted(heard.found()) == [(1, 1, 12, *LINK), (2, 2, 2, *LINK)]
    for frames in seconds[9:]:
        heard.upstream.push(heard.cut(run, frames))
        heard.upstream.appraise()
    assert len(heard.found()) == 2
    ran_again(heard, capsys)


def test_a_head_of_another_board_makes_what_it_stands_over_doubtful(heard: Heard, capsys):
    run, made = heard.start(), Sealed(OTHER, of=BOARD.public.raw)
    for raw in TAPPED:
        made.say(raw)
    made.head()
    heard.upstream.push(heard.cut(run, made.frames))
    heard.upstream.appraise()
    grade = (Class.KEY_DOUBTFUL, Reason.BOARD_SIGNATURE)
    assert sorted(heard.found()) == [(1, 1, 4, *grade), (2, 1, 1, *grade)]
    ran_again(heard, capsys)


def told_of(heard: Heard) -> list[tuple[int | None, int]]:
    """Observations, as often as they were told."""
    return [
        (stream, seq)
        for stream, first, last, *_ in heard.found()
        for seq in range(first or 0, (last or 0) + 1)
    ]


def test_a_frame_is_told_once_however_many_heads_nobody_signed_stand_over_it(heard: Heard, capsys):
    run, made = heard.start(), Sealed(OTHER, of=BOARD.public.raw)
    made.say(TAPPED[0])
    for _ in range(40):
        made.head()
    heard.upstream.push(heard.cut(run, made.frames))
    heard.upstream.appraise()
    assert sorted(told_of(heard)) == [(1, 1), *((2, seq) for seq in range(1, 41))]
    ran_again(heard, capsys)


def test_of_a_gateway_that_makes_up_head_after_head_the_record_says_a_bounded_number(
    heard: Heard, capsys
):
    """Between two heads that nobody signed stands one that the board did, with a frame under it.
    The heads themselves follow each other in their stream: one range."""
    run, made = heard.start(), Sealed().rounds(1)
    many = 2 * RANGES_MAX
    for _ in range(many):
        made.say(TAPPED[0])
        made.head()  # ground for the next
        made.say(TAPPED[1])
        made.signer = OTHER
        made.head()
        made.signer = BOARD
        made.say(TAPPED[2])
    heard.upstream.push(heard.cut(run, made.frames))
    heard.upstream.appraise()
    found = sorted(heard.found())
    assert [stream for stream, *_ in found] == [*([1] * RANGES_MAX), 2]
    told = set(told_of(heard))
    assert (2, 2 * many) in told and (1, 3 * many) in told  # the last of them is told, too
    ran_again(heard, capsys)


def test_of_many_contents_each_is_told_beside_the_one_before(heard: Heard, capsys):
    run, made = heard.start(), Sealed().rounds(4)
    whole = made.frames[1]
    twins = [whole[:-1] + bytes([whole[-1] ^ by]) for by in range(1, 41)]
    for frames in (made.frames, *([twin] for twin in twins)):
        heard.upstream.push(heard.cut(run, frames))
    heard.upstream.appraise()
    told = told_of(heard)
    assert set(told) == {(1, 2), *((1, seq) for seq in range(5, 45))}
    assert len(told) < 2 * len(set(told))
    ran_again(heard, capsys)


def test_of_two_contents_both_are_doubtful(heard: Heard, capsys):
    run, made = heard.start(), Sealed().rounds(4)
    twin = made.frames[1][:-1] + bytes([made.frames[1][-1] ^ 1])
    heard.upstream.push(heard.cut(run, [*made.frames, twin]))
    heard.upstream.appraise()
    grade = (Class.KEY_DOUBTFUL, Reason.BOARD_TWIN)
    assert sorted(heard.found()) == [(1, 2, 2, *grade), (1, 5, 5, *grade)]
    ran_again(heard, capsys)


def test_an_honest_board_is_doubted_in_nothing(heard: Heard):
    run, made = heard.start(), Sealed().rounds(200)
    for at in range(0, len(made.frames), 7):
        heard.upstream.push(heard.cut(run, made.frames[at : at + 7]))
        if at % 5 == 0:
            heard.upstream.appraise()
    heard.upstream.appraise()
    assert heard.found() == []
    heard.upstream.close()
    assert verify(heard.place) == 0
