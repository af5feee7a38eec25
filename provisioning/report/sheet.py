"""The hand-over report as a PDF: the summary, and behind it all that the report says.

1. The same report gives the same bytes: no clock, no random number, no name of this machine.
2. Nothing is cut off: what a line does not hold is broken, what a page does not hold goes on.
3. Whatever stands on it is in the report, whose number is on each page.

It signs nothing; provisioning.report.attachment adds the signed JSON.
"""

import io
from collections.abc import Iterable, Sequence
from typing import Any

from reportlab import rl_config
from reportlab.lib.pagesizes import A4, LETTER
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    CondPageBreak,
    Flowable,
    Frame,
    LongTable,
    PageBreak,
    PageTemplate,
    Spacer,
    TableStyle,
)

from provisioning.report import attachment, diagram, lettering, summary
from provisioning.report.diagram import Diagram, Numbered
from provisioning.report.document import PaperName, Report, Source
from provisioning.report.lettering import BOLD, HEX, PLAIN, paragraph
from provisioning.report.summary import Summary

rl_config.useA85 = 0  # its streams are bytes: text of them would be a quarter longer
PAPERS: dict[PaperName, tuple[float, float]] = {"a4": A4, "letter": LETTER}
_MARGIN = 42.0  # points: 15 mm, which every printer reaches
_FOOT = 20.0
_DIAGRAM = 218.0  # points, its labels included
_PAD = 3.0
_SIZE = 7.5
_LINES_MAX = 24  # of one row: what is longer goes on in the next, and so over the page
PROVES = (
    "The device key signed these facts, the instant among them: nothing of them was changed since."
    " Whoever has this PDF, or handover.json out of it, and the anchors of the authority checks"
    " that by: gridseal-provision verify-report",
    "It does not prove that the values were right, or hold at any other instant. They are what the"
    " devices said while this was made, not sealed evidence: that is in the record, under its"
    " receipts. It does not prove that the key was not revoked since: the authority's book says"
    " that. Whoever waived a check is named as typed by whoever made this report.",
)


def drawn(report: Report, paper: PaperName) -> bytes:
    """The pages of a report; its attachment is still empty."""
    number = report.number()
    buffer = io.BytesIO()
    width, height = PAPERS[paper]
    frame = Frame(
        *(_MARGIN, _MARGIN + _FOOT, width - 2 * _MARGIN, height - 2 * _MARGIN - _FOOT),
        *(0, 0, 0, 0),
        id="page",
    )
    template = BaseDocTemplate(
        buffer,
        pagesize=(width, height),
        pageTemplates=[PageTemplate(frames=[frame])],
        title=f"Gridseal hand-over report {number}",
        author="",
        subject="",
        creator="gridseal-provision",
        invariant=1,
        pageCompression=1,
    )
    # All that has a name in it is inside compressed streams (attachment, rule 5).
    story: list[Flowable] = [Summary(report, number), PageBreak()]
    story += _behind(report, width - 2 * _MARGIN)
    template.build(story, canvasmaker=_canvas_of(number))
    return buffer.getvalue()


def _canvas_of(number: str) -> type[Canvas]:
    """A canvas whose pages know how many they are, and whose they are."""

    class Paged(Canvas):  # type: ignore[misc]
        def __init__(self, *told: Any, **named: Any) -> None:
            super().__init__(*told, **named)
            attachment.prepare(self._doc)
            self._pages: list[dict[str, Any]] = []

        def showPage(self) -> None:
            self._pages.append(dict(self.__dict__))
            self._startPage()

        def save(self) -> None:
            pages = self._pages
            for at, page in enumerate(pages, 1):
                self.__dict__.update(page)
                _draw_foot(self, number, at, len(pages))
                super().showPage()
            super().save()

    return Paged


def _draw_foot(canvas: Canvas, number: str, page: int, pages: int) -> None:
    width, _ = canvas._pagesize
    canvas.setFillGray(0)
    canvas.setFont(HEX, 6.5)
    canvas.drawString(_MARGIN, _MARGIN, f"report {number}")
    canvas.setFont(PLAIN, 7.5)
    canvas.drawRightString(width - _MARGIN, _MARGIN, f"page {page} of {pages}")


