"""`gridseal-hil demo`: two utilities, one record, one page; until Ctrl-C.

1. It says in one line where to look, and shows the same in the terminal.
2. Told to end twice, it ends at once and says that nothing was counted. Else the end goes
   the way of the samples: what was done is taken back, devices fall silent, what they sent is
   heard, agents drain, the record ends, `gridseal-record verify` checks what it left.
3. Exit 0: every frame is accounted for and the record verifies; 1: not, with a reason a line; 2:
   folder or port cannot be used.
4. Whatever happens, nothing that it started is left running (hil.child).
"""

import asyncio
import contextlib
import errno
import json
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import TextIO

from hil.demo import account
from hil.demo.button import BUTTONS
from hil.demo.drawing import Circuit
from hil.demo.page import HOST, Page
from hil.demo.screen import Keys, Screen
from hil.demo.show import Show
from hil.demo.stage import DemoStage
from hil.devices.pace import tai_now
from hil.live import kind, place, script, site
from hil.live.fake import FakeRig
from hil.live.play import FAULTS, Play, ended
from hil.live.script import Script
from hil.live.timeline import Timeline

TWICE_S = 1.0  # after which being told once more means: at once
HURRIED = "told twice: it ended at once, and nothing was counted"
SCENARIO = Path(__file__).parent / "two-utilities.toml"


class Demo:
    """One run, in one folder. `run` is all of it."""

    def __init__(self, folder: Path, screen: Screen, port: int, of: Script) -> None:
        where = place.found(place.FAKE)
        cast = where.cast(of)
        self._screen, self._port = screen, port
        patience_s = where.file.place.patience_s
        # It is left open for days, and nobody compares: 1 GB a day of four PMUs less.
        rig = FakeRig(folder, truth=False)
        self.stage = DemoStage(of, cast, rig, folder, patience_s)
        timeline = Timeline(of.live.length_s, ())
        self.play = Play(of, where, cast, timeline, self.stage)
        self.reasons: list[str] = []
        self.url = ""  # of the page, while there is one
        self.show: Show | None = None
        self.told_s, self.hurried = 0.0, False  # to end; once more, since that took too long

    async def run(self, seconds: float | None, stop: asyncio.Event) -> None:
        """Until `stop`, or for so many seconds after the start."""
        stage, play, say = self.stage, self.play, self._screen.say
        try:
            say("two gateways, a record and two witnesses start: some ten seconds")
            await _unless(stop, stage.start())
            if stop.is_set():
                return
            for lack in play.cast.lacks:
                if lack.what == "device":
                    say(f"{lack.name} is left out: {lack.why}")
            for name, why in stage.absent.items():
                say(f"{name} does not come up: {why}")
            await stage.establish(tai_now())
            play.began = tai_now()
            await self._show(seconds, stop)
            self._screen.close()
            await ended(play, say)
        except FAULTS as fault:
            self.reasons.append(str(fault))
        finally:
            self._screen.close()
            stage.close()

    async def _show(self, seconds: float | None, stop: asyncio.Event) -> None:
        show = self.show = Show(self.play, self.stage)
        page = Page(show, circuits(self.play.of, self.stage), buses(self.play.of))

        def pressed(key: str) -> None:
            if key in "q\x03\x04":
                stop.set()
            for button in BUTTONS:
                if button.key == key and (why := show.press(button.name)):
                    self._screen.say(f"{button.label}: {why}")

        keys = Keys(pressed)
        try:
            await page.start(self._port)
            self.url = page.url
            self._screen.say(f"look at {page.url}")
            self._screen.draw()
            keys.open()
            await show.run(seconds, stop, lambda: self._screen.show(show))
        finally:
            keys.close()
            await page.close()
            show.close()


