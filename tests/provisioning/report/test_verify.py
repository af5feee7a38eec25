"""A report later: what holds of it, line by line, from the PDF and the anchors alone."""

import base64
import hashlib
import json
import subprocess
import sys
from pathlib import Path
from random import Random

import msgspec
import pytest

from drivers.keystore import file as keyfile
from evidence import anchor, cose, handover
from evidence.anchor import Anchors
from evidence.code import Typ
from evidence.leap import NS
from evidence.siteplan import Survey
from provisioning.init import InitRequest, initialise
from provisioning.preflight.outcome import Outcome, Word
from provisioning.report import attachment, binding, document, facts, verify
from provisioning.report.binding import Papers
from provisioning.report.verify import NoReportError
from provisioning.snapshot import Phasor, Snapshot

NOW_S = 1_790_000_000
DAY_NS = 86_400 * NS
SURVEY = Survey(46.948, 7.4474, 600.0, 0.5, "RTK, 30 min")
SNAPSHOT = Snapshot(
    *("pmu-a", "pmu/7", "c37118+tcp", "STATION A", 7, 1_790_000_037_000_000_000, 1000, 3),
    *((60, 1), 60.01, 60.0, 0.0, (Phasor("VA", "voltage", "A", 199e3, 12.5, "Bus 1", ""),)),
    *((("MW", "MW", 120.0),), 300, {"crc": 1}),
)
OUTCOMES = [
    Outcome("key", "", Word.OK, "it signed"),
    Outcome("ratio", "pmu-a", Word.WAIVED, "", "a second source", "", "Ann Lee", "none is there"),
]


def place(folder: Path, survey: Survey | None = SURVEY, seed: int = 7) -> Path:
    """A gateway's folder; `seed`: of its keys."""
    asked = InitRequest(folder, site="Oklaunion", survey=survey, buses=["North"])
    initialise(asked, NOW_S, Random(seed).randbytes)
    return folder


def papers(folder: Path, now_ns: int = NOW_S * NS + DAY_NS, paper="a4") -> Papers:
    stands = facts.standing(folder)
    key = keyfile.read(folder / "device.key")
    software = [("gridseal", "0.1.0")]
    made = facts.report(stands, key.public, [SNAPSHOT], OUTCOMES, "J. Doe", now_ns, software)
    return binding.bound(made, paper, key)


def anchors(folder: Path) -> Anchors:
    return anchor.read((folder / "anchors.toml").read_text(), "anchors.toml")


def told(data: bytes, folder: Path, plan: bytes | None = None) -> dict[str, tuple[str, str]]:
    found = verify.verdict(data, anchors(folder), plan)
    assert found.holds() == all(one.word != verify.Word.FAILS for one in found.findings)
    return {one.what: (str(one.word), one.text) for one in found.findings}


@pytest.fixture
def site(tmp_path) -> Path:
    return place(tmp_path / "site")


def test_an_honest_report_holds_in_every_line(site):
    made = papers(site)
    found = told(made.pdf, site, (site / "site.toml").read_bytes())
    assert {word for word, _ in found.values()} == {"holds"}
    assert made.report.key.fingerprint in found["signature"][1]
    assert "authority-1" in found["credential"][1]
    assert "Oklaunion, at 46.948, 7.4474" in found["place"][1]
    assert list(found) == [
        *("signature", "key", "credential", "in force", "place", "site plan", "pages"),
    ]


def test_the_json_out_of_it_holds_too_and_says_what_it_needs(site):
    found = told(papers(site).text, site)
    unchecked = {what: text for what, (word, text) in found.items() if word != "holds"}
    assert unchecked.keys() == {"site plan", "pages"}
    assert "--plan" in unchecked["site plan"] and "PDF" in unchecked["pages"]


