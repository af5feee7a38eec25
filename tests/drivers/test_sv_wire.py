"""Sampled Values from bytes to values: frames, configurations, blocks, and what a block says of
itself. Whatever the bytes, nothing but FrameError.
"""

import json
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers import decode
from drivers.line import FrameError
from drivers.sv.wire import (
    ANY,
    PHS_MEAS_1,
    Configuration,
    Dataset,
    Layout,
    Member,
    compiled,
    decode_pdu,
    encode_configuration,
)
from evidence.code import Class, Kind, Reason
from tests.drivers.make_sv import VLAN, asdu, block, frame, plain, prp, sample, sav_pdu
from tests.drivers.vector import expected, vector, vectors

RATE, SPAN = 100, 5  # small blocks, so that a test can show one whole
LE = encode_configuration(Configuration(RATE, SPAN, (Dataset("MU01", PHS_MEAS_1),)))
INVALID, QUESTIONABLE, TEST = 0x0001, 0x0003, 0x0800
MISSING = (Class.DATA_INVALID, Reason.SAMPLES_MISSING)
MALFORMED = (Class.DATA_INVALID, Reason.MALFORMED)
UNFIT = (Class.DATA_INVALID, Reason.NO_CONFIGURATION)
BAD_POINT = (Class.DATA_INVALID, Reason.POINT_INVALID)


def frames(*counts: int, **how: object) -> list[bytes]:
    return [plain(count, RATE, **how) for count in counts]  # type: ignore[arg-type]


def verdicts(raw: bytes, configuration: bytes = LE) -> set[tuple[Class, Reason]]:
    return set(decode.compiled(Kind.SV, configuration).judge((raw,)))


def columns(raw: bytes, configuration: bytes = LE) -> dict[tuple[str, str], object]:
    found = decode.compiled(Kind.SV, configuration)
    names = [(slot.name, slot.part) for slot in found.slots]
    return dict(zip(names, found.decode(raw), strict=True))


# --- frames


@pytest.mark.parametrize("name", sorted(expected("sv")))
def test_vectors(name: str):
    want = expected("sv")[name]
    raw = vector("sv", name)
    if "fault" in want:
        with pytest.raises(FrameError) as raised:
            decode_pdu(raw)
        assert raised.value.fault == want["fault"]
        return
    found = decode_pdu(raw)
    fields = ("sv_id", "smp_cnt", "conf_rev", "smp_synch", "smp_rate", "smp_mod")
    told = {
        "appid": found.appid,
        "simulated": found.simulated,
        "tags": found.ethernet.tags,
        "redundancy": found.ethernet.redundancy,
        "asdus": [{field: getattr(each, field) for field in fields} for each in found.asdus],
    }
    assert json.loads(json.dumps(told)) == want
    for each in found.asdus:
        assert raw[slice(*each.at_smp_cnt)] == each.smp_cnt.to_bytes(2, "big")


def test_every_vector_is_expected():
    assert vectors("sv").keys() == expected("sv").keys()


@pytest.mark.parametrize(
    ("apdu", "fault"),
    [
        (b"\x61\x00", "sv_tag"),
        (sav_pdu(asdu(1, sample(1))) + b"\0", "sv_length"),
        (sav_pdu(), "asdu_count"),
        (sav_pdu(b"\x31\x00"), "sv_tag"),
        (sav_pdu(asdu(1, b"")), "asdu_field"),
        (sav_pdu(asdu(1, bytes(4097))), "asdu_field"),
        (sav_pdu(asdu(1, sample(1), sv_id="M" * 130)), "sv_id"),
        (sav_pdu(asdu(1, sample(1), sv_id="M\n")), "sv_id"),
        (sav_pdu(asdu(1, sample(1), conf_rev=b"\1")), "asdu_field"),
        (sav_pdu(asdu(1, sample(1)).replace(b"\x83\x04", b"\x80\x04")), "asdu_field"),
        (sav_pdu(*[asdu(1, b"\0")] * 65), "ber_count"),
        (b"\x60\x03\x80\x01\x01", "sv_tag"),
        (b"\x60\x05\x80\x01\x01\xa2\x01", "ber_length"),
    ],
)
def test_what_is_no_frame_is_named(apdu: bytes, fault: str):
    with pytest.raises(FrameError) as raised:
        decode_pdu(frame(apdu))
    assert raised.value.fault == fault


def test_an_sv_id_that_is_no_text():
    raw = plain(1).replace(b"MU01", b"\xff\xfe\xfd\xfc")
    with pytest.raises(FrameError, match="sv_id"):
        decode_pdu(raw)


def test_goose_is_not_ours():
    with pytest.raises(FrameError, match="ethertype"):
        decode_pdu(plain(1).replace(b"\x88\xba", b"\x88\xb8"))


# --- blocks into values


