"""What goes wrong in a switchyard, as the page tells it: in words, with what to do, and it goes on
when the mend is made.
"""

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioning import source
from provisioning.enrol import founding
from provisioning.enrol.founding import Wanted
from provisioning.page.session import CODE_S, REST_S, TRIES_MAX
from tests.provisioning.page.audit import sound
from tests.provisioning.page.rig import WAIT_S, Browser, Inside, console, numbers, until
from tests.provisioning.page.world import pmus

pytestmark = pytest.mark.timeout(180)
SECONDS_MAX = 12.0  # until somebody is told that a cable is out: the line itself takes some


@pytest.fixture
def inside(tmp_path: Path) -> Iterator[Inside]:
    page = Inside(tmp_path / "gateway")
    yield page
    page.close()


def made(folder: Path, *urls: str) -> Path:
    """A gateway's folder with these sources."""
    sources = [source.parse(url, at) for at, url in enumerate(urls, 1)]
    wanted = Wanted(folder, "gw-1", "file:device.key", site="S", buses=("North",), sources=sources)
    founding.found(wanted, os.urandom, None)
    return folder


def test_a_wrong_code(chromium: Browser, inside: Inside) -> None:
    chromium.open(inside.url)
    chromium.fill(code="12 34 56")
    chromium.press("Sign in")
    chromium.says("That is not the code", "4 tries are left")
    chromium.both("wrong-code", sound)
    focused = chromium.run("return document.activeElement.getAttribute('role')")
    assert focused == "alert"  # a screen reader reads it at once
    chromium.fill(code=inside.code())
    chromium.press("Sign in")
    chromium.says("Identity")


def test_five_wrong_codes(chromium: Browser, inside: Inside) -> None:
    chromium.open(inside.url)
    for _ in range(TRIES_MAX):
        chromium.fill(code="00000001" if inside.code() != "0000 0001" else "00000002")
        chromium.press("Sign in")
    chromium.says("holds no longer", "Wait 60 seconds")
    chromium.both("locked", sound)
    before = inside.code()
    chromium.open(inside.url)
    chromium.says("there is no code yet")
    inside.shift_s += REST_S
    chromium.open(inside.url)
    until(lambda: inside.code() != before, "a new code on the console")
    chromium.fill(code=inside.code())
    chromium.press("Sign in")
    chromium.says("Identity")


def test_an_expired_code(chromium: Browser, inside: Inside) -> None:
    chromium.open(inside.url)
    before = inside.code()
    inside.shift_s += CODE_S
    chromium.fill(code=before)
    chromium.press("Sign in")
    chromium.says("has expired", "10 minutes", "A new one is on the console")
    chromium.both("expired-code", sound)
    assert inside.code() != before
    chromium.fill(code=inside.code())
    chromium.press("Sign in")
    chromium.says("Identity")


def test_an_hour_without_a_touch(chromium: Browser, inside: Inside) -> None:
    chromium.sign_in(inside)
    inside.shift_s += 3601
    chromium.driver.refresh()
    chromium.says("You were signed out")
    chromium.sign_in(inside)
    chromium.says("Identity")


def test_a_pmu_is_unplugged_and_plugged_in_again(chromium: Browser, tmp_path: Path) -> None:
    hosts: list[str] = []
    pmu = pmus(tmp_path, hosts)
    try:
        url = f"c37118+tcp://{hosts[0]}?idcode=1&name=pmu-a&bus=North"
        gateway = made(tmp_path / "gateway", url)
        with console(gateway, tmp_path / "console.log") as run:
            chromium.sign_in(run)
            chromium.open(f"{run.url}step/live")
            chromium.says("All sources are heard", "Hz")
            chromium.run("window.marked = true")
            pmu.kill()
            pulled = time.monotonic()
            until(lambda: chromium.word(".word").endswith("fault"), "word of it", WAIT_S)
            assert time.monotonic() - pulled < SECONDS_MAX
            chromium.says("pmu-a: ")  # said aloud, once
            assert "pmu-a: " in chromium.word("#heard")
            chromium.both("unplugged", sound)
            pmu = pmus(tmp_path, hosts)
            chromium.says("All sources are heard")
            before = numbers(chromium.word(".figure"))
            until(lambda: numbers(chromium.word(".figure")) != before, "new figures")
            assert chromium.run("return window.marked")  # by itself: nothing was loaded anew
    finally:
        pmu.kill()


