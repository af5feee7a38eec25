"""GOOSE frames to typed values and back: vectors, real captures, and whatever bytes."""

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers import decode
from drivers.goose import wire
from drivers.goose.data import TYPES, nodes
from drivers.goose.dataset import Member, decode_configuration, fits, learned
from drivers.goose.pdu import Pdu
from drivers.line import FrameError
from drivers.values import Value
from evidence.code import Class, Kind, Reason
from hil.pcap import Tally, packets
from tests.drivers.vector import expected, vector, vectors

VECTORS, EXPECTED = vectors("goose"), expected("goose")
GOOD = [name for name, want in EXPECTED.items() if "fault" not in want]
TRIP = ("Pos.ctl", "boolean"), ("Pos.q", "bit-string"), ("Pos.stVal", ""), ("A.mag.f", "")


NAN, INF = float("nan"), float("inf")


def plain(value: Value) -> Any:
    """As JSON has it."""
    if isinstance(value, tuple):
        return [plain(inner) for inner in value]
    return f"hex:{value.hex()}" if isinstance(value, bytes) else value


def dataset_of(raw: bytes) -> wire.DataSet:
    """What a frame says of itself."""
    pdu = wire.decode_frame(raw).pdu
    found = nodes(pdu.allData, 0, len(pdu.allData))
    return learned(pdu.gocbRef, pdu.datSet, pdu.goID, pdu.confRev, found)


def trip(*members: tuple[str, str], revision: int | None = 3) -> wire.DataSet:
    """The data set of the vector, by hand."""
    named = tuple(Member(name, kind) for name, kind in (members or TRIP))
    return wire.DataSet("IED1LD0/LLN0$GO$gcb01", None, None, revision, named)


def frames_of(path: Path) -> list[bytes]:
    return [packet.data for packet in packets(path.read_bytes(), Tally())]


def flattened(value: Value) -> list[Value]:
    """The values that are no structure."""
    if type(value) is tuple:
        return [leaf for inner in value for leaf in flattened(inner)]
    return [value]


# --- vectors


def test_every_vector_has_its_meaning():
    assert VECTORS.keys() == EXPECTED.keys()


@pytest.mark.parametrize("name", GOOD)
def test_vectors(name: str):
    want, message = dict(EXPECTED[name]), wire.decode_frame(VECTORS[name])
    carried, pdu = message.carried, message.pdu
    told = {
        "values": plain(message.values),
        "types": [TYPES[node.tag] for node in nodes(pdu.allData, 0, len(pdu.allData))],
        "start": carried.start,
        "simulated": carried.simulated,
        "extension": carried.extension.hex(),
        "security": pdu.security.hex(),
        "vlan": carried.ethernet.tags[0].vlan
        if carried.ethernet and carried.ethernet.tags
        else None,
        **{key: getattr(pdu, key) for key in ("stNum", "sqNum", "simulation")},
    }
    assert {key: told[key] for key in want} == want
    assert (carried.appid, pdu.gocbRef, pdu.goID) == (0x3001, "IED1LD0/LLN0$GO$gcb01", "TRIP")
    assert (pdu.timeAllowedtoLive, pdu.datSet, pdu.confRev) == (2000, "IED1LD0/LLN0$dsTrip", 3)
    assert pdu.t == (1700000000, 1 << 23, 0x8A)
    assert not pdu.ndsCom


@pytest.mark.parametrize("name", sorted(EXPECTED.keys() - set(GOOD)))
def test_bad_vectors_are_refused_by_name(name: str):
    with pytest.raises(FrameError) as found:
        wire.decode_frame(VECTORS[name])
    assert found.value.fault == EXPECTED[name]["fault"]


@pytest.mark.parametrize("name", GOOD)
def test_the_configuration_decodes_what_the_frame_has(name: str):
    """By names and in one flat row, the first time and by what was learned from it."""
    raw = VECTORS[name]
    found = wire.compiled(dataset_of(raw).encode())
    want = flattened(wire.decode_frame(raw).values)
    for _ in range(3):
        assert list(found.decode(raw)) == want
    assert len(found.slots) == len(want)
    assert decode.decode(Kind.GOOSE, dataset_of(raw).encode(), raw) == found.decode(raw)


