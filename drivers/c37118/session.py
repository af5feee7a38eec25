"""One conversation with one source: frames in, `Frame | Setup` out, commands to send.

1. Every good frame, of any type and either direction, is one Frame: configuration, header and
   command frames are evidence too. A configuration that says something new is a Setup first.
2. No frame is lost for want of a configuration. A data frame whose FRAMESIZE does not fit what
   rules is the truth, and the configuration the thing that is out of date: the stream is put under
   a bare Setup, the frame kept beneath it, and the configuration asked for.
3. A configuration change has three faces, all counted by name: announced (STAT bit 10 rises or
   falls), changed (a CFG of other content arrives), unannounced (rule 2).
4. CFG-2 and CFG-3 rule; CFG-1 states what a PMU could do, and rules only where nothing else does.
   A CFG-2 beside a ruling CFG-3 replaces it only when the two disagree on the data frame.
5. The peer can invent IDCODEs, fragments and garbage; streams, fragments and work are bounded.
6. Each IDCODE is a stream of its own, with its own configuration, from a file or from the line, and
   is asked for it by itself.
7. A stream whose ruling changes SETUPS_A_MINUTE_MAX times within a minute, as where two devices
   send under one IDCODE, stays bare for a minute (configuration_flapping). Its frames are all kept.

It opens nothing and waits for nothing; the clock comes in as `heard`.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from struct import Struct

from drivers.c37118.command import Command, encode_command
from drivers.c37118.configuration import CFG_TYPES
from drivers.c37118.frame import FrameType, Stamp, parse_header
from drivers.c37118.splitter import BAD_BYTES_MAX, Bad, Splitter, datagram
from drivers.c37118.stamp import message_quality
from drivers.c37118.station import Configuration
from drivers.c37118.stream import (
    DATA,
    DEVICE,
    INFO,
    UNKNOWN,
    Ruling,
    Stream,
    key_of,
    ruling,
    rulings,
)
from drivers.c37118.want import Want
from drivers.line import STREAMS_MAX, Frame, FrameError, Instant, Setup
from evidence.code import Flag
from evidence.leap import BUILT_IN, NS, LeapTable

# Setups of one stream within a minute. A substation's settings change a few times in an hour of
# commissioning; each change is two Setups.
SETUPS_A_MINUTE_MAX = 12
RETURN_FRAMES = 50  # in a row that fit the configuration on file, before it is believed again
_ASKS = {1: Command.SEND_CFG1, 2: Command.SEND_CFG2, 3: Command.SEND_CFG3}
_RANK = {FrameType.CFG1: 1, FrameType.CFG2: 2, FrameType.CFG3: 3}
_COMMAND_TIME_BASE = 1_000_000  # before the PMU's own is known
_DATA_SECOND_MAX = 0x0F  # a second SYNC byte up to this is a data frame's
_HEAD = Struct(">xBxxHII").unpack_from

Item = Frame | Setup
Rates = list[tuple[int, int]]  # frames, seconds


@dataclass(frozen=True, slots=True)
class Terms:
    """What the site says of a source."""

    idcode: int | None = None  # the one that is heard and asked
    commands: bool = True  # whether this side may ask
    configuration: bytes = b""  # CFG frames from a file: one (or the fragments of one) an IDCODE
    prefer: tuple[int, ...] = (3, 2, 1)  # which CFG to ask for, in turn
    time_bound_ns: int | None = None  # of the PMU's clock when locked, where its frames do not say
    simulated: bool = False
    idcodes: tuple[int, ...] = ()  # several, each a stream of its own
    # Neither, and no file: any IDCODE is heard, STREAMS_MAX at most.


class Session:
    """Feed it what the line brings. `counts` tells what happened, by name."""

    def __init__(self, terms: Terms, table: LeapTable = BUILT_IN) -> None:
        """Raises FrameError when the configuration on file is not one."""
        self._terms = terms
        self._table = table
        self._splitter = Splitter()
        self._streams: dict[int, Stream] = {}
        self.counts: Counter[str] = Counter()
        self._on_file = rulings(terms.configuration)
        stated = (terms.idcode,) if terms.idcode is not None else terms.idcodes
        # The IDCODEs that are heard and asked; none: whatever comes.
        self.idcodes: tuple[int, ...] = stated or tuple(self._on_file)
        self._wants = {idcode: Want(terms.commands) for idcode in self.idcodes}

    def begin(self) -> list[Setup]:
        """A Setup for each configuration on file."""
        return [self._new_stream(idcode).rule(found) for idcode, found in self._on_file.items()]

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
        return self.accept(self._splitter.flush(), heard)

    def accept(self, items: Iterable[bytes | Bad], heard: Instant) -> list[Item]:
        """Whole frames, CHK checked, as a Splitter or `splitter.whole` gives them."""
        out: list[Item] = []
        streams, append, new = self._streams, out.append, tuple.__new__
        for item in items:
            if type(item) is not bytes:
                append(self._bad(item, heard))  # type: ignore[arg-type]
                continue
            second, idcode, soc, word = _HEAD(item)
            stream = streams.get(idcode)
            if stream is None or second > _DATA_SECOND_MAX or len(item) != stream.size:
                self._uncommon(item, heard, out)
                continue
            stats, quality = stream.stats(item), word >> 24
            if (soc, quality, stats, second) != stream.shared and stream.restamp(
                soc, quality, stats, second
            ):
                self._want(idcode, "configuration_announced", heard)
            stream.talked = heard.tai
            fracsec = word & 0xFFFFFF
            if fracsec >= stream.time_base:
                append(stream.frame(item, heard))
                continue
            tai = stream.base + (fracsec * NS + stream.half) // stream.time_base
            # As Frame(...), without the cost of its keyword machinery: this is every sample.
            append(
                new(
                    Frame,
                    (stream.key, DATA, item, tai, stream.bound, DEVICE, stream.flags, heard, None),
                )
            )
        return out

    def _uncommon(self, raw: bytes, heard: Instant, out: list[Item]) -> None:
        """Everything but a data frame of a ruled stream."""
        header = parse_header(raw)
        stream = self._streams.get(header.idcode)
        if stream is None:
            fault = self._not_heard(header.idcode)
            if fault is not None:
                out.append(self._refused(raw, header.idcode, fault, heard))
                return
            stream = self._new_stream(header.idcode)
        if header.frame_type in CFG_TYPES:
            self._configured(stream, header.frame_type, raw, heard, out)
            return
        if not stream.stated:
            out.append(stream.bare(heard.tai))
        if header.frame_type is FrameType.DATA:
            stream.talked = heard.tai
            if not stream.takes(header):
                out.extend(self._unfit(stream, raw, heard))
        out.append(stream.frame(raw, heard))

    def _not_heard(self, idcode: int) -> FrameError | None:
        """Why frames of an IDCODE are not taken, or None when they are."""
        if self.idcodes and idcode not in self.idcodes:
            known = ", ".join(map(str, self.idcodes))
            return FrameError("unknown_idcode", f"IDCODE {idcode}, {known} expected")
        if len(self._streams) >= STREAMS_MAX:
            return FrameError("streams", f"IDCODE {idcode} after {STREAMS_MAX} others")
        return None

    def _unfit(self, stream: Stream, raw: bytes, heard: Instant) -> list[Setup]:
        """A data frame that nothing that rules fits: rule 2, and the way back to the file's."""
        if stream.ruling is not None:
            self._want(stream.idcode, "configuration_unannounced", heard)
            return [stream.bare(heard.tai)]
        on_file = self._on_file.get(stream.idcode)
        if self._terms.commands or on_file is None:
            return []
        stream.fits = stream.fits + 1 if len(raw) == on_file.layout.size else 0
        return self._rule(stream, on_file, heard) if stream.fits >= RETURN_FRAMES else []

    def _configured(
        self, stream: Stream, kind: FrameType, raw: bytes, heard: Instant, out: list[Item]
    ) -> None:
        try:
            complete = stream.collect(raw)
            found = ruling(complete) if complete is not None else None
        except FrameError as fault:
            out.append(self._refused(raw, stream.idcode, fault, heard))
            return
        if found is not None:
            self._set_wanted(stream.idcode, False)
            if _replaces(found, stream.ruling):
                self.counts["configuration_changed"] += stream.ruling is not None
                out.extend(self._rule(stream, found, heard))
        elif not stream.stated:
            out.append(stream.bare(heard.tai))
        out.append(stream.frame(raw, heard))

    def _rule(self, stream: Stream, found: Ruling, heard: Instant) -> list[Setup]:
        """What says that this configuration rules now; or that none does, for rule 7."""
        if not stream.held(heard.tai):
            if stream.setups_within(heard.tai) < SETUPS_A_MINUTE_MAX:
                return [stream.rule(found, heard.tai)]
            self.counts["configuration_flapping"] += 1
            stream.hold(heard.tai)
        self._set_wanted(stream.idcode, self._terms.commands)  # asked for when the minute is over
        return [stream.bare(heard.tai)] if stream.ruling is not None else []

    def _bad(self, bad: Bad, heard: Instant) -> Frame:
        key = key_of(self.idcodes[0]) if len(self.idcodes) == 1 else ""
        return Frame(key, DATA, bad.raw, heard.tai, None, UNKNOWN, 0, heard, bad.fault)

    def _refused(self, raw: bytes, idcode: int, fault: FrameError, heard: Instant) -> Frame:
        kind = DATA if parse_header(raw).frame_type is FrameType.DATA else INFO
        flags = int(Flag.AGENT_STAMPED)
        return Frame(key_of(idcode), kind, raw, heard.tai, None, UNKNOWN, flags, heard, fault)

    def _new_stream(self, idcode: int) -> Stream:
        terms = self._terms
        stream = Stream(idcode, self._table, terms.time_bound_ns, terms.simulated)
        self._streams[idcode] = stream
        return stream

    # --- what is asked

    def _want(self, idcode: int, event: str, heard: Instant) -> None:
        """At once, unless one was asked for just now: the peer must not set the pace of asks."""
        self.counts[event] += 1
        if self._terms.commands and idcode in self._wants:
            self._wants[idcode].arise(heard.tai)

    def _set_wanted(self, idcode: int, wanted: bool) -> None:
        if idcode in self._wants:
            self._wants[idcode].wanted = wanted

    def configured(self) -> bool:
        """Whether a configuration rules each stream that this side talks to."""
        return bool(self.idcodes) and not self.unknown()

    def unknown(self) -> list[int]:
        """The IDCODEs that this side talks to, and of which no configuration rules."""
        return [one for one, want in self._wants.items() if want.wanted or not self._ruled(one)]

    def _ruled(self, idcode: int) -> bool:
        own = self._streams.get(idcode)
        return own is not None and own.ruling is not None

    def rates(self) -> Rates:
        """The rates of all ruled streams."""
        rulings = [stream.ruling for stream in self._streams.values()]
        return [found.configuration.rate() for found in rulings if found is not None]

    def next_ask(self, now: Instant) -> bytes | None:
        """A command to send now for a configuration that is wanted; to be called until None."""
        for idcode, want in self._wants.items():
            own = self._streams.get(idcode)
            if own is not None and own.held(now.tai):
                continue
            turn = want.turn(now.tai, len(self._terms.prefer))
            if turn is not None:
                return self.ask(turn, now, idcode)
        return None

    def ask(self, turn: int, now: Instant, idcode: int | None = None) -> bytes:
        """The command for a configuration, of the types preferred, in turn."""
        prefer = self._terms.prefer
        return self.command(_ASKS[prefer[turn % len(prefer)]], now, idcode)

    def asks(self, turn: int, now: Instant) -> list[bytes]:
        """The same to each IDCODE of which no configuration rules yet."""
        return [self.ask(turn, now, idcode) for idcode in self.unknown()]

    def switch(self, on: bool, now: Instant) -> list[bytes]:
        """Data on or data off, to each IDCODE that this side talks to."""
        command = Command.DATA_ON if on else Command.DATA_OFF
        return [self.command(command, now, idcode) for idcode in self.idcodes]

    def resume(self, now: Instant, patience_s: Callable[[Rates], float]) -> list[bytes]:
        """Data on, to each IDCODE with a configuration that has sent no data for as long as
        `patience_s` says of its rate.
        """
        commands: list[bytes] = []
        for idcode in set(self.idcodes).difference(self.unknown()):
            stream = self._streams[idcode]
            rates = [stream.ruling.configuration.rate()] if stream.ruling is not None else []
            if stream.quiet(now.tai, int(patience_s(rates) * NS)):
                self.counts["data_asked_again"] += 1
                commands.append(self.command(Command.DATA_ON, now, idcode))
        return commands

    def command(self, command: Command, now: Instant, idcode: int | None = None) -> bytes:
        """A command frame to this IDCODE, or the session's own. Raises ValueError where it has
        none.
        """
        if idcode is None and not self.idcodes:
            raise ValueError("no IDCODE to send a command to")
        to = self.idcodes[0] if idcode is None else idcode
        own = self._streams.get(to)
        time_base = (own.time_base if own is not None else 0) or _COMMAND_TIME_BASE
        utc = self._table.utc_ns(now.tai)
        fracsec = utc % NS * time_base // NS
        quality = message_quality(now.bound)
        return encode_command(command, to, Stamp(utc // NS, fracsec, quality))


def _replaces(found: Ruling, ruled: Ruling | None) -> bool:
    """Rule 4."""
    if ruled is None:
        return True
    if found.content == ruled.content:
        return False
    new, old = found.configuration, ruled.configuration
    if _RANK[new.frame_type] >= _RANK[old.frame_type]:
        return True
    return new.frame_type is not FrameType.CFG1 and _frame_of(new) != _frame_of(old)


def _frame_of(configuration: Configuration) -> tuple[object, ...]:
    """All that shapes a data frame, and CFGCNT: what CFG-2 and CFG-3 must agree on."""
    return (
        configuration.time_base,
        configuration.data_rate,
        tuple(
            (
                station.idcode,
                station.format,
                len(station.phasors),
                len(station.analogs),
                len(station.digitals),
                station.cfgcnt,
            )
            for station in configuration.stations
        ),
    )
