"""A board on a serial line: the driver that the runner opens.

1. It asks for a session until the board answers, says what came, and asks for the time; whatever
   goes out goes through drivers.asks.
2. A board answers each second, whatever its ports say: one that does not for silence_s is a
   LinkError, as is one with another key. A board that starts anew is heard on without a break.
3. What was taken of a board is known by the bookmark that whoever opens it resumes: what is played
   again once the line is back, or the agent, is no news.
4. Waking up costs more than a frame: what has arrived is read together.
5. What was brought before the line failed is given first.
6. A board may forget what is kept, which only whoever reads can say; it goes out with a read. Who
   never says it takes nothing: the board has it still, for the agent that will. A time in which
   nobody reads is no silence of the board's.
7. The line begins at START_BAUD and is changed to `baud` where both ends can do it (rate.py); where
   not, that is counted, and the line is good for what it carries.

It retries nothing and logs nothing; nothing is said at close.
"""

import asyncio
import os
from collections import Counter, deque
from collections.abc import Sequence
from pathlib import Path

import msgspec

from drivers import asks
from drivers.c37118.stream import key_of as pmu_key
from drivers.c37118.stream import setup_of
from drivers.keystore import private
from drivers.keystore.uri import KeyStoreError
from drivers.line import Clock, Frame, LinkError, Setup, Source, one_read
from drivers.mcu.option import KEY_FILE_BYTES_MAX, Options, on_file_of
from drivers.mcu.past import Past
from drivers.mcu.rate import Rate
from drivers.mcu.session import Item, Session, Terms
from drivers.mcu.wire import FRAMING_BYTES, key_of
from drivers.pmu.driver import CONFIGURATION_FILE_BYTES_MAX
from drivers.serial.line import SerialPort, open_line
from evidence.code import Kind
from evidence.config import ConfigError, convert
from evidence.leap import NS

SESSION_BYTES = 4