def test_names_of_what_is_inside():
    slots = wire.compiled(dataset_of(VECTORS["all_types"]).encode()).slots
    assert [slot.name for slot in slots[-4:]] == [
        *("item 17", "item 18.1", "item 18.2[1]", "item 18.2[2]"),
    ]


def test_without_a_configuration_all_entries_are_one_value():
    found = wire.compiled(b"")
    assert [slot.name for slot in found.slots] == ["allData"]
    assert found.decode(VECTORS["trip"]) == ((True, "0" * 13, "10", 131.5),)
    assert found.judge((VECTORS["trip"],)) == [(Class.DATA_INVALID, Reason.NO_CONFIGURATION)]


# --- what a frame differs in from its configuration


@pytest.mark.parametrize(
    ("dataset", "fault"),
    [
        (trip(revision=4), "conf_rev"),
        (trip()._replace(gocbRef="IED2LD0/LLN0$GO$gcb01"), "other_gocb_ref"),
        (trip(*TRIP[:3]), "data_set"),
        (trip(*TRIP, ("more", "")), "data_set"),
        (trip(("a", "boolean"), ("b", "boolean"), ("c", ""), ("d", "")), "data_set"),
        (trip(*TRIP)._replace(members=(*trip().members[:3], Member("s", "structure"))), "data_set"),
    ],
)
def test_another_data_set_is_refused_by_name(dataset: wire.DataSet, fault: str):
    found = wire.compiled(dataset.encode())
    with pytest.raises(FrameError) as refused:
        found.decode(VECTORS["trip"])
    assert refused.value.fault == fault
    assert found.judge((VECTORS["trip"],)) == [(Class.DATA_INVALID, Reason.NO_CONFIGURATION)]


def test_what_is_not_stated_may_be_anything():
    assert wire.compiled(trip(revision=None).encode()).decode(VECTORS["trip"])[3] == 131.5


def test_numbers_and_strings_may_be_of_their_neighbours_type():
    """An enumeration that a device sends unsigned is one all the same; a float is not."""
    entries = nodes(VECTORS["all_types"], 0, 0), nodes(b"\x86\x01\x05", 0, 3)
    assert entries[0] == ()
    assert fits([Member("e", "integer")], entries[1])
    assert not fits([Member("e", "floating-point")], entries[1])
    assert not fits([Member("e", "visible-string")], entries[1])


@pytest.mark.parametrize(
    ("name", "verdicts"),
    [
        ("trip", []),
        ("simulated", [(Class.SIMULATED, Reason.SIMULATION)]),
        (
            "simulation",
            [(Class.SIMULATED, Reason.SIMULATION), (Class.TEST, Reason.TEST_MODE)],
        ),
        ("entries_lie", [(Class.DATA_INVALID, Reason.MALFORMED)]),
    ],
)
def test_verdicts(name: str, verdicts: list[tuple[Class, Reason]]):
    assert wire.compiled(trip().encode()).judge((VECTORS[name],)) == verdicts


@pytest.mark.parametrize(
    ("quality", "verdicts"),
    [
        ("0000000000000", []),
        ("0100000000000", [(Class.DATA_INVALID, Reason.POINT_INVALID)]),
        ("1100000000000", [(Class.DATA_INVALID, Reason.POINT_INVALID)]),
        ("0000000000010", [(Class.TEST, Reason.TEST_MODE)]),
        ("0000000000001", []),  # operator blocked
    ],
)
def test_a_quality_is_judged_where_the_file_says_that_it_is_one(
    quality: str, verdicts: list[tuple[Class, Reason]]
):
    known = trip()._replace(members=(Member("q", "bit-string", "Quality"),))
    unknown = trip()._replace(members=(Member("q", "bit-string"),))
    raw = built(("bit-string", quality))
    assert wire.compiled(known.encode()).judge((raw,)) == verdicts
    assert wire.compiled(unknown.encode()).judge((raw,)) == []


