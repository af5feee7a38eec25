"""The demo in a browser: every button pressed, its effect seen in the page and in the record; one
demo and one browser for the whole file, ended in order, with an account that holds.
"""

import json
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from evidence.code import Cause, Check, Class, Reason
from hil.devices.pace import tai_now
from tests.hil.demo import ledger
from tests.hil.demo.rig import Running, demo, until
from tests.provisioning.page.audit import sound
from tests.provisioning.page.rig import NARROW, WIDE, Browser, browser

pytestmark = pytest.mark.timeout(400)
RATE = 60  # frames a second of every PMU of the demo
MOVED_M, NEAR_M = 500, 20  # by the button; and what the receivers are wrong by, at most
OPEN = "01"  # of a Dbpos: IEC 61850-7-2 6.2


class Site(NamedTuple):
    demo: Running
    shown: Browser

    @property
    def store(self) -> Path:
        return self.demo.store

    def press(self, name: str) -> int:
        """Gives how many entries the log had before."""
        until(lambda: not self.busy(name), f"{name} is free")
        before = ledger.size(self.store)
        self.shown.run(f"document.getElementById('do-{name}').click()")
        return before

    def busy(self, name: str) -> bool:
        return bool(self.shown.run(f"return document.getElementById('do-{name}').disabled"))

    def feeds(self, pattern: str, *, before: Sequence[str] = ()) -> str:
        """Waits until the page's feed says this, and gives the line; none of those `before`."""
        found = ""

        def there() -> bool:
            nonlocal found
            lines = [line for line in self.shown.words("#feed li") if line not in before]
            found = next((line for line in lines if re.search(pattern, line)), "")
            return bool(found)

        try:
            until(there, pattern)
        except AssertionError:
            raise AssertionError(f"{pattern!r} not in\n{self.shown.words('#feed')}") from None
        return found

    def words(self, pattern: str) -> None:
        """Waits until the streams say this, and nothing as Python would."""
        said = ""

        def there() -> bool:
            nonlocal said
            said = " ".join(self.shown.words("#streams tr"))
            return re.search(pattern, said) is not None

        until(there, f"{pattern!r} of the streams")
        assert "None" not in said and "UtcTime" not in said, said

    def seams(self, pattern: str) -> None:
        """Waits until the seams say this."""
        until(
            lambda: re.search(pattern, self.shown.word("#seams"), re.DOTALL) is not None,
            f"{pattern!r} of the seams",
        )

    def classed(self, device: str, klass: Class, since: int) -> bool:
        return klass in ledger.classes(self.store, device, since)

    def figure(self, at: str) -> str:
        return str(
            self.shown.run(f"return document.querySelector('[data-at=\"{at}\"]').textContent")
        )

    def breaker(self, device: str) -> tuple[str, str]:
        """How it is drawn, and what is told of it beside that."""
        script = """return [
            document.querySelector(`[data-breaker="${arguments[0]}"]`).getAttribute('class'),
            document.querySelector(`[data-at="${arguments[0]}.position"]`).textContent]"""
        how, told = self.shown.run(script, device)
        return str(how), str(told)

    def is_closed(self, device: str) -> bool:
        return "is-closed" in self.breaker(device)[0]


