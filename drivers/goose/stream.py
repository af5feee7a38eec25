"""One GOOSE stream of a source: one control block, its simulated messages apart. From a message to
what is sealed.

1. Every state is one sample, the whole frame: the state found after a start, each change, one that
   came late. Retransmissions and copies are counted. A replay is no sample: the event that states
   it keeps the frame.
2. A state is stamped by t (see stamp.py). Where values changed and t did not, t is kept, without a
   bound.
3. States that were not heard are a gap before the next, with their count.
4. What rules the samples: the data set as configured, while confRev, datSet and the entries are
   its; else a bare Setup, under which frames are kept. With no names configured a frame names its
   entries by their number.
5. A stream whose ruling changes SETUPS_A_MINUTE_MAX times within a minute, as where two publishers
   send under one gocbRef, stays bare for a minute.

It opens nothing; the clock comes in with each frame.
"""

from collections import Counter
from typing import NamedTuple

from drivers import line
from drivers.goose.data import Node, nodes, value
from drivers.goose.dataset import DataSet, fits, flat, learned, shape
from drivers.goose.frame import Carried
from drivers.goose.notice import Notices
from drivers.goose.pdu import Pdu, check_entries
from drivers.goose.stamp import Stamped, stamp
from drivers.goose.state import Facts, Machine, Sight
from drivers.line import Frame, Instant, Setup
from evidence.code import Cause, Event, Flag, Kind, TimeSource
from evidence.descriptor import CHANNELS_MAX
from evidence.gap import Gap
from evidence.leap import NS, LeapTable

SETUPS_A_MINUTE_MAX = 12  # commissioning changes a configuration a few times in an hour
MINUTE_NS = 60 * NS

Item = Frame | Setup
_GOOSE, _GAP, _UNKNOWN = int(Kind.GOOSE), int(Kind.GAP), int(TimeSource.UNKNOWN)
_STATES = frozenset((Sight.FOUND, Sight.CHANGED, Sight.LATE))


class _Sample(NamedTuple):
    """The last sample: its own instant, and when it was heard."""

    tai: int
    heard: int


