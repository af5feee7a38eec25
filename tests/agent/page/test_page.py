"""The page as its user meets it: a gateway that hears two PMUs, and Debian's browser in front."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.agent.page.gateway import Gateway
from tests.provisioning.page.audit import sound
from tests.provisioning.page.rig import Browser, browser, numbers, until

TIPS = """return [...document.querySelectorAll('#dial .voltage')].map(
    one => [one.getAttribute('x2'), one.getAttribute('y2')].join(' '))"""


class Site(NamedTuple):
    gateway: Gateway
    shown: Browser


@pytest.fixture(scope="module")
def site(
    gateway: Gateway,
    program: Callable[[str], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("status") / "browser"
    with browser(program("chromium"), program("chromedriver"), folder) as shown:
        shown.open(gateway.url)
        yield Site(gateway, shown)


def test_phasors_move_and_what_is_said_of_them_is_so(site: Site) -> None:
    shown = site.shown
    shown.says("gateway-1", "pmu-1: SIM PMU 1", "locked, traceable, simulated")
    until(lambda: len(shown.run(TIPS)) == 3, "three voltages")
    before = shown.run(TIPS)
    until(lambda: shown.run(TIPS) != before, "that they move")
    rows = {row.split()[0]: numbers(row) for row in shown.words("#phasors tbody tr")}
    assert set(rows) == {"VA", "VB", "VC", "IA", "IB", "IC"}
    assert 150 < rows["VA"][-2] < 250 and -180 <= rows["VA"][-1] <= 180
    assert "kV" in shown.word("#phasors tbody tr") and "kV (voltages) and" in shown.word("#scale")
    (first, second) = shown.words("#streams tbody tr")
    assert "SIM PMU 2" in second and "within 1 us by device" in first
    assert 59 < numbers(first.partition("Hz")[0])[-1] < 61


def test_angles_from_the_first_voltage(site: Site) -> None:
    shown = site.shown
    shown.run("document.querySelector('#relative').click()")

    def angles() -> list[float]:
        return [numbers(row)[-1] for row in shown.words("#phasors tbody tr")[:3]]

    try:
        until(lambda: angles()[0] == 0, "VA at 0")
        assert abs(angles()[1] + 120) < 3 and abs(angles()[2] - 120) < 3
    finally:
        shown.run("document.querySelector('#relative').click()")


def test_another_stream_is_chosen(site: Site) -> None:
    shown = site.shown
    shown.run("document.querySelectorAll('#streams button')[1].click()")
    assert shown.word("#chosen") == "pmu-2: SIM PMU 2"
    pressed = "return [...document.querySelectorAll('#streams button')].map(x => x.ariaPressed)"
    assert shown.run(pressed) == ["false", "true"]
    shown.run("document.querySelectorAll('#streams button')[0].click()")
    until(lambda: "is-chosen" in str(shown.run(_CLASSES)), "a thick line")


_CLASSES = "return [...document.querySelectorAll('#trace path')].map(one => one.className.baseVal)"


def test_clocks_spool_uplink_and_receipts_in_words(site: Site) -> None:
    shown = site.shown
    shown.says("Clock of the gateway", "Arrival to durable", "batches", "kept", "its log has")
    until(lambda: len(shown.words("#receipts tbody tr")) >= 3, "receipts")
    (row, *_) = shown.words("#receipts tbody tr")
    assert "receipt" in row and " of " in row and "simulated" in row
    assert shown.words("#sources tbody tr")[0].split()[:2] == ["pmu-1", "up"]
    assert "kernel" in shown.word("#clocks tbody tr")


def test_no_name_in_the_diagram_hides_another_or_is_cut_off(site: Site) -> None:
    """VA and V1 lie on one another, as PMUs send them; and the longest name stands at the side."""
    shown = site.shown
    shown.run(_CROWD)
    names = shown.run(_NAMES)
    assert names == ["VA,V1", "VB", "LON\u2026 +1", "I1"]
    assert shown.run(_BOXES) == []


_CROWD = """
return import('./static/drawing.js').then(({Dial}) => {
  const svg = document.querySelector('#dial').cloneNode(false);
  svg.id = 'crowd';
  document.querySelector('#dial').after(svg);
  const dial = new Dial(svg), v = 'voltage';
  dial.rule([['VA', v], ['V1', v], ['VB', v], ['LONG_NAME_OF_VC', v], ['LONG_TOO', v],
    ['I1', 'current']]);
  dial.draw([[200, 0], [199, 0.01], [200, -2], [200, Math.PI], [199, 3.14], [5, 1]]);
});
"""
_NAMES = """return [...document.querySelectorAll('#crowd text')]
  .filter(one => one.getAttribute('visibility') === 'visible').map(one => one.textContent);"""
_BOXES = """
const all = document.querySelector('#crowd').getBoundingClientRect(), wrong = [];
const boxes = [...document.querySelectorAll('#crowd text')]
  .filter(one => one.getAttribute('visibility') === 'visible')
  .map(one => [one.textContent, one.getBoundingClientRect()]);