def _behind(report: Report, width: float) -> list[Flowable]:
    """All but the first page."""
    story = _checks(report, width)
    for source in report.sources:
        story += _source(source, width)
    story += [*_names(report, width), *_software(report, width), *_head("What this proves", 130)]
    for text in PROVES:
        story += [paragraph(text, PLAIN, 8.5), Spacer(1, 4)]
    return story


def _head(text: str, below: float = 48) -> list[Flowable]:
    """A heading, on a page that has room for what begins below it."""
    return [CondPageBreak(below + 24), Spacer(1, 8), paragraph(text, BOLD, 11), Spacer(1, 4)]


def _table(
    headings: Sequence[str], rows: Iterable[Sequence[str]], shares: Sequence[float], width: float
) -> Flowable:
    """Rows under headings, which every page repeats. `shares`: of the width, by column."""
    widths = [share * width / sum(shares) for share in shares]
    content = [list(headings)] if headings else []
    ends = [0] if headings else []
    for row in rows:
        content += _pieces(row, widths)
        ends.append(len(content) - 1)
    style = [
        ("FONT", (0, 0), (-1, -1), PLAIN, _SIZE, 1.25 * _SIZE),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LEFTPADDING", (0, 0), (-1, -1), _PAD),
        ("RIGHTPADDING", (0, 0), (-1, -1), _PAD),
        ("TOPPADDING", (0, 0), (-1, -1), 1.5),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 2),
        *(("LINEBELOW", (0, at), (-1, at), 0.25, (0.5, 0.5, 0.5)) for at in ends),
    ]
    if headings:
        style.append(("FONT", (0, 0), (-1, 0), BOLD, _SIZE, 1.25 * _SIZE))
        style.append(("LINEBELOW", (0, 0), (-1, 0), 0.8, (0, 0, 0)))
    return LongTable(
        content or [[""] * len(widths)],
        colWidths=widths,
        repeatRows=1 if headings else 0,
        style=TableStyle(style),
        hAlign="LEFT",
    )


def _pieces(row: Sequence[str], widths: Sequence[float]) -> list[list[str]]:
    """A row as rows of at most _LINES_MAX lines: one, but for texts that may fill a page."""
    broken = [
        lettering.lines(text, wide - 2 * _PAD, None, PLAIN, _SIZE)
        for text, wide in zip(row, widths, strict=True)
    ]
    longest = max(map(len, broken))
    return [
        ["\n".join(lines[at : at + _LINES_MAX]) for lines in broken]
        for at in range(0, longest, _LINES_MAX)
    ]


def _checks(report: Report, width: float) -> list[Flowable]:
    rows = [
        (summary.shown(check.word), check.check, check.of, summary.said(check))
        for check in summary.ordered(report.checks)
    ]
    table = _table(("result", "check", "of", "what was found"), rows, (10, 18, 20, 52), width)
    return [*_head(f"What was checked: {summary.counted(report)}"), table]


def _source(source: Source, width: float) -> list[Flowable]:
    phasors = [Numbered(at, one) for at, one in enumerate(source.phasors, 1)]
    story = _head(f"Source {source.source}", _DIAGRAM if phasors else 96)
    for at in range(0, len(phasors), diagram.PHASORS_MAX):
        part = phasors[at : at + diagram.PHASORS_MAX]
        story.append(_beside(part, width))
    story.append(_table((), _facts(source), (18, 82), width))
    if phasors:
        heads = ("", "channel", "", "phase", "magnitude", "angle", "bus", "terminal")
        rows = [_phasor(one) for one in phasors]
        story += [Spacer(1, 6), _table(heads, rows, (4, 18, 4, 7, 16, 13, 16, 22), width)]
    if source.values:
        rows_of = [(one.label, f"{one.value} {one.unit}".strip()) for one in source.values]
        story += [Spacer(1, 6), _table(("value", ""), rows_of, (50, 50), width)]
    return story


