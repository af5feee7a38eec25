"""The driver of one PMU or concentrator, whatever it speaks and however it is reached: the
conversation, the silence, the order of what is read.

1. Data off is sent before a configuration is asked for, and at close; data on after one is known.
   The line is ours alone (a TCP connection, UDP to us, or a serial line with commands = "full");
   where it is not, as with a multicast group, no data off is sent.
2. commands = "none" sends nothing at all: the configuration comes from a file, or from the PMU
   unasked.
3. Whatever the session asks goes out through drivers.asks, and nothing else does.
4. A line without a good frame for its silence is a LinkError, as is one that closes. While bytes
   wait to be read it is we who are late, and silence is not judged; nor does the time count in
   which our own loop was held up: then the device, or what lies between, was perhaps held up too.
5. Of several on one line, one that alone is silent is told data on again: it may have restarted.

It retries nothing, logs nothing, and never sends a command that changes the device.
"""

import asyncio
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar, Protocol

from drivers import asks
from drivers.datagram import Datagram
from drivers.line import (
    READ_FRAMES_MAX,
    Clock,
    Frame,
    FrameError,
    Instant,
    LinkError,
    Setup,
    Source,
    one_read,
)
from drivers.pmu.option import LineOptions
from drivers.pmu.pair import Line
from drivers.pmu.reach import Opened
from drivers.silence import Silence
from evidence.config import ConfigError

Item = Frame | Setup
# A configuration of a MiB in hex, with room for line ends: far beyond what any PMU has.
CONFIGURATION_FILE_BYTES_MAX = 4 << 20
QUEUE_MAX = 32 * READ_FRAMES_MAX  # heard while a configuration is asked for; beyond it, a flood


class SilentError(LinkError):
    """The line is there, and nobody on it answers: another connection would not help."""


class Conversation(Protocol):
    """A protocol's session: frames in, Setups and Frames out, and the asks to send."""

    @property
    def counts(self) -> Counter[str]: ...
    def begin(self) -> Sequence[Setup]: ...
    def feed(self, data: bytes, heard: Instant) -> list[Item]: ...
    def datagram(self, data: bytes, heard: Instant, fault: FrameError | None) -> list[Item]: ...
    def flush(self, heard: Instant) -> list[Item]: ...
    def rates(self) -> list[tuple[int, int]]: ...

    def unknown(self) -> Sequence[object]:
        """Of whom a configuration is to be asked for, and none rules."""

    def asks(self, turn: int, now: Instant) -> list[bytes]:
        """The asks for these, by the `turn`th of the types that there are."""

    def next_ask(self, now: Instant) -> bytes | None:
        """What is to be asked for now, while data runs; to be called until None."""

    def switch(self, on: bool, now: Instant) -> list[bytes]:
        """The asks for data on, or data off."""

    def resume(
        self, now: Instant, patience_s: Callable[[list[tuple[int, int]]], float]
    ) -> list[bytes]:
        """The asks for data on, to whoever is known and has sent none for so many seconds."""


