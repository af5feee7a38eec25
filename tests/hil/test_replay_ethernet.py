"""GOOSE and Sampled Values in captures: every frame is sealed or counted by name, R-GOOSE too, amid
other traffic and whatever is wrong with it."""

import json
import random
import struct
from pathlib import Path

import pytest

from hil import cli
from hil.replay.account import Account
from hil.replay.command import replay
from hil.replay.reader import Reader
from tests.drivers import make_goose, make_sv
from tests.drivers.vector import vectors
from tests.hil.packet import ethernet, tcp, udp
from tests.hil.test_replay import conversation

START_S = 1_790_000_000
ETHERNET = 1


def pcap(frames: list[tuple[int, bytes]], order: str = "<", cut: int = 1 << 20) -> bytes:
    """A capture of Ethernet frames, each with its instant in ns after START_S."""
    out = [struct.pack(order + "IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, ETHERNET)]
    for at_ns, frame in frames:
        seconds, ns = divmod(at_ns, 1_000_000_000)
        kept = frame[:cut]
        out.append(struct.pack(order + "IIII", START_S + seconds, ns, len(kept), len(frame)) + kept)
    return b"".join(out)


def goose(st: int = 1, sq: int = 0) -> bytes:
    pdu = make_goose.message(make_goose.TRIP, st=bytes((st,)), sq=bytes((sq,)))
    return make_goose.frame(pdu)


def samples(seconds: float, rate: int = 4800, asdus: int = 1) -> list[tuple[int, bytes]]:
    """One stream of Sampled Values."""
    found = []
    for number in range(0, int(seconds * rate), asdus):
        found.append((number * 1_000_000_000 // rate, make_sv.plain(number % rate, rate, asdus)))
    return found


def played(frames: list[tuple[int, bytes]]) -> Account:
    account = replay(pcap(frames))
    found = account.outcome
    assert account.reasons() == []
    assert found.sealed == found.admitted == found.receipted and not found.unequal
    return account


def of(account: Account, name: str) -> Reader:
    (reader,) = (one for one in account.readers if one.name == name)
    return reader


@pytest.mark.parametrize(
    ("name", "goose", "states"),
    [("goose/GOOSE.pcap", 8, 2), ("goose/GOOSE_DEMO.pcap", 1, 1)],
)
def test_recorded_goose(captures: Path, capsys, name: str, goose: int, states: int) -> None:
    assert cli.main(["replay", str(captures / name), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["protocol"] == "goose" and said["protocols"] == {"goose": goose}
    assert said["frames"]["goose"] == goose
    assert said["sealed"] == said["admitted"] == said["frames"]["state"] == states
    assert said["frames"].get("retransmission", 0) == goose - states
    assert said["faults"] == said["refused"] == 0 and said["equal"]


def test_recorded_goose_and_sampled_values_together(captures: Path, capsys) -> None:
    path = captures / "selfmade" / "libiec61850_goose_sv.pcap"
    assert cli.main(["replay", str(path), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["protocol"] == "sv" and said["protocols"] == {"goose": 4, "sv": 60}
    assert said["frames"]["sv"] == 60 and said["frames"]["asdu"] == 120
    assert said["frames"]["goose"] == 4 and said["faults"] == 0


def test_what_goose_repeats_is_counted_and_not_sealed() -> None:
    """A change, its retransmissions, one heard twice by PRP, and a replay of the state before."""
    second = 1_000_000_000
    again = goose(2, 1)
    frames = [
        *((at * second, goose(1, at)) for at in range(3)),
        (3 * second, goose(2, 0)),
        (3 * second + 4_000_000, again),
        (3 * second + 4_100_000, again),
        (4 * second, goose(1, 1)),
    ]
    account = played(frames)
    found = of(account, "goose")
    assert found.heard == 7 and account.outcome.sealed == 2
    assert found.unsealed == {"retransmission": 3, "copy": 1, "refused": 1}
    assert account.events["replayed"] == 1 and not account.faults
    assert account.outcome.noticed >= 2


def test_r_goose_over_udp_is_heard() -> None:
    """Told by its own header, whatever the port."""
    payload = vectors("goose")["routed"]
    frames = [(at * 1000, ethernet(udp(payload))) for at in range(2)]
    frames.append((5000, ethernet(udp(b"\x01\x40 no session of IEC 61850-90-5"))))
    account = played(frames)
    assert of(account, "goose").heard == 2 and account.outcome.sealed == 1
    assert account.faults == {"other": 1}


def test_all_that_is_spoken_on_one_wire() -> None:
    """C37.118, Modbus, GOOSE, Sampled Values and other traffic, each to its own reader."""
    pmu = conversation(count=20)
    frames = samples(0.5)
    frames += [(at * 90_000_000, goose(1, at)) for at in range(5)]
    frames += [(at * 16_000_000, ethernet(udp(raw))) for at, raw in enumerate(pmu)]
    read = b"\x00\x01\x00\x00\x00\x06\x01\x03\x00\x00\x00\x02"
    answer = b"\x00\x01\x00\x00\x00\x07\x01\x03\x04\x00\x01\x00\x02"
    frames += [
        (1_000_000, ethernet(tcp(1, read, ports=(4000, 502)))),
        (2_000_000, ethernet(tcp(1, answer, back=True, ports=(4000, 502)))),
        (3_000_000, ethernet(tcp(1, b"GET / HTTP/1.1\r\n\r\n", ports=(4001, 80)))),
        (4_000_000, ethernet(b"\x00" * 46, ethertype=0x88F7)),
    ]
    account = played(sorted(frames))
    protocols = account.report()["protocols"]
    assert protocols == {"c37118": len(pmu), "modbus": 2, "goose": 5, "sv": 2400}
    assert account.protocol == "sv" and not account.faults
    assert account.tally.other == {"ethertype_88f7": 1, "payload": 1}
    words = account.words(True)
    assert words.startswith("protocol   23 C37.118, 2 Modbus, 5 GOOSE, 2400 SV\n")
    assert "4 retransmission: not sealed" in words


@pytest.mark.parametrize(("rate", "asdus"), [(4000, 1), (4800, 1), (4800, 2), (14_400, 6)])
def test_each_frame_of_a_stream_is_in_a_block(rate: int, asdus: int) -> None:
    account = played(samples(1.5, rate, asdus))
    found = of(account, "sv")
    assert found.heard == found.contained == int(1.5 * rate) // asdus
    assert found.extra["asdu"] == int(1.5 * rate)
    assert found.extra["block"] == account.outcome.sealed < 80


def test_a_frame_heard_twice_and_one_that_is_missing() -> None:
    frames = samples(1.0)
    del frames[3000:3010]
    frames += [(at_ns + 20_000, raw) for at_ns, raw in frames[100:200]]
    account = played(sorted(frames))
    found = of(account, "sv")
    assert found.heard == 4890 and found.unsealed == {"copy": 100}
    assert account.events["samples_missing"] == 10


def test_what_is_spoiled_is_a_fault_by_name() -> None:
    rng = random.Random(61850)
    frames = []
    for at in range(300):
        data = bytearray(goose(1, at % 100) if at % 2 else make_sv.plain(at % 4800))
        for _ in range(rng.choice((1, 4))):
            data[rng.randrange(14, len(data))] = rng.randrange(256)
        if at % 5 == 0:
            del data[rng.randrange(14, len(data)) :]
        frames.append((at * 1_000_000, bytes(data)))
    account = replay(pcap(frames))
    assert account.reasons() == []
    spoiled = account.faults.total()
    other = account.tally.other.total() + account.tally.faults.total()
    assert account.heard + spoiled + other == 300 and spoiled > 60


def test_more_control_blocks_than_one_source_may_have() -> None:
    """A substation's: each is heard, up to what one replay tells apart."""
    frames = []
    for number in range(450):
        named = goose().replace(b"gcb01", b"g%04d" % number)
        frames.append((number * 1_000_000, named))
    account = played(frames)
    found = of(account, "goose")
    assert found.heard + account.faults["streams"] == 450
    assert account.outcome.sealed > 350
    assert found.heard == account.outcome.sealed + found.unsealed["streams"]


def test_frames_that_the_capture_cut_are_told() -> None:
    account = replay(pcap([(0, goose()), (1, make_sv.plain(1))], cut=60))
    assert account.heard == 0 and account.tally.faults["packet_truncated"] == 2


def test_a_capture_without_ethernet_headers_is_told() -> None:
    """As Linux captures on "any"."""
    cooked = bytes(14) + goose()[12:]
    data = bytearray(pcap([(0, cooked)]))
    data[20:24] = (113).to_bytes(4, "little")
    account = replay(bytes(data))
    assert account.heard == 0 and account.tally.faults == {"no_ethernet_header": 1}


def test_damaged_captures_are_counted_by_name(captures: Path) -> None:
    rng = random.Random(8)
    whole = (captures / "selfmade" / "libiec61850_goose_sv.pcap").read_bytes()
    for turn in range(20):
        data = bytearray(whole)
        for _ in range((1, 30, 300)[turn % 3]):
            data[rng.randrange(40, len(data))] = rng.randrange(256)
        account = replay(bytes(data))
        assert [one for one in account.reasons() if not one.startswith("no ")] == [], turn
        assert all(name == name.lower() and " " not in name for name in account.faults)
