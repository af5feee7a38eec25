"""Statements: what is well encoded and yet no statement, and limits that fit each other."""

from dataclasses import replace
from typing import Any

import pytest

from evidence import (
    calibration,
    cbor,
    cose,
    credential,
    descriptor,
    disclosure,
    heads,
    receipt,
    run,
)
from evidence.calibration import Burden, Calibration, Figures, Point
from evidence.code import Reason, Typ
from evidence.credential import Named, Terminal
from evidence.descriptor import Block, Channel
from evidence.heads import StreamHead
from evidence.key import Ed25519Key
from evidence.receipt import Classed
from evidence.refusal import EvidenceError
from evidence.run import Reached
from tests.evidence import vector

KEY = Ed25519Key(bytes(32))
HALF = Burden(2500, 1000)


def read(name: str):
    return vector.READERS[vector.load(name)["kind"]](vector.raw(name, "payload"))


def reread(value, kind: str, typ: Typ):
    """A statement after it was signed, sent and read."""
    encoded = cose.sign(typ, value.payload(), KEY)
    return vector.READERS[kind](cose.read_statement(encoded, typ).payload)


def refused(value, kind: str) -> Reason:
    with pytest.raises(EvidenceError) as fault:
        vector.READERS[kind](value.payload())
    return fault.value.reason


@pytest.mark.parametrize("name", vector.STATEMENTS)
def test_a_statement_passes_for_no_other_kind(name):
    encoded, own = vector.raw(name, "encoded"), vector.load(name)["typ"]
    for typ in Typ:
        if typ != own:
            with pytest.raises(EvidenceError) as fault:
                cose.read_statement(encoded, typ)
            assert fault.value.reason == Reason.TYP


@pytest.mark.parametrize("name", vector.SIGNED)
def test_another_version_is_named(name):
    if vector.load(name)["kind"] == "credential":
        return  # a CWT has none
    payload = vector.raw(name, "payload")
    kind = vector.load(name)["kind"]
    for version in (b"\x00", b"\x02", b"\x18\xff"):
        with pytest.raises(EvidenceError) as fault:
            vector.READERS[kind](payload[:1] + version + payload[2:])
        assert fault.value.reason == Reason.VERSION


@pytest.mark.parametrize("kind", sorted(vector.READERS))
@pytest.mark.parametrize("value", [None, 1, b"", "text", [], [1], [[]], {}, {1: 1}, [1] * 12, [2]])
def test_what_is_no_statement_at_all(kind, value):
    with pytest.raises(EvidenceError) as fault:
        vector.READERS[kind](cbor.encode(value))
    assert fault.value.reason in {Reason.SHAPE, Reason.VERSION}


def test_the_most_that_each_statement_holds_is_signed_and_read():
    """A limit nobody can reach is a trap: the largest of each fits what a reader takes."""
    made = read("run_continues")
    links = tuple(Reached(at, bytes(32), 1 << 40, bytes(32)) for at in range(run.STREAMS_MAX))
    largest = replace(made, reached=links)
    assert reread(largest, "run", Typ.RUN) == largest
    made = read("descriptor_full")
    name, bus = bytes(32), bytes(16)
    block = Block(name, 65535, "M", 1 << 20, -(1 << 20), name)
    last = descriptor.BLOCKS_MAX - 1
    channel = Channel(
        *(last, name, "current", "A", "CA", bus, bus, -1, (345_000, 5), "0.3", "1", "25 VA"),
        *(name, name, name),
    )
    blocks, channels = (block,) * descriptor.BLOCKS_MAX, (channel,) * descriptor.CHANNELS_MAX
    full = replace(made, blocks=blocks, channels=channels)
    assert reread(full, "descriptor", Typ.DESCRIPTOR) == full
    assert len(full.digests) <= disclosure.DISCLOSURES_MAX
    made = read("credential_ed25519")
    buses = tuple(bytes([at]) * 16 for at in range(credential.BUSES_MAX))
    terminals = tuple(
        Terminal(at.to_bytes(16, "big"), buses[at % 256], -1)
        for at in range(credential.TERMINALS_MAX)
    )
    named = tuple(Named(bus, name, name) for bus in buses)
    granted = replace(made, buses=buses, terminals=terminals, named=named)
    assert len(granted.digests) <= disclosure.DISCLOSURES_MAX
    assert reread(granted, "credential", Typ.CREDENTIAL) == granted
    made = read("heads")
    furthest = StreamHead(0, bytes(32), (1 << 64) - 1, bytes(32), (1 << 64) - 1)
    first = (1 << 64) - heads.HEADS_MAX
    told = tuple(furthest._replace(stream=first + at) for at in range(heads.HEADS_MAX))
    most = replace(made, heads=told)
    assert reread(most, "heads", Typ.HEADS) == most
    assert len(most.payload()) < 1 << 20  # of which an agent reads no more
    made = read("receipt")
    # As many as the largest batch can hold, at the bytes that the smallest observation has.
    classed = tuple(Classed(4096, 1 << 31, 1 << 31, 7, 91) for _ in range(53_000))
    classes = replace(made, classed=classed, proof=(bytes(32),) * 64)
    assert reread(classes, "receipt", Typ.RECEIPT) == classes


