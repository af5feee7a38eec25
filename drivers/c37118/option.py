"""The options of a C37.118 source, as gateway.toml states them: one struct for TCP, one for UDP,
one for serial.

1. Unknown keys are refused, and every range is checked here, before anything is opened.
2. Who sends needs an address: commands = "full" needs an idcode, stated or in the file.
3. What hears datagrams of anybody says so: no host, and commands = "none".

It opens nothing: the bytes of the configuration file are brought to it.
"""

import ipaddress
from typing import Annotated, Literal, Protocol

import msgspec

from drivers.c37118.session import Terms
from drivers.c37118.stream import Ruling, rulings
from drivers.line import STREAMS_MAX, FrameError
from evidence.config import ConfigError

PORT_DEFAULT = 4712  # IEEE C37.118.2-2011 Annex E: registered for TCP
UDP_PORT_DEFAULT = 4713  # the same: for UDP
# What a process that was stopped for seconds finds again: 64 PMUs at 60 a second, with what the
# kernel adds to each datagram.
RECEIVE_BUFFER_BYTES = 4 << 20
BAUD_DEFAULT = 115200  # 57,600 cannot carry a usual PMU at 60 frames a second
SILENCE_FRAMES = 10
SILENCE_S_MIN = 5.0

Seconds = Annotated[float, msgspec.Meta(gt=0, le=3600)]
Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
LocalPort = Annotated[int, msgspec.Meta(ge=0, le=65535)]
BufferBytes = Annotated[int, msgspec.Meta(ge=4096, le=1 << 28)]
Idcode = Annotated[int, msgspec.Meta(ge=1, le=65534)]  # 6.2: 0 and 65535 are reserved


class LineOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all lines of a PMU have in common, whatever it speaks."""

    commands: Literal["full", "none"] = "full"
    time_bound_ns: Annotated[int, msgspec.Meta(ge=0)] | None = None
    simulated: bool = False
    connect_timeout_s: Seconds = 5.0
    ask_timeout_s: Seconds = 2.0
    ask_rounds: Annotated[int, msgspec.Meta(ge=1, le=100)] = 2
    silence_s: Seconds | None = None  # default: 5 s, or ten frame periods where that is longer

    def silence_after_s(self, rates: list[tuple[int, int]]) -> float:
        """For how long a line may be silent, given the rates (frames, seconds) of its streams."""
        if self.silence_s is not None:
            return self.silence_s
        periods = [seconds / frames for frames, seconds in rates if frames]
        return max(SILENCE_S_MIN, SILENCE_FRAMES * min(periods, default=0.0))


class Options(LineOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all lines of C37.118 have in common."""

    idcode: Idcode | None = None
    # Several on one line, each a stream of its own.
    idcodes: Annotated[tuple[Idcode, ...], msgspec.Meta(max_length=STREAMS_MAX)] = ()
    configuration: str = ""  # a file with a CFG frame an IDCODE, binary or in hex
    prefer: Annotated[tuple[Literal[1, 2, 3], ...], msgspec.Meta(min_length=1, max_length=3)] = (
        3,
        2,
        1,
    )

    def __post_init__(self) -> None:
        if self.idcode is not None and self.idcodes:
            raise ValueError("both idcode and idcodes are stated; one of them expected")
        if len(set(self.idcodes)) < len(self.idcodes):
            raise ValueError("idcodes names one of them twice")

    def terms(self, name: str, content: bytes = b"") -> Terms:
        """What the session needs. `content`: of the configuration file. Raises ConfigError."""
        raw = _frames_in(content, self.configuration, name) if self.configuration else b""
        stated = (self.idcode,) if self.idcode is not None else self.idcodes
        idcodes = stated or tuple(on_file(raw, name))
        for found in on_file(raw, name):
            if found not in idcodes:
                known = ", ".join(map(str, idcodes))
                text = f"{self.configuration} is of IDCODE {found}, stated: {known}"
                raise ConfigError(name, "configuration", text)
        if self.commands == "full" and not idcodes:
            raise ConfigError(name, "idcode", 'missing: commands = "full" needs it, 1 to 65534')
        asks = self.commands == "full"
        return Terms(
            None, asks, raw, self.prefer, self.time_bound_ns, self.simulated, idcodes=idcodes
        )


