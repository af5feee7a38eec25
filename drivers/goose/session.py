"""One interface's GOOSE: frames in, `Frame | Setup` out. The same for a live socket and a capture.

1. What is not subscribed is dropped first: by its APPID where it stands, or because the octets of
   gocbRef and goID are nowhere in it; only then is a frame taken apart.
2. A stream is a gocbRef. Messages with a simulation bit (Reserved1, or in the message: senders do
   not set both) are a stream of their own: a test set sends them beside the real ones, under the
   same gocbRef (IEC 61850-7-2 18.2.3, IEC 61850-8-1 Annex C).
3. With no subscription all GOOSE is heard, STREAMS_MAX streams at most.
4. A frame that is subscribed and cannot be read is a Frame with its fault. A subscription of which
   nothing was heard for UNHEARD_NS is told, once.

It opens nothing and waits for nothing; the clock comes in as `heard`.
"""

from collections import Counter
from dataclasses import dataclass

from drivers.goose import routed
from drivers.goose.dataset import DataSet
from drivers.goose.frame import Carried, carry
from drivers.goose.pdu import Pdu, decode_pdu
from drivers.goose.stream import Item, Stream
from drivers.line import STREAMS_MAX, Frame, FrameError, Instant, Setup
from evidence.code import Event, Flag, Kind, TimeSource
from evidence.leap import BUILT_IN, NS, LeapTable

UNHEARD_NS = 30 * NS  # heartbeats come every few seconds, and allow for a minute at most

_GOOSE, _UNKNOWN = int(Kind.GOOSE), int(TimeSource.UNKNOWN)
_GOOSE_TYPE, _VLAN_TYPE = b"\x88\xb8", b"\x81\x00"


@dataclass(frozen=True, slots=True)
class Subscription:
    """What is heard: all that is stated must hold. `dataset`: what is known of it before."""

    gocbRef: str | None = None
    appid: int | None = None
    goID: str | None = None
    dataset: DataSet | None = None
    destination: bytes | None = None  # to be joined; not compared

    def matches(self, carried: Carried, pdu: Pdu) -> bool:
        return (
            self.gocbRef in (None, pdu.gocbRef)
            and self.appid in (None, carried.appid)
            and self.goID in (None, pdu.goID)
        )

    @property
    def name(self) -> str:
        """For people."""
        appid = None if self.appid is None else f"{self.appid:#06x}"
        told = (("gocbRef", self.gocbRef), ("APPID", appid), ("goID", self.goID))
        return " ".join(f"{key} {value}" for key, value in told if value is not None)


@dataclass(frozen=True, slots=True)
class Terms:
    """What the site says of a source. No subscriptions: everything."""

    subscriptions: tuple[Subscription, ...] = ()
    simulated: bool = False  # a bench's: nothing of it is real


