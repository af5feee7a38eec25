"""The options of an IEEE 1344 source, as gateway.toml states them: one struct a line.

1. Unknown keys are refused, and every range is checked here, before anything is opened.
2. Who sends needs an address: commands = "full" needs an idcode, stated or in the file.

It opens nothing: the bytes of the configuration file are brought to it.
"""

from typing import Annotated, Literal

import msgspec

from drivers.ieee1344.frame import SAMPLE_MASK
from drivers.ieee1344.session import Terms, ruling
from drivers.line import FrameError
from drivers.pmu.option import (
    PORT_DEFAULT,
    RECEIVE_BUFFER_BYTES,
    BufferBytes,
    LineOptions,
    LocalPort,
    Port,
    check_udp,
)
from drivers.serial.option import Baud, ByteSize, Parity, Rs485, RtsLevel, StopBits
from evidence.config import ConfigError

BAUD_DEFAULT = 38400  # what PMUs of the nineties were set to; 36 bytes at 30/s take 10,800

Idcode = Annotated[int, msgspec.Meta(ge=0, le=0xFFFFFFFF)]  # frame.py, rule 2


class Options(LineOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all lines of IEEE 1344 have in common."""

    idcode: Idcode | None = None
    configuration: str = ""  # a file with one configuration frame, or its parts, binary or in hex
    # No frame states it. It is learned within a second of data where it is not stated.
    samples_per_s: Annotated[int, msgspec.Meta(ge=1, le=SAMPLE_MASK + 1)] | None = None

    def terms(self, name: str, content: bytes = b"") -> Terms:
        """What the session needs. `content`: of the configuration file. Raises ConfigError."""
        raw = _frames_in(content, self.configuration, name) if self.configuration else b""
        idcode = self.idcode
        if raw:
            try:
                found = ruling(raw).configuration.idcode
            except FrameError as fault:
                raise ConfigError(name, "configuration", str(fault)) from fault
            idcode = found if idcode is None else idcode
            if idcode != found:
                text = f"{self.configuration} is of IDCODE {found}, idcode = {idcode}"
                raise ConfigError(name, "configuration", text)
        asks = self.commands == "full"
        if asks and idcode is None:
            raise ConfigError(name, "idcode", 'missing: commands = "full" needs it')
        return Terms(idcode, asks, raw, self.time_bound_ns, self.samples_per_s, self.simulated)


class TcpOptions(Options, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """scheme = "ieee1344+tcp": the PMU is the server."""

    host: str
    port: Port = PORT_DEFAULT


class UdpOptions(Options, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """scheme = "ieee1344+udp": unasked, or asked by UDP or TCP; to us alone or to a group."""

    host: str = ""
    port: Port | None = None
    commands_by: Literal["udp", "tcp"] = "udp"
    local_host: str = ""
    local_port: LocalPort | None = None
    group: str = ""
    interface: str = ""
    receive_buffer_bytes: BufferBytes = RECEIVE_BUFFER_BYTES

    def __post_init__(self) -> None:
        check_udp(self)


class SerialOptions(Options, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """scheme = "ieee1344+serial": a serial line, or anything that looks like one."""

    path: str
    baud: Baud = BAUD_DEFAULT
    parity: Parity = "none"
    bytesize: ByteSize = 8
    stopbits: StopBits = 1
    rs485: Rs485 = "transceiver"
    rts_on_send: RtsLevel = "high"


def _frames_in(content: bytes, path: str, name: str) -> bytes:
    """As bytes, or as hex: what is no hex is taken as it is."""
    try:
        return bytes.fromhex(content.decode("ascii"))
    except ValueError:
        pass
    if not content:
        raise ConfigError(name, "configuration", f"{path}: empty")
    return content