def test_values_of_9_2le():
    """In A and V, by channel, each with its quality, beside the counter."""
    found = columns(block(*frames(*range(SPAN))))
    assert found["smpCnt", ""] == (0, 1, 2, 3, 4)
    assert found["smpSynch", ""] == (2,) * SPAN
    for at, (name, scale) in enumerate(
        [(f"I{phase}", 0.001) for phase in "ABCN"] + [(f"V{phase}", 0.01) for phase in "ABCN"]
    ):
        want = [(1000 * at - number) * scale for number in range(SPAN)]
        assert found[name, ""] == pytest.approx(want)
        assert found[name, "quality"] == (0,) * SPAN


def test_units_and_quantities():
    slots = decode.compiled(Kind.SV, LE).slots
    told = {(slot.name, slot.quantity, slot.unit) for slot in slots if slot.part == ""}
    assert ("IA", "current", "A") in told and ("VN", "voltage", "V") in told
    assert decode.compiled(Kind.SV, LE).rate == (RATE // SPAN, 1)


@pytest.mark.parametrize("asdus", [1, 2, 6, 8])
def test_several_asdus_a_frame(asdus: int):
    span = 4 * asdus
    rate = 100 * span
    configuration = encode_configuration(Configuration(rate, span, (Dataset("MU01", PHS_MEAS_1),)))
    raws = [plain(count, rate, asdus) for count in range(0, span, asdus)]
    found = columns(block(*raws), configuration)
    assert found["smpCnt", ""] == tuple(range(span))
    assert found["VA", ""] == pytest.approx([(4000 - number) * 0.01 for number in range(span)])
    assert verdicts(block(*raws), configuration) == set()


def test_frames_of_several_shapes_read_as_of_one():
    """With and without a tag, with and without a trailer: the same values."""
    one, two, three, four, five = frames(*range(SPAN))
    mixed = block(one, plain(1, RATE, tags=VLAN), prp(three, 7, 0xA), prp(four, 8, 0xB), five)
    assert columns(mixed) == columns(block(one, two, three, four, five))
    assert verdicts(mixed) == set()


def test_two_svids_in_one_frame():
    configuration = encode_configuration(
        Configuration(0, 0, (Dataset("A", PHS_MEAS_1), Dataset("B", None)))
    )
    raws = [
        frame(sav_pdu(asdu(count, sample(count), "A"), asdu(count, b"octets", "B")))
        for count in (5, 6)
    ]
    found = decode.compiled(Kind.SV, configuration)
    values = found.decode(block(*raws))
    by_name = {
        (slot.block, slot.name, slot.part): value
        for slot, value in zip(found.slots, values, strict=True)
    }
    assert by_name[0, "smpCnt", ""] == by_name[1, "smpCnt", ""] == (5, 6)
    assert by_name[0, "IA", ""] == pytest.approx((-0.005, -0.006))
    assert by_name[1, "sample", ""] == (b"octets", b"octets")


def test_without_a_configuration_samples_are_octets():
    found = compiled(b"")
    raw = block(*frames(1, 2))
    assert found.decode(raw) == ((1, 2), (2, 2), (sample(1), sample(2)))
    assert [slot.name for slot in found.slots] == ["smpCnt", "smpSynch", "sample"]
    assert found.judge((raw,)) == []


def test_a_data_set_of_ones_own():
    members = (
        Member("on", "digital", "", "", "boolean"),
        Member("f", "frequency", "Hz", "", "float32", 2.0),
        Member("n", "other", "", "", "int64"),
        Member("t", "other", "", "", "timestamp"),
        Member("n", "other", "", "quality", "quality"),
    )
    configuration = encode_configuration(Configuration(0, 0, (Dataset(ANY, members),)))
    content = b"\x01" + struct.pack(">fq", 25.0, -(1 << 40)) + bytes(range(8)) + bytes(4)
    raw = block(frame(sav_pdu(asdu(1, content, "whoever"))))
    values = decode.decode(Kind.SV, configuration, raw)
    assert values[2:] == ((True,), (50.0,), (-(1 << 40),), (bytes(range(8)),), (0,))


def test_a_sender_without_smp_synch_is_not_synchronised():
    assert columns(block(plain(1, RATE, synch=None)))["smpSynch", ""] == (0,)


# --- what a block says against itself


def test_a_whole_block_has_nothing_against_it():
    assert verdicts(block(*frames(*range(5, 10)))) == set()


@pytest.mark.parametrize("counts", [(0, 1, 2, 4), (1, 2, 3, 4), (0, 1, 2, 3), (2,)])
def test_samples_missing_anywhere_in_a_block(counts: tuple[int, ...]):
    assert verdicts(block(*frames(*counts))) == {MISSING}
    assert columns(block(*frames(*counts)))["smpCnt", ""] == counts


def test_order_of_arrival_is_no_matter():
    assert verdicts(block(*frames(0, 2, 1, 4, 3))) == set()


def test_two_samples_of_one_instant_are_malformed():
    raw = block(*frames(0, 1, 2, 3, 4), plain(3, RATE, quality=0x2000))
    assert verdicts(raw) == {MALFORMED}


def test_within_a_block_of_unknown_rate_a_jump_is_a_loss():
    configuration = encode_configuration(Configuration(0, 0, (Dataset("MU01", PHS_MEAS_1),)))
    assert verdicts(block(*frames(7, 8, 9)), configuration) == set()
    assert verdicts(block(*frames(7, 9)), configuration) == {MISSING}
    assert verdicts(block(*frames(99, 0)), configuration) == set()


@pytest.mark.parametrize(
    ("quality", "want"),
    [
        (0x2000, set()),  # derived
        (0x0400, set()),  # substituted says so, and is good
        (INVALID, {BAD_POINT}),
        (QUESTIONABLE, {BAD_POINT}),
        (TEST, {(Class.TEST, Reason.TEST_MODE)}),
    ],
)
@pytest.mark.parametrize("mixed", [False, True])
def test_quality(quality: int, want: set[tuple[Class, Reason]], mixed: bool):
    """Of one channel of one sample; whether the block is read in one go or frame by frame."""
    raws = frames(*range(SPAN))
    at = raws[2].index(sample(2)) + 4 + 8 * 5
    raws[2] = raws[2][:at] + quality.to_bytes(4, "big") + raws[2][at + 4 :]
    if mixed:
        raws[0] = plain(0, RATE, tags=VLAN)
    assert verdicts(block(*raws)) == want


def test_values_are_no_qualities():
    """Counts with all bits set have nothing of a validity."""
    content = struct.pack(">" + "iI" * 8, *(-1, 0) * 8)
    raws = [frame(sav_pdu(asdu(count, content))) for count in range(SPAN)]
    assert verdicts(block(*raws)) == set()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x01\x00\x00",
        block(*frames(0))[:-1],
        block(*frames(0)) + b"\0",
        b"\x02" + block(*frames(0))[1:],
        b"\x01\x00\x02" + block(*frames(0))[3:],
        block(plain(0).replace(b"\x88\xba", b"\x88\xb8")),
    ],
)
def test_what_is_no_block(raw: bytes):
    assert verdicts(raw) == {MALFORMED}
    with pytest.raises(FrameError):
        decode.decode(Kind.SV, LE, raw)


