"""`gridseal-provision verify-report`: whether a hand-over report holds, line by line.

Exit 0: all that could be checked holds. 1: something does not, or was changed. 2: it is no report.
"""

from collections.abc import Sequence
from pathlib import Path

from evidence import anchor
from evidence.config import ConfigError
from provisioning.argument import Now, Parser, content, only
from provisioning.report import attachment, verify
from provisioning.report.document import Report
from provisioning.report.verify import NoReportError, Verdict
from provisioning.terminal import Terminal


def run(argv: Sequence[str], now: Now) -> int:
    """What was typed after `verify-report`. Raises UsageError, ConfigError."""
    about = "Says whether a hand-over report holds, and what it does not prove."
    parser = Parser(prog="gridseal-provision verify-report", description=about, allow_abbrev=False)
    add = parser.add_argument
    add("file", type=Path, metavar="FILE", help="handover.pdf, or the JSON out of it")
    add("--anchors", type=Path, metavar="FILE", required=True, help="whom to believe")
    add("--plan", type=Path, metavar="FILE", help="a site.toml, to compare with the report's")
    add("--json", action="store_true", help="one JSON object instead of words")
    asked = only(parser, argv)
    out = Terminal(asked.json)
    anchors = anchor.read(content(asked.anchors), str(asked.anchors))
    plan = None if asked.plan is None else _bytes(asked.plan)
    try:
        found = verify.verdict(_bytes(asked.file), anchors, plan)
    except NoReportError as fault:
        raise ConfigError(str(asked.file), "", str(fault)) from fault
    if found.report is not None:
        out.say(*_lines(found.report), "")
    out.table(
        ("what", "", "found"), [(one.what, str(one.word), one.text) for one in found.findings]
    )
    out.say("", "It holds." if found.holds() else "It does NOT hold.")
    out.say("", "It does not prove:", *(f"  {text}" for text in found.unproved()))
    out.object(_told(found))
    return 0 if found.holds() else 1


def _lines(report: Report) -> list[str]:
    return [
        f"Report {report.number()}",
        f"{report.result()}, by {report.made.technician}, {report.made.utc}",
        f"{report.site.name}, gateway {report.gateway.name}",
    ]


def _told(found: Verdict) -> dict[str, object]:
    report = found.report
    return {
        "holds": found.holds(),
        "number": None if report is None else report.number(),
        "result": None if report is None else report.result(),
        "passed": None if report is None else report.passed(),
        "findings": [one._asdict() | {"word": str(one.word)} for one in found.findings],
        "not_proved": list(found.unproved()),
    }


def _bytes(path: Path) -> bytes:
    """A file, up to one byte more than the largest report. Raises ConfigError."""
    try:
        with path.open("rb") as file:
            return file.read(attachment.PDF_BYTES_MAX + 1)
    except OSError as fault:
        raise ConfigError(str(path), "", f"cannot be read: {fault.strerror}") from fault
