"""The PDF, as who holds it sees it: by poppler's programs and a reader of QR codes."""

import os
import re
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from provisioning.preflight.outcome import Outcome, Word
from provisioning.report import attachment, binding, document, qr, sheet
from provisioning.report.document import Report
from tests.provisioning.report import sample, viewer

# Of a report; a machine that does ten other things takes longer than one that does not.
BYTES_MAX, TIME_MAX_S = 500_000, 10.0
CHECKS = [
    document.check(one)
    for one in (
        Outcome("key", "", Word.OK, "it signed"),
        Outcome(
            "ct-direction", "pmu-a/IA", Word.WAIVED, "180", "", "turn", "Ann Lee", "drawing 17"
        ),
    )
]


@dataclass
class Seen:
    """A report's PDF, and the programs that look at it."""

    program: viewer.Program
    folder: Path

    def text(self, made: Report, paper: document.PaperName = "a4", page: int | None = None) -> str:
        return viewer.text(self.program, sheet.drawn(made, paper), self.folder, page)


@pytest.fixture
def seen(program, tmp_path) -> Seen:
    return Seen(program, tmp_path)


@pytest.mark.parametrize(
    ("words", "big"),
    [
        ([Word.OK], "PASSED"),
        ([Word.OK, Word.WAIVED], "PASSED WITH 1 WAIVED"),
        ([Word.CANNOT_TELL], "NOT PASSED"),
    ],
)
def test_the_first_page_says_whether_it_passed(seen, words, big):
    checks = [document.check(Outcome("c", "", word, "")) for word in words]
    told = seen.text(sample.report(checks=checks), page=1)
    assert f"Oklaunion {big} Of {len(words)} checks" in told


def test_the_first_page_has_what_a_supervisor_asks(seen):
    made = sample.report([sample.source()], CHECKS)
    told = seen.text(made, page=1)
    for word in (
        *("gw-1", "J. Doe", sample.UTC, str(sample.TAI), made.key.kid, "60.0012 Hz"),
        *("sequence ABC", "clock within 1.000 us", "NONE YET", "Ann Lee: drawing 17"),
        *("1 passed, 1 waived, 0 not tellable, 0 at fault", "Taken over", made.number()),
    ):
        assert word in told
    assert made.key.fingerprint in told.replace(" ", "")


def test_the_pages_behind_have_every_fact(seen):
    made = sample.report([sample.source(), sample.source("pmu-b")], CHECKS)
    told = seen.text(made)
    for word in (
        *("199186.2 V", "843.25 A", "-120°", "59.998 in a second", "locked, traceable"),
        *("46.948, 7.4474", made.site.plan_sha256, made.key.public, "gridseal", "0.1.0"),
        *("Source pmu-a", "Source pmu-b", "Voltages: whole lines", "verify-report", "Waived by"),
    ):
        assert word in told
    pages = int(viewer.info(seen.program, sheet.drawn(made, "a4"), seen.folder)["Pages"])
    assert all(f"page {page} of {pages}" in told for page in range(1, pages + 1))
    assert told.count(made.number()) == pages


@pytest.mark.parametrize("paper", ["a4", "letter"])
def test_the_same_report_gives_the_same_bytes(seen, paper):
    made = sample.report([sample.source()], CHECKS)
    one = binding.bound(made, paper, sample.KEY)
    assert binding.bound(made, paper, sample.KEY) == one
    told = viewer.info(seen.program, one.pdf, seen.folder)
    assert told["Page size"].endswith("(A4)" if paper == "a4" else "(letter)")


def test_another_process_gives_the_same_bytes():
    code = (
        "import sys; from tests.provisioning.report import sample; from provisioning.report import"
    )
    code += " sheet; sys.stdout.buffer.write(sheet.drawn(sample.ugly(2, 5), 'a4'))"
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            cwd=Path(__file__).resolve().parents[3],
            env={**os.environ, "PYTHONHASHSEED": seed, "TZ": "Asia/Tokyo", "LC_ALL": "C"},
            timeout=50,
            check=True,
        )
        assert done.stdout == sheet.drawn(sample.ugly(2, 5), "a4")