async def _unless(stop: asyncio.Event, work: Awaitable[None]) -> None:
    """Work, unless it is told to stop before."""
    task = asyncio.ensure_future(work)
    waiting = asyncio.ensure_future(stop.wait())
    await asyncio.wait((task, waiting), return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if not task.done():
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        return
    await task


def scenario() -> Script:
    """The demo's own. Raises ConfigError."""
    return script.read(SCENARIO.read_text(encoding="utf-8"), SCENARIO.name)


def circuits(of: Script, stage: DemoStage) -> list[Circuit]:
    """What the diagram has between its buses."""
    found = []
    there = {row.name for row in stage.cast.devices}
    for seam in stage.seams:
        into = seam.name.removeprefix("Tie ")
        ends: dict[str, str] = {}
        breakers: dict[str, str] = {}
        for row in of.device:
            if row.into == into and row.name in there:
                at = ends if kind.KINDS[row.kind].frames else breakers
                at.setdefault(row.gateway, row.name)
        first, second = (ends[row.name] for row in of.gateway)
        says = [breakers.get(row.name, "") for row in of.gateway]
        found.append(Circuit(seam.name, first, second, *says))
    return found


def buses(of: Script) -> tuple[str, str]:
    """West and East, with the bus that each measures."""
    names = []
    for row in of.gateway:
        bus = next(one.bus for one in of.device if one.gateway == row.name)
        names.append(f"{row.authority}: {site.bus_name(bus)}")
    return names[0], names[1]


async def _run(folder: Path, screen: Screen, seconds: float | None, port: int) -> Demo:
    demo = Demo(folder, screen, port, scenario())
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def told() -> None:
        # One Ctrl-C may come twice: of the terminal, and of whoever passes it on (make, timeout).
        if stop.is_set() and loop.time() - demo.told_s > TWICE_S:
            demo.hurried = True
            demo.stage.close()
        elif not stop.is_set():
            demo.told_s = loop.time()
            stop.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, told)
    await demo.run(seconds, stop)
    return demo


def main(seconds: float | None, as_json: bool, keep: Path | None, port: int = 0) -> int:
    """0: nothing was lost, the record verifies; 1: not, and why; 2: the folder cannot be used."""
    stream = _stream_for(as_json)
    try:
        _check_port(port)
        if keep is not None:
            _check_empty(keep)
        folder = keep or Path(tempfile.mkdtemp(prefix="gridseal-demo-"))
    except OSError as fault:
        stream.write(f"gridseal-hil demo: {fault.strerror or fault}\n")
        return 2
    screen = Screen(stream)
    try:
        demo = asyncio.run(_run(folder.resolve(), screen, seconds, port))
        reasons = [HURRIED] if demo.hurried else demo.reasons
        told = account.report(demo.play, reasons, not demo.hurried)
    finally:
        screen.close()
        if keep is None:
            shutil.rmtree(folder, ignore_errors=True)
    screen.say(account.summary(told))
    if keep is not None:
        screen.say(f"kept: {folder}")
    if as_json:
        print(json.dumps(told), flush=True)
    return 1 if told["reasons"] else 0


def _stream_for(as_json: bool) -> TextIO:
    """With JSON on the standard output, people read the standard error."""
    return sys.stderr if as_json else sys.stdout


def _check_port(port: int) -> None:
    """Raises OSError: before anything is started."""
    try:
        with socket.create_server((HOST, port)):
            pass
    except OSError as fault:
        if fault.errno != errno.EADDRINUSE:
            raise
        text = f"port {port} is in use; name another: --port N, or none for any that is free"
        raise OSError(fault.errno, text) from fault


def _check_empty(folder: Path) -> None:
    """Makes it. Raises OSError, with what to do: what is there is left alone."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        text = f"{folder} cannot be made: {fault.strerror}; name another folder: --keep DIR"
        raise OSError(fault.errno, text) from fault
    found: Sequence[Path] = sorted(folder.iterdir())
    if found:
        raise FileExistsError(f"{found[0]} is there already: name an empty folder")
