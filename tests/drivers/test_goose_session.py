"""What a GOOSE session makes of frames: samples, their instants, and the Setups that rule them."""

from pathlib import Path
from typing import Any

import pytest

from drivers import decode
from drivers.goose import wire
from drivers.goose.dataset import DataSet
from drivers.goose.session import UNHEARD_NS, Session, Subscription, Terms
from drivers.goose.stream import SETUPS_A_MINUTE_MAX
from drivers.line import STREAMS_MAX, Frame, Instant
from evidence.code import Event, Flag, Kind, TimeSource
from evidence.leap import BUILT_IN, NS
from hil.pcap import Tally, packets
from tests.drivers.goose import (
    DATASET,
    HOUR,
    HOUR_S,
    MS,
    REFERENCE,
    Publisher,
    at,
    events,
    samples,
    told,
)
from tests.drivers.vector import vector


@pytest.fixture
def session() -> Session:
    return Session(Terms())


@pytest.fixture
def publisher() -> Publisher:
    return Publisher()


# --- samples


def test_the_first_state_is_found_and_no_event_of_the_grid(session: Session, publisher: Publisher):
    raw = publisher.frame(sqNum=7)
    items = session.accept(raw, at(30 * 60 * NS))
    assert told(items) == ["setup", Event.STATE_FOUND, "GOOSE"]
    (sample,) = samples(items)
    assert (sample.raw, sample.tai, sample.source) == (raw, HOUR, TimeSource.DEVICE)
    assert (sample.bound, sample.flags) == (None, 0)  # nobody here saw it happen


def test_a_change_is_a_sample_and_its_retransmissions_are_counted(
    session: Session, publisher: Publisher
):
    session.accept(publisher.frame(), at(0))
    raw = publisher.change(500 * MS)
    items = session.accept(raw, at(500 * MS + 40_000))
    assert told(items) == ["GOOSE"]
    (sample,) = samples(items)
    assert (sample.raw, sample.tai, sample.bound) == (raw, HOUR + 500 * MS, 976_563)
    assert sample.flags == Flag.LOCKED | Flag.TRACEABLE
    assert sample.heard == at(500 * MS + 40_000)
    for after in (4, 8, 16):
        assert session.accept(publisher.again(), at((500 + after) * MS)) == []
    assert (session.counts["changed"], session.counts["repeated"]) == (1, 3)


def test_the_whole_frame_is_kept_with_what_is_behind_the_message(
    session: Session, publisher: Publisher
):
    """The extension of IEC 62351-6, as it came."""
    raw = publisher.frame(extension=b"signature")
    (sample,) = samples(session.accept(raw, at(0)))
    assert sample.raw == raw
    assert wire.carry(sample.raw).extension == b"signature"


@pytest.mark.parametrize(
    ("quality", "after_ns", "bound", "flags"),
    [
        (0x8A, 1 * MS, 976_563, Flag.LOCKED | Flag.TRACEABLE),
        (0x80, 1 * MS, NS, Flag.LOCKED | Flag.TRACEABLE),
        (0x98, 1 * MS, 60, Flag.LOCKED | Flag.TRACEABLE),
        (0x9F, 1 * MS, None, Flag.LOCKED | Flag.TRACEABLE),  # unspecified
        (0x99, 1 * MS, None, Flag.LOCKED | Flag.TRACEABLE),  # 25 bits of 24
        (0xAA, 1 * MS, None, Flag(0)),  # not synchronised
        (0xCA, 1 * MS, None, Flag(0)),  # failed
        (0x0A, 1 * MS, 976_563, Flag.LOCKED | Flag.TRACEABLE),  # whole seconds by the arrival
        (0x0A, 900 * MS, None, Flag.LOCKED | Flag.TRACEABLE | Flag.LEAP_UNKNOWN),
        (0x0A, -5 * MS, None, Flag.LOCKED | Flag.TRACEABLE | Flag.LEAP_UNKNOWN),
        (0x8A, 9_000 * MS, 976_563, Flag.LOCKED | Flag.TRACEABLE),
        (0x8A, 11_000 * MS, None, Flag(0)),
        (0x8A, -11_000 * MS, None, Flag(0)),
    ],
)
def test_time_quality(
    session: Session,
    publisher: Publisher,
    quality: int,
    after_ns: int,
    bound: int | None,
    flags: Flag,
):
    (sample,) = samples(session.accept(publisher.frame(quality=quality), at(after_ns)))
    assert (sample.tai, sample.bound, sample.flags) == (HOUR, bound, flags)


def test_whole_seconds_are_not_vouched_for_by_a_gateway_without_time(
    session: Session, publisher: Publisher
):
    (sample,) = samples(session.accept(publisher.frame(quality=0x0A), at(MS, None)))
    assert sample.bound is None
    assert sample.flags & Flag.LEAP_UNKNOWN


