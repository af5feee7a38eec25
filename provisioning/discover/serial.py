"""Serial ports: which there are, and what is heard on each at the usual speeds and framings.

1. Nothing is sent, unless `ask` says so: then the HELLO of a board's link, a CFG-2 request of
   C37.118 and u-blox's poll of what it is, each through drivers.asks, on lines on which nothing
   else was understood.
2. A port that somebody else has open is told, and left alone. Opening one raises its DTR and RTS,
   as any program that opens it does.
3. Speeds are tried until frames with a good check word come. On a line that is silent at the first
   no other is tried: bytes come at any speed, only not as themselves.
4. PORTS_MAX ports, SETTINGS of each; a port is called by the name that stays (/dev/serial/by-id).
"""

import asyncio
import os
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from drivers import asks
from drivers.c37118 import splitter as c37118
from drivers.c37118.frame import parse_header
from drivers.gnss import splitter as gnss
from drivers.gnss.check import UBX_SYNC
from drivers.gnss.check import ubx as ubx_message
from drivers.ieee1344 import splitter as ieee1344
from drivers.line import Clock, FrameError, LinkError, Setup
from drivers.serial import device
from drivers.serial.line import SerialPort, open_line
from drivers.serial.option import Parity, SerialLine
from provisioning.discover import board, pmu
from provisioning.discover.finding import Finding, Found, SearchError, short, url_of

if TYPE_CHECKING:
    from drivers.gnss.ubx import Version

PORTS_MAX = 64
# Speed and parity, the likeliest first: PMUs have 115,200 or 57,600, u-blox receivers 38,400, other
# receivers 9,600 or 4,800; some PMUs sit behind converters with even parity.
SETTINGS: tuple[tuple[int, Parity], ...] = (
    *((115_200, "none"), (38_400, "none"), (9_600, "none"), (57_600, "none"), (19_200, "none")),
    *((4_800, "none"), (230_400, "none"), (9_600, "even"), (19_200, "even")),
)
HEAR_S = 2.5  # receivers and slow PMUs say something each second
GOOD_MIN = 2  # frames: one may be chance where a check word has 16 bits
UBLOX_VENDOR = 0x1546  # of USB, u-blox AG
BYTES_MAX = 1 << 20  # heard at one setting
_MON_VER = (0x0A, 0x04)


class Port(NamedTuple):
    """A port of this machine. `words`: what its adapter says of itself."""

    path: str
    words: str = ""
    vendor: int | None = None


class Ear:
    """What bytes of a line are, by everybody who knows frames."""

    def __init__(self) -> None:
        self.heard = 0
        self.good: Counter[str] = Counter()  # by protocol
        self.idcodes: Counter[int] = Counter()  # of C37.118
        self.talkers: Counter[str] = Counter()  # of NMEA
        self.version: Version | None = None
        self._c37118, self._ieee1344 = c37118.Splitter(), ieee1344.Splitter()
        self._gnss = gnss.Splitter()

    def feed(self, data: bytes) -> None:
        self.heard += len(data)
        for frame in self._c37118.feed(data):
            if isinstance(frame, bytes):
                self.good["c37118"] += 1
                self.idcodes[parse_header(frame).idcode] += 1
        for other in self._ieee1344.feed(data):
            self.good["ieee1344"] += isinstance(other, bytes)
        for message in self._gnss.feed(data):
            if isinstance(message, bytes):
                self._message(message)

    def _message(self, message: bytes) -> None:
        if message.startswith(UBX_SYNC):
            self.good["ubx"] += 1
            if message[2:4] == bytes(_MON_VER):
                self.version = _version(message) or self.version
        elif message.startswith(b"$"):
            self.good["nmea"] += 1
            self.talkers[message[1:3].decode("ascii")] += 1

    def best(self) -> str:
        """The protocol that was understood; empty: none."""
        receivers = self.good["ubx"] + self.good["nmea"]
        if receivers >= GOOD_MIN or self.version is not None:
            return "ubx" if self.good["ubx"] else "nmea"
        for name in ("c37118", "ieee1344"):
            if self.good[name] >= GOOD_MIN:
                return name
        return ""


def _version(message: bytes) -> "Version | None":
    """What a receiver says that it is. None where that cannot be read, or not here."""
    try:
        from drivers.gnss import ubx  # takes the extra `gnss`, which need not be installed yet

        said = ubx.read(message)
    except (FrameError, ModuleNotFoundError):
        return None
    return said if isinstance(said, ubx.Version) else None


def ports() -> list[Port]:
    """All of this machine, each once, by the name that stays. Raises SearchError."""
    try:
        from serial.tools import list_ports
    except ModuleNotFoundError as fault:
        raise SearchError("needs pyserial, which is not installed") from fault
    found = [
        Port(device.kept_name(one.device) or one.device, _words(one.description), one.vid)
        for one in list_ports.comports()
    ]
    return sorted(found)[:PORTS_MAX]


def _words(description: str | None) -> str:
    return "" if not description or description == "n/a" else short(description)


