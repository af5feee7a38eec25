"""What a board is told of its place: `board.json`, beside the firmware.

    {"taps": [{"place": 1, "baud": 115200, "framing": "c37118", "rx": null}],
     "link": {"place": 0, "baud": 460800, "rx": null, "tx": null},
     "ring_bytes": 32768, "head_seconds": 10}

1. What is wrong is refused by its name, before any port is opened.
2. Places are numbers of UARTs on a board, paths of terminals elsewhere.
"""

import json

from firmware_bridge.firmware.framing import C37118, MODBUS, RAW
from firmware_bridge.ring import SIZE_MAX_BYTES
from firmware_bridge.shim.digest import sha256

TAPS_MAX = 2
FRAMINGS = (C37118, MODBUS, RAW)
BAUD_MIN, BAUD_MAX = 300, 3_000_000
RING_MIN_BYTES = 4096
HEAD_SECONDS_MAX = 3600
PIN_MAX = 255


class SettingsError(ValueError):
    """The file says something that cannot be: its argument says what."""


class Line:
    """One port. `framing` is empty for the link."""

    __slots__ = ("place", "baud", "framing", "rx", "tx")

    def __init__(self, told: "dict[str, object]", name: str, framed: bool) -> None:
        place = told.get("place")
        if not isinstance(place, (int, str)) or isinstance(place, bool) or place == "":
            raise SettingsError(name + ".place: the number of a UART, or a path")
        self.place = place
        self.baud = _number(told, "baud", name, BAUD_MIN, BAUD_MAX)
        self.rx, self.tx = _pin(told, "rx", name), _pin(told, "tx", name)
        framing = told.get("framing", "")
        if framed and framing not in FRAMINGS:
            raise SettingsError(name + ".framing: c37118, modbus or raw")
        self.framing = str(framing)


class Settings:
    """The file, read; `digest`: SHA-256 of its octets, which the BOOT frame says."""

    def __init__(self, octets: bytes) -> None:
        try:
            told = json.loads(octets)
        except ValueError:
            raise SettingsError("board.json is not JSON") from None
        if not isinstance(told, dict) or not isinstance(told.get("link"), dict):
            raise SettingsError("link: {place, baud}")
        taps = told.get("taps")
        if not isinstance(taps, list) or not 1 <= len(taps) <= TAPS_MAX:
            raise SettingsError("taps: one or two of them")
        self.taps = [Line(tap, "taps", True) for tap in taps if isinstance(tap, dict)]
        self.link = Line(told["link"], "link", False)
        self.ring_bytes = _number(told, "ring_bytes", "", RING_MIN_BYTES, SIZE_MAX_BYTES)
        self.head_seconds = _number(told, "head_seconds", "", 1, HEAD_SECONDS_MAX)
        self.digest = sha256(octets)


def _pin(told: "dict[str, object]", key: str, name: str) -> int | None:
    """The number of a pin; None: whichever the board has for this port."""
    return _number(told, key, name, 0, PIN_MAX) if told.get(key) is not None else None


def _number(told: "dict[str, object]", key: str, name: str, least: int, most: int) -> int:
    value = told.get(key)
    where = name + "." + key if name else key
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise SettingsError("%s: a number from %d to %d" % (where, least, most))  # noqa: UP031
    return value
