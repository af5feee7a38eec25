"""What linuxptp's `pmc` prints of a ptp4l on this machine, as facts.

    pmc -u -b 0 -s SOCKET 'GET TIME_STATUS_NP' 'GET PARENT_DATA_SET' ...    (QUERIES)

1. Bytes in, facts out; whatever the bytes, the only exception is FrameError: `empty` where nobody
   answered, `shape` where what should be a number is none, `length`.
2. Responses are taken by their name. One that is missing leaves its facts None: linuxptp of another
   version has more, or fewer.
3. What PTP states is a claim: offset is what the servo measures, the rest is what the grandmaster
   says of itself. Whether the path is symmetric, no message tells.

IEEE 1588-2019: data sets 8.2, clockClass Table 4, clockAccuracy Table 5, management 15.5.
linuxptp 3.1.1 (pmc.c, pmc(8)); 4.x prints the same, and more.

It runs nothing, and speaks no PTP.
"""

import re
from collections.abc import Mapping
from enum import Enum
from typing import Final, NamedTuple

from drivers.line import FrameError

QUERIES: Final = (
    "GET TIME_STATUS_NP",
    "GET PARENT_DATA_SET",
    "GET TIME_PROPERTIES_DATA_SET",
    "GET CURRENT_DATA_SET",
    "GET PORT_DATA_SET",
    "GET DEFAULT_DATA_SET",
    "GET PORT_PROPERTIES_NP",
)
ANSWER_BYTES_MAX = 65_536  # seven responses take 3 KiB; each port of a switch adds 400 bytes
PORTS_MAX = 64

_RESPONSE = re.compile(r"\t?([0-9a-f.-]+) seq \d+ RESPONSE MANAGEMENT ([A-Z0-9_]+)\s*")
_VALUE = re.compile(r"\s+([A-Za-z][\w.]*)\s+(\S.*)")
_IDENTITY = re.compile(r"[0-9a-f]{6}\.[0-9a-f]{4}\.[0-9a-f]{6}")
_INTEGER = re.compile(r"[+-]?\d{1,19}|0x[0-9a-f]{1,16}")
_DECIMAL = re.compile(r"([+-]?)(\d{1,15})(?:\.(\d{1,9}))?")

# IEEE 1588-2019 Table 5: the clock is within, ns, rounded up. 0x31 is more than 10 s, 0xFE unknown.
CLOCK_ACCURACY_NS: Final[Mapping[int, int]] = {
    **dict.fromkeys(range(0x17, 0x1E), 1),  # 1 ps to 1 ns
    0x1E: 3, 0x1F: 10, 0x20: 25, 0x21: 100, 0x22: 250,
    0x23: 1_000, 0x24: 2_500, 0x25: 10_000, 0x26: 25_000, 0x27: 100_000, 0x28: 250_000,
    0x29: 1_000_000, 0x2A: 2_500_000, 0x2B: 10_000_000, 0x2C: 25_000_000, 0x2D: 100_000_000,
    0x2E: 250_000_000, 0x2F: 1_000_000_000, 0x30: 10_000_000_000,
}  # fmt: skip

# IEC/IEEE 61850-9-3:2016 Table 1 (of IEEE 1588, annex on the peer delay mechanism): every second,
# by peer delay, three announces missed at most. C37.238-2017 has the same, in domain 254.
_P2P = 2
_SECOND = 0
_RECEIPT_TIMEOUT = 3
_POWER_DOMAINS = frozenset({*range(128), 254})


class PortState(Enum):
    """IEEE 1588-2019 Table 20, as linuxptp spells it."""

    INITIALIZING = "INITIALIZING"
    FAULTY = "FAULTY"
    DISABLED = "DISABLED"
    LISTENING = "LISTENING"
    PRE_MASTER = "PRE_MASTER"
    MASTER = "MASTER"
    PASSIVE = "PASSIVE"
    UNCALIBRATED = "UNCALIBRATED"
    SLAVE = "SLAVE"
    GRAND_MASTER = "GRAND_MASTER"
    OTHER = ""


class Profile(Enum):
    """Which profile the intervals and the delay mechanism are those of. No message that pmc prints
    names it: this is "looks like", from the port's own configuration.
    """

    UNKNOWN = "unknown"
    POWER_UTILITY = "IEC/IEEE 61850-9-3"
    OTHER = "other"


class TimeStatus(NamedTuple):
    """TIME_STATUS_NP, linuxptp's own."""

    offset_ns: int  # of this clock from its master
    ingress_ns: int  # when the last Sync was received, by this clock; 0: none yet
    present: bool  # gmPresent: there is a grandmaster, and it is not we
    grandmaster: str


