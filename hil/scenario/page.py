"""The page of a play, for people: one HTML file without anything from elsewhere.

1. Whether it holds is said first, as of a live play (hil.report.sentence).
2. What is shown of measurements is read back from the record; of what was said, from the records.
   Beside each claimed instant stands when the log had it.
3. What is modelled, synthetic or reconstructed says so wherever it is shown.
4. All text goes through `escaped`; it loads nothing (record.reconstruct.frame).

It judges nothing; the findings come with it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from evidence.code import Matter
from evidence.joint import claim, decision, emergency, evaluation, handoff, settlement
from evidence.joint.evaluation import Evaluation
from evidence.joint.handoff import Request
from evidence.joint.measure import Measure
from evidence.joint.record import Observed
from hil.finding import Finding
from hil.report.sentence import verdict
from hil.report.style import VERDICT_STYLE
from hil.scenario import sheet, sketch
from hil.scenario.fact import Facts, Said
from hil.scenario.play import Play
from record.reconstruct import frame
from record.reconstruct.plot import escaped
from record.store import Store

_OWN = """
.badge { font: .94rem system-ui, sans-serif; border: 1px solid #6b7885; border-radius: .3rem;
  padding: 0 .3rem; color: #3d4a57; white-space: nowrap }
.flag { border-color: #8f1a12; color: #8f1a12 }
"""
STYLE = VERDICT_STYLE + _OWN
Clock = Callable[..., str]
_HELD = {True: ("yes", "holds"), False: ("no", "does not hold"), None: ("idle", "not asked here")}
_WHAT = ("feed", "worth", "what it is")
_DECIDED = (Matter.LOAD_SHED, Matter.CURTAILMENT, Matter.DISPATCH, Matter.DC_TIE_EMERGENCY)


def text(
    done: Play,
    facts: Facts,
    findings: list[Finding],
    figures: dict[str, Any],
    told: Mapping[str, Any],
    store: Store,
) -> str:
    """The whole page. `told`: as `verdict.json` has it. Raises StoreError."""
    head, clock = done.script.scenario, done.clock
    parts = [
        verdict(told),
        f"<p>{escaped(' '.join(head.about.split()))}</p>",
        f'<p class="note">Played from {clock(done.part.begins)} to {clock(done.part.ends)}'
        f" {escaped(head.clock)}:"
        f" {figures['observations']:,} observations, {figures['entries']:,} entries of the log,"
        f" published with {len(done.cast.witness_keys)} witnesses"
        f"{' and copied by a mirror' if done.mirror else ''}.</p>",
        _found(findings),
        _marks(done),
        *sketch.plots(done, store),
        _claims(facts, clock),
        _handoffs(facts, clock),
        _decisions(facts, clock),
        _authorities(done),
        _files(),
        _settlements(facts, clock),
    ]
    content = "\n".join(filter(None, parts))
    return f"{frame.head(head.title, STYLE)}{content}\n{frame.FOOT}"


def _found(findings: list[Finding]) -> str:
    rows = []
    for one in findings:
        style, word = _HELD[one.held]
        why = f"<br>{escaped(one.why)}" if one.why else ""
        rows.append([one.kind, f'<span class="{style}">{word}</span>', escaped(one.text) + why])
    return _table("What was expected", ("kind", "came out", "expected"), rows)


def _claims(facts: Facts, clock: Clock) -> str:
    """Topic by topic, so that those that contradict each other stand side by side."""
    topics: dict[str, list[Said]] = {}
    for one in facts.said(Matter.CLAIM):
        topics.setdefault(str(one.words["topic"]), []).append(one)
    rows = []
    for topic, some in topics.items():
        for number, one in enumerate(some):
            says = claim.read(one.record.body) if one.record else claim.Claim("")
            figures = ", ".join(f"{item.name} {item.value:g} {item.unit}" for item in says.figures)
            rows.append(
                [
                    escaped(topic) if number == 0 else "",
                    _when(one, clock),
                    escaped(str(one.words["author"])),
                    escaped("; ".join(filter(None, (says.text, figures)))),
                    escaped(says.source),
                    _logged(one, clock),
                ]
            )
    names = ("about", "claimed", "by", "what", "where it was said", "in the log")
    return _table("What was said", names, rows)


def _handoffs(facts: Facts, clock: Clock) -> str:
    truths: dict[bytes, Evaluation] = {
        one.name: evaluation.read(one.record.body)
        for one in facts.said(Matter.EVALUATION)
        if one.record is not None
    }
    rows = []
    for one in facts.said(Matter.HANDOFF):
        if one.record is None:
            continue
        says = handoff.read(one.record.body)
        first = isinstance(says, Request)
        found = [truths[parent] for parent in one.record.parents if parent in truths]
        asked = escaped(found[0].predicate.text) if found and first else ""
        truth = found[0].found.truth.name.lower() if found else ""
        what = escaped(says.scope) if isinstance(says, Request) else escaped(says.text)
        rows.append(
            [
                f"<b>{escaped(str(one.words['topic']))}</b>" if first else "",
                f"{escaped(str(one.words['step']))}, {_when(one, clock)}",
                escaped(str(one.words["author"])),
                what + (f"<br><code>{asked}</code>" if asked else ""),
                " ".join(filter(None, (truth, _flags(one)))),
                _state(one),
            ]
        )
    names = ("episode", "step", "by", "scope and condition", "condition is", "worth")
    return _table("Handoffs, reconstructed: nobody signed one then", names, rows)


def _decisions(facts: Facts, clock: Clock) -> str:
    rows = []
    decided = [said for matter in _DECIDED for said in facts.said(matter)]
    for one in sorted(decided, key=lambda said: said.begins or 0):
        if one.record is None:
            continue
        observed = sum(isinstance(parent, Observed) for parent in one.record.parents)
        others = len(one.record.parents) - observed
        told = ", ".join(one.words["notified"])
        rows.append(
            [
                _when(one, clock),
                escaped(str(one.words["what"]).replace("_", " ")),
                escaped(str(one.words["author"])),
                escaped(str(one.words["name"])) + f"<br>{escaped(_reason(one))}",
                f"{_many(observed, 'observation')}, {_many(others, 'record')}",
                _state(one) + (f"<br>told: {escaped(told)}" if told else ""),
            ]
        )
    names = ("when", "matter", "by", "what, and why", "rests on", "worth")
    return _table("What was decided, and on what it rests", names, rows)


def _many(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _reason(one: Said) -> str:
    if one.record is None:
        return ""
    if one.record.matter == Matter.DC_TIE_EMERGENCY:
        return emergency.read(one.record.body).told()
    return decision.read(one.record.body).reason


def _settlements(facts: Facts, clock: Clock) -> str:
    rows = []
    for one in facts.said(Matter.SETTLEMENT):
        if one.record is None:
            continue
        says = settlement.read(one.record.body)
        like = f", {one.words['disagreement']}" if "disagreement" in one.words else ""
        rows.append(
            [
                _span(one, clock),
                escaped(", ".join(one.record.elements)),
                escaped(f"{one.words['verdict']}{like}".replace("_", " "))
                + (f"<br>{escaped(says.why)}" if says.why else ""),
                _measures(says.measures),
                _state(one),
            ]
        )
    names = ("until", "seam", "verdict", "residual, of what is explained", "worth")
    return _table("What both sides of a seam come to", names, rows)


def _measures(some: Sequence[Measure]) -> str:
    """The one that is nearest to what is explained, or furthest beyond; the others on demand."""
    if not some:
        return ""
    worst = max(some, key=lambda one: abs(one.residual) / (one.tolerance or 1.0))
    if len(some) == 1:
        return _measure(worst)
    every = "<br>".join(map(_measure, some))
    return f"<details><summary>{_measure(worst)}</summary><p>{every}</p></details>"


def _measure(one: Measure) -> str:
    if one.unit == "1":
        of = f"{abs(one.residual):.3%} of {one.tolerance:.2%} of the rated"
    else:
        of = f"{abs(one.residual):.3g} of {one.tolerance:.3g} {escaped(one.unit)}"
    return f"{escaped(one.name)}: {of}"


def _marks(done: Play) -> str:
    rows = [
        [escaped(row.name), f'<span class="badge">{row.mark}</span>', escaped(row.about)]
        for row in done.script.feed
    ]
    if (areas := done.script.areas) is not None:
        badge = f'<span class="badge">{sheet.AREAS_MARK}</span>'
        rows.append(["areas", badge, escaped(areas.about or "two areas and the tie between them")])
    return _table("What was measured: what is published, and what is not", _WHAT, rows)


def _authorities(done: Play) -> str:
    rows = [
        [
            escaped(name),
            escaped(", ".join(row.roles)),
            escaped(", ".join(row.footprints)),
            escaped(" ".join(row.about.split())),
            f"<code>{done.cast.key(name).public.raw.hex()}</code>",
        ]
        for name, row in done.cast.rows.items()
    ]
    names = ("name", "roles", "footprints", "who", "key, made for this scenario")
    return _table("Authorities", names, rows)


def _files() -> str:
    typed = (
        "gridseal-record verify bundle --anchors anchors.toml",
        "python3 verify.py bundle --anchors anchors.toml",
        "gridseal-record verify record.db --anchors anchors.toml",
        "gridseal-record show record.db",
        "gridseal-record mirror --check --config mirror.toml",
    )
    lines = "<br>".join(f"<code>{escaped(line)}</code>" for line in typed)
    note = (
        "Whether a record is joint says that it is signed by every authority the policy names, and"
        " nothing more. In this folder:"
    )
    return f"<h2>Look again yourself</h2><p>{note}<br>{lines}</p>"


def _when(one: Said, clock: Clock) -> str:
    return clock(one.begins or 0)


def _span(one: Said, clock: Clock) -> str:
    return clock(one.ends or 0)


def _logged(one: Said, clock: Clock) -> str:
    return clock(one.case.tai) if one.case else ""


def _state(one: Said) -> str:
    signed = ", ".join(need.authority for need in one.standing.signed) if one.standing else ""
    return f"{escaped(str(one.words['state']))}: {escaped(signed)}"


def _flags(one: Said) -> str:
    flags = one.words["flags"]
    return " ".join(f'<span class="badge flag">{escaped(flag)}</span>' for flag in flags)


def _table(title: str, names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    many = _many(len(rows), "row")
    return f"<h2>{escaped(title)}</h2>\n{frame.table(title, names, rows, f'{many}.')}"
