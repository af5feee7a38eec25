"""The hand-over as it is typed: from a gateway beside a PMU that sends to papers that hold."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent import config as agent_config
from agent.config import read_credential
from drivers.keystore import file as keyfile
from provisioning.cli import main
from provisioning.preflight.examination import Findings, plan_sha256
from provisioning.preflight.outcome import Outcome, Word
from provisioning.report.checked import ALWAYS
from tests.drivers import keyring
from tests.provisioning.report import viewer

ROOT = Path(__file__).resolve().parents[3]
WAIT_S = 30.0
OUTCOMES = [
    *(Outcome(name, "", Word.OK, "as it should be") for name in ALWAYS),
    Outcome("ct-direction", "pmu-a/IA", Word.FAULT, "180 degrees apart", "", "turn it"),
]


def printed(folder: Path, outcomes: Sequence[Outcome] = OUTCOMES) -> dict[str, object]:
    """What preflight --json prints."""
    plan = plan_sha256(agent_config.sketch(folder / "gateway.toml"))
    return Findings("gateway-1", plan, time.time_ns(), list(outcomes)).told()


@contextmanager
def pmu() -> Iterator[str]:
    """A simulated PMU, and where it listens."""
    argv = [sys.executable, "-m", "hil.devices.pmu", "--tcp", "127.0.0.1:0", "--idcode", "7"]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield str(json.loads(process.stdout.readline())["pmus"][0]["tcp"])
        finally:
            process.terminate()
            process.communicate(timeout=WAIT_S)


@pytest.fixture
def site(tmp_path, capsys) -> Path:
    """A gateway's folder whose PMU is not there, and a file of the pre-flight."""
    folder: Path = tmp_path / "site"
    source = "c37118+tcp://127.0.0.1:9?idcode=7&name=pmu-a&bus=North"
    told = ["--site", "Oklaunion", "--source", source, "--survey=46.948,7.4474,600,0.5,RTK"]
    assert main(["init", str(folder), *told]) == 0
    capsys.readouterr()
    text = json.dumps(printed(folder))
    (tmp_path / "preflight.json").write_text(text)
    return folder


def typed(site: Path, *more: str) -> list[str]:
    out, checked = site.parent / "handover.pdf", site.parent / "preflight.json"
    told = ["--out", str(out), "--preflight", str(checked), "--technician", "J. Doe"]
    return ["report", str(site), *told, "--seconds", "1", *more]


def verifying(site: Path, name: str = "handover.pdf", *more: str) -> list[str]:
    anchors = str(site / "anchors.toml")
    return ["verify-report", str(site.parent / name), "--anchors", anchors, *more]


WAIVE = ["--waive", "ct-direction=Ann Lee:drawing 17 shows it"]


def test_from_a_pmu_that_sends_to_papers_that_hold(tmp_path, capsys, program):
    with pmu() as address:
        folder = tmp_path / "site"
        source = f"c37118+tcp://{address}?idcode=7&name=pmu-a&bus=North"
        assert main(["init", str(folder), "--site", "Oklaunion", "--source", source]) == 0
        text = json.dumps(printed(folder))
        (tmp_path / "preflight.json").write_text(text)
        assert main(typed(folder, "--seconds", "3", *WAIVE)) == 0
    out = capsys.readouterr().out
    assert "PASSED WITH 1 WAIVED: of 8 checks 7 passed, 1 waived" in out
    pdf = (tmp_path / "handover.pdf").read_bytes()
    told = viewer.text(program, pdf, tmp_path)
    for word in (
        *("PASSED WITH 1 WAIVED", "Ann Lee: drawing 17 shows it", "Source pmu-a", "SIM PMU"),
        *("sequence ABC", "North", "authority-1", "locked, traceable", "apsw", "Python"),
    ):
        assert word in told
    report = json.loads((tmp_path / "handover.json").read_text())["report"]
    (source_told,) = report["sources"]
    assert {one["phase"] for one in source_told["phasors"]} == {*"ABC"}
    assert 59 < float(source_told["frequency_hz"]) < 61
    assert main(verifying(folder, "handover.pdf", "--plan", str(folder / "site.toml"))) == 0
    out = capsys.readouterr().out
    assert "It holds." in out and "NOT" not in out.replace("NOT PASSED", "")
    assert "not sealed evidence" in out


def test_without_a_file_a_preflight_is_made_now(tmp_path, capsys, program):
    with pmu() as address:
        folder = tmp_path / "site"
        source = f"c37118+tcp://{address}?idcode=7&name=pmu-a&bus=North"
        assert main(["init", str(folder), "--site", "Oklaunion", "--source", source]) == 0
        told = ["--out", str(tmp_path / "handover.pdf"), "--technician", "J. Doe", "--offline"]
        why = ["--waive", "route,test-observation=Ann Lee:no network on site yet"]
        assert main(["report", str(folder), *told, *why, "--seconds", "3", "--json"]) == 1
    out = capsys.readouterr().out
    assert json.loads(out.splitlines()[-1])["sources"] == ["pmu-a"]
    report = json.loads((tmp_path / "handover.json").read_text())["report"]
    found = {one["check"]: one for one in report["checks"]}
    assert {"disk", "device-key", "credential", "gateway-clock", "rate"} <= found.keys()
    assert found["device-key"]["word"] == "ok"
    assert found["route"]["word"] == found["test-observation"]["word"] == "waived"
    assert float(report["sources"][0]["frequency_hz"]) == pytest.approx(60, abs=1)
    told_ = viewer.text(program, (tmp_path / "handover.pdf").read_bytes(), tmp_path)
    assert "Waived by Ann Lee: no network on site yet" in told_
    assert main(verifying(folder)) == 0


