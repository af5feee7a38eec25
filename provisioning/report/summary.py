"""The first page, which a supervisor reads: whether it passed, where, whose key, who vouches, what
is still to be done, and two lines to sign.

1. It is one page, whatever there is to say: what does not fit says that it stands behind in full.
2. The result is told by a word and by its frame: black on white where it passed, white on black
   where it did not.
"""

from collections.abc import Sequence

from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable

from provisioning.preflight.outcome import Word
from provisioning.report import diagram, lettering, qr
from provisioning.report.document import Check, Report, Source
from provisioning.report.lettering import BOLD, HEX, PLAIN

_CODE = 92.0  # points: a side of a QR code, modules of half a millimetre
_TO_DO_MAX = 7  # checks that are named here
_SOURCES_MAX = 8
_LABEL = 74.0  # points, of the left column
_PENS = 58.0  # points, at the foot
# What is to be acted on comes first.
ORDER = (Word.FAULT, Word.CANNOT_TELL, Word.WAIVED, Word.OK)


class Summary(Flowable):  # type: ignore[misc]
    """Takes the whole frame that it is given."""

    def __init__(self, report: Report, number: str) -> None:
        super().__init__()
        self._report, self._number = report, number

    def wrap(self, width: float, height: float) -> tuple[float, float]:
        self.width, self.height = width, height
        return width, height

    def draw(self) -> None:
        pen = _Pen(self.canv, self.width, self.height)
        report = self._report
        pen.text("Hand-over report", BOLD, 17, 1)
        pen.text(report.site.name or "a site without a name", PLAIN, 12, 2)
        _draw_result(pen, report)
        top = pen.y
        _draw_codes(self.canv, report, self._number, self.width, top)
        pen.width = self.width - _CODE - 12
        for label, value, font in _identity(report):
            pen.pair(label, value, font)
        pen.width = self.width
        pen.y = min(pen.y, top - 2 * _CODE - 34) - 8
        _draw_sources(pen, report.sources)
        _draw_to_do(pen, report)
        _draw_pens(self.canv, self.width)


class _Pen:
    """Writes downwards from the top of a frame, and stops above the lines to sign."""

    def __init__(self, canvas: Canvas, width: float, height: float) -> None:
        self.canvas, self.width, self.y = canvas, width, height

    def room(self, lines: int, size: float) -> bool:
        return self.y - lines * size * 1.3 > _PENS

    def text(self, text: str, font: str, size: float, most: int, x: float = 0) -> None:
        for line in lettering.lines(text, self.width - x, most, font, size):
            self.y -= size * 1.3
            self.canvas.setFont(font, size)
            self.canvas.drawString(x, self.y, line)

    def pair(self, label: str, value: str, font: str = PLAIN) -> None:
        self.canvas.setFont(BOLD, 7.5)
        self.canvas.drawString(0, self.y - 10.4, label)
        self.text(value, font, 7.3 if font == HEX else 8, 2, _LABEL)
        self.y -= 2

    def head(self, text: str) -> None:
        self.y -= 5
        self.text(text, BOLD, 9.5, 1)
        self.canvas.setLineWidth(0.6)
        self.canvas.line(0, self.y - 3, self.width, self.y - 3)
        self.y -= 3


def ordered(checks: Sequence[Check]) -> list[Check]:
    return sorted(checks, key=lambda check: ORDER.index(check.word))


def shown(word: Word) -> str:
    """The word of an outcome; a fault's is not to be overlooked."""
    return word.upper() if word == Word.FAULT else str(word)


def counted(report: Report) -> str:
    """How many checks came out how."""
    names = {Word.OK: "passed", Word.FAULT: "at fault", Word.CANNOT_TELL: "not tellable"}
    told = [f"{report.count(word)} {names.get(word, word)}" for word in reversed(ORDER)]
    return ", ".join(told) if report.checks else "nothing was checked"


def subject(check: Check) -> str:
    """A check and what it is of."""
    return f"{check.check}, {check.of}" if check.of else check.check


def said(check: Check) -> str:
    """What a check found, what it needs, what to do, and who waived it."""
    told = [check.figure]
    told += [f"Needs: {check.needs}"] if check.needs else []
    told += [f"To do: {check.todo}"] if check.todo else []
    told += [f"Waived by {check.waived_by}: {check.waived_why}"] if check.waived_by else []
    return ". ".join(part.rstrip(".") for part in told if part)


def _draw_result(pen: _Pen, report: Report) -> None:
    canvas, word = pen.canvas, report.result()
    size = 30.0
    while lettering.width_of(word, BOLD, size) > pen.width - 24:
        size -= 1
    pen.y -= 52
    passed = report.passed()
    canvas.setLineWidth(2.5)
    canvas.setStrokeGray(0)
    canvas.setFillGray(1 if passed else 0)
    canvas.rect(1.5, pen.y, pen.width - 3, 44, stroke=1, fill=1)
    canvas.setFillGray(0 if passed else 1)
    canvas.setFont(BOLD, size)
    canvas.drawCentredString(pen.width / 2, pen.y + 22 - size * 0.36, word)
    canvas.setFillGray(0)
    pen.text(f"Of {len(report.checks)} checks: {counted(report)}.", PLAIN, 9, 1)
    pen.y -= 8


