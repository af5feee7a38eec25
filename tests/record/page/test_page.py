"""The record's page as its users meet it: the program that serves a record, and a browser in front
of it; one of each for the whole file."""

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from selenium import webdriver
from selenium.webdriver.common.keys import Keys

from evidence.tlog.proof import Proof
from evidence.tlog.proof import read as read_proof
from record.page.answer import POLICY
from tests.evidence.joint.sharing import KEYS, WEST
from tests.provisioning.page.audit import sound
from tests.provisioning.page.rig import NARROW, WIDE, Browser, browser, until
from tests.record.page.scene import OBSERVATION, ODD, OF_A_CHIP, configured, filled
from tests.record.test_program import served
from tests.record.upstream import LOG, STRANGER

pytestmark = pytest.mark.timeout(120)
HOLDS = "Holds, by the keys that you gave."


class Site(NamedTuple):
    """A record that is served, and a browser."""

    folder: Path
    url: str
    shown: Browser

    def get(self, path: str) -> bytes:
        with urllib.request.urlopen(f"{self.url}/{path}", timeout=40) as answer:
            return bytes(answer.read())

    def proof(self) -> bytes:
        return self.get(f"page/proof?sample={OBSERVATION}")


@pytest.fixture(scope="module")
def site(
    program: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("page")
    filled(folder)
    with (
        served(configured(folder)) as (_, url),
        browser(program("chromium"), program("chromedriver"), folder / "browser") as shown,
    ):
        found = Site(folder, url, shown)
        until(lambda: found_published(found), "a published note")
        yield found


def found_published(site: Site) -> bool:
    return json.loads(site.get("page/seam.json"))["log"]["published"] is not None


# --- what is there --------------------------------------------------------------------------------


def test_both_sides_live_and_residual_against_tolerance(site: Site):
    site.shown.open(f"{site.url}/?seam=South%20Line")
    site.shown.says(
        "South Line", "First side: WEST", "Second side: EAST", "337.814 MW", "60.010 Hz",
        "agreed", "by the log\u2019s clock", "of the tolerance",
    )  # fmt: skip
    rows = {row.split("\n")[0] for row in site.shown.words("#live table tbody tr")}
    assert any(row.startswith("voltage") for row in rows)
    site.shown.both("line", sound)


def test_a_tie_by_energy_and_its_settlements_as_a_strip(site: Site):
    site.shown.open(f"{site.url}/?seam=North%20Tie")
    site.shown.says("150.000 MWh", "-148.000 MWh")
    # In one step: a live page may replace one between two.
    kinds = site.shown.run(
        "return [...document.querySelectorAll('#settlements .bar')]"
        ".map(one => one.getAttribute('class'))"
    )
    assert [kind.removeprefix("bar is-") for kind in kinds] == [
        *("agreed", "agreed", "disputed", "agreed", "not-comparable")
    ]
    site.shown.run("document.querySelector('#each-settlement').open = true")
    site.shown.says("not comparable", "West Balancing, joint", "East Pool, pending")
    site.shown.both("tie", sound)


def test_records_who_signed_and_who_is_missing(site: Site):
    site.shown.open(site.url)
    site.shown.says("In all: 3 pending, 1 disputed", "Pending: the latest", "Disputed: the latest")
    told = site.shown.words("#records table")
    tables = {one.split("\n")[0].partition(":")[0]: one for one in told}
    assert "interchange by West Balancing" in tables["Pending"]
    assert "East Pool" in tables["Pending"]
    assert "East Pool" in tables["Disputed"]


def test_a_handoff_as_a_timeline_and_hostile_words_as_words(site: Site):
    site.shown.open(site.url)
    site.shown.says(ODD, "returned by East Pool (joint)", "requested")
    assert len(site.shown.all(".timeline .active")) == 1
    assert len(site.shown.all(".timeline .step")) == 5
    assert "taken" not in site.shown.driver.title
    assert site.shown.run("return [...document.scripts].every(one => one.src)")


def test_the_log_and_what_of_it_is_published(site: Site):
    told = json.loads(site.get("page/seam.json"))["log"]
    site.shown.open(site.url)
    site.shown.says(told["root"], f"{told['size']} entries", "No witness or mirror is asked")
    assert told["published"]["root"] == told["root"]


# --- verifying ------------------------------------------------------------------------------------


def verify(site: Site, sample: str = OBSERVATION, **files: Path) -> str:
    """Opens the page for one observation, opens these files in it, and says what comes of it."""
    site.shown.open(f"{site.url}/?sample={sample}")
    for name, path in files.items():
        site.shown.one(f"#{name}").send_keys(str(path))
    return pressed(site)


def pressed(site: Site) -> str:
    site.shown.run("document.querySelector('#verify-form button').click()")
    until(lambda: bool(site.shown.all("#verdict .result")), "the verdict")
    return site.shown.word("#verdict")


def test_one_observation_is_verified_in_the_browser(site: Site):
    told = verify(site, anchors=site.folder / "anchors.toml")
    assert told.startswith(HOLDS), told
    assert told.count("\u2713 holds") == 11 and "\u2717" not in told and "? not" not in told
    site.shown.both("verified", sound)
    # By what is typed instead.
    site.shown.open(f"{site.url}/?sample={OBSERVATION}")
    site.shown.one("#log-key").send_keys(LOG.public.raw.hex())
    site.shown.one("#authority-key").send_keys(KEYS[WEST].public.raw.hex())
    assert pressed(site).startswith(HOLDS)


def test_a_device_key_of_a_chip_is_verified_as_well(site: Site):
    told = verify(site, OF_A_CHIP, anchors=site.folder / "anchors.toml")
    assert told.startswith(HOLDS), told
    assert "The device key signed the run: gw-chip, P-256" in told
    other = verify(site, "gw-chip/pmu/1/7", anchors=site.folder / "anchors.toml")
    assert "seq 7 of stream 1 of gw-chip" in other


def test_keys_of_this_server_are_no_trust(site: Site):
    told = verify(site)
    assert told.startswith("It is consistent, as this server says: no key of yours")
    assert "by a key as this server says, which is no trust" in told
    assert "no key of an authority was given" in told


def test_another_logs_key_and_another_authoritys_are_named(site: Site, tmp_path: Path):
    text = (site.folder / "anchors.toml").read_text()
    other = tmp_path / "anchors.toml"
    other.write_text(text.replace(LOG.public.raw.hex(), STRANGER.public.raw.hex()))
    told = verify(site, anchors=other)
    assert told.startswith("Does not hold: the log signed that root. the key of the log did not")
    other.write_text(text.replace(KEYS[WEST].public.raw.hex(), STRANGER.public.raw.hex()))
    told = verify(site, anchors=other)
    assert told.startswith("Does not hold: an authority signed the credential.")
    other.write_text("log = 1\n")
    assert verify(site, anchors=other) == "Not checked: line 1 of the anchors is not understood"


def changed(proof: bytes, at: int) -> bytes:
    """Another bit in the extra data."""
    read = read_proof(proof)
    extra = bytearray(read.extra or b"")
    extra[at] ^= 1
    line = b"extra " + base64.b64encode(read.extra or b"")
    return proof.replace(line, b"extra " + base64.b64encode(bytes(extra)))


def test_a_changed_byte_is_told_by_the_step_that_does_not_hold(site: Site, tmp_path: Path):
    proof = site.proof()
    path = tmp_path / "proof"
    anchors = site.folder / "anchors.toml"
    read = read_proof(proof)
    observed = (read.extra or b"").index(read_extra(read).observation)
    # The last byte of the measured frame: the observation is another.
    path.write_bytes(changed(proof, observed + len(read_extra(read).observation) - 67))
    told = verify(site, anchors=anchors, proof=path)
    assert told.startswith("Does not hold: the observation leads to the root of its batch.")
    assert "\u2717 does not hold The run key signed the observation" in told
    assert "\u2713 holds The log signed that root" in told
    path.write_bytes(proof.replace(b"\n\n", b"\n" + base64.b64encode(bytes(32)) + b"\n\n", 1))
    told = verify(site, anchors=anchors, proof=path)
    assert told.startswith("Does not hold: the batch leads to the root of the log. the path is")


def read_extra(proof: Proof) -> Any:
    from evidence.tlog import sample

    return sample.read(proof.extra or b"")


# As in browsers of before 2023 to 2025: WebCrypto, and no Ed25519 in it.
_OLDER = """
const real = SubtleCrypto.prototype.importKey;
SubtleCrypto.prototype.importKey = function (form, data, how, ...more) {
  if (how.name === 'Ed25519') return Promise.reject(new DOMException('', 'NotSupportedError'));
  return real.call(this, form, data, how, ...more);
};
"""
# As on a page without TLS that is not this machine's.
_PLAIN = "Object.defineProperty(Crypto.prototype, 'subtle', {get: () => undefined});"


@pytest.mark.parametrize(
    ("script", "why"),
    [(_OLDER, "this browser has no Ed25519"), (_PLAIN, "it checks nothing on a page without TLS")],
    ids=["no Ed25519", "no TLS"],
)
def test_a_browser_that_cannot_says_so_and_how_it_is_done_elsewhere(
    site: Site, script: str, why: str
):
    page = site.shown.driver
    added = page.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": script})
    try:
        told = verify(site, anchors=site.folder / "anchors.toml")
        assert told.startswith(f"Not verified: {why}"), told
        assert "Holds" not in told and "mistake" not in told
        prove = f"gridseal-record prove STORE --sample {OBSERVATION} --out observation.proof"
        assert prove in told
        assert "gridseal-record verify observation.proof --anchors anchors.toml" in told
        link = site.shown.one("#verdict a[download]").get_attribute("href")
        assert link and urllib.request.urlopen(link, timeout=40).read() == site.proof()
        site.shown.both("cannot", sound)
    finally:
        gone = {"identifier": added["identifier"]}
        page.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", gone)


def test_it_is_used_by_keyboard_alone(site: Site):
    """From the address bar on: past the navigation, into the form, and the verdict is told."""
    site.shown.open(f"{site.url}/?sample={OBSERVATION}")
    active = "return document.activeElement"

    def typed(*keys: str) -> None:
        webdriver.ActionChains(site.shown.driver).send_keys(*keys).perform()

    typed(Keys.TAB)
    assert site.shown.run(f"{active}.getAttribute('href')") == "#content"
    assert site.shown.run(f"{active}.getBoundingClientRect().left") >= 0, "seen once it is reached"
    for _ in range(60):
        typed(Keys.TAB)
        if site.shown.run(f"{active}.id") == "log-key":
            break
    typed(LOG.public.raw.hex(), Keys.TAB, KEYS[WEST].public.raw.hex(), Keys.ENTER)
    until(lambda: bool(site.shown.all("#verdict .result")), "the verdict")
    assert site.shown.word("#verdict").startswith(HOLDS)
    assert site.shown.run("return document.getElementById('verdict').ariaLive") == "polite"


_MANY = """
const done = arguments[arguments.length - 1];
(async () => {
  const {checked, verdict} = await import('/page/static/check.js');
  const {readAnchors} = await import('/page/static/anchors.js');
  const anchors = {...readAnchors(arguments[1]), source: 'you'};
  const whole = Uint8Array.from(atob(arguments[0]), char => char.charCodeAt(0));
  const says = async raw => verdict((await checked(raw, anchors, null)).steps, anchors).text;
  const held = [], faults = [];
  const good = await says(whole);
  for (const at of arguments[2]) {
    const raw = whole.slice();
    raw[at] ^= 1 << (at % 8);
    try { if ((await says(raw)).startsWith('Holds')) held.push(at); }
    catch (fault) { faults.push(`${at}: ${fault}`); }
  }
  return [good, held, faults];
})().then(done, fault => done([`${fault}`, [], []]));
"""


def test_no_changed_byte_passes_and_none_is_a_mistake_of_the_page(site: Site):
    proof = site.proof()
    places = [*range(0, len(proof), max(len(proof) // 400, 1))]
    site.shown.open(site.url)
    site.shown.driver.set_script_timeout(60)
    anchors = (site.folder / "anchors.toml").read_text()
    found = site.shown.driver.execute_async_script(
        _MANY, base64.b64encode(proof).decode(), anchors, places
    )
    assert found == [HOLDS, [], []]


# --- for whom it is drawn -------------------------------------------------------------------------


def test_it_is_read_without_script_and_at_360_pixels(site: Site):
    page = site.shown.driver
    page.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        site.shown.resize(NARROW)
        site.shown.open(f"{site.url}/?seam=South%20Line")
        site.shown.says("337.814 MW", "Pending: the latest", "Without script")
        assert page.find_elements("css selector", "noscript meta[http-equiv=refresh]")
    finally:
        page.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
        site.shown.resize(WIDE)


def test_dark_where_the_browser_asks_for_it(site: Site):
    page = site.shown.driver
    media = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    try:
        site.shown.open(f"{site.url}/?seam=North%20Tie")
        site.shown.both("dark", sound)
        colour = site.shown.run("return getComputedStyle(document.body).backgroundColor")
        assert colour == "rgb(17, 20, 24)"
    finally:
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_it_asks_nobody_else_and_says_so(site: Site):
    with urllib.request.urlopen(site.url, timeout=40) as answer:
        assert answer.headers["Content-Security-Policy"] == POLICY
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    site.shown.open(site.url)
    asked = site.shown.run("return performance.getEntriesByType('resource').map(one => one.name)")
    assert asked and all(one.startswith(site.url) for one in asked)


def test_what_is_not_there_is_said_in_a_line(site: Site):
    for path, status in (
        ("?seam=X", 404), ("page/seam.json?seam=X", 404), ("page/proof?sample=x", 404),
        ("page/proof?sample=gw-9/pmu/1", 404), ("page/static/..%2fstate.py", 404),
        ("page/static/README.md", 404), ("page/x", 404), (f"?seam={'x' * 2000}", 414),
    ):  # fmt: skip
        with pytest.raises(urllib.error.HTTPError) as fault:
            site.get(path)
        assert fault.value.code == status, path
        assert fault.value.read().count(b"\n") == 1