@pytest.mark.parametrize("paper", ["a4", "letter"])
def test_a_large_ugly_report_is_small_and_quick(program, tmp_path, paper):
    made = sample.ugly()
    start = time.monotonic()
    papers = binding.bound(made, paper, sample.KEY)
    assert time.monotonic() - start < TIME_MAX_S
    assert len(papers.pdf) < BYTES_MAX
    assert viewer.attachments(program, papers.pdf, tmp_path)[attachment.NAME] == papers.text


@pytest.mark.parametrize("paper", ["a4", "letter"])
def test_nothing_is_cut_off(program, tmp_path, paper):
    """Each word of each long text stands behind the first page, between the margins."""
    made = sample.ugly(2, 9, 13)
    words = viewer.words(program, sheet.drawn(made, paper), tmp_path)
    assert all(word.left > 35 and word.right < word.width - 35 for word in words)
    checks, phasors = made.checks, [one for source in made.sources for one in source.phasors]
    texts = [text for one in checks for text in (one.of, one.figure, one.needs, one.waived_why)]
    texts += [one.name for one in phasors] + [one.source for one in made.sources]
    texts += [made.site.name, made.made.technician]
    there = Counter(word.text.strip(".:/") for word in words if word.page > 1)
    meant = Counter(re.findall(r"\bw\d\d\b", " ".join(texts)))
    assert len(meant) == 64
    assert not meant - there


def test_a_text_that_fills_pages_goes_on(program, tmp_path):
    long = "".join(f"{at:05} " for at in range(680))  # 4,080 characters
    checks = [document.check(Outcome("c", long, Word.FAULT, long, long, long))]
    pages = sheet.drawn(sample.report(checks=checks), "letter")
    there = Counter(word.text.strip(".") for word in viewer.words(program, pages, tmp_path))
    assert all(there[f"{at:05}"] >= 4 for at in range(680))


def test_hostile_names_are_letters_and_nothing_else(program, tmp_path):
    pages = sheet.drawn(sample.report([sample.source(sample.UGLY)], site=sample.UGLY), "a4")
    told = viewer.text(program, pages, tmp_path)
    assert r"\u202eevil\u202c <b>&amp;</b> \u001b[31m\u0007 \u05e9\u05dc\u05d5\u05dd" in told


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Umspannwerk Büßleben-Süd", "Umspannwerk Büßleben-Süd"),
        ("Šťastné Łódź Ağrı Ærø Þingvellir", r"Š\u0165astné Łód\u017a Ağrı Ærø Þingvellir"),
        ("Cafe\u0301", "Café"),
        ("Подстанция", "".join(f"\\u{ord(sign):04x}" for sign in "Подстанция")),
        ("変電所", "".join(f"\\u{ord(sign):04x}" for sign in "変電所")),
        ("5 Ω, 3 µs", "5 Ω, 3 µs"),
        (r"C:\users", r"C:\u005cusers"),
    ],
)
def test_names_in_other_letters_do_not_break(program, tmp_path, name, shown):
    told = viewer.text(program, sheet.drawn(sample.report(site=name), "a4"), tmp_path, 1)
    assert f"Hand-over report {shown} PASSED" in told


@pytest.mark.parametrize("dpi", [100, 200])
def test_the_codes_are_read_back(program, tmp_path, dpi):
    made = sample.report([sample.source()])
    image = viewer.picture(program, sheet.drawn(made, "letter"), tmp_path, 1, dpi)
    key, public = qr.key_text(made.key.kid, made.key.fingerprint), sample.KEY.public
    assert public.fingerprint in key and public.kid.hex() in key
    assert sorted(viewer.codes(program, image)) == sorted([key, qr.report_text(made.number())])


def test_the_attachment_is_the_report_to_any_reader(program, tmp_path):
    papers = binding.bound(sample.report([sample.source()]), "a4", sample.KEY)
    assert viewer.attachments(program, papers.pdf, tmp_path) == {attachment.NAME: papers.text}


def test_a_source_that_said_nothing_says_why(seen):
    silent = sample.source(phasors=[])
    quiet = type(silent)(
        *("pmu-x", "", "c37118+tcp", "", 0, None, "", None, [], (0, 0), None, None, None),
        *([], [], 0, [], "refused: nobody listens"),
    )
    told = seen.text(sample.report([quiet]))
    assert "pmu-x: nothing heard. refused: nobody listens" in told
    assert "trouble refused: nobody listens" in told