def test_the_page_shows_values_without_script(chromium: Browser, tmp_path: Path) -> None:
    hosts: list[str] = []
    pmu = pmus(tmp_path, hosts)
    try:
        url = f"c37118+tcp://{hosts[0]}?idcode=1&name=pmu-a&bus=North"
        gateway = made(tmp_path / "gateway", url)
        with console(gateway, tmp_path / "console.log") as run:
            chromium.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
            chromium.sign_in(run)
            chromium.open(f"{run.url}step/live")
            chromium.says("Hz")
            before = figure(chromium)  # the page comes anew under every look
            until(lambda: figure(chromium) != before, "the page once more")
            chromium.open(f"{run.url}step/identity")
            chromium.says("gw-1")
    finally:
        pmu.kill()


def figure(shown: Browser) -> list[str]:
    """The frequencies on the page as it was served last."""
    return re.findall(r'class="figure">([^<]*) Hz', shown.driver.page_source)


def test_no_network_to_the_authority(chromium: Browser, tmp_path: Path) -> None:
    gateway = made(tmp_path / "gateway")
    with console(gateway, tmp_path / "console.log") as run:
        chromium.sign_in(run)
        chromium.open(f"{run.url}step/enrolment")
        chromium.fill(invitation="nobody invited me")
        chromium.press("Ask the authority now")
        chromium.says("Not done: ")
        chromium.fill(invitation=nowhere())
        chromium.press("Ask the authority now")
        chromium.says("not reached", "or go by file")
        chromium.both("no-network", sound)
        assert chromium.one('[name="invitation"]').get_attribute("value") == nowhere()
        chromium.says("waits for its answer")  # and can go by stick at once


def nowhere() -> str:
    """An invitation whose server is not there: port 1 of this machine."""
    from provisioning.authority.link import FINGERPRINT_BYTES, Link

    return Link("127.0.0.1", 1, "0123456789ABCDEF", bytes(FINGERPRINT_BYTES)).text()


def test_the_gateway_does_not_answer_the_browser_any_more(
    chromium: Browser, tmp_path: Path
) -> None:
    gateway = made(tmp_path / "gateway", "c37118+tcp://127.0.0.1:1?idcode=1&name=pmu-a&bus=North")
    with console(gateway, tmp_path / "console.log") as run:
        chromium.sign_in(run)
        chromium.open(f"{run.url}step/live")
        chromium.says("pmu-a", "fault")
        port = run.port
        assert run.end() == 0
        chromium.says("No answer from this gateway any more", "Is the cable in")
        chromium.both("no-answer", sound)
    with console(gateway, tmp_path / "again.log", "--listen", f"127.0.0.1:{port}") as again:
        chromium.open(f"{again.url}step/live")
        chromium.says("Sign in")
        chromium.sign_in(again)
        chromium.says("Site plan", "done")  # it goes on where it was: the folder has it


def test_a_folder_that_is_damaged_is_told_with_line_and_key(
    chromium: Browser, tmp_path: Path
) -> None:
    gateway = made(tmp_path / "gateway")
    path = gateway / "gateway.toml"
    path.write_text(path.read_text().replace('name = "gw-1"', 'nmae = "gw-1"'))
    with console(gateway, tmp_path / "console.log") as run:
        chromium.sign_in(run)
        chromium.says("look here", "gateway.toml", "nmae")
        chromium.both("damaged", sound)
        for name in ("plan", "sources", "live", "enrolment", "preflight", "report"):
            chromium.open(f"{run.url}step/{name}")
            chromium.says("begin with the identity")
        path.write_text(path.read_text().replace("nmae", "name"))
        (gateway / "credential.cbor").write_bytes(b"no credential")
        chromium.open(f"{run.url}step/enrolment")
        chromium.says("look here", "credential.cbor", "is no credential file")
        assert "Traceback" not in run.log.read_text(encoding="utf-8")
