"""The account of a trial of time or place: how soon the record says so, how soon it stops, what it
would settle or doubts wrongly.

The record is read anew, from its first entry to its last, once everything has ended. What is right
is hil.faults.doubt's.
"""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from evidence.code import Class, Reason
from evidence.leap import BUILT_IN, NS
from hil.faults.course import Claims, Course
from hil.faults.doubt import SPANS_MAX, Figures, Injection, Outcome, Span, judge, spans
from hil.faults.rig import GATEWAY_NAME, Rig


@dataclass(frozen=True, slots=True)
class Account:
    """Figures as the command tells them, and why it does not hold."""

    figures: Mapping[str, Any] = field(default_factory=dict)
    reasons: Sequence[str] = ()


NONE = Account()


def of(rig: Rig, keys: Mapping[int, str]) -> Account:
    """Of what was made wrong. `keys`: of the gateway's streams.

    Raises StoreError, EvidenceError.
    """
    with closing(Course(rig.store, GATEWAY_NAME, keys)) as course:
        course.look(live=False)
        told = course.told(_claims(rig), rig.true_ns)
        changes = [change._replace(at=rig.true_ns(change.at)) for change, _ in course.changes]
    rig.injections.sort(key=lambda one: one.at)
    figures = judge(told, changes, rig.injections, rig.calm or 0)
    return Account(_figures(rig.injections, figures), _reasons(rig, figures))


def _claims(rig: Rig) -> Claims:
    """How wrong each PMU's clock was, by what it claimed."""
    found: dict[str, dict[int, list[int]]] = {}
    for line in rig.lines:
        by_instant = found.setdefault(line.name, {})
        for tai, off_ns in line.claims():
            by_instant.setdefault(tai, []).append(off_ns)
    return found


def _figures(injections: Sequence[Injection], figures: Figures) -> dict[str, Any]:
    """The worst of all that was injected; `injections` has each by itself."""
    rows = [
        {
            "what": one.name,
            "injected_at": _utc(one.at),
            "over_after_s": _seconds(one.over - one.at),
            "flagged_after_s": _seconds(outcome.flagged_after_ns),
            "cleared_after_s": _seconds(outcome.cleared_after_ns),
            "samples_wrongly_settleable": len(outcome.settleable),
        }
        for one, outcome in zip(injections, figures.outcomes, strict=True)
    ]
    return {
        "injected_at": rows[0]["injected_at"],
        "flagged_after_s": _worst([one.flagged_after_ns for one in figures.outcomes]),
        "cleared_after_s": _worst([one.cleared_after_ns for one in figures.outcomes]),
        "samples_wrongly_settleable": sum(len(one.settleable) for one in figures.outcomes),
        "samples_wrongly_doubtful": len(figures.doubtful),
        "injections": rows,
    }


def _worst(times_ns: Sequence[int | None]) -> float | None:
    """In s; None where one of them is."""
    found = [one for one in times_ns if one is not None]
    return _seconds(max(found)) if len(found) == len(times_ns) else None


def _reasons(rig: Rig, figures: Figures) -> list[str]:
    """Why it does not hold, a line each."""
    found: list[str] = []
    for one, outcome in zip(rig.injections, figures.outcomes, strict=True):
        found += _unnoticed(one, outcome, rig.ended)
        for span in spans(outcome.settleable)[:SPANS_MAX]:
            found.append(f"{one.name}: {_told(span, one.at)} would settle")
    for span in spans(figures.doubtful)[:SPANS_MAX]:
        before = [one for one in rig.injections if one.at <= span.first] or rig.injections
        found.append(f"doubted for nothing: {_told(span, before[-1].at)} of: {before[-1].name}")
    return found


def _unnoticed(one: Injection, outcome: Outcome, ended: int) -> list[str]:
    flagged = outcome.flagged_after_ns
    if flagged is None:
        return [f"{one.name}: nothing says so"]
    if flagged > one.within_ns and one.within_ns:
        return [f"{one.name}: said after {flagged / NS:.2f} s, {one.within_ns / NS:g} s expected"]
    if outcome.cleared_after_ns is None and ended < one.over + one.clears_ns:
        return []  # it was not waited for
    if outcome.cleared_after_ns is None:
        return [f"{one.name}: what says so never clears"]
    if outcome.cleared_after_ns > one.clears_ns:
        clears = outcome.cleared_after_ns / NS
        return [f"{one.name}: cleared after {clears:.2f} s, {one.clears_ns / NS:g} s expected"]
    return []


def _told(span: Span, at: int) -> str:
    where = f"{(span.first - at) / NS:+.3f} to {(span.last - at) / NS:+.3f} s"
    why = f"/{Reason(span.reason).name.lower()}" if span.reason else ""
    what = f"{Class(span.klass).name.lower()}{why}"
    return f"{span.samples} samples of {span.line} ({what}), {where}"


def _utc(tai: int) -> str:
    seconds, ns = divmod(BUILT_IN.utc_ns(tai), NS)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{ns // 1_000_000:03}Z"


def _seconds(ns: int | None) -> float | None:
    return None if ns is None else round(ns / NS, 3)
