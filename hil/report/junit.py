"""What came of some scenarios as JUnit XML, which CI systems read: a testsuite a scenario, a
testcase an expectation.

1. An expectation that does not hold is a failure with why; one that was not asked is skipped, with
   why. What went wrong beside expectations is one more testcase, of errors; a scenario that could
   not be played, or was not played to its end, is an error, and one that the place leaves out is
   skipped.
2. Elements and attributes are those that both common schemas have, in their order: the one of Ant's
   XMLJUnitReport task as written down by windyroad, and that of Jenkins' xUnit plugin. Neither is a
   standard.
3. Characters that XML 1.0 has none for (its 2.2) are replaced. Nothing names this machine.

It writes no file.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from evidence.leap import BUILT_IN, NS

HOST = "localhost"  # what the schema asks for where the host is not told
_UNKNOWN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Suite(NamedTuple):
    """One scenario. `findings`: rows with kind, text, held, why; `began`: ns TAI, 0 for unknown."""

    name: str
    findings: Sequence[Mapping[str, Any]] = ()
    problems: Sequence[str] = ()
    wrong: str = ""  # why it could not be played
    unended: str = ""  # why it was not played to its end
    skipped: str = ""  # why it was left out
    properties: Mapping[str, str] = {}
    said: str = ""  # for people
    began: int = 0
    lasted_s: float = 0.0


def text(suites: Sequence[Suite]) -> str:
    """The whole file."""
    root = Element("testsuites")
    for number, one in enumerate(suites):
        _suite(root, number, one)
    ElementTree.indent(root, " ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, "unicode") + "\n"


def _suite(root: Element, number: int, of: Suite) -> None:
    suite = SubElement(root, "testsuite", {"name": _clean(of.name), "package": "hil.scenarios"})
    properties = SubElement(suite, "properties")
    for name, value in of.properties.items():
        SubElement(properties, "property", {"name": _clean(name), "value": _clean(value)})
    for one in of.findings:
        case = _case(suite, of.name, f"{one['kind']}: {one['text']}")
        if one["held"] is None:
            SubElement(case, "skipped", {"message": _clean(one["why"])})
        elif not one["held"]:
            _told(case, "failure", one["kind"], one["why"])
    if of.problems:
        case = _case(suite, of.name, "nothing else goes wrong")
        _told(case, "error", "problem", "\n".join(of.problems))
    if of.wrong:
        _told(_case(suite, of.name, "it can be played"), "error", "not played", of.wrong)
    if of.unended:
        _told(_case(suite, of.name, "it was played to its end"), "error", "stopped", of.unended)
    if of.skipped:
        case = _case(suite, of.name, "it can be played here")
        SubElement(case, "skipped", {"message": _clean(of.skipped)})
    SubElement(suite, "system-out").text = _clean(of.said)
    SubElement(suite, "system-err").text = _clean("\n".join(of.problems))
    began_s = BUILT_IN.utc_ns(of.began) // NS if of.began else 0
    for name, value in (
        ("id", str(number)),
        ("hostname", HOST),
        # ISO 8601 without a zone, as the schema asks; it is UTC.
        ("timestamp", datetime.fromtimestamp(began_s, UTC).strftime("%Y-%m-%dT%H:%M:%S")),
        ("tests", str(len(suite.findall("testcase")))),
        ("failures", str(len(suite.findall("testcase/failure")))),
        ("errors", str(len(suite.findall("testcase/error")))),
        ("skipped", str(len(suite.findall("testcase/skipped")))),
        ("time", f"{of.lasted_s:.3f}"),
    ):
        suite.set(name, value)


def _case(suite: Element, scenario: str, name: str) -> Element:
    told = {"name": _clean(name), "classname": f"hil.scenarios.{_clean(scenario)}", "time": "0"}
    return SubElement(suite, "testcase", told)


def _told(case: Element, tag: str, kind: str, why: str) -> None:
    first = why.splitlines()[0] if why else ""
    SubElement(case, tag, {"message": _clean(first), "type": _clean(kind)}).text = _clean(why)


def _clean(words: str) -> str:
    return _UNKNOWN.sub("\ufffd", words)
