"""Asking and hearing, without a line: which request goes out when, and what comes of it.

1. Every request that goes out ends in one exchange, which is a Frame: answered, refused, answered
   by something else, or by nobody. What is wrong with it is named and counted; the line goes on.
2. TCP: an answer belongs to the request whose transaction it bears, `in_flight` of them at a time.
   A transaction that was given up, or never was, is a bad Frame by name.
3. Serial line: one request at a time, and an answer must begin as the one asked for does. After
   anything but a good answer the line is drained: nothing is sent before it has been silent, and
   the unit that did not answer is left alone for as long again, so that its late answer is not
   taken for that of another request. An echo of the own request is dropped.
4. No answer of a unit holds up another: see poll.py.

Bytes and monotonic time (ns) come in by argument. It opens, sends and waits for nothing.
"""

from abc import ABC, abstractmethod
from collections import Counter, OrderedDict
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from drivers.line import Clock, Frame, FrameError, Instant
from drivers.modbus import stamp
from drivers.modbus.adu import ANSWERED, REFUSED, TARGET_SILENT, Answer, Framing, answer
from drivers.modbus.disagreement import Disagreements
from drivers.modbus.exchange import RESPONSE_BYTES_MAX, Exchange
from drivers.modbus.poll import Came, Poll, Schedule
from drivers.modbus.splitter import Bad, RtuSplitter, TcpSplitter, heads
from drivers.modbus.value import Layout
from evidence.code import Flag, Kind, TimeSource
from evidence.leap import LeapTable

TRANSACTIONS = 1 << 16
OTHERS = ("wrong_function", "wrong_size")  # a whole answer, to another request
GIVEN_UP_MAX = 256  # transactions remembered, so that a late answer is not called a stray one
KIND: Final = int(Kind.MODBUS)
_UNKNOWN: Final = int(TimeSource.UNKNOWN)


class Target(NamedTuple):
    """A block, and the request for it as it goes out (over TCP with transaction 0)."""

    layout: Layout
    request: bytes


class Terms(NamedTuple):
    """How to converse."""

    timeout_ns: int
    table: LeapTable
    simulated: bool = False
    in_flight: int = 1  # TCP
    silence_ns: int = 0  # serial line: before a request
    settle_ns: int = 0  # serial line: silent for so long, it is drained
    send_ns: int = 0  # serial line: what a request takes
    hold_ns: int = 0  # serial line: so long no question to a unit whose answer may still come
    echo: bool = False  # serial line: every request is heard by ourselves
    transactions: Iterator[int] | None = None  # TCP: of the connection; None: from the first on


def numbers() -> Iterator[int]:
    """The transactions of a connection, whoever asks with them: 1 to 65535, and again."""
    while True:
        yield from range(1, TRANSACTIONS)


class Pending:
    """A request that is out."""

    __slots__ = ("asked", "deadline_ns", "number", "odd", "request")

    def __init__(self, number: int, request: bytes, asked: Instant, deadline_ns: int) -> None:
        self.number, self.request, self.asked = number, request, asked
        self.deadline_ns = deadline_ns
        self.odd = b""  # what came instead of an answer


