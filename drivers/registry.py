"""Every scheme that a source can have, and where its driver lives. Nothing is loaded until it is
asked for.

1. One row a scheme. A driver's libraries are loaded when its source is opened, never for the list.
2. What a line can carry is worked out here, from the options alone, so that a plan can be refused
   before anything is opened.

It opens nothing.
"""

import importlib
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from drivers.line import Clock, Driver, Source
from evidence.config import ConfigError, convert, nearest

# On a serial line: start, eight bits, stop; parity or a second stop bit add one each.
BITS_A_BYTE = 10
URL_CHARACTERS_MAX = 2048  # of a source, or a clock, as it is typed
LOAD_MAX = 0.85  # of the baud: above it a burst or a resent configuration has no room


class Place(NamedTuple):
    """Which options the parts of a URL are (drivers.url); empty where a part means nothing.

    Who is heard by datagrams may be typed by our own address (0.0.0.0, [::]) or by a group's: then
    host and port are `local_host` and `local_port`, or `group` and `local_port`, and nothing is
    asked, unless the URL says so.
    """

    host: str = ""
    port: str = ""
    path: str = ""
    local_host: str = ""
    local_port: str = ""
    group: str = ""


HOST = Place(host="host", port="port")
FILE = Place(path="path")
DATAGRAMS = Place("host", "port", "", "local_host", "local_port", "group")
INTERFACE = Place(host="interface")
DAEMON = Place(host="host", port="port", path="device")
UNASKED = {"commands": "none"}


class Scheme(NamedTuple):
    """Where a scheme's driver and options are: module and names."""

    module: str
    driver: str
    option_module: str
    options: str
    serial: bool  # the line has a baud, and so a limit
    place: Place = HOST  # how it is typed on one line
    hint: str = ""  # what to look at where the line is open and nothing is heard
    extra: str = ""  # of setup.cfg, that its driver's libraries are in


_PMU_HINT = "is idcode the PMU's own, and does it send? With commands=none only unasked"
_MODBUS_HINT = "is unit the device's own, and does it have what the map reads?"
_RTU_HINT = "is unit the device's own, and do baud and parity match?"
_ETHERNET_HINT = "does the switch hand the group and the VLAN on to this interface?"
_BOARD_HINT = "is the board paired, and does the device on its port send?"
_RECEIVER_HINT = "is baud the receiver's, and is its antenna connected?"
SCHEMES: Mapping[str, Scheme] = {
    "c37118+tcp": Scheme(
        *("drivers.c37118.driver", "TcpDriver", "drivers.c37118.option", "TcpOptions"),
        *(False, HOST, _PMU_HINT),
    ),
    "c37118+udp": Scheme(
        *("drivers.c37118.driver", "UdpDriver", "drivers.c37118.option", "UdpOptions"),
        *(False, DATAGRAMS, _PMU_HINT),
    ),
    "c37118+serial": Scheme(
        *("drivers.c37118.driver", "SerialDriver", "drivers.c37118.option", "SerialOptions"),
        *(True, FILE, _PMU_HINT),
    ),
    "ieee1344+tcp": Scheme(
        *("drivers.ieee1344.driver", "TcpDriver", "drivers.ieee1344.option", "TcpOptions"),
        *(False, HOST, _PMU_HINT),
    ),
    "ieee1344+udp": Scheme(
        *("drivers.ieee1344.driver", "UdpDriver", "drivers.ieee1344.option", "UdpOptions"),
        *(False, DATAGRAMS, _PMU_HINT),
    ),
    "ieee1344+serial": Scheme(
        *("drivers.ieee1344.driver", "SerialDriver", "drivers.ieee1344.option", "SerialOptions"),
        *(True, FILE, _PMU_HINT),
    ),
    "modbus+tcp": Scheme(
        *("drivers.modbus.driver", "TcpDriver", "drivers.modbus.option", "TcpOptions"),
        *(False, HOST, _MODBUS_HINT),
    ),
    "modbus+tls": Scheme(
        *("drivers.modbus.driver", "TlsDriver", "drivers.modbus.option", "TlsOptions"),
        *(False, HOST, _MODBUS_HINT),
    ),
    "modbus+rtu": Scheme(
        *("drivers.modbus.driver", "RtuDriver", "drivers.modbus.option", "RtuOptions"),
        *(True, FILE, _RTU_HINT),
    ),
    "goose": Scheme(
        *("drivers.goose.driver", "GooseDriver", "drivers.goose.option", "Options"),
        *(False, INTERFACE, _ETHERNET_HINT),
    ),
    "sv": Scheme(
        *("drivers.sv.driver", "SvDriver", "drivers.sv.option", "SvOptions"),
        *(False, INTERFACE, _ETHERNET_HINT),
    ),
    "mcu+serial": Scheme(
        *("drivers.mcu.driver", "McuDriver", "drivers.mcu.option", "Options"),
        *(True, FILE, _BOARD_HINT),
    ),
    "ublox": Scheme(
        *("drivers.gnss.driver", "UbloxDriver", "drivers.gnss.option", "UbloxOptions"),
        *(True, FILE, _RECEIVER_HINT, "gnss"),
    ),
    "nmea": Scheme(
        *("drivers.gnss.driver", "NmeaDriver", "drivers.gnss.option", "NmeaOptions"),
        *(True, FILE, _RECEIVER_HINT, "gnss"),
    ),
    "gpsd": Scheme(
        *("drivers.gnss.driver", "GpsdDriver", "drivers.gnss.option", "GpsdOptions"),
        *(False, DAEMON, _RECEIVER_HINT, "gnss"),
    ),
}

