"""One conversation with one PMU: frames in, `Frame | Setup` out, commands to send.

1. Every good frame, of any type and either direction, is one Frame. A configuration that says
   something new is a Setup first.
2. Data frames bear no IDCODE: one line is one PMU, and one stream.
3. A data frame of another length than the ruling configuration's is the truth, and the
   configuration what is out of date: the stream is put under a bare Setup, and the configuration
   asked for.
4. While samples a second are not known (sampling.py), data frames wait for the next ones that tell:
   HELD_MAX of them, then they go on stamped by the gateway, as those do of which nobody knows.
5. The instant is the device's where SOC, SMPCNT and samples a second say it. It has a bound where
   the site states one for a clock that is locked, STATUS says that it is, and samples a second are
   sure. A second before 1970, which SOC can say, is no instant.

It opens nothing and waits for nothing; the clock comes in as `heard`.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from drivers.c37118.splitter import BAD_BYTES_MAX, Bad
from drivers.c37118.stamp import second
from drivers.c37118.want import Want
from drivers.ieee1344.configuration import (
    CONFIGURATION_BYTES_MAX,
    Configuration,
    decode_configuration,
)
from drivers.ieee1344.data import Layout
from drivers.ieee1344.frame import (
    CHK_BYTES,
    HEAD_BYTES,
    NOT_FIRST,
    NOT_LAST,
    FrameType,
    Header,
    build_command,
    parse_header,
)
from drivers.ieee1344.judge import STATUS_NOT_SYNCHRONISED
from drivers.ieee1344.sampling import Sampling
from drivers.ieee1344.splitter import Splitter, datagram
from drivers.line import Block, Frame, FrameError, Instant, Setup
from evidence.code import Flag, Kind, TimeSource
from evidence.descriptor import CHANNELS_MAX
from evidence.leap import BUILT_IN, NS, LeapTable

DATA, INFO = int(Kind.IEEE1344), int(Kind.IEEE1344_INFO)
DEVICE, UNKNOWN = int(TimeSource.DEVICE), int(TimeSource.UNKNOWN)
KEY = "pmu"
HELD_MAX = 8  # two seconds of the slowest PMU that sends two frames a second
SETUPS_A_MINUTE_MAX = 12  # as C37.118's session: beyond it the stream stays bare for the minute
MINUTE_NS = 60 * NS
IDCODE_MAX = (1 << 16) - 1  # of a Block; a larger one stands in the configuration alone

DATA_OFF, DATA_ON, SEND_CFG1, SEND_CFG2 = 1, 2, 4, 5
_ASKS = (SEND_CFG2, SEND_CFG1)

Item = Frame | Setup


@dataclass(frozen=True, slots=True)
class Terms:
    """What the site says of a source."""

    idcode: int | None = None  # whom to ask; needed for commands
    commands: bool = True
    configuration: bytes = b""  # from a file
    time_bound_ns: int | None = None  # of the PMU's clock when it is synchronised
    samples_per_s: int | None = None
    simulated: bool = False


class Ruling(NamedTuple):
    """A configuration as it arrived, read and compiled."""

    raw: bytes
    configuration: Configuration
    layout: Layout


def ruling(raw: bytes) -> Ruling:
    """Reads one configuration, in one frame or in parts. Raises FrameError."""
    configuration = decode_configuration(raw)
    layout = Layout(configuration)
    if len(layout.channels()) > CHANNELS_MAX:
        text = f"{len(layout.channels())} channels; at most {CHANNELS_MAX} can be stated"
        raise FrameError("too_many_channels", text)
    return Ruling(raw, configuration, layout)


class Session:
    """Feed it what the line brings. `counts` tells what happened, by name."""

    def __init__(self, terms: Terms, table: LeapTable = BUILT_IN) -> None:
        """Raises FrameError when the configuration on file is none."""
        self._terms, self._table = terms, table
        self._splitter = Splitter()
        self._sampling = Sampling(terms.samples_per_s)
        self._want = Want(terms.commands)
        self._ruling: Ruling | None = None
        self._stated = False  # whether a Setup has been given
        self._setups: list[int] = []  # when, ns TAI, within the last minute
        self._parts: list[bytes] = []  # of a configuration
        self._held: list[tuple[bytes, Header, Instant]] = []
        self._plain = int(Flag.SIMULATED) if terms.simulated else 0
        self.counts: Counter[str] = Counter()
        self._on_file = ruling(terms.configuration) if terms.configuration else None
        known = self._on_file.configuration.idcode if self._on_file is not None else None
        self.idcode = terms.idcode if terms.idcode is not None else known

    def begin(self) -> list[Setup]:
        """The Setup of the configuration on file, where there is one."""
        return [self._rule(self._on_file)] if self._on_file is not None else []

    # --- what is heard

    def feed(self, data: bytes, heard: Instant) -> list[Item]:
        """Bytes of the line, as they came."""
        return self.accept(self._splitter.feed(data), heard)

    def datagram(self, data: bytes, heard: Instant, fault: FrameError | None = None) -> list[Item]:
        """One datagram: a frame, or several. With a fault it is none, whatever it says."""
        items = datagram(data) if fault is None else [Bad(data[:BAD_BYTES_MAX], fault)]
        return self.accept(items, heard)

    def flush(self, heard: Instant) -> list[Item]:
        """The line has ended: what was begun and never completed."""
        return self.accept(self._splitter.flush(), heard) + self._let_go()

    def accept(self, items: Iterable[bytes | Bad], heard: Instant) -> list[Item]:
        """Whole frames, CHK checked, as a Splitter or `splitter.whole` gives them."""
        out: list[Item] = []
        for item in items:
            if isinstance(item, Bad):
                out.append(
                    Frame(KEY, DATA, item.raw, heard.tai, None, UNKNOWN, 0, heard, item.fault)
                )
                continue
            header = parse_header(item)
            if header.frame_type is FrameType.DATA:
                self._data(item, header, heard, out)
            elif header.frame_type is FrameType.CONFIGURATION:
                self._configured(item, header, heard, out)
            else:
                self._bare_first(heard, out)
                out.append(self._frame(item, header, heard))
        return out

    def _data(self, raw: bytes, header: Header, heard: Instant, out: list[Item]) -> None:
        self._bare_first(heard, out)
        if self._ruling is not None and len(raw) != self._ruling.layout.size:
            self.counts["configuration_unannounced"] += 1
            out += self._let_go()
            out.append(self._bare(heard.tai))
            if self._terms.commands:
                self._want.arise(heard.tai)
        if self._ruling is None:
            out.append(self._frame(raw, header, heard))
            return
        self._sampling.hear(header.soc, header.sample)
        self._held.append((raw, header, heard))
        needed = any(held.sample for _, held, _ in self._held)
        if not needed or self._sampling.per_s is not None or len(self._held) > HELD_MAX:
            out += self._let_go()

    def _configured(self, raw: bytes, header: Header, heard: Instant, out: list[Item]) -> None:
        out += self._let_go()
        try:
            complete = self._collect(raw, header)
            found = ruling(complete) if complete is not None else None
            if found is not None and self.idcode not in (None, found.configuration.idcode):
                text = f"IDCODE {found.configuration.idcode}, {self.idcode} expected"
                raise FrameError("unknown_idcode", text)
        except FrameError as fault:
            out.append(self._frame(raw, header, heard)._replace(fault=fault))
            return
        if found is not None:
            self._want.wanted = False
            if self._ruling is None or found.configuration != self._ruling.configuration:
                self.counts["configuration_changed"] += self._ruling is not None
                if self._setups_within(heard.tai) < SETUPS_A_MINUTE_MAX:
                    self._setups.append(heard.tai)
                    out.append(self._rule(found))
                else:
                    self.counts["configuration_flapping"] += 1
                    self._want.wanted = self._terms.commands  # one of them may stay
                    if self._ruling is not None:
                        out.append(self._bare(heard.tai))
        self._bare_first(heard, out)
        out.append(self._frame(raw, header, heard))

    def _collect(self, raw: bytes, header: Header) -> bytes | None:
        """The configuration that this frame completes, or None while parts are missing."""
        if not header.sample & NOT_FIRST:
            self._parts = []
        elif not self._parts:
            return None
        if sum(map(len, self._parts)) + len(raw) > CONFIGURATION_BYTES_MAX:
            self._parts = []
            raise FrameError("frame_size", f"parts beyond {CONFIGURATION_BYTES_MAX} bytes")
        self._parts.append(raw)
        if header.sample & NOT_LAST:
            return None
        joined, self._parts = b"".join(self._parts), []
        return joined

    def _let_go(self) -> list[Item]:
        """The data frames that waited, with what is known now."""
        held, self._held = self._held, []
        return [self._frame(raw, header, heard) for raw, header, heard in held]

    def _frame(self, raw: bytes, header: Header, heard: Instant) -> Frame:
        """A good frame of any type, with the instant that it claims: rule 5."""
        is_data = header.frame_type is FrameType.DATA
        kind = DATA if is_data else INFO
        offset_ns: int | None = None
        if is_data and self._ruling is not None and header.soc >= 0:
            offset_ns = self._sampling.offset_ns(header.sample)
        if offset_ns is None:
            # Files bear the second of their sending, and a command the asker's: neither measures.
            flags = self._plain | int(Flag.AGENT_STAMPED)
            return Frame(KEY, kind, raw, heard.tai, heard.bound, UNKNOWN, flags, heard)
        start = second(header.soc, 0, self._table)
        flags, bound = start.flags | self._plain, None
        if not header.status & STATUS_NOT_SYNCHRONISED:
            flags |= int(Flag.LOCKED | Flag.TRACEABLE)
            if start.vouched() and self._sampling.sure(header.sample):
                bound = self._terms.time_bound_ns
        return Frame(KEY, kind, raw, start.tai + offset_ns, bound, DEVICE, flags, heard)

    # --- what rules

    def _rule(self, found: Ruling) -> Setup:
        self._stated, self._ruling = True, found
        configuration = found.configuration
        self._sampling.begin(configuration.rate())
        idcode = min(configuration.idcode, IDCODE_MAX)
        block = Block(configuration.name, idcode, "", None, None, found.layout.channels())
        return Setup(KEY, DATA, found.raw, configuration.rate(), (block,))

    def _bare(self, tai: int) -> Setup:
        self._setups.append(tai)
        self._stated, self._ruling = True, None
        return Setup(KEY, DATA, b"", (0, 0), ())

    def _bare_first(self, heard: Instant, out: list[Item]) -> None:
        if not self._stated:
            out.append(self._bare(heard.tai))

    def _setups_within(self, tai: int) -> int:
        self._setups = [given for given in self._setups if 0 <= tai - given < MINUTE_NS]
        return len(self._setups)

    # --- what is asked

    def rates(self) -> list[tuple[int, int]]:
        """The rate of the ruling configuration, if there is one."""
        return [self._ruling.configuration.rate()] if self._ruling is not None else []

    def unknown(self) -> list[int]:
        """The IDCODE, while a configuration of it is wanted, or none rules."""
        wanted = self.idcode is not None and (self._want.wanted or self._ruling is None)
        return [self.idcode] if wanted and self.idcode is not None else []

    def asks(self, turn: int, now: Instant) -> list[bytes]:
        """The command for a configuration, of both types in turn."""
        return [self._command(_ASKS[turn % len(_ASKS)], now)] if self.unknown() else []

    def next_ask(self, now: Instant) -> bytes | None:
        """What is to be asked for now, while data runs; to be called until None."""
        turn = self._want.turn(now.tai, len(_ASKS)) if self.idcode is not None else None
        return self._command(_ASKS[turn % len(_ASKS)], now) if turn is not None else None

    def switch(self, on: bool, now: Instant) -> list[bytes]:
        """The command for data on, or data off."""
        return [self._command(DATA_ON if on else DATA_OFF, now)] if self.idcode is not None else []

    def resume(self, now: Instant, patience_s: object) -> list[bytes]:
        """Nobody: of one PMU, the line tells that it is silent."""
        return []

    def _command(self, command: int, now: Instant) -> bytes:
        return build_command(command, self.idcode or 0, self._table.utc_ns(now.tai) // NS)


def header_text(raw: bytes) -> str:
    """The text of a whole header frame, or of one part of it."""
    return raw[HEAD_BYTES:-CHK_BYTES].decode("utf-8", "surrogateescape")
