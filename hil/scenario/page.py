"""The page of a play, for people: one HTML file without anything from elsewhere.

1. What is shown of measurements is read back from the record; of what was said, from the records.
   Beside each claimed instant stands when the log had it.
2. What is modelled, synthetic or reconstructed says so wherever it is shown.
3. All text goes through `escaped`.

It judges nothing; the findings come with it.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from evidence.code import Matter
from evidence.joint import claim, decision, emergency, evaluation, handoff, settlement
from evidence.joint.evaluation import Evaluation
from evidence.joint.handoff import Request
from evidence.joint.measure import Measure
from evidence.joint.record import Observed
from hil.scenario import sketch
from hil.scenario.fact import Facts, Said
from hil.scenario.play import Play
from hil.scenario.verdict import Finding
from record.reconstruct.plot import escaped
from record.store import Store

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; padding: 0 1rem;
  color: #1b2530; background: #fff }
h1 { font-size: 1.6rem } h2 { font-size: 1.2rem; margin-top: 2.2rem }
table { border-collapse: collapse; width: 100%; font-size: .87rem }
th, td { text-align: left; vertical-align: top; padding: .25rem .5rem;
  border-bottom: 1px solid #dde3e9 }
.wide { overflow-x: auto } .wide svg { min-width: 40rem }
svg { width: 100%; height: auto; font-size: 11px } svg text { fill: #45525f }
.grid { stroke: #e6ebf0 } .level { stroke: #b3261e; stroke-dasharray: 4 3 }
.mark { stroke: #8a97a5; stroke-dasharray: 2 3 }
.line { fill: none; stroke-width: 1.6 } .one { stroke: #0b62a8 } .two { stroke: #c2570c }
.three { stroke: #3b7d34 }
.yes { color: #246b2c } .no { color: #b3261e; font-weight: 600 } .idle { color: #6b7885 }
.badge { font-size: .75rem; border: 1px solid #8a97a5; border-radius: .3rem; padding: 0 .3rem;
  color: #45525f; white-space: nowrap }
.flag { border-color: #b3261e; color: #b3261e }
code { font-size: .85em; overflow-wrap: anywhere } .note { color: #45525f }
@media (max-width: 40rem) { body { margin: 1rem auto } .wide table { min-width: 34rem } }
@media print { body { margin: 0; max-width: none; font-size: 11px } h2 { break-after: avoid }
  tr, svg { break-inside: avoid } .wide { overflow: visible } .wide svg { min-width: 0 } }
"""
Clock = Callable[..., str]
_HELD = {True: ("yes", "holds"), False: ("no", "does not hold"), None: ("idle", "not asked here")}
_DECIDED = (Matter.LOAD_SHED, Matter.CURTAILMENT, Matter.DISPATCH, Matter.DC_TIE_EMERGENCY)


def text(
    done: Play, facts: Facts, findings: list[Finding], figures: dict[str, Any], store: Store
) -> str:
    """The whole page. Raises StoreError."""
    head, clock = done.script.scenario, done.clock
    parts = [
        f"<h1>{escaped(head.title)}</h1>",
        f"<p>{escaped(' '.join(head.about.split()))}</p>",
        f'<p class="note">Played from {clock(done.part.begins)} to {clock(done.part.ends)}'
        f" {escaped(head.clock)}:"
        f" {figures['observations']:,} observations, {figures['entries']:,} entries of the log,"
        f" published with {len(done.cast.witness_keys)} witnesses.</p>",
        _found(findings),
        *sketch.plots(done, store),
        _marks(done),
        _claims(facts, clock),
        _handoffs(facts, clock),
        _decisions(facts, clock),
        _authorities(done),
        _files(),
        _settlements(facts, clock),
    ]
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escaped(head.title)}</title><style>{STYLE}</style></head><body>\n"
        + "\n".join(filter(None, parts))
        + "\n</body></html>\n"
    )


def _found(findings: list[Finding]) -> str:
    rows = []
    for one in findings:
        style, word = _HELD[one.held]
        why = f"<br>{escaped(one.why)}" if one.why else ""
        rows.append([one.kind, f'<span class="{style}">{word}</span>', escaped(one.text) + why])
    return _table("What was expected", ("", "", ""), rows)


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
    for one in (said for matter in _DECIDED for said in facts.said(matter)):
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
                f"{observed} observations, {others} records",
                _state(one) + (f"<br>told: {escaped(told)}" if told else ""),
            ]
        )
    rows.sort(key=lambda row: row[0])
    names = ("when", "", "by", "what, and why", "rests on", "worth")
    return _table("What was decided, and on what it rests", names, rows)


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
        measures = "<br>".join(map(_measure, says.measures))
        like = f", {one.words['disagreement']}" if "disagreement" in one.words else ""
        rows.append(
            [
                _span(one, clock),
                escaped(", ".join(one.record.elements)),
                escaped(f"{one.words['verdict']}{like}".replace("_", " "))
                + (f"<br>{escaped(says.why)}" if says.why else ""),
                measures,
                _state(one),
            ]
        )
    names = ("until", "seam", "verdict", "residual, of what is explained", "worth")
    return _table("What both sides of a seam come to", names, rows)


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
    return _table("What was measured: what is published, and what is not", ("", "", ""), rows)


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
    names = ("", "roles", "footprints", "", "key, made for this scenario")
    return _table("Authorities", names, rows)


def _files() -> str:
    typed = (
        "gridseal-record verify bundle --anchors anchors.toml",
        "python3 verify.py bundle --anchors anchors.toml",
        "gridseal-record verify record.db --anchors anchors.toml",
        "gridseal-record show record.db",
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


def _table(title: str, names: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    body = "\n".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    if not body:
        return ""
    head = "".join(f"<th>{escaped(name)}</th>" for name in names)
    head = f"<thead><tr>{head}</tr></thead>\n" if any(names) else ""
    table = f"<table>{head}<tbody>{body}</tbody></table>"
    return f'<h2>{escaped(title)}</h2>\n<div class="wide">{table}</div>'
