"""The whole walk in a browser, from an empty folder to a report, with screenshots wide and narrow;
and a page that is loaded anew in the middle, or by a second browser.
"""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from agent import config as agent_config
from tests.provisioning.page.audit import sound
from tests.provisioning.page.rig import WAIT_S, Browser, browser, console, numbers
from tests.provisioning.page.world import World, world

pytestmark = pytest.mark.timeout(300)


def test_from_an_empty_folder_to_a_report(
    chromium: Browser, program: Callable[[str], Path], tmp_path: Path
) -> None:
    gateway = tmp_path / "gateway"
    with world(tmp_path / "world") as around, console(gateway, tmp_path / "console.log") as run:
        chromium.open(run.url)
        chromium.both("sign-in", sound)
        chromium.sign_in(run)
        identity(chromium, gateway)
        plan(chromium, gateway)
        sources(chromium, around)
        live(chromium)
        enrolment(chromium, around)
        chromium.press("Next: Pre-flight")
        chromium.press("Check now")
        chromium.says("Checking")
        # A second browser, with a code of its own, sees what the first one began.
        with browser(program("chromium"), program("chromedriver"), tmp_path / "second") as other:
            other.sign_in(run)
            other.open(f"{run.url}step/preflight")
            other.says("What was found", "test-observation")
            seen = outcomes(other)
        chromium.driver.refresh()
        chromium.says("Another browser has signed in since")
        chromium.both("taken-over", sound)
        chromium.sign_in(run)
        chromium.open(f"{run.url}step/preflight")
        assert outcomes(chromium) == seen
        preflight(chromium, seen)
        chromium.open(f"{run.url}step/report")
        chromium.fill(technician="Ann Lee")
        chromium.press("Make the report")
        chromium.says("Made hand-over-")
        chromium.both("report", sound)
        assert run.end() == 0
    check_papers(gateway)


def identity(shown: Browser, gateway: Path) -> None:
    shown.both("identity", sound)
    shown.fill(gateway="gw-north-1", site="Oklaunion", buses="North")
    shown.press("Make key and folder")
    shown.says("Made: ", "Fingerprint")
    shown.both("made", sound)
    key = agent_config.sketch(gateway / "gateway.toml").path("device.key")
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.read_text().strip() not in shown.driver.page_source


def plan(shown: Browser, gateway: Path) -> None:
    """Nothing is written before the second press."""
    path = gateway / "gateway.toml"
    shown.press("Next: Site plan")
    shown.fill(rotation="ABC", nominal_hz="60", buses="North = 345 kV")
    shown.press("See what this would change")
    shown.says("Nothing is written yet", "345")
    shown.both("plan", sound)
    assert agent_config.sketch(path).plan.bus[0].nominal_kv is None
    shown.press("Take it in")
    shown.says("Done: ")
    assert agent_config.sketch(path).plan.bus[0].nominal_kv == 345.0


def sources(shown: Browser, around: World) -> None:
    shown.press("Next: Sources")
    shown.fill(hosts="\n".join(around.hosts), idcodes="1-4")
    shown.press("Look for sources")
    shown.driver.refresh()  # in the middle of the search
    shown.says("What was found", "SIM PMU")
    shown.both("found", sound)
    shown.press("Add what is ticked")
    shown.says("Done: add 1 source")
    shown.both("sources", sound)


def live(shown: Browser) -> None:
    shown.press("Next: Live")
    shown.says("All sources are heard", "Hz")
    assert 59.5 < numbers(shown.word(".figure"))[0] < 60.5
    shown.both("live", sound)


def enrolment(shown: Browser, around: World) -> None:
    shown.press("Next: Enrolment")
    shown.one("#bench-yes").click()
    shown.fill(invitation=around.invite("gw-north-1"))
    shown.press("Ask the authority now")
    shown.says("Done: gw-north-1", "in force")
    shown.both("enrolment", sound)


def preflight(shown: Browser, seen: dict[str, str]) -> None:
    """What it told, and one of it waived."""
    assert seen["test-observation"] == "ok" and seen["route"] == "ok"
    shown.both("preflight", sound)
    waived = next(name for name, word in seen.items() if word == "cannot tell")
    shown.one("summary").click()
    shown.fill(which=waived, who="Ann Lee", why="drawing 17 shows it")
    shown.press("Waive it")
    shown.says(f"Waived by Ann Lee: {waived}")
    assert outcomes(shown)[waived] == "waived"


def outcomes(shown: Browser) -> dict[str, str]:
    """Check, and its word, as the table has them."""
    shown.says("What was found")
    rows = shown.run(
        "return [...document.querySelectorAll('tbody tr')].map(row => ["
        "row.querySelector('th').firstChild.textContent,"
        "(row.querySelector('.of') || {textContent: ''}).textContent,"
        "row.querySelector('.word').lastChild.textContent])"
    )
    return {f"{check}@{of}" if of else check: word for check, of, word in rows}


