"""One stream of a PMU, or of a concentrator, as COMTRADE: IEEE C37.111-2013 (IEC 60255-24), .cfg
and .dat in binary float32, and a .hdr that says what it is.

C37.111 is for waveforms. What is made of phasors here:

1. A row is a frame, with its own instant; frames that are missing are missing, and nothing is put
   in their place. Where all stand on the grid of the stream's rate, the rate is stated (nrates 1);
   else nrates is 0, and the time stamps alone count (7.4.7, 8.4).
2. A phasor is two analog channels, "NAME mag" in V or A and "NAME ang" in rad, r.m.s. and primary
   as the frame says; of one that was sent rectangular both are computed (record.reconstruct.angle).
   FREQ, DFREQ and analogs are one each. a is 1 and b is 0: the number in the file is the value. A
   value that the device did not give is NaN, which nobody takes for a measurement.
3. STAT and each digital word are 16 status channels, bit 0 first, as 8.6 packs them. A word that is
   missing is 0: there is no mark for it (8.4).
4. Time stamps are UTC: time_code and local_code 0 (7.4.11). They count from the earliest frame in
   microseconds, times `timemult` where the interval is longer than 32 bits of them. An inserted
   leap second counts, so a difference of stamps is a duration; a record that begins within one is
   counted from before it, for readers know no second 60. Rows stand in the order in which they were
   sealed, also where a device's clock went back.
5. tmq_code (7.4.12: the codes of C37.118) is that of the widest bound of all rows, F where nobody
   states one. 0, "locked", names no figure and is never written: the .hdr tells who was locked.
6. Texts end no field, no line and no limit of length; what is simulated says so in the first line.

It judges no value: what a frame is worth is in timeline.csv and in the receipts.
"""

import math
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count
from operator import itemgetter, sub
from typing import Any, NamedTuple

from drivers.c37118 import wire as c37118
from drivers.ieee1344 import wire as ieee1344
from drivers.values import Compiled, Slot, Value, Values
from evidence import instant
from evidence.code import Flag, Kind
from evidence.layout import Quality
from evidence.leap import BUILT_IN, NS
from record.channel import channels_of
from record.known import KnownDescriptor
from record.reconstruct.angle import polar
from record.reconstruct.words import bounded, marks, named, plain, slug, uuid

KINDS = frozenset({Kind.C37118, Kind.IEEE1344, Kind.MCU_C37118})
# C37.111-2013 7.4.2, 7.4.4: of station and device, of a channel, of its phase, of its unit.
STATION_CHARS_MAX, CHANNEL_CHARS_MAX, PHASE_CHARS_MAX, UNIT_CHARS_MAX = 64, 64, 2, 32
NO_UNIT = "NONE"  # 7.4.4: a unit has one character at least
HEADER_CHARS_MAX = 4096  # of a line of the .hdr, for people
TICKS_MAX = (1 << 32) - 2  # of a time stamp: 0xFFFFFFFF says that it is missing (8.6)
FLOAT_MAX = 3.4028234663852886e38
LEAST, MOST = "-3.4028235E38", "3.4028235E38"  # of what a channel may have, in 13 characters (8.4)
TICK_MASK = (1 << 32) - 1
WORD_BITS = 16
_US = 1000  # ns
_TICK = struct.Struct("<I")
_WORDS = ("stat", "digital")
# C37.118.2-2011 Table 4 (MSG_TQ): the bound in ns that each code stands for.
_CODES = tuple((10**power, f"{power + 1:X}") for power in range(11))
_UNRELIABLE = "F"
# Of a sheet: what follows from its stream, and rows do not change.
_FIXED = frozenset(
    ("known", "mult", "_rectangular", "_pick", "_struct", "_analog", "_analog_rows", "_word_rows")
)
State = dict[str, Any]


class _Row(NamedTuple):
    """One channel of the .cfg. `slot`: what gives it."""

    name: str
    phase: str
    bus: str
    unit: str


