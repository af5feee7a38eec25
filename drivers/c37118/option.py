"""The options of a C37.118 source, as gateway.toml states them: one struct for TCP, one for UDP,
one for serial.

1. Unknown keys are refused, and every range is checked here, before anything is opened.
2. Who sends needs an address: commands = "full" needs an idcode, stated or in the file.
3. What hears datagrams of anybody says so: no host, and commands = "none".

It opens nothing: the bytes of the configuration file are brought to it.
"""

from typing import Annotated, Literal

import msgspec

from drivers.c37118.session import Terms
from drivers.c37118.stream import Ruling, rulings
from drivers.line import STREAMS_MAX, FrameError
from drivers.pmu.option import (
    PORT_DEFAULT,
    RECEIVE_BUFFER_BYTES,
    BufferBytes,
    LineOptions,
    LocalPort,
    Port,
    check_udp,
)
from drivers.serial.option import (
    BAUD_DEFAULT,
    Baud,
    ByteSize,
    Parity,
    Rs485,
    RtsLevel,
    StopBits,
)
from evidence.config import ConfigError

Idcode = Annotated[int, msgspec.Meta(ge=1, le=65534)]  # 6.2: 0 and 65535 are reserved


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
        raw = frames_in(content, self.configuration, name) if self.configuration else b""
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
    baud: Baud = BAUD_DEFAULT  # 57,600 cannot carry a usual PMU at 60 frames a second
    parity: Parity = "none"
    bytesize: ByteSize = 8
    stopbits: StopBits = 1
    rs485: Rs485 = "transceiver"
    rts_on_send: RtsLevel = "high"


def frames_in(content: bytes, path: str, name: str) -> bytes:
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