class Conversation(ABC):
    """What both lines have in common. `items`: what was heard, for the driver to take."""

    framing: Framing

    def __init__(self, targets: Sequence[Target], terms: Terms, clock: Clock, now_ns: int) -> None:
        self._targets, self._terms, self._clock = tuple(targets), terms, clock
        blocks = [target.layout.block for target in targets]
        polls = [Poll(block.request.unit, stamp.period_ns(block)) for block in blocks]
        self._schedule = Schedule(polls, now_ns)
        self._counts: Counter[str] = Counter()
        self._disagreements = Disagreements(terms.table, self._counts)
        self.items: list[Frame] = []
        self._good_ns = now_ns  # when somebody answered last

    @property
    def counts(self) -> Counter[str]:
        """What came of requests, by name, and polls that were left out."""
        more = {"polls_skipped": self._schedule.skipped, "polls_rested": self._schedule.rested}
        return self._counts + Counter(more)

    @abstractmethod
    def ask(self, now_ns: int) -> bytes | None:
        """The next request, if one is due: it is to go out at once."""

    @abstractmethod
    def wake_ns(self) -> int | None:
        """When something may be due or given up next; None: not before something is heard."""

    def silence_left_ns(self, now_ns: int) -> int:
        """Silence that a request still has to wait for, and for nothing else; 0: none."""
        return 0

    @abstractmethod
    def feed(self, data: bytes, heard: Instant, now_ns: int) -> None:
        """These bytes have arrived."""

    @abstractmethod
    def expire(self, now_ns: int) -> None:
        """Gives up what was waited for long enough."""

    def silent_ns(self, now_ns: int) -> int:
        """For how long nobody has answered; 0 while a unit has when it was asked last."""
        return now_ns - self._good_ns if self._schedule.nobody() else 0

    @abstractmethod
    def idle(self) -> bool:
        """Whether nothing is out."""

    @abstractmethod
    def rest(self, now_ns: int) -> None:
        """The line was used for something else until now."""

    @abstractmethod
    def abandon(self, now_ns: int) -> None:
        """The line has failed: what is out will not be answered."""

    def _finish(self, pending: Pending, response: bytes, heard: Instant, now_ns: int) -> Answer:
        """The exchange is over, with these bytes."""
        target = self._targets[pending.number]
        layout, block = target.layout, target.layout.block
        response = response[:RESPONSE_BYTES_MAX]
        found = answer(self.framing, pending.request, layout.request, response)
        made = stamp.of_exchange(layout, found, pending.asked, heard, self._terms.table)
        self.items += self._disagreements.judge(block.key, made, heard)
        raw = Exchange(self.framing, pending.asked.tai, heard.tai, pending.request, response).raw()
        flags = made.flags | (int(Flag.SIMULATED) if self._terms.simulated else 0)
        self.items.append(
            Frame(block.key, KIND, raw, made.tai, made.bound, made.source, flags, heard)
        )
        self._counts[found.name] += 1
        came = Came.NOTHING if not response else Came.WRONG
        if found.name in (ANSWERED, REFUSED):
            came = Came.ABSENT if found.code == TARGET_SILENT else Came.GOOD
            self._good_ns = now_ns
        # What has begun to answer will not answer late; what has not, or has answered something
        # else, may.
        begun = response[:1] == bytes((layout.request.unit,)) and found.name not in OTHERS
        hold_ns = 0 if came in (Came.GOOD, Came.ABSENT) or begun else self._terms.hold_ns
        self._schedule.done(pending.number, now_ns, came, hold_ns)
        return found

    def _bad(self, raw: bytes, name: str, text: str, heard: Instant) -> None:
        """Bytes that belong to no exchange."""
        self._counts[name] += 1
        flags = int(Flag.AGENT_STAMPED)
        fault = FrameError(name, text)
        self.items.append(Frame("", KIND, raw, heard.tai, None, _UNKNOWN, flags, heard, fault))


class TcpConversation(Conversation):
    """Over TCP or TLS."""

    framing = Framing.TCP

    def __init__(self, targets: Sequence[Target], terms: Terms, clock: Clock, now_ns: int) -> None:
        super().__init__(targets, terms, clock, now_ns)
        self._out: OrderedDict[int, Pending] = OrderedDict()
        self._given_up: OrderedDict[int, None] = OrderedDict()
        self._splitter = TcpSplitter()
        self._transactions = terms.transactions or numbers()

    def idle(self) -> bool:
        return not self._out

    def ask(self, now_ns: int) -> bytes | None:
        if len(self._out) >= self._terms.in_flight:
            return None
        number = self._schedule.take(now_ns)
        if number is None:
            return None
        transaction = next(self._transactions)
        self._given_up.pop(transaction, None)
        request = transaction.to_bytes(2, "big") + self._targets[number].request[2:]
        deadline_ns = now_ns + self._terms.timeout_ns
        self._out[transaction] = Pending(number, request, self._clock.now(), deadline_ns)
        return request

    def wake_ns(self) -> int | None:
        first = next(iter(self._out.values()), None)
        deadline_ns = first.deadline_ns if first is not None else None
        due_ns = self._schedule.next_ns() if len(self._out) < self._terms.in_flight else None
        return min((ns for ns in (deadline_ns, due_ns) if ns is not None), default=None)

    def feed(self, data: bytes, heard: Instant, now_ns: int) -> None:
        for item in self._splitter.feed(data):
            if isinstance(item, Bad):
                self._odd(item, heard)
                continue
            transaction = item[0] << 8 | item[1]
            pending = self._out.pop(transaction, None)
            if pending is not None:
                if pending.odd:
                    self._bad(pending.odd, "garbage", "bytes before an answer", heard)
                self._finish(pending, item, heard, now_ns)
                continue
            late = transaction in self._given_up
            name = "late_answer" if late else "crossed_answer"
            self._bad(item, name, f"transaction {transaction} is not waited for", heard)

    def expire(self, now_ns: int) -> None:
        while self._out:
            transaction, pending = next(iter(self._out.items()))
            if pending.deadline_ns > now_ns:
                return
            del self._out[transaction]
            self._given_up[transaction] = None
            if len(self._given_up) > GIVEN_UP_MAX:
                self._given_up.popitem(last=False)
            rest = b""
            if self._splitter.begun() not in self._out:
                # Begun and not ended in all this time: a length that lies. What follows is anew.
                rest = b"".join(bad.raw for bad in self._splitter.flush())
            self._finish(pending, pending.odd + rest, self._clock.now(), now_ns)

    def rest(self, now_ns: int) -> None:
        """Transactions tell apart what was asked by whom."""

    def abandon(self, now_ns: int) -> None:
        for pending in self._out.values():
            pending.deadline_ns = now_ns
        self.expire(now_ns)

    def _odd(self, bad: Bad, heard: Instant) -> None:
        """No ADU: with one request out it is what came of that; else nobody can say of which."""
        if len(self._out) == 1:
            (pending,) = self._out.values()
            pending.odd = (pending.odd + bad.raw)[:RESPONSE_BYTES_MAX]
        else:
            self._bad(bad.raw, bad.fault.fault, str(bad.fault), heard)


