"""What a GOOSE session notices beside its samples: sealed as events and gaps, counted as faults."""

import random
from typing import Any

import pytest

from drivers.goose.session import Session, Terms
from drivers.line import Frame
from evidence import event, gap
from evidence.code import Cause, Event, Flag, Kind
from evidence.leap import NS
from tests.drivers.goose import HOUR, MS, Publisher, at, events, samples, told


@pytest.fixture
def session() -> Session:
    return Session(Terms())


@pytest.fixture
def publisher() -> Publisher:
    return Publisher()


def test_lost_states_are_a_gap(session: Session, publisher: Publisher):
    session.accept(publisher.frame(), at(0))
    items = session.accept(publisher.change(500 * MS, stNum=4), at(500 * MS))
    hole = gap.Gap(Cause.NOT_HEARD, HOUR + 1, HOUR + 500 * MS - 1, 2)
    assert told(items) == ["states_lost", Event.STATES_LOST, hole, "GOOSE"]
    assert session.counts["lost_states"] == 2


def test_a_gap_where_the_clock_tells_nothing_is_by_the_arrivals(
    session: Session, publisher: Publisher
):
    session.accept(publisher.frame(), at(0))
    items = session.accept(publisher.change(-50 * MS, stNum=3), at(900 * MS))
    (hole,) = [one for one in told(items) if isinstance(one, gap.Gap)]
    assert (hole.first, hole.last) == (HOUR + 1, HOUR + 900 * MS - 1)


def test_a_replay_is_no_sample_and_is_kept_in_its_event(session: Session, publisher: Publisher):
    old = publisher.frame()
    session.accept(old, at(0))
    session.accept(publisher.change(1 * NS), at(1 * NS))
    items = session.accept(old, at(2 * NS))
    assert told(items) == ["replayed", Event.REPLAYED]
    noticed = event.read(items[1].raw)  # type: ignore[union-attr]
    assert (noticed.first, noticed.last, noticed.count) == (HOUR + 2 * NS, HOUR + 2 * NS, 1)
    assert noticed.frame == old
    fault = items[0]
    assert isinstance(fault, Frame) and fault.raw == old and fault.kind == Kind.EVENT


def test_events_that_come_often_are_one_with_their_count(session: Session, publisher: Publisher):
    old = publisher.frame()
    session.accept(old, at(0))
    session.accept(publisher.change(1 * NS, ttl=60_000), at(1 * NS))
    heard = [session.accept(old, at(2 * NS + n * 450 * MS)) for n in range(20)]
    assert [told(items) for items in heard[1:]] == [["replayed"]] * 19
    assert session.deadline() == HOUR + 12 * NS
    assert told(session.watch(at(12 * NS))) == []
    (item,) = session.watch(at(12 * NS + 1))
    assert isinstance(item, Frame)
    noticed = event.read(item.raw)
    assert (noticed.event, noticed.count) == (Event.REPLAYED, 19)
    assert (noticed.first, noticed.last) == (HOUR + 2450 * MS, HOUR + (2000 + 19 * 450) * MS)
    assert session.counts["replayed"] == 20


def test_silence_is_an_event_when_it_is_watched(session: Session, publisher: Publisher):
    session.accept(publisher.frame(), at(0))
    assert session.deadline() == HOUR + 2 * NS
    assert session.watch(at(2 * NS)) == []
    items = session.watch(at(2 * NS + 1))
    assert told(items) == ["silent", Event.SILENT]
    assert event.read(items[1].raw).first == HOUR + 2 * NS  # type: ignore[union-attr]
    assert session.watch(at(20 * NS)) == []
    assert events(session.accept(publisher.again(), at(21 * NS))) == [Event.HEARD_AGAIN]


def test_a_clock_that_was_never_set(session: Session, publisher: Publisher):
    """Its quality octet is good all the same."""
    years = 26 * 365 * 86_400 * NS
    (found,) = samples(session.accept(publisher.frame(at_ns=-years), at(0)))
    items = session.accept(publisher.change(-years + NS), at(NS))
    assert Event.CLOCK_DISAGREES in events(items)
    (sample,) = samples(items)
    assert (found.bound, sample.bound) == (None, None)
    assert abs(sample.tai - (HOUR - years)) < 60 * NS
    assert not sample.flags & Flag.LOCKED


@pytest.mark.parametrize(
    ("changed", "noticed"),
    [
        ({"source": bytes(6)}, Event.SENDER_CHANGED),
        ({"appid": 0x3002}, Event.ADDRESS_CHANGED),
        ({"goID": "OTHER"}, Event.ADDRESS_CHANGED),
    ],
)
def test_another_sender_is_noticed(
    session: Session, publisher: Publisher, changed: dict[str, Any], noticed: Event
):
    session.accept(publisher.frame(), at(0))
    items = session.accept(publisher.again(**changed), at(1 * NS))
    assert events(items) == [noticed]
    assert event.read(items[1].raw).frame is not None  # type: ignore[union-attr]


@pytest.mark.parametrize("seed", range(10))
def test_whatever_comes_is_stated_in_words_that_can_be_read(seed: int):
    """Frames hurt anywhere, in any order, at any instant: what is sealed is what it says it is."""
    chance = random.Random(seed)
    session, publisher = Session(Terms()), Publisher()
    now = 0
    sent: list[bytes] = [publisher.frame()]
    for _ in range(200):
        now += chance.choice((0, 1, 1000)) * MS + chance.choice((-1, 1, 1)) * chance.randrange(MS)
        sent.append(publisher.change(now) if chance.random() < 0.5 else publisher.again())
        hurt = bytearray(chance.choice(sent))
        if chance.random() < 0.5:
            hurt[chance.randrange(12, len(hurt))] = chance.randrange(256)
        raw = bytes(hurt)
        for item in [*session.accept(raw, at(now)), *session.watch(at(now))]:
            if isinstance(item, Frame) and item.fault is None:
                if item.kind == Kind.EVENT:
                    assert event.read(item.raw).text
                elif item.kind == Kind.GAP:
                    assert gap.read(item.raw).cause is Cause.NOT_HEARD
                else:
                    assert item.raw == raw