def _identity(report: Report) -> list[tuple[str, str, str]]:
    credential, authority = report.credential, report.authority
    told = [
        ("Gateway", report.gateway.name, PLAIN),
        ("Made", f"{report.made.utc} ({report.made.tai_ns} ns TAI)", PLAIN),
        ("By", report.made.technician, PLAIN),
        ("Device key", f"{report.key.kid} ({report.key.algorithm})", HEX),
        ("Fingerprint", grouped(report.key.fingerprint), HEX),
    ]
    if credential is None:
        told.append(("Credential", "NONE YET: no authority vouches for this key", BOLD))
    else:
        told += [
            (
                "Credential",
                f"{credential.subject} as {credential.role}, by {credential.issuer}",
                PLAIN,
            ),
            ("Valid", f"{credential.not_before} to {credential.expires}", PLAIN),
            ("Grants", _granted(report), PLAIN),
        ]
        if authority is None:
            told.append(("Authority", "NOT among those whom this gateway believes", BOLD))
        else:
            told.append(("Authority", grouped(authority.fingerprint), HEX))
    told.append(("Site plan", f"{report.site.plan}, SHA-256:", PLAIN))
    told.append(("", grouped(report.site.plan_sha256), HEX))
    return told


def grouped(digits: str) -> str:
    """Hex digits as people compare them."""
    return " ".join(digits[at : at + 8] for at in range(0, len(digits), 8))


def _granted(report: Report) -> str:
    if report.credential is None:
        return ""
    buses = [bus.name or bus.mrid for bus in report.credential.buses]
    count = len(report.credential.terminals)
    return f"{len(buses)} buses ({', '.join(buses)}), {count} terminals"


def _draw_codes(canvas: Canvas, report: Report, number: str, width: float, top: float) -> None:
    x = width - _CODE
    for at, (text, label) in enumerate(
        (
            (qr.key_text(report.key.kid, report.key.fingerprint), "device key"),
            (qr.report_text(number), "number of this report"),
        )
    ):
        bottom = top - (at + 1) * _CODE - at * 16
        qr.draw(canvas, text, x, bottom, _CODE)
        canvas.setFillGray(0)
        canvas.setFont(PLAIN, 7)
        canvas.drawCentredString(x + _CODE / 2, bottom - 5, label)


def _draw_sources(pen: _Pen, sources: Sequence[Source]) -> None:
    pen.head(f"Sources: {len(sources)}")
    for source in sources[:_SOURCES_MAX]:
        pen.text(in_short(source), PLAIN, 8, 2 if len(sources) <= _SOURCES_MAX // 2 else 1)
    if len(sources) > _SOURCES_MAX:
        pen.text(f"and {len(sources) - _SOURCES_MAX} more, behind", PLAIN, 8, 1)


def in_short(source: Source) -> str:
    """A source in one line."""
    if source.tai_ns is None:
        return f"{source.source}: nothing heard. {source.trouble}"
    told = [f"{source.station}, IDCODE {source.idcode}" if source.station else source.scheme]
    told += [f"{source.frequency_hz} Hz"] if source.frequency_hz else []
    turn = diagram.sequence(source.phasors, "voltage")
    told += [f"sequence {turn}"] if turn else []
    told.append(bound(source.bound_ns))
    told += [source.trouble] if source.trouble else []
    return f"{source.source}: {', '.join(told)}"


def bound(ns: int | None) -> str:
    """How far a clock may be off, in words."""
    return "clock bound not known" if ns is None else f"clock within {ns / 1000:.3f} us"


def _draw_to_do(pen: _Pen, report: Report) -> None:
    left = [check for check in ordered(report.checks) if check.word != Word.OK]
    if not left:
        return
    pen.head("Not simply passed")
    drawn = 0
    for check in left[:_TO_DO_MAX]:
        if not pen.room(4, 8):
            break
        pen.text(f"{shown(check.word)}: {subject(check)}: {said(check)}", PLAIN, 8, 2)
        drawn += 1
    if drawn < len(left):
        pen.text(f"and {len(left) - drawn} more, behind", BOLD, 8, 1)


def _draw_pens(canvas: Canvas, width: float) -> None:
    """Where two people sign by hand."""
    half = width / 2 - 8
    canvas.setLineWidth(0.5)
    for x, label in ((0.0, "Handed over: name, date"), (half + 16, "Taken over: name, date")):
        canvas.line(x, 16, x + half, 16)
        canvas.setFont(PLAIN, 7)
        canvas.drawString(x, 6, label)
