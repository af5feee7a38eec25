"""What the lines of a PMU have in common, whatever it speaks: how long to wait for it, and how its
datagrams are heard.

1. Ranges are checked here, before anything is opened, and what cannot be together.
2. What hears datagrams of anybody says so: no host, and commands = "none".
3. A scheme's own struct states the fields of Udp by the types here: two msgspec structs with fields
   cannot both be its bases.

It opens nothing.
"""

import ipaddress
from typing import Annotated, Literal, Protocol

import msgspec

PORT_DEFAULT = 4712  # IEEE C37.118.2-2011 Annex E: registered for TCP
UDP_PORT_DEFAULT = 4713  # the same: for UDP
# What a process that was stopped for seconds finds again: 64 PMUs at 60 a second, with what the
# kernel adds to each datagram.
RECEIVE_BUFFER_BYTES = 4 << 20
SILENCE_FRAMES = 10
SILENCE_S_MIN = 5.0

Seconds = Annotated[float, msgspec.Meta(gt=0, le=3600)]
Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
LocalPort = Annotated[int, msgspec.Meta(ge=0, le=65535)]
BufferBytes = Annotated[int, msgspec.Meta(ge=4096, le=1 << 28)]


class LineOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all lines of a PMU have in common, whatever it speaks."""

    commands: Literal["full", "none"] = "full"
    # Of the device's clock when locked, where its frames do not say: site.toml states it, with the
    # document that does; gateway.toml may not (agent/config.py).
    time_bound_ns: Annotated[int, msgspec.Meta(ge=1)] | None = None
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