def test_a_source_that_is_not_there_is_in_the_report_with_its_trouble(site, capsys):
    assert main(typed(site)) == 1
    report = json.loads((site.parent / "handover.json").read_text())["report"]
    (source,) = report["sources"]
    assert source["tai_ns"] is None and source["trouble"]
    assert "NOT PASSED" in capsys.readouterr().out


def test_programs_are_told_in_one_object(site, capsys):
    assert main(typed(site, "--json", "--paper", "letter")) == 1
    told = json.loads(capsys.readouterr().out)
    pdf = (site.parent / "handover.pdf").read_bytes()
    assert (told["done"], told["bytes"], told["result"]) == (True, len(pdf), "NOT PASSED")
    assert told["fingerprint"] == keyfile.read(site / "device.key").public.fingerprint
    assert main(verifying(site, "handover.json", "--json")) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["holds"] and found["number"] == told["number"] and not found["passed"]
    assert {one["word"] for one in found["findings"]} == {"holds", "not checked"}


def test_a_dry_run_signs_and_writes_nothing(site, capsys):
    (site / "device.key").unlink()
    assert main(typed(site, "--dry-run")) == 1
    assert "Would make" in capsys.readouterr().out
    assert not list(site.parent.glob("handover*"))


@pytest.mark.parametrize("name", ["handover.pdf", "handover.json"])
def test_nothing_is_overwritten(site, capsys, name):
    (site.parent / name).write_text("mine")
    assert main(typed(site)) == 2
    assert f"{name} is there already" in capsys.readouterr().err
    assert [path.name for path in site.parent.glob("handover*")] == [name]
    assert (site.parent / name).read_text() == "mine"


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--out", "handover.txt"], "ends in .pdf"),
        (["--out", "no/where/x.pdf"], "mkdir -p"),
        (["--preflight", "none.json"], "none.json: cannot be read"),
        (["--waive", "rat=Ann:why"], "did you mean 'rate'"),
        (["--waive", "route=Ann:why"], "what is not ok by that name"),
        (["--offline"], "no --preflight"),
        (["--technician", "x" * 10_000], "in 4096 characters"),
        (["--waive", "ct-direction=Ann"], "expected CHECK[@OF]=WHO:WHY"),
        (["--technician", " "], "names who made it"),
        (["--seconds", "0"], "expected 1 to"),
        (["--paper", "a5"], "a5"),
        (["--papre", "a4"], "did you mean '--paper'"),
    ],
)
def test_what_is_typed_wrongly_gets_one_helpful_line(site, capsys, more, says):
    assert main(typed(site, *more)) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and says in err
    assert not list(site.parent.glob("handover*"))


def test_another_key_than_the_credential_s_signs_nothing(site, tmp_path, capsys):
    assert main(["init", str(tmp_path / "other")]) == 0
    (tmp_path / "other" / "device.key").rename(site / "device.key")
    assert main(typed(site)) == 2
    assert "not the key that credential.cbor is for" in capsys.readouterr().err
    assert not list(site.parent.glob("handover*"))


def test_a_gateway_without_a_credential_has_papers_that_say_so(site, capsys):
    whom = site / "anchors.toml"
    anchors = whom.rename(site.parent / "anchors.toml")
    (site / "credential.cbor").unlink()
    assert main(typed(site)) == 1
    assert "nobody vouches for this key" in capsys.readouterr().out
    told = ["verify-report", str(site.parent / "handover.pdf"), "--anchors", str(anchors)]
    assert main(told) == 1
    assert "It does NOT hold." in capsys.readouterr().out


def test_a_key_in_a_token_signs_and_one_that_is_away_is_named(site, program, capsys, tmp_path):
    with keyring.token(tmp_path / "store", program) as token:
        public = keyring.hand_over(site, token.uri())
        token.take_away()
        assert main(typed(site)) == 2
        err = capsys.readouterr().err
        assert "pkcs11:" in err and keyring.PIN not in err
        assert not list(site.parent.glob("handover*"))
        token.bring_back()
        assert main(typed(site)) == 1
    text = (site.parent / "handover.json").read_text()
    assert json.loads(text)["report"]["key"]["fingerprint"] == public.fingerprint
    assert str(token.pin_file) not in text and keyring.PIN not in text
    assert main(verifying(site)) == 0


def change(at: Path, edit: Callable[[bytes], bytes]) -> None:
    at.write_bytes(edit(at.read_bytes()))


def test_whoever_verifies_is_told_what_was_changed(site, capsys):
    assert main(typed(site)) == 1
    folder = site.parent
    change(folder / "handover.json", lambda data: data.replace(b"J. Doe", b"A. Lee", 1))
    assert main(verifying(site, "handover.json")) == 1
    assert "was changed" in capsys.readouterr().out
    change(
        folder / "handover.pdf", lambda data: data[:5000] + bytes([data[5000] ^ 1]) + data[5001:]
    )
    assert main(verifying(site)) == 1
    assert "the pages of this PDF are not those of the report" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "says"),
    [("missing.pdf", "cannot be read"), ("preflight.json", "no hand-over report")],
)
def test_what_is_no_report_is_refused_by_name(site, capsys, name, says):
    assert main(verifying(site, name)) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    assert name in err and says in err


def test_hostile_names_reach_no_terminal(site, capsys):
    text = (site / "site.toml").read_text()
    held = read_credential(site / "credential.cbor").says.site
    (site / "site.toml").write_text(text.replace("Oklaunion", r"\u001b[31mred\u202e"))
    (site.parent / "preflight.json").write_text(json.dumps(printed(site)))
    assert main(typed(site, "--technician", "\x1b]0;x\x07")) == 1
    assert main(verifying(site)) == 1
    out, err = capsys.readouterr()
    assert held and all(sign.isprintable() or sign == "\n" for sign in out + err)
    assert r"\u001b[31mred\u202e" in out
