"""What several scenarios left, in one place: `index.html` and `junit.xml` of the folder that was
asked for.

1. Each scenario is told by its object, as `--json` has it, live or in simulated time.
2. Of one scenario alone, its own page is the index.
3. Whatever ended it, what was added is written.
4. What was not played to its end is never told as held, and is an error to who reads JUnit.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hil.report import index, junit
from hil.report.index import Line
from hil.report.junit import Suite

INDEX, JUNIT = "index.html", "junit.xml"
_PROPERTIES = ("place", "grid", "seed", "played_s", "report")


class Gathered:
    """Of one command."""

    def __init__(self) -> None:
        self._suites: list[Suite] = []
        self._lines: list[Line] = []

    def add(self, name: str, told: Mapping[str, Any], lasted_s: float, root: Path | None) -> None:
        """A scenario. `root`: where the index will lie."""
        findings = told.get("findings", ())
        skipped, unended = told.get("skipped", ""), _unended(told)
        failed = [] if unended and not findings else [str(one) for one in told.get("failed", ())]
        wrong = "" if findings or skipped else "\n".join(failed)
        properties = {key: str(told[key]) for key in _PROPERTIES if key in told}
        page = Path(told["report"]) / INDEX if "report" in told else None
        link = ""
        if page is not None and root is not None and page.exists():
            link = page.relative_to(root).as_posix() if page.is_relative_to(root) else ""
        if "report" in properties:
            properties["report"] = Path(link).parent.as_posix() if link else name
        said = "\n".join(_line(one) for one in findings)
        self._suites.append(
            Suite(
                *(name, findings, told.get("problems", ()), wrong, unended, skipped, properties),
                *(said, told.get("began_tai_ns", 0), lasted_s),
            )
        )
        asked = [one for one in findings if one["held"] is not None]
        held = False if failed else None if skipped or unended else True
        lost = sum(not one["held"] for one in asked)
        why = [*filter(None, (skipped, unended)), *failed]
        unasked = len(findings) - len(asked)
        self._lines.append(
            Line(name, held, len(asked), lost, why, link, unasked, bool(unended)),
        )

    def write(self, root: Path, several: bool) -> None:
        """Raises OSError."""
        root.mkdir(parents=True, exist_ok=True)
        (root / JUNIT).write_text(junit.text(self._suites), encoding="utf-8")
        if several:
            (root / INDEX).write_text(index.text(self._lines), encoding="utf-8")


def _unended(told: Mapping[str, Any]) -> str:
    """Why it was not played to its end; empty where it was."""
    if not told.get("stopped"):
        return ""
    if "played_s" in told:
        return f"it was stopped after {told['played_s']:,.0f} s"
    failed = [str(one) for one in told.get("failed", ())]
    return "\n".join(failed) or "it was stopped before there was anything to judge"


def _line(one: Mapping[str, Any]) -> str:
    word = {True: "holds", False: "does not hold", None: "not asked"}[one["held"]]
    why = f" ({one['why']})" if one["why"] else ""
    return f"{one['kind']}: {one['text']}: {word}{why}"
