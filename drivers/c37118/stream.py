"""One stream of a source: the configuration that rules it, and the stamping of its frames.

1. What is the same for all frames of one second (SOC, time quality, STAT, version) is worked out
   once; each further frame costs an addition. That is the path that every sample takes.
2. Without a ruling configuration there is no TIME_BASE, hence no instant: such frames are stamped
   by the gateway's clock and say so.
3. Fragments of a CFG-3 are collected in order and bounded; a break starts over.
4. When its Setups were given is known for a minute, so that the session can hold it bare.

It speaks to nobody: the conversation is session.py.
"""

from collections.abc import Callable
from struct import Struct
from typing import NamedTuple

from drivers import line
from drivers.c37118 import stamp
from drivers.c37118.configuration import (
    CONFIGURATION_BYTES_MAX,
    CONT_FIRST,
    CONT_LAST,
    CONT_ONLY,
    cont_idx,
    decode_configuration,
    in_fragments,
)
from drivers.c37118.data import Layout
from drivers.c37118.frame import (
    CHK_BYTES,
    HEAD_BYTES,
    VERSION_2024,
    FrameType,
    Header,
    parse_header,
)
from drivers.c37118.station import Configuration
from drivers.line import Frame, Instant, Setup
from evidence.code import Flag, Kind, TimeSource
from evidence.descriptor import BLOCKS_MAX, CHANNELS_MAX
from evidence.leap import NS, LeapTable

DATA = int(Kind.C37118)
INFO = int(Kind.C37118_INFO)
DEVICE = int(TimeSource.DEVICE)
UNKNOWN = int(TimeSource.UNKNOWN)
HOLD_NS = 60 * NS  # how long Setups are counted, and a stream that has too many is held bare
NO_SIZE = -1  # of a data frame, while no configuration rules


class Ruling(NamedTuple):
    """A configuration as it arrived, read and compiled."""

    raw: bytes
    configuration: Configuration
    layout: Layout
    content: bytes  # all of it that is not time or CHK: two frames that say the same are the same


def ruling(raw: bytes) -> Ruling:
    """Reads one CFG frame, or the fragments of a CFG-3. Raises FrameError.

    One that no descriptor could state is refused: its frames stay under a bare Setup.
    """
    configuration = decode_configuration(raw)
    layout = Layout(configuration)
    channels = sum(len(layout.channels(block)) for block in range(len(configuration.stations)))
    if len(configuration.stations) > BLOCKS_MAX or channels > CHANNELS_MAX:
        found = f"{len(configuration.stations)} PMUs, {channels} channels"
        text = f"{found}; at most {BLOCKS_MAX} and {CHANNELS_MAX} can be stated"
        raise line.FrameError("too_many_channels", text)
    parts, at = [raw[1:2], configuration.idcode.to_bytes(2, "big")], 0
    while at < len(raw):
        size = parse_header(raw[at:]).size
        parts.append(raw[at + HEAD_BYTES : at + size - CHK_BYTES])
        at += size
    return Ruling(raw, configuration, layout, b"".join(parts))


def rulings(content: bytes) -> dict[int, Ruling]:
    """The configurations of a file, by IDCODE: CFG frames one after the other, the fragments of a
    CFG-3 in order. Raises FrameError, also for two of one IDCODE.
    """
    found: dict[int, Ruling] = {}
    for raw in _apart(content):
        one = ruling(raw)
        idcode = one.configuration.idcode
        if idcode in found:
            raise line.FrameError("shape", f"two configurations of IDCODE {idcode}")
        if len(found) >= line.STREAMS_MAX:
            raise line.FrameError("streams", f"IDCODE {idcode} after {line.STREAMS_MAX} others")
        found[idcode] = one
    return found


def _apart(content: bytes) -> list[bytes]:
    """Frames, with the fragments of one CFG-3 kept together."""
    parts: list[bytes] = []
    at, going_on = 0, False
    while at < len(content):
        header = parse_header(content[at:])
        raw = content[at : at + header.size]
        index = cont_idx(raw) if in_fragments(header) else CONT_ONLY
        if going_on:
            parts[-1] += raw
        else:
            parts.append(raw)
        going_on = index not in (CONT_ONLY, CONT_LAST)
        at += header.size
    return parts


