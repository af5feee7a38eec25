"""What a play leaves: the record, a bundle that proves itself, a page that a person can read, facts
and verdict as JSON.

1. The bundle is of the part that was played, and verified twice against the anchors: by the shipped
   code, and by the lone verifier, a program of its own that is made here and has nothing of ours to
   import.
2. The page is made after that, and says what came of it.
3. `verdict.json` has the keys of a live play's (hil/live/README.md) that there is something for;
   its timeline is by the scenario's own time.

It decides nothing: hil.scenario.verdict does.
"""

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from evidence import anchor
from evidence.anchor import Anchors
from evidence.leap import NS
from hil.finding import Finding
from hil.report.sentence import FORM, VERDICT, holds
from hil.scenario import fact, lines, page, play, verdict, words
from hil.scenario.fact import Facts
from hil.scenario.figures import Hours
from hil.scenario.play import ANCHORS, STORE, Part, Play
from hil.scenario.script import Script
from record.reconstruct import check, lonely, reconstruction
from record.reconstruct.reconstruction import Asked
from record.store import Store, open_reader

BUNDLE, PAGE, FACTS, VERIFIER, POLICY = (
    *("bundle", "index.html", "facts.json", "verify.py", "policy.toml"),
)
VERIFY_S = 600.0  # of the lone verifier, on a loaded machine; it takes seconds
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Came:
    """What came of a play."""

    folder: Path
    page: Path
    findings: list[Finding]
    figures: dict[str, Any]
    told: dict[str, Any]  # as `verdict.json` has it


async def made(
    of: Script,
    hours: Hours | None,
    policy_text: str,
    part: Part,
    folder: Path,
    say: Say,
    stopped: Callable[[], bool],
) -> Came:
    """Plays a part of a scenario, and leaves all of it in a folder. Raises EvidenceError,
    StoreError, OSError."""
    (folder / POLICY).write_text(policy_text, encoding="utf-8")
    clock = play.face(of)
    say(f"{of.scenario.title}: {clock(part.begins)} to {clock(part.ends)} {of.scenario.clock}")
    done = await play.played(
        of, hours, part, folder, say, stopped, lambda one: lines.put(one, policy_text, hours)
    )
    stopped_early = done.part != part
    if stopped_early:
        say(f"stopped: what is left is of {clock(part.begins)} to {clock(done.part.ends)}")
        part = done.part
    say(f"{done.stage.samples:,} observations, {done.entries:,} entries of the log")
    anchors = anchor.read((folder / ANCHORS).read_text(encoding="utf-8"), ANCHORS)
    store = open_reader(folder / STORE)
    try:
        facts = _facts(store, done, anchors)
        span = Part(part.begins, part.measured(of))
        for name, reasons in _verified(store, anchors, span, folder, say):
            facts.add("bundle", by=name, verified="no" if reasons else "yes", why=tuple(reasons))
        findings = verdict.judged(of, facts, part)
        figures = _figures(done, facts)
        told = _told(of, part, findings, stopped_early)
        text = page.text(done, facts, findings, figures, told, store)
    finally:
        store.close()
    (folder / PAGE).write_text(text, encoding="utf-8")
    rows = [{**one.words, "count": one.count} for one in facts.all]
    (folder / FACTS).write_text(json.dumps(rows, indent=1), encoding="utf-8")
    (folder / VERDICT).write_text(json.dumps(told, indent=1), encoding="utf-8")
    return Came(folder, folder / PAGE, findings, figures, told)


def _told(of: Script, part: Part, findings: list[Finding], is_stopped: bool) -> dict[str, Any]:
    """`verdict.json`. What goes wrong beside expectations is a fact here, and no problem."""
    head, problems = of.scenario, list[str]()
    return {
        "form": FORM,
        "scenario": {
            "name": head.name,
            "title": head.title,
            "about": head.about,
            "seed": head.seed,
        },
        "holds": holds(findings, problems, is_stopped),
        "stopped": is_stopped,
        "timeline": {
            "began_tai_ns": part.begins,
            "ended_tai_ns": part.ends,
            "played_s": round((part.ends - part.begins) / NS, 3),
        },
        "findings": [asdict(one) for one in findings],
        "problems": problems,
        "files": {"record": STORE, "anchors": ANCHORS, "facts": FACTS, "bundle": BUNDLE},
    }


def _facts(store: Store, done: Play, anchors: Anchors) -> Facts:
    facts = fact.collected(
        store, anchors.authorities, done.told, done.archive.refusals, done.archive.now
    )
    whole = done.witnesses.published == store.size() and not done.witnesses.faults
    facts.add("published", cosigned="all" if whole else "not all", why=tuple(done.witnesses.faults))
    if (mirror := done.mirror) is not None:
        whole = done.copied == done.witnesses.published and not mirror.faults
        has = "all" if whole else "not all"
        facts.add("mirror", has=has, why=tuple(mirror.faults))
    return facts


def _verified(
    store: Store, anchors: Anchors, part: Part, folder: Path, say: Say
) -> list[tuple[str, list[str]]]:
    """Writes the bundle and checks it, twice: of each way its name, and why it does not hold."""
    digest = hashlib.sha256((folder / ANCHORS).read_bytes()).digest()
    out = folder / BUNDLE
    written = reconstruction.write(
        store, Asked(part.begins, part.ends, None, (), anchors, digest, out)
    )
    for line in written.lines():
        say(line)
    reasons: list[str] = []
    check.check(out, check.witnessed(anchors, folder), False, reasons.append)
    say(f"the bundle {'does not hold' if reasons else 'holds'}, by gridseal-record verify")
    lone = _lone(folder)
    say(f"the bundle {'does not hold' if lone else 'holds'}, by {VERIFIER} alone")
    return list(zip(words.CHECKED_BY, (reasons, lone), strict=True))


def _lone(folder: Path) -> list[str]:
    """By the lone verifier, as somebody would run it who has nothing else."""
    (folder / VERIFIER).write_bytes(lonely.make())
    argv = [sys.executable, "-I", VERIFIER, BUNDLE, "--anchors", ANCHORS]
    try:
        done = subprocess.run(
            argv, cwd=folder, capture_output=True, text=True, timeout=VERIFY_S, check=False,
            process_group=0,
        )  # fmt: skip  # a Ctrl-C is for whoever plays
    except subprocess.TimeoutExpired:
        return [f"it took more than {VERIFY_S:.0f} s"]
    if done.returncode == 0:
        return []
    return (done.stdout + done.stderr).splitlines()[-20:] or [f"exit {done.returncode}"]


def _figures(done: Play, facts: Facts) -> dict[str, Any]:
    """A few numbers of it."""
    counts: dict[str, int] = {}
    for one in facts.all:
        if isinstance(one, fact.Said):
            key = f"{one.what} {one.words['state']}"
            counts[key] = counts.get(key, 0) + 1
    return {
        "scenario": done.script.scenario.name,
        "observations": done.stage.samples,
        "entries": done.archive.desk.size,
        "records": counts,
        "refused": len(done.archive.refusals),
    }
