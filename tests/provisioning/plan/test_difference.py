"""What differs and what follows from it: between two plans, and between a plan and a credential."""

import os
from pathlib import Path
from typing import Any

import pytest

from agent import config as agent_config
from evidence import siteplan
from evidence.siteplan import SitePlan
from provisioning.cli import main
from provisioning.init import InitRequest, initialise
from provisioning.plan import difference
from provisioning.plan.difference import Consequence

CREDENTIAL, DESCRIPTOR = Consequence.CREDENTIAL, Consequence.DESCRIPTOR
LINE, NOTHING = Consequence.LINE, Consequence.NOTHING
B1, B2, T1, L1, T2 = (f"7d8f1b80-0000-4000-8000-{number:012d}" for number in range(1, 6))
PLAN = f"""\
[site]
name = "North"
[site.survey]
latitude = 46.948
longitude = 7.4474
altitude_m = 600.0
accuracy_m = 0.5
[[bus]]
name = "A"
mrid = "{B1}"
[[bus]]
name = "B"
mrid = "{B2}"
psse = 7
[[line]]
name = "L"
mrid = "{L1}"
from = {{ terminal = "{T1}", bus = "A" }}
to = {{ terminal = "{T2}" }}
r = 1.0
[[stream]]
source = "pmu"
bus = "A"
[[stream.channel]]
name = "IA"
terminal = "{T1}"
direction = "in"
ratio = [1200, 5]
rated = 1200.0
[[device]]
name = "PMU"
source = "pmu"
sessions = 4
"""


def read(text: str) -> SitePlan:
    return siteplan.read(text, "site.toml")


def differences(*pairs: tuple[str, str]) -> list[tuple[Any, ...]]:
    text = PLAN
    for before, after in pairs:
        assert before in text, before
        text = text.replace(before, after)
    return [tuple(one) for one in difference.plans(read(PLAN), read(text))]


@pytest.mark.parametrize(
    ("before", "after", "of", "key", "was", "will", "means"),
    [
        ("[1200, 5]", "[2000, 5]", "pmu/IA", "ratio", "1200 / 5", "2000 / 5", (DESCRIPTOR,)),
        ('"in"', '"out"', "pmu/IA", "direction", "in", "out", (CREDENTIAL, DESCRIPTOR)),
        ('direction = "in"', "", "pmu/IA", "direction", "in", "unknown", (CREDENTIAL, DESCRIPTOR)),
        ("rated = 1200.0", "rated = 1000", "pmu/IA", "rated", "1200.0", "1000.0", (NOTHING,)),
        ("psse = 7", "psse = 8", "bus 'B'", "psse", "7", "8", (CREDENTIAL, DESCRIPTOR)),
        ("psse = 7", "psse = 7\nnominal_kv = 1", "bus 'B'", "nominal_kv", "(nothing)", "1.0",
         (NOTHING,)),
        ("r = 1.0", "r = 1.5", "line 'L'", "r", "1.0", "1.5", (NOTHING,)),
        ("sessions = 4", "sessions = 2", "device 'PMU'", "sessions", "4", "2", (NOTHING,)),
        ('source = "pmu"\nbus', 'source = "pmu"\npath_ms = 9\nbus', "pmu", "path_ms", "0", "9",
         (DESCRIPTOR,)),
        ('source = "pmu"\nbus',
         'source = "pmu"\ntime_document = "x"\ntime_bound_ns = 9\nbus', "pmu", "time_bound_ns",
         "(nothing)", "9", (DESCRIPTOR, LINE)),
    ],
)  # fmt: skip
def test_what_follows_from_a_change(
    before: str, after: str, of: str, key: str, was: str, will: str, means: tuple[Consequence, ...]
) -> None:
    assert (of, key, was, will, means) in differences((before, after))


def test_nothing_differs_from_itself() -> None:
    assert differences() == []
    assert differences((B1, B1.upper().replace("D", "d")), (T1, T1.upper())) == []


def test_a_bus_that_is_called_otherwise_is_one_difference() -> None:
    found = differences(('name = "A"', 'name = "North"'), ('bus = "A"', 'bus = "North"'))
    assert found[0] == ("bus 'North'", "name", "A", "North", (CREDENTIAL, DESCRIPTOR))
    assert [one[0] for one in found[1:]] == ["line 'L'"]  # which names it