def key_of(idcode: int) -> str:
    """The stream key of an IDCODE."""
    return f"idcode={idcode}"


class Stream:
    """State of one IDCODE. `size` and `stamped` are what the session's fast path reads."""

    __slots__ = (
        "_fragments",
        "_held_tai",
        "_locked_bound_ns",
        "_plain_flags",
        "_setups",
        "_table",
        "base",
        "bound",
        "changing",
        "fits",
        "flags",
        "half",
        "idcode",
        "key",
        "ruling",
        "shared",
        "size",
        "stated",
        "stats",
        "talked",
        "time_base",
    )

    def __init__(
        self, idcode: int, table: LeapTable, locked_bound_ns: int | None, simulated: bool
    ) -> None:
        self.idcode = idcode
        self.key = key_of(idcode)
        self._table = table
        self._locked_bound_ns = locked_bound_ns
        self._plain_flags = int(Flag.SIMULATED) if simulated else 0
        self._fragments: list[bytes] = []
        self._setups: list[int] = []  # when one was given, ns TAI, within the last HOLD_NS
        self._held_tai: int | None = None  # since when it is held bare
        self.changing = False  # STAT bit 10 as last heard
        self.talked: int | None = None  # ns TAI: when it last sent data, or was told to
        self.fits = 0  # data frames in a row that fit the configuration on file
        self.stated = False  # whether a Setup has been given for it
        self.ruling: Ruling | None = None
        self.size = NO_SIZE
        self.time_base, self.half = 0, 0
        self.stats: Callable[[bytes], tuple[int, ...]] = _no_stats
        # What one second's frames share: SOC, time quality, STATs, second SYNC byte; and what
        # follows.
        self.shared: tuple[int, int, tuple[int, ...], int] | None = None
        self.base = 0  # ns TAI of the second
        self.bound: int | None = None
        self.flags = 0

    def setups_within(self, tai: int) -> int:
        """How many Setups the HOLD_NS before this instant have seen."""
        # A clock that was set back makes some of them future: those count no more.
        self._setups = [given for given in self._setups if 0 <= tai - given < HOLD_NS]
        return len(self._setups)

    def hold(self, tai: int) -> None:
        """Bare from now on, for HOLD_NS."""
        self._held_tai = tai
        self._setups = []

    def held(self, tai: int) -> bool:
        """Whether it is to stay bare yet."""
        if self._held_tai is not None and not 0 <= tai - self._held_tai < HOLD_NS:
            self._held_tai = None
        return self._held_tai is not None

    def quiet(self, tai: int, patience_ns: int) -> bool:
        """Whether it has sent no data for that long. It has as long again from then on."""
        since = self.talked if self.talked is not None else tai
        if 0 <= tai - since < patience_ns:
            self.talked = since
            return False
        self.talked = tai
        return True

    def bare(self, tai: int) -> Setup:
        """No configuration rules, or none any more. The Setup that says so."""
        self._setups.append(tai)
        self.stated = True
        self.ruling = None
        self.size = NO_SIZE
        self.time_base = 0
        self.stats = _no_stats
        self.shared = None
        return Setup(self.key, DATA, b"", (0, 0), ())

    def rule(self, found: Ruling, tai: int | None = None) -> Setup:
        """This configuration rules from here on. `tai`: none before anything is heard."""
        if tai is not None:
            self._setups.append(tai)
        self.stated = True
        self.ruling = found
        # The fast path is of versions 1 and 2: see `takes`.
        version_3 = found.configuration.version == VERSION_2024
        self.size = NO_SIZE if version_3 else found.layout.size
        self.time_base = found.configuration.time_base
        self.half = self.time_base // 2
        self.stats = _stats_reader(found.layout)
        self.shared = None
        self.fits = 0
        return setup_of(self.key, found)

    def restamp(self, soc: int, time_quality: int, stats: tuple[int, ...], second: int) -> bool:
        """Works out what one second's frames share. Whether STAT bit 10 has changed."""
        start = stamp.second(soc, time_quality, self._table)
        claim = stamp.claim(time_quality, stats, second & 0x0F, self._locked_bound_ns)
        self.base = start.tai
        self.flags = claim.flags | start.flags | self._plain_flags
        self.bound = claim.bound if start.vouched() else None
        self.shared = (soc, time_quality, stats, second)
        changing = any(stat & stamp.STAT_CONFIG_CHANGE for stat in stats)
        changed, self.changing = changing != self.changing, changing
        return changed

    def frame(self, raw: bytes, heard: Instant) -> Frame:
        """A good frame of any type, off the fast path."""
        header = parse_header(raw)
        is_data = header.frame_type is FrameType.DATA
        kind = DATA if is_data else INFO
        usable = header.fracsec < self.time_base and header.frame_type is not FrameType.COMMAND
        if not usable:
            # A command is stamped by whoever asks, not by the device that this stream measures.
            flags = self._plain_flags | int(Flag.AGENT_STAMPED)
            return Frame(self.key, kind, raw, heard.tai, heard.bound, UNKNOWN, flags, heard)
        start = stamp.second(header.soc, header.time_quality, self._table)
        stats = self.stats(raw) if is_data and len(raw) == self.size else ()
        claim = stamp.claim(header.time_quality, stats, header.version, self._locked_bound_ns)
        tai = start.tai + stamp.fraction_ns(header.fracsec, self.time_base)
        flags = claim.flags | start.flags | self._plain_flags
        bound = claim.bound if start.vouched() else None
        return Frame(self.key, kind, raw, tai, bound, DEVICE, flags, heard)

    def takes(self, header: Header) -> bool:
        """Whether a data frame is one that the ruling configuration describes."""
        if self.ruling is None or header.size != self.ruling.layout.size:
            return False
        version_3 = self.ruling.configuration.version == VERSION_2024
        return version_3 is (header.version == VERSION_2024)

    def collect(self, raw: bytes) -> bytes | None:
        """A CFG frame: the configuration that it completes, or None while fragments are missing."""
        if not in_fragments(parse_header(raw)):
            return raw
        index = cont_idx(raw)
        if index == CONT_ONLY:
            self._fragments = []
            return raw
        if index == CONT_FIRST:
            self._fragments = []
        elif index not in (CONT_LAST, len(self._fragments) + 1) or not self._fragments:
            self._fragments = []
            return None
        if sum(map(len, self._fragments)) + len(raw) > CONFIGURATION_BYTES_MAX:
            self._fragments = []
            raise line.FrameError("frame_size", f"fragments beyond {CONFIGURATION_BYTES_MAX} bytes")
        self._fragments.append(raw)
        if index != CONT_LAST:
            return None
        joined, self._fragments = b"".join(self._fragments), []
        return joined


def _no_stats(_: bytes) -> tuple[int, ...]:
    return ()


def _stats_reader(layout: Layout) -> Callable[[bytes], tuple[int, ...]]:
    """One struct that reads every STAT of a frame and skips the rest."""
    codes, at = [], 0
    for offset in layout.stat_offsets:
        codes.append(f"{offset - at}xH")
        at = offset + 2
    return Struct(">" + "".join(codes)).unpack_from


def setup_of(key: str, found: Ruling) -> Setup:
    """The Setup of a configuration, in the device's own words."""
    configuration, layout = found.configuration, found.layout
    cfg3 = configuration.frame_type is FrameType.CFG3
    blocks = tuple(
        line.Block(
            station.name,
            station.idcode,
            station.service_class,
            station.window_us if cfg3 else None,
            station.group_delay_us if cfg3 else None,
            layout.channels(number),
            station.position(),
        )
        for number, station in enumerate(configuration.stations)
    )
    return Setup(key, DATA, found.raw, configuration.rate(), blocks)
