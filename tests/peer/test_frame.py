"""What we read of GOOSE and Sampled Values is what was meant, and what tshark and open61850 read:
field by field, over 10,000 drawn frames and everything that was recorded.

What a peer is known to print wrongly stands in the table at the head of its form.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest
from open61850 import goose as open_goose
from open61850 import sv as open_sv

from drivers import decode
from drivers.line import FrameError
from drivers.sv.wire import encode_block
from evidence.code import Kind
from hil import pcap
from tests.peer import message, open61850_form, ours, tshark_form
from tests.peer.message import Asdu, Goose, Link
from tests.peer.tshark import Tree, dissected, write

FRAMES = 5_000  # of each protocol
FIELDS_MIN = 200_000  # compared with tshark: fewer, and something was passed over
RECORDED = ("goose/*.pcap", "selfmade/*goose*.pcap", "goose_malformed/*.pcap")
# What is no message, and what it is called here. tshark and open61850 take some of them in part.
REFUSED = {
    "GOOSE_malformed_asn1.pcap": "pdu_field",
    "GOOSE_missing_all_data.pcap": "pdu_missing",
    "GOOSE_missing_timestamp.pcap": "pdu_missing",
    "GOOSE_truncated.pcap": "truncated",
}


class Drawn(NamedTuple):
    """Frames as they were meant, and their octets."""

    goose: list[tuple[Link, Goose, bytes]]
    sv: list[tuple[Link, tuple[Asdu, ...], bytes]]


@pytest.fixture(scope="module")
def drawn() -> Drawn:
    found = Drawn([], [])
    for seed in range(FRAMES):
        chance = Random(seed)
        link = message.draw_link(chance, "goose")
        told = message.draw_goose(chance, link)
        octets = message.goose(told, long=chance.random() < 0.2)
        found.goose.append((link, told, message.frame("goose", link, octets)))
        link = message.draw_link(chance, "sv")
        asdus = message.draw_asdus(chance)
        found.sv.append((link, asdus, message.frame("sv", link, message.sv(asdus))))
    return found


def test_we_read_goose_as_it_was_meant(drawn: Drawn):
    for link, told, raw in drawn.goose:
        assert ours.goose(raw) == (link, message.plain(told), message.values(told.entries))


def test_we_read_samples_as_they_were_meant(drawn: Drawn):
    for link, asdus, raw in drawn.sv:
        meant = tuple(each._replace(dat_set=None, gm_identity=None) for each in asdus)
        assert ours.sv(raw) == (link, meant), raw.hex()
        block = encode_block([raw])
        counts = [count for column in sv_columns(block) for count in column]
        assert sorted(counts) == sorted(each.smp_cnt for each in asdus)


def sv_columns(block: bytes) -> list[tuple[int, ...]]:
    """smpCnt of each ASDU, as a block is decoded of which nobody has told anything."""
    compiled = decode.compiled(Kind.SV, b"")
    values = compiled.decode(block)
    columns = zip(compiled.slots, values, strict=True)
    return [value for slot, value in columns if slot.name == "smpCnt"]  # type: ignore[misc]


def test_open61850_reads_the_same(drawn: Drawn):
    for link, told, raw in drawn.goose:
        frame, found = open_goose.decode_goose_frame(raw) or (None, None)
        assert frame is not None and found is not None
        assert (frame.app_id, frame.reserved1) == (link.appid, link.reserved1)
        assert frame.vlan_id == (None if link.tci is None else link.tci & 0xFFF)
        assert open61850_form.same_goose(open61850_form.goose(told), found), raw.hex()
    for link, asdus, raw in drawn.sv:
        frame, read = open_sv.decode_sv_frame(raw) or (None, None)
        assert frame is not None and read is not None
        assert frame.app_id == link.appid
        assert read.asdus == open61850_form.sv(asdus), raw.hex()


@pytest.mark.parametrize("tag", [0x81, 0xA1])
def test_samples_with_a_security_extension(drawn: Drawn, tag: int):
    """`security [1] ANY`: an ANY has an explicit tag, and not every sender knows it."""
    link, asdus, _ = drawn.sv[0]
    raw = message.frame("sv", link, message.sv(asdus, message.tlv(tag, b"\x04\x02\xab\xcd")))
    assert [each.smp_cnt for each in ours.sv(raw)[1]] == [each.smp_cnt for each in asdus]


def test_tshark_reads_the_same(drawn: Drawn, program: Callable[[str], Path], tmp_path: Path):
    file = tmp_path / "drawn.pcap"
    write(file, [raw for _, _, raw in drawn.goose] + [raw for _, _, raw in drawn.sv])
    trees = dissected(program("tshark"), file, "eth vlan goose sv")
    assert len(trees) == 2 * FRAMES
    meant = [("goose", link, tshark_form.goose(link, told)) for link, told, _ in drawn.goose]
    meant += [("sv", link, tshark_form.sv(link, asdus)) for link, asdus, _ in drawn.sv]
    compared = 0
    for (protocol, link, said), tree in zip(meant, trees, strict=True):
        assert not tshark_form.differences(said, tshark_form.printed(tree.one(protocol)))
        same_link(link, tree)
        compared += len(said)
    assert compared > FIELDS_MIN


def same_link(link: Link, tree: Tree) -> None:
    """The addresses and the VLAN tag."""
    ethernet, vlan = tree.one("eth"), tree.one("vlan")
    assert ethernet.one("eth.dst") == link.destination.hex(":")
    assert ethernet.one("eth.src") == link.source.hex(":")
    assert (vlan is None) == (link.tci is None)
    if link.tci is not None:
        assert vlan.one("vlan.id") == str(link.tci & 0xFFF)
        assert vlan.one("vlan.priority") == str(link.tci >> 13)


# --- what was recorded


def recorded(captures: Path, protocol: str, tshark: Path) -> Iterator[tuple[str, bytes, Tree]]:
    """Every frame of these protocols, with the name of its file and what tshark makes of it."""
    for pattern in RECORDED:
        for file in sorted(captures.glob(pattern)):
            packets = list(pcap.packets(file.read_bytes(), pcap.Tally()))
            trees = dissected(tshark, file, "eth vlan goose sv")
            for packet, tree in zip(packets, trees, strict=True):
                if tree.one(protocol) is not None:
                    yield file.name, packet.data, tree


def test_recorded_goose(captures: Path, program: Callable[[str], Path]):
    good, refused = 0, {}
    for name, raw, tree in recorded(captures, "goose", program("tshark")):
        try:
            link, told, values = ours.goose(raw)
        except FrameError as fault:
            refused[name] = fault.fault
            continue
        said = tshark_form.printed(tree.one("goose"))
        assert not tshark_form.differences(tshark_form.goose(link, told), said), name
        same_link(link, tree)
        assert values == message.values(told.entries)
        _, read = open_goose.decode_goose_frame(raw) or (None, None)
        assert read is not None
        assert open61850_form.same_goose(open61850_form.goose(told), read), name
        good += 1
    assert refused == REFUSED
    assert good == 20


def test_recorded_samples(captures: Path, program: Callable[[str], Path]):
    good = 0
    kept = ("sv.datSet", "sv.gmidentity")  # in the octets; we do not tell of them
    for name, raw, tree in recorded(captures, "sv", program("tshark")):
        link, asdus = ours.sv(raw)
        said = [each for each in tshark_form.printed(tree.one("sv")) if each[0] not in kept]
        assert not tshark_form.differences(tshark_form.sv(link, asdus), said), name
        same_link(link, tree)
        _, read = open_sv.decode_sv_frame(raw) or (None, None)
        assert read is not None
        for asdu, other in zip(asdus, read.asdus, strict=True):
            assert open61850_form.sv([asdu._replace(dat_set=other.dat_set)]) == [other], name
        good += 1
    assert good == 60
