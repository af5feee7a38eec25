"""The options of a board's source, as gateway.toml states them.

1. Unknown keys are refused, and every range is checked here, before anything is opened.
2. What each port carries is stated by port, in order: taps, idcodes, configurations. The units of a
   Modbus line have a point map each, and so have the board's own inputs: as drivers.modbus has it.
3. The pairing's key is in a file that only its owner reads: it is never an option, never printed.

It opens nothing: what stands in the files is brought to it.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from drivers.c37118.option import frames_in, on_file
from drivers.c37118.session import Terms as Inner
from drivers.c37118.stream import Ruling
from drivers.mcu.session import Tap, Terms
from drivers.mcu.wire import PUBLIC_BYTES
from drivers.pmu.option import Seconds
from drivers.serial.option import Baud, SerialLine
from evidence.config import ConfigError

if TYPE_CHECKING:
    from drivers.mcu.bus import Unit
    from drivers.mcu.input import Input
    from drivers.modbus.map import PointMap

TAPS_MAX = 2  # of a board: firmware_bridge.firmware.settings
KEY_BYTES = 32  # of the pairing, HMAC-SHA256
KEY_FILE_BYTES_MAX = 128  # 64 digits, and how a line ends
BAUD_DEFAULT = 460_800  # that a board is asked for; USB has none, and takes any

DEVICES_MAX = 2 * 247  # of two lines, every unit

Idcode = Annotated[int, msgspec.Meta(ge=0, le=65534)]
Protocol = Literal["c37118", "modbus", "raw"]
Taps = Annotated[tuple[Protocol, ...], msgspec.Meta(min_length=1, max_length=TAPS_MAX)]
Public = Annotated[str, msgspec.Meta(pattern=f"^[0-9a-fA-F]{{{2 * PUBLIC_BYTES}}}$")]


class Device(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[[source.options.device]]: one unit of a Modbus line that is heard, and its point map."""

    port: Annotated[int, msgspec.Meta(ge=0, lt=TAPS_MAX)] = 0
    unit: Annotated[int, msgspec.Meta(ge=1, le=247)]  # Serial Line V1.02 2.2
    map: Annotated[str, msgspec.Meta(min_length=1)]
    station: Annotated[str, msgspec.Meta(max_length=128)] = ""  # before that of the map