def test_a_state_without_time_is_stamped_by_its_arrival(session: Session, publisher: Publisher):
    raw = publisher.frame(at_ns=-HOUR_S * NS)
    (sample,) = samples(session.accept(raw, at(5)))
    assert (sample.tai, sample.bound, sample.source) == (HOUR + 5, 1000, TimeSource.UNKNOWN)
    assert sample.flags == Flag.AGENT_STAMPED


def test_values_that_changed_unannounced_have_no_bound(session: Session, publisher: Publisher):
    """t is not when they did."""
    session.accept(publisher.frame(), at(0))
    other = (("boolean", True), ("floating-point", 1.0))
    items = session.accept(publisher.again(values=other), at(5 * MS))
    assert told(items) == ["unannounced", Event.UNANNOUNCED, "GOOSE"]
    (sample,) = samples(items)
    assert (sample.tai, sample.bound) == (HOUR, None)


# --- simulation and test


@pytest.mark.parametrize(
    ("fields", "flags"),
    [
        ({"simulated": True}, Flag.SIMULATED),
        ({"simulation": True}, Flag.SIMULATED | Flag.TEST),
        ({"simulated": True, "simulation": True}, Flag.SIMULATED | Flag.TEST),
    ],
)
def test_simulated_messages_are_a_stream_beside_the_real_one(
    session: Session, publisher: Publisher, fields: dict[str, Any], flags: Flag
):
    """Under the same gocbRef and with numbers of their own, as a test set sends them."""
    test_set = Publisher(stNum=77, sqNum=0, **fields)
    (real,) = samples(session.accept(publisher.frame(), at(0)))
    (simulated,) = samples(session.accept(test_set.frame(), at(0)))
    assert (real.key, simulated.key) == (f"gocbRef={REFERENCE}", f"gocbRef={REFERENCE} simulated")
    assert not real.flags & (Flag.SIMULATED | Flag.TEST)
    assert simulated.flags & (Flag.SIMULATED | Flag.TEST) == flags
    assert session.accept(publisher.again(), at(1 * NS)) == []
    assert session.accept(test_set.again(), at(1 * NS)) == []


def test_a_bench_is_simulated_whole():
    session = Session(Terms(simulated=True))
    items = session.accept(Publisher().frame(), at(0))
    assert all(item.flags & Flag.SIMULATED for item in items if isinstance(item, Frame))


# --- what rules


def configured(dataset: DataSet = DATASET) -> Session:
    return Session(Terms((Subscription(REFERENCE, None, None, dataset),)))


def test_the_configured_names_rule_from_the_beginning(publisher: Publisher):
    session = configured()
    (setup,) = session.begin()
    assert [channel.name for channel in setup.blocks[0].channels] == ["Pos", "A"]
    items = session.accept(publisher.frame(), at(0))
    assert told(items) == [Event.STATE_FOUND, "GOOSE"]
    (sample,) = samples(items)
    assert decode.decode(Kind.GOOSE, setup.configuration, sample.raw) == (False, 1.0)


@pytest.mark.parametrize(
    ("changed", "noticed"),
    [
        ({"confRev": 4}, Event.REVISION_CHANGED),
        ({"values": (("boolean", True),)}, Event.DATA_SET_CHANGED),
        ({"values": (("boolean", True), ("structure", ()))}, Event.DATA_SET_CHANGED),
    ],
)
def test_another_configuration_puts_the_stream_under_a_bare_setup(
    publisher: Publisher, changed: dict[str, Any], noticed: Event
):
    session = configured()
    session.begin()
    items = session.accept(publisher.frame(**changed), at(0))
    assert told(items)[0] == "bare"
    assert noticed in events(items)
    assert len(samples(items)) == 1
    back = session.accept(Publisher(stNum=2, at_ns=NS).frame(), at(NS))
    assert told(back)[0] == "setup"
    assert len(samples(back)) == 1


def test_without_names_another_revision_is_another_setup(session: Session, publisher: Publisher):
    first = session.accept(publisher.frame(), at(0))
    second = session.accept(publisher.again(confRev=4), at(MS))
    assert told(second) == ["setup", "revision_changed", Event.REVISION_CHANGED, "GOOSE"]
    assert first[0] != second[0]