for (const [name, box] of boxes) {
  if (box.left < all.left || box.right > all.right) wrong.push(name + ' is cut off');
  for (const [other, its] of boxes)
    if (name < other && box.left < its.right && its.left < box.right &&
        box.top < its.bottom && its.top < box.bottom) wrong.push(name + ' on ' + other);
}
document.querySelector('#crowd').remove();
return wrong;
"""


def test_a_trace_is_broken_where_nothing_was_heard_and_has_round_values(site: Site) -> None:
    shown = site.shown
    path, *words = shown.run(_HOLE)
    assert path.count("M") == 2 and path.count("L") == 2
    assert words == ["59.98 Hz", "59.99 Hz", "60.00 Hz", "60.01 Hz", "60.02 Hz", *TIMES]


TIMES = ("60 s ago", "30 s", "now")
_HOLE = """
return import('./static/drawing.js').then(({Trace}) => {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  const trace = new Trace(svg);
  trace.rule(1);
  for (const [ms, hz] of [[0, 59.984], [80, 60], [5000, 60], [5080, 60.011]]) trace.add(0, ms, hz);
  trace.draw(0);
  return [svg.querySelector('path').getAttribute('d'), ...[...svg.querySelectorAll('text')]
    .filter(one => one.getAttribute('visibility') === 'visible').map(one => one.textContent)];
});
"""


def test_it_is_updated_ten_times_a_second_or_better(site: Site) -> None:
    until(lambda: "updates a second" in site.shown.word("#rate"), "a rate")
    until(lambda: numbers(site.shown.word("#rate"))[0] >= 10, "ten a second")


def test_wide_narrow_dark_and_printed(site: Site) -> None:
    shown = site.shown
    media = "Emulation.setEmulatedMedia"
    try:
        for scheme in ("light", "dark"):
            features = [{"name": "prefers-color-scheme", "value": scheme}]
            shown.driver.execute_cdp_cmd(media, {"features": features})
            shown.both(scheme, sound)
        shown.driver.execute_cdp_cmd(media, {"media": "print"})
        style = "return getComputedStyle(document.body)[arguments[0]]"
        assert shown.run(style, "backgroundColor") == "rgb(255, 255, 255)"
        assert shown.run(style, "color") == "rgb(0, 0, 0)"
        shown.shot("print")
    finally:
        shown.driver.execute_cdp_cmd(media, {"media": "", "features": []})
    assert not [one for one in shown.driver.get_log("browser") if one["level"] == "SEVERE"]


def test_where_as_many_look_as_may_it_says_so_and_asks_again(site: Site) -> None:
    shown = site.shown
    shown.driver.get("about:blank")
    with contextlib.ExitStack() as held:

        def full() -> bool:
            line = held.enter_context(site.gateway.line())
            line.sendall(b"GET /events?every=10000 HTTP/1.1\r\nHost: localhost\r\n\r\n")
            return b" 503" in line.recv(12)

        until(full, "that no more may look")
        shown.open(site.gateway.url)
        until(lambda: "asked again" in shown.word("#heard"), "why nothing is shown")
    until(lambda: shown.word("#chosen") == "pmu-1: SIM PMU 1", "that it is shown")
    until(lambda: shown.word("#heard") == "", "that all is well")
    shown.driver.get_log("browser")  # it has the refusal, and is another test's


def test_a_stream_that_says_nothing_is_named_as_quiet(site: Site) -> None:
    site.shown.run(_REMEMBER)
    with site.gateway.silent():
        until(lambda: "quiet for 2 s" in "".join(site.shown.run(_SEEN)), "that it is quiet")
        site.shown.says("this is what it measured last")
        site.shown.open(site.gateway.url)  # who comes later is told, too
        until(lambda: "quiet for" in site.shown.word("#streams tbody tr"), "for how long")
    until(lambda: "quiet" not in "".join(site.shown.words("#streams")), "that it speaks again")


# What stands there for a second only: who looks now and then may miss it.
_REMEMBER = """
const streams = document.querySelector('#streams');
window.seen = new Set();
new MutationObserver(() => window.seen.add(streams.innerText)).observe(
  streams, {subtree: true, childList: true, characterData: true});
"""
_SEEN = "return [...window.seen]"
