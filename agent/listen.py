"""`gridseal-agent listen URL`: opens one source and tells what it says, without configuration, key
or record. The technician's first tool.

1. The driver is the one that the gateway runs, with the options of the URL: it sends what those let
   it send (drivers.asks), and nothing else. A PMU over TCP must be asked to send, so commands are
   on unless the URL says commands=none.
2. A line that fails is opened again, for ever and in words, as the gateway does; without one good
   frame within `timeout_s` it ends with a hint, exit 1. With a count it ends also where the line
   stays silent for so long amid it.
3. Nothing is sealed, kept or forwarded, and nothing is taken from a device that keeps what it said
   for its gateway (drivers.line.Keeping): what it has no room for meanwhile is not heard. Of a
   receiver each epoch is shown, and not the frames in which a gateway keeps every tenth.
4. What is said of the line's trouble goes to the standard error, whatever form the rest has.

It knows no protocol.
"""

import argparse
import asyncio
import os
import signal
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any, cast

from agent.clock import SystemClock, leap_table
from agent.panel import Lines, Objects, Panel, Show
from agent.reading import Stream, noticed_words, printable
from agent.timing.assembly import by_kernel
from drivers import registry, url
from drivers.gnss.fix import KEY, Fix
from drivers.line import STREAMS_MAX, Driver, Frame, Keeping, LinkError, Setup, Source

if TYPE_CHECKING:
    from drivers.gnss.driver import ReceiverDriver

BACKOFF_S = (0.5, 10.0)  # first and longest wait before the line is opened again: someone watches
STEADY_S = 60.0  # a line that held this long is tried again with the first wait
TIMEOUT_S = 10.0
SHOWN_S = 0.5  # between two looks at what is known and not shown yet
TIMEOUT_S_MAX = 86_400.0
COUNT_MAX = 1_000_000_000
TROUBLES_MAX = 64  # different words of line trouble kept for the summary
ABOUT = """\
Opens a source by its URL and prints what it says: what it is, every frame with its instant, values
and units, and at the end how many there were and how fast. It needs no configuration and keeps
nothing. What it sends is what the gateway's own driver sends: a PMU is asked for its configuration
and its data, unless commands=none stands in the URL."""
EXAMPLES = """\
examples:
  gridseal-agent listen 'c37118+tcp://192.0.2.7:4712?idcode=7'
  gridseal-agent listen 'c37118+serial:///dev/ttyUSB0?baud=115200&idcode=7' --count 100
  gridseal-agent listen 'c37118+tcp://192.0.2.7?idcode=7' --json | jq .values
  gridseal-agent listen 'ublox:///dev/ttyACM0?baud=38400' --count 10"""
NOTHING = "is the address right, is the device sending, and does the line allow it?"


