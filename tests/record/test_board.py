"""What a board signed, against a gateway that has the key of its tags and makes frames up."""

import struct
from collections.abc import Sequence
from pathlib import Path

import pytest

from drivers.c37118.wire import Layout
from evidence.board.chain import BOOTS_MAX, RECENT_MAX, REORDER_MAX, Chain
from evidence.code import Kind, Reason
from evidence.key import Ed25519Key
from firmware_bridge import frame as board
from record.cli import main
from tests.evidence.exporting import Story, written
from tests.record.gateway import (
    NANOSECONDS,
    START,
    Gateway,
    GatewayRun,
    Statement,
    cfg_bytes,
    configuration,
    frame,
    key,
)
from tests.record.test_audit import anchors_text
from tests.record.upstream import AUTHORITY, Upstream

HMAC_KEY = bytes(range(32))
BOARD, OTHER = key("board"), key("another board")
TAPPED = [frame(Layout(configuration(3)), number) for number in range(4)]
Found = tuple[Chain, list[Reason]]


class Sealed:
    """One boot of a board; `frames` is what it sealed."""

    def __init__(self, signer: Ed25519Key = BOARD, boot: int = 1, of: bytes = b"") -> None:
        self.public = of or signer.public.raw
        self.signer, self.chain = signer, board.Chain(HMAC_KEY, self.public, boot)
        self.frames: list[bytes] = []

    def say(self, body: bytes, kind: int = board.TAPPED) -> bytes:
        into = bytearray(board.FRAME_MAX_BYTES)
        into[board.HEADER_BYTES : board.HEADER_BYTES + len(body)] = body
        size = self.chain.seal(into, kind, 0, board.CHECKED, 1000, 0, len(body))
        self.frames.append(bytes(into[:size]))
        return self.frames[-1]

    def head(self, seq: int | None = None, link: bytes | None = None) -> bytes:
        """Of the link after its newest frame, where a test says no other."""
        seq = self.chain.seq - 1 if seq is None else seq
        link = self.chain.link if link is None else link
        message = board.head_message(self.public, self.chain.boot, seq, link)
        body = struct.pack(board.HEAD_BODY, seq, link, self.signer.sign(message))
        return self.say(body, board.HEAD)

    def rounds(self, many: int) -> "Sealed":
        """So many frames, a head after every fourth."""
        for number in range(many):
            self.say(b"%d" % number)
            if number % 4 == 3:
                self.head()
        return self


def checked(frames: Sequence[bytes], public: bytes = BOARD.public.raw) -> Found:
    reasons: list[Reason] = []
    chain = Chain(public, lambda fault: reasons.append(fault.reason))
    for raw in frames:
        chain.take(raw)
    chain.finish()
    return chain, reasons


def test_what_a_board_sealed_is_under_its_heads():
    chain, reasons = checked(Sealed().rounds(13).frames)
    assert reasons == []
    # Twelve and the two heads before the last one; the last head, and one frame after it.
    assert (chain.counts.covered, chain.counts.open, chain.counts.holes) == (14, 2, 0)


def test_a_head_is_made_while_frames_go_on():
    made = Sealed()
    made.say(b"0")
    seq, link = made.chain.seq - 1, made.chain.link
    for body in (b"1", b"2"):
        made.say(body)
    made.head(seq, link)
    chain, reasons = checked(made.frames)
    assert (reasons, chain.counts.covered, chain.counts.open) == ([], 1, 3)


def test_a_frame_that_the_gateway_made_up_is_found():
    """It has the key of the tags, and so can make a frame whose tag is good."""
    made = Sealed().rounds(8)
    forged = Sealed().rounds(2)
    forged.say(b"a load that never was")
    board.Follower(HMAC_KEY, BOARD.public.raw).take(forged.frames[2])  # its tag holds
    frames = [*made.frames[:2], forged.frames[2], *made.frames[3:]]
    chain, reasons = checked(frames)
    assert reasons == [Reason.BOARD_LINK]
    # What the next head covers is the board's again.
    assert (chain.counts.refuted, chain.counts.covered) == (4, 5)


def test_a_head_by_another_key_does_not_hold():
    """Who makes up the chain as well must sign it, and has not the board's key."""
    made = Sealed(OTHER, of=BOARD.public.raw).rounds(4)
    chain, reasons = checked(made.frames)
    assert (reasons, chain.counts.covered) == ([Reason.BOARD_SIGNATURE], 0)


def test_after_a_hole_the_next_head_is_the_ground():
    made = Sealed().rounds(12)
    del made.frames[5:7]  # the second and third after the first head
    chain, reasons = checked(made.frames)
    assert reasons == []
    of = chain.counts
    assert (of.holes, of.missing) == (1, 2)
    # Under no head: the first head, up to the hole, and from it to the second head's last frame.
    assert (of.covered, of.open) == (4 + 5, 1 + 2 + 1)


def test_a_frame_left_out_and_the_rest_numbered_anew_is_found():
    made = Sealed().rounds(4)
    thief = Sealed()
    for body in (b"0", b"1", b"3"):
        thief.say(body)
    chain, reasons = checked([*thief.frames, *made.frames[3:]])
    assert (reasons, chain.counts.covered) == ([Reason.BOARD_LINK], 0)


