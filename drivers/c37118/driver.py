"""IEEE C37.118.2 over TCP and over a serial line: the driver that the runner opens.

1. Data off is sent before a configuration is asked for, and at close; data on after one is known.
   The connection is ours alone (a TCP connection, or a serial line with commands = "full").
2. commands = "none" sends nothing at all: the configuration comes from a file, or from the PMU
   unasked.
3. Whatever the session asks goes out through drivers.asks, and nothing else does.
4. A line without a good frame for its silence is a LinkError, as is one that closes. While bytes
   wait to be read it is we who are late, and silence is not judged.

It retries nothing, logs nothing, and never sends a command that changes the device.
"""

import asyncio
import socket
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Sequence
from pathlib import Path

from drivers import asks
from drivers.c37118.command import Command
from drivers.c37118.configuration import CONFIGURATION_BYTES_MAX
from drivers.c37118.option import Options, SerialOptions, TcpOptions
from drivers.c37118.session import Item, Session
from drivers.c37118.stream import ruling
from drivers.line import READ_FRAMES_MAX, Clock, Frame, Instant, LinkError, Setup, Source
from drivers.port import Port
from drivers.serial_line import open_line
from evidence.config import ConfigError, convert

CONFIGURATION_FILE_BYTES_MAX = 4 * CONFIGURATION_BYTES_MAX  # in hex, with room for line ends
QUEUE_MAX = 32 * READ_FRAMES_MAX  # heard while a configuration is asked for; beyond it, a flood
WATCHES_A_SILENCE = 4  # how often silence is looked at, within one


class SilentError(LinkError):
    """The line is there, and nobody on it answers: another connection would not help."""


class C37118Driver(ABC):
    """One connection to one PMU or concentrator. Subclasses say how a line is opened."""

    def __init__(self, source: Source, clock: Clock) -> None:
        """Raises ConfigError for options that are not this scheme's."""
        self._source = source
        self._clock = clock
        self._options = self._read_options(source)
        self._port: Port | None = None
        self._session: Session | None = None
        self._queue: deque[Item] = deque()
        self._first_turn = 0  # which CFG is asked for first: not the one that made the PMU hang up
        self._good_frames = 0  # on this connection
        self._good_s = 0.0  # loop time at which the last good frame was taken
        self._watch: asyncio.TimerHandle | None = None
        self._ended: LinkError | None = None

    @property
    def counts(self) -> Counter[str]:
        """What happened on this connection, by name."""
        return self._session.counts if self._session is not None else Counter()

    def expected(self) -> tuple[int, tuple[int, int]] | None:
        """Of the data frames, by the configuration file where there is one. Raises ConfigError."""
        name = f"source {self._source.name!r}"
        raw = self._options.terms(name, self._content(name)).configuration
        if not raw:
            return None
        found = ruling(raw)
        return found.layout.size, found.configuration.rate()

    def _content(self, name: str) -> bytes:
        """The configuration file, as it is; nothing where none is named."""
        path = self._options.configuration
        if not path:
            return b""
        try:
            with Path(self._source.folder, path).open("rb") as file:
                return file.read(CONFIGURATION_FILE_BYTES_MAX)
        except OSError as fault:
            raise ConfigError(name, "configuration", f"{path}: {fault.strerror}") from fault

    async def open(self) -> Sequence[Setup]:
        """Connects, learns the configuration, starts the data. One Setup a stream that is known.

        With nothing to send and no configuration on file there is none yet: read() brings it.
        Raises LinkError, and ConfigError for a configuration file that is none.
        """
        await self.close()
        self._queue.clear()
        self._ended = None
        self._good_frames = 0
        options, name = self._options, f"source {self._source.name!r}"
        self._session = session = Session(options.terms(name, self._content(name)))
        begun = False
        try:
            self._queue.extend(session.begin())
            self._port = await self._connect()
            if self._options.commands == "full":
                await self._converse(session, self._port)
            begun = True
        finally:
            if not begun:
                await self.close()
        loop = asyncio.get_running_loop()
        self._good_s = loop.time()
        self._watch_silence()
        return self._known()

    async def read(self) -> Sequence[Frame | Setup]:
        """As drivers.line.Driver says."""
        port, session = self._port, self._session
        if port is None or session is None:
            raise LinkError("not open")
        while not self._queue:
            if self._ended is not None:
                raise self._ended
            await self._hear(port, session)
        if len(self._queue) <= READ_FRAMES_MAX:
            items = list(self._queue)
            self._queue.clear()
            return items
        return [self._queue.popleft() for _ in range(READ_FRAMES_MAX)]

    async def close(self) -> None:
        """Sends data off where the line is ours, and closes it. Idempotent, never raises."""
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        port, self._port = self._port, None
        if port is None:
            return
        if self._session is not None and self._options.commands == "full":
            try:
                command = self._session.command(Command.DATA_OFF, self._clock.now())
                asks.send(port.fileno(), "c37118", command)
            except LinkError:
                pass  # a line that has failed needs no data off
        port.close()

    # --- how a line is opened: the subclass's part

    @abstractmethod
    def _read_options(self, source: Source) -> Options:
        """The options in this scheme's struct. Raises ConfigError."""

    @abstractmethod
    async def _connect(self) -> Port:
        """The open line. Raises LinkError."""

    # --- the conversation

    async def _converse(self, session: Session, port: Port) -> None:
        """Data off, configuration, data on.

        Some PMUs hang up on a command that they do not know, such as the one for CFG-3: then the
        next type is asked for on a new connection, each type once.
        """
        chances = len(self._options.prefer)
        while True:
            chances -= 1
            try:
                await self._learn(session, port)
                self._send(session, Command.DATA_ON)
                return
            except SilentError:
                raise
            except LinkError:
                if not chances:
                    raise
            port.close()
            self._ended = None
            self._port = port = await self._connect()

    async def _learn(self, session: Session, port: Port) -> None:
        """Asks for a configuration, of the types preferred in turn, until one comes."""
        options = self._options
        self._send(session, Command.DATA_OFF)
        turns = options.ask_rounds * len(options.prefer)
        for turn in range(self._first_turn, self._first_turn + turns):
            self._first_turn = turn + 1
            asks.send(port.fileno(), "c37118", session.ask(turn, self._clock.now()))
            try:
                async with asyncio.timeout(options.ask_timeout_s):
                    await self._answer(session, port)
            except TimeoutError:
                continue
            self._first_turn = turn
            return
        # A PMU that sends data and never says what it is: heard all the same, and asked on.
        if not options.configuration and not any(map(_is_good, self._queue)):
            text = f"no configuration from IDCODE {session.idcode} after {turns} asks"
            raise SilentError(self._because(text, port))

    async def _answer(self, session: Session, port: Port) -> None:
        """Hears until a configuration rules. Raises LinkError."""
        while not session.configured():
            await self._hear(port, session)
            if self._ended is not None:
                raise self._ended
            if len(self._queue) > QUEUE_MAX:
                raise LinkError(f"more than {QUEUE_MAX} frames before a configuration")

    async def _hear(self, port: Port, session: Session) -> None:
        """Waits for bytes; queues what they say, and asks for what that makes necessary."""
        try:
            chunks = await port.take()
        except LinkError as fault:
            self._ended = fault
            self._queue.extend(session.flush(self._clock.now()))
            return
        heard: Instant
        for data, heard in chunks:
            items = session.feed(data, heard)
            good = sum(map(_is_good, items))
            if good:
                self._good_frames += good
                self._good_s = asyncio.get_running_loop().time()
            self._queue.extend(items)
        ask = session.next_ask(heard) if self._watch is not None else None
        if ask is not None:
            try:
                asks.send(port.fileno(), "c37118", ask)
            except LinkError as fault:
                self._ended = fault  # told after what has been heard

    def _send(self, session: Session, command: Command) -> None:
        if self._port is None:
            raise LinkError("not open")
        asks.send(self._port.fileno(), "c37118", session.command(command, self._clock.now()))

    def _because(self, text: str, port: Port) -> str:
        """With what the line itself knows of it."""
        trouble = port.trouble(self._good_frames)
        return f"{text}: {trouble}" if trouble else text

    def _known(self) -> list[Setup]:
        """The first Setup of each stream, taken out of the queue; what follows is read() order."""
        setups: dict[str, Setup] = {}
        rest: deque[Item] = deque()
        for item in self._queue:
            if isinstance(item, Setup) and item.key not in setups:
                setups[item.key] = item
            else:
                rest.append(item)
        self._queue = rest
        return list(setups.values())

    def _watch_silence(self) -> None:
        if self._port is None or self._session is None:
            return
        loop = asyncio.get_running_loop()
        allowed_s = self._options.silence_after_s(self._session.rates())
        silent_s = loop.time() - self._good_s
        if silent_s >= allowed_s and not self._port.untaken():
            self._port.fail(LinkError(self._because(f"silent for {silent_s:.1f} s", self._port)))
            return
        self._watch = loop.call_later(allowed_s / WATCHES_A_SILENCE, self._watch_silence)