class Listening:
    """One source, until it is told to stop. `count`: of frames that measure; 0: no end."""

    def __init__(
        self, source: Source, clock: SystemClock, show: Show, count: int, timeout_s: float
    ) -> None:
        self._source, self._clock, self._show = source, clock, show
        self._count, self._timeout_s = count, timeout_s
        self._receiver = source.scheme in registry.RECEIVERS
        self.streams: dict[str, Stream] = {}
        self.unplaced = Counter[str]()  # faults of streams beyond those that are told apart
        self._noticed = Counter[str]()  # of connections that are over
        self._driver: Driver | None = None  # of the one that is not
        self._bookmark = b""  # of a device that says again what nobody keeps
        self.troubles = Counter[str]()
        self.opened = 0
        self.trouble = ""  # the last
        self._good = asyncio.Event()  # a good frame has come since it was looked at

    @property
    def heard(self) -> int:
        """Good frames."""
        return sum(stream.kinds.total() for stream in self.streams.values())

    @property
    def measured(self) -> int:
        return sum(stream.measured for stream in self.streams.values())

    @property
    def faults(self) -> Counter[str]:
        found = Counter(self.unplaced)
        for stream in self.streams.values():
            found.update(stream.faults)
        return found

    @property
    def noticed(self) -> dict[str, int]:
        """By the driver, beside the frames."""
        found = Counter(self._noticed)
        if self._driver is not None:
            found.update(self._driver.counts)
        return {name: count for name, count in found.items() if count}

    async def run(self) -> None:
        """Hears until the count is reached or nothing comes; cancelled when told to stop."""
        hearing = asyncio.ensure_future(self._keep_open())
        others = [asyncio.ensure_future(one()) for one in (self._until_silent, self._keep_shown)]
        try:
            await asyncio.wait((hearing, *others), return_when=asyncio.FIRST_COMPLETED)
            if hearing.done():
                hearing.result()
        finally:
            for task in (hearing, *others):
                task.cancel()
            await asyncio.gather(hearing, *others, return_exceptions=True)

    async def _keep_shown(self) -> None:
        """What a read brought last, and what is noticed while none brings anything. Returns when
        epochs have reached the count: a read ends with a frame, which no epoch need be.
        """
        while not self._full():
            await asyncio.sleep(SHOWN_S)
            self._show.settle(self.streams, self.noticed)

    async def _until_silent(self) -> None:
        """Ends when nothing good has come for too long."""
        while True:
            try:
                async with asyncio.timeout(self._timeout_s):
                    await self._good.wait()
            except TimeoutError:
                return
            self._good.clear()
            if not self._count:
                await asyncio.Event().wait()  # something was heard: it goes on until it is stopped

    async def _keep_open(self) -> None:
        """Opens the line again and again. Returns when the count is reached."""
        loop = asyncio.get_running_loop()
        wait_s = BACKOFF_S[0]
        while not self._full():
            since = loop.time()
            try:
                await self._hear()
                return
            except LinkError as fault:
                if loop.time() - since > STEADY_S:
                    wait_s = BACKOFF_S[0]
                self._tell_trouble(str(fault), wait_s)
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, BACKOFF_S[1])

    async def _hear(self) -> None:
        """One connection, until the count is reached. Raises LinkError when it fails."""
        driver = self._driver = registry.open_driver(self._source, self._clock)
        if self._receiver:
            cast("ReceiverDriver", driver).tell = self._take_epoch
        keeping = driver if isinstance(driver, Keeping) else None
        if keeping is not None:
            keeping.resume(self._bookmark)
        try:
            setups = await driver.open()
            self.opened += 1
            if self.opened > 1 or self.trouble:
                self._say(["the line is open"], {"what": "line", "text": "open"})
            self._take(setups)
            while not self._full():
                self._take(await driver.read())
        finally:
            self._noticed.update(driver.counts)
            self._driver = None
            if keeping is not None:
                self._bookmark = keeping.bookmark()
            await driver.close()

    def _take(self, items: Any) -> None:
        """What one read brought, as far as it is wanted."""
        for item in items:
            if self._full():
                break
            stream = self._stream(item.key)
            if stream is None:
                if isinstance(item, Frame):
                    self.unplaced["streams"] += 1
            elif isinstance(item, Setup):
                stream.rule(item)
                self._say(stream.headline(), stream.description())
            elif not (self._receiver and item.fault is None):
                if stream.count(item):
                    self._good.set()
                self._show.heard(stream, item)
        self._show.settle(self.streams, self.noticed)

    def _take_epoch(self, fix: Fix) -> None:
        """What a receiver says, each second."""
        stream = self._stream(KEY)
        if stream is not None and not self._full():
            stream.count(fix)
            self._good.set()
            self._show.heard(stream, fix)
            self._show.settle(self.streams, self.noticed)

    def _stream(self, key: str) -> Stream | None:
        found = self.streams.get(key)
        if found is None and len(self.streams) < STREAMS_MAX:
            found = self.streams[key] = Stream(key, self._clock.table)
        return found

    def _full(self) -> bool:
        return bool(self._count) and self.measured >= self._count

    def _tell_trouble(self, text: str, wait_s: float) -> None:
        self.trouble = printable(text)
        known = self.trouble in self.troubles or len(self.troubles) < TROUBLES_MAX
        self.troubles[self.trouble if known else "other"] += 1
        said = f"{self.trouble}; trying again in {wait_s:g} s"
        print(f"gridseal-agent: {said}", file=sys.stderr, flush=True)
        self._say([], {"what": "line", "text": said})

    def _say(self, words: list[str], told: dict[str, Any]) -> None:
        self._show.said(words, told)
        self._show.settle(self.streams, self.noticed)

    def begin(self) -> None:
        """What is listened to."""
        name, scheme = printable(self._source.name), self._source.scheme
        options = {key: str(value) for key, value in self._source.options.items()}
        self._say(
            [f"listening to {name}"],
            {"what": "source", "url": name, "scheme": scheme} | {"options": options},
        )

    def end(self) -> None:
        """The summary."""
        lines = [stream.ending() for stream in self.streams.values()]
        if self.unplaced:
            lines.append(f"{self.unplaced.total()} frames of streams beyond {STREAMS_MAX}")
        if self.noticed:
            lines.append(noticed_words(self.noticed))
        lines += [f"line: {text} ({_often(times)})" for text, times in self.troubles.items()]
        told = {
            "what": "summary",
            "frames": self.measured,
            "heard": self.heard,
            "opened": self.opened,
            "streams": {key: stream.summary() for key, stream in self.streams.items()},
            "faults": dict(self.faults),
            "noticed": self.noticed,
            "trouble": dict(self.troubles),
        }
        self._show.ended(lines, told)

    def missing(self, stopped: bool) -> str:
        """What was asked for and not heard, and what to look at; empty where nothing is missing."""
        where = printable(self._source.name)
        if self.heard and (stopped or not self._count or self._full()):
            return ""
        if self.heard:
            silent = f"then nothing new for {self._timeout_s:g} s"
            return f"{where}: {self.measured} of {self._count} frames, {silent}"
        if self.faults:
            counted = ", ".join(f"{count} {name}" for name, count in self.faults.items())
            return f"{where}: something is sent, and no good frame in it ({counted})"
        unanswered = sum(stream.unanswered for stream in self.streams.values())
        if unanswered:
            ask = registry.scheme(self._source.scheme).hint
            why = next((stream.unsaid for stream in self.streams.values() if stream.unsaid), "")
            inside = f" ({why})" if why else ""
            return f"{where}: {unanswered} times asked, and not answered{inside}: {ask}"
        if self.trouble and not self.opened:
            return f"{where}: could not be opened: {self.trouble}"
        ask = registry.scheme(self._source.scheme).hint or NOTHING
        return f"{where}: nothing was heard: {ask}"


