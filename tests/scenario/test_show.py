"""One sample of a record that a real agent filled, with a receiver beside its PMU: what
`gridseal-record show` tells of it."""

import json
from pathlib import Path

import pytest

from evidence import instant
from evidence.code import Flag, Kind
from hil.devices.pace import tai_now
from record.cli import main
from tests.drivers.receiver_peer import runs
from tests.scenario.witnessing import SURVEY, receiver, second, site, ublox


@runs
async def test_a_sample_is_shown_with_its_verdict_and_its_fix(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with (
        receiver() as (gnss, path),
        site(tmp_path, {"roof": ublox(path)}) as there,
    ):
        await there.place("checked")
        begun = tai_now()
        await second()
        gnss.plight.moved_m = (60.0, 0.0, 0.0)
        await there.place("doubted")
        moved = tai_now()
        await second()
        held = await there.end()
    # Heard once it was told: of one heard as the place flips, either verdict may be the last.
    samples = [one for one in held.of(Kind.C37118) if one.tai + one.heard > moved]
    assert samples and all(one.flags & Flag.PLACE_DOUBTED for one in samples)
    seq = samples[0].seq
    store = str(tmp_path / "site" / "record.db")
    capsys.readouterr()
    assert main(["show", store, "--json", "--sample", f"gateway-1/pmu/{seq}"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["gateway"] == "gateway-1" and found["stream"].startswith("pmu")
    assert "place_doubted" in found["flags"] and found["verdict"]["place"] == "doubted"
    assert 50_000 < found["verdict"]["distance_mm"] < 70_000
    assert {one["check"] for one in found["verdict"]["tripped"]} >= {"moved"}
    (fix,) = found["fixes"]
    assert fix["name"].startswith("roof") and fix["exact"]
    assert fix["fix"] == "space" and fix["mode"] == "navigation"
    moved_m = (fix["latitude"] - SURVEY.latitude) * 111_200
    assert 50 < moved_m < 70  # the epoch that the verdict leans on, and none from before
    assert {row["bus"] for row in found["values"] if row["unit"] == "V"} == {"Bus 1"}
    assert (found["class"], found["reason"]) == ("simulated", "simulation")  # a bench's
    asked = ["--at", instant.words(begun), "--stream", "gateway-1/pmu"]
    assert main(["show", store, *asked]) == 0
    lines = capsys.readouterr().out
    assert "place_checked" in lines and "place checked, " in lines
    assert "values        STAT 0x" in lines
    assert lines.count("bus Bus 1 is ") == 1 and lines.count(found["values"][1]["node"]) == 1
    assert "source roof: " in lines and "space, navigation mode, in ubx, " in lines