def _beside(part: Sequence[Numbered], width: float) -> Flowable:
    """A diagram, and what is to be said of it."""
    words = [paragraph(text, PLAIN, 8) for text in diagram.words(part)]
    style = TableStyle([("VALIGN", (0, 0), (-1, -1), "MIDDLE"), ("LEFTPADDING", (0, 0), (0, 0), 0)])
    row = [[Diagram(part, _DIAGRAM), words]]
    return LongTable(row, colWidths=[_DIAGRAM + 8, width - _DIAGRAM - 8], style=style)


def _facts(source: Source) -> list[tuple[str, str]]:
    frames, seconds = source.rate
    rate = f"{frames} frames in {seconds} s" if frames and seconds else "not stated"
    heard = source.heard_rate
    faults = ", ".join(f"{one.name} {one.count}" for one in source.faults)
    told = [
        ("station", f"{source.station} (IDCODE {source.idcode}, {source.scheme})"),
        ("instant", f"{source.utc} ({source.tai_ns} ns TAI)" if source.tai_ns else "nothing heard"),
        ("clock", f"{summary.bound(source.bound_ns)}; {', '.join(source.flags) or 'no flags'}"),
        ("rate", f"{rate} by its configuration; heard: {heard or '?'} in a second"),
        ("frequency", f"{source.frequency_hz or '?'} Hz, ROCOF {source.rocof_hz_s or '?'} Hz/s"),
        ("frames", f"{source.frames}; faults: {faults or 'none'}"),
    ]
    return [*told, ("trouble", source.trouble)] if source.trouble else told


def _phasor(one: Numbered) -> tuple[str, ...]:
    phasor = one.phasor
    return (
        *(str(one.number), phasor.name, phasor.quantity[0].upper().replace("C", "I")),
        *(phasor.phase or "?", f"{phasor.magnitude} {phasor.unit}", f"{phasor.degrees}\u00b0"),
        *(phasor.bus, phasor.terminal),
    )


def _names(report: Report, width: float) -> list[Flowable]:
    """Key, credential and plan, in full."""
    site, survey, credential = report.site, report.site.survey, report.credential
    place = "not surveyed"
    if survey is not None:
        place = f"{survey.latitude}, {survey.longitude} (WGS84), {survey.altitude_m} m"
        place += f", within {survey.accuracy_m} m (1 sigma). {survey.method}"
    leap = "" if report.made.leap_known else "; TAI - UTC is not known for it"
    rows = [
        ("site", site.name),
        ("survey", place),
        ("site plan", f"{site.plan}, SHA-256 {site.plan_sha256}"),
        ("gateway", report.gateway.name),
        ("record", report.gateway.record),
        ("key's store", report.gateway.store),
        ("public key", f"{report.key.algorithm} {report.key.public}"),
        ("fingerprint", report.key.fingerprint),
        ("made", f"{report.made.utc}, {report.made.tai_ns} ns TAI{leap}"),
        ("by", report.made.technician),
    ]
    if credential is not None:
        by = report.authority
        rows += [
            ("credential", credential.name),
            ("issued", f"by {credential.issuer} to {credential.subject}, as {credential.role}"),
            ("valid", f"{credential.not_before} to {credential.expires}"),
            (
                "follows",
                f"rotation {credential.rotation}" if credential.rotation else "no other key",
            ),
            ("authority", f"{by.name}, key {by.fingerprint}" if by else "NOT one of the anchors"),
        ]
    story = [*_head("Site, key and credential"), _table((), rows, (18, 82), width)]
    if credential is not None and credential.buses:
        buses = [(bus.mrid, bus.name) for bus in credential.buses]
        story += [Spacer(1, 6), _table(("bus granted", "name"), buses, (45, 55), width)]
    if credential is not None and credential.terminals:
        heads = ("terminal granted", "at bus", "positive")
        ends = [(one.terminal, one.bus, one.direction) for one in credential.terminals]
        story += [Spacer(1, 6), _table(heads, ends, (42, 42, 16), width)]
    return story


def _software(report: Report, width: float) -> list[Flowable]:
    rows = [(one.name, one.version) for one in report.software]
    return [*_head("Software"), _table(("name", "version"), rows, (50, 50), width)]