class Sheet:
    """One stream under one descriptor, from `begins` to before `ends`, ns TAI."""

    def __init__(self, known: KnownDescriptor, frames: Compiled, span: tuple[int, int]) -> None:
        self.known = known
        rectangular, analog, words = _places(frames.slots)
        self._rectangular = rectangular
        self._pick = _picker((*analog, *words))
        self._struct = struct.Struct(f"<II{len(analog)}f{len(words)}H")
        self._analog = len(analog)
        # With room for a record that is counted from before an inserted second.
        self.mult = max(-(-(span[1] - span[0] + 2 * NS) // (_US * TICKS_MAX)), 1)
        self.count, self._base, self._last = 0, 0, 0
        self._least, self._back = 0, 0
        self._regular = True
        self._quality: Quality | None = None
        self._widest: int | None = 0
        self._locked, self._flags = True, 0
        self._analog_rows, self._word_rows = _described(known, frames.slots, analog, words)
        self._rate = known.descriptor.rate

    @property
    def name(self) -> str:
        """Of its files, without what says which of them."""
        run, stream = self.known.run, named(self.known)
        parts = (slug(run.credential.subject), slug(stream), self.known.name.hex()[:16])
        return f"comtrade/{'-'.join(parts)}"

    @property
    def state(self) -> State:
        """All that rows change: it, and what `rows` gave, are what there is of them."""
        return {name: value for name, value in vars(self).items() if name not in _FIXED}

    @state.setter
    def state(self, state: State) -> None:
        vars(self).update(state)

    def rows(self, tais: Sequence[int], quality: Quality, values: Sequence[Values]) -> bytes:
        """Rows of the .dat, of one quality, as many as values."""
        if not self.count:
            self._base = tais[0] // _US * _US
        if quality != self._quality:
            self._note(quality)
        half, step = _US * self.mult // 2 - self._base, _US * self.mult
        ticks = [(tai + half) // step for tai in tais]
        first, self.count = self.count, self.count + len(values)
        self._last = max(self._last, tais[-1])
        if self._regular:
            frames, seconds = self._rate
            a_second, of = seconds * 1_000_000, frames * self.mult
            due = [number * a_second // of for number in range(first, self.count)]
            self._regular = max(map(abs, map(sub, ticks, due))) <= 1
        if self._rectangular:
            values = [self._turned(one) for one in values]
        pack, pick = self._struct.pack, self._pick
        try:
            return b"".join(
                [
                    pack(number, tick, *pick(one))
                    for number, tick, one in zip(count(first + 1), ticks, values, strict=False)
                ]
            )
        except (struct.error, OverflowError, TypeError):
            self._least = min(self._least, *ticks)
            self._back += sum(tick < 0 for tick in ticks)
            return b"".join(
                pack(number, tick & TICK_MASK, *self._fitted(pick(one)))
                for number, tick, one in zip(count(first + 1), ticks, values, strict=False)
            )

    def data(self, rows: Iterable[bytes]) -> Iterator[bytes]:
        """The .dat, of all that `rows` gave, cut anywhere; after the last row."""
        shift = self._shift()
        if not shift:
            yield from rows
            return
        size, held = self._struct.size, b""
        for piece in rows:
            held += piece
            whole = bytearray(held[: len(held) // size * size])
            held = held[len(whole) :]
            for at in range(_TICK.size, len(whole), size):
                (tick,) = _TICK.unpack_from(whole, at)
                _TICK.pack_into(whole, at, (tick + shift) & TICK_MASK)
            yield bytes(whole)

    def cfg(self) -> bytes:
        """The whole .cfg; after the last row."""
        run = self.known.run.credential
        mark = "".join(f" {word}" for word in marks(self._flags))
        device = f" {self.known.name.hex()[:16]}{mark}"
        device = _plain(named(self.known), STATION_CHARS_MAX - len(device)) + device
        analog = [
            f"{number},{row.name},{row.phase},{row.bus},{row.unit},1,0,0,{LEAST},{MOST},1,1,P"
            for number, row in enumerate(self._analog_rows, 1)
        ]
        status = [
            f"{number},{row.name},{row.phase},{row.bus},0"
            for number, row in enumerate(self._word_rows, 1)
        ]
        regular = self._regular and not self._shift()
        rate = f"{_number(self._rate)},{self.count}" if regular else f"0,{self.count}"
        lines = [
            f"{_plain(f'{run.issuer} {run.subject}', STATION_CHARS_MAX)},{device},2013",
            f"{len(analog) + len(status)},{len(analog)}A,{len(status)}D",
            *analog,
            *status,
            _nominal(self.known),
            "1" if regular else "0",
            rate,
            *[_stamp(self._begins())] * 2,
            "FLOAT32",
            str(self.mult),
            "0,0",
            f"{_code(self._widest)},{self._leap()}",
        ]
        return "".join(f"{line}\r\n" for line in lines).encode()

    def hdr(self, first_idx: int, last_idx: int) -> bytes:
        """The .hdr: where it comes from, for people."""
        run = self.known.run
        lines = [
            *(f"{word.upper()}: the device or its gateway says so." for word in marks(self._flags)),
            f"Gateway {run.credential.subject} of {run.credential.issuer}, run {run.name.hex()}",
            f"Stream {self.known.descriptor.stream} ({named(self.known)}), descriptor"
            f" {self.known.name.hex()}",
            f"{self.count} frames, {instant.words(self._base + self._least * _US * self.mult)} to"
            f" {instant.words(self._last)}, from entries {first_idx} to {last_idx} of the log",
            f"The clock that stamped them: {self._clock()}.",
            "Phasors, no waveforms: a phasor is two channels, mag (V or A) and ang (rad). NaN: the"
            " device gave no value. Time stamps are UTC.",
            "What each frame is worth is told in timeline.csv; whether it is in the log, by"
            " gridseal-record verify.",
        ]
        return "".join(f"{_plain(line, HEADER_CHARS_MAX)}\r\n" for line in lines).encode()

    # --- beneath ------------------------------------------------------------------------------

    def _note(self, quality: Quality) -> None:
        self._quality = quality
        bound, _, flags = quality
        self._flags |= flags
        self._locked &= bool(flags & Flag.LOCKED)
        known = self._widest is not None and bound is not None
        self._widest = max(self._widest or 0, bound or 0) if known else None

    def _clock(self) -> str:
        within = "no bound is stated for all of them"
        if self._widest is not None:
            within = f"within {bounded(self._widest)} of UTC at worst"
        locked = "locked throughout" if self._locked else "not locked, or not known to be, always"
        back = f"; {self._back} rows are of before the first" if self._back else ""
        return f"{within}, {locked}{back}"

    def _shift(self) -> int:
        """Ticks that all rows are later than they were written: none is before the first, and the
        first is in no inserted second."""
        shift, step = -self._least, _US * self.mult
        inserted = instant.words(self._base - shift * step)[17:19] == "60"
        return shift + (-(-2 * NS // step) if inserted else 0)

    def _begins(self) -> int:
        return self._base - self._shift() * _US * self.mult

    def _turned(self, values: Values) -> Values:
        turned = list(values)
        for at in self._rectangular:
            turned[at], turned[at + 1] = polar(_float(values[at]), _float(values[at + 1]))
        return tuple(turned)

    def _fitted(self, picked: Sequence[Value]) -> list[float | int]:
        """What no binary32 holds is infinite; what is no number is none."""
        fitted: list[float | int] = []
        for value in map(_float, picked[: self._analog]):
            beyond = math.isfinite(value) and abs(value) > FLOAT_MAX
            fitted.append(math.copysign(math.inf, value) if beyond else value)
        words = picked[self._analog :]
        return fitted + [word & 0xFFFF if isinstance(word, int) else 0 for word in words]

    def _leap(self) -> int:
        """7.4.12: 0 none, 1 inserted within the record, 2 taken out, 3 not known."""
        if self._flags & Flag.LEAP_UNKNOWN:
            return 3
        begins = self._begins()
        counted, lasted = BUILT_IN.utc_ns(self._last) - BUILT_IN.utc_ns(begins), self._last - begins
        return int(counted < lasted) or 2 * int(counted > lasted)


def _places(slots: Sequence[Slot]) -> tuple[list[int], list[int], list[int]]:
    """Where a rectangular phasor begins; the places that are analog channels; the words."""
    rectangular = [at for at, slot in enumerate(slots) if slot.part == "real"]
    words = [at for at, slot in enumerate(slots) if slot.quantity in _WORDS]
    return rectangular, [at for at in range(len(slots)) if at not in set(words)], words


def _picker(places: tuple[int, ...]) -> Callable[[Values], Sequence[Any]]:
    if len(places) == 1:
        return lambda values: (values[places[0]],)
    return itemgetter(*places) if places else lambda values: ()


def _described(
    known: KnownDescriptor, slots: Sequence[Slot], analog: Sequence[int], words: Sequence[int]
) -> tuple[list[_Row], list[_Row]]:
    channels, rows = channels_of(known, slots), known.descriptor.channels
    many = len(known.descriptor.blocks) > 1

    def row(at: int, more: str, unit: str) -> _Row:
        of = None if (place := channels[at]) is None else rows[place]
        name = f"{slots[at].block + 1}:{slots[at].name}" if many else slots[at].name
        phase, bus = (of.phase, uuid(of.node)) if of is not None else ("", "")
        return _Row(
            _plain(name, CHANNEL_CHARS_MAX - len(more)) + more,
            *(_plain(phase, PHASE_CHARS_MAX), bus),
            _plain(unit, UNIT_CHARS_MAX) or NO_UNIT,
        )

    ends = {"magnitude": " mag", "angle": " ang", "real": " mag", "imaginary": " ang"}
    of_analog = [
        row(
            at - (slots[at].part in ("angle", "imaginary")),
            ends.get(slots[at].part, ""),
            "rad" if slots[at].part in ("angle", "imaginary") else slots[at].unit,
        )
        for at in analog
    ]
    of_words = [row(at, f" {bit}", "") for at in words for bit in range(WORD_BITS)]
    return of_analog, of_words


def _code(bound: int | None) -> str:
    if bound is None:
        return _UNRELIABLE
    return next((code for limit, code in _CODES if bound <= limit), _UNRELIABLE)


def _nominal(known: KnownDescriptor) -> str:
    """The nominal frequency, Hz, as the configuration has it; empty where its devices differ: the
    field is not critical (7.4.6)."""
    raw = known.configuration or b""
    if known.descriptor.kind == Kind.IEEE1344:
        return str(ieee1344.decode_configuration(raw).nominal_hz)
    found = {one.nominal_hz for one in c37118.decode_configuration(raw).stations}
    return str(found.pop()) if len(found) == 1 else ""


def _number(rate: tuple[int, int]) -> str:
    frames, seconds = rate
    return str(frames // seconds) if frames % seconds == 0 else f"{frames / seconds:.9g}"


def _stamp(tai: int) -> str:
    """7.4.8: dd/mm/yyyy,hh:mm:ss.ssssss."""
    day, _, time = instant.words(tai).rstrip("Z").partition("T")
    whole, _, part = time.partition(".")
    return f"{day[8:10]}/{day[5:7]}/{day[:4]},{whole}.{part.ljust(6, '0')}"


def _plain(text: str, chars_max: int) -> str:
    """Text that ends no field and no line (4.4: the comma is the delimiter)."""
    return plain(text).replace(",", " ")[:chars_max].strip()


def _float(value: Value) -> float:
    return float(value) if isinstance(value, int | float) else math.nan


def files_of(
    sheet: Sheet, indexes: tuple[int, int], data: Iterator[bytes]
) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Its files, by name."""
    yield f"{sheet.name}.cfg", iter([sheet.cfg()])
    yield f"{sheet.name}.dat", sheet.data(data)
    yield f"{sheet.name}.hdr", iter([sheet.hdr(*indexes)])