class Session:
    """Feed it frames. `counts` tells what happened, by name."""

    def __init__(self, terms: Terms, table: LeapTable = BUILT_IN) -> None:
        self._terms = terms
        self._table = table
        self._streams: dict[tuple[str, bool], Stream] = {}
        self._unheard = dict.fromkeys(terms.subscriptions)
        self._since: int | None = None  # when the first frame or watch came
        self.counts: Counter[str] = Counter()
        named = [each.appid for each in terms.subscriptions]
        known = bool(named) and None not in named
        self._appids = frozenset(named) if known else None
        self._needles = [
            tuple(text.encode() for text in (each.gocbRef, each.goID) if text is not None)
            for each in terms.subscriptions
        ]

    def begin(self) -> list[Setup]:
        """The Setups of what is known before anything is heard."""
        setups: list[Setup] = []
        for each in self._terms.subscriptions:
            if each.gocbRef is not None and each.dataset is not None:
                place = each.gocbRef, False
                if place not in self._streams and len(self._streams) < STREAMS_MAX:
                    setups += self._new_stream(place, each.dataset).begin()
        return setups

    def accept(self, raw: bytes, heard: Instant) -> list[Item]:
        """One frame as it was on the wire, or one datagram of R-GOOSE."""
        if not self._wanted(raw):
            self.counts["unsubscribed"] += 1
            return []
        try:
            carried = carry(raw)
            pdu = decode_pdu(raw, carried.start, carried.stop)
            subscription = self._subscribed(carried, pdu)
            if subscription is None and self._terms.subscriptions:
                self.counts["unsubscribed"] += 1
                return []
            stream = self._stream(carried, pdu, subscription)
            items = stream.hear(raw, carried, pdu, heard, self._table)
        except FrameError as fault:
            if fault.fault == "ethertype":
                self.counts["other"] += 1
                return []
            self.counts[fault.fault] += 1
            return [Frame("", _GOOSE, raw, heard.tai, None, _UNKNOWN, 0, heard, fault)]
        if self._unheard and subscription is not None:
            self._unheard.pop(subscription, None)
        return items

    def watch(self, now: Instant) -> list[Item]:
        """What time alone makes due; to be asked at `deadline`, when nothing waits to be read."""
        items: list[Item] = []
        for stream in self._streams.values():
            items += stream.watch(now)
        if self._since is None or now.tai < self._since:
            self._since = now.tai
        if self._unheard and now.tai - self._since > UNHEARD_NS:
            missing, self._unheard = self._unheard, {}
            for subscription in missing:
                items += self._tell_unheard(subscription, now)
        return items

    def deadline(self) -> int | None:
        """When `watch` will have something, ns TAI."""
        due = [stream.deadline() for stream in self._streams.values()]
        if self._unheard and self._since is not None:
            due.append(self._since + UNHEARD_NS + 1)
        return min((at for at in due if at is not None), default=None)

    # --- what is heard

    def _wanted(self, raw: bytes) -> bool:
        """Whether a frame may be subscribed, before it is taken apart: rule 1."""
        if not self._needles:
            return True
        kind, at = raw[12:14], 14
        if kind == _VLAN_TYPE:
            kind, at = raw[16:18], 18
        appid = int.from_bytes(raw[at : at + 2], "big")
        if kind == _GOOSE_TYPE and self._appids is not None and appid not in self._appids:
            return False
        return any(all(needle in raw for needle in each) for each in self._needles)

    def _subscribed(self, carried: Carried, pdu: Pdu) -> Subscription | None:
        for each in self._terms.subscriptions:
            if each.matches(carried, pdu):
                return each
        return None

    def _stream(self, carried: Carried, pdu: Pdu, subscription: Subscription | None) -> Stream:
        """The stream of a message, begun at its first. Raises FrameError: streams."""
        place = pdu.gocbRef, carried.simulated or pdu.simulation
        stream = self._streams.get(place)
        if stream is None:
            if len(self._streams) >= STREAMS_MAX:
                raise FrameError("streams", f"{pdu.gocbRef!r} after {STREAMS_MAX} others")
            dataset = subscription.dataset if subscription is not None else None
            if dataset is not None and not dataset.gocbRef:
                dataset = dataset._replace(gocbRef=pdu.gocbRef)
            stream = self._new_stream(place, dataset)
        return stream

    def _new_stream(self, place: tuple[str, bool], dataset: DataSet | None) -> Stream:
        reference, simulated = place
        flags = int(Flag.SIMULATED) if simulated or self._terms.simulated else 0
        stream = Stream(key_of(reference, simulated), dataset, flags, self.counts)
        self._streams[place] = stream
        return stream

    def _tell_unheard(self, subscription: Subscription, now: Instant) -> list[Item]:
        self.counts["unheard"] += 1
        text = f"nothing heard of {subscription.name} for {UNHEARD_NS // NS} s"
        fault = FrameError("unheard", text)
        event = int(Kind.EVENT)
        items: list[Item] = [Frame("", event, b"", now.tai, None, _UNKNOWN, 0, now, fault)]
        stream = self._streams.get((subscription.gocbRef or "", False))
        if stream is not None:  # begun, and so with a Setup under which this can be stated
            items += stream.notice(Event.SILENT, text, now)
        return items


def key_of(reference: str, simulated: bool) -> str:
    """The stream key of a control block."""
    return f"gocbRef={reference}{' simulated' * simulated}"


def is_datagram(payload: bytes) -> bool:
    """Whether a UDP payload is one for `accept`."""
    return routed.is_routed(payload)