@pytest.fixture(scope="module")
def site(
    program: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("demo")
    with demo(folder) as running:
        url = running.url()
        with browser(program("chromium"), program("chromedriver"), folder / "browser") as shown:
            shown.open(url)
            site = Site(running, shown)
            until(lambda: "MW" in site.figure("pmu-w2.flow"), "flows on the diagram")
            until(lambda: "MW" in site.figure("pmu-e1.flow"), "flows on the diagram")
            yield site
        told = running.ended()
        assert told["reasons"] == [], running.said()
        assert told["lost"] == told["duplicated"] == told["unsent"] == told["on_disk"] == 0
        assert told["sent"] == told["in_record"] + told["in_gaps"] > 0
        assert told["verify"] == 0


def test_both_sides_live_and_what_they_differ_by(site: Site):
    before = site.figure("pmu-w1.hz")
    until(lambda: site.figure("pmu-w1.hz") != before, "a figure that moves")
    assert re.fullmatch(r"13\d\.\d kV \d+ A", site.figure("pmu-e2.level"))
    until(lambda: site.is_closed("breaker-e2"), "a breaker that is closed")
    until(lambda: "m from the survey" in site.figure("west-1.place"), "West's place")
    assert site.figure("east-1.run") == "1"
    until(lambda: "Tie 8-9/1" in site.shown.word("#seams"), "the seams")
    site.shown.says("cosigned by witness-1 and witness-2")
    site.shown.both("healthy", sound)
    told = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    site.shown.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", told)
    site.shown.shot("dark")
    sound(site.shown.driver)
    site.shown.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_a_sample_its_seal_time_and_place(site: Site):
    site.shown.run("document.querySelector('#streams a[data-sample*=\"west-1\"]').click()")
    until(lambda: "Seal" in site.shown.word("#sample"), "the sample")
    told = site.shown.word("#sample")
    for word in ("run key", "batch", "leaf", "witnesses", "whose clock", "bound", "antenna"):
        assert word in told, told
    link = str(site.shown.run("return document.querySelector('#sample a').href"))
    with urllib.request.urlopen(link, timeout=40) as answer:
        assert b"verify" in answer.read()
    site.shown.shot("sample")


def test_a_forged_sample_is_refused_by_name(site: Site):
    before = len(ledger.refused(site.store))
    site.press("forge")
    forged = re.search(r"of entry (\d+)", site.feeds(r"Forged: "))
    assert forged is not None
    line = site.feeds(r"record: refused: ")
    assert "signature" in line
    until(lambda: "refused: signature" in site.shown.word("#newest"), "it stands at the buttons")
    site.shown.shot("forged")
    # The record keeps what it refused, beside its log; in the log is what the gateway signed.
    one, *more = ledger.refused(site.store)[before:]
    assert not more
    assert one.refusal.subject == one.batch_id
    assert one.refusal.reason is Reason.SIGNATURE
    assert ledger.batches(site.store, one.says.run, one.says.number) == [int(forged[1])]
    with ledger.opened(site.store) as store:
        assert store.entry_of(one.batch_id) is None


def test_the_line_trips_and_closes(site: Site):
    since = site.press("trip")
    site.feeds(r"relay-w2: changed: .*breaker_open true")
    site.feeds(r"breaker-e2: changed: XCBR1.Pos.stVal open")
    site.words(r"XCBR1.Pos.t \d\d:\d\d:\d\d UTC")
    assert True in ledger.said(site.store, "relay-w2", "breaker_open", since)
    assert OPEN in ledger.said(site.store, "breaker-e2", "IED1LD0/XCBR1.Pos.stVal", since)

    def drawn_open(device: str) -> bool:
        how, told = site.breaker(device)
        return "is-open" in how and told == f"{device}: open"

    for device in ("relay-w2", "breaker-e2"):
        until(partial(drawn_open, device), f"{device} is drawn open, and told so")
    until(lambda: site.figure("pmu-w2.flow") == "no current", "an open circuit")
    until(lambda: float(site.figure("pmu-w1.flow").split()[0]) > 120, "circuit 1 carries all")
    site.shown.both("tripped", sound)
    until(lambda: "Close the line" in site.shown.word("#do-trip"), "the button")
    # What is open is not compared: its law is that of a closed one.
    site.seams(r"(?=.*Tie 8-9/1\s+agreed).*Tie 8-9/2\s+not comparable.*the breaker of West is open")
    site.press("trip")
    until(lambda: "MW" in site.figure("pmu-w2.flow"), "a closed circuit")
    until(lambda: site.is_closed("relay-w2"), "the relay is drawn closed")


def test_the_link_is_cut_and_what_was_sealed_comes_afterwards(site: Site):
    until(lambda: site.is_closed("relay-w2"), "West's relay was read")
    before = site.shown.words("#feed li")
    site.press("link")
    until(lambda: "late" in site.figure("pmu-w1.hz"), "West is away")
    begins, since = tai_now(), ledger.size(site.store)
    site.shown.says("Nothing of west-1 for")
    until(lambda: site.figure("west-1.link").startswith("nothing for"), "West's link")
    # What is no longer known to be so is told as old: the relay's word, clock and place.
    site.words(r"breaker_closed true, breaker_open false, tripped false, \d+ s ago")
    until(lambda: "s ago" in site.figure("relay-w2.position"), "West's breaker, as it was")
    site.shown.resize(NARROW)
    script = """const right = document.querySelector('.standing').getBoundingClientRect().right;
        return [...document.querySelectorAll('.standing text')].filter(
            one => one.getBoundingClientRect().right > right + 1).map(one => one.textContent)"""
    assert site.shown.run(script) == []  # nothing is cut off
    site.shown.resize(WIDE)
    until(lambda: site.figure("west-1.place").endswith("s ago"), "West's place, as it was")
    site.shown.shot("link-cut")
    site.feeds(r"Tie 8-9/1: settled: .*(missing data|not comparable)", before=before)
    ends = tai_now()
    for pmu in ("pmu-w1", "pmu-w2"):  # it is away, and not only said to be
        assert not ledger.instants(site.store, pmu, begins, ends, since)
    site.press("link")
    until(lambda: "late" not in site.figure("pmu-w1.hz"), "West is back")
    site.feeds(r"Tie 8-9/1: settled again: .*agreed.*signed by both")

    def has_come(pmu: str) -> bool:
        there = ledger.instants(site.store, pmu, begins, ends, since)
        return len(there) > RATE and there == site.demo.sent(pmu, begins, ends)

    for pmu in ("pmu-w1", "pmu-w2"):
        until(partial(has_come, pmu), f"every frame that {pmu} sent during the cut")
        stated = ledger.gaps(site.store, pmu, since)
        assert not [one for one in stated if one.first <= ends and one.last >= begins]


def test_without_its_antenna_a_place_is_unchecked(site: Site):
    before = site.shown.words("#feed li")
    since = site.press("antenna")
    site.feeds(r"check tripped fix lost", before=before)
    site.feeds(r"pmu-w\d: its samples are place unchecked", before=before)
    assert Check.FIX_LOST in ledger.tripped(site.store, "west-1", since)
    for pmu in ("pmu-w1", "pmu-w2"):
        until(partial(site.classed, pmu, Class.PLACE_UNCHECKED, since), f"{pmu} is unchecked")
    until(lambda: site.figure("west-1.place") == "unchecked", "West's place is unchecked")
    site.shown.shot("antenna")
    site.press("antenna")


def test_a_gateway_that_is_moved_is_doubted(site: Site):
    since = site.press("move")
    site.feeds(r"moved: gnss-e: \d+ m from the survey")
    site.feeds(r"pmu-e\d: its samples are place doubtful")
    far = re.search(r"(\d+) m from", ledger.tripped(site.store, "east-1", since)[Check.MOVED])
    assert far is not None
    assert abs(int(far[1]) - MOVED_M) < NEAR_M
    for pmu in ("pmu-e1", "pmu-e2"):
        until(partial(site.classed, pmu, Class.PLACE_DOUBTFUL, since), f"{pmu} is doubtful")
    until(lambda: site.figure("east-1.place").startswith("moved: "), "East is moved")
    for circuit in ("8-9/1", "8-9/2"):
        site.seams(rf"Tie {circuit}\s+not comparable")
    site.shown.shot("moved")
    site.press("move")


def test_a_killed_agent_starts_anew_and_states_what_is_missing(site: Site):
    since = site.press("agent")
    site.feeds(r"east-1: run 2 begins: restart")
    for pmu in ("pmu-e1", "pmu-e2"):
        site.feeds(rf"{pmu}: a gap is stated: restart")
        assert Cause.RESTART in [one.cause for one in ledger.gaps(site.store, pmu, since)]
    until(lambda: site.figure("east-1.run") == "2", "East's second run")
    site.shown.both("killed", sound)
    assert ledger.runs(site.store, since) == [Cause.RESTART]


def test_a_button_is_pressed_on_this_page_alone(site: Site):
    url = site.demo.url()
    for headers in (
        {},
        {"Origin": "http://elsewhere.invalid"},
        {"Origin": url.rstrip("/")},  # and no token
        {"Host": "elsewhere.invalid", "Origin": url.rstrip("/")},
    ):
        asked = urllib.request.Request(f"{url}do", b"button=forge", headers, method="POST")
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(asked, timeout=40)
        assert refused.value.code == 403
    with urllib.request.urlopen(url, timeout=40) as answer:
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_the_tie_is_settled_and_both_sign(site: Site):
    site.feeds(r"Tie 8-9/1: settled: .*signed by both")


def test_it_renews_ten_times_a_second(site: Site):
    script = "return [Number(document.body.dataset.moments), performance.now()]"
    rate = 0.0

    def fast() -> bool:
        """Of the next forty moments: five a second, and ten of a machine that is not shared."""
        nonlocal rate
        count, at_ms = site.shown.run(script)
        until(lambda: site.shown.run(script)[0] >= count + 40, "forty moments")
        later, then_ms = site.shown.run(script)
        rate = (later - count) / (then_ms - at_ms) * 1000
        return bool(rate > 5)

    until(fast, "a page that renews itself")
    print(json.dumps({"updates_a_second": round(rate, 1)}))