async def search(
    port: Port,
    ask: bool,
    idcodes: Sequence[int],
    seconds: float,
    clock: Clock,
    found: Found,
    wanted: frozenset[str] = frozenset(),
) -> None:
    """What speaks on one port. `wanted`: protocols that are told; none: all."""
    adapter = f" ({port.words})" if port.words else ""
    others = _others(port.path)
    if others:
        found.add(Finding("serial", port.path, f"in use by {others}; left alone{adapter}"))
        return
    bytes_heard, settings = 0, SETTINGS
    for baud, parity in settings:
        found.tell(f"{port.path}: listening at {baud} baud, parity {parity}")
        try:
            ear = await _listen(port.path, baud, parity, seconds, clock)
        except LinkError as fault:
            found.add(Finding("serial", port.path, f"{fault}{adapter}"))
            return
        bytes_heard += ear.heard
        best = ear.best()
        if best and (not wanted or best in wanted):
            setup = None
            if best == "c37118" and ask:
                setup = await _configured(port, baud, parity, list(ear.idcodes), clock)
            found.add(_heard(port, baud, parity, ear, best, setup, adapter))
            return
        if best or not ear.heard:
            break
    if ask:
        answered = await board.search(port.path, clock, adapter)
        if answered is not None:
            found.add(answered)
            return
    if ask and not bytes_heard:
        for baud, parity in SETTINGS:
            if await _asked(port, baud, parity, idcodes, clock, found, adapter):
                return
    told = f"{bytes_heard} bytes, and no frame known here" if bytes_heard else "silent"
    hint = "" if ask or bytes_heard else "; a device that must be asked: --ask"
    found.add(Finding("serial", port.path, f"{told}{hint}{adapter}"))


def _others(path: str) -> str:
    """Who has a port open. Of a pseudo-terminal whoever is its other end has, too."""
    try:
        pseudo = device.is_pseudo(os.stat(path).st_rdev)
    except OSError:
        return ""  # opening it says why
    return "" if pseudo else device.others_with(path)


async def _listen(path: str, baud: int, parity: Parity, seconds: float, clock: Clock) -> Ear:
    """Raises LinkError."""
    ear = Ear()
    line = open_line(SerialLine(path=path, baud=baud, parity=parity), clock)
    try:
        await _hear(line, ear, seconds)
    finally:
        line.close()
    return ear


async def _hear(line: SerialPort, ear: Ear, seconds: float) -> None:
    """Until something is understood, or for so long."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while (left_s := end - loop.time()) > 0 and not ear.best() and ear.heard < BYTES_MAX:
        try:
            async with asyncio.timeout(left_s):
                chunks = await line.take()
        except TimeoutError:
            return
        for data, _ in chunks:
            ear.feed(data)


async def _asked(
    port: Port,
    baud: int,
    parity: Parity,
    idcodes: Sequence[int],
    clock: Clock,
    found: Found,
    adapter: str,
) -> bool:
    """Whether a device that says nothing by itself answers at this setting."""
    found.tell(f"{port.path}: asking at {baud} baud, parity {parity}")
    setup = await _configured(port, baud, parity, idcodes, clock)
    if setup is not None:
        found.add(_heard(port, baud, parity, Ear(), "c37118", setup, adapter))
        return True
    try:
        line = open_line(SerialLine(path=port.path, baud=baud, parity=parity), clock)
    except LinkError:
        return False
    ear = Ear()
    try:
        asks.send(line.outlet(), "ubx", ubx_message(_MON_VER))
        await _hear(line, ear, 1.0)
    except LinkError:
        return False
    finally:
        line.close()
    if ear.best():
        found.add(_heard(port, baud, parity, ear, ear.best(), None, adapter))
    return bool(ear.best())


async def _configured(
    port: Port, baud: int, parity: Parity, idcodes: Sequence[int], clock: Clock
) -> tuple[int, Setup] | None:
    """What a PMU says that it is. None: nobody answers."""
    heard: dict[int, Setup] = {}
    try:
        line = open_line(SerialLine(path=port.path, baud=baud, parity=parity), clock)
    except LinkError:
        return None
    try:
        await pmu.ask_line(line, list(idcodes), clock, heard)
    except LinkError:
        pass  # what was answered before it failed counts
    finally:
        line.close()
    return next(iter(heard.items()), None)


def _heard(
    port: Port,
    baud: int,
    parity: Parity,
    ear: Ear,
    best: str,
    setup: tuple[int, Setup] | None,
    adapter: str,
) -> Finding:
    """What was understood, as a source."""
    framing: dict[str, str | int] = {"baud": baud, "parity": parity}
    at = f"at {baud} baud, parity {parity}{adapter}"
    facts = {"baud": baud, "parity": parity, "frames": dict(ear.good)}
    if setup is not None:
        idcode, said = setup
        url = url_of("c37118+serial", port.path, {**framing, "idcode": idcode})
        one = pmu.finding_of(port.path, idcode, said, url)
        return Finding(
            *("c37118", port.path, f"{one.what}, {at}", url, one.name),
            {**one.facts, **facts},
            one.stream,
        )
    if best in ("c37118", "ieee1344"):
        (idcode, _), *others = ear.idcodes.most_common() or [(1, 0)]
        told = {**framing, "idcode": idcode} if best == "c37118" else framing
        several = f" and {len(others)} other IDCODEs" if others else ""
        protocol = "C37.118" if best == "c37118" else "IEEE 1344"
        what = f"{protocol}, IDCODE {idcode}{several}, {at}"
        url = url_of(f"{best}+serial", port.path, told)
        needs = "" if best == "c37118" else "its IDCODE"
        return Finding(best, port.path, what, url, f"pmu-{idcode}", facts, needs=needs)
    scheme = "ublox" if best == "ubx" or port.vendor == UBLOX_VENDOR else "nmea"
    version = ear.version
    facts["talkers"] = dict(ear.talkers)
    who = "u-blox receiver" if scheme == "ublox" else "NMEA receiver"
    if version is not None:
        who += f", {short(' '.join(version.extensions) or version.software)}"
    return Finding(
        *("receiver", port.path, f"{who}, {at}", url_of(scheme, port.path, framing), "gps", facts)
    )
