"""Modbus in captures: every exchange is sealed whole, what belongs to none is named, and no other
traffic is taken for it."""

import json
import random
import struct
from pathlib import Path

import pytest

from drivers.line import Frame, Instant
from drivers.modbus.exchange import read_exchange
from hil import cli
from hil.capture import Tally, chunks
from hil.replay.account import Account
from hil.replay.command import replay
from hil.replay.modbus import Modbus
from tests.hil.packet import SYN, pcap, tcp

READ = b"\x03\x00\x10\x00\x02"  # holding registers 16 and 17
DATA = b"\x03\x04\x12\x34\x56\x78"


def adu(transaction: int, pdu: bytes, unit: int = 1) -> bytes:
    return struct.pack(">HHHB", transaction, 0, len(pdu) + 1, unit) + pdu


class Talk:
    """A connection, payload by payload."""

    def __init__(self, ports: tuple[int, int] = (40_000, 502)) -> None:
        self.ports = ports
        self.packets = [tcp(0, flags=SYN, ports=ports)]
        self._seq = [1, 1]

    def say(self, payload: bytes, back: bool = False) -> None:
        self.packets.append(tcp(self._seq[back], payload, back=back, ports=self.ports))
        self._seq[back] += len(payload)


def played(*talks: Talk) -> Account:
    account = replay(pcap([packet for talk in talks for packet in talk.packets]))
    found = account.outcome
    assert account.reasons() == []
    assert found.sealed == found.admitted == found.receipted and not found.unequal
    return account