def test_a_block_of_another_configuration():
    raw = block(*frames(*range(SPAN), sv_id="MU99"))
    assert verdicts(raw) == {UNFIT}
    with pytest.raises(FrameError, match="unknown_sv_id"):
        decode.decode(Kind.SV, LE, raw)
    short = block(*[frame(sav_pdu(asdu(0, bytes(60))))])
    assert verdicts(short) == {UNFIT}
    with pytest.raises(FrameError, match="size_mismatch"):
        decode.decode(Kind.SV, LE, short)


def test_octets_have_no_scale():
    times = (Member("t", "other", "", "", "timestamp", 0.5),)
    with pytest.raises(FrameError, match="scale"):
        compiled(encode_configuration(Configuration(0, 0, (Dataset("MU01", times),))))


def test_one_that_was_read_vouches_for_no_other():
    """Every octet that a layout holds fixed is looked at in each block, not only in the first."""
    good = block(*frames(*range(SPAN)))
    assert verdicts(good) == set()
    at = good.rindex(b"\x83\x04") + 1
    hurt = bytearray(good)
    hurt[at] ^= 1
    assert verdicts(bytes(hurt)) == {MALFORMED}


# --- bytes of any kind


SEEDS = [raw for name, raw in sorted(vectors("sv").items())]


@st.composite
def hurt(draw: st.DrawFn) -> bytes:
    """A vector with some octets changed, taken out, or put in."""
    raw = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, max(len(raw) - 1, 0)))
        what = draw(st.integers(0, 3))
        octet = draw(st.sampled_from([0, 1, 0x30, 0x60, 0x7F, 0x80, 0x84, 0xA2, 0xFF]))
        if what == 0:
            raw[at : at + 1] = bytes((octet,))
        elif what == 1:
            raw[at : at + 1] = b""
        elif what == 2:
            raw[at:at] = bytes((octet,))
        else:
            del raw[at:]
    return bytes(raw)


@settings(max_examples=2000)
@given(hurt() | st.binary(max_size=300))
def test_any_bytes(raw: bytes):
    """As a frame, as a block, as a frame in a block, as a configuration."""
    for read in (
        lambda: Layout(raw, decode_pdu(raw)),
        lambda: decode.decode(Kind.SV, LE, raw),
        lambda: decode.decode(Kind.SV, LE, block(raw, plain(1))),
        lambda: compiled(b"").decode(block(raw, raw)),
        lambda: compiled(raw),
    ):
        try:
            read()
        except FrameError:
            pass
    verdicts(raw)
    verdicts(block(plain(1), raw))