class Options(SerialLine, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """scheme = "mcu+serial": a board on a serial line or USB."""

    baud: Baud = BAUD_DEFAULT
    board: Public  # its Ed25519 public key, as pairing showed it
    key: str  # the file with the pairing's key
    taps: Taps = ("c37118",)  # what each port carries, from port 0 on
    # By port, of those that carry C37.118; 0 and "": any IDCODE, and no file.
    idcodes: Annotated[tuple[Idcode, ...], msgspec.Meta(max_length=TAPS_MAX)] = ()
    configurations: Annotated[tuple[str, ...], msgspec.Meta(max_length=TAPS_MAX)] = ()
    device: Annotated[tuple[Device, ...], msgspec.Meta(max_length=DEVICES_MAX)] = ()
    inputs: str = ""  # the point map of the board's own inputs (input.py); empty: they have none
    # Of both clocks together, from one time exchange to the next: a board's crystal has 50.
    drift_ppm: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 100
    time_bound_ns: Annotated[int, msgspec.Meta(ge=1)] | None = None  # as of a PMU heard directly
    simulated: bool = False
    answer_s: Seconds = 5.0  # to the first HELLO
    silence_s: Seconds = 10.0  # a board answers each second, whatever its ports say

    def __post_init__(self) -> None:
        for name in ("idcodes", "configurations"):
            if len(getattr(self, name)) > len(self.taps):
                raise ValueError(f"{name} names more ports than taps")
        for port, protocol in enumerate(self.taps):
            if protocol != "c37118" and (self.idcode_of(port) or self.file_of(port)):
                raise ValueError(f"port {port} carries {protocol}: it has no IDCODE, and no file")
        seen: set[tuple[int, int]] = set()
        for one in self.device:
            if self.taps[one.port : one.port + 1] != ("modbus",):
                raise ValueError(f"device: port {one.port} carries no modbus")
            if (one.port, one.unit) in seen:
                raise ValueError(f"device: unit {one.unit} is there twice on port {one.port}")
            seen.add((one.port, one.unit))

    @property
    def maps(self) -> tuple[str, ...]:
        """The files that are point maps, each once."""
        named = [one.map for one in self.device] + [self.inputs] * bool(self.inputs)
        return tuple(dict.fromkeys(named))

    def idcode_of(self, port: int) -> int | None:
        """None: any."""
        return (self.idcodes[port] or None) if port < len(self.idcodes) else None

    def file_of(self, port: int) -> str:
        """Of the configuration of what is heard on a port; empty: none."""
        return self.configurations[port] if port < len(self.configurations) else ""

    def public(self) -> bytes:
        return bytes.fromhex(self.board)

    def terms(
        self, name: str, key: bytes, files: Sequence[bytes], maps: Mapping[str, bytes]
    ) -> Terms:
        """What the session needs, by what stands in these files. Raises ConfigError."""
        named = {file: _map_in(content, file, name) for file, content in maps.items()}
        taps = [self._tap(name, port, content, named) for port, content in enumerate(files)]
        return Terms(
            *(self.public(), _key_in(key, name), tuple(taps), self.drift_ppm, self.simulated),
            _inputs_in(named[self.inputs], self.inputs, name) if self.inputs else {},
        )

    def _tap(self, name: str, port: int, content: bytes, maps: "Mapping[str, PointMap]") -> Tap:
        if self.taps[port] != "c37118":
            return Tap(self.taps[port], None, self._units(port, maps))
        path, idcode = self.file_of(port), self.idcode_of(port)
        raw = frames_in(content, path, name) if path else b""
        there = on_file(raw, name)
        if idcode is not None and any(one != idcode for one in there):
            text = f"{path} is of IDCODE {', '.join(map(str, there))}, stated: {idcode}"
            raise ConfigError(name, "configurations", text)
        inner = Inner(
            idcode=idcode,
            commands=False,
            configuration=raw,
            time_bound_ns=self.time_bound_ns,
            simulated=self.simulated,
        )
        return Tap("c37118", inner)

    def _units(self, port: int, maps: "Mapping[str, PointMap]") -> "dict[int, Unit]":
        """The units of a line by their addresses."""
        here = [one for one in self.device if one.port == port]
        if not here:
            return {}
        from drivers.mcu.bus import Unit

        return {one.unit: Unit(one.station, maps[one.map]) for one in here}


def on_file_of(options: Options, name: str, files: Sequence[bytes]) -> Iterator[tuple[int, Ruling]]:
    """The configurations in the ports' files, each with its port. Raises ConfigError."""
    for port, content in enumerate(files):
        if options.file_of(port):
            found = on_file(frames_in(content, options.file_of(port), name), name)
            for one in found.values():
                yield port, one


def _map_in(content: bytes, file: str, name: str) -> "PointMap":
    """The point map in a file. Raises ConfigError."""
    from drivers.modbus.map import read_map

    try:
        return read_map(content.decode("utf-8"), file)
    except UnicodeDecodeError as fault:
        raise ConfigError(name, "map", f"{file}: not UTF-8") from fault


def _inputs_in(found: "PointMap", file: str, name: str) -> "dict[tuple[int, int], Input]":
    """The inputs that a map names. Raises ConfigError."""
    from drivers.mcu.input import inputs
    from drivers.modbus.plan import PlanError

    try:
        return inputs(found)
    except PlanError as fault:
        raise ConfigError(name, "inputs", f"{file}: {fault}") from fault


def _key_in(content: bytes, name: str) -> bytes:
    """The key in its file. Raises ConfigError, without a digit of it."""
    try:
        key = bytes.fromhex(content.decode("ascii"))
    except ValueError:
        key = b""
    if len(content) > KEY_FILE_BYTES_MAX or len(key) != KEY_BYTES:
        text = f"not a pairing's key: {2 * KEY_BYTES} hexadecimal digits expected"
        raise ConfigError(name, "key", text)
    return key