class PmuDriver(ABC):
    """One line to one PMU or concentrator. Subclasses say what is spoken, and how it is opened."""

    protocol: ClassVar[str]  # as drivers.asks has it

    def __init__(self, source: Source, clock: Clock) -> None:
        """Raises ConfigError for options that are not this scheme's."""
        self._source = source
        self._clock = clock
        self._options = self._read_options(source)
        self._line: Line | None = None
        self._to: tuple[str, int] | None = None  # where asks go, if the descriptor does not know
        self._session: Conversation | None = None
        self._queue: deque[Item] = deque()
        self._first_turn = 0  # which CFG is asked for first: not the one that made the PMU hang up
        self._good_frames = 0  # on this connection
        self._silence = Silence(0.0)  # since the last good frame
        self._watch: asyncio.TimerHandle | None = None
        self._ended: LinkError | None = None

    @property
    def counts(self) -> Counter[str]:
        """What happened on this connection, by name."""
        return self._session.counts if self._session is not None else Counter()

    @abstractmethod
    def expected(self) -> tuple[int, tuple[int, int]] | None:
        """As drivers.line.Driver says."""

    def _content(self, path: str) -> bytes:
        """The configuration file, as it is; nothing where none is named. Raises ConfigError."""
        name = f"source {self._source.name!r}"
        if not path:
            return b""
        place = Path(self._source.folder, path)
        try:
            with place.open("rb") as file:
                return file.read(CONFIGURATION_FILE_BYTES_MAX)
        except OSError as fault:
            raise ConfigError(name, "configuration", f"{place}: {fault.strerror}") from fault

    async def open(self) -> Sequence[Setup]:
        """Connects, learns the configuration, starts the data. One Setup a stream that is known.

        With nothing to send and no configuration on file there is none yet: read() brings it.
        Raises LinkError, and ConfigError for a configuration file that is none.
        """
        await self.close()
        self._queue.clear()
        self._ended = None
        self._good_frames = 0
        self._session = session = self._new_session()
        begun = False
        try:
            self._queue.extend(session.begin())
            self._line, self._to = await self._connect()
            if self._options.commands == "full":
                await self._converse(session)
            begun = True
        finally:
            if not begun:
                await self.close()
        self._silence = Silence(asyncio.get_running_loop().time())
        self._watch_silence()
        return self._known()

    async def read(self) -> Sequence[Frame | Setup]:
        """As drivers.line.Driver says."""
        line, session = self._line, self._session
        if line is None or session is None:
            raise LinkError("not open")
        while not self._queue:
            if self._ended is not None:
                raise self._ended
            await self._hear(line, session)
        return one_read(self._queue)

    async def close(self) -> None:
        """Sends data off where the line is ours, and closes it. Idempotent, never raises."""
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        line = self._line
        if line is None:
            return
        if self._session is not None and self._options.commands == "full" and self._ours():
            try:
                self._ask(self._session.switch(False, self._clock.now()))
            except LinkError:
                pass  # a line that has failed needs no data off
        self._line = None
        line.close()

    # --- what is spoken, and how a line is opened: the subclass's part

    @abstractmethod
    def _new_session(self) -> Conversation:
        """With what options and files say. Raises ConfigError."""

    @abstractmethod
    def _read_options(self, source: Source) -> LineOptions:
        """The options in this scheme's struct. Raises ConfigError."""

    @abstractmethod
    async def _connect(self) -> Opened:
        """The open line. Raises LinkError."""

    def _ours(self) -> bool:
        """Whether nobody else hears what is sent on this line."""
        return True

    # --- the conversation

    async def _converse(self, session: Conversation) -> None:
        """Data off, configuration, data on.

        Some PMUs hang up on a command that they do not know, such as the one for CFG-3: then the
        next type is asked for on a new connection, each type once.
        """
        chances = self._types()
        while True:
            chances -= 1
            try:
                await self._learn(session)
                self._ask(session.switch(True, self._clock.now()))
                return
            except SilentError:
                raise
            except LinkError:
                if not chances:
                    raise
            if self._line is not None:
                self._line.close()
            self._ended = None
            self._line, self._to = await self._connect()

    async def _learn(self, session: Conversation) -> None:
        """Asks for a configuration, of the types preferred in turn, until all have come."""
        options = self._options
        if self._ours():
            self._ask(session.switch(False, self._clock.now()))
        all_there = len(session.unknown())
        turns = options.ask_rounds * self._types()
        for turn in range(self._first_turn, self._first_turn + turns):
            self._first_turn = turn + 1
            self._ask(session.asks(turn, self._clock.now()))
            try:
                async with asyncio.timeout(options.ask_timeout_s):
                    await self._answer(session)
            except TimeoutError:
                # Who has answered does not wait for the others.
                self._ask(session.resume(self._clock.now(), lambda _: 0.0))
                continue
            self._first_turn = turn
            return
        # A PMU that sends data and never says what it is: heard all the same, and asked on.
        silent = len(session.unknown()) == all_there and not session.rates()
        if silent and not any(map(_is_good, self._queue)):
            who = ", ".join(map(str, session.unknown()))
            text = f"no configuration from IDCODE {who} after {turns} asks"
            raise SilentError(self._because(text))

    async def _answer(self, session: Conversation) -> None:
        """Hears until a configuration rules. Raises LinkError."""
        while session.unknown():
            if self._line is None:
                raise LinkError("not open")
            await self._hear(self._line, session)
            if self._ended is not None:
                raise self._ended
            if len(self._queue) > QUEUE_MAX:
                raise LinkError(f"more than {QUEUE_MAX} frames before a configuration")

    async def _hear(self, line: Line, session: Conversation) -> None:
        """Waits for bytes; queues what they say, and asks for what that makes necessary."""
        try:
            chunks = await line.take()
        except LinkError as fault:
            self._ended = fault
            self._queue.extend(session.flush(self._clock.now()))
            return
        heard: Instant
        for chunk in chunks:
            if isinstance(chunk, Datagram):
                items, heard = session.datagram(*chunk), chunk.heard
            else:
                items, heard = session.feed(*chunk), chunk[1]
            good = sum(map(_is_good, items))
            if good:
                self._good_frames += good
                self._silence.heard(asyncio.get_running_loop().time())
            self._queue.extend(items)
        while self._watch is not None and (ask := session.next_ask(heard)) is not None:
            try:
                self._ask([ask])
            except LinkError as fault:
                self._ended = fault  # told after what has been heard
                return

    def _ask(self, encoded: Sequence[bytes]) -> None:
        """Sends asks. Raises LinkError."""
        if self._line is None:
            raise LinkError("not open")
        for one in encoded:
            asks.send(self._line.outlet(), self.protocol, one, self._to)

    def _because(self, text: str) -> str:
        """With what the line itself knows of it."""
        trouble = self._line.trouble(self._good_frames) if self._line is not None else ""
        return f"{text}: {trouble}" if trouble else text

    def _types(self) -> int:
        """How many types of configuration there are to ask for."""
        return 1

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
        if self._line is None or self._session is None:
            return
        loop = asyncio.get_running_loop()
        silent_s = self._silence.look(loop.time())
        allowed_s = self._options.silence_after_s(self._session.rates())
        if silent_s >= allowed_s and not self._line.untaken():
            self._line.fail(LinkError(self._because(f"silent for {silent_s:.1f} s")))
            return
        if self._options.commands == "full":
            patience_s = self._options.silence_after_s
            try:
                self._ask(self._session.resume(self._clock.now(), patience_s))
            except LinkError as fault:
                self._line.fail(fault)
                return
        due_s = self._silence.next_look_s(loop.time(), allowed_s)
        self._watch = loop.call_at(due_s, self._watch_silence)


def _is_good(item: Item) -> bool:
    return type(item) is Frame and item.fault is None