def test_what_it_says_is_what_there_was(site):
    report = papers(site).report
    assert report.credential and report.authority and report.site.survey
    assert report.result() == "PASSED WITH 1 WAIVED"
    assert report.authority.name == report.credential.issuer == "authority-1"
    assert [bus.name for bus in report.credential.buses] == ["North"]
    assert report.site.survey.method == "RTK, 30 min"
    (source,) = report.sources
    assert source.flags == ["locked", "traceable"]
    assert [(one.name, one.count) for one in source.faults] == [("crc", 1)]
    assert source.phasors[0].magnitude == "199000"


def test_whatever_byte_is_changed_it_does_not_hold(site):
    """In the pages by every 97th byte, behind them by every third; test_attachment has them all."""
    made, whom = papers(site), anchors(site)
    pages = attachment.detach(made.pdf).drawn
    for at in [*range(0, pages, 97), *range(pages, len(made.pdf), 3)]:
        changed = made.pdf[:at] + bytes([made.pdf[at] ^ 0x10]) + made.pdf[at + 1 :]
        try:
            assert not verify.verdict(changed, whom, None).holds(), at
        except NoReportError:
            continue


def test_pages_of_another_report_do_not_pass(site):
    one, other = papers(site), papers(site, NOW_S * NS + 2 * DAY_NS)
    pages = attachment.detach(other.pdf).drawn
    forged = attachment.attach(other.pdf[:pages], one.text)
    found = told(forged, site)
    assert [what for what, (word, _) in found.items() if word == "does not hold"] == ["pages"]


def test_a_fact_that_is_changed_is_named_as_changed(site):
    text = papers(site).text.replace(b"J. Doe", b"A. Lee", 1)
    found = told(text, site)
    assert found.keys() == {"file"}
    assert "was changed" in found["file"][1]


def resigned(folder: Path, signer=None, **changed) -> bytes:
    """The report with other facts, signed: by the gateway's own key, unless another is given."""
    made = papers(folder)
    report = msgspec.structs.replace(made.report, **changed)
    return handover.signed(report.told(), signer or keyfile.read(folder / "device.key"))


def test_a_report_signed_by_another_key_does_not_hold(site, tmp_path):
    other = keyfile.read(place(tmp_path / "other") / "log.key")
    assert told(resigned(site, other), site)["signature"][0] == "does not hold"
    found = told(resigned(site, other, key=facts.key_of(other.public)), site)
    assert found["signature"][0] == "holds"
    assert found["key"][0] == "does not hold" and "the credential is for key" in found["key"][1]


def test_a_credential_of_an_authority_that_nobody_named_does_not_hold(site, tmp_path):
    found = told(papers(site).pdf, place(tmp_path / "other", seed=8))
    assert found["credential"][0] == "does not hold"
    assert "nobody knows key" in found["credential"][1]
    assert found["signature"][0] == found["key"][0] == "holds"


@pytest.mark.parametrize(
    ("now_ns", "says"),
    [(NOW_S * NS - DAY_NS, "before"), (NOW_S * NS + 400 * DAY_NS, "after")],
)
def test_a_report_made_while_the_credential_was_not_in_force_does_not_hold(site, now_ns, says):
    word, text = told(papers(site, now_ns).pdf, site)["in force"]
    assert word == "does not hold" and says in text


def test_a_report_without_a_credential_says_that_nobody_vouches(site):
    whom = anchors(site)
    (site / "credential.cbor").unlink()
    (site / "anchors.toml").unlink()
    made = papers(site)
    assert made.report.credential is None and made.report.authority is None
    found = verify.verdict(made.pdf, whom, None)
    failed = {one.what: one.text for one in found.findings if one.word == verify.Word.FAILS}
    assert failed.keys() == {"key", "credential", "in force", "place"}
    assert all("no authority vouches" in text for text in failed.values())


def test_a_credential_told_otherwise_than_it_says_does_not_hold(site):
    told_of = papers(site).report.credential
    assert told_of is not None
    lied = msgspec.structs.replace(told_of, expires="2099-01-01T00:00:00Z")
    word, text = told(resigned(site, credential=lied), site)["key"]
    assert word == "does not hold" and "says something else" in text


