"""All streams of one interface: frames in, `Frame | Setup` out.

1. A stream is a source address, an APPID, the svIDs of a frame, and the simulation bit: a test set
   that sends under a merging unit's svID is a stream of its own, and so are two merging units under
   one.
2. A stream says nothing until the samples a second are known: configured, stated by its frames
   (smpRate), or learned by the counter's return to 0. What is heard meanwhile is held and follows
   its Setup; after LEARN_NS it is let go, by a guess or without a rate.
3. A counter that contradicts the rate makes it be learned anew, and frames of another data set
   make that rule. Of one stream this happens RULINGS_A_MINUTE_MAX times a minute at most; then what
   rules stays for that minute.
4. A frame that is none is a Frame with its fault. One that nobody asked for is counted, and costs a
   comparison.
5. Streams, shapes of frames and held frames are bounded, whatever is sent.

It opens nothing and waits for nothing; the clock comes in as `heard`, and with `tick`.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from drivers.ethernet.frame import TYPE_SV, parse
from drivers.line import STREAMS_MAX, Frame, FrameError, Instant, Setup
from drivers.sv.counter import RateEstimate
from drivers.sv.dataset import PHS_MEAS_1, RATE_MAX, Dataset, Member, size
from drivers.sv.layout import PREFIX_BYTES, Identity, Layout, Place
from drivers.sv.pdu import decode_pdu
from drivers.sv.stamp import Vouched
from drivers.sv.stream import SV, Item, Stream
from evidence.code import Flag, TimeSource
from evidence.leap import BUILT_IN, NS, LeapTable

LEARN_NS = 2_500_000_000  # two returns of the counter to 0, and some
HELD_BYTES_MAX = 16 << 20  # of all streams: those seconds of four streams of 4,800/s
LAYOUTS_MAX = 512  # shapes of frames, of streams and of what nobody asked for
PASSED_OVER_MAX = 8  # svIDs that are told to whoever waits for others
RULINGS_A_MINUTE_MAX = 12
OPEN_NS_MAX = 200_000_000  # a stream that ends: how long its last block waits for the rest
_MINUTE_NS = 60 * NS
# smpMod, IEC 61850-9-2 Table 12.
_PER_PERIOD, _PER_SECOND = 0, 1


@dataclass(frozen=True, slots=True)
class DatasetTerms:
    """What the site says an svID's samples are made of."""

    members: tuple[Member, ...]
    conf_rev: int | None = None  # None: whatever the frames say


@dataclass(frozen=True, slots=True)
class Terms:
    """What the site says of an interface."""

    sv_ids: frozenset[str] = frozenset()  # none: all
    appids: frozenset[int] = frozenset()
    rate: int | None = None  # samples a second, of every stream
    nominal_hz: int | None = None  # for frames that state samples a period
    datasets: dict[str, DatasetTerms] = field(default_factory=dict)  # by svID; "": everybody's
    vouched: Vouched = field(default_factory=Vouched)


class _Heard:
    """One identity: its stream, or what is held until there is one."""

    __slots__ = (
        "doubted", "estimate", "held", "identity", "key", "layout", "rulings", "setup", "since",
        "stream",
    )  # fmt: skip

    def __init__(self, identity: Identity, key: str, since: int) -> None:
        self.identity, self.key, self.since = identity, key, since
        self.stream: Stream | None = None
        self.layout: Layout | None = None  # of the last frame
        self.estimate = RateEstimate()
        self.doubted = False  # what is configured or stated of its rate was contradicted
        self.setup: Setup | None = None  # the last one
        self.held: list[tuple[bytes, Layout, Instant]] = []
        self.rulings: list[int] = []  # when they were made


