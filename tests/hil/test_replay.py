"""Replayed captures: every frame is sealed, admitted and read back; what is bad is counted by name,
never a traceback."""

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest

from drivers.c37118.wire import (
    Command,
    FrameType,
    Stamp,
    encode_command,
    encode_configuration,
    encode_header_text,
)
from evidence.leap import BUILT_IN, NS
from hil import cli
from hil.devices.pmu import Pmu, Profile
from hil.devices.unit import Instant
from hil.grid import Grid
from hil.passage import Passage
from hil.replay.account import Account
from hil.replay.command import Replay, readers, replay
from tests.hil.packet import SYN, pcap, tcp, udp

SOC = 1_790_000_000
PROFILE = Profile("REPLAYED", 7, rate=30, pmu_tq=0)


def conversation(profile: Profile = PROFILE, count: int = 60) -> list[bytes]:
    """A header, a configuration, a command, and data frames of one PMU."""
    pmu = Pmu(profile, Grid(), lambda: 0)
    stamp = Stamp(SOC)
    frames = [
        encode_command(Command.SEND_CFG2, profile.idcode, stamp),
        encode_header_text("said once", profile.idcode, stamp),
        encode_configuration(profile.configuration(FrameType.CFG2), stamp),
    ]
    for at in range(count):
        second, number = SOC + at // profile.rate, at % profile.rate
        tai = BUILT_IN.tai_ns(second, number * NS // profile.rate)
        frames.append(pmu.frame(Instant(tai, second, number)))
    return frames


def holds(account: Account, count: int) -> None:
    assert account.reasons() == []
    found = account.outcome
    assert account.heard == found.sealed == found.admitted == found.receipted == count
    assert found.refused == 0


CAPTURES = {
    "C37.118_1PMU_UDP.pcap": {"data": 356, "cfg2": 1, "command": 4},
    "C37.118_1PMU_TCP.pcap": {"data": 252, "cfg2": 1, "command": 3},
    "C37.118_2PMUsInSync_TCP.pcap": {"data": 3002, "cfg2": 2, "command": 6},
    "c37_1100_clean_tcp.pcap": {"data": 422, "cfg2": 1, "header": 1, "command": 3},
    "annexD_from_pypmu_validate_frames.hex.txt": {
        "data": 2,
        "cfg2": 2,
        "header": 1,
        "command": 1,
    },
}


@pytest.mark.parametrize("name", CAPTURES)
def test_recorded_traffic_is_admitted_frame_by_frame(
    captures: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["replay", str(captures / "c37118" / name), "--json"]) == 0
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {kind: count for kind, count in said["frames"].items() if count} == CAPTURES[name]
    assert said["protocol"] == "c37118"
    assert said["faults"] == said["refused"] == 0
    assert said["sealed"] == said["admitted"] == sum(CAPTURES[name].values())
    assert said["equal"]


# What each recorded file holds, as Wireshark counts it (packets that it dissects as ours, good or
# bad); nothing of ours where it is not named.
HOLDS = {
    "modbus_test_data_part1.pcap": {"modbus": 45},
    "modbus_test_data_part2.pcap": {"modbus": 281},
    "zeek_modbusSmall.pcap": {"modbus": 32},
    "GOOSE.pcap": {"goose": 8},
    "GOOSE_DEMO.pcap": {"goose": 1},
    "GOOSE_all_data_primitives_fallbacks.pcap": {"goose": 1},
    "GOOSE_malformed_asn1.pcap": {"goose": 0},
    "GOOSE_missing_all_data.pcap": {"goose": 0},
    "GOOSE_missing_timestamp.pcap": {"goose": 0},
    "GOOSE_truncated.pcap": {"goose": 0},
    "libiec61850_goose_sv.pcap": {"goose": 4, "sv": 60},
    "pyiec61850ng_goose_alltypes_sim.pcap": {"goose": 6},
    "pypmu_pmu_pdc.pcapng": {"c37118": 122},
}
FAULTS = {
    "modbus_test_data_part1.pcap": {"not_modbus": 5},
    "GOOSE_malformed_asn1.pcap": {"pdu_field": 1},
    "GOOSE_missing_all_data.pcap": {"pdu_missing": 1},
    "GOOSE_missing_timestamp.pcap": {"pdu_missing": 1},
    "GOOSE_truncated.pcap": {"truncated": 1},
}
NOTHING = "no C37.118 in this capture, and no IEEE 1344, no Modbus, no GOOSE, no SV"


def test_every_recorded_file_gives_an_account(captures: Path) -> None:
    """Whatever is in it: other protocols are none of ours, and no reason to fall over."""
    seen = set()
    for path in sorted(captures.rglob("*")):
        if path.suffix not in (".pcap", ".pcapng", ".log"):
            continue
        account = replay(path.read_bytes())
        holds = HOLDS.get(path.name, {})
        if path.parent.name == "c37118":
            holds = {"c37118": sum(CAPTURES[path.name].values())}
        assert account.report()["protocols"] == holds, path.name
        assert account.faults == FAULTS.get(path.name, {}), path.name
        assert account.reasons() == ([] if holds else [NOTHING]), path.name
        found = account.outcome
        assert found.sealed == found.admitted == found.receipted, path.name
        assert not found.unequal and not found.refused, path.name
        seen.add(path.name)
    assert seen.issuperset(HOLDS)


def test_damaged_captures_are_counted_by_name(captures: Path) -> None:
    """What is still a frame is sealed and admitted; what is not has a name."""
    rng = random.Random(37118)
    names = ["C37.118_1PMU_TCP.pcap", "C37.118_1PMU_UDP.pcap", "c37_1100_clean_tcp.pcap"]
    wholes = [(captures / "c37118" / name).read_bytes() for name in names]
    bad = 0
    for turn in range(18):
        data = bytearray(wholes[turn % len(wholes)])
        for _ in range(rng.choice((1, 20, 400))):
            data[rng.randrange(40, len(data))] = rng.randrange(256)
        if turn % 3 == 0:
            del data[rng.randrange(40, len(data)) :]
        account = replay(bytes(data))
        found = account.outcome
        assert account.heard == found.sealed == found.admitted == found.receipted, turn
        assert not found.unequal and not found.refused, turn
        bad += sum(account.faults.values())
        assert all(name == name.lower() and " " not in name for name in account.faults)
    assert bad > 30


def test_plain_bytes_and_hex_text_of_several_idcodes() -> None:
    frames = [
        frame
        for idcode in (7, 9, 300)
        for frame in conversation(replace(PROFILE, idcode=idcode), 20)
    ]
    account = replay(b"".join(frames))
    holds(account, len(frames))
    text = "# said by three\n" + "\n".join(frame.hex() for frame in frames)
    account = replay(text.encode())
    holds(account, len(frames))
    assert account.frames == {"data": 60, "cfg2": 3, "header": 3, "command": 3}


def test_frames_are_found_amid_other_traffic() -> None:
    """Ports say nothing: C37.118 on 80, and something else on 4712."""
    frames = conversation()
    packets = [tcp(99, flags=SYN, ports=(5000, 80))]
    seq = 100
    for at, frame in enumerate(frames):
        packets.append(tcp(seq, frame, ports=(5000, 80)))
        packets.append(tcp(1000 + 30 * at, b"GET /%020d HTTP/1.1\r\n" % at, ports=(5001, 4712)))
        packets.append(udp(b"\xaa\x55 no frame at all, whatever it begins with"))
        seq += len(frame)
    account = replay(pcap(packets))
    holds(account, len(frames))
    assert account.connections == 1 and not account.faults
    assert account.tally.other["payload"] == 2 * len(frames)


@pytest.mark.parametrize(
    ("head", "fault"),
    [("aa71", "type_unknown"), ("aa05", "version_unsupported"), ("ab01", "sync")],
)
def test_a_single_frame_of_no_known_kind_is_a_fault_by_name(head: str, fault: str) -> None:
    account = replay(pcap([udp(bytes.fromhex(head) + conversation()[-1][2:])]))
    assert account.faults == {fault: 1} and account.reasons() == []


def test_frames_spoiled_one_and_all_are_named() -> None:
    """No frame is good, and still it is C37.118, with what is wrong."""
    spoiled = [frame[:-1] + bytes((frame[-1] ^ 1,)) for frame in conversation()]
    account = replay(pcap([udp(frame) for frame in spoiled]))
    assert account.heard == 0 and account.faults == {"check_word": len(spoiled)}
    assert account.report()["protocol"] == "c37118"
    newer = [b"\xaa\x83" + frame[2:] for frame in conversation(count=5)[3:]]
    account = replay(pcap([udp(frame) for frame in newer]))
    assert set(account.faults) <= {"version_unsupported", "type_unknown", "check_word"}
    assert sum(account.faults.values()) == len(newer)


def test_a_stream_with_a_hole_states_it() -> None:
    """Half a second is missing from the capture: one gap is sealed, the frames stay whole."""
    frames = conversation()
    packets, seq = [], 100
    for at, frame in enumerate(frames):
        if not 20 <= at < 35:
            packets.append(tcp(seq, frame, ports=(4712, 5000)))
        seq += len(frame)
    account = replay(pcap(packets))
    holds(account, len(frames) - 15)
    assert account.outcome.holes == 1
    assert account.tally.faults["tcp_hole"] == 1


def test_a_configuration_that_changes_all_the_time_loses_nothing() -> None:
    """Each change is a descriptor of its own; after some in a minute the stream stays bare."""
    one, other = conversation(count=1)[2:], conversation(replace(PROFILE, analogs=("MW",)), 1)[2:]
    account = replay(b"".join((one + other) * 400))
    holds(account, 1600)
    assert account.events["configuration_flapping"] > 0


def test_what_the_record_holds_is_compared_with_what_was_heard(tmp_path: Path) -> None:
    """One frame sealed otherwise than it was heard: told, whatever the counts say."""

    class Forger(Passage):
        def _take(self) -> None:
            for stream, held in list(self._heard.counts.items()):
                self._heard.add(stream, b"never sealed")
                assert held
            super()._take()

    account = Account(readers())
    passage = Forger(tmp_path / "site", lambda: BUILT_IN.tai_ns(SOC))
    try:
        Replay(passage, account, BUILT_IN.tai_ns(SOC)).run(b"".join(conversation()))
        account.outcome = passage.end()
    finally:
        passage.close()
    assert account.outcome.unequal == ["file bytes #0 idcode=7"]
    assert any("reads back otherwise" in reason for reason in account.reasons())


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"\x1f\x8b\x08\x00" + bytes(40), "gzip"),
        (b"\xd4\xc3\xb2\xa1" + bytes(4), "truncated"),
        (None, "No such file"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None, reason: str
) -> None:
    path = tmp_path / "capture.pcap"
    if content is not None:
        path.write_bytes(content)
    assert cli.main(["replay", str(path), "--json"]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1 and reason in said.err


def test_a_capture_without_c37118_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "other.pcap"
    path.write_bytes(pcap([udp(b"\x01something else") for _ in range(10)]))
    assert cli.main(["replay", str(path), "--json"]) == 1
    said = capsys.readouterr()
    assert json.loads(said.out)["protocol"] is None
    assert "no C37.118" in said.err