def test_what_nobody_would_read_is_not_signed():
    for typ, size in ((Typ.HEAD, cose.HEAD_BYTES_MAX), (Typ.RUN, cose.STATEMENT_BYTES_MAX)):
        with pytest.raises(EvidenceError, match="too_long"):
            cose.sign(typ, bytes(size), KEY)
        encoded = cose.sign(typ, bytes(size - 150), KEY)
        assert cose.read_statement(encoded, typ).payload == bytes(size - 150)
        with pytest.raises(EvidenceError, match="too_long"):
            cose.read_statement(encoded + bytes(200), typ)


def test_more_than_a_statement_holds_is_refused():
    made = read("run_continues")
    links = tuple(Reached(at, bytes(32), 1, bytes(32)) for at in range(run.STREAMS_MAX + 1))
    assert refused(replace(made, reached=links), "run") == Reason.SHAPE
    full = read("descriptor_full")
    many = (full.channels[0],) * (descriptor.CHANNELS_MAX + 1)
    assert refused(replace(full, channels=many), "descriptor") == Reason.SHAPE
    made = read("credential_ed25519")
    assert refused(replace(made, buses=(bytes(16),) * 257), "credential") == Reason.SHAPE
    terminals = made.terminals[:1] * (credential.TERMINALS_MAX + 1)
    assert refused(replace(made, terminals=terminals), "credential") == Reason.SHAPE
    made = read("receipt")
    assert refused(replace(made, proof=(bytes(32),) * 129), "receipt") == Reason.TOO_LONG
    made = read("heads")
    many_heads = tuple(made.heads[0]._replace(stream=at) for at in range(heads.HEADS_MAX + 1))
    assert refused(replace(made, heads=many_heads), "heads") == Reason.TOO_LONG
    with pytest.raises(EvidenceError, match="shape: disclosures"):
        disclosure.read_pairs(((bytes(16), b""),) * (disclosure.DISCLOSURES_MAX + 1))


@pytest.mark.parametrize(
    "changed",
    [
        {"rated_mva": 0},
        {"rated_mva": calibration.MVA_MAX + 1},
        {"upto": 0},
        {"connected": Burden(2500, 1001)},
        {"calibration": Calibration(100, ())},
        {"calibration": Calibration(100, (Point(50, HALF, 0, 0), Point(50, Burden(5, 0), 0, 0)))},
        {"calibration": Calibration(100, (Point(60, HALF, 0, 0), Point(50, HALF, 0, 0)))},
        {"calibration": Calibration(100, (Point(50, HALF, 0, 0),) * 2)},
        {"calibration": Calibration(100, (Point(0, HALF, 0, 0), Point(50, HALF, 0, 0)))},
        {"calibration": Calibration(100, (Point(50, HALF, 0, 200_001), Point(60, HALF, 0, 0)))},
        {"calibration": Calibration(200_001, (Point(50, HALF, 0, 0), Point(60, HALF, 0, 0)))},
        {
            "calibration": Calibration(
                100, tuple(Point(at + 1, HALF, 0, 0) for at in range(calibration.POINTS_MAX + 1))
            )
        },
        dict.fromkeys(Figures._fields),
    ],
)
def test_figures_of_a_transformer_that_say_nothing_or_too_much(changed: dict[str, Any]):
    full = read("descriptor_figures")
    channel = full.channels[0]
    wrong = replace(channel, figures=channel.figures._replace(**changed))
    assert refused(replace(full, channels=(wrong,)), "descriptor") == Reason.SHAPE