class Stream:
    """Owns the sequence and the ruling of one stream. `counts` is the session's."""

    def __init__(
        self, key: str, configured: DataSet | None, flags: int, counts: Counter[str]
    ) -> None:
        self.key = key
        self._configured = configured
        self._flags = flags
        self._counts = counts
        self._machine = Machine()
        self._notices = Notices(key, flags)
        self._checked: tuple[int, bytes] | None = None  # entries and allData that are well formed
        self._nodes: tuple[Node, ...] = ()  # of those
        self._ruled_by: tuple[object, ...] = ()  # what the last message under the Setup was like
        self._sample: _Sample | None = None
        self._setup: Setup | None = None
        self._ruled: list[int] = []  # when a Setup was given, ns TAI
        self._bare_until: int | None = None

    def begin(self) -> list[Setup]:
        """The Setup of the configured data set, where its names are known."""
        if self._configured is None or not self._configured.members:
            return []
        self._setup = setup_of(self.key, self._configured)
        return [self._setup]

    def hear(
        self, raw: bytes, carried: Carried, pdu: Pdu, heard: Instant, table: LeapTable
    ) -> list[Item]:
        """The next message. Raises FrameError for entries that are not well formed."""
        self._check(pdu)
        facts = _facts(raw, carried, pdu, heard)
        verdict = self._machine.see(facts)
        out: list[Item] = []
        taken = verdict.sight in _STATES
        if taken:
            out += self._rule(pdu, heard, raw)
        for event, text, at in verdict.notes:
            late = heard.tai if at is None else at
            out += self._tell(event, text, heard, b"" if at is not None else raw, late, taken)
        self._counts[verdict.sight.name.lower()] += 1
        self._counts["lost_messages"] += verdict.missed
        if not taken:
            return out
        stamped = stamp(pdu.t, heard, table)
        if not verdict.timed:
            stamped = stamped._replace(bound=None)
        if verdict.sight is Sight.CHANGED and facts.sqNum <= 1 and not stamped.agrees:
            ahead_ms = (stamped.tai - heard.tai) // 1_000_000
            text = f"t is {ahead_ms} ms ahead of the arrival, or not set"
            out += self._tell(Event.CLOCK_DISAGREES, text, heard, raw, heard.tai, True)
        if verdict.lost != 0:
            out.append(self._gap(verdict.lost, stamped, heard))
        if verdict.sight is not Sight.LATE:
            self._sample = _Sample(stamped.tai, heard.tai)
        flags = stamped.flags | self._flags | (int(Flag.TEST) if pdu.simulation else 0)
        place = (raw, stamped.tai, stamped.bound, stamped.source, flags, heard)
        out.append(Frame(self.key, _GOOSE, *place))
        return out

    def watch(self, now: Instant) -> list[Item]:
        """What time alone makes due."""
        out: list[Item] = []
        for event, text, at in self._machine.watch(now.tai):
            out += self._tell(event, text, now, b"", now.tai if at is None else at, False)
        return [*out, *self._notices.due(now)]

    def deadline(self) -> int | None:
        """When `watch` will have something, ns TAI."""
        due = [self._notices.deadline()]
        if not self._machine.silent:
            due.append(self._machine.expires)
        return min((at for at in due if at is not None), default=None)

    def notice(self, event: Event, text: str, now: Instant) -> list[Item]:
        """An event that no message shows."""
        return list(self._tell(event, text, now, b"", now.tai, False))

    def _tell(
        self, event: Event, text: str, heard: Instant, raw: bytes, at: int, taken: bool
    ) -> list[Frame]:
        self._counts[event.name.lower()] += 1
        return self._notices.tell(event, text, heard, raw, at, taken)

    def _check(self, pdu: Pdu) -> None:
        """That the entries can be read: once for all messages of a state."""
        told = pdu.numDatSetEntries, pdu.allData
        if told != self._checked:
            found = nodes(pdu.allData, 0, len(pdu.allData))
            check_entries(pdu.numDatSetEntries, len(found))
            for node in flat(found):
                value(pdu.allData, node)
            self._checked, self._nodes = told, found

    def _gap(self, lost: int | None, stamped: Stamped, heard: Instant) -> Frame:
        """The states between the last sample and this one."""
        before = self._sample or _Sample(stamped.tai, heard.tai)
        first, last = before.tai + 1, stamped.tai - 1
        if first > last:  # its clock does not tell: by the arrivals
            first, last = before.heard + 1, max(before.heard + 1, heard.tai - 1)
        self._counts["lost_states"] += lost or 0
        hole = Gap(Cause.NOT_HEARD, first, last, lost)
        flags = self._flags | int(Flag.AGENT_STAMPED)
        place = (hole.raw(), heard.tai, heard.bound, _UNKNOWN, flags, heard)
        return Frame(self.key, _GAP, *place)

    # --- what rules the samples

    def _rule(self, pdu: Pdu, heard: Instant, raw: bytes) -> list[Item]:
        """The Setup that rules this state, where it is another than before."""
        found = self._nodes
        like = pdu.confRev, pdu.datSet, pdu.goID, shape(found)
        if like == self._ruled_by and self._bare_until is None:
            return []  # of nearly every state, and the rest costs more than all before it
        self._ruled_by = like
        event, text = _mismatch(self._configured, pdu, found)
        setup = self._bare() if event is not None else self._known(pdu, found)
        if self._held(heard.tai):
            setup = self._bare()
        if setup == self._setup:
            return []
        self._ruled = [at for at in self._ruled if 0 <= heard.tai - at < MINUTE_NS]
        self._ruled.append(heard.tai)
        if len(self._ruled) > SETUPS_A_MINUTE_MAX:
            self._counts["configuration_flapping"] += 1
            self._bare_until, self._ruled = heard.tai + MINUTE_NS, []
            setup = self._bare()
        self._setup = setup
        told = self._tell(event, text, heard, raw, heard.tai, True) if event is not None else []
        return [setup, *told]

    def _held(self, now: int) -> bool:
        """Whether rule 5 holds it bare."""
        if self._bare_until is not None and not 0 <= self._bare_until - now <= MINUTE_NS:
            self._bare_until = None
        return self._bare_until is not None

    def _known(self, pdu: Pdu, found: tuple[Node, ...]) -> Setup:
        """Under the names that are configured, or the frame's own."""
        configured = self._configured
        if configured is not None and configured.members:
            return setup_of(self.key, configured)
        dataset = learned(pdu.gocbRef, pdu.datSet, pdu.goID, pdu.confRev, found)
        return setup_of(self.key, dataset)

    def _bare(self) -> Setup:
        return Setup(self.key, _GOOSE, b"", (0, 0), ())


def setup_of(key: str, dataset: DataSet) -> Setup:
    """The Setup of a data set; bare where it has more channels than can be stated."""
    channels = dataset.channels()
    if len(channels) > CHANNELS_MAX:
        return Setup(key, _GOOSE, b"", (0, 0), ())
    block = line.Block(dataset.goID or dataset.gocbRef, 0, "", None, None, channels)
    return Setup(key, _GOOSE, dataset.encode(), (0, 0), (block,))


def _mismatch(
    configured: DataSet | None, pdu: Pdu, found: tuple[Node, ...]
) -> tuple[Event | None, str]:
    """Why a message is not of the configured data set."""
    if configured is None:
        return None, ""
    if configured.confRev not in (None, pdu.confRev):
        return Event.REVISION_CHANGED, f"confRev {pdu.confRev}, {configured.confRev} configured"
    if configured.datSet not in (None, pdu.datSet):
        return Event.DATA_SET_CHANGED, f"datSet {pdu.datSet!r}, {configured.datSet!r} configured"
    if configured.members and not fits(configured.members, found):
        return Event.DATA_SET_CHANGED, "entries that the configured data set does not have"
    return None, ""


def _facts(raw: bytes, carried: Carried, pdu: Pdu, heard: Instant) -> Facts:
    ethernet = carried.ethernet
    destination, sender = (ethernet.destination, ethernet.source) if ethernet else (b"", b"")
    message = (carried.appid, carried.reserved1, carried.reserved2, carried.extension)
    return Facts(
        pdu.stNum,
        pdu.sqNum,
        pdu.t,
        pdu.timeAllowedtoLive,
        pdu.confRev,
        pdu.ndsCom,
        pdu.numDatSetEntries,
        pdu.allData,
        (pdu.datSet, pdu.goID, carried.appid, destination),
        sender,
        hash((message, raw[carried.start : carried.stop])),
        heard.tai,
    )
