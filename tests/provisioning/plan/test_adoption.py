"""Imports as they are typed: shown, written as a new file, taken into a gateway's folder; and what
is refused changes nothing.
"""

import json
import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest

from agent import config as agent_config
from evidence import siteplan
from evidence.siteplan import SitePlan
from provisioning.cli import main
from provisioning.init import InitRequest, initialise
from tests.provisioning.plan.imported import EQ, EQBD, FOLDER, SCD, changed, mrid

SCL = str(FOLDER / "grid.scd")
CIM = [str(FOLDER / "cgmes3_EQ.xml"), str(FOLDER / "cgmes3_EQBD.xml")]
NORTH = ["--substation", "North"]
NOW_S = 1_790_000_000


@pytest.fixture
def gateway(tmp_path: Path) -> Path:
    initialise(InitRequest(tmp_path / "gw", site="North"), NOW_S, os.urandom)
    return tmp_path / "gw"


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def plan_of(folder: Path) -> SitePlan:
    """As the agent reads it."""
    return agent_config.sketch(folder / "gateway.toml").plan


def typed(capsys: Any, *words: str) -> tuple[int, dict[str, Any]]:
    code = main([*words, "--json"])
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    return code, json.loads(out) if code == 0 else {"err": err}


def test_an_import_is_shown_and_written_nowhere(capsys: Any) -> None:
    assert main(["import-scl", SCL, *NORTH]) == 0
    out = capsys.readouterr().out
    assert f"{SCL}: North: 6 buses, 1 lines, 10 equipment, 2 devices" in out
    shown, _, sources = out.partition("# --- for gateway.toml:")
    plan = siteplan.read(shown.partition("\n\n")[2], "shown")
    assert len(plan.bus) == 6
    assert 'scheme = "goose"' in sources and f'scl = "{SCL}"' in sources