class RtuConversation(Conversation):
    """On a serial line."""

    framing = Framing.RTU

    def __init__(self, targets: Sequence[Target], terms: Terms, clock: Clock, now_ns: int) -> None:
        super().__init__(targets, terms, clock, now_ns)
        self._out: Pending | None = None
        self._splitter = RtuSplitter()
        self._echo = b""  # of our own bytes, still to be heard
        self._quiet_ns = now_ns + terms.silence_ns  # before that, nothing is sent

    def ask(self, now_ns: int) -> bytes | None:
        if self._out is not None or now_ns < self._quiet_ns:
            return None
        number = self._schedule.take(now_ns)
        if number is None:
            return None
        target = self._targets[number]
        self._splitter.expect(heads(target.layout.request))
        self._echo = target.request if self._terms.echo else b""
        deadline_ns = now_ns + self._terms.send_ns + self._terms.timeout_ns
        self._out = Pending(number, target.request, self._clock.now(), deadline_ns)
        return target.request

    def wake_ns(self) -> int | None:
        if self._out is not None:
            return self._out.deadline_ns
        due_ns = self._schedule.next_ns()
        return None if due_ns is None else max(due_ns, self._quiet_ns)

    def silence_left_ns(self, now_ns: int) -> int:
        due_ns = self._schedule.next_ns() if self._out is None else None
        if due_ns is None or due_ns > self._quiet_ns:
            return 0
        return max(self._quiet_ns - now_ns, 0)

    def feed(self, data: bytes, heard: Instant, now_ns: int) -> None:
        data = self._without_echo(data)
        if not data:
            return
        if self._out is None:
            self._late(data, heard, now_ns)
            return
        for item in self._splitter.feed(data):
            self._item(item, heard, now_ns)

    def expire(self, now_ns: int) -> None:
        pending = self._out
        if pending is None or pending.deadline_ns > now_ns:
            return
        rest = b"".join(bad.raw for bad in self._splitter.flush())
        odd = self._own_echo_off(pending, pending.odd + rest)
        self._out, self._echo = None, b""
        self._finish(pending, odd, self._clock.now(), now_ns)
        self._quiet_ns = now_ns + self._terms.settle_ns

    def idle(self) -> bool:
        return self._out is None

    def rest(self, now_ns: int) -> None:
        self._quiet_ns = now_ns + self._terms.settle_ns

    def abandon(self, now_ns: int) -> None:
        if self._out is not None:
            self._out.deadline_ns = now_ns
        self.expire(now_ns)

    def _item(self, item: bytes | Bad, heard: Instant, now_ns: int) -> None:
        pending = self._out
        if pending is None:
            self._late(item.raw if isinstance(item, Bad) else item, heard, now_ns)
        elif isinstance(item, Bad):
            pending.odd = (pending.odd + item.raw)[:RESPONSE_BYTES_MAX]
            self._hurry(pending, now_ns)
        else:
            self._over(pending, item, heard, now_ns)

    def _over(self, pending: Pending, frame: bytes, heard: Instant, now_ns: int) -> None:
        """A good answer, perhaps with noise before it."""
        odd = self._own_echo_off(pending, pending.odd)
        if odd:
            self._bad(odd, "garbage", f"{len(odd)} bytes before an answer", heard)
        self._out = None
        self._finish(pending, frame, heard, now_ns)
        for bad in self._splitter.flush():
            self._late(bad.raw, heard, now_ns)
        self._quiet_ns = max(self._quiet_ns, now_ns + self._terms.silence_ns)

    def _late(self, data: bytes, heard: Instant, now_ns: int) -> None:
        """Heard while nothing is asked: the line is not silent yet."""
        self._bad(data, "late_answer", f"{len(data)} bytes that nobody waits for", heard)
        self._quiet_ns = now_ns + self._terms.settle_ns

    def _hurry(self, pending: Pending, now_ns: int) -> None:
        """As many bytes as the answer has, from the unit that was asked, and no answer in them:
        there will be none. It is given up when the line is silent.
        """
        odd = self._own_echo_off(pending, pending.odd)
        request = self._targets[pending.number].layout.request
        if len(odd) >= 5 + request.answer_bytes and odd[0] == request.unit:
            pending.deadline_ns = min(pending.deadline_ns, now_ns + self._terms.settle_ns)

    def _without_echo(self, data: bytes) -> bytes:
        """Without what is left of our own request, on a line where we hear ourselves."""
        while self._echo and data and data[0] == self._echo[0]:
            self._echo, data = self._echo[1:], data[1:]
        if data:
            self._echo = b""
        return data

    def _own_echo_off(self, pending: Pending, odd: bytes) -> bytes:
        """Without our own request, if that is what was heard first."""
        return odd.removeprefix(pending.request)
