"""What we read of Modbus over TCP is what tshark reads: every ADU of every capture, and drawn reads
of all four functions, values included.

What asks for nothing that a device may be asked for (0 coils) and what answers nothing that was
recorded is refused here and shown there: of it transaction, unit and function are compared. tshark
reads registers one way at a time (mbus_register_format): drawn reads are compared in each.
"""

import math
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest

from drivers.line import FrameError
from drivers.modbus import wire
from drivers.modbus.adu import ANSWERED, MBAP, REFUSED, pdu
from hil.capture import Tally, chunks
from tests.hil.packet import pcap, tcp
from tests.peer.tshark import Tree, dissected

TCP = wire.Framing.TCP
# ADUs, and those among them that ask for nothing or answer nothing.
_FILES = {
    "modbus/modbus_test_data_part1.pcap": (45, 10),
    "modbus/modbus_test_data_part2.pcap": (281, 8),
    "modbus/zeek_modbusSmall.pcap": (32, 0),
}
_DATA = ("modbus.regval_uint16", "modbus.bitval")
READS = (1, 2, 3, 4)
NOTHING = (None, None, None, ())
DRAWN = 200


class Adu(NamedTuple):
    """One ADU as both tell it."""

    transaction: int
    unit: int
    function: int
    exception: int | None
    address: int | None  # of a read that asks, with its length
    length: int | None
    values: tuple[int, ...]  # of an answer


def ours(data: bytes) -> Iterator[Adu]:
    """Every ADU of a capture, answers beside what they answer."""
    splitters: dict[tuple[int, int], wire.TcpSplitter] = {}
    asked: dict[tuple[int, int], bytes] = {}
    for chunk in chunks(data, Tally()):
        flow = chunk.flow.number
        splitter = splitters.setdefault((flow, chunk.direction), wire.TcpSplitter())
        for raw in splitter.feed(chunk.payload):
            if not isinstance(raw, bytes):
                continue
            transaction, _, _, unit = MBAP.unpack_from(raw)
            function = raw[7] & 0x7F
            request = asked.pop((flow, transaction), None) if chunk.direction else None
            if not chunk.direction:
                asked[flow, transaction] = raw
            yield Adu(transaction, unit, function, *_told(raw, request, bool(chunk.direction)))


def _told(
    raw: bytes, request: bytes | None, answers: bool
) -> tuple[int | None, int | None, int | None, tuple[int, ...]]:
    """Exception, address, count and values: of reads, since there is nothing else for us."""
    if not answers:
        try:
            found = wire.read_request(TCP, raw)
        except FrameError:
            return None, None, None, ()
        return None, found.address, found.length, ()
    if request is None:
        return None, None, None, ()
    try:
        found = wire.read_request(TCP, request)
    except FrameError:
        return None, None, None, ()
    answer = wire.answer(TCP, request, found, raw)
    if answer.name == REFUSED:
        return answer.code, None, None, ()
    assert answer.name == ANSWERED, answer
    exchange = wire.Exchange(TCP, 0, 1, request, raw)
    return None, None, None, _values(exchange, found, "u16")


def _values(exchange: wire.Exchange, request: wire.Request, kind: str, order: int = 0) -> Any:
    """As a map says that has a point for each value."""
    size = {"u16": 1, "s16": 1}.get(kind, 2)
    if request.function <= 2:
        kind, size = "bool", 1
    points = tuple(
        wire.Point(f"p{at}", "other", "", kind, request.address + at, size, word_order=order)
        for at in range(0, request.length - size + 1, size)
    )
    block = wire.Block("", "", request, 1000, None, 0, None, points)
    return tuple(wire.compiled(block.encoded()).decode(exchange.raw()))


def theirs(tree: Tree) -> Iterator[Adu]:
    """The ADUs of one packet."""
    for head, body in zip(tree.all("mbtcp"), tree.all("modbus"), strict=True):
        function = int(body.one("modbus.func_code"))
        reads = function in READS
        values = [int(value) for name in _DATA for value in body.below(name)]
        exception = body.one("modbus.exception_code")
        answers = "modbus.request_frame" in dict(body) or bool(values) or exception is not None
        count = body.one("modbus.word_cnt") or body.one("modbus.bit_cnt")
        asks = reads and not answers
        yield Adu(
            int(head.one("mbtcp.trans_id")), int(head.one("mbtcp.unit_id")), function,
            None if exception is None or not reads else int(exception),
            int(body.one("modbus.reference_num")) if asks else None,
            int(count) if asks else None,
            tuple(values) if reads and answers else (),
        )  # fmt: skip