def test_a_new_file_is_written_and_none_is_overwritten(tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "site.toml"
    words = ["import-cim", *CIM, *NORTH, "--out", str(out)]
    code, told = typed(capsys, *words, "--dry-run")
    assert code == 0 and not out.exists() and told["would"]
    code, told = typed(capsys, *words)
    assert (code, told["written"]) == (0, ["site.toml"])
    assert siteplan.read(out.read_text(), "site.toml").tie[0].to.owner == "Utility B"
    before = out.read_bytes()
    code, told = typed(capsys, *words)
    assert code == 2 and "is there already" in told["err"]
    assert out.read_bytes() == before


def test_an_scl_file_is_taken_into_a_gateway(gateway: Path, capsys: Any) -> None:
    before = files(gateway)
    words = ["import-scl", SCL, *NORTH, "--into", str(gateway), "--interface", "lo"]
    code, told = typed(capsys, *words, "--dry-run")
    assert code == 0 and files(gateway) == before
    assert any('+plan = "site-2.toml"' in line for line in told["would"])
    code, told = typed(capsys, *words)
    assert (code, told["written"]) == (0, ["grid.scd", "site-2.toml", "gateway.toml"])
    after = files(gateway)
    assert after["grid.scd"] == SCD
    kept = {name: content for name, content in before.items() if name != "gateway.toml"}
    assert kept.items() <= after.items()
    old = before["site.toml"].splitlines()  # with all its comments
    assert [line for line in after["site-2.toml"].splitlines() if line in old][: len(old)] == old
    sketch = agent_config.sketch(gateway / "gateway.toml")
    assert [one.name for one in sketch.sources] == ["NE1Q01F1-goose", "NE1Q01MU1-sv"]
    assert [bus.name for bus in sketch.plan.bus] == [
        *("Bus 1", "E1 BB1", "E1 L3", "E1 T1", "D1 BB1", "D1 T1", "D1 L1"),
    ]
    assert sketch.plan.site.nominal_hz == 60.0
    means = {one["of"]: one["means"] for one in told["differences"]}
    assert means[f"bus {mrid(101)}"] == ["needs a new credential"]
    assert means["line 'North - South 1'"] == ["for people and pre-flight only"]
    assert main(["rollback", str(gateway)]) == 0
    assert plan_of(gateway).bus_named("E1 BB1") is None


def test_once_more_changes_nothing(gateway: Path, capsys: Any) -> None:
    words = ["import-scl", SCL, *NORTH, "--into", str(gateway)]
    assert typed(capsys, *words)[0] == 0
    before = files(gateway)
    code, told = typed(capsys, *words)
    assert (code, told["written"], told["differences"]) == (0, [], [])
    assert files(gateway) == before


def test_cim_fills_in_what_scl_could_not_say(gateway: Path, capsys: Any) -> None:
    assert typed(capsys, "import-scl", SCL, *NORTH, "--into", str(gateway))[0] == 0
    code, told = typed(capsys, "import-cim", *CIM, *NORTH, "--into", str(gateway))
    assert (code, told["written"]) == (0, ["site-2.toml"])  # no source is new: in place
    (line,) = plan_of(gateway).line
    assert (line.r, line.x, line.b, line.length_km) == (3.2, 35.4, 0.00042, 98.5)
    # an infeed there is a tie here: what it is a person says
    assert told["kept"] == [
        f"'North - East' ({mrid(420)}) is in the plan as equipment, and the file says tie: take it"
        " out there to have it so"
    ]


def test_gaps_are_filled_each_in_its_own_table(gateway: Path, capsys: Any) -> None:
    """Of a plan that somebody wrote by hand, in an order of his own."""
    site = gateway / "site.toml"
    written = f"""[[line]]
name = "North - South 1"
mrid = "{mrid(400)}" # as in the model
from = {{ terminal = "{mrid(401)}", bus = "Line bar" }}
to = {{ terminal = "{mrid(402)}" }}
[[bus]]
mrid = "{mrid(101)}"
name = "Main bar"
[[bus]]
  mrid = "{mrid(104)}"
  name = "Line bar"
"""
    site.write_text(site.read_text().replace("[[bus]]", f"{written}[[bus]]", 1))
    assert typed(capsys, "import-cim", *CIM, *NORTH, "--into", str(gateway))[0] == 0
    plan = plan_of(gateway)
    assert [(bus.name, bus.nominal_kv) for bus in plan.bus[:3]] == [
        *(("Main bar", 345.0), ("Line bar", 345.0), ("Bus 1", None)),
    ]
    assert (plan.line[0].r, plan.line[0].length_km) == (3.2, 98.5)
    lines = site.read_text().splitlines()
    at = lines.index(f'mrid = "{mrid(400)}" # as in the model')
    assert lines[at + 1 : at + 3] == ["r = 3.2", "x = 35.4"]
    assert "  nominal_kv = 345.0" in lines  # as deep as its table


def test_what_a_person_wrote_stays(gateway: Path, capsys: Any) -> None:
    site = gateway / "site.toml"
    text = site.read_text() + (
        f'\n[[bus]] # ours\n  name = "The north bar"\n  mrid = "{mrid(101).upper()}"\n'
        "  nominal_kv = 346.5 # measured\n"
    )
    site.write_text(text)
    code, told = typed(capsys, "import-cim", *CIM, *NORTH, "--into", str(gateway))
    assert code == 0
    assert told["kept"] == [
        "bus 'The north bar': nominal_kv is 346.5 in the plan, and the file says 345.0"
    ]
    plan = plan_of(gateway)
    assert plan.bus_named("E1 BB1") is None
    breaker = next(one for one in plan.equipment if one.name == "E1 Q02 QA1")
    assert [end.bus for end in breaker.terminal] == ["The north bar", "E1 T1"]
    assert site.read_text().startswith(text)


def test_a_bus_of_that_name_with_another_mrid_is_for_a_person(gateway: Path, capsys: Any) -> None:
    site = gateway / "site.toml"
    site.write_text(site.read_text().replace('"Bus 1"', '"E1 BB1"'))
    before = files(gateway)
    code, told = typed(capsys, "import-scl", SCL, *NORTH, "--into", str(gateway))
    assert code == 2 and "'E1 BB1' is there with another mRID than" in told["err"]
    assert files(gateway) == before


@pytest.mark.parametrize(
    ("gateway_text", "told"),
    [
        (('plan = "site.toml"\n', ""), None),  # the default
        (('plan = "site.toml"', 'plan="site.toml" # ours'), None),
        (("[gateway]", "[ gateway ]"), None),
        (("[gateway]", '["gateway"]'), "no [gateway] to name site-2.toml in"),
    ],
)
def test_gateway_toml_in_other_hands(
    gateway: Path, capsys: Any, gateway_text: tuple[str, str], told: str | None
) -> None:
    path = gateway / "gateway.toml"
    path.write_text(path.read_text().replace(*gateway_text))
    before = files(gateway)
    code, found = typed(capsys, "import-scl", SCL, *NORTH, "--into", str(gateway))
    if told is None:
        assert code == 0
        assert agent_config.sketch(path).file.gateway.plan == "site-2.toml"
    else:
        assert code == 2 and told in found["err"]
        assert files(gateway) == before


@pytest.mark.parametrize(
    "words",
    [
        ["import-scl", "BROKEN"],
        ["import-scl", "BOMB", *NORTH],
        ["import-scl", "HUGE", *NORTH],
        ["import-scl", SCL],  # which substation
        ["import-scl", SCL, "--substation", "West"],
        ["import-scl", SCL, *NORTH, "--ied", "X"],
        ["import-scl", SCL, *NORTH, "--interface", "far-too-long-a-name"],
        ["import-cim", "BROKEN", *CIM, *NORTH],
        ["import-cim", "BOMB", *CIM, *NORTH],
        ["import-cim", *CIM, "OUTSIDE", *NORTH],
        ["import-cim", CIM[0], *NORTH],  # without its boundary
        ["import-cim", SCL],
    ],
)
def test_what_is_refused_leaves_the_folder_as_it_was(
    gateway: Path, capsys: Any, words: list[str]
) -> None:
    odd = {
        "BROKEN": SCD[:-10],
        "BOMB": b'<!DOCTYPE SCL [<!ENTITY a "aa"><!ENTITY b "&a;&a;&a;">]><SCL>&b;</SCL>',
        "OUTSIDE": b'<!DOCTYPE R [<!ENTITY a SYSTEM "file:///etc/hostname">]><R>&a;</R>',
        "HUGE": b"",
    }
    for name, content in odd.items():
        (gateway.parent / name).write_bytes(content)
    os.truncate(gateway.parent / "HUGE", 200_000_000)
    before = files(gateway)
    told = [str(gateway.parent / word) if word in odd else word for word in words]
    assert main([*told, "--into", str(gateway)]) == 2
    err = capsys.readouterr().err
    assert "\n" not in err.strip()  # one line, of what to do
    assert files(gateway) == before


def test_two_ways_to_write_are_refused(gateway: Path, capsys: Any) -> None:
    words = ["import-scl", SCL, *NORTH, "--into", str(gateway), "--out", "x"]
    assert main(words) == 2
    assert "one of them" in capsys.readouterr().err


def test_a_model_in_an_archive(tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "model.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("20261120_A_EQ_3.xml", EQ)
        made.writestr("20261120_EQBD_5.xml", EQBD)
        made.writestr("readme.txt", "hello")
    code, told = typed(capsys, "import-cim", str(path), *NORTH)
    assert (code, told["bus"], told["tie"]) == (0, 6, 1)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("EQ.xml", changed(EQ, (mrid(910), mrid(999)), count=99))
        made.writestr("EQBD.xml", EQBD)
    assert main(["import-cim", str(path), *NORTH]) == 2
    assert capsys.readouterr().err.startswith(f"{path}/EQ.xml:")


def test_a_file_of_another_name_is_copied_under_one_that_can_be_written(
    gateway: Path, capsys: Any
) -> None:
    odd = gateway.parent / "größe.scd"
    shutil.copy(SCL, odd)
    code, told = typed(capsys, "import-scl", str(odd), *NORTH, "--into", str(gateway))
    assert code == 0 and told["written"][0] == "station.scd"
