"""A GNSS receiver on a serial line or behind gpsd: the driver that the runner opens.

1. Frames are fixes: the receiver's own bytes, every fix period and at every change of state. Each
   epoch besides is told to `tell` as soon as it is complete, before the frame that carries it: the
   clock judges every second, and the record keeps every tenth, and what `tell` asks it to.
2. Whatever is asked goes out through drivers.asks, and nothing else does; of a scheme "nmea", and
   with asks = "none", nothing. Nothing is asked of a receiver through gpsd.
3. A receiver without an epoch for its silence is a LinkError, as is a line that closes. While bytes
   wait to be read it is we who are late, and silence is not judged; nor does the time count in
   which our own loop was held up.

It retries nothing, logs nothing, sets no clock, and never changes how a receiver measures.
"""

import asyncio
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Sequence

from drivers import asks
from drivers.gnss.epoch import FIX_BYTES_MAX, QUIET_NS
from drivers.gnss.fix import Fix
from drivers.gnss.option import GpsdOptions, NmeaOptions, UbloxOptions
from drivers.gnss.session import SLOW_BAUD, Item, Session, Tell, Terms, nobody
from drivers.line import Clock, Frame, LinkError, Setup, Source, one_read
from drivers.port import Port
from drivers.serial.line import open_line
from drivers.silence import Silence
from drivers.tcp_line import open_tcp
from evidence.config import convert
from evidence.leap import NS

QUIET_S = QUIET_NS / NS


class ReceiverDriver(ABC):
    """One receiver. Subclasses say how its line is opened."""

    def __init__(self, source: Source, clock: Clock) -> None:
        """Raises ConfigError for options that are not this scheme's."""
        self.tell: Tell = nobody  # called within read(), and within open(); it must not raise
        self._source = source
        self._clock = clock
        self._name = f"source {source.name!r}"
        self._terms, self._fix_s, self._silence_s = self._read_options()
        self._port: Port | None = None
        self._session: Session | None = None
        self._queue: deque[Frame | Setup] = deque()
        self._silence = Silence(0.0)  # since the last epoch's end
        self._fixes = 0
        self._watch: asyncio.TimerHandle | None = None
        self._ended: LinkError | None = None

    @property
    def counts(self) -> Counter[str]:
        """Nothing happens beside the frames."""
        return Counter()

    def expected(self) -> tuple[int, tuple[int, int]] | None:
        """At the most; changes of state come on top."""
        return FIX_BYTES_MAX, (1, self._fix_s)

    async def open(self) -> Sequence[Setup]:
        """Connects. Waits a little for what the receiver says that it is, and no longer.

        Raises LinkError.
        """
        await self.close()
        self._queue.clear()
        self._ended, self._fixes = None, 0
        self._session = session = Session(self._terms, self._clock.table, self._told)
        begun = False
        try:
            self._port = await self._connect()
            if self._terms.asks:
                await self._ask_what_it_is(session, self._port)
            begun = True
        finally:
            if not begun:
                await self.close()
        self._silence = Silence(asyncio.get_running_loop().time())
        self._watch_silence()
        frames = [item for item in self._queue if isinstance(item, Frame)]
        self._queue = deque(frames)
        return [session.setup()]

    async def read(self) -> Sequence[Frame | Setup]:
        """As drivers.line.Driver says."""
        port, session = self._port, self._session
        if port is None or session is None:
            raise LinkError("not open")
        while not self._queue:
            if self._ended is not None:
                raise self._ended
            await self._hear(port, session)
            self._ask(session, port)
        return one_read(self._queue)

    async def close(self) -> None:
        """Idempotent, never raises."""
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        port, self._port = self._port, None
        if port is not None:
            port.close()

    # --- how a line is opened: the subclass's part

    @abstractmethod
    def _read_options(self) -> tuple[Terms, int, float]:
        """Terms, fix period and silence, s. Raises ConfigError."""

    @abstractmethod
    async def _connect(self) -> Port:
        """The open line. Raises LinkError."""

    def _ask_timeout_s(self) -> float:
        return 0.0

    def _why(self, session: Session, port: Port) -> str:
        """What is known of why nothing is told."""
        return port.trouble(self._fixes)

    # --- the conversation

    async def _ask_what_it_is(self, session: Session, port: Port) -> None:
        self._ask(session, port)
        try:
            async with asyncio.timeout(self._ask_timeout_s()):
                while session.epochs.version is None and self._ended is None:
                    await self._hear(port, session)
        except TimeoutError:
            pass  # not a u-blox, or one that is busy: it is heard all the same
        if self._ended is not None:
            raise self._ended
        self._ask(session, port)

    async def _hear(self, port: Port, session: Session) -> None:
        """Waits for bytes, or for the quiet after them; queues what they say."""
        try:
            if session.epochs.waiting():
                async with asyncio.timeout(QUIET_S):
                    chunks = await port.take()
            else:
                chunks = await port.take()
        except TimeoutError:
            if not port.untaken():
                self._take(session.settle(self._clock.now()))
            return
        except LinkError as fault:
            self._ended = fault
            self._take(session.flush(self._clock.now()))
            return
        for data, heard in chunks:
            self._take(session.feed(data, heard))

    def _take(self, items: list[Item]) -> None:
        self._queue += (item for item in items if not isinstance(item, Fix))

    def _told(self, fix: Fix) -> object:
        self._silence.heard(asyncio.get_running_loop().time())
        self._fixes += 1
        return self.tell(fix)

    def _ask(self, session: Session, port: Port) -> None:
        if self._ended is not None:
            return
        for ask in session.asks(self._clock.now()):
            try:
                asks.send(port.outlet(), "ubx", ask)
            except LinkError as fault:
                self._ended = fault  # told after what has been heard
                return

    def _watch_silence(self) -> None:
        port, session = self._port, self._session
        if port is None or session is None:
            return
        loop = asyncio.get_running_loop()
        silent_s = self._silence.look(loop.time())
        if silent_s >= self._silence_s and not port.untaken():
            why = self._why(session, port)
            text = f"no epoch for {silent_s:.1f} s"
            port.fail(LinkError(f"{text}: {why}" if why else text))
            return
        due_s = self._silence.next_look_s(loop.time(), self._silence_s)
        self._watch = loop.call_at(due_s, self._watch_silence)


