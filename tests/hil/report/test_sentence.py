"""Whether a play holds, and how that is said: whole or stopped, something broken or nothing."""

from typing import Any

import pytest

from hil.finding import Finding
from hil.report import sentence

HELD = Finding("must", "a", True)
LOST = Finding("must", "b <c>", False, why="0 seen")
UNASKED = Finding("must", "d", None, why="no board")
STYLES = {"yes": True, "no": False, "idle": None}


@pytest.mark.parametrize(
    ("findings", "problems", "stopped", "style", "words"),
    [
        ([HELD, HELD], [], False, "yes", "It holds: all 2 expectations that were asked hold."),
        ([HELD, LOST], ["x"], False, "no",
         "It does not hold: 1 of 2 expectations fail, and 1 problem beside them."),
        ([HELD, UNASKED], [], True, "idle",
         "It was stopped after 3 s. Nothing is broken until then, and whether it holds is not"
         " known: 1 expectation could be asked. 1 was not asked."),
        ([HELD, LOST, UNASKED], [], True, "no",
         "It was stopped after 3 s. What was played does not hold: 1 of 2 expectations fail."
         " 1 was not asked."),
        ([HELD], ["x"], True, "no",
         "It was stopped after 3 s. What was played does not hold: 0 of 1 expectation fail,"
         " and 1 problem beside them."),
    ],
)  # fmt: skip
def test_it_is_said_whether_it_holds(
    findings: list[Finding], problems: list[str], stopped: bool, style: str, words: str
):
    holds = sentence.holds(findings, problems, stopped)
    assert holds is STYLES[style]
    rows = [{"kind": f.kind, "text": f.text, "held": f.held, "why": f.why} for f in findings]
    told: dict[str, Any] = {
        "findings": rows, "problems": problems, "holds": holds, "stopped": stopped,
        "timeline": {"played_s": 3.2},
    }  # fmt: skip
    said = sentence.verdict(told)
    assert said.startswith(f'<p class="verdict {style}">{words}</p>')
    assert ("must: b &lt;c&gt;: 0 seen" in said) is (LOST in findings)