class Parent(NamedTuple):
    """PARENT_DATA_SET, 8.2.3."""

    port: str
    grandmaster: str
    clock_class: int
    clock_accuracy: int
    variance: int  # offsetScaledLogVariance; 0xFFFF: not computed

    def accuracy_ns(self) -> int | None:
        """Table 5. None: worse than 10 s, or unknown."""
        return CLOCK_ACCURACY_NS.get(self.clock_accuracy)


class TimeProperties(NamedTuple):
    """TIME_PROPERTIES_DATA_SET, 8.2.4."""

    utc_offset_s: int  # TAI - UTC, where valid
    utc_offset_valid: bool
    leap59: bool
    leap61: bool
    ptp_timescale: bool  # TAI; else arbitrary: no bound from it
    time_traceable: bool
    frequency_traceable: bool
    time_source: int  # Table 6: 0x20 GNSS


class Current(NamedTuple):
    """CURRENT_DATA_SET, 8.2.2."""

    steps: int
    offset_ns: int
    path_delay_ns: int  # end to end; see Ptp.path_delay_ns


class Port(NamedTuple):
    """PORT_DATA_SET, 8.2.15."""

    identity: str
    state: PortState
    log_announce: int
    receipt_timeout: int
    log_sync: int
    delay_mechanism: int  # 1 end to end, 2 peer to peer
    log_pdelay: int
    peer_delay_ns: int


class Default(NamedTuple):
    """DEFAULT_DATA_SET, 8.2.1."""

    identity: str
    domain: int
    clock_class: int


class Ptp(NamedTuple):
    """All of one answer."""

    status: TimeStatus | None
    parent: Parent | None
    properties: TimeProperties | None
    current: Current | None
    default: Default | None
    ports: tuple[Port, ...]
    stamping: str = ""  # time_stamping of PORT_PROPERTIES_NP: SOFTWARE, HARDWARE, ...

    def following(self) -> bool:
        """Whether this clock measures itself by another one: a grandmaster is there, and a port
        listens to it. The offset counts then; how large it is, it says itself.

        A ptp4l that disciplines nothing (free_running) stays UNCALIBRATED for ever.
        """
        present = self.status is not None and self.status.present
        return present and any(port.state in _LISTENING for port in self.ports)

    def locked(self) -> bool:
        """Whether this ptp4l disciplines its clock by that one, and has it calibrated."""
        return self.following() and any(port.state is PortState.SLAVE for port in self.ports)

    def measures_phc(self) -> bool | None:
        """Whether what it measures is a NIC's clock (PHC), or else CLOCK_REALTIME: by software
        stamps it is the latter, whatever NICs there are. None: it does not say.
        """
        return self.stamping != "SOFTWARE" if self.stamping else None

    def path_delay_ns(self) -> int | None:
        """To the master, or with peer delay to the neighbour: linuxptp leaves meanPathDelay 0 then.

        None where none has been measured.
        """
        measured = [self.current.path_delay_ns] if self.current is not None else []
        measured += [port.peer_delay_ns for port in self.ports if port.state in _LISTENING]
        return next((delay_ns for delay_ns in measured if delay_ns), None)

    def traceable(self) -> bool:
        """Whether the grandmaster says that its time is traceable, on the PTP timescale, by a clock
        of class 6 (locked) or 7 (holdover within its specification): IEEE 1588-2019 Table 4.
        """
        if self.properties is None or self.parent is None:
            return False
        said = self.properties.time_traceable and self.properties.ptp_timescale
        return said and self.parent.clock_class in (6, 7)

    def profile(self) -> Profile:
        """Of the ports that are in use."""
        used = [port for port in self.ports if port.state not in _UNUSED]
        if not used or self.default is None:
            return Profile.UNKNOWN
        alike = self.default.domain in _POWER_DOMAINS and all(map(_as_power_utility, used))
        return Profile.POWER_UTILITY if alike else Profile.OTHER


_LISTENING = frozenset({PortState.UNCALIBRATED, PortState.SLAVE})
_UNUSED = frozenset({PortState.INITIALIZING, PortState.FAULTY, PortState.DISABLED})


def _as_power_utility(port: Port) -> bool:
    intervals = {port.log_announce, port.log_sync, port.log_pdelay}
    peer = port.delay_mechanism == _P2P
    return peer and intervals == {_SECOND} and port.receipt_timeout == _RECEIPT_TIMEOUT