def test_a_float_that_is_no_number_is_no_value():
    judge = wire.compiled(trip(("a", "floating-point"), ("b", "boolean")).encode()).judge
    for value, verdicts in (
        *((1.5, []), (-0.0, [])),
        *((one, [(Class.DATA_INVALID, Reason.VALUE_INVALID)]) for one in (NAN, INF, -INF)),
    ):
        assert judge((built(("floating-point", value), ("boolean", True)),)) == verdicts


def test_what_needs_commissioning_says_so():
    raw = built(("boolean", True), nds_com=True)
    dataset = trip(("b", "boolean"))
    assert wire.compiled(dataset.encode()).judge((raw,)) == [
        (Class.DATA_INVALID, Reason.NEEDS_COMMISSIONING)
    ]


@pytest.mark.parametrize(
    "configuration",
    [b"\x01", b"\x80", b"\x86\x02\x61a\xf6\xf6\xf6\x80", b"\x86\x01\x61a\xf6\xf6\xf6\x81\x80"],
)
def test_configurations_that_are_none(configuration: bytes):
    with pytest.raises(FrameError) as found:
        wire.compiled(configuration)
    assert found.value.fault == "configuration"


def test_the_same_facts_are_the_same_bytes():
    made = dataset_of(VECTORS["all_types"])
    assert decode_configuration(made.encode()) == made
    assert dataset_of(VECTORS["all_types"]).encode() == made.encode()


# --- other people's frames


def test_captures(captures: Path):
    """Every GOOSE frame that real devices and libiec61850 sent."""
    read = {
        "goose/GOOSE.pcap": 8,
        "goose/GOOSE_DEMO.pcap": 1,
        "selfmade/libiec61850_goose_sv.pcap": 4,
        "selfmade/pyiec61850ng_goose_alltypes_sim.pcap": 6,
    }
    for name, count in read.items():
        found = [raw for raw in frames_of(captures / name) if b"\x88\xb8" in raw[12:18]]
        messages = [wire.decode_frame(raw) for raw in found]
        assert len(messages) == count
        for raw, message in zip(found, messages, strict=True):
            compiled = wire.compiled(dataset_of(raw).encode())
            assert list(compiled.decode(raw)) == flattened(message.values)
    last = messages[-1]  # all types, simulated
    assert last.values == (
        *(True, -5, -(1 << 40), 4_000_000_000, 3.25, 2.5e-300, "1000000000001", "station-1"),
        *((1700000000, 2063597, 10), (0, 0), bytes(4), (False, 1.5)),
    )
    assert [message.pdu.simulation for message in messages] == [False] * 3 + [True] * 3


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("GOOSE_all_data_primitives_fallbacks", None),
        ("GOOSE_malformed_asn1", "pdu_field"),
        ("GOOSE_missing_all_data", "pdu_missing"),
        ("GOOSE_missing_timestamp", "pdu_missing"),
        ("GOOSE_truncated", "truncated"),
    ],
)
def test_malformed_captures(captures: Path, name: str, fault: str | None):
    (raw,) = frames_of(captures / "goose_malformed" / f"{name}.pcap")
    if fault is None:
        assert wire.decode_frame(raw).values == (
            *(True, "1", -1, 500, 1.0, b"\xde\xad\xbe", "OK", b"\x00", 18, "1", "1.3.1", "M"),
        )
    else:
        with pytest.raises(FrameError) as found:
            wire.decode_frame(raw)
        assert found.value.fault == fault


# --- whatever can be said, and whatever bytes

HEADS = bytes.fromhex("010ccd010001"), bytes.fromhex("0030a7001122")


def built(*entries: tuple[Any, ...], nds_com: bool = False, octets: int = 0) -> bytes:
    data = wire.encode_data(*entries)
    t = wire.UtcTime(1_700_000_000, 5, 0x8A)
    place = "IED1LD0/LLN0$GO$gcb01", 2000, "IED1LD0/LLN0$ds", None, t, 1, 0
    pdu = Pdu(*place, False, 3, nds_com, len(entries), data, b"")
    return wire.encode_frame(*HEADS, 0x3001, wire.encode_pdu(pdu, octets), tci=0x800A)