def test_two_frames_of_one_number_are_found():
    made, forged = Sealed().rounds(4), Sealed()
    forged.say(b"another")
    chain, reasons = checked([*made.frames, *forged.frames])
    assert (reasons, chain.counts.covered) == ([Reason.BOARD_TWIN], 4)


def test_sealed_twice_and_out_of_order_is_no_fault():
    frames = Sealed().rounds(8).frames
    chain, reasons = checked([*frames[1:5], frames[0], *frames[3:]])
    assert (reasons, chain.counts.repeated, chain.counts.covered) == ([], 2, 9)


def test_two_boots_are_two_chains():
    frames = Sealed().rounds(4).frames + Sealed(boot=2).rounds(4).frames
    chain, reasons = checked(frames)
    assert (reasons, chain.counts.covered) == ([], 8)


def test_a_frame_of_a_number_long_past_is_not_called_the_same_again():
    """Nobody knows any more what stood there: a gateway could have made it up."""
    made, forged = Sealed(), Sealed()
    for number in range(RECENT_MAX + 2):
        made.say(b"%d" % number)
    made.head()
    forged.say(b"a load that never was")
    chain, reasons = checked([*made.frames, *forged.frames])
    assert reasons == []
    of = chain.counts
    assert (of.covered, of.repeated, of.late) == (RECENT_MAX + 2, 0, 1)


def test_a_boot_long_past_counts_once():
    boots = [Sealed(boot=boot).rounds(4).frames for boot in range(1, BOOTS_MAX + 3)]
    chain, reasons = checked([raw for frames in (*boots, boots[0]) for raw in frames])
    assert reasons == []
    assert (chain.counts.covered, chain.counts.late) == (4 * len(boots), len(boots[0]))


@pytest.mark.parametrize("raw", [b"", b"\1" * 42, bytes(500)])
def test_what_is_no_frame_is_named(raw: bytes):
    assert checked([raw])[1] == [Reason.BOARD_FRAME]


def test_no_flipped_bit_goes_unnoticed():
    frames = Sealed().rounds(4).frames
    for at in range(0, 8 * len(frames[1]), 7):
        flipped = bytearray(frames[1])
        flipped[at // 8] ^= 1 << at % 8
        chain, reasons = checked([frames[0], bytes(flipped), *frames[2:]])
        assert reasons or chain.counts.covered < 4, at


def tap(run: GatewayRun) -> Statement:
    """What describes the tapped PMU's stream."""
    cfg = cfg_bytes(configuration(3))
    return run.describe(1, cfg, kind=Kind.MCU_C37118, source=("relay", "tap=0,idcode=7"))


def own(run: GatewayRun) -> Statement:
    """What describes the board's own."""
    source = ("relay", "board")
    return run.describe(2, BOARD.public.raw, None, Kind.MCU_INFO, (), source)


def observe(run: GatewayRun, frames: Sequence[bytes], tai: int = START) -> GatewayRun:
    for raw in frames:
        run.observe(1 if board.Fields(raw).kind == board.TAPPED else 2, raw, tai=tai)
    return run


def verify(path: Path, boards: str = "") -> int:
    """What the program ends with. `boards`: more of the anchors."""
    anchors = path.with_name("anchors.toml")
    anchors.write_text(anchors_text() + boards)
    return main(["verify", str(path), "--anchors", str(anchors)])


class Kept:
    """A record in which a gateway seals a board's frames: batches reach it in the order of `push`,
    and not of `cut`."""

    def __init__(self, path: Path) -> None:
        self.path, self.upstream = path, Upstream(path)
        self.gateway = Gateway("gw-1", AUTHORITY)
        self.upstream.send(self.gateway.statement)

    def run(self, after: GatewayRun | None = None) -> GatewayRun:
        run = self.gateway.start(after)
        self.upstream.send(run.statement)
        return run

    def verify(self, boards: str = "") -> int:
        """What the program ends with, once all is there. `boards`: more of the anchors."""
        self.upstream.close()
        return verify(self.path, boards)


def filled(path: Path, frames: Sequence[bytes]) -> Kept:
    """All of them in one batch."""
    kept = Kept(path)
    run = kept.run()
    kept.upstream.send(tap(run), own(run))
    kept.upstream.push(observe(run, frames).cut())
    return kept


def tapped() -> Sealed:
    made = Sealed()
    for body in TAPPED:
        made.say(body)
    made.head()
    return made


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


def long(many: int) -> list[bytes]:
    """So many tapped frames, and a head after every hundredth."""
    made = Sealed()
    for number in range(many):
        made.say(TAPPED[number % 4])
        if number % 100 == 99:
            made.head()
    return made.frames


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


def named(signer: Ed25519Key) -> str:
    return f'[[board]]\nname = "bay 7"\nkey = "{signer.public.raw.hex()}"\n'


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
    assert "board bay 7 (gw-1/relay): board_headless: heard for 610 s up to frame 61 without" in said
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