def test_a_bus_more_needs_a_credential_and_one_less_does_not() -> None:
    more = PLAN.replace("[[line]]", f'[[bus]]\nname = "C"\nmrid = "{L1[:-1]}9"\n[[line]]')
    (added,) = difference.plans(read(PLAN), read(more))
    assert (added.after, added.means) == ("C", (CREDENTIAL,))
    (less,) = difference.plans(read(more), read(PLAN))
    assert (less.before, less.means) == ("C", (NOTHING,))


def test_a_stream_at_another_bus_moves_what_its_terminals_claim() -> None:
    found = differences(('source = "pmu"\nbus = "A"', 'source = "pmu"\nbus = "B"'),
                        ('bus = "A" }', 'bus = "B" }'))  # fmt: skip
    assert ("pmu", "bus", B1, B2, (CREDENTIAL, DESCRIPTOR)) in found


def test_another_survey_is_told_with_its_numbers() -> None:
    ((of, key, before, after, means),) = differences(("46.948", "46.949"))
    assert (of, key, means) == ("site", "survey", (CREDENTIAL, DESCRIPTOR))
    assert "latitude 46.948" in before and "latitude 46.949" in after


# --- a gateway's folder


@pytest.fixture
def gateway(tmp_path: Path) -> Path:
    survey = siteplan.Survey(46.948, 7.4474, 600.0, 0.5, "RTK")
    initialise(InitRequest(tmp_path / "gw", survey=survey), 1_790_000_000, os.urandom)
    return tmp_path / "gw"


def granted(folder: Path, *pairs: tuple[str, str]) -> list[tuple[Any, ...]]:
    text = (folder / "site.toml").read_text()
    for before, after in pairs:
        assert before in text
        text = text.replace(before, after, 1)
    held = agent_config.read_credential(folder / "credential.cbor")
    return [tuple(one) for one in difference.credential(read(text), held)]


def test_a_credential_grants_the_plan_that_it_was_made_for(gateway: Path) -> None:
    assert granted(gateway) == []


@pytest.mark.parametrize(
    ("pairs", "of", "key"),
    [
        ([('name = "Site 1"', 'name = "Other"')], "site", "name"),
        ([("46.948", "46.949")], "site", "survey"),
        ([('"RTK"', '"tape"')], "site", "survey.method"),
        ([('[[bus]]\nname = "Bus 1"', '[site.antenna]\nsplitter = true\n[[bus]]\nname = "Bus 1"')],
         "site", "antenna"),
        ([('name = "Bus 1"', 'name = "Bus 2"')], "bus 'Bus 2'", "name"),
        ([('name = "Bus 1"', 'name = "Bus 1"\noffset_mm = [1, 2, 3]')], "bus 'Bus 1'",
         "offset_mm"),
        ([('[[bus]]', f'[[bus]]\nname = "C"\nmrid = "{B1}"\n[[bus]]')], "bus 'C'", "mrid"),
    ],
)  # fmt: skip
def test_what_the_authority_knows_otherwise_is_told(
    gateway: Path, pairs: list[tuple[str, str]], of: str, key: str
) -> None:
    assert [one[:2] for one in granted(gateway, *pairs)] == [(of, key)]


def test_a_folder_without_a_credential_and_without_an_agent(gateway: Path, capsys: Any) -> None:
    assert main(["diff", str(gateway)]) == 1
    out = capsys.readouterr().out
    assert "cannot tell: no agent answers" in out
    assert "cannot tell: nothing signed to compare with" in out
    (gateway / "credential.cbor").unlink()
    assert main(["diff", str(gateway)]) == 1
    assert "needs a new credential" in capsys.readouterr().out


def test_plans_and_folders_as_they_are_typed(gateway: Path, tmp_path: Path, capsys: Any) -> None:
    other = tmp_path / "other.toml"
    other.write_text((gateway / "site.toml").read_text())
    assert main(["diff", str(gateway), str(other)]) == 0
    assert main(["diff", str(gateway / "site.toml"), str(other)]) == 0
    assert capsys.readouterr().out == "Nothing differs.\n" * 2
    other.write_text(other.read_text() + f'[[bus]]\nname = "C"\nmrid = "{B1}"\n')
    assert main(["diff", str(gateway), str(other)]) == 1
    out = capsys.readouterr().out
    assert "not granted" in out and "The agent does not start with this plan before" in out
    assert main(["diff", str(other)]) == 1
    assert main(["diff", str(tmp_path / "nothing")]) == 2


