"""The options of a C37.118 source, as gateway.toml states them: one struct for TCP, one for serial.

1. Unknown keys are refused, and every range is checked here, before anything is opened.
2. Who sends needs an address: commands = "full" needs an idcode, stated or in the file.

It opens nothing: the bytes of the configuration file are brought to it.
"""

from typing import Annotated, Literal

import msgspec

from drivers.c37118.session import Terms
from drivers.c37118.station import Configuration
from drivers.c37118.stream import ruling
from drivers.line import FrameError
from drivers.serial_option import (
    BAUD_DEFAULT,
    Baud,
    ByteSize,
    Parity,
    Rs485,
    RtsLevel,
    StopBits,
)
from evidence.config import ConfigError

PORT_DEFAULT = 4712  # IEEE C37.118.2-2011 Annex E: registered for TCP
SILENCE_FRAMES = 10
SILENCE_S_MIN = 5.0

Seconds = Annotated[float, msgspec.Meta(gt=0, le=3600)]
Idcode = Annotated[int, msgspec.Meta(ge=1, le=65534)]  # 6.2: 0 and 65535 are reserved


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What both lines have in common."""

    idcode: Idcode | None = None
    commands: Literal["full", "none"] = "full"
    configuration: str = ""  # a file with one CFG frame, binary or in hex
    prefer: Annotated[tuple[Literal[1, 2, 3], ...], msgspec.Meta(min_length=1, max_length=3)] = (
        3,
        2,
        1,
    )
    time_bound_ns: Annotated[int, msgspec.Meta(ge=0)] | None = None
    simulated: bool = False
    connect_timeout_s: Seconds = 5.0
    ask_timeout_s: Seconds = 2.0
    ask_rounds: Annotated[int, msgspec.Meta(ge=1, le=100)] = 2
    silence_s: Seconds | None = None  # default: 5 s, or ten frame periods where that is longer

    def terms(self, name: str, content: bytes = b"") -> Terms:
        """What the session needs. `content`: of the configuration file. Raises ConfigError."""
        raw = _frames_in(content, self.configuration, name) if self.configuration else b""
        idcode = self.idcode
        if raw:
            found = _checked(raw, name)
            idcode = idcode if idcode is not None else found.idcode
            if idcode != found.idcode:
                text = f"{self.configuration} is of IDCODE {found.idcode}, idcode = {idcode}"
                raise ConfigError(name, "configuration", text)
        if self.commands == "full" and idcode is None:
            raise ConfigError(name, "idcode", 'missing: commands = "full" needs it, 1 to 65534')
        asks = self.commands == "full"
        return Terms(idcode, asks, raw, self.prefer, self.time_bound_ns, self.simulated)

    def silence_after_s(self, rates: list[tuple[int, int]]) -> float:
        """For how long a line may be silent, given the rates (frames, seconds) of its streams."""
        if self.silence_s is not None:
            return self.silence_s
        periods = [seconds / frames for frames, seconds in rates if frames]
        return max(SILENCE_S_MIN, SILENCE_FRAMES * min(periods, default=0.0))


class TcpOptions(Options, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """scheme = "c37118+tcp": the PMU is the server."""

    host: str
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = PORT_DEFAULT


class SerialOptions(Options, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """scheme = "c37118+serial": a serial line, or anything that looks like one."""

    path: str
    baud: Baud = BAUD_DEFAULT  # 57,600 cannot carry a usual PMU at 60 frames a second
    parity: Parity = "none"
    bytesize: ByteSize = 8
    stopbits: StopBits = 1
    rs485: Rs485 = "transceiver"
    rts_on_send: RtsLevel = "high"


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


def _checked(raw: bytes, name: str) -> Configuration:
    try:
        return ruling(raw).configuration
    except FrameError as fault:
        raise ConfigError(name, "configuration", str(fault)) from fault
