"""The options of a Modbus source, as gateway.toml states them: one struct a line.

1. Unknown keys are refused, and every range is checked here, before anything is opened.
2. Every unit has a point map or is a SunSpec device; no unit is there twice.
3. On a serial line units are 1 to 247 (Serial Line V1.02 2.2); over TCP any byte, as gateways and
   devices want 0, 255 or their own (Messaging on TCP/IP V1.0b 4.4.2.1).

It opens nothing: maps are read by the driver.
"""

import re
from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec

from drivers.modbus.adu import RTU_REQUEST_BYTES, UNIT_SERIAL_MAX
from drivers.modbus.conversation import Terms
from drivers.modbus.map import Period, Span
from drivers.modbus.point import NAME_CHARACTERS_MAX
from drivers.serial.option import Baud, Milliseconds, Parity, Rs485, RtsLevel, StopBits, bytes_ns
from evidence.config import ConfigError
from evidence.leap import LeapTable

PORT_DEFAULT = 502  # registered for Modbus
TLS_PORT_DEFAULT = 802  # MODBUS/TCP Security V2.1: registered for it
BAUD_DEFAULT = 19_200  # Serial Line V1.02 2.5.1: the required default, with even parity
SILENCE_PERIODS = 3
SILENCE_S_MIN = 10.0
IN_FLIGHT_MAX = 16  # Messaging on TCP/IP V1.0b 4.2.2: NumberMaxOfServerTransaction is 1 to 16
# Serial Line V1.02 2.5.1.1: 3.5 characters, and never less than 1,750 us above 19,200 baud.
SILENCE_CHARACTERS = 3.5
SILENCE_NS_MIN = 1_750_000
_MS = 1_000_000
SETTLE_NS_MIN = 20 * _MS  # a USB adapter may hold bytes back for 16 ms
_RANGE = re.compile(r"(\d{1,3})(?:-(\d{1,3}))?", re.ASCII)

Seconds = Annotated[float, msgspec.Meta(gt=0, le=86_400)]
Unit = Annotated[int, msgspec.Meta(ge=0, le=255)]


class Device(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[[source.options.device]]: one unit that has a map of its own."""

    unit: Unit
    map: str = ""
    sunspec: bool = False
    station: Annotated[str, msgspec.Meta(max_length=NAME_CHARACTERS_MAX)] = ""


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all lines have in common."""

    map: str = ""  # a point map, for every unit below
    sunspec: bool = False  # the units say themselves what they have
    unit: Unit = 1
    units: str = ""  # of several that are alike: "1-20" or "1,4,7-9"
    device: tuple[Device, ...] = ()  # of units that are not alike
    period_ms: Period = 1000  # of SunSpec devices, as the next two; a map states its own
    refresh_ms: Span | None = None
    filter_ms: Span = 0
    timeout_ms: Annotated[float, msgspec.Meta(gt=0, le=60_000)] = 1000
    silence_s: Seconds | None = None  # default: 10 s, or three periods where that is longer
    simulated: bool = False

    def devices(self, name: str) -> tuple[Device, ...]:
        """Every unit of the line. Raises ConfigError."""
        if self.device and (self.map or self.sunspec or self.units):
            key = "units" if self.units else "map" if self.map else "sunspec"
            raise ConfigError(name, key, "stands beside [[device]], which says so of each unit")
        units = _units(self.units, name) if self.units else (self.unit,)
        found = self.device or tuple(
            Device(unit=unit, map=self.map, sunspec=self.sunspec) for unit in units
        )
        seen: set[int] = set()
        for device in found:
            if bool(device.map) == device.sunspec:
                text = f"unit {device.unit} needs a map (a TOML file) or sunspec = true"
                raise ConfigError(name, "map", text if not device.map else f"{text}, not both")
            if device.unit in seen:
                raise ConfigError(name, "units", f"unit {device.unit} is there twice")
            if not self.lowest() <= device.unit <= self.highest():
                text = f"unit {device.unit}: {self.lowest()} to {self.highest()}"
                raise ConfigError(name, "unit", text)
            seen.add(device.unit)
        return found

    def lowest(self) -> int:
        """Of unit numbers on this line."""
        return 0

    def highest(self) -> int:
        """Of unit numbers on this line."""
        return 255

    def silence_after_s(self, periods_ms: list[int]) -> float:
        """For how long nobody may answer, given the periods of all blocks."""
        if self.silence_s is not None:
            return self.silence_s
        shortest_s = min(periods_ms, default=0) / 1000
        return max(SILENCE_S_MIN, SILENCE_PERIODS * (shortest_s + self.timeout_ms / 1000))


class TcpOptions(Options, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """scheme = "modbus+tcp": the device, or a gateway to several, is the server."""

    host: str
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = PORT_DEFAULT
    connect_timeout_s: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 5.0
    in_flight: Annotated[int, msgspec.Meta(ge=1, le=IN_FLIGHT_MAX)] = 1

    def terms(self, table: LeapTable, transactions: Iterator[int]) -> Terms:
        """How to converse, with these transactions."""
        timeout_ns = int(self.timeout_ms * _MS)
        return Terms(timeout_ns, table, self.simulated, self.in_flight, transactions=transactions)


class TlsOptions(TcpOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """scheme = "modbus+tls": the same in TLS. Files are PEM."""

    ca: str  # whose signature the device's certificate must bear
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = TLS_PORT_DEFAULT
    certificate: str = ""  # ours, with what leads up to its authority; devices may ask for one
    key: str = ""
    server_name: str = ""  # in the device's certificate; default: the host


class RtuOptions(Options, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """scheme = "modbus+rtu": a serial line, as drivers.serial.option has it."""

    path: str
    baud: Baud = BAUD_DEFAULT
    parity: Parity = "even"
    bytesize: Literal[8] = 8  # V1.02 2.5.1: RTU has 8 data bits
    stopbits: StopBits = 1
    rs485: Rs485 = "transceiver"
    rts_on_send: RtsLevel = "high"
    turnaround_ms: Milliseconds = 0.0  # rest before a request, where 3.5 characters are too short
    echo: bool = False  # the transceiver lets us hear our own requests, every time

    def rest_ns(self) -> int:
        """Silence before a request."""
        rest_ns = int(SILENCE_CHARACTERS * bytes_ns(self, 1))
        if self.baud > BAUD_DEFAULT:
            rest_ns = max(rest_ns, SILENCE_NS_MIN)
        return max(rest_ns, int(self.turnaround_ms * _MS))

    def terms(self, table: LeapTable) -> Terms:
        """How to converse."""
        return Terms(
            int(self.timeout_ms * _MS),
            table,
            self.simulated,
            silence_ns=self.rest_ns(),
            settle_ns=max(self.rest_ns(), SETTLE_NS_MIN),
            send_ns=bytes_ns(self, RTU_REQUEST_BYTES),
            hold_ns=int(self.timeout_ms * _MS),
            echo=self.echo,
        )

    def lowest(self) -> int:
        return 1

    def highest(self) -> int:
        return UNIT_SERIAL_MAX


def _units(text: str, name: str) -> tuple[int, ...]:
    found: list[int] = []
    for part in text.split(","):
        match = _RANGE.fullmatch(part.strip())
        first = int(match.group(1)) if match else 0
        last = int(match.group(2) or first) if match else -1
        if not first <= last <= 255:
            raise ConfigError(name, "units", f'{text!r}: written as "1-20" or "1,4,7-9"')
        found += range(first, last + 1)
    return tuple(found)
