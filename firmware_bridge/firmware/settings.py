"""What a board is told of its place: `board.json`, beside the firmware.

    {"taps": [{"place": 1, "baud": 115200, "framing": "c37118", "rx": null, "tx": null}],
     "link": {"place": 0, "baud": 115200, "rx": null, "tx": null},
     "ring_bytes": 16384, "head_seconds": 10,

and, where they are there, with what holds where they are not:

     "led": null, "watchdog_seconds": 8, "open_pin": null, "pulse": null,
     "inputs": [{"kind": "digital", "pin": 5}, {"kind": "analog", "pin": 26, "every_ms": 1000}]}

1. What is wrong is refused by its name, before any port is opened; so is what nobody knows.
2. Places are numbers of UARTs on a board, paths of terminals elsewhere; `"link": "usb"` is the
   board's own USB. Pins are numbers, or names as the port has them. A tap's `tx` is where its
   UART's transmitter is put: a pin without a wire. The link begins at its `baud`: gateways look for
   a board at 115,200 first.
3. `head_seconds` 0: this board signs nothing, and does not load what would. `open_pin`: whoever
   holds it low when the board starts has its keys wiped, and then its REPL.
"""

import json

from firmware_bridge.firmware.framing import C37118, MODBUS, RAW
from firmware_bridge.link import START_BAUD
from firmware_bridge.ring import SIZE_MAX_BYTES
from firmware_bridge.shim.digest import sha256
from firmware_bridge.shim.uart import USB
from firmware_bridge.shim.watchdog import SECONDS_MAX

TAPS_MAX = 2
FRAMINGS = (C37118, MODBUS, RAW)
BAUD_MIN, BAUD_MAX = 300, 3_000_000
RING_MIN_BYTES = 4096  # more than the longest frame, and a LOST beside it
HEAD_SECONDS_MAX = 240  # below what short ticks tell apart
PIN_MAX = 255
PIN_NAME_MAX = 32
INPUTS_MAX = 4
DIGITAL, ANALOG = "digital", "analog"
EVERY_MS_MIN, EVERY_MS_MAX = 10, 240_000

# fmt: off
_KNOWN = (
    "taps", "link", "ring_bytes", "head_seconds",
    "led", "watchdog_seconds", "open_pin", "pulse", "inputs",
)
# fmt: on
_TAP_KNOWN = ("place", "baud", "framing", "rx", "tx")
_LINK_KNOWN = ("place", "baud", "rx", "tx")
_INPUT_KNOWN = ("kind", "pin", "every_ms")


class SettingsError(ValueError):
    """The file says something that cannot be: its argument says what."""


class Line:
    """One port. `framing` is empty for the link."""

    __slots__ = ("place", "baud", "framing", "rx", "tx")

    def __init__(self, told: object, name: str, framed: bool) -> None:
        known = _fields(told, name, _TAP_KNOWN if framed else _LINK_KNOWN)
        place = known.get("place")
        if not isinstance(place, (int, str)) or isinstance(place, bool) or place == "":
            raise SettingsError(name + ".place: the number of a UART, or a path")
        self.place = place
        self.baud = _number(known, "baud", name, BAUD_MIN, BAUD_MAX)
        self.rx, self.tx = _pin(known, "rx", name), _pin(known, "tx", name)
        framing = known.get("framing", "")
        if framed and framing not in FRAMINGS:
            raise SettingsError(name + ".framing: c37118, modbus or raw")
        self.framing = str(framing)


class Level:
    """One input. `every_ms`: of an analog one."""

    __slots__ = ("kind", "pin", "every_ms")

    def __init__(self, told: object) -> None:
        known = _fields(told, "inputs", _INPUT_KNOWN)
        kind, pin = known.get("kind"), _pin(known, "pin", "inputs")
        if kind not in (DIGITAL, ANALOG):
            raise SettingsError("inputs.kind: digital or analog")
        if pin is None:
            raise SettingsError("inputs.pin: a number or a name")
        self.kind, self.pin, self.every_ms = str(kind), pin, 0
        if kind == ANALOG:
            self.every_ms = _number(known, "every_ms", "inputs", EVERY_MS_MIN, EVERY_MS_MAX)
        elif "every_ms" in known:
            raise SettingsError("inputs.every_ms: of an analog one only")


class Settings:
    """The file, read; `digest`: SHA-256 of its octets, which the BOOT frame says."""

    def __init__(self, octets: bytes) -> None:
        try:
            told = json.loads(octets)
        except (ValueError, RuntimeError):  # RecursionError: brackets in brackets
            raise SettingsError("board.json is not JSON") from None
        known = _fields(told, "", _KNOWN)
        taps, inputs = known.get("taps"), known.get("inputs", [])
        if not isinstance(taps, list) or not 1 <= len(taps) <= TAPS_MAX:
            raise SettingsError("taps: one or two of them")
        if not isinstance(inputs, list) or len(inputs) > INPUTS_MAX:
            raise SettingsError("inputs: four of them at most")
        self.taps = [Line(tap, "taps", True) for tap in taps]
        link = known.get("link")
        self.link = Line({"place": USB, "baud": START_BAUD} if link == USB else link, "link", False)
        if USB in [tap.place for tap in self.taps]:
            raise SettingsError("taps.place: usb is a link's place, and no tap's")
        places = [line.place for line in self.taps] + [self.link.place]
        if len(set(places)) < len(places):
            raise SettingsError("taps.place, link.place: two ports in one place")
        self.inputs = [Level(one) for one in inputs]
        self.ring_bytes = _number(known, "ring_bytes", "", RING_MIN_BYTES, SIZE_MAX_BYTES)
        self.head_seconds = _number(known, "head_seconds", "", 0, HEAD_SECONDS_MAX)
        self.watchdog_seconds = SECONDS_MAX
        if "watchdog_seconds" in known:
            self.watchdog_seconds = _number(known, "watchdog_seconds", "", 0, SECONDS_MAX)
        self.led, self.pulse = _pin(known, "led", ""), _pin(known, "pulse", "")
        self.open_pin = _pin(known, "open_pin", "")
        self.digest = sha256(octets)


def _fields(told: object, name: str, known: "tuple[str, ...]") -> "dict[str, object]":
    if not isinstance(told, dict):
        raise SettingsError((name or "board.json") + ": an object of names")
    for key in told:
        if key not in known:
            raise SettingsError(_path(name, str(key)) + ": nobody knows it")
    return told


def _path(name: str, key: str) -> str:
    return name + "." + key if name else key


def _pin(told: "dict[str, object]", key: str, name: str) -> int | str | None:
    """The number or the name of a pin; None: whichever the board has, or none."""
    value = told.get(key)
    if value is None:
        return None
    if isinstance(value, str) and 0 < len(value) <= PIN_NAME_MAX:
        return value
    return _number(told, key, name, 0, PIN_MAX)


def _number(told: "dict[str, object]", key: str, name: str, least: int, most: int) -> int:
    value = told.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        where = _path(name, key)
        raise SettingsError("%s: a number from %d to %d" % (where, least, most))  # noqa: UP031
    return value
