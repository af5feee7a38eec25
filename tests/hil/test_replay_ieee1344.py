"""IEEE 1344 in captures: every frame is sealed, and no other traffic is taken for it."""

import gc
import json
import random
import time
from pathlib import Path

import pytest

from drivers.ieee1344.wire import Layout, build_command, decode_configuration, encode_values
from hil import cli
from hil.capture import Chunk, Flow
from hil.replay.account import Account
from hil.replay.command import replay
from hil.replay.ieee1344 import Ieee1344
from tests.drivers.vector import vector
from tests.hil.packet import SYN, pcap, tcp, udp

CONFIGURATION = vector("ieee1344", "configuration")
LAYOUT = Layout(decode_configuration(CONFIGURATION))


def data(number: int) -> bytes:
    soc, at = divmod(number, 50)
    return encode_values(LAYOUT, 1_700_000_000 + soc, at * 48, [0, 1, 1, 1, 1, 50, 0, 0])


def held(account: Account) -> dict[str, int]:
    """The frames by type, all of them sealed and read back."""
    found = account.outcome
    assert account.reasons() == []
    assert found.sealed == found.admitted == found.receipted == account.heard
    return {name: count for name, count in account.frames.items() if count}


def test_what_a_real_pmu_sent(events: Path, capsys: pytest.CaptureFixture[str]):
    path = events / "pmu_capture_1344" / "Sample1344.PmuCapture"
    assert cli.main(["replay", str(path), "--json"]) == 0
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert report["protocols"] == {"ieee1344": 974}
    assert (report["frames"]["data"], report["frames"]["configuration"]) == (973, 1)
    assert report["sealed"] == report["admitted"] == report["receipted"] == 974
    assert (report["faults"], report["holes"]) == (0, 0)


def test_a_conversation_by_tcp():
    asked = [build_command(command, 4711, 1_700_000_000) for command in (1, 5, 2)]
    packets, at = [tcp(0, flags=SYN)], 1
    for raw in asked:
        packets.append(tcp(at, raw))
        at += len(raw)
    said = CONFIGURATION + b"".join(data(number) for number in range(200))
    packets += [tcp(1 + at, said[at : at + 77], back=True) for at in range(0, len(said), 77)]
    account = replay(pcap(packets))
    assert held(account) == {"command": 3, "configuration": 1, "data": 200}
    assert not account.faults


def test_datagrams_without_a_configuration():
    account = replay(pcap([udp(data(number)) for number in range(50)]))
    assert held(account) == {"data": 50}


def test_a_spoiled_frame_is_a_fault_and_a_missing_one_a_hole():
    spoiled = data(120)[:-1] + b"\0"
    frames = [spoiled if at == 120 else data(at) for at in range(200)]
    account = replay(pcap([udp(raw) for raw in (CONFIGURATION, *frames)]))
    assert held(account) == {"configuration": 1, "data": 199}
    assert dict(account.faults) == {"check_word": 1}
    assert account.outcome.holes == 1


def test_other_traffic_is_not_taken_for_it(captures: Path):
    chance = random.Random(1344)
    noise = [udp(chance.randbytes(chance.randint(1, 1400))) for _ in range(2000)]
    account = replay(pcap(noise))
    assert not account.heard and not account.faults
    for path in [*captures.glob("dnp3/*"), *captures.glob("selfmade/yadnp3*")]:
        assert not replay(path.read_bytes()).heard, path


def test_other_traffic_is_searched_for_them_as_far_as_one_would_show():
    """A stream of something else, without a frame in it: its beginning tells."""
    judge, noise = Ieee1344().judge(), random.Random(7)
    flow = Flow("tcp", "a:1", "b:443", 1)
    taken = []
    gc.disable()  # a collection takes longer than all of this
    try:
        for at in range(64):
            chunk = Chunk(flow, 1, at, noise.randbytes(1400), "tcp", at == 0)
            began = time.process_time()
            assert not judge.weigh(chunk)
            taken.append(time.process_time() - began)
    finally:
        gc.enable()
    assert sum(taken[16:]) < sum(taken[:16]) / 4