class UbloxDriver(ReceiverDriver):
    """A u-blox receiver on a serial line of its own."""

    def _options(self) -> UbloxOptions:
        return convert(dict(self._source.options), UbloxOptions, self._name)

    def _read_options(self) -> tuple[Terms, int, float]:
        options = self._options()
        terms = Terms(
            options.fix_s * NS,
            asks=options.asks == "full",
            slow=options.baud < SLOW_BAUD,
            simulated=options.simulated,
        )
        return terms, options.fix_s, options.silence_s

    def _ask_timeout_s(self) -> float:
        return self._options().ask_timeout_s

    async def _connect(self) -> Port:
        return open_line(self._options(), self._clock)


class NmeaDriver(ReceiverDriver):
    """Any receiver that tells by itself, on a serial line."""

    def _options(self) -> NmeaOptions:
        return convert(dict(self._source.options), NmeaOptions, self._name)

    def _read_options(self) -> tuple[Terms, int, float]:
        options = self._options()
        terms = Terms(options.fix_s * NS, simulated=options.simulated)
        return terms, options.fix_s, options.silence_s

    async def _connect(self) -> Port:
        return open_line(self._options(), self._clock)


class GpsdDriver(ReceiverDriver):
    """What a gpsd reads. It restarts: then the line is closed, and the runner opens it again."""

    def _options(self) -> GpsdOptions:
        return convert(dict(self._source.options), GpsdOptions, self._name)

    def _read_options(self) -> tuple[Terms, int, float]:
        options = self._options()
        terms = Terms(options.fix_s * NS, through_gpsd=True, simulated=options.simulated)
        return terms, options.fix_s, options.silence_s

    async def _connect(self) -> Port:
        options = self._options()
        port = await open_tcp(options.host, options.port, options.connect_timeout_s, self._clock)
        device = f',"device":"{options.device}"' if options.device else ""
        try:
            watch = f'?WATCH={{"enable":true,"json":true,"raw":2{device}}};\n'
            asks.send(port.outlet(), "gpsd", watch.encode("ascii"))
        except LinkError:
            port.close()
            raise
        return port

    def _why(self, session: Session, port: Port) -> str:
        epochs, device = session.epochs, self._options().device
        if epochs.devices is None:
            return "this is no gpsd"
        if not epochs.devices:
            return "gpsd reads no receiver"
        if device and device not in epochs.devices:
            return f"gpsd reads {', '.join(epochs.devices)}, not {device}"
        return epochs.complaint or f"gpsd reads {', '.join(epochs.devices)}, which tells nothing"
