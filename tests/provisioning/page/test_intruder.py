"""What somebody at the port, a device's name, or a second press can do; and what a form comes to
that is not taken.
"""

import contextlib
import json
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hil.child import Child
from provisioning.authority.link import FINGERPRINT_BYTES, Link
from provisioning.page.session import IDLE_S
from tests.provisioning.page.rig import WAIT_S, Browser, Console, Inside, console, until
from tests.provisioning.page.test_server import FORM, Visitor, text
from tests.provisioning.page.test_trouble import made

pytestmark = pytest.mark.timeout(120)
MIB = 1 << 20


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Console]:
    with console(tmp_path / "gw", tmp_path / "console.log") as started:
        yield started


def memory(run: Console) -> int:
    """Bytes that the program had at most so far."""
    status = Path(f"/proc/{run.process.pid}/status").read_text(encoding="ascii")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found
    return int(found[1]) * 1024


def test_who_is_not_let_in_cannot_fill_the_memory(run: Console) -> None:
    """The agent runs on the same gateway."""
    before = memory(run)
    ended: list[int] = []

    def send() -> None:
        try:
            body = b"code=" + b"1" * (16 * MIB)
            ended.append(Visitor(run).ask("POST", "/sign-in", body, Content_Type=FORM).status)
        except OSError:  # it hangs up on what is still coming
            ended.append(0)

    senders = [threading.Thread(target=send) for _ in range(6)]
    for one in senders:
        one.start()
    for one in senders:
        one.join(WAIT_S)
    assert len(ended) == len(senders) and set(ended) <= {413, 0}
    assert memory(run) - before < 24 * MIB
    answer = Visitor(run).post("/sign-in", {"code": "1" * 5000})
    assert answer.status == 413 and "Longer than a code" in text(answer)


def test_a_form_of_another_session_leads_back_to_the_steps(run: Console) -> None:
    visitor = Visitor(run)
    visitor.sign_in()
    answer = visitor.post("/step/identity/make", {"gateway": "gw", "form": "0" * 64})
    assert answer.status == 403
    assert 'href="/"' in text(answer) and "Nothing was done" in text(answer)


def test_nobody_is_told_of_a_command_that_he_did_not_type(run: Console, tmp_path: Path) -> None:
    made(tmp_path / "gw")
    visitor = Visitor(run)
    visitor.sign_in()
    answer = visitor.post("/step/sources/search", {"form": visitor.token(), "hosts": ":::"})
    assert answer.status == 422
    assert "expected HOST" in text(answer) and "gridseal-provision" not in text(answer)


def test_a_page_that_renews_itself_is_no_touch(chromium: Browser, tmp_path: Path) -> None:
    """A browser that was left open at the live values is signed out like any other."""
    made(tmp_path / "gateway", "c37118+tcp://127.0.0.1:1?idcode=1&name=pmu-a&bus=North")
    inside = Inside(tmp_path / "gateway")
    try:
        chromium.sign_in(inside)
        chromium.open(f"{inside.url}step/live")
        chromium.says("pmu-a", "fault")
        inside.shift_s += IDLE_S / 2
        chromium.run("window.renewed = document.querySelector('#panel').firstChild")
        until(
            lambda: bool(
                chromium.run(
                    "return window.renewed !== document.querySelector('#panel').firstChild"
                )
            ),
            "the panel anew",
        )
        inside.shift_s += IDLE_S / 2
        chromium.says("You were signed out")
    finally:
        inside.close()


def test_two_presses_are_one(chromium: Browser, run: Console, tmp_path: Path) -> None:
    chromium.sign_in(run)
    chromium.fill(gateway="gw-1", site="Oklaunion", buses="North")
    chromium.run("const b = document.querySelector('main button'); b.click(); b.click()")
    chromium.says("Made: ", "Fingerprint")
    assert "Not done" not in chromium.text()


def test_what_takes_its_time_says_so(chromium: Browser, run: Console, tmp_path: Path) -> None:
    chromium.sign_in(run)
    chromium.run(
        "const form = document.querySelector('main form');"
        "form.addEventListener('submit', event => event.preventDefault());"
        "form.querySelector('button').click()"
    )
    chromium.says("Working. This may take some seconds.")


def test_what_a_pmu_calls_itself_is_text(chromium: Browser, tmp_path: Path) -> None:
    name = '<b id=x>"\x1b[31m'
    told = ["--tcp", "127.0.0.1:0", "--rate", "30", "--station", name]
    pmu = Child("PMU", "hil.devices.pmu", told, tmp_path / "pmu.log")
    try:
        until(lambda: pmu.said().startswith("{"), "the PMU")
        host = json.loads(pmu.said().splitlines()[0])["pmus"][0]["tcp"]
        url = f"c37118+tcp://{host}?idcode=1&name=pmu-a&bus=North"
        gateway = made(tmp_path / "gateway", url)
        with console(gateway, tmp_path / "console.log") as run:
            chromium.sign_in(run)
            chromium.open(f"{run.url}step/live")
            chromium.says("All sources are heard", '<b id=x>"\\u001b[31m')
            assert not chromium.all("#x")
    finally:
        pmu.kill()


def test_the_end_waits_for_what_was_begun_and_says_so(tmp_path: Path) -> None:
    """Ctrl-C while an authority does not answer."""
    gateway, log = made(tmp_path / "gateway"), tmp_path / "log"
    argv = [sys.executable, "-m", "provisioning.cli", "serve", str(gateway)]
    with socket.create_server(("127.0.0.1", 0)) as authority, log.open("wb") as out:
        authority.settimeout(WAIT_S)
        process = subprocess.Popen([*argv, "--listen", "127.0.0.1:0"], stdout=out, stderr=out)
        try:
            until(lambda: "Code: " in log.read_text(), "the console")
            said = log.read_text()
            host = re.search(r"127\.0\.0\.1:(\d+)/", said)
            code = re.search(r"Code: (\d{4} \d{4})", said)
            assert host and code
            visitor = Visitor(_At(int(host[1]), code[1]))
            visitor.sign_in()
            port, digest = authority.getsockname()[1], bytes(FINGERPRINT_BYTES)
            invitation = Link("127.0.0.1", port, "0123456789ABCDEF", digest).text()
            fields = {"form": visitor.token(), "invitation": invitation}
            asking = threading.Thread(target=_left, args=(visitor, fields))
            asking.start()
            connection, _ = authority.accept()
            with connection:
                process.send_signal(signal.SIGINT)
                until(lambda: "What was begun is finished first" in log.read_text(), "word of it")
            assert process.wait(WAIT_S) == 0
            asking.join(WAIT_S)
        finally:
            process.kill()
            process.wait()
    assert "Traceback" not in log.read_text()


class _At(Console):
    """A program that was started otherwise."""

    def __init__(self, port: int, code: str) -> None:
        self._port, self._code = port, code

    @property
    def port(self) -> int:
        return self._port

    def code(self) -> str:
        return self._code


def _left(visitor: Visitor, fields: dict[str, str]) -> None:
    with contextlib.suppress(OSError):  # the page is closed under it
        visitor.post("/step/enrolment/online", fields)
