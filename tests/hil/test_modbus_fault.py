"""What the faults of simulated Modbus devices put on the wire, octet by octet."""

import pytest

from hil.devices.modbus import check
from hil.devices.modbus.fault import Fault, Said, adu, played

REQUEST = bytes.fromhex("0102 0000 0006 01 04 0000 0002")
ANSWER = bytes.fromhex("0102 0000 0007 01 04 04 00112233")
BEFORE = bytes.fromhex("0101 0000 0007 01 04 04 44556677")


@pytest.mark.parametrize(
    ("name", "argument", "hexes"),
    [
        ("exception", 6, ["0102 0000 0003 01 84 06"]),
        ("exception", 0, ["0102 0000 0003 01 84 0b"]),
        ("no-answer", 0, []),
        ("late", 0.5, ["0102 0000 0007 01 04 04 00112233"]),
        ("wrong-unit", 0, ["0102 0000 0007 02 04 04 00112233"]),
        ("wrong-function", 0, ["0102 0000 0007 01 03 04 00112233"]),
        ("short", 0, ["0102 0000 0007 01 04 04 00"]),
        ("fewer", 0, ["0102 0000 0005 01 04 02 0011"]),
        ("crossed", 0, ["0101 0000 0007 01 04 04 44556677"]),
        ("swapped", 0, ["0102 0000 0007 01 04 04 44556677"]),
        ("twice", 0, ["0102 0000 0007 01 04 04 00112233"] * 2),
        ("check", 0, ["0102 5a00 0007 01 04 04 00112233"]),
        ("echo", 0, ["0102 0000 0006 01 04 0000 0002 0102 0000 0007 01 04 04 00112233"]),
        ("slowly", 0.1, ["0102 0000 0007", "01 04 04 00112233"]),
        ("hang-up", 0, ["0102 0000 0007"]),
    ],
)
def test_faults_on_tcp(name: str, argument: float, hexes: list[str]):
    play = played(Fault(name, argument), Said(True, REQUEST, ANSWER, BEFORE))
    assert [raw for _, raw in play.pieces] == [bytes.fromhex(text) for text in hexes]
    assert play.hang_up is (name == "hang-up")


def test_faults_on_a_serial_line():
    request, before = adu(False, b"", 1, REQUEST[7:]), adu(False, b"", 1, BEFORE[7:])
    said = Said(False, request, adu(False, b"", 1, ANSWER[7:]), before)

    def says(name: str, argument: float = 0.0) -> bytes:
        return b"".join(raw for _, raw in played(Fault(name, argument), said).pieces)

    assert check.sealed(bytes.fromhex("01030000000a")).hex() == "01030000000ac5cd"
    assert says("check") == said.answer[:-1] + bytes((said.answer[-1] ^ 0x5A,))
    assert says("crossed") == says("swapped") == before
    assert says("echo") == request + said.answer
    assert says("short") == said.answer[:-3]
    assert says("wrong-unit") == adu(False, b"", 2, ANSWER[7:])
    assert says("exception", 2) == adu(False, b"", 1, b"\x84\x02")
    assert len(says("garbage", 9)) == 9
    assert says("garbage-before").endswith(said.answer)