@pytest.mark.parametrize(
    ("name", "frames", "exchanges", "faults"),
    [
        ("modbus_test_data_part1.pcap", 45, 18, 5),
        ("modbus_test_data_part2.pcap", 281, 141, 0),
        ("zeek_modbusSmall.pcap", 32, 16, 0),
    ],
)
def test_recorded_exchanges_are_sealed(
    captures: Path, capsys, name: str, frames: int, exchanges: int, faults: int
) -> None:
    assert cli.main(["replay", str(captures / "modbus" / name), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["protocol"] == "modbus" and said["protocols"] == {"modbus": frames}
    kinds = ("request", "response", "exception")
    assert sum(said["frames"].get(kind, 0) for kind in kinds) == frames
    assert said["frames"]["exchange"] == said["sealed"] == said["admitted"] == exchanges
    assert said["faults"] == faults and said["refused"] == 0 and said["equal"]


def test_pipelined_and_refused_and_unanswered() -> None:
    """Answers are found by transaction, whatever their order; nobody's answer is told."""
    talk = Talk()
    for transaction in (1, 2, 3):
        talk.say(adu(transaction, READ))
    talk.say(adu(2, b"\x83\x02") + adu(1, DATA), back=True)
    talk.say(adu(9, DATA), back=True)
    account = played(talk)
    assert account.frames == {"request": 3, "response": 2, "exception": 1}
    (reader,) = (one for one in account.readers if one.name == "modbus")
    assert reader.extra == {"exchange": 3, "unanswered": 1}
    assert reader.unsealed == {"unasked": 1}


def test_one_transaction_for_all_that_is_asked() -> None:
    """Many clients count nothing. A request that was asked again had no answer."""
    talk = Talk()
    for answer in (DATA, None, DATA):
        talk.say(adu(0, READ))
        if answer is not None:
            talk.say(adu(0, answer), back=True)
    talk.say(adu(0, READ))
    account = played(talk)
    (reader,) = (one for one in account.readers if one.name == "modbus")
    assert reader.extra["exchange"] == 4
    # Of the second and third request one has the answer; which, no capture can say.
    assert reader.extra["unanswered"] == 2


def test_clients_that_connect_for_each_poll_are_one_source() -> None:
    talks = [Talk((20_000 + number, 502)) for number in range(1200)]
    for talk in talks:
        talk.say(adu(1, READ))
        talk.say(adu(1, DATA), back=True)
    account = played(*talks)
    assert account.connections == 1200 and account.outcome.sealed == 1200


def test_blocks_of_a_server_beyond_its_streams_share_one() -> None:
    """A client that connects for each poll, and asks for other registers each time."""
    talks = [Talk((20_000 + number, 502)) for number in range(450)]
    for number, talk in enumerate(talks):
        talk.say(adu(1, struct.pack(">BHH", 3, number, 2)))
        talk.say(adu(1, DATA), back=True)
    account = played(*talks)
    (reader,) = (one for one in account.readers if one.name == "modbus")
    assert account.outcome.sealed == 450 and not reader.unsealed


@pytest.mark.parametrize("size", [1, 7])
def test_headers_that_are_sent_by_themselves(size: int) -> None:
    talk = Talk()
    for number in range(4):
        for raw, back in ((adu(number, READ), False), (adu(number, DATA), True)):
            for at in range(0, len(raw), size):
                talk.say(raw[at : at + size], back=back)
    assert played(talk).frames == {"request": 4, "response": 4}


def test_more_units_than_there_are_streams_are_named() -> None:
    talks = [Talk((20_000, 5000 + number)) for number in range(8)]
    for talk in talks:
        for unit in range(60):
            talk.say(adu(unit, READ, unit))
            talk.say(adu(unit, DATA, unit), back=True)
    account = played(*talks)
    (reader,) = (one for one in account.readers if one.name == "modbus")
    assert reader.heard == 960 and reader.handed == 399
    assert reader.unsealed == {"streams": 960 - 2 * 399}


def test_a_write_is_other_peoples_and_is_kept_as_it_was() -> None:
    talk = Talk()
    write = adu(5, b"\x06\x00\x01\x00\x03")
    talk.say(write)
    talk.say(write, back=True)
    long = adu(6, b"\x10\x00\x00\x00\x7b\xf6" + bytes(246))
    talk.say(long)
    account = played(talk)
    (reader,) = (one for one in account.readers if one.name == "modbus")
    assert reader.extra["exchange"] == 1
    assert reader.unsealed == {"frame_size": 1}


def test_on_any_port_by_what_is_said() -> None:
    talk = Talk((502 + 1, 15_020))
    talk.say(adu(1, READ))
    talk.say(adu(1, DATA), back=True)
    silent = Talk((40_000, 15_021))
    for number in range(3):
        silent.say(adu(number, READ))
    account = played(talk, silent)
    assert account.protocol == "modbus" and account.connections == 2
    assert account.frames == {"request": 4, "response": 1}


def test_spoiled_headers_are_faults_with_names() -> None:
    talk = Talk()
    talk.say(adu(1, READ))
    talk.say(adu(1, DATA)[:-2], back=True)  # ends in the midst
    talk.say(b"\x00\x01\x00\x00\xff\xff\x01\x03\x00")
    talk.say(b"\x00\x01\x00\x07\x00\x06\x01\x03\x00")
    account = played(talk)
    assert account.faults == {"not_modbus": 2, "truncated": 1}
    assert account.frames == {"request": 1}


OTHERS = {
    "http": [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"],
    "tls": [b"\x16\x03\x01\x00\x05hello", b"\x16\x03\x03\x00\x05world"],
    "zeros": [bytes(12), bytes(12)],
    "tpkt": [b"\x03\x00\x00\x16\x11\xe0" + bytes(16), b"\x03\x00\x00\x16\x11\xd0" + bytes(16)],
    "iec104": [b"\x68\x04\x43\x00\x00\x00", b"\x68\x04\x83\x00\x00\x00"],
    "no such function": [adu(1, b"\x7f\0\0\0\1"), adu(1, b"\x7f\0")],
    "another length": [adu(1, READ) + b"\0", adu(1, DATA) + b"\0"],
    "another transaction": [adu(1, READ), adu(2, DATA)],
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_traffic_is_not_taken_for_it(name: str) -> None:
    talk = Talk((40_000, 8080))
    for number in range(40):
        talk.say(OTHERS[name][number % 2], back=bool(number % 2))
        if name.startswith("another tr"):
            talk.say(b"and something else")
    account = replay(pcap(talk.packets))
    assert account.protocol is None
    assert account.reasons() == [
        "no C37.118 in this capture, and no IEEE 1344, no Modbus, no GOOSE, no SV"
    ]


def test_random_bytes_on_its_own_port_are_not_taken_for_it() -> None:
    rng = random.Random(502)
    talk = Talk()
    for number in range(200):
        talk.say(rng.randbytes(rng.randrange(1, 60)), back=bool(number % 2))
    assert replay(pcap(talk.packets)).protocol is None


def test_damaged_captures_are_counted_by_name(captures: Path) -> None:
    rng = random.Random(502)
    whole = (captures / "modbus" / "modbus_test_data_part2.pcap").read_bytes()
    faults = 0
    for turn in range(12):
        data = bytearray(whole)
        for _ in range((1, 40, 600)[turn % 3]):
            data[rng.randrange(40, len(data))] = rng.randrange(256)
        if turn % 4 == 0:
            del data[rng.randrange(40, len(data)) :]
        account = replay(bytes(data))
        assert [one for one in account.reasons() if not one.startswith("no ")] == [], turn
        faults += account.faults.total()
    assert faults > 5


def test_an_exchange_is_sealed_with_both_adus_and_their_instants() -> None:
    kept: list[bytes] = []

    class Seen(Modbus):
        def inside(self, frame: Frame) -> int:
            kept.append(frame.raw)
            return super().inside(frame)

    talk = Talk()
    talk.say(adu(7, READ))
    talk.say(adu(7, DATA), back=True)
    reader = Seen()
    asked, answered = chunks(pcap(talk.packets), Tally())
    conversation = reader.open(asked.flow)
    for chunk in (asked, answered):
        reader.account(conversation.feed(chunk, Instant(chunk.ts_ns, None)))
    (found,) = map(read_exchange, kept)
    assert (found.request, found.response) == (adu(7, READ), adu(7, DATA))
    assert found.heard_tai - found.asked_tai == 1_000_000_000  # packets are a second apart