class TcpOptions(Options, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """scheme = "c37118+tcp": the PMU is the server."""

    host: str
    port: Port = PORT_DEFAULT


class Udp(Protocol):
    """How datagrams are heard, and who is asked for them, whatever the PMU speaks."""

    @property
    def commands(self) -> str: ...
    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int | None: ...
    @property
    def commands_by(self) -> str: ...
    @property
    def connect_timeout_s(self) -> float: ...
    @property
    def local_host(self) -> str: ...
    @property
    def local_port(self) -> int | None: ...
    @property
    def group(self) -> str: ...
    @property
    def interface(self) -> str: ...
    @property
    def receive_buffer_bytes(self) -> int: ...


class UdpOptions(Options, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """scheme = "c37118+udp": unasked, or asked by UDP or TCP; to us alone or to a group."""

    host: str = ""  # the PMU: whose datagrams are heard, and who is asked; empty: anybody's
    port: Port | None = None  # where it takes commands; default: 4713, or 4712 by TCP
    commands_by: Literal["udp", "tcp"] = "udp"
    local_host: str = ""  # the address to hear at; empty: all
    # Where to hear. Default: 4713; where asks go out by UDP, any, since answers come back to it.
    local_port: LocalPort | None = None
    group: str = ""  # of multicast
    interface: str = ""  # by name: on which the group is joined; empty: where it is routed
    receive_buffer_bytes: BufferBytes = RECEIVE_BUFFER_BYTES

    def __post_init__(self) -> None:
        Options.__post_init__(self)
        check_udp(self)


class SerialOptions(Options, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """scheme = "c37118+serial": a serial line, or anything that looks like one."""

    path: str
    baud: Annotated[int, msgspec.Meta(ge=300, le=4_000_000)] = BAUD_DEFAULT
    parity: Literal["none", "even", "odd"] = "none"
    bytesize: Literal[7, 8] = 8
    stopbits: Literal[1, 2] = 1


def check_udp(options: Udp) -> None:
    """Raises ValueError for what cannot be together."""
    asks = options.commands == "full"
    if asks and not options.host:
        raise ValueError('commands = "full" needs a host; without one, commands = "none"')
    if options.commands_by == "tcp" and not asks:
        raise ValueError('commands_by = "tcp" needs commands = "full"')
    if options.group and not ipaddress.ip_address(options.group).is_multicast:
        raise ValueError(f"group {options.group!r} is no multicast address")
    if options.interface and not options.group:
        raise ValueError("interface is stated without a group")
    if ":" in options.group and not options.interface:
        raise ValueError("a group of IPv6 needs an interface")


def peer_port(options: Udp) -> int:
    """Where the PMU takes commands."""
    default = PORT_DEFAULT if options.commands_by == "tcp" else UDP_PORT_DEFAULT
    return options.port or default


def heard_port(options: Udp) -> int:
    """Where to hear; 0: any that is free."""
    if options.local_port is not None:
        return options.local_port
    answers = options.commands == "full" and options.commands_by == "udp" and not options.group
    return 0 if answers else UDP_PORT_DEFAULT


def _frames_in(content: bytes, path: str, name: str) -> bytes:
    if content[:1] == b"\xaa":
        return content
    try:
        raw = bytes.fromhex(content.decode("ascii"))
    except ValueError:
        raw = b""
    if not raw:
        text = f"{path}: neither a CFG frame nor one in hex"
        raise ConfigError(name, "configuration", text)
    return raw


def on_file(raw: bytes, name: str) -> dict[int, Ruling]:
    """The configurations in a file's frames, by IDCODE. Raises ConfigError."""
    try:
        return rulings(raw)
    except FrameError as fault:
        raise ConfigError(name, "configuration", str(fault)) from fault
