"""The conversation without a line: late and crossed answers, noise, and what any bytes do to it."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.line import Frame, Instant
from drivers.modbus.conversation import (
    Conversation,
    RtuConversation,
    Target,
    TcpConversation,
    Terms,
    numbers,
)
from drivers.modbus.point import Stamp
from drivers.modbus.poll import MS
from drivers.modbus.wire import Block, Layout, Point, Request, answer, read_exchange, read_request
from evidence import event
from evidence.code import Event, Kind
from evidence.leap import BUILT_IN
from tests.drivers.make_modbus import answer as told
from tests.drivers.make_modbus import read, rtu, tcp

TIMEOUT_MS, SETTLE_MS = 100, 20
TERMS = Terms(
    TIMEOUT_MS * MS,
    BUILT_IN,
    silence_ns=2 * MS,
    settle_ns=SETTLE_MS * MS,
    hold_ns=TIMEOUT_MS * MS,
    in_flight=2,
)


class Line:
    """Time that only the test moves, a conversation in it, and what it heard."""

    table = BUILT_IN

    def __init__(self, kind: type[Conversation], *requests: Request) -> None:
        self.ms = 0
        self.kind = kind
        targets = [Target(layout(request), asked(kind, request)) for request in requests]
        self.talk = kind(targets, TERMS, self, 0)
        self.ms = TERMS.silence_ns // MS  # on a serial line nothing is sent before it

    def now(self) -> Instant:
        return Instant(10**18 + self.ms * MS, 0)

    def ask(self) -> bytes | None:
        return self.talk.ask(self.ms * MS)

    def hear(self, data: bytes) -> None:
        self.talk.feed(data, self.now(), self.ms * MS)

    def wait(self, ms: int) -> None:
        self.ms += ms
        self.talk.expire(self.ms * MS)

    def names(self) -> list[str]:
        """What came since the last time: of exchanges the outcome, of other bytes the fault."""
        items, self.talk.items[:] = list(self.talk.items), []
        return [self._name(item) for item in items]

    def _name(self, item: Frame) -> str:
        if item.fault is not None:
            return item.fault.fault
        found = read_exchange(item.raw)
        request = read_request(found.framing, found.request)
        return answer(found.framing, found.request, request, found.response).name


def layout(request: Request) -> Layout:
    point = Point("a", "analog", "", "u16", request.address, 1)
    return Layout(Block("meter", "", request, 1000, None, 0, None, (point,)))


def asked(kind: type[Conversation], request: Request) -> bytes:
    pdu = read(*request[1:])
    return tcp(request.unit, pdu, 0) if kind is TcpConversation else rtu(request.unit, pdu)


ONE, TWO, OTHER = Request(1, 3, 0, 2), Request(1, 3, 50, 2), Request(2, 3, 0, 2)
FIRST, SECOND = told(3, b"\0\1\0\2"), told(3, b"\0\3\0\4")


def test_the_late_answer_of_a_unit_is_never_that_to_its_next_request():
    """On a serial line two reads of one length have answers that only time tells apart."""
    line = Line(RtuConversation, ONE, TWO, OTHER)
    assert line.ask() == asked(RtuConversation, ONE)
    line.wait(TIMEOUT_MS)
    assert line.names() == ["no_answer"]
    assert line.ask() is None  # the line is to be silent first
    line.wait(SETTLE_MS)
    assert line.ask() == asked(RtuConversation, OTHER)  # not the same unit at once
    line.hear(rtu(1, FIRST))  # now it comes
    line.hear(rtu(2, SECOND))
    assert line.names() == ["garbage", "answered"]
    line.wait(2)
    assert line.ask() is None
    line.wait(TIMEOUT_MS)
    assert line.ask() is None  # the unit rests; its blocks are due at whole periods again
    line.wait(1000)
    assert line.ask() in (asked(RtuConversation, ONE), asked(RtuConversation, TWO))


def test_answers_that_lag_by_one_are_not_taken():
    """A unit that hung answers what was given up; what it was asked next it answers after that."""
    third = Request(1, 3, 60, 2)
    line = Line(RtuConversation, Request(1, 3, 0, 10), TWO, third)
    line.ask()
    line.wait(TIMEOUT_MS)
    line.wait(1000)
    if line.ask() != asked(RtuConversation, TWO):
        line.hear(rtu(1, told(3, bytes(20))))
        line.wait(SETTLE_MS)
        assert line.ask() == asked(RtuConversation, TWO)
    line.names()
    line.hear(rtu(1, told(3, bytes(20))))
    line.wait(SETTLE_MS)
    assert line.names() == ["wrong_size"]
    line.wait(SETTLE_MS)
    assert line.ask() is None
    line.hear(rtu(1, SECOND))
    assert line.names() == ["late_answer"]


def test_bytes_that_nobody_waits_for_drain_the_line():
    line = Line(RtuConversation, ONE, OTHER)
    line.ask()
    line.hear(rtu(1, FIRST))
    line.hear(b"\x55" * 3)
    assert line.names() == ["answered", "late_answer"]
    line.wait(SETTLE_MS - 1)
    assert line.ask() is None
    line.hear(b"\x55")
    line.wait(SETTLE_MS - 1)
    assert line.ask() is None
    line.wait(1)
    assert line.ask() == asked(RtuConversation, OTHER)


def test_an_answer_that_is_whole_and_wrong_is_not_waited_for():
    """The line goes on when it has been silent, long before the timeout."""
    line = Line(RtuConversation, ONE, OTHER)
    line.ask()
    line.hear(rtu(1, FIRST)[:-1] + b"\0")
    line.wait(SETTLE_MS)
    assert line.names() == ["check_word"]
    line.wait(SETTLE_MS)
    assert line.ask() == asked(RtuConversation, OTHER)


def test_another_unit_answers():
    line = Line(RtuConversation, ONE)
    line.ask()
    line.hear(rtu(2, FIRST))
    line.wait(TIMEOUT_MS)
    assert line.names() == ["wrong_unit"]


def test_the_unit_answers_something_else():
    for wrong, name in (
        (b"\x04" + FIRST[1:], "wrong_function"),
        (told(3, bytes(6)), "wrong_size"),
        (b"\x83\x04", "exception"),
    ):
        line = Line(RtuConversation, ONE)
        line.ask()
        line.hear(rtu(1, wrong))
        line.wait(TIMEOUT_MS)
        assert line.names() == [name]


def test_our_own_request_comes_back_in_pieces():
    line = Line(RtuConversation, ONE, OTHER)
    for request in (ONE, OTHER):
        raw = line.ask()
        assert raw == asked(RtuConversation, request)
        for at in range(0, 8, 3):
            line.hear(raw[at : at + 3])
        for byte in rtu(request.unit, FIRST):
            line.hear(bytes((byte,)))
        assert line.names() == ["answered"]
        line.wait(2)


def test_an_echo_that_has_the_form_of_its_own_answer():
    """24 bits from 0x0300: told that there is an echo, it is none the less taken for one."""
    request = Request(1, 1, 0x0300, 24)
    target = Target(layout_of_bits(request), asked(RtuConversation, request))
    line = Line(RtuConversation)
    line.talk = RtuConversation([target], TERMS._replace(echo=True), line, 0)
    line.ask()
    line.hear(target.request + rtu(1, told(1, b"\1\2\3")))
    (frame,) = line.talk.items
    assert read_exchange(frame.raw).response == rtu(1, told(1, b"\1\2\3"))


def layout_of_bits(request: Request) -> Layout:
    point = Point("a", "digital", "", "bool", request.address, 1)
    return Layout(Block("meter", "", request, 1000, None, 0, None, (point,)))


def test_transactions_over_tcp():
    """Answers in any order; a late one and one that nobody asked for are told apart."""
    line = Line(TcpConversation, ONE, TWO, OTHER)
    assert line.ask() == tcp(1, read(3, 0, 2), 1)
    assert line.ask() == tcp(1, read(3, 50, 2), 2)
    assert line.ask() is None  # two in flight
    line.hear(tcp(1, SECOND, 2) + tcp(1, FIRST, 9))
    assert line.names() == ["answered", "crossed_answer"]
    assert line.ask() == tcp(2, read(3, 0, 2), 3)
    line.wait(TIMEOUT_MS)
    assert line.names() == ["no_answer", "no_answer"]
    line.hear(tcp(1, FIRST, 1))
    assert line.names() == ["late_answer"]


def test_a_length_that_lies_costs_one_answer():
    line = Line(TcpConversation, ONE, OTHER)
    line.ask()
    line.hear(tcp(1, FIRST, 1)[:5] + b"\xc8" + tcp(1, FIRST, 1)[6:])
    line.wait(TIMEOUT_MS)
    assert line.names() == ["short_answer"]
    line.ask()
    line.hear(tcp(2, SECOND, 2))
    assert line.names() == ["answered"]


def test_an_answer_that_has_begun_is_not_the_loss_of_another_request():
    line = Line(TcpConversation, ONE, TWO)
    line.ask()
    line.wait(50)
    line.ask()
    second = tcp(1, SECOND, 2)
    line.wait(49)
    line.hear(second[:8])
    line.wait(1)  # the first is given up
    line.hear(second[8:])
    assert line.names() == ["no_answer", "answered"]


def test_transactions_begin_anew_after_the_last_number():
    line = Line(TcpConversation, ONE)
    line.talk = TcpConversation(
        [Target(layout(ONE), asked(TcpConversation, ONE))],
        TERMS._replace(transactions=itertools.islice(numbers(), 65534, None)),
        line,
        0,
    )
    for number in (65535, 1):
        assert line.ask() == tcp(1, read(3, 0, 2), number)
        line.hear(tcp(1, FIRST, number))
        line.wait(1000)


def test_what_a_gateway_says_of_a_silent_unit_rests_it():
    line = Line(TcpConversation, ONE)
    for number, wait_ms in ((1, 1000), (2, 1000)):
        assert line.ask() == tcp(1, read(3, 0, 2), number)
        line.hear(tcp(1, b"\x83\x0b", number))
        assert line.names() == ["exception"]
        line.wait(wait_ms)
    assert line.ask() is None and line.talk.silent_ns(line.ms * MS) == 0
    line.wait(2000)
    assert line.ask() is not None
    line.hear(tcp(1, b"\x83\x04", 3))  # the unit's own word
    line.wait(1000)
    assert line.ask() is not None


def test_conversations_of_one_connection_share_its_transactions():
    """What was asked before a unit was found is answered late: no answer to what is asked now."""
    line, shared = Line(TcpConversation, ONE), numbers()
    for number in (1, 2):
        target = Target(layout(ONE), asked(TcpConversation, ONE))
        terms = TERMS._replace(transactions=shared)
        line.talk = TcpConversation([target], terms, line, line.ms * MS)
        assert line.ask() == tcp(1, read(3, 0, 2), number)
    line.hear(tcp(1, FIRST, 1))
    line.hear(tcp(1, SECOND, 2))
    assert line.names() == ["crossed_answer", "answered"]


def test_a_clock_that_was_never_set_is_said_once_until_it_is_right():
    request = Request(1, 3, 0, 2)
    line = Line(RtuConversation, request)
    points = (Point("at", "time", "", "time_s", 0, 2),)
    block = Block("relay", "", request, 1000, None, 0, Stamp(0, 5_000_000, "manual"), points)
    line.talk = RtuConversation(
        [Target(Layout(block), asked(RtuConversation, request))], TERMS, line, 0
    )
    now_s = 10**9
    heard: list[Frame] = []
    for stated in (now_s - 60, 946_684_860, 946_684_861, now_s - 60, 946_684_862):
        line.wait(1000)
        assert line.ask() is not None
        line.hear(rtu(1, told(3, stated.to_bytes(4, "big"))))
        heard += line.talk.items
        line.talk.items.clear()
    kinds = [Kind(one.kind) for one in heard]
    odd = [Kind.EVENT, Kind.MODBUS]
    assert kinds == [Kind.MODBUS, *odd, Kind.MODBUS, Kind.MODBUS, *odd]
    bounds = [one.bound for one in heard if one.kind == Kind.MODBUS]
    assert bounds == [5_000_000, None, None, 5_000_000, None]
    said = event.read(heard[1].raw)
    assert said.event is Event.CLOCK_DISAGREES and "it counts from 2000" in said.text
    assert line.talk.counts["clock_disagrees"] == 2


def test_a_failed_line_ends_what_is_out():
    for kind in (TcpConversation, RtuConversation):
        line = Line(kind, ONE)
        line.ask()
        assert not line.talk.idle()
        line.talk.abandon(line.ms * MS)
        assert line.names() == ["no_answer"] and line.talk.idle()


STEPS = st.lists(
    st.one_of(
        st.binary(min_size=1, max_size=40),
        st.integers(0, 150),
        st.sampled_from([rtu(1, FIRST), rtu(2, FIRST), tcp(1, FIRST, 1), tcp(2, SECOND, 2)]),
    ),
    max_size=40,
)


@settings(max_examples=300)
@given(st.sampled_from([TcpConversation, RtuConversation]), STEPS)
def test_every_request_ends_in_one_exchange_whatever_comes(
    kind: type[Conversation], steps: list[bytes | int]
):
    line, sent = Line(kind, ONE, TWO, OTHER), list[bytes]()
    for step in steps:
        while (request := line.ask()) is not None:
            sent.append(request)
        if isinstance(step, int):
            line.wait(step)
        else:
            line.hear(step)
    line.talk.abandon(line.ms * MS)
    exchanges = [read_exchange(item.raw) for item in line.talk.items if item.fault is None]
    assert sorted(found.request for found in exchanges) == sorted(sent)
    assert all(found.asked_tai <= found.heard_tai for found in exchanges)


def test_what_a_request_waits_for():
    """Silence alone, or also that it is due: only the first has to be waited for finely."""
    line = Line(RtuConversation, Request(1, 3, 0, 1))
    before = [line.talk.silence_left_ns(ms * MS + MS // 2) for ms in (0, 1)]
    assert before == [TERMS.silence_ns - MS // 2, MS // 2]
    assert line.talk.silence_left_ns(TERMS.silence_ns) == 0
    assert line.ask() is not None
    assert line.talk.silence_left_ns(0) == 0  # it waits for an answer
    line.hear(rtu(1, told(3, b"\0\7")))
    assert line.names() == ["answered"]
    assert line.talk.silence_left_ns(line.ms * MS) == 0  # due in a second
    tcp = Line(TcpConversation, Request(1, 3, 0, 1))
    assert tcp.talk.silence_left_ns(0) == 0
