"""What all PMUs, relays and meters of a gateway say now: `watch` gives a Snapshot of each a few
times a second, `moment` the last of some seconds.

1. A line is the agent's while one runs: a serial port has one reader, many PMUs have one session.
   Then what it sealed is read from its spool, read only, with what it says of its lines.
2. Where none runs the lines are opened here, by the drivers that the gateway runs
   (drivers.registry): they send what drivers.asks allows, and nothing else. When an agent starts
   meanwhile, they are closed for it.
3. A line that fails is opened again, for as long as somebody watches; its trouble is told in words.
4. From a device that keeps what it said for its agent (drivers.line.Keeping) nothing is taken
   where an agent ever ran. Where none did nobody else wants it, and the device needs the room.
5. Receivers are not asked: they say where and when it is, not what is measured.

It seals and judges nothing. The clock is the caller's, who also says how good it is.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncGenerator, Mapping
from typing import Any, NamedTuple

from agent import reading, status
from agent.archive import ArchiveError
from agent.clock import SystemClock, leap_table
from agent.config import Sketch
from agent.schema import SpoolError
from drivers import registry
from drivers.line import (
    STREAMS_MAX,
    Clock,
    Driver,
    Frame,
    Keeping,
    LinkError,
    Setup,
    Source,
)
from evidence.config import ConfigError
from evidence.leap import NS
from provisioning import look
from provisioning.snapshot import Snapshot
from provisioning.tail import Tail

LOOK_S = 0.25  # between two looks: a diagram that moves, and little work for a gateway
BACKOFF_S = (0.5, 5.0)  # first and longest wait before a line is opened again: someone watches
ACCOUNT_S = 1.0  # between two questions whether an agent runs
RATE_NS = 5 * NS  # over which the rate of arrivals is told
LAGS_MAX = 256  # arrivals kept of a stream: the last seconds of it


class _Mark(NamedTuple):
    """A frame: when it arrived, its own instant, and how many there were until then."""

    heard: int
    tai: int
    frames: int


class Ear:
    """One stream of a source, as it is heard."""

    def __init__(self, key: str, clock: Clock) -> None:
        self.stream = reading.Stream(key, clock.table)
        self.lags: deque[int] = deque(maxlen=LAGS_MAX)  # heard minus tai of the last frames, ns
        self._marks: deque[_Mark] = deque()

    def take(self, item: Setup | Frame) -> bool:
        """Whether the device said something in it."""
        if isinstance(item, Setup):
            self.stream.rule(item)
            return False
        good = self.stream.count(item)
        if item is self.stream.latest:
            self.lags.append(item.heard.tai - item.tai)
        if not self._marks:
            self._mark()
        return good

    def _mark(self) -> None:
        latest = self.stream.latest
        if latest is None or (self._marks and self._marks[-1].frames == self.stream.measured):
            return
        heard = latest.heard.tai
        tai = heard if latest.tai is None else latest.tai
        self._marks.append(_Mark(heard, tai, self.stream.measured))

    def unanswered(self) -> str:
        """What it was asked and never said, in words."""
        stream = self.stream
        if stream.measured or not stream.unanswered:
            return ""
        why = f" ({stream.unsaid})" if stream.unsaid else ""
        return f"{stream.unanswered} times asked, and not answered{why}"

    def rate(self) -> float | None:
        """Frames a second of late, by the instants that the device states: what a network holds
        back and brings at once is no other rate. By their arrival where it states none, or the
        same again. To be called once a look.
        """
        self._mark()
        while len(self._marks) > 2 and self._marks[-1].heard - self._marks[0].heard > RATE_NS:
            self._marks.popleft()
        if len(self._marks) < 2:
            return None
        first, last = self._marks[0], self._marks[-1]
        spans = (last.tai - first.tai, last.heard - first.heard)
        span = next((one for one in spans if one > 0), 0)
        return (last.frames - first.frames) * NS / span if span else None


class Live:
    """The sources of a gateway, heard for as long as it is open: `async with`."""

    def __init__(self, sketch: Sketch, clock: Clock) -> None:
        self.sources = [one for one in sketch.sources if one.scheme not in registry.RECEIVERS]
        self.account: dict[str, Any] | None = None  # of the agent that has the lines
        self.withheld = ""  # why nobody can be heard, in words
        self.ears: dict[str, dict[str, Ear]] = {one.name: {} for one in self.sources}
        self.noticed: dict[str, Counter[str]] = {one.name: Counter() for one in self.sources}
        self._plan, self._clock = sketch.plan, clock
        self._spool = sketch.path(sketch.file.spool.path)
        self._trouble: dict[str, str] = {}
        self._lines: list[asyncio.Task[None]] = []
        self._drivers: dict[str, Driver] = {}
        self._bookmarks: dict[str, bytes] = {}
        self._tail: Tail | None = None
        self._before: dict[str, Counter[str]] = {}  # faults that the agent had counted at first
        self._asked_s = -ACCOUNT_S

    async def __aenter__(self) -> "Live":
        await self.listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._let_go()
        self._leave()

    def snapshots(self) -> list[Snapshot]:
        """What each says now, in the order of the sources; of one that said nothing, why."""
        found: list[Snapshot] = []
        for source in self.sources:
            line = self._line(source)
            ears = self.ears[source.name]
            heard = [one for one in ears.values() if one.stream.setup is not None]
            of_line = Counter(line.faults)  # of no stream that is known
            for ear in ears.values():
                of_line.update(ear.stream.faults if ear not in heard else {})
            for ear in heard:
                faults = of_line + ear.stream.faults
                rate, frames = ear.rate(), ear.stream.measured
                trouble = line.trouble or ear.unanswered()
                told = line._replace(heard_rate=rate, frames=frames, faults=faults, trouble=trouble)
                found.extend(look.snapshots(told, ear.stream, self._plan))
            if not heard:
                found.append(look.nothing(line._replace(faults=of_line)))
        return found

    async def listen(self) -> None:
        """Sees who has the lines, and hears what there is; to be called once a look."""
        loop = asyncio.get_running_loop()
        if loop.time() - self._asked_s >= ACCOUNT_S:
            self._asked_s = loop.time()
            await self._ask()
        for task in self._lines:
            if task.done():
                task.result()  # none ends by itself: its cause is a mistake of ours
        if self.account is not None:
            self._read()

    # --- who has the lines

    async def _ask(self) -> None:
        try:
            account = await asyncio.to_thread(status.ask, self._spool)
        except (FileNotFoundError, ConnectionRefusedError):
            account = None
        except (OSError, ValueError) as fault:
            self.account, self.withheld = None, f"an agent may run, and does not answer: {fault}"
            await self._let_go()
            return
        self.account, self.withheld = account, ""
        if account is None:
            self._leave()
            if not self._lines:
                self._lines = [asyncio.ensure_future(self._keep_open(one)) for one in self.sources]
            return
        await self._let_go()
        for name, said in _sources(account).items():
            self._before.setdefault(name, Counter(said.get("faults", {})))

    async def _let_go(self) -> None:
        """Closes the lines."""
        for task in self._lines:
            task.cancel()
        await asyncio.gather(*self._lines, return_exceptions=True)
        self._lines.clear()

    def _leave(self) -> None:
        """The spool."""
        if self._tail is not None:
            self._tail.close()
            self._tail = None

    # --- what the agent heard

    def _read(self) -> None:
        try:
            if self._tail is None:
                self._tail = Tail(self._spool)
            for source, item in self._tail.read():
                if source in self.ears:
                    self._take(source, item)
        except (SpoolError, ArchiveError) as fault:
            self.withheld = f"what the agent sealed cannot be read: {fault}"
            self._leave()

    # --- what is heard from here

    async def _keep_open(self, source: Source) -> None:
        """Opens a line again and again, until cancelled."""
        wait_s = BACKOFF_S[0]
        while True:
            try:
                await self._hear(source)
            except (LinkError, ConfigError) as fault:
                self._trouble[source.name] = reading.printable(str(fault))
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, BACKOFF_S[1])

    async def _hear(self, source: Source) -> None:
        """One connection. Raises LinkError, ConfigError."""
        driver = registry.open_driver(source, self._clock)
        self._drivers[source.name] = driver
        keeping = driver if isinstance(driver, Keeping) else None
        if keeping is not None:
            keeping.resume(self._bookmarks.get(source.name, b""))
        try:
            for setup in await driver.open():
                self._take(source.name, setup)
            while True:
                for item in await driver.read():
                    self._take(source.name, item)
                if keeping is not None:
                    self._bookmarks[source.name] = keeping.bookmark()
                    if not self._spool.exists():
                        keeping.kept(keeping.bookmark())
        finally:
            self.noticed[source.name].update(driver.counts)
            del self._drivers[source.name]
            await driver.close()

    def _take(self, source: str, item: Setup | Frame) -> None:
        ears = self.ears[source]
        ear = ears.get(item.key)
        if ear is None:
            if len(ears) >= STREAMS_MAX:
                return
            ear = ears[item.key] = Ear(item.key, self._clock)
        if ear.take(item):
            self._trouble.pop(source, None)

    # --- what is told of a line

    def _line(self, source: Source) -> look.Line:
        name = source.name
        if self.account is not None:
            said = _sources(self.account).get(name, {})
            faults = Counter(said.get("faults", {})) - self._before.get(name, Counter())
            trouble = str(said.get("text", "")) or self.withheld
            return look.Line(source, faults=faults, trouble=trouble)
        return look.Line(source, trouble=self._trouble.get(name, "") or self.withheld)

    def waiting(self) -> bool:
        """Whether a line is being opened that has neither said what it is nor failed yet."""
        if self.account is not None or self.withheld:
            return False
        return any(
            name not in self._trouble and all(ear.stream.setup is None for ear in ears.values())
            for name, ears in self.ears.items()
        )

    def counts(self, source: str) -> Counter[str]:
        """What the driver noticed beside the frames, of connections that are over and of this."""
        driver = self._drivers.get(source)
        return self.noticed[source] + Counter(driver.counts if driver is not None else {})


def _sources(account: Mapping[str, Any]) -> Mapping[str, Any]:
    found = account.get("sources", {})
    return found if isinstance(found, dict) else {}


def clock_of(sketch: Sketch) -> SystemClock:
    """This machine's clock, with the list of leap seconds that the gateway goes by. Raises
    ConfigError.
    """
    leaps = sketch.file.clock.leap_seconds
    return SystemClock(leap_table(sketch.path(leaps) if leaps else None))


async def watch(
    sketch: Sketch, clock: Clock, every_s: float = LOOK_S
) -> AsyncGenerator[list[Snapshot], None]:
    """Snapshots of all sources, again and again; to be closed (contextlib.aclosing)."""
    async with Live(sketch, clock) as live:
        while True:
            yield live.snapshots()
            await asyncio.sleep(every_s)
            await live.listen()


async def moment(sketch: Sketch, clock: Clock, seconds: float) -> list[Snapshot]:
    """What each source says after so many seconds of hearing them all."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    async with Live(sketch, clock) as live:
        while loop.time() < until:
            await asyncio.sleep(min(LOOK_S, max(until - loop.time(), 0)))
            await live.listen()
        return live.snapshots()
