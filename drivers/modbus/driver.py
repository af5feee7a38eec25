"""Modbus over TCP, TLS and a serial line: the driver that the runner opens.

1. It reads, and nothing else: every request goes out through drivers.asks, whose table holds the
   four functions that read.
2. One connection for all units of a line; one stream a block of registers, one frame an exchange,
   whatever came of it.
3. Polling happens while somebody reads: a runner that holds back holds the line back, too, and the
   polls that were left out are holes like any other.
4. LinkError only when the line itself fails, or nobody on it has answered for its silence. A unit
   of SunSpec that is not there is looked for again once in SEEK_S, beside the others.

It retries no request: what was not answered is a fact, and the next poll is soon.
"""

import asyncio
import math
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from ssl import SSLContext

from drivers import asks
from drivers.line import READ_FRAMES_MAX, Clock, Frame, LinkError, Setup, Source
from drivers.modbus import adu, conversation, map, plan, sunspec
from drivers.modbus.conversation import Conversation, RtuConversation, Target, TcpConversation
from drivers.modbus.option import Device, Options, RtuOptions, TcpOptions, TlsOptions
from drivers.modbus.point import Block
from drivers.modbus.request import check_installed, encode
from drivers.modbus.stream import setup_of
from drivers.modbus.wire import Framing, Layout, Request, read_exchange
from drivers.port import Port
from drivers.serial.line import open_line
from drivers.serial.option import bytes_ns
from drivers.tcp_line import open_tcp, open_tls, tls_context
from evidence.config import CONFIG_BYTES_MAX, ConfigError, convert
from evidence.leap import NS

SEEK_S = 60.0  # a SunSpec unit that was not there; looking costs the others two timeouts
SEEK_TRIES = 2  # of each read while looking: one answer may be lost
TICK_NS = 1_000_000  # what asyncio's epoll rounds waits up to
SEEK_MAX_S = 60.0  # of one look: ten thousand registers at 9,600 baud take 30 s