@pytest.mark.parametrize("name", sorted(_FILES))
def test_recorded_adus(captures: Path, program: Callable[[str], Path], name: str):
    file = captures / name
    trees = dissected(program("tshark"), file, "mbtcp modbus")
    shown = [adu for tree in trees if tree.one("modbus") is not None for adu in theirs(tree)]
    found = list(ours(file.read_bytes()))
    refused = 0
    for at, adu in enumerate(found):
        nothing = adu.function in READS and adu[3:] == NOTHING != shown[at][3:]
        if nothing and adu[:3] == shown[at][:3]:
            shown[at] = adu
            refused += 1
    assert found == shown
    assert (len(found), refused) == _FILES[name]


# --- drawn


def draw(chance: Random, transaction: int) -> tuple[bytes, bytes]:
    """A read, and its answer of any octets: finite as floats of either order."""
    function = chance.choice((1, 2, 3, 3, 3, 4))
    count = 2 * chance.randint(1, 62) if function > 2 else chance.randint(1, 100)
    asked = pdu(function, chance.randrange(0x10000 - count), count)
    if function > 2:
        numbers = (chance.gauss(0, 1) * 10 ** chance.randint(-3, 6) for _ in range(count // 2))
        data = b"".join(struct.pack(">f", number) for number in numbers)
    else:
        data = chance.randbytes((count + 7) // 8)
    said = bytes((function, len(data))) + data
    return tuple(MBAP.pack(transaction, 0, len(body) + 1, 17) + body for body in (asked, said))  # type: ignore[return-value]


# tshark's name of a format, its field, our type, and the order of registers.
FORMATS = (
    ("UINT16", "regval_uint16", "u16", 0), ("INT16", "regval_int16", "s16", 0),
    ("UINT32", "regval_uint32", "u32", 0), ("INT32", "regval_int32", "s32", 0),
    ("IEEE FLT", "regval_float", "f32", 0), ("MODICON FLT", "regval_float", "f32", 1),
)  # fmt: skip


@pytest.mark.parametrize(("form", "field", "kind", "order"), FORMATS)
def test_drawn_reads(
    program: Callable[[str], Path], tmp_path: Path, form: str, field: str, kind: str, order: int
):
    drawn = [draw(Random(seed), seed) for seed in range(DRAWN)]
    at = [1000, 5000]  # sequence numbers of client and server
    packets = []
    for request, response in drawn:
        for back, payload in ((False, request), (True, response)):
            packets.append(
                tcp(at[back], payload, back=back, ack=at[not back], flags=24, ports=(5000, 502))
            )
            at[back] += len(payload)
    file = tmp_path / "drawn.pcap"
    file.write_bytes(pcap(packets))
    option = ("-o", f"modbus.mbus_register_format:{form:<11}")
    trees = dissected(program("tshark"), file, "mbtcp modbus", option)
    assert len(trees) == 2 * DRAWN
    compared = 0
    for (request, response), tree in zip(drawn, trees[1::2], strict=True):
        read = wire.read_request(TCP, request)
        found = _values(wire.Exchange(TCP, 0, 1, request, response), read, kind, order)
        body = tree.one("modbus")
        name = "modbus.bitval" if read.function <= 2 else f"modbus.{field}"
        shown = list(body.below(name))[: len(found)]  # it shows the padding of the last octet, too
        if kind == "f32" and read.function > 2:
            meant = [float(each) for each in shown]
            finite = [each if math.isfinite(each) else None for each in meant]
            assert [each is None for each in found] == [each is None for each in finite]
            for one, other in zip(found, finite, strict=True):
                assert other is None or math.isclose(one, other, rel_tol=1e-5)
        else:
            assert [int(each) for each in found] == [int(each) for each in shown]
        compared += len(found)
    assert compared > 10 * DRAWN