def add(command: argparse.ArgumentParser) -> None:
    """The arguments of `listen`."""
    command.description, command.epilog = ABOUT, EXAMPLES
    command.formatter_class = argparse.RawDescriptionHelpFormatter
    schemes = ", ".join(registry.SCHEMES)
    command.add_argument("url", metavar="URL", help=f"SCHEME://...?OPTION=VALUE&...; {schemes}")
    told = "end after so many frames that measure something"
    command.add_argument("--count", type=_count, default=0, metavar="N", help=told)
    told = "end with exit 1 when nothing is heard for so long; default: %(default)g"
    command.add_argument("--timeout", type=_timeout, default=TIMEOUT_S, metavar="S", help=told)
    command.add_argument("--json", action="store_true", help="one JSON object a line")


def _often(times: int) -> str:
    return "once" if times == 1 else f"{times} times"


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:12]) <= COUNT_MAX:
        raise argparse.ArgumentTypeError(f"{text!r}; 1 to {COUNT_MAX} expected")
    return int(text)


def _timeout(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= TIMEOUT_S_MAX:
        raise argparse.ArgumentTypeError(f"{text!r}; seconds above 0, at most {TIMEOUT_S_MAX:g}")
    return value


def main(arguments: argparse.Namespace) -> int:
    """0: heard what was asked for; 1: not. Raises ConfigError for a URL that is none."""
    source = url.source(arguments.url)
    clock = SystemClock(leap_table(None))
    registry.open_driver(source, clock).expected()  # what files say is wrong is wrong now
    try:
        return asyncio.run(_listen(source, clock, arguments))
    except BrokenPipeError:
        # Whoever read us has gone; nothing more is said, and not by the interpreter's end either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


async def _listen(source: Source, clock: SystemClock, arguments: argparse.Namespace) -> int:
    loop = asyncio.get_running_loop()
    if arguments.json:
        show: Show = Objects(sys.stdout)
    else:
        show = Panel(sys.stdout, loop.time) if sys.stdout.isatty() else Lines(sys.stdout)
    timekeeping = by_kernel(clock)
    await timekeeping.renew()
    listening = Listening(source, clock, show, arguments.count, arguments.timeout)
    work = asyncio.ensure_future(listening.run())
    watch = asyncio.ensure_future(timekeeping.watch())
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, work.cancel)
    listening.begin()
    try:
        await asyncio.wait((work,))
        if not work.cancelled():
            work.result()
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
    listening.end()
    missing = listening.missing(stopped=work.cancelled())
    if missing:
        print(f"gridseal-agent: {missing}", file=sys.stderr)
    return 1 if missing else 0
