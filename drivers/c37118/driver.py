"""C37.118 over TCP, over UDP and over a serial line: the drivers that the runner opens.

What they do is drivers.pmu.driver's; here stands how a line is opened, and with what session.
"""

from collections.abc import Sequence

from drivers.c37118.option import Options, SerialOptions, TcpOptions, UdpOptions, on_file
from drivers.c37118.session import Session
from drivers.c37118.stream import Ruling, key_of, setup_of
from drivers.line import Setup, Source
from drivers.pmu.driver import PmuDriver
from drivers.pmu.reach import Opened, open_udp
from drivers.serial.line import open_line
from drivers.tcp_line import open_tcp
from evidence.config import convert


class C37118Driver(PmuDriver):
    """A PMU that speaks C37.118. Subclasses say how a line is opened."""

    protocol = "c37118"
    _options: Options

    def expected(self) -> tuple[int, tuple[int, int]] | None:
        """Of the data frames, by the configuration file where there is one: of several IDCODEs, the
        bytes of a second. Raises ConfigError.
        """
        name = f"source {self._source.name!r}"
        raw = self._options.terms(name, self._content(self._options.configuration)).configuration
        found = list(on_file(raw, name).values())
        if len(found) == 1:
            return found[0].layout.size, found[0].configuration.rate()
        return (_bytes_a_second(found), (1, 1)) if found else None

    def on_file(self) -> Sequence[Setup]:
        """The Setups that the configuration file makes. Raises ConfigError."""
        name = f"source {self._source.name!r}"
        raw = self._options.terms(name, self._content(self._options.configuration)).configuration
        return [setup_of(key_of(idcode), found) for idcode, found in on_file(raw, name).items()]

    def _types(self) -> int:
        return len(self._options.prefer)

    def _new_session(self) -> Session:
        name, path = f"source {self._source.name!r}", self._options.configuration
        return Session(self._options.terms(name, self._content(path)), self._clock.table)


def _bytes_a_second(found: Sequence[Ruling]) -> int:
    rates = [(one.layout.size, *one.configuration.rate()) for one in found]
    return sum(-(-size * frames // seconds) for size, frames, seconds in rates if seconds)


class TcpDriver(C37118Driver):
    """The PMU is the server: host and port."""

    _options: TcpOptions

    def _read_options(self, source: Source) -> TcpOptions:
        return convert(dict(source.options), TcpOptions, f"source {source.name!r}")

    async def _connect(self) -> Opened:
        options = self._options
        line = await open_tcp(options.host, options.port, options.connect_timeout_s, self._clock)
        return Opened(line)


class UdpDriver(C37118Driver):
    """Datagrams, asked for or not."""

    _options: UdpOptions

    def _read_options(self, source: Source) -> UdpOptions:
        return convert(dict(source.options), UdpOptions, f"source {source.name!r}")

    async def _connect(self) -> Opened:
        return await open_udp(self._options, self._clock)

    def _ours(self) -> bool:
        # What goes to a group, others hear as well: it is not ours to stop.
        return not self._options.group


class SerialDriver(C37118Driver):
    """A serial line."""

    _options: SerialOptions

    def _read_options(self, source: Source) -> SerialOptions:
        return convert(dict(source.options), SerialOptions, f"source {source.name!r}")

    async def _connect(self) -> Opened:
        return Opened(open_line(self._options, self._clock))
