"""Gateways before one record: that what is measured is what it says, not how fast a machine is."""

import pytest

from hil.bench import BenchError, fleet, scale, seam
from hil.bench.admitted import Heard
from hil.bench.fleet import Load, lost, short


@pytest.fixture
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet, "WARM_S", 0.2)


def test_two_gateways_of_two_authorities_are_admitted_whole(brisk: None):
    found = seam.measure(0.5, streams=1)
    assert (found["gateways"], found["streams"], found["pmus"]) == (2, 1, 2)
    assert found["sent"] == found["admitted"] > 60  # of both, half a second and the start
    assert (found["lost"], found["unsent"], found["twice"], found["refused"]) == (0, 0, 0, 0)
    assert 0 < found["admitted_p50_ms"] <= found["admitted_p99_ms"] <= found["admitted_most_ms"]
    assert 20 < found["agent_mib"] < found["record_mib"]
    assert found["agent_cpu_share"] > 0  # the others' are less than a tick of the kernel's
    assert not [reason for reason in found["reasons"] if "frames are" in reason]


def test_what_is_lost_late_or_large_is_told():
    good: dict[str, float] = {"lost": 0, "unsent": 0, "twice": 0, "refused": 0, "behind": 0}
    good |= {"admitted_p99_ms": 599.9, "durable_p99_ms": 50, "agent_mib": 49.9}
    good |= {"agent_cpu_share": 0.2, "record_cpu_share": 0.1, "devices_cpu_share": 0.3}
    good |= {"pace": 1.0, "settled_s": 4.0, "holes": 0}
    assert short(good) + seam.slow(good) == []
    bad = {**good, "lost": 3, "twice": 1, "admitted_p99_ms": 600.0, "agent_mib": 50.0}
    told = short(bad) + seam.slow(bad)
    assert [line.split()[0] for line in told] == ["3", "1", "99", "an"]
    assert "50 of them until they are on the gateway's disk" in told[2]
    assert seam.slow({**good, "pace": 0.98})[0].startswith("98.0% of the frames due")
    (told_of,) = seam.slow({**good, "settled_s": None})
    assert "abreast" in told_of
    assert "machine carries no more" in short({**good, "behind": 9, "holes": 2})[0]
    assert "2 holes" in short({**good, "holes": 2})[0]


def test_what_one_stream_has_too_many_hides_nothing_that_another_lacks():
    sent = [{"idcode": at, "sent": 3, "skipped": 0} for at in (1, 2, 3)]
    told = [{"holes": 0, "refused": 0}]
    frames = [(1, 10), (1, 20), (2, 10), (2, 20), (2, 30), (2, 30), (3, 10), (3, 20), (3, 30)]
    frames += [(3, 40), (9, 10)]  # at an instant, and by a PMU, of which nobody knows
    heard = [Heard(0, 0, instant, idcode) for idcode, instant in frames]
    found = fleet._accounted(sent, heard, told)
    assert (found["sent"], found["lost"], found["unsent"], found["twice"]) == (9, 1, 2, 1)
    assert [line.split()[0] for line in lost(found)] == ["1", "2", "1"]


def test_the_scale_stops_counting_where_a_load_is_not_carried(monkeypatch: pytest.MonkeyPatch):
    def carried(load: Load, seconds: float) -> dict[str, float]:
        if load.gateways == 5:
            raise BenchError("too few descriptors")
        late = 700.0 if load.streams == 50 else 100.0
        told = {"gateways": load.gateways, "streams": load.streams, "admitted_p99_ms": late}
        told |= {"lost": 0, "unsent": 0, "twice": 0, "refused": 0, "holes": 0, "pace": 1.0}
        return told | {"agent_cpu_a_stream": 0.1, "record_cpu_a_stream": 0.2}

    monkeypatch.setattr(scale, "carried", carried)
    found = scale.measure(1.0, streams=100, gateways=7)
    assert (found["streams_carried"], found["gateways_carried"]) == (20, 7)
    assert list(found["by_streams"]) == ["1", "5", "20", "50", "100"]
    assert list(found["by_gateways"]) == ["1", "2", "7"]
    assert found["reasons"] == ["5 with 4: too few descriptors"]
    assert lost({"lost": 0, "unsent": 0, "twice": 0, "refused": 0}) == []


def test_a_stated_hole_excuses_what_is_missing_and_nothing_else(monkeypatch: pytest.MonkeyPatch):
    def carried(load: Load, seconds: float) -> dict[str, float]:
        told = {"gateways": load.gateways, "streams": load.streams, "admitted_p99_ms": 100.0}
        told |= {"lost": 9, "unsent": 0, "twice": load.gateways - 1, "refused": 0, "pace": 1.0}
        return told | {"holes": 1, "agent_cpu_a_stream": 0.1, "record_cpu_a_stream": 0.2}

    monkeypatch.setattr(scale, "carried", carried)
    found = scale.measure(1.0, streams=1, gateways=2)
    assert found["reasons"] == ["2 with 4: 1 frames are in the record a second time"]