def test_values_of_a_correction_stand_with_the_hash_of_its_file():
    full = read("descriptor_figures")
    bare = replace(full.channels[0], correction=None)
    assert refused(replace(full, channels=(bare,)), "descriptor") == Reason.SHAPE


def test_statements_that_contradict_themselves():
    continued = read("run_continues")
    twice = (*continued.reached, continued.reached[0]._replace(seq=99))
    assert refused(replace(continued, reached=twice), "run") == Reason.SHAPE
    assert refused(replace(continued, lost=(2, 1)), "run") == Reason.SHAPE
    full = read("descriptor_full")
    assert refused(replace(full, blocks=()), "descriptor") == Reason.SHAPE
    assert refused(replace(full, blocks=full.blocks[:1]), "descriptor") == Reason.SHAPE
    for ratio in ((0, 5), (5, 0)):
        channel = replace(full.channels[0], ratio=ratio)
        assert refused(replace(full, channels=(channel,)), "descriptor") == Reason.SHAPE
    assert refused(replace(full, time_document=""), "descriptor") == Reason.SHAPE
    granted = read("credential_ed25519")
    assert refused(replace(granted, buses=granted.buses * 2), "credential") == Reason.SHAPE
    sideways = (granted.terminals[0]._replace(direction=2),)
    assert refused(replace(granted, terminals=sideways), "credential") == Reason.SHAPE
    told = read("heads")
    for rows in (told.heads[::-1], told.heads[:1] * 2):
        assert refused(replace(told, heads=rows), "heads") == Reason.SHAPE
    classed = read("receipt_classed")
    backwards = (Classed(1, 5, 4, 3, 82),)
    assert refused(replace(classed, classed=backwards), "receipt") == Reason.SHAPE
    found = read("classification")
    for changed in (
        *({"first_seq": 9, "last_seq": 8}, {"stream": None}, {"channels": ()}),
        *({"channels": (1, 1)}, {"channels": (2, 1)}, {"channels": (4096,)}),
        *({"channels": (1,), "last_seq": None}, {"channels": (1,), "first_seq": None}),
    ):
        finding = found.findings[1]._replace(**changed)
        assert refused(replace(found, findings=(finding,)), "classification") == Reason.SHAPE


def test_numbers_that_mean_nothing_are_refused():
    unknown = replace(read("receipt_classed"), classed=(Classed(1, 1, 1, 99, 82),))
    assert refused(unknown, "receipt") == Reason.SHAPE
    value = list(cbor.decode(vector.raw("refusal", "payload")))
    value[2] = 9999
    with pytest.raises(EvidenceError, match="shape: reason"):
        receipt.read_refusal(cbor.encode(value))
    value = list(cbor.decode(vector.raw("run_ed25519", "payload")))
    value[5] = 17  # a cause for a gap, and none for a run
    with pytest.raises(EvidenceError, match="shape: cause"):
        run.read(cbor.encode(value))


def test_hidden_values_are_found_by_their_hash_only():
    salts = iter(bytes([at]) * 16 for at in range(9))
    hiding = disclosure.Discloser(lambda size: next(salts)[:size])
    digests = [hiding.hide(value) for value in (b"VA", b"VA", b"")]
    assert len(set(digests)) == 3  # one value, two salts: nobody sees that they are the same
    found = disclosure.match(hiding.pairs, digests)
    assert [found[digest] for digest in digests] == [b"VA", b"VA", b""]
    assert disclosure.match(hiding.pairs[:1], digests) == {digests[0]: b"VA"}
    with pytest.raises(EvidenceError):
        disclosure.match(((bytes(16), b"VB"),), digests)
    # The split between salt and value is fixed: no other pair has the same hash.
    for pairs in ((bytes(15), b"\x00VA"), (bytes(17), b"A"), ("0" * 16, b"VA")):
        with pytest.raises(EvidenceError, match="shape"):
            disclosure.read_pairs((pairs,))
