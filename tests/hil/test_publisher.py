"""The simulated publishers say what they are asked to say, as others read it; and what they are
asked to do wrong, they do.
"""

import math
import signal
import socket
import struct
import time
from collections.abc import Iterator

import pytest

from drivers.ethernet.frame import parse
from evidence.leap import BUILT_IN, NS
from hil.devices.ether import Addressing, Outlet, frames
from hil.devices.goose import (
    ETHERTYPE,
    FASTEST_MS,
    GooseProfile,
    GoosePublisher,
    boolean,
    every_type,
)
from hil.devices.sv import ETHERTYPE as SV_ETHERTYPE
from hil.devices.sv import QUALITY_TEST, SAMPLE, SvProfile, SvPublisher
from hil.grid import Grid
from hil.namespace import Namespace
from tests.drivers.cable import FAR, NEAR, WAIT_S, net, publishing

__all__ = ["net"]  # a fixture

TAI = BUILT_IN.tai_ns(1_790_000_000, 250_000_000)
START = 1_790_000_000


@pytest.fixture
def near(net: Namespace) -> Iterator[socket.socket]:
    """What hears everything on the near end."""
    with net.inside(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as opened:
        opened.bind((NEAR, 3))
        opened.settimeout(WAIT_S)
        yield opened


# --- GOOSE


def test_every_type_as_open61850_reads_it():
    from open61850.goose import decode_goose_frame

    publisher = GoosePublisher(GooseProfile(), every_type(TAI, 1), lambda: TAI)
    found = decode_goose_frame(publisher.next()[0][0])
    assert found is not None
    pdu = found[1]
    assert (pdu.gocb_ref, pdu.st_num, pdu.sq_num) == ("IED1LD0/LLN0$GO$gcb1", 1, 1)
    assert [repr(each) for each in pdu.all_data] == [
        "bool(True)",
        "bit-string(6008, unused=3)",
        "int(-32770)",
        "uint(4000000000)",
        "float32(50.98)",
        "float64(-1.5)",
        "octet-string(00ff)",
        "visible-string('CB open')",
        "raw(tag=0x90, 7a75)",  # MMSString, and two more that it leaves as they are
        "raw(tag=0x8B, 32303236313132353132303030305a)",
        "timestamp(2026-11-25T12:00:00+00:00)",
        "raw(tag=0x8D, 07)",
        "timestamp(2026-09-21T14:13:20.250000+00:00, q=0x0a)",
        "structure([bool(True), structure([int(1), float32(0.25)])])",
        "array([int(1), int(2)])",
    ]


def test_the_state_machine():
    """2, 4, 8 ms and so on after a change; sqNum counts, and begins at 0 with stNum."""
    publisher = GoosePublisher(GooseProfile(steady_ms=10), [boolean(False)], lambda: TAI)
    assert (publisher.st_num, publisher.sq_num) == (1, 1)
    assert publisher.next()[1] == 10
    publisher.change([boolean(True)])
    assert (publisher.st_num, publisher.sq_num) == (2, 0)
    assert [publisher.next()[1] for _ in range(5)] == [FASTEST_MS, 4, 8, 10, 10]
    assert (publisher.st_num, publisher.sq_num) == (2, 5)


@pytest.mark.parametrize("simulation", [False, True])
@pytest.mark.parametrize("simulated", [False, True])
def test_both_simulation_bits(simulation: bool, simulated: bool):
    profile = GooseProfile(simulation=simulation, simulated=simulated)
    raw = GoosePublisher(profile, [boolean(True)], lambda: TAI).next()[0][0]
    assert (b"\x87\x01\x01" in raw) is simulation
    assert raw[18:20] == (b"\x80\x00" if simulated else b"\x00\x00")


def test_the_goose_program_changes_when_told(net: Namespace, near: socket.socket):
    with publishing(net, "hil.devices.goose", "--vlan", "5", "--steady-ms", "50") as unit:
        assert unit.told == {"gocb_ref": "IED1LD0/LLN0$GO$gcb1", "appid": 1}
        near.recv(2000)
        unit.signal(signal.SIGUSR1)
        until = time.monotonic() + WAIT_S
        while b"\x85\x01\x02\x86\x01\x00" not in near.recv(2000):  # stNum 2, sqNum 0
            assert time.monotonic() < until
        counted = unit.end()
    assert counted["changes"] == 1 and counted["st_num"] == 2
    assert counted["sent"] > 1


# --- Sampled Values


@pytest.mark.parametrize("redundancy", ["", "prp", "hsr"])
@pytest.mark.parametrize("vlan", [None, 0, 9])
@pytest.mark.parametrize("asdus", [1, 6])
def test_copies_of_a_template_are_what_scapy_builds(redundancy: str, vlan: int | None, asdus: int):
    to = Addressing(SV_ETHERTYPE, 0x4001, vlan=vlan, redundancy=redundancy)  # type: ignore[arg-type]
    profile = SvProfile(rate=4800, asdus=asdus, simulated=True, to=to)
    one, other = SvPublisher(profile, Grid()), SvPublisher(profile, Grid())
    first = START * 4800 // asdus
    for number in (first, first + 1, first + 777):
        assert one.quick(number) == other.frame(number)


def test_samples_are_the_grid_at_exact_instants():
    """A cosine whose RMS over a period is that of its phasor; quality beside."""
    grid = Grid()
    publisher = SvPublisher(SvProfile(rate=4800), grid)
    publisher.quality[7] = QUALITY_TEST
    told = [SAMPLE.unpack(publisher.sample(START * 4800 + at)) for at in range(80)]
    phasors = grid.truth(START * NS, 1)
    for at, phasor in enumerate((*phasors.currents, None, *phasors.voltages)):
        if phasor is None:
            continue
        unit = 1000 if at < 4 else 100
        values = [sample[2 * at] / unit for sample in told]
        rms = math.sqrt(sum(value * value for value in values) / len(values))
        assert rms == pytest.approx(abs(phasor), rel=0.01)
        # At the second a cosine of angle zero has its maximum.
        assert values[0] == pytest.approx(math.sqrt(2) * phasor.real, rel=1e-3, abs=0.01)
    assert {sample[15] for sample in told} == {QUALITY_TEST}
    assert {sample[1] for sample in told} == {0}


def test_sampled_values_as_open61850_reads_them():
    from open61850.sv import decode_sv_frame

    profile = SvProfile(
        rate=4000, asdus=2, dat_set="MU/LLN0$ds", smp_rate=4000, smp_mod=None, refr_tm=True
    )
    publisher = SvPublisher(profile, Grid())
    number = START * 2000 + 1999
    found = decode_sv_frame(publisher.frame(number)[0])
    assert found is not None
    told = [(each.sv_id, each.smp_cnt, each.smp_synch, each.smp_rate) for each in found[1].asdus]
    assert told == [("AA1J1Q01MU0101", 3998, 2, 4000), ("AA1J1Q01MU0101", 3999, 2, 4000)]
    assert found[1].asdus[0].sample == publisher.sample(number * 2)
    assert found[1].asdus[1].dat_set == "MU/LLN0$ds"


# --- the interface, and what goes wrong there


def test_redundancy_is_two_frames_of_one_number():
    for redundancy, lans in (("prp", (10, 11)), ("hsr", (0, 1))):
        to = Addressing(ETHERTYPE, 1, redundancy=redundancy, vlan=3)  # type: ignore[arg-type]
        both = [parse(raw) for raw in frames(to, b"\x61\x00", sequence=77)]
        told = [each.redundancy for each in both]
        assert [each and (each.sequence, each.lan) for each in told] == [(77, lan) for lan in lans]
        assert {each.ethertype for each in both} == {ETHERTYPE}


def test_an_outlet_does_what_it_is_asked_to_do_wrong(net: Namespace, near: socket.socket):
    with net.inside():
        outlet = Outlet(FAR)
    numbered = [bytes(12) + struct.pack(">HH", 0x88B8, at) + bytes(46) for at in range(9)]
    try:
        outlet.send([numbered[0]])
        outlet.lose(2)
        for at in (1, 2, 3):
            outlet.send([numbered[at]])
        outlet.reorder()
        outlet.send([numbered[4]])
        outlet.send([numbered[5]])
        outlet.replay()
        outlet.forge([numbered[8]])
        outlet.send([numbered[6], numbered[7]])
        heard = [int.from_bytes(near.recv(100)[14:16]) for _ in range(8)]
    finally:
        outlet.close()
    assert heard == [0, 3, 5, 4, 5, 8, 6, 7]
    assert outlet.counts == {"sent": 8, "lost": 2, "reordered": 1, "replayed": 1, "forged": 1}