def check_papers(gateway: Path) -> None:
    """The report is one that verify-report takes, with the waiver in it; and no key is in it."""
    pdf = next(gateway.glob("hand-over-*.pdf"))
    assert pdf.stat().st_size < 500_000
    argv = [sys.executable, "-m", "provisioning.cli", "verify-report", str(pdf)]
    argv += ["--anchors", str(gateway / "anchors.toml"), "--json"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert "Ann Lee" in json.dumps(told) or "Ann Lee" in pdf.with_suffix(".json").read_text()
    secret = (gateway / "device.key").read_text().strip()
    for path in gateway.iterdir():
        assert path.name == "device.key" or secret.encode() not in path.read_bytes()


def test_the_request_goes_by_qr_code_and_the_answer_comes_as_text(
    chromium: Browser, program: Callable[[str], Path], tmp_path: Path
) -> None:
    """No network: the screen is photographed, and what was scanned is put in."""
    gateway, scan = tmp_path / "gateway", program("zbarimg")
    with world(tmp_path / "world") as around, console(gateway, tmp_path / "console.log") as run:
        chromium.sign_in(run)
        chromium.fill(gateway="gw-2", site="Laredo", buses="East")
        chromium.press("Make key and folder")
        chromium.open(f"{run.url}step/enrolment")
        chromium.press("Make a request")
        chromium.run("document.querySelectorAll('details').forEach(one => one.open = true)")
        chromium.one(".qr")
        shot = chromium.shot("request")
        argv = [str(scan), "--quiet", "--raw", "-Sdisable", "-Sqrcode.enable", str(shot)]
        said = subprocess.run(argv, capture_output=True, text=True, timeout=WAIT_S, check=True)
        assert len(said.stdout.splitlines()) == len(chromium.all(".qr"))
        asked, answered = tmp_path / "asked.txt", tmp_path / "answer.gse"
        asked.write_text(said.stdout)
        authority = str(around.utility.authority)
        issue = ["authority", "issue", str(asked), "--out", str(answered), "--yes"]
        argv = [sys.executable, "-m", "provisioning.cli", *issue, "--authority", authority]
        subprocess.run(argv, capture_output=True, timeout=WAIT_S, check=True)

        from provisioning.enrol import part

        scanned = "\n".join(reversed(part.split(answered.read_bytes(), 400)))
        root = around.utility.fingerprint()
        chromium.paste("scanned", scanned)
        chromium.press("Take the answer")
        chromium.says("believes nobody yet", "by telephone")
        chromium.both("nobody-vouched", sound)
        chromium.fill(fingerprint="0" * 64)
        chromium.press("Take the answer")
        chromium.says("it is not that authority's")
        assert not (gateway / "credential.cbor").exists()
        chromium.fill(fingerprint=root)
        chromium.press("Take the answer")
        chromium.says("Done: gw-2", "in force")
        agent_config.load(gateway / "gateway.toml")


def test_a_file_of_the_engineering_tool_is_shown_first_and_taken_in_second(
    chromium: Browser, tmp_path: Path
) -> None:
    files = Path(__file__).parents[1] / "plan"
    gateway = tmp_path / "gateway"
    plan = gateway / "site.toml"
    with console(gateway, tmp_path / "console.log") as run:
        chromium.sign_in(run)
        chromium.fill(gateway="gw-3", site="Station", buses="Bus 1")
        chromium.press("Make key and folder")
        chromium.press("Next: Site plan")
        before = plan.read_bytes()
        both = "\n".join(str(files / name) for name in ("cgmes3_EQ.xml", "cgmes3_EQBD.xml"))
        chromium.fill(file=both, kind="cim")
        chromium.press("See what it would change")
        chromium.says("Not done: ", "North", "South")  # of two substations: which, is asked
        chromium.both("which", sound)
        chromium.fill(file=both, kind="cim", substation="North")
        chromium.press("See what it would change")
        chromium.says("Nothing is written yet", "needs a new credential")
        chromium.both("import", sound)
        assert plan.read_bytes() == before
        chromium.driver.refresh()  # what was sent is still there
        chromium.press("Leave it out")
        chromium.says("nothing was changed")
        assert plan.read_bytes() == before
        chromium.fill(file=both, kind="cim", substation="North")
        chromium.press("See what it would change")
        chromium.press("Take it in")
        chromium.says("Done: take in cgmes3_EQ.xml")
        found = agent_config.sketch(gateway / "gateway.toml").plan
        assert "5c1e0000" in "".join(bus.mrid for bus in found.bus) and found.line

        broken = tmp_path / "broken.scd"
        broken.write_text('<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>')
        after = plan.read_bytes()
        chromium.fill(file=str(broken), kind="scl", substation="")
        chromium.press("See what it would change")
        chromium.says("Not done: broken.scd")
        assert plan.read_bytes() == after


@pytest.mark.parametrize("name", ["../../evil.scd", "a\nb.scd", "<b>.scd"])
def test_a_files_name_is_anybodys_word(tmp_path: Path, name: str) -> None:
    """It is shown as text, and names no place outside of the folder."""
    from provisioning.page.plan import _look
    from provisioning.page.step import Form, Upload

    files = Path(__file__).parents[1] / "plan"
    subprocess.run(
        [sys.executable, "-m", "provisioning.cli", "new", str(tmp_path / "gw"), "--gateway", "g",
         "--site", "S", "--bus", "B"],
        capture_output=True, timeout=WAIT_S, check=True,
    )  # fmt: skip
    sent = Upload(name, (files / "grid.scd").read_bytes())
    form = Form({"kind": "scl", "substation": "North"}, {"file": (sent,)})
    held = _look(tmp_path / "gw", form)
    change = held.adopted.change
    assert change is not None
    assert all(re.fullmatch(r"[\w.-]+", one.name) for one in change.added)
    assert held.file == "file-1"
