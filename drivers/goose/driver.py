"""GOOSE of one interface: the driver that the runner opens.

1. It hears and never sends: the socket is drivers.ethernet's, and nothing is asked of anybody.
2. The kernel drops what has another EtherType, another APPID where every subscription states one,
   or another gocbRef likewise; the session drops the rest.
3. Silence is no failure of the line: a publisher that is silent for longer than it allows is an
   event of its stream. It is judged only when nothing waits to be read: else it is we who are late.
4. Frames that the kernel had no room for are told as a fault, `frames_dropped`, with their number.

It retries nothing and logs nothing.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Sequence
from pathlib import Path

from drivers.ethernet.capture import Capture, Interest
from drivers.ethernet.frame import TYPE_GOOSE
from drivers.goose.option import Options
from drivers.goose.scl import SCL_BYTES_MAX
from drivers.goose.session import Session, Subscription, Terms
from drivers.goose.stream import Item
from drivers.line import Clock, Frame, FrameError, LinkError, Setup, Source, one_read
from evidence.code import Kind, TimeSource
from evidence.config import ConfigError, convert
from evidence.leap import NS

# From a deadline to its judgement: what the kernel has stamped before it may still be on its way.
GRACE_NS = 20_000_000
PAUSE_S = 0.005  # frames of so long are read together: waking up costs more than twenty of them
WATCH_S = 1.0  # at most between two looks at the clock: it may be set
DROPS_S = 10.0  # between two looks at what the kernel dropped


class GooseDriver:
    """All subscribed streams of one interface."""

    def __init__(self, source: Source, clock: Clock) -> None:
        """Raises ConfigError for options that are not this scheme's."""
        self._source = source
        self._clock = clock
        self._options = convert(dict(source.options), Options, f"source {source.name!r}")
        self._capture: Capture | None = None
        self._session: Session | None = None
        self._queue: deque[Item] = deque()
        self._ended: LinkError | None = None
        self._dropped = 0
        self._looked_s = 0.0

    @property
    def counts(self) -> Counter[str]:
        """What happened since it was opened, by name."""
        return self._session.counts if self._session is not None else Counter()

    def expected(self) -> tuple[int, tuple[int, int]] | None:
        """None: changes have no rate. Raises ConfigError for a file that is none."""
        self._terms()
        return None

    async def open(self) -> Sequence[Setup]:
        """Opens the socket. One Setup a stream whose data set is configured.

        Raises LinkError, and ConfigError for an SCL file that is none.
        """
        await self.close()
        self._queue.clear()
        self._ended, self._dropped = None, 0
        terms = self._terms()
        self._session = Session(terms, self._clock.table)
        self._capture = Capture(self._interest(terms.subscriptions), self._clock)
        self._looked_s = asyncio.get_running_loop().time()
        setups = self._session.begin()
        self._session.watch(self._clock.now())  # from now on a subscription is unheard
        return setups

    async def read(self) -> Sequence[Frame | Setup]:
        """As drivers.line.Driver says."""
        capture, session = self._capture, self._session
        if capture is None or session is None:
            raise LinkError("not open")
        while not self._queue:
            if self._ended is not None:
                raise self._ended
            await self._hear(capture, session)
        return one_read(self._queue)

    async def close(self) -> None:
        """Idempotent, never raises."""
        capture, self._capture = self._capture, None
        if capture is not None:
            capture.close()

    def _interest(self, subscriptions: Sequence[Subscription]) -> Interest:
        """What the kernel is asked for: by APPID where all are known, and by gocbRef likewise."""
        appids = [each.appid for each in subscriptions]
        references = [each.gocbRef for each in subscriptions]
        accept = tuple(each for each in appids if each is not None)
        first = tuple(each.encode() for each in references if each is not None)
        return Interest(
            self._options.interface,
            {TYPE_GOOSE: accept if None not in appids else ()},
            self._options.joined(subscriptions),
            PAUSE_S,
            {TYPE_GOOSE: first if None not in references else ()},
        )

    def _terms(self) -> Terms:
        return self._options.terms(f"source {self._source.name!r}", self._content())

    def _content(self) -> bytes:
        """The SCL file, as it is; nothing where none is named."""
        if not self._options.scl:
            return b""
        path = Path(self._source.folder, self._options.scl)
        try:
            with path.open("rb") as file:
                return file.read(SCL_BYTES_MAX + 1)
        except OSError as fault:
            name = f"source {self._source.name!r}"
            raise ConfigError(name, "scl", f"{path}: {fault.strerror}") from fault

    async def _hear(self, capture: Capture, session: Session) -> None:
        """Waits for frames or for what is due; queues what they say."""
        try:
            async with asyncio.timeout(self._wait_s(session)):
                packets = await capture.take()
        except TimeoutError:
            packets = []
        except LinkError as fault:
            self._ended = fault
            self._queue.extend(session.watch(self._clock.now()))
            return
        extend, accept = self._queue.extend, session.accept
        for raw, heard, missing in packets:
            if missing:
                self._queue.append(self._oversized(raw, missing))
            else:
                extend(accept(raw, heard))
        if not capture.untaken():
            now = self._clock.now()
            extend(session.watch(now._replace(tai=now.tai - GRACE_NS)))
        self._look(capture)

    def _wait_s(self, session: Session) -> float:
        """Until something is due."""
        deadline = session.deadline()
        if deadline is None:
            return WATCH_S
        wait_ns = deadline + GRACE_NS - self._clock.now().tai
        return min(max(wait_ns / NS, 0.001), WATCH_S)

    def _look(self, capture: Capture) -> None:
        """What the kernel dropped since it was last looked at."""
        now_s = asyncio.get_running_loop().time()
        if now_s - self._looked_s < DROPS_S:
            return
        self._looked_s = now_s
        dropped = capture.dropped()
        if dropped > self._dropped:
            count, self._dropped = dropped - self._dropped, dropped
            self.counts["frames_dropped"] += count
            text = f"{count} frames of {self._options.interface} found no room in the kernel"
            self._queue.append(self._fault(b"", FrameError("frames_dropped", text)))

    def _oversized(self, raw: bytes, missing: int) -> Frame:
        text = f"{missing} octets beyond the {len(raw)} that a frame may have"
        return self._fault(raw, FrameError("frame_size", text))

    def _fault(self, raw: bytes, fault: FrameError) -> Frame:
        now = self._clock.now()
        place = (raw, now.tai, None, int(TimeSource.UNKNOWN), 0, now)
        return Frame("", int(Kind.GOOSE), *place, fault)