class ModbusDriver(ABC):
    """One line. Subclasses say how it is opened and framed."""

    protocol: str  # as drivers.asks has it
    framing: Framing

    def __init__(self, source: Source, clock: Clock) -> None:
        """Raises ConfigError for options that are not this scheme's."""
        self._source, self._clock = source, clock
        self._name = f"source {source.name!r}"
        self._options = self._read_options()
        self._devices = self._options.devices(self._name)
        self._port: Port | None = None
        self._talk: Conversation | None = None
        self._targets: list[Target] = []
        self._missing: list[Device] = []  # SunSpec units that were not there
        self._seek_ns = 0
        self._ended: LinkError | None = None
        self._maps: dict[str, tuple[str, map.PointMap]] = {}  # the file's text beside it
        self._transactions = conversation.numbers()
        self._earlier: Counter[str] = Counter()  # of what was polled before a unit was found
        self._silence_ns = 0

    @property
    def counts(self) -> Counter[str]:
        """What came of requests on this connection, by name."""
        return self._earlier + (self._talk.counts if self._talk is not None else Counter())

    def expected(self) -> tuple[int, tuple[int, int]] | None:
        """All bytes of all exchanges, both ways and with the silence between, in a second.

        None where a SunSpec device has yet to say what there is. Raises ConfigError, also where a
        library is missing.
        """
        check_installed("pymodbus", self._name)
        if any(device.sunspec for device in self._devices):
            check_installed("sunspec2", self._name)
            return None
        total = sum(
            self._line_bytes(block.request) * 1000 / block.period_ms
            for device in self._devices
            for block in self._mapped(device)
        )
        return math.ceil(total), (1, 1)

    async def open(self) -> Sequence[Setup]:
        """Connects, and finds out what SunSpec units have. One Setup a block.

        Raises LinkError, and ConfigError for a map or a certificate that is none.
        """
        await self.close()
        self._ended, self._missing, self._targets = None, [], []
        self._transactions, self._earlier = conversation.numbers(), Counter()
        blocks = [
            block
            for device in self._devices
            if not device.sunspec
            for block in self._mapped(device)
        ]
        begun = False
        try:
            self._port = await self._connect()
            fault = LinkError("nothing to read")
            for device in self._devices:
                if device.sunspec:
                    try:
                        blocks += await self._discover(device, plan.BLOCKS_MAX - len(blocks))
                    except LinkError as missing:
                        if self._ended is not None:
                            raise
                        fault = missing
                        self._missing.append(device)
            if not blocks:
                raise fault
            setups = self._begin(blocks)
            self._seek_ns = self._now_ns() + int(SEEK_S * NS)
            begun = True
            return setups
        finally:
            if not begun:
                await self.close()

    async def read(self) -> Sequence[Frame | Setup]:
        """As drivers.line.Driver says."""
        while True:
            talk, port = self._talk, self._port
            if talk is None or port is None:
                raise LinkError("not open")
            if talk.items:
                found = talk.items[:READ_FRAMES_MAX]
                del talk.items[:READ_FRAMES_MAX]
                return found
            if self._ended is not None:
                raise self._ended
            now_ns = self._now_ns()
            if self._missing and now_ns >= self._seek_ns and talk.idle():
                try:
                    setups = await self._seek()
                finally:
                    talk.rest(self._now_ns())
                if setups:
                    return setups
                continue
            await self._step(talk, port)
            self._judge_silence(talk, port)

    async def close(self) -> None:
        """Idempotent, never raises."""
        port, self._port, self._talk = self._port, None, None
        if port is not None:
            port.close()

    # --- how a line is opened: the subclass's part

    @abstractmethod
    def _read_options(self) -> Options:
        """The options in this scheme's struct. Raises ConfigError."""

    @abstractmethod
    async def _connect(self) -> Port:
        """The open line. Raises LinkError."""

    @abstractmethod
    def _converse(self, targets: list[Target], from_ns: int) -> Conversation:
        """A conversation about these, from then on."""

    @abstractmethod
    def _line_bytes(self, request: Request) -> int:
        """What one exchange takes of the line."""

    # --- what there is to read

    def _mapped(self, device: Device) -> tuple[Block, ...]:
        """The blocks of a unit, by its map. Raises ConfigError."""
        path = Path(self._source.folder, device.map)
        if device.map not in self._maps:
            try:
                with path.open("rb") as file:
                    text = file.read(CONFIG_BYTES_MAX + 1).decode("utf-8")
            except (OSError, ValueError) as fault:
                reason = fault.strerror if isinstance(fault, OSError) else "not UTF-8"
                raise ConfigError(self._name, "map", f"{path}: {reason}") from fault
            self._maps[device.map] = text, map.read_map(text, str(path))
        text, found = self._maps[device.map]
        try:
            return plan.blocks(device.unit, device.station, found)
        except plan.PlanError as fault:
            raise map.refused(text, str(path), fault.name, fault.text) from fault

    async def _discover(self, device: Device, most: int) -> tuple[Block, ...]:
        """The blocks of a SunSpec unit, for so many of which there is room. Raises LinkError."""
        options = self._options

        until_ns = self._now_ns() + int(SEEK_MAX_S * NS)

        async def read(address: int, length: int) -> bytes | None:
            if self._now_ns() >= until_ns:
                raise LinkError(f"unit {device.unit}, SunSpec: no end of it in {SEEK_MAX_S:.0f} s")
            return await self._read_once(Request(device.unit, 3, address, length))

        refresh = options.refresh_ms
        rhythm = sunspec.Rhythm(
            options.period_ms,
            None if refresh is None else map.microseconds(refresh),
            map.microseconds(options.filter_ms),
        )
        models = await sunspec.discover(read)
        try:
            found = plan.blocks(device.unit, device.station, sunspec.point_map(models, rhythm))
        except (plan.PlanError, ImportError) as fault:
            raise LinkError(f"unit {device.unit}, SunSpec: {fault}") from fault
        if len(found) > most:  # what a device says must not cost the others their line
            raise LinkError(f"unit {device.unit}, SunSpec: {len(found)} reads, room for {most}")
        return found

    async def _read_once(self, request: Request) -> bytes | None:
        """Registers outside of polling; None where they are refused. Raises LinkError."""
        if self._port is None:
            raise LinkError("not open")
        block = Block("", "", request, sunspec.STATIC_PERIOD_MS, None, 0, None, ())
        target = Target(Layout(block), encode(self.framing, [request])[0])
        from_ns = self._now_ns()
        for _ in range(SEEK_TRIES):
            talk = self._converse([target], from_ns)
            while not any(frame.fault is None for frame in talk.items):
                await self._step(talk, self._port)
                if self._ended is not None:
                    raise self._ended
            frame = next(frame for frame in talk.items if frame.fault is None)
            exchange = read_exchange(frame.raw)
            found = adu.answer(self.framing, exchange.request, request, exchange.response)
            if found.name in (adu.ANSWERED, adu.REFUSED):
                return found.data or None
            # On a serial line its answer may still come, and would pass for that to the next read.
            from_ns = self._now_ns() + int(self._options.timeout_ms * NS) // 1000
        raise LinkError(f"unit {request.unit}: {found.text()}")

    async def _seek(self) -> list[Setup]:
        """Looks for one unit that was not there; its Setups where it is there now."""
        device = self._missing.pop(0)
        self._missing.append(device)  # it stays there until it is found
        try:
            found = await self._discover(device, plan.BLOCKS_MAX - len(self._targets))
        except LinkError:
            return []  # or the line has failed, and `_ended` says so
        finally:
            self._seek_ns = self._now_ns() + int(SEEK_S * NS)
        self._missing.remove(device)
        return self._begin([target.layout.block for target in self._targets] + list(found))

    def _begin(self, blocks: list[Block]) -> list[Setup]:
        """Polls these from now on. Raises ConfigError, LinkError."""
        if len(blocks) > plan.BLOCKS_MAX:
            found = f"{len(blocks)} reads in all; at most {plan.BLOCKS_MAX} on a line"
            raise ConfigError(self._name, "units", found)
        requests = encode(self.framing, [block.request for block in blocks])
        self._targets = [
            Target(Layout(block), request) for block, request in zip(blocks, requests, strict=True)
        ]
        self._earlier = self.counts
        self._talk = self._converse(self._targets, self._now_ns())
        periods = [block.period_ms for block in blocks]
        self._silence_ns = int(self._options.silence_after_s(periods) * NS)
        return [setup_of(block) for block in blocks]

    # --- asking and hearing

    def _now_ns(self) -> int:
        """Monotonic."""
        return int(asyncio.get_running_loop().time() * NS)

    async def _step(self, talk: Conversation, port: Port) -> None:
        """Asks what is due, and waits until something is heard, due or given up."""
        try:
            now_ns = self._still(talk, port)
            while now_ns is not None and (request := talk.ask(now_ns)) is not None:
                asks.send(port.outlet(), self.protocol, request)
            chunks = await port.take_within(self._wait_s(talk))
        except LinkError as fault:
            self._ended = fault
            talk.abandon(self._now_ns())
            return
        for data, heard in chunks:  # silence counts from when they were read, not from now
            talk.feed(data, heard, int(port.heard_s * NS))
        talk.expire(self._now_ns())

    def _still(self, talk: Conversation, port: Port) -> int | None:
        """Now, after the last part of a silence, which the loop would wait for too coarsely: less
        than a TICK, and only before a request that is due. None: something was heard meanwhile.
        """
        now_ns = self._now_ns()
        left_ns = talk.silence_left_ns(now_ns)
        if not 0 < left_ns < TICK_NS:
            return now_ns
        time.sleep(left_ns / NS)
        return None if port.untaken() else self._now_ns()

    def _wait_s(self, talk: Conversation) -> float | None:
        """For how long to listen."""
        now_ns, wake_ns = self._now_ns(), talk.wake_ns()
        if wake_ns is None:
            return None
        left_ns = talk.silence_left_ns(now_ns)
        return (left_ns // TICK_NS * TICK_NS or max(wake_ns - now_ns, 0)) / NS

    def _judge_silence(self, talk: Conversation, port: Port) -> None:
        silent_ns = talk.silent_ns(self._now_ns())
        if silent_ns >= self._silence_ns and not port.untaken():
            text = f"nobody has answered for {silent_ns / NS:.1f} s"
            answered = talk.counts[adu.ANSWERED] + talk.counts[adu.REFUSED]
            trouble = port.trouble(answered)
            self._ended = LinkError(f"{text}: {trouble}" if trouble else text)


class TcpDriver(ModbusDriver):
    """The device, or a gateway to several, is the server: host and port."""

    protocol = "modbus-tcp"
    framing = Framing.TCP

    def _read_options(self) -> TcpOptions:
        return convert(dict(self._source.options), TcpOptions, self._name)

    async def _connect(self) -> Port:
        options = self._tcp()
        return await open_tcp(options.host, options.port, options.connect_timeout_s, self._clock)

    def _tcp(self) -> TcpOptions:
        options = self._options
        if not isinstance(options, TcpOptions):
            raise LinkError("not a TCP source")
        return options

    def _converse(self, targets: list[Target], from_ns: int) -> Conversation:
        terms = self._tcp().terms(self._clock.table, self._transactions)
        return TcpConversation(targets, terms, self._clock, from_ns)

    def _line_bytes(self, request: Request) -> int:
        return adu.TCP_REQUEST_BYTES + adu.MBAP_BYTES + 2 + request.answer_bytes


class TlsDriver(TcpDriver):
    """The same in TLS (MODBUS/TCP Security V2.1)."""

    def _read_options(self) -> TlsOptions:
        options = convert(dict(self._source.options), TlsOptions, self._name)
        if options.key and not options.certificate:
            raise ConfigError(self._name, "key", "is a key without a certificate")
        return options

    def expected(self) -> tuple[int, tuple[int, int]] | None:
        self._terms()
        return super().expected()

    async def _connect(self) -> Port:
        options, context = self._terms()
        name, where = options.server_name or options.host, (options.host, options.port)
        return await open_tls(*where, options.connect_timeout_s, self._clock, context, name)

    def _terms(self) -> tuple[TlsOptions, SSLContext]:
        """Raises ConfigError for a file that is not there, or is none."""
        options = self._options
        if not isinstance(options, TlsOptions):
            raise LinkError("not a TLS source")
        files = (options.ca, options.certificate, options.key)
        return options, tls_context(self._name, Path(self._source.folder), *files)


class RtuDriver(ModbusDriver):
    """A serial line."""

    protocol = "modbus-rtu"
    framing = Framing.RTU

    def _read_options(self) -> RtuOptions:
        return convert(dict(self._source.options), RtuOptions, self._name)

    async def _connect(self) -> Port:
        return open_line(self._rtu(), self._clock)

    def _rtu(self) -> RtuOptions:
        options = self._options
        if not isinstance(options, RtuOptions):
            raise LinkError("not a serial source")
        return options

    def _converse(self, targets: list[Target], from_ns: int) -> Conversation:
        terms = self._rtu().terms(self._clock.table)
        return RtuConversation(targets, terms, self._clock, from_ns)

    def _line_bytes(self, request: Request) -> int:
        # Two silences: the device has to keep one, too, before it answers.
        options = self._rtu()
        silent = 2 * -(-options.rest_ns() // bytes_ns(options, 1))
        return adu.RTU_REQUEST_BYTES + adu.RTU_EXCEPTION_BYTES + request.answer_bytes + silent
