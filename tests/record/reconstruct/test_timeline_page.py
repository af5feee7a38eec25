"""The page of a bundle as people meet it: in a browser, wide and narrow, and on paper; and what is
written on it: claims side by side, residuals against tolerances, handoffs as bars."""

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from evidence.leap import NS
from tests.provisioning.page.audit import audited
from tests.provisioning.page.rig import NARROW, WIDE, Browser, browser
from tests.record.gateway import START
from tests.record.reconstruct.night import HEARD, Night
from tests.record.reconstruct.test_reference import Tables
from tests.record.reconstruct.test_sequence import rows
from tests.record.settle.test_job import SECONDS

pytestmark = pytest.mark.timeout(120)
PAGE_BYTES_MAX = 1 << 20
CHARACTERS = re.compile("[\x00-\x09\x0b-\x1f\u202a-\u202e]")


@pytest.fixture(scope="module")
def folder(night: Night) -> Path:
    """The documents of the line's four seconds."""
    return night.bundle("page of the line", START, START + SECONDS * NS, "--seam", "South Line")


@pytest.fixture(scope="module")
def page(folder: Path) -> str:
    return (folder / "timeline.html").read_text(encoding="utf-8")


def test_claims_that_contradict_each_other_stand_side_by_side(page: str):
    (claims,) = [one for one in Tables(page).tables if one[0][0] == ""]
    told = {row[0]: row[1:] for row in claims}
    order = [claims[0].index(who) - 1 for who in ("West Balancing", "East Pool")]
    what, when = ([told[name][at] for at in order] for name in ("what", "claimed for"))
    assert what == [
        "Rotating outages beginleast frequency 59.3 Hz (differs)",
        "Rotating outages beginleast frequency 59.1 Hz (differs)",
    ]
    assert [one.endswith("(differs)") for one in when] == [True, True]
    assert when[0].startswith("2026-09-21T14:13:20Z to ")  # claimed
    assert [told["in the log"][at] for at in order] == [  # beside what the log says
        "after 2026-09-21T15:13:20Z, by 2026-09-21T15:13:20Z"
    ] * 2
    assert [told["where it was said"][at] for at in order] == ["one paper", "=another"]
    assert all(leaf.isdecimal() for leaf in told["leaf"])


def test_a_residual_is_drawn_against_its_tolerance(page: str):
    """The line's currents do not fit, its voltages do: above the tolerance, and below."""
    for measure, fits in (("voltage A", True), ("current A", False)):
        figure = page[page.index(f"<h3>South Line: residual of {measure}</h3>") :]
        drawn = figure.split("</figure>")[0].split('<svg viewBox="0 0 900')[1]
        found = [
            re.search(rf'class="line {style}" d="M[\d.]+ ([\d.]+)L', drawn)
            for style in ("one", "level")
        ]
        residual, tolerance = (float(one[1]) for one in found if one is not None)
        assert (residual > tolerance) == fits  # what is less is lower on the page
        assert ">relative</text>" in drawn


def test_a_handoff_is_a_bar_from_step_to_step(page: str):
    figure = page[page.index("Handoffs of authority</h3>") :].split("</figure>")[0]
    bars = re.findall(r'class="step (\w+)" x="([\d.]+)" y="18" width="([\d.]+)"', figure)
    assert [name for name, _, _ in bars] == ["requested", "accepted", "active"]
    ends = [float(x) + float(width) for _, x, width in bars]
    assert [float(x) for _, x, _ in bars[1:]] == pytest.approx(ends[:-1], abs=0.2)
    widths = {float(width) for _, _, width in bars}
    assert max(widths) - min(widths) < 0.2  # a second each
    assert "South Line: switching: returned (joint)" in figure


def test_hostile_texts_are_texts(page: str, folder: Path):
    assert "<img" not in page and "<script" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert not CHARACTERS.search(page)
    for name in ("timeline.csv", "sequence-of-events.csv", "brief-report.csv"):
        text = (folder / name).read_bytes().decode()
        assert not CHARACTERS.search(text.replace("\r\n", ""))
        for row in rows(folder, name):
            assert not any(cell.lstrip().startswith(("=", "@", "+")) for cell in row.values())
    (told,) = [row for row in rows(folder, "timeline.csv") if "HYPERLINK" in row["text"]]
    assert told["text"] == '\'=HYPERLINK("x"),  <img src=x onerror=alert(1)>  Süd; load -5e-05 MW'
    brief = [row["Value"] for row in rows(folder, "brief-report.csv") if row["Item"] == "4"]
    assert sum(one.startswith("'=HYPERLINK") for one in brief) == 1