def test_another_authority_than_signed_the_credential_is_not_told(site):
    """The first page shows whom the report names."""
    made = papers(site).report
    assert made.authority is not None
    for changed in ({"name": "authority-2"}, {"fingerprint": "0" * 64}):
        lied = msgspec.structs.replace(made.authority, **changed)
        word, text = told(resigned(site, authority=lied), site)["credential"]
        assert word == "does not hold" and "another authority" in text
    assert told(resigned(site, authority=None), site)["credential"][0] == "holds"


def test_pages_that_the_key_s_holder_drew_otherwise_are_among_what_is_not_proved(site):
    """The device key signs whatever hash of pages it is given: then the JSON is what holds."""
    made, other = papers(site), papers(site, NOW_S * NS + 2 * DAY_NS)
    pages = other.pdf[: attachment.detach(other.pdf).drawn]
    sheet = document.Sheet("a4", len(pages), hashlib.sha256(pages).hexdigest())
    forged = attachment.attach(pages, resigned(site, sheet=sheet))
    found = verify.verdict(forged, anchors(site), None)
    assert found.holds() and found.report is not None
    assert found.report.number() == made.report.number() != other.report.number()
    assert any("the result and the number" in text for text in found.unproved())


def test_another_place_than_the_authority_s_does_not_hold(site):
    made = papers(site).report
    assert made.site.survey is not None
    for changed in (
        {"name": "Elsewhere"},
        {"survey": None},
        {"survey": msgspec.structs.replace(made.site.survey, latitude="46.9481")},
    ):
        other = msgspec.structs.replace(made.site, **changed)
        assert told(resigned(site, site=other), site)["place"][0] == "does not hold"


def test_two_instants_that_contradict_each_other_do_not_hold(site):
    made = msgspec.structs.replace(papers(site).report.made, utc="2026-01-01T00:00:00Z")
    assert told(resigned(site, made=made), site)["in force"][0] == "does not hold"


def test_another_plan_does_not_hold(site):
    word, text = told(papers(site).pdf, site, b"[site]\n")["site plan"]
    assert word == "does not hold" and "and was" in text


def test_the_plan_is_hashed_as_the_file_that_it_is(site):
    plan = (site / "site.toml").read_bytes().replace(b"\n", b"\r\n")
    (site / "site.toml").write_bytes(plan)
    assert told(papers(site).pdf, site, plan)["site plan"][0] == "holds"


def test_an_unsurveyed_site_holds_and_says_so(tmp_path):
    site = place(tmp_path / "site", survey=None)
    assert told(papers(site).pdf, site)["place"] == ("holds", "Oklaunion; not surveyed")


def test_a_statement_of_another_kind_with_the_same_words_does_not_pass(site):
    whole = json.loads(papers(site).text)
    payload = handover.canonical(whole["report"])
    encoded = cose.sign(Typ.BOOK, payload, keyfile.read(site / "device.key"))
    whole["signed"] = base64.b64encode(encoded).decode()
    text = (json.dumps(whole, ensure_ascii=False, sort_keys=True, indent=1) + "\n").encode()
    assert told(text, site)["file"][0] == "does not hold"


@pytest.mark.parametrize(
    "data",
    [b"", b"PK\x03\x04", b"{}", b"%PDF-1.7\n%%EOF\n", b"%PDF" * 200],
)
def test_what_is_no_report_is_told_apart(site, data):
    with pytest.raises(NoReportError):
        verify.verdict(data, anchors(site), None)


def test_a_pdf_whose_attachment_is_no_report_is_told_apart(site):
    made = papers(site)
    pages = made.pdf[: attachment.detach(made.pdf).drawn]
    with pytest.raises(NoReportError):
        verify.verdict(attachment.attach(pages, b"{}"), anchors(site), None)


def test_whoever_checks_a_report_needs_nothing_that_draws():
    code = "import provisioning.report.verifying, sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).resolve().parents[3],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert not set(done.stdout.split()) & {"reportlab", "segno", "aiohttp", "rich", "PIL"}