class McuDriver:
    """All ports of one board."""

    def __init__(self, source: Source, clock: Clock) -> None:
        """Raises ConfigError for options that are not this scheme's."""
        self._source, self._clock = source, clock
        self._name = f"source {source.name!r}"
        self._options = convert(dict(source.options), Options, self._name)
        self._port: SerialPort | None = None
        self._session: Session | None = None
        self._rate = Rate(self._options.baud)
        self._past: Past | None = None
        self._bookmark = b""  # where what was given ends
        self._kept = b""  # and what of it is durable
        self._queue: deque[Item] = deque()
        self._alive_ns = 0  # when a session with the board was last open
        self._read_ns: int | None = None  # when the last read gave something
        self._failure: LinkError | None = None  # to be told once the queue is given

    @property
    def counts(self) -> Counter[str]:
        """What happened since it was opened, by name."""
        return self._session.counts if self._session is not None else Counter()

    def expected(self) -> tuple[int, tuple[int, int]] | None:
        """Bytes of a second on the link, by the configuration files. Raises ConfigError."""
        setups = on_file_of(self._options, self._name, self._files())
        sizes = [
            -(-(found.layout.size + FRAMING_BYTES) * frames // seconds)
            for _, found in setups
            for frames, seconds in (found.configuration.rate(),)
            if seconds
        ]
        return (sum(sizes), (1, 1)) if sizes else None

    def on_file(self) -> Sequence[Setup]:
        """The Setups that the configuration files make. Raises ConfigError."""
        made = []
        for port, found in on_file_of(self._options, self._name, self._files()):
            one = setup_of(key_of(port, pmu_key(found.configuration.idcode)), found)
            made.append(
                Setup(one.key, int(Kind.MCU_C37118), one.configuration, one.rate, one.blocks)
            )
        return made

    def resume(self, bookmark: bytes) -> None:
        """As drivers.line.Keeping says."""
        self._bookmark = bookmark

    def bookmark(self) -> bytes:
        return self._bookmark

    def kept(self, bookmark: bytes) -> None:
        self._kept = bookmark
        if self._session is not None:
            self._session.keep(bookmark)

    async def open(self) -> Sequence[Setup]:
        """Opens the line and waits for the board's greeting.

        Raises LinkError, and ConfigError for a file that is none.
        """
        await self.close()
        self._queue.clear()
        self._read_ns = self._failure = None
        terms = self._terms()
        self._past = Past(terms.public, terms.key, self._bookmark)
        self._session = Session(terms, self._past, _number, self._clock.table)
        self._session.keep(self._kept)
        self._rate = Rate(self._options.baud)
        begins = msgspec.structs.replace(self._options, baud=self._rate.now)
        port = self._port = open_line(begins, self._clock)
        setups = self._session.begin()
        ends_ns = _mono_ns() + round(self._options.answer_s * NS)
        while not self._session.greeted:
            await self._hear(port, self._session)
            if not self._session.greeted and _mono_ns() > ends_ns:
                said = self._session.stranger or self._silent(port, self._options.answer_s)
                raise LinkError(said)
        return setups

    async def read(self) -> Sequence[Frame | Setup]:
        """As drivers.line.Driver says."""
        port, session, past = self._port, self._session, self._past
        if port is None or session is None or past is None:
            raise LinkError("not open")
        if self._read_ns is not None:
            self._alive_ns += _mono_ns() - self._read_ns
            self._read_ns = None
        while not self._queue:
            if self._failure is not None:
                raise self._failure
            if session.stranger:
                raise LinkError(session.stranger)
            if _mono_ns() - self._alive_ns > self._options.silence_s * NS:
                raise LinkError(self._silent(port, self._options.silence_s))
            await self._hear(port, session)
        self._read_ns = _mono_ns()
        items = one_read(self._queue)
        self._bookmark = past.upto(items) or self._bookmark
        return items

    async def close(self) -> None:
        """Idempotent, never raises."""
        port, self._port = self._port, None
        if port is not None:
            port.close()

    def _terms(self) -> Terms:
        path = Path(self._source.folder, self._options.key)
        try:
            key = private.content(path, KEY_FILE_BYTES_MAX)
        except KeyStoreError as fault:
            raise ConfigError(self._name, "key", str(fault)) from fault
        maps = {name: self._content(name, "map") for name in self._options.maps}
        return self._options.terms(self._name, key, self._files(), maps)

    def _files(self) -> list[bytes]:
        """What stands in each port's configuration file; nothing where none is named."""
        return [self._content(self._options.file_of(at)) for at in range(len(self._options.taps))]

    def _content(self, name: str, option: str = "configurations") -> bytes:
        if not name:
            return b""
        path = Path(self._source.folder, name)
        try:
            with path.open("rb") as file:
                content = file.read(CONFIGURATION_FILE_BYTES_MAX + 1)
        except OSError as fault:
            text = f"{path}: {fault.strerror}"
            raise ConfigError(self._name, option, text) from fault
        if len(content) > CONFIGURATION_FILE_BYTES_MAX:
            text = f"{path}: longer than {CONFIGURATION_FILE_BYTES_MAX} bytes"
            raise ConfigError(self._name, option, text)
        return content

    async def _hear(self, port: SerialPort, session: Session) -> None:
        """Says what is due, waits for octets, queues what they say. Raises LinkError."""
        try:
            self._tune(port, session)
            self._say(port, session)
        except LinkError as fault:
            if not port.untaken():
                raise
            self._failure = fault
        chunks = await port.take_within(session.waits_s)
        now, mono_ns = self._clock.now(), _mono_ns()
        self._queue.extend(session.feed(b"".join(data for data, _ in chunks), mono_ns, now))
        if session.greeted:  # a link that is silent for seconds is no session any more
            self._alive_ns = mono_ns

    def _tune(self, port: SerialPort, session: Session) -> None:
        """What is due about the line's rate. Raises LinkError."""
        rate, gave_up = self._rate, self._rate.given_up
        step = session.rated(rate, _mono_ns())
        if step.change:
            try:
                port.rate(rate.now)
            except LinkError:  # the adapter cannot: where it began, it can
                step = rate.give_up(_mono_ns())
                port.rate(rate.now)
        if step.again:
            session.again(_mono_ns())
        if step.propose:
            asks.send(port.outlet(), "mcu", session.proposal(rate))
        if rate.given_up and not gave_up:
            session.counts["rate_given_up"] += 1

    def _say(self, port: SerialPort, session: Session) -> None:
        said = session.output(_mono_ns())
        if said:
            asks.send(port.outlet(), "mcu", said)

    def _silent(self, port: SerialPort, for_s: float) -> str:
        trouble = port.trouble(0)
        words = f"no board answers for {for_s:g} s"
        return f"{words}: {trouble}" if trouble else words


def _mono_ns() -> int:
    """What measures durations here: the loop's clock."""
    return round(asyncio.get_running_loop().time() * NS)


def _number() -> int:
    return int.from_bytes(os.urandom(SESSION_BYTES), "big")