SIMPLE = st.one_of(
    st.tuples(st.just("boolean"), st.booleans()),
    st.tuples(st.just("bit-string"), st.text("01", max_size=40)),
    st.tuples(st.just("integer"), st.integers(-(1 << 63), (1 << 63) - 1)),
    st.tuples(st.just("unsigned"), st.integers(0, (1 << 64) - 1)),
    st.tuples(st.just("floating-point"), st.floats(width=32, allow_nan=False)),
    st.tuples(st.just("floating-point"), st.floats(allow_nan=False), st.just(8)),
    st.tuples(st.just("octet-string"), st.binary(max_size=300)),
    st.tuples(st.just("mMSString"), st.text(max_size=20)),
    st.tuples(
        st.just("utc-time"),
        st.builds(
            wire.UtcTime,
            st.integers(0, (1 << 32) - 1),
            st.integers(0, (1 << 24) - 1),
            st.integers(0, 255),
        ),
    ),
)
ENTRY = st.recursive(
    SIMPLE,
    lambda inner: st.tuples(st.just("structure"), st.lists(inner, max_size=4).map(tuple)),
    max_leaves=8,
)


def content(entry: tuple[Any, ...]) -> Value:
    """What an entry must come out as."""
    if entry[0] == "structure":
        return tuple(content(inner) for inner in entry[1])
    return entry[1]  # type: ignore[no-any-return]


@given(st.lists(ENTRY, max_size=6), st.sampled_from([0, 5]))
def test_what_is_encoded_comes_back(entries: list[tuple[Any, ...]], octets: int):
    raw = built(*entries, octets=octets)
    message = wire.decode_frame(raw)
    want = tuple(content(entry) for entry in entries)
    assert message.values == want
    compiled = wire.compiled(dataset_of(raw).encode())
    for _ in range(2):
        assert list(compiled.decode(raw)) == flattened(want)


@settings(max_examples=2000)
@given(st.binary(max_size=400))
def test_any_bytes(raw: bytes):
    for read in (wire.decode_frame, wire.compiled(b"").decode, wire.decode_datagram):
        try:
            read(raw)
        except FrameError:
            pass


MUTATED = [vector("goose", name) for name in ("all_types", "trip", "hsr", "prp", "routed")]


@pytest.mark.parametrize("seed", range(20))
def test_mutated_frames(seed: int):
    """Nothing but FrameError; and what was learned of a frame reads no other otherwise."""
    chance = random.Random(seed)
    for _ in range(100):
        original = chance.choice(MUTATED)
        layout = wire.Layout(dataset_of(original))
        layout.decode(original)
        hurt = bytearray(original)
        for _ in range(chance.randint(1, 4)):
            hurt[chance.randrange(12, len(hurt))] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, 0xA2))
        raw = bytes(hurt[: chance.choice((len(hurt), chance.randrange(len(hurt))))])
        assert outcome(layout, raw) == outcome(wire.Layout(layout.dataset), raw)
        wire.compiled(layout.dataset.encode()).judge((raw,))


def outcome(layout: wire.Layout, raw: bytes) -> str:
    """What comes of a frame, NaN equal to itself."""
    try:
        return repr(layout.decode(raw))
    except FrameError as fault:
        return fault.fault


def test_every_bit_of_a_frame():
    """One by one: read by what was learned from the good frame, or element by element, the same."""
    original = VECTORS["all_types"]
    learned_layout = wire.Layout(dataset_of(original))
    learned_layout.decode(original)
    for bit in range(8 * 12, 8 * len(original)):
        hurt = bytearray(original)
        hurt[bit // 8] ^= 1 << bit % 8
        fresh = wire.Layout(learned_layout.dataset)
        assert outcome(learned_layout, bytes(hurt)) == outcome(fresh, bytes(hurt)), bit
