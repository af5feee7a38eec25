"""The show: a stage that is played open-endedly, what the record says of it, and who looks.

1. Everything that is seen comes from the record: a thread reads it ten times a second
   (hil.demo.reading), a process of the authorities looks at the seams and settles them
   (hil.demo.settling). One moment is made once for all who look.
2. What a button does is hil.demo.button's and hil.live.act's. At the end none is pressed any more,
   and what one is doing is done, or given up after DONE_S: a cable that is half pulled would be
   nobody's to plug in.
3. Whoever looks reads `moment`, `slow` and `feed` as they are, and may wait for the next.

It draws nothing.
"""

import asyncio
import contextlib
import json
import re
import socket
import time
from collections.abc import Callable
from typing import Any

from hil.demo import forgery, view
from hil.demo.button import BUTTONS, FORGE, Button, Panel
from hil.demo.feed import Feed
from hil.demo.reading import Reading
from hil.demo.stage import DemoStage
from hil.devices.pace import tai_now
from hil.live import kind
from hil.live.play import FAULTS, Play
from record.store import StoreError

ARRIVED_S = 30.0  # for a PMU to be in the record once it came up; a second is usual
MOMENT_S = 1 / 12  # ten a second, on a machine that does other things, too
LINE_BYTES_MAX = 1 << 20  # of what the settling process says
DATE = re.compile(r"\d{4}-\d\d-\d\dT")  # of an interval that has just ended
DONE_S = 15.0  # for what a button is doing: an agent starts in two
Told = dict[str, Any]