def test_what_is_simulated_says_so_on_the_page(night: Night):
    text = (night.bundle("page of relays", HEARD, HEARD + 900 * NS) / "timeline.html").read_text()
    (streams,) = [
        one for one in Tables(text).tables if one[0][0] == "gateway" and "bound" in one[0][4]
    ]
    worth = {row[1]: row[5] for row in streams[1:]}
    assert [told for name, told in worth.items() if name.endswith("simulated")] == ["simulated: 1"]


def test_what_is_simulated_says_so_in_every_document(night: Night, page: str):
    """A PMU elsewhere, in a bundle of no seam; in that of the line nothing is."""
    folder = night.bundle("page of all", START, START + SECONDS * NS)
    text = (folder / "timeline.html").read_text()
    assert "gw-3/pmu/1 FREQ, simulated</li>" in text and "simulated" not in page
    found = rows(folder, "brief-report.csv")
    said = [row["Said by"] for row in found if row["Field"] == "Frequency"]
    assert [one for one in said if "simulated" in one] == ["gw-3/pmu/1 FREQ, simulated, measured"]
    for path in folder.glob("comtrade/*.cfg"):
        first = path.read_text().splitlines()[0]
        assert first.endswith(" simulated,2013") == path.name.startswith("gw_3")


# --- as it looks ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shown(
    program: Callable[[str], Path], folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Browser]:
    where = tmp_path_factory.mktemp("timeline") / "timeline"
    with browser(program("chromium"), program("chromedriver"), where) as found:
        found.open((folder / "timeline.html").as_uri())
        yield found


def test_it_is_read_on_a_wide_and_a_narrow_screen(shown: Browser, page: str):
    assert len(page.encode()) < PAGE_BYTES_MAX
    for size in (WIDE, NARROW):
        shown.resize(size)
        shown.shot(f"timeline-{size[0]}")
        across = shown.run(
            "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        assert across[0] <= across[1]  # what is wider scrolls by itself
        heights = shown.run(
            "return [...document.querySelectorAll('figure svg text')]"
            ".map(one => one.getBoundingClientRect().height)"
        )
        assert heights and min(heights) >= 8  # px: words on a plot can be read
        # A document, not a tool in the field: it has no header, a plot has its numbers in a CSV, a
        # table small type. All else holds.
        faults = [one for one in audited(shown.driver)["faults"] if "svg" not in one]
        assert [one for one in faults if "small type" not in one] == ["0 header"]


def test_no_word_of_a_plot_is_beyond_it_and_no_plot_is_empty(shown: Browser):
    shown.resize(WIDE)
    beyond = shown.run(
        """return [...document.querySelectorAll('figure svg[role=img]')].flatMap(svg => {
          const of = svg.getBoundingClientRect();
          return [...svg.querySelectorAll('text')].filter(text => {
            const one = text.getBoundingClientRect();
            return one.left < of.left - 1 || one.right > of.right + 1;
          }).map(text => text.textContent) })"""
    )
    assert beyond == []
    drawn = shown.run(
        """return [...document.querySelectorAll('figure svg[role=img]')]
          .map(svg => svg.querySelectorAll('.line, .step').length)"""
    )
    assert drawn and min(drawn) >= 1


def test_it_is_printed(program: Callable[[str], Path], folder: Path, tmp_path: Path):
    """Nothing is cut off at the right: the words of the widest table are on the paper."""
    path = tmp_path / "page.pdf"
    flags = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync")
    argv = [str(program("chromium")), *flags, f"--user-data-dir={tmp_path / 'profile'}"]
    argv += [f"--print-to-pdf={path}", "--no-pdf-header-footer"]
    subprocess.run(
        [*argv, (folder / "timeline.html").as_uri()], check=True, timeout=60, capture_output=True
    )
    assert path.read_bytes().startswith(b"%PDF")