RECEIVERS = ("ublox", "nmea", "gpsd")  # schemes whose driver tells each epoch (drivers.gnss)


class Load(NamedTuple):
    """How much of a serial line a plan takes, in bits a second."""

    needed: float
    baud: int
    share: float

    def fits(self) -> bool:
        return self.share <= LOAD_MAX


def scheme(name: str) -> Scheme:
    """The row of a scheme. Raises ConfigError naming the nearest one."""
    row = SCHEMES.get(name)
    if row is None:
        raise ConfigError("", "scheme", f"{name!r}: {nearest(name, list(SCHEMES))}")
    return row


def options_type(name: str) -> Any:
    """The struct of a scheme's options. Raises ConfigError."""
    row = scheme(name)
    return getattr(importlib.import_module(row.option_module), row.options)


def options_of(source: Source) -> Any:
    """The source's options in their own struct, every range checked. Raises ConfigError."""
    return convert(dict(source.options), options_type(source.scheme), f"source {source.name!r}")


def open_driver(source: Source, clock: Clock) -> Driver:
    """The driver of a source, not yet opened. Raises ConfigError."""
    row = scheme(source.scheme)
    try:
        module = importlib.import_module(row.module)
    except ModuleNotFoundError as fault:  # a library of an extra (setup.cfg)
        brings = f"gridseal[{row.extra}] brings it"
        text = f"{source.scheme!r} needs {fault.name}, which is not installed: {brings}"
        raise ConfigError(f"source {source.name!r}", "scheme", text) from fault
    made = getattr(module, row.driver)
    return cast(Driver, made(source, clock))


def line_notes(source: Source) -> list[str]:
    """What a technician should know of a source's port or interface, as far as this machine tells.

    Raises ConfigError.
    """
    row = scheme(source.scheme)
    if row.place == INTERFACE:
        from drivers.ethernet import capture

        return capture.notes(options_of(source).interface)
    if not row.serial:
        return []
    from drivers.serial import device as serial_device

    return serial_device.notes(options_of(source).path)


def line_load(source: Source, frame_bytes: int, rate: tuple[int, int]) -> Load | None:
    """What frames of that size at that rate (frames, seconds) take of the source's line.

    None where the line has no baud to fill. Raises ConfigError.
    """
    if not scheme(source.scheme).serial:
        return None
    options = options_of(source)
    bits = BITS_A_BYTE + (options.parity != "none") + (options.stopbits - 1)
    frames, seconds = rate
    needed = frame_bytes * bits * frames / seconds if seconds else 0.0
    return Load(needed, options.baud, needed / options.baud)
