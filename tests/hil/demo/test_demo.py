"""The demo as people start it: it accounts for every frame, and leaves nothing running, however it
ends.
"""

import asyncio
import contextlib
import io
import os
import pty
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from hil.demo import account, layout, wording
from hil.demo.button import BUTTONS, Panel
from hil.demo.command import HURRIED, scenario
from hil.demo.feed import AGAIN_S, LINES_MAX, Feed
from hil.demo.screen import WIDTH, Screen
from hil.demo.show import LINE_BYTES_MAX, Show
from hil.demo.stage import DemoStage
from hil.live import ability, place
from hil.live.fake import FakeRig
from hil.live.play import Play
from hil.live.timeline import Timeline
from tests.hil.demo.rig import WAIT_S, Running, command, demo, powerless, until

pytestmark = pytest.mark.timeout(400)
OURS = ("agent.cli", "record.cli", "hil.live.plant", "hil.demo.settling", "hil.demo.door")


def programs(of: str) -> list[str]:
    """Command lines of what runs of a demo, by the folder in them."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if of in line and any(name in line for name in OURS):
            found.append(line)
    return found


def holds(told: dict[str, object]) -> None:
    assert told["reasons"] == []
    assert told["verify"] == 0
    assert told["lost"] == told["duplicated"] == told["unsent"] == told["on_disk"] == 0
    assert told["sent"] == int(str(told["in_record"])) + int(str(told["in_gaps"])) != 0


def runs(one: Running) -> None:
    one.finds(r"\d MW ")


def agent(of: Running, gateway: str) -> int:
    (number,) = (
        int(path.parent.name)
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if f"agent.cli\0run\0--config\0{of.folder}/{gateway}/".encode() in path.read_bytes()
    )
    return number


def test_two_side_by_side_and_an_agent_that_somebody_else_kills_is_a_reason(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "other")]
    for folder in folders:
        folder.mkdir()
    with demo(folders[0]) as one, demo(folders[1], "--seconds", "8") as other:
        runs(one)
        runs(other)
        assert one.url() != other.url()
        assert len(programs(str(one.folder))) > 5
        os.kill(agent(one, "west-1"), signal.SIGKILL)
        told = one.ended(signal.SIGTERM)
        assert any("west-1 ended with -9" in reason for reason in told["reasons"])
        assert one.process.returncode == 1
        assert not programs(str(one.folder))
        holds(other.account())  # by itself
    assert not programs(str(tmp_path))
    said = other.said()
    assert "everything holds" in said and re.search(r"look at http://127\.0\.0\.1:\d+/", said)
    shown = said.partition("look at")[2].partition("the devices fall silent")[0]
    assert all(len(line) <= WIDTH for line in shown.splitlines())
    # What was kept verifies again.
    record = other.folder / "record"
    verify = [sys.executable, "-m", "record.cli", "verify", str(record / "record.db")]
    anchors = ["--anchors", str(record / "anchors.toml")]
    assert subprocess.run([*verify, *anchors], timeout=WAIT_S, check=False).returncode == 0


def test_without_privileges_a_breaker_is_left_out_by_name_and_all_else_is_the_same(
    tmp_path: Path,
) -> None:
    with demo(tmp_path, "--seconds", "5", before=powerless()) as one:
        runs(one)
        buttons = one.get()["slow"]["buttons"]
        told = one.account()
        assert one.process.returncode == 0, one.said()
    said = " ".join(one.said().split())  # as folded for a terminal
    assert re.search(r"breaker-e2 is left out: [^.]*run it by sudo", said), said
    assert said.count("is left out") == 1 and "does not come up" not in said
    holds(told)
    sent = {row["device"]: row["sent"] for row in told["streams"]}
    assert sent.keys() == {"pmu-w1", "pmu-w2", "pmu-e1", "pmu-e2"}
    assert all(sent.values())
    assert told["absent"] == {}
    assert [row["why_not"] for row in buttons] == [""] * len(BUTTONS)  # what is left trips the line
    assert not programs(str(tmp_path))


def test_killed_outright_it_leaves_nothing_running(tmp_path: Path) -> None:
    with demo(tmp_path) as one:
        until(lambda: len(programs(str(one.folder))) > 5, "its programs")
    until(lambda: not programs(str(one.folder)), "the end of its programs")


@pytest.mark.parametrize("closed", [True, False])
def test_in_a_terminal_keys_do_what_buttons_do_and_it_ends_all(
    tmp_path: Path, closed: bool
) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        told = {"TERM": "xterm", "COLUMNS": "100", "LINES": "40", "TMPDIR": str(tmp_path)}
        os.environ |= told
        os.execv(sys.executable, command())
    said = ""

    def says(pattern: str) -> bool:
        nonlocal said
        said += os.read(terminal, 65_536).decode("utf-8", "replace")
        return re.search(pattern, said) is not None

    try:
        until(lambda: says(r"look at http://"), "where to look")
        until(lambda: says(r"(?s)\d MW.*f Forge a sample"), "flows, and keys beneath them")
        os.write(terminal, b"f")
        until(lambda: says(r"refused: signature"), "a refusal")
        if not closed:
            # A cable that was being pulled when the end came is plugged in again.
            os.write(terminal, b"lq")
            with contextlib.suppress(OSError):  # EIO: it has ended
                while not says(r"(?!)"):
                    pass
            assert "everything holds" in said
    finally:
        os.close(terminal)  # the kernel tells it so: SIGHUP
        _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert not programs(str(tmp_path))
    assert not list(tmp_path.iterdir())


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    done = subprocess.run(
        command("--keep", str(tmp_path)),
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )
    assert done.returncode == 2
    assert "mine is there already" in done.stdout
    assert [one.name for one in tmp_path.iterdir()] == ["mine"]


def test_a_port_in_use_is_told_with_what_to_do(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        again = tmp_path / "again"
        done = subprocess.run(
            command("--keep", str(again), "--port", str(port)),
            capture_output=True,
            text=True,
            timeout=WAIT_S,
            check=False,
        )
    assert done.returncode == 2
    assert f"port {port} is in use" in done.stdout
    assert not again.exists()


def test_a_button_that_a_place_cannot_do_says_why(tmp_path: Path) -> None:
    of, here = scenario(), place.found(place.FAKE)
    why = "these devices do only what they should"
    cast = place.Place(here.file, {**here.missing, ability.SPOIL: why}).cast(of)
    stage = DemoStage(of, cast, FakeRig(tmp_path), tmp_path, 1.0)
    try:
        panel = Panel(Play(of, here, cast, Timeline(of.live.length_s, ()), stage))
        told = {one["name"]: one["why_not"] for one in panel.told()}
        forge = BUTTONS[-1]
        panel.begin(forge)
        assert panel.why_not(forge) == "it is under way"
        panel.end(forge)
        assert panel.why_not(forge) == ""
    finally:
        stage.close()
    assert told.keys() == {"trip", "link", "antenna", "move", "agent", "forge"}
    assert {name for name, reason in told.items() if reason} == {"antenna", "move"}
    assert why in str(told["antenna"])


def test_two_that_ask_the_devices_at_once_hear_each_its_own_answer(tmp_path: Path) -> None:
    of, here, rig = scenario(), place.found(place.FAKE), FakeRig(tmp_path)

    async def both() -> list[object]:
        try:
            await rig.prepare(of, here.cast(of), ("127.0.0.1", 9))
            asked = rig.tell("gnss-w", "well", {}), rig.tell("gnss-e", "dance", {})
            return list(await asyncio.gather(*asked, return_exceptions=True))
        finally:
            rig.close()

    well, dance = asyncio.run(both())
    assert isinstance(well, int), well
    assert "gnss-e cannot dance" in str(dance)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_what_devices_say_is_no_markup_and_nothing_that_a_terminal_obeys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    of, here, seen = scenario(), place.found(place.FAKE), Terminal()
    cast = here.cast(of)
    stage = DemoStage(of, cast, FakeRig(tmp_path), tmp_path, 1.0)
    screen = Screen(seen)
    try:
        show = Show(Play(of, here, cast, Timeline(of.live.length_s, ()), stage), stage)
        row = {"name": "relay", "kind": "goose", "grade": "[/b] settleable", "says": "\x1b[2Jx"}
        show.moment = {"streams": [row]}
        show.feed.say("record", 0.0, "relay", "changed: [bold]A\x1b[3J")
        screen.draw()
        screen.show(show)
        screen.say("Trip the line: [red] not here")
        old = {"name": "pmu-w1", "mw": 62.0, "hz": 60.0, "stale": True}
        show.moment = {"streams": [old, {**old, "name": "pmu-w2", "stale": False}]}
        plain = io.StringIO()
        Screen(plain).show(show)
        assert "w1 late  w2 62 MW  60.000 Hz" in plain.getvalue()
    finally:
        screen.close()
        stage.close()
    shown = seen.getvalue()
    assert "[/b] settleable" in shown and "[bold]A" in shown and "[red] not here" in shown
    assert "\x1b[2J" not in shown and "\x1b[3J" not in shown


def test_a_line_of_the_settling_that_is_too_long_breaks_nothing(tmp_path: Path) -> None:
    of, here = scenario(), place.found(place.FAKE)
    cast = here.cast(of)
    stage = DemoStage(of, cast, FakeRig(tmp_path), tmp_path, 1.0)
    show = Show(Play(of, here, cast, Timeline(of.live.length_s, ()), stage), stage)

    async def heard() -> None:
        ours, theirs = socket.socketpair()
        listening = asyncio.ensure_future(show._listen(ours))
        _, writer = await asyncio.open_connection(sock=theirs)
        for line in (b"x" * (3 * LINE_BYTES_MAX), b"no JSON", b'{"look": {"seams": [], "log": 7}}'):
            writer.write(line + b"\n")
            await writer.drain()
        writer.close()
        await asyncio.wait_for(listening, WAIT_S)

    try:
        asyncio.run(heard())
    finally:
        stage.close()
    assert show.look["log"] == 7
    assert [one.times for one in show.feed.lines() if one.about == "settling"] == [2]


def test_a_breaker_says_where_it_stands_in_words() -> None:
    def slot(name: str, btype: str = "", unit: str = "", part: str = "") -> SimpleNamespace:
        return SimpleNamespace(name=name, btype=btype, unit=unit, part=part)

    stood = slot("IED1LD0/XCBR1.Pos.stVal", "Dbpos")
    assert wording.said(stood, "01") == ("XCBR1.Pos.stVal", "open")
    assert wording.said(slot("IED1LD0/XCBR1.Pos.q", "Quality"), "0" * 13).text == "good"
    assert wording.said(slot("status", part="tripped"), True) == ("status.tripped", "true")
    closed = slot("breaker_closed", unit="closed")
    assert wording.said(closed, False) == ("breaker_closed", "false")
    for slots, value, position in (
        (stood, "10", "closed"), (stood, "00", "between"), (stood, None, "not known"),
        (closed, False, "open"), (closed, None, "not known"), (slot("trip_output"), True, ""),
    ):  # fmt: skip
        assert wording.position([slots], [value]) == position


def test_frames_before_anything_was_heard_are_told_and_no_reason() -> None:
    row = {"kind": "pmu-serial", "sent": 10, "lost": 3, "unheard": 2}
    assert account.strict(row) == {**row, "sent": 8, "lost": 1}
    datagrams = {**row, "kind": "pmu-udp"}  # of which those are not among the lost
    assert account.strict(datagrams) == datagrams


def test_what_was_given_up_amid_its_end_accuses_nobody(tmp_path: Path) -> None:
    of, here = scenario(), place.found(place.FAKE)
    cast = here.cast(of)
    stage = DemoStage(of, cast, FakeRig(tmp_path), tmp_path, 1.0)
    try:
        play = Play(of, here, cast, Timeline(of.live.length_s, ()), stage)
        play.ended, play.problems = 1, ["west-1 does not drain"]
        play.verify = (-9, "it said nothing")  # it was killed with the rest
        play.counted = {"pmu-w1": {"skipped": 800}, "pmu-e1": {"skipped": 0}}
        told = account.report(play, [HURRIED], False)
    finally:
        stage.close()
    assert told["reasons"] == [HURRIED]
    assert told["sent"] == told["lost"] == 0
    assert told["verify"] is None
    slow, _, reason = account.summary(told).rpartition("\n")
    assert slow.startswith("This machine was too slow for its own simulated devices: pmu-w1 left")
    assert reason == f"gridseal-hil demo: {HURRIED}"


def test_what_is_not_known_is_no_figure() -> None:
    row = {"v": [[230_000.0, 0.0]] * 3, "stale": False}
    assert layout.values(row) == "230.0 kV, \u2013, \u2013, \u2013"
    moment = {"instant": "12:00:00.0", "heard": {"west-1": 12.0, "east-1": 0.4}}
    assert layout.state_line(moment).endswith(" Nothing of west-1 for 12 s.")
    nothing = dict.fromkeys(("sent", "in_record", "in_gaps", "lost", "duplicated"), 0)
    ended: dict[str, object] = {
        **nothing,
        "gaps": {},
        "verify": None,
        "reasons": ["the settling ended with 1"],
    }
    assert account.summary(ended) == "gridseal-hil demo: the settling ended with 1"


def test_the_feed_is_bounded_and_says_again_by_a_count() -> None:
    feed = Feed()
    for at in range(5):
        feed.say("record", at, "pmu-a", f"a gap of {at}", at, "gap")
    feed.say("record", 5, "pmu-b", "a gap of 5", 5, "gap")
    assert [(one.about, one.text, one.times) for one in feed.lines()] == [
        ("pmu-a", "a gap of 4", 5),
        ("pmu-b", "a gap of 5", 1),
    ]
    feed.say("record", 5 + 2 * AGAIN_S, "pmu-a", "a gap of 6", 6, "gap")
    assert len(feed.lines()) == 3
    for at in range(2 * LINES_MAX):
        feed.say("record", 1000 + at, "pmu-a", f"line {at}")
    assert len(feed.lines()) == LINES_MAX
    assert feed.told()[0]["text"] == f"line {2 * LINES_MAX - 1}"