def _is_good(item: Item) -> bool:
    return type(item) is Frame and item.fault is None


class TcpDriver(C37118Driver):
    """The PMU is the server: host and port."""

    def _read_options(self, source: Source) -> TcpOptions:
        return convert(dict(source.options), TcpOptions, f"source {source.name!r}")

    async def _connect(self) -> Port:
        options = self._options
        if not isinstance(options, TcpOptions):
            raise LinkError("not a TCP source")
        where = f"{options.host}:{options.port}"
        try:
            async with asyncio.timeout(options.connect_timeout_s):
                opened = await _connected(options.host, options.port)
        except TimeoutError as fault:
            raise LinkError(f"{where}: no answer in {options.connect_timeout_s} s") from fault
        except OSError as fault:
            raise LinkError(f"{where}: {fault.strerror or fault}") from fault
        return Port(opened.fileno(), self._clock, opened.close)


async def _connected(host: str, port: int) -> socket.socket:
    """The first address of the host that takes the connection. Raises OSError."""
    loop = asyncio.get_running_loop()
    failure = OSError("no address")
    for family, kind, protocol, _, address in await loop.getaddrinfo(
        host, port, type=socket.SOCK_STREAM
    ):
        opened = socket.socket(family, kind, protocol)
        taken = False
        try:
            opened.setblocking(False)
            await loop.sock_connect(opened, address)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            taken = True
            return opened
        except OSError as fault:
            failure = fault
        finally:
            if not taken:
                opened.close()
    raise failure


class SerialDriver(C37118Driver):
    """A serial line."""

    def _read_options(self, source: Source) -> SerialOptions:
        return convert(dict(source.options), SerialOptions, f"source {source.name!r}")

    async def _connect(self) -> Port:
        options = self._options
        if not isinstance(options, SerialOptions):
            raise LinkError("not a serial source")
        return open_line(options, self._clock)
