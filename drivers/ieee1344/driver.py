"""IEEE 1344 over TCP, over UDP and over a serial line: the drivers that the runner opens.

What they do is drivers.pmu.driver's; here stands how a line is opened, and with what session.
"""

from drivers.ieee1344.option import Options, SerialOptions, TcpOptions, UdpOptions
from drivers.ieee1344.session import Session, ruling
from drivers.line import Source
from drivers.pmu.driver import PmuDriver
from drivers.pmu.reach import Opened, open_udp
from drivers.serial.line import open_line
from drivers.tcp_line import open_tcp
from evidence.config import convert


class Ieee1344Driver(PmuDriver):
    """A PMU that speaks IEEE 1344. Subclasses say how a line is opened."""

    protocol = "ieee1344"
    _options: Options

    def expected(self) -> tuple[int, tuple[int, int]] | None:
        """Of the data frames, by the configuration file where there is one. Raises ConfigError."""
        name, path = f"source {self._source.name!r}", self._options.configuration
        raw = self._options.terms(name, self._content(path)).configuration
        if not raw:
            return None
        found = ruling(raw)
        return found.layout.size, found.configuration.rate()

    def _types(self) -> int:
        return 2  # configuration files 1 and 2

    def _new_session(self) -> Session:
        name, path = f"source {self._source.name!r}", self._options.configuration
        return Session(self._options.terms(name, self._content(path)), self._clock.table)


class TcpDriver(Ieee1344Driver):
    """The PMU is the server: host and port."""

    _options: TcpOptions

    def _read_options(self, source: Source) -> TcpOptions:
        return convert(dict(source.options), TcpOptions, f"source {source.name!r}")

    async def _connect(self) -> Opened:
        options = self._options
        line = await open_tcp(options.host, options.port, options.connect_timeout_s, self._clock)
        return Opened(line)


class UdpDriver(Ieee1344Driver):
    """Datagrams, asked for or not."""

    _options: UdpOptions

    def _read_options(self, source: Source) -> UdpOptions:
        return convert(dict(source.options), UdpOptions, f"source {source.name!r}")

    async def _connect(self) -> Opened:
        return await open_udp(self._options, self._clock)

    def _ours(self) -> bool:
        # What goes to a group, others hear as well: it is not ours to stop.
        return not self._options.group


class SerialDriver(Ieee1344Driver):
    """A serial line."""

    _options: SerialOptions

    def _read_options(self, source: Source) -> SerialOptions:
        return convert(dict(source.options), SerialOptions, f"source {source.name!r}")

    async def _connect(self) -> Opened:
        return Opened(open_line(self._options, self._clock))