class Session:
    """Feed it what the interface brings. `counts` tells what happened, by name."""

    def __init__(self, terms: Terms, table: LeapTable = BUILT_IN) -> None:
        self._terms, self._table = terms, table
        self._known: dict[bytes, list[tuple[Layout, _Heard | None]]] = {}
        self._layouts = 0
        self._heard: dict[Identity, _Heard] = {}
        self._held_bytes = 0
        self.counts: Counter[str] = Counter()
        self.passed_over: dict[str, None] = {}  # svIDs that were heard and not asked for

    def feed(self, frames: Iterable[tuple[bytes, Instant, int]]) -> list[Item]:
        """Ethernet frames as they were on the wire, each with its arrival, and how many bytes of it
        are missing.
        """
        out: list[Item] = []
        known = self._known.get
        for raw, heard, missing in frames:
            number = int.from_bytes(raw)
            for layout, found in known(raw[:PREFIX_BYTES], ()):
                if number & layout.mask != layout.fixed or len(raw) != layout.size:
                    continue
                if found is None:
                    self.counts["not_asked_for"] += 1
                    break
                if layout is not found.layout:
                    self._reshape(found, layout, heard, out)
                if found.stream is None or not found.stream.add(raw, layout, heard, out):
                    self._unruled(found, raw, layout, heard, out)
                break
            else:
                self._uncommon(raw, heard, missing, out)
        return out

    def tick(self, now_tai: int) -> list[Item]:
        """To be called now and then: what waits for a frame that does not come is let go."""
        out: list[Item] = []
        for found in self._heard.values():
            if found.stream is None:
                if found.held and now_tai - found.since > LEARN_NS:
                    self._rule(found, found.held[-1][1], found.estimate.guess(), out)
            elif now_tai - found.stream.heard.tai > OPEN_NS_MAX:
                found.stream.flush(out)
        return out

    def flush(self) -> list[Item]:
        """The line has ended."""
        out: list[Item] = []
        for found in self._heard.values():
            if found.stream is None and found.held:
                self._rule(found, found.held[-1][1], found.estimate.guess(), out)
            if found.stream is not None:
                found.stream.flush(out)
        return out

    def ruled(self) -> bool:
        """Whether every stream heard so far has its Setup, and there is one."""
        every = self._heard.values()
        return bool(every) and all(found.stream is not None for found in every)

    # --- off the fast path

    def _uncommon(self, raw: bytes, heard: Instant, missing: int, out: list[Item]) -> None:
        """A frame of a shape that is new."""
        try:
            if missing:
                raise FrameError("truncated", f"{missing} bytes of the frame are missing")
            if parse(raw).ethertype != TYPE_SV:
                self.counts["other"] += 1
                return
            layout = Layout(raw, decode_pdu(raw))
            found = self._place(layout, heard) if self._asked_for(layout.identity) else None
        except FrameError as fault:
            flags = int(Flag.AGENT_STAMPED)
            unknown = int(TimeSource.UNKNOWN)
            out.append(Frame("", SV, raw, heard.tai, None, unknown, flags, heard, fault))
            return
        if self._layouts >= LAYOUTS_MAX:
            self._known.clear()  # whoever sends so many: each is learned again when it comes
            self._layouts = 0
        self._layouts += 1
        self._known.setdefault(layout.prefix, []).append((layout, found))
        if found is None:
            self.counts["not_asked_for"] += 1
            if len(self.passed_over) < PASSED_OVER_MAX:
                self.passed_over[" + ".join(layout.identity.sv_ids)] = None
            return
        self._reshape(found, layout, heard, out)
        if found.stream is None or not found.stream.add(raw, layout, heard, out):
            self._unruled(found, raw, layout, heard, out)

    def _asked_for(self, identity: Identity) -> bool:
        terms = self._terms
        if terms.appids and identity.appid not in terms.appids:
            return False
        return not terms.sv_ids or not terms.sv_ids.isdisjoint(identity.sv_ids)

    def _place(self, layout: Layout, heard: Instant) -> _Heard:
        """Where frames of this identity belong. Raises FrameError: streams."""
        found = self._heard.get(layout.identity)
        if found is None:
            if len(self._heard) >= STREAMS_MAX:
                raise FrameError(
                    "streams", f"{layout.identity.sv_ids[0]!r} after {STREAMS_MAX} others"
                )
            key = self._key(layout.identity)
            found = self._heard[layout.identity] = _Heard(layout.identity, key, heard.tai)
        return found

    def _key(self, identity: Identity) -> str:
        """The stream's name: its svIDs; with what tells it apart, where another has them."""
        key = " + ".join(identity.sv_ids[:4]) or f"APPID {identity.appid:04x}"
        if len(identity.sv_ids) > 4:
            key += f" and {len(identity.sv_ids) - 4} more"
        if identity.simulated:
            key += " (simulated)"
        taken = {found.key for found in self._heard.values()}
        if key in taken:
            self.counts["sv_id_twice"] += 1
            key += f" from {identity.source.hex(':')}"
        if key in taken:
            key += f" APPID {identity.appid:04x}"
        return key

    def _unruled(
        self, found: _Heard, raw: bytes, layout: Layout, heard: Instant, out: list[Item]
    ) -> None:
        """A frame of a stream whose rate is not known, or not believed any more."""
        if found.stream is not None:
            if found.stream.rate:
                self.counts["rate_contradicted"] += 1
                found.doubted = True
            if self._too_often(found, heard):
                found.stream.add(raw, layout, heard, out, sure=True)
                return
            found.stream.flush(out)
            found.stream, found.estimate, found.since = None, RateEstimate(), heard.tai
        rate = self._rate(found, layout, raw, heard)
        found.held.append((raw, layout, heard))
        self._held_bytes += len(raw)
        if rate or heard.tai - found.since > LEARN_NS or self._held_bytes > HELD_BYTES_MAX:
            self._rule(found, layout, rate or found.estimate.guess(), out)

    def _rate(self, found: _Heard, layout: Layout, raw: bytes, heard: Instant) -> int:
        """Samples a second; 0 while nobody knows."""
        terms, stated = self._terms, layout.smp_rate or 0
        if not found.doubted:
            if terms.rate:
                return terms.rate
            if layout.smp_mod != _PER_SECOND:
                per_period = layout.smp_mod in (None, _PER_PERIOD)
                stated *= (terms.nominal_hz or 0) if per_period else 0
            if 0 < stated <= RATE_MAX:
                return stated
        count: int = layout.read(raw)[0]
        return found.estimate.add(count, heard.tai, layout.samples)

    def _rule(self, found: _Heard, layout: Layout, rate: int, out: list[Item]) -> None:
        """From here on a rate and a data set rule; what was held follows."""
        vouched = self._terms.vouched
        vouched = replace(vouched, simulated=vouched.simulated or found.identity.simulated)
        datasets = self._datasets(layout)
        for place in {place.sv_id: place for place in layout.places}.values():
            misfit = self._misfit(place, layout)
            if misfit:
                self.counts[misfit] += 1
        stream = Stream(found.key, layout, rate, datasets, vouched, self._table, self.counts)
        found.stream = stream
        held, found.held = found.held, []
        found.rulings.append(held[0][2].tai if held else found.since)
        setup = stream.setup()
        if setup != found.setup:
            found.setup = setup
            out.append(setup)
        for raw, shape, heard in held:
            self._held_bytes -= len(raw)
            stream.add(raw, shape, heard, out, sure=True)

    def _reshape(self, found: _Heard, layout: Layout, heard: Instant, out: list[Item]) -> None:
        """A frame of another shape than the last: it may have another data set, or another number
        of ASDUs.
        """
        found.layout, stream = layout, found.stream
        if stream is None or self._too_often(found, heard):
            return
        if stream.samples == layout.samples and stream.datasets == self._datasets(layout):
            return
        self.counts["configuration_changed"] += 1
        stream.flush(out)
        found.since = heard.tai
        self._rule(found, layout, stream.rate, out)

    def _too_often(self, found: _Heard, heard: Instant) -> bool:
        """Rule 3."""
        found.rulings = [tai for tai in found.rulings if 0 <= heard.tai - tai < _MINUTE_NS]
        return len(found.rulings) >= RULINGS_A_MINUTE_MAX

    def _datasets(self, layout: Layout) -> tuple[Dataset, ...]:
        """What the samples of a frame are made of, as far as the site or its size says."""
        every = {place.sv_id: place for place in layout.places}
        return tuple(Dataset(sv_id, self._members(place, layout)) for sv_id, place in every.items())

    def _members(self, place: Place, layout: Layout) -> tuple[Member, ...] | None:
        told = self._told(place.sv_id)
        if told is None:
            start, stop = place.at_sample
            # Eight pairs of value and quality are 9-2LE's; anything else nobody knows.
            return PHS_MEAS_1 if stop - start == size(PHS_MEAS_1) else None
        return None if self._misfit(place, layout) else told.members

    def _misfit(self, place: Place, layout: Layout) -> str:
        """Why the data set that the site has for an svID is not that of a frame; or nothing."""
        told = self._told(place.sv_id)
        if told is None:
            return ""
        if told.conf_rev not in (None, layout.conf_revs[place.sv_id]):
            return "conf_rev_mismatch"
        start, stop = place.at_sample
        return "sample_size_mismatch" if size(told.members) != stop - start else ""

    def _told(self, sv_id: str) -> DatasetTerms | None:
        return self._terms.datasets.get(sv_id) or self._terms.datasets.get("")