# --- plan check, plan ask


def test_all_that_is_wrong_is_told_with_its_place(tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "site.toml"
    path.write_text(PLAN)
    assert main(["plan", "check", str(path)]) == 0
    assert capsys.readouterr().out == f"{path}: nothing is wrong with it\n"
    path.write_text(PLAN.replace(B2, "B2").replace('bus = "A"\n[[s', 'bus = "Q"\n[[s'))
    assert main(["plan", "check", str(path)]) == 1
    first, second, third = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{path}:13: bus[1].mrid: 'B2' is no mRID; expected a UUID")
    assert second.startswith(f"{path}:23: stream[0].bus: 'Q' is unknown; known: A, B")
    assert "stream[0].channel[0].terminal: at 'Q' here, and at 'A' above" in third
    path.write_text(PLAN.replace("psse", "pse"))
    assert main(["plan", "check", str(path)]) == 1
    assert "bus[1].pse: unknown; did you mean 'psse'?" in capsys.readouterr().out


def test_a_correction_on_file_is_the_one_that_is_signed(tmp_path: Path, capsys: Any) -> None:
    path, ct = tmp_path / "site.toml", tmp_path / "ct.csv"
    ct.write_bytes(b"5 %, 0.1\n")
    digest = "9cf2e5a1" + "0" * 56
    stated = 'ratio = [1200, 5]\ncorrection = {{ file = "ct.csv", sha256 = "{}" }}'
    path.write_text(PLAN.replace("ratio = [1200, 5]", stated.format(digest)))
    assert main(["plan", "check", str(path)]) == 1
    out = capsys.readouterr().out
    assert "'ct.csv' has SHA-256 " in out and ":29: stream[0].channel[0].correction: " in out
    right = out.partition("SHA-256 ")[2][:64]
    path.write_text(PLAN.replace("ratio = [1200, 5]", stated.format(right)))
    assert main(["plan", "check", str(path)]) == 0
    ct.unlink()
    assert main(["plan", "check", str(path)]) == 1
    assert "'ct.csv' cannot be read" in capsys.readouterr().out


def test_a_plan_is_asked_for(gateway: Path, capsys: Any) -> None:
    answers = ["nominal_hz=50", "rotation=ACB", "buses=Bus 1 = 345 kV", "survey=47, 7, 600, 1"]
    words = [word for answer in answers for word in ("--answer", answer)]
    assert main(["plan", "ask", str(gateway), *words]) == 2  # nobody is there
    assert "say it by --answer site=TEXT" in capsys.readouterr().err
    before = (gateway / "site.toml").read_bytes()
    words += ["--answer", "site=North"]
    assert main(["plan", "ask", str(gateway), *words, "--dry-run"]) == 0
    assert (gateway / "site.toml").read_bytes() == before
    assert main(["plan", "ask", str(gateway), *words]) == 0
    assert "needs a new credential" in capsys.readouterr().out
    plan = agent_config.sketch(gateway / "gateway.toml").plan
    assert (plan.site.rotation, plan.bus[0].nominal_kv) == ("ACB", 345.0)
    assert plan.bus[0].mrid in before.decode()
    assert main(["rollback", str(gateway)]) == 0
    assert (gateway / "site.toml").read_bytes() == before
    assert main(["plan", "ask", str(gateway), *words, "--answer", "bus=B"]) == 2
    assert "--answer bus: unknown; did you mean 'buses'?" in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["chek", "x"], ["check"], ["check", "a", "b"]])
def test_what_is_typed_wrongly_is_one_line(words: list[str], capsys: Any) -> None:
    assert main(["plan", *words]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_file_without_an_end_is_not_read_to_it(capsys: Any) -> None:
    assert main(["plan", "check", "/dev/zero"]) in (1, 2)
    told = capsys.readouterr().err
    assert told.startswith("/dev/zero: more than") and told.count("\n") == 1