class Show:
    """One of them. `count`: moments so far."""

    def __init__(self, play: Play, stage: DemoStage) -> None:
        self.play, self.stage = play, stage
        self.panel = Panel(play)
        self.feed = Feed()
        self.reading = Reading(stage.store, self._found)
        self.moment: Told = {}
        self.look: Told = {"seams": [], "log": None}
        self.count = 0
        self.began_s = time.monotonic()
        self._lines: list[tuple[str, str, int | None, str]] = []
        self._next = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._over = False

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self.began_s

    def slow(self) -> Told:
        """What changes now and then: seams, log, buttons."""
        gateways = [{"name": row.name, "authority": row.authority} for row in self.stage.of.gateway]
        record = {"record": self.stage.url, "gateways": gateways}
        return {**self.look, **record, "buttons": self.panel.told()}

    async def changed(self) -> None:
        """Until the next moment."""
        await self._next.wait()

    # --- what goes on

    async def run(
        self, seconds: float | None, stop: asyncio.Event, see: Callable[[], None]
    ) -> None:
        """Until `stop`, or for so long once every PMU that came up is in the record. `see`: called
        after each moment. Raises one of hil.live.play.FAULTS where the settling process ended."""
        ours, theirs = socket.socketpair()
        with theirs:
            child = self.stage.settling(theirs)
        listening = asyncio.ensure_future(self._listen(ours))
        try:
            due = time.monotonic()
            end = None if seconds is None else due + ARRIVED_S + seconds
            arrived = False
            while not stop.is_set() and (end is None or time.monotonic() < end):
                if seconds is not None and not arrived and self._arrived():
                    arrived, end = True, time.monotonic() + seconds
                child.check()
                await asyncio.to_thread(self._read)
                self._tell()
                see()
                # Where it is behind, it goes on from now: nobody wants what was.
                due = max(due + MOMENT_S, time.monotonic())
                left_s = (due if end is None else min(due, end)) - time.monotonic()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(max(left_s, 0.005)):
                        await stop.wait()
        finally:
            self._over = True
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=DONE_S)
            for task in (*self._tasks, listening):
                task.cancel()
            await asyncio.gather(*self._tasks, listening, return_exceptions=True)
            await child.end(5.0)

    def press(self, name: str) -> str:
        """A button by its name; why not, or nothing."""
        button = next((one for one in BUTTONS if one.name == name), None)
        if button is None:
            return f"there is no button {name!r}"
        if self._over:
            return "the demo is about to end"
        if why := self.panel.why_not(button):
            return why
        label = next(one["label"] for one in self.panel.told() if one["name"] == button.name)
        self.feed.say("you", time.time(), "you", f"{label}.")
        self.panel.begin(button)  # before anything else can be pressed
        task = asyncio.ensure_future(self._press(button))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: self.panel.end(button))
        return ""

    def close(self) -> None:
        self.reading.close()

    # --- inside

    async def _press(self, button: Button) -> None:
        try:
            if button.name == FORGE:
                await self._forge()
                return
            for text in await self.panel.press(button):
                self.feed.say("you", time.time(), "you", f"not done: {text}")
        except FAULTS as fault:
            self.feed.say("you", time.time(), "you", f"not done: {fault}")

    async def _forge(self) -> None:
        found = await asyncio.to_thread(forgery.forged, self.stage.store)
        if found is None:
            self.feed.say("you", time.time(), "you", "not done: no batch with a frame is there yet")
            return
        self.feed.say("you", time.time(), "you", f"Forged: {found.what}.")
        log = self.stage.made[self.stage.of.gateway[0].name].log
        said, taken = await forgery.offered(self.stage.url, found, log)
        self.feed.say("refused", time.time(), "record", said)
        if taken:
            self.play.problems.append(f"the record took a forged batch: {found.what}")

    def _arrived(self) -> bool:
        """Whether every PMU that came up has a sample in the record."""
        there = {one.source for one in self.reading.streams.values() if one.samples}
        return all(one.name in there for one in self.stage.devices() if kind.KINDS[one.kind].frames)

    def _read(self) -> None:
        """In a thread."""
        with contextlib.suppress(StoreError):  # busy: the next look tells
            self.reading.look()
        self.moment = view.told(self.reading, tai_now()) | {"elapsed_s": round(self.elapsed_s, 1)}

    def _found(self, about: str, text: str, entry: int | None, like: str) -> None:
        self._lines.append((about, text, entry, like))

    def _tell(self) -> None:
        lines, self._lines = self._lines, []
        for line in lines:
            self.feed.say("record", time.time(), *line)
        there = {one.source for one in self.reading.streams.values()}
        for name in there.intersection(self.stage.absent):
            del self.stage.absent[name]  # on a slow machine it takes longer than its patience
            self.feed.say("record", time.time(), name, "it came up after all")
        self.count += 1
        self._next.set()
        self._next = asyncio.Event()

    async def _listen(self, ours: socket.socket) -> None:
        """What the settling process says, line by line. One that is longer than LINE_BYTES_MAX, or
        no object, is passed over, and said."""
        reader, writer = await asyncio.open_connection(sock=ours, limit=LINE_BYTES_MAX)
        try:
            passed = 0  # bytes of a line that is too long
            while True:
                try:
                    line = await reader.readuntil(b"\n")
                except asyncio.LimitOverrunError as over:
                    passed += len(await reader.readexactly(over.consumed))
                    continue
                except asyncio.IncompleteReadError:
                    return
                self._heard(line if not passed else b"")
                passed = 0
        finally:
            writer.close()

    def _heard(self, line: bytes) -> None:
        try:
            said = json.loads(line)
        except ValueError:
            text = f"it said what is no line of JSON below {LINE_BYTES_MAX} bytes"
            self.feed.say("record", time.time(), "settling", text)
            return
        if "look" in said:
            self.look = said["look"]
        elif "said" in said:
            self._settled(said["said"])
        else:
            self.feed.say("record", time.time(), "settling", said["fault"])

    def _settled(self, one: Told) -> None:
        signed = "signed by both" if one["joint"] else f"not signed by both: {one['text']}"
        why = f"; {view.why(one)}" if one["why"] else ""
        line = DATE.sub("", " ".join(one["line"].replace("_", " ").split()))
        text = f"settled{' again' if one['again'] else ''}: {line}; {signed}{why}"
        self.feed.say("record", time.time(), one["seam"], text, one["entry"])