def test_two_publishers_under_one_reference_are_held_bare(session: Session, publisher: Publisher):
    kinds: list[Any] = []
    for number in range(2 * SETUPS_A_MINUTE_MAX):
        raw = publisher.change(number * NS, confRev=number % 2)
        kinds += told(session.accept(raw, at(number * NS)))
    assert kinds.count("GOOSE") == 2 * SETUPS_A_MINUTE_MAX  # every frame is kept
    assert kinds.count("setup") == SETUPS_A_MINUTE_MAX
    assert kinds.count("bare") == 1
    assert told(session.accept(publisher.change(300 * NS), at(300 * NS)))[0] == "setup"


# --- what is subscribed


@pytest.mark.parametrize(
    ("wanted", "heard"),
    [
        (Subscription(REFERENCE), [1]),
        (Subscription(appid=0x3001), [1, 2]),
        (Subscription(goID="OTHER"), [3]),
        (Subscription(REFERENCE, 0x3001, "TRIP"), [1]),
        (Subscription(REFERENCE, 0x3009), []),
    ],
)
def test_subscriptions(wanted: Subscription, heard: list[int]):
    session = Session(Terms((wanted,)))
    frames = {
        1: Publisher().frame(),
        2: Publisher(gocbRef="IED2LD0/LLN0$GO$gcb01").frame(),
        3: Publisher(gocbRef="IED3LD0/LLN0$GO$gcb01", goID="OTHER", appid=0x3003).frame(),
    }
    found = [name for name, raw in frames.items() if samples(session.accept(raw, at(0)))]
    assert found == heard
    assert session.counts["unsubscribed"] == len(frames) - len(heard)


def test_several_streams_of_one_interface():
    session = Session(Terms((Subscription(REFERENCE), Subscription(goID="OTHER"))))
    others = [Publisher(gocbRef=f"IED{n}LD0/LLN0$GO$x", goID="OTHER") for n in range(3)]
    items = [
        item for each in (Publisher(), *others) for item in session.accept(each.frame(), at(0))
    ]
    assert len({sample.key for sample in samples(items)}) == 4


def test_streams_are_bounded(session: Session):
    for number in range(STREAMS_MAX + 5):
        items = session.accept(Publisher(gocbRef=f"IED{number}/LLN0$GO$x").frame(), at(0))
    assert told(items) == ["streams"]


def test_a_subscription_of_which_nothing_is_heard_is_told():
    session = configured()
    session.begin()
    session.watch(at(0))
    assert session.watch(at(UNHEARD_NS)) == []
    assert told(session.watch(at(UNHEARD_NS + 1))) == ["unheard", "silent", Event.SILENT]
    assert session.watch(at(3 * UNHEARD_NS)) == []


def test_what_cannot_be_read_is_a_fault_with_its_bytes(session: Session):
    for name in ("entries_lie", "deep", "length_2_31", "twice"):
        raw = vector("goose", name)
        (item,) = session.accept(raw, at(0))
        assert isinstance(item, Frame)
        assert item.fault is not None and item.raw == raw and item.kind == Kind.GOOSE


def test_other_traffic_is_counted(session: Session):
    assert session.accept(bytes(12) + b"\x08\x00" + bytes(50), at(0)) == []
    assert session.counts["other"] == 1


def test_a_datagram_of_r_goose(session: Session):
    items = session.accept(vector("goose", "routed"), at(0))
    assert told(items) == ["setup", Event.STATE_FOUND, "GOOSE"]


@pytest.mark.parametrize("name", ["prp", "hsr", "vlan", "padded"])
def test_one_message_by_two_ways_is_heard_once(session: Session, name: str):
    """With a trailer, a ring's tag, a VLAN or padding by one of them."""
    assert len(samples(session.accept(vector("goose", "trip"), at(0)))) == 1
    assert session.accept(vector("goose", name), at(MS)) == []
    assert session.counts["copy"] == 1


# --- captures


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("goose/GOOSE.pcap", {"found": 1, "changed": 1, "repeated": 6, "restarted": 1}),
        ("goose/GOOSE_DEMO.pcap", {"found": 1}),
        ("selfmade/pyiec61850ng_goose_alltypes_sim.pcap", {"found": 2, "repeated": 4}),
        ("selfmade/libiec61850_goose_sv.pcap", {"found": 1, "changed": 1, "repeated": 2}),
    ],
)
def test_captures(captures: Path, name: str, counts: dict[str, int]):
    session = Session(Terms())
    for packet in packets((captures / name).read_bytes(), Tally()):
        heard = Instant(BUILT_IN.tai_ns(*divmod(packet.ts_ns, NS)), 1000)
        items = session.accept(packet.data, heard)
        faults = [item for item in items if isinstance(item, Frame) and item.fault is not None]
        assert all(fault.kind == Kind.EVENT for fault in faults)
    sights = ("found", "changed", "repeated", "late", "copy", "refused", "restarted")
    assert {name: session.counts[name] for name in sights if session.counts[name]} == counts