def read(raw: bytes) -> Ptp:
    """What pmc has printed. Raises FrameError."""
    if len(raw) > ANSWER_BYTES_MAX:
        raise FrameError("length", f"pmc says more than {ANSWER_BYTES_MAX} bytes")
    found = _responses(raw.decode("ascii", "replace"))
    if not found:
        raise FrameError("empty", "ptp4l does not answer pmc")
    by_name: dict[str, Mapping[str, str]] = {}
    ports: list[Port] = []
    for name, values in found:
        if name == "PORT_DATA_SET" and len(ports) < PORTS_MAX:
            ports.append(_port(values))
        by_name.setdefault(name, values)
    return Ptp(
        _status(by_name.get("TIME_STATUS_NP")),
        _parent(by_name.get("PARENT_DATA_SET")),
        _properties(by_name.get("TIME_PROPERTIES_DATA_SET")),
        _current(by_name.get("CURRENT_DATA_SET")),
        _default(by_name.get("DEFAULT_DATA_SET")),
        tuple(ports),
        _stamping(by_name.get("PORT_PROPERTIES_NP")),
    )


def _responses(text: str) -> list[tuple[str, dict[str, str]]]:
    """Each response by name, with its lines. What pmc prints of itself is passed over."""
    found: list[tuple[str, dict[str, str]]] = []
    for line in text.splitlines():
        response = _RESPONSE.fullmatch(line)
        value = _VALUE.fullmatch(line)
        if response is not None:
            found.append((response[2], {}))
        elif value is not None and found and line.startswith("\t\t"):
            found[-1][1][value[1]] = value[2].strip()
        elif line.startswith("\t"):
            # An error response, or one that this version does not print: its lines are nobody's.
            found.append(("", {}))
    return [row for row in found if row[0] and row[1]]


Said = Mapping[str, str]


def _status(said: Said | None) -> TimeStatus | None:
    if said is None:
        return None
    return TimeStatus(
        *(_integer(said, "master_offset"), _integer(said, "ingress_time")),
        *(_word(said, "gmPresent") == "true", _identity(said, "gmIdentity")),
    )


def _parent(said: Said | None) -> Parent | None:
    if said is None:
        return None
    return Parent(
        *(_word(said, "parentPortIdentity"), _identity(said, "grandmasterIdentity")),
        *(_integer(said, "gm.ClockClass"), _integer(said, "gm.ClockAccuracy")),
        _integer(said, "gm.OffsetScaledLogVariance"),
    )


def _properties(said: Said | None) -> TimeProperties | None:
    if said is None:
        return None
    return TimeProperties(
        _integer(said, "currentUtcOffset"),
        *(_bit(said, "currentUtcOffsetValid"), _bit(said, "leap59"), _bit(said, "leap61")),
        *(_bit(said, "ptpTimescale"), _bit(said, "timeTraceable")),
        *(_bit(said, "frequencyTraceable"), _integer(said, "timeSource")),
    )


def _current(said: Said | None) -> Current | None:
    if said is None:
        return None
    return Current(
        *(_integer(said, "stepsRemoved"), _ns(said, "offsetFromMaster")),
        _ns(said, "meanPathDelay"),
    )


def _default(said: Said | None) -> Default | None:
    if said is None:
        return None
    return Default(
        *(_identity(said, "clockIdentity"), _integer(said, "domainNumber")),
        _integer(said, "clockClass"),
    )


def _port(said: Said) -> Port:
    state = _word(said, "portState")
    known = PortState(state) if state in PortState._value2member_map_ else PortState.OTHER
    return Port(
        *(_word(said, "portIdentity"), known),
        *(_integer(said, "logAnnounceInterval"), _integer(said, "announceReceiptTimeout")),
        *(_integer(said, "logSyncInterval"), _integer(said, "delayMechanism")),
        *(_integer(said, "logMinPdelayReqInterval"), _ns(said, "peerMeanPathDelay")),
    )


def _stamping(said: Said | None) -> str:
    """Of the first port: ptp4l has one mode for all."""
    return _word(said, "timestamping") if said is not None else ""


def _word(said: Said, name: str) -> str:
    text = said.get(name)
    if text is None:
        raise FrameError("shape", f"pmc prints no {name}")
    return text[:64]


def _identity(said: Said, name: str) -> str:
    text = _word(said, name)
    if _IDENTITY.fullmatch(text) is None:
        raise FrameError("shape", f"pmc: {name} {text!r} is no clock identity")
    return text


def _integer(said: Said, name: str) -> int:
    text = _word(said, name)
    if _INTEGER.fullmatch(text) is None:
        raise FrameError("shape", f"pmc: {name} {text!r} is no number")
    return int(text, 0) if text.startswith("0x") else int(text)


def _bit(said: Said, name: str) -> bool:
    return bool(_integer(said, name))


def _ns(said: Said, name: str) -> int:
    """A decimal number of ns, to the nearest (halves away from zero)."""
    found = _DECIMAL.fullmatch(_word(said, name))
    if found is None:
        raise FrameError("shape", f"pmc: {name} {said[name][:40]!r} is no number")
    whole = int(found[2]) + ((found[3] or "0")[0] >= "5")
    return -whole if found[1] == "-" else whole
