"""The page of one play, for people: the verdict in words first, then what was seen, then figures.

1. What was done stands before the plots, whose marks are its numbers; what was expected after
   them: what of it failed is said at the top.
2. It is one file, loads nothing and has no script (record.reconstruct.frame); what is told on it
   stands in `verdict.json` and `facts.json`, or was read from the record.
3. All text goes through `escaped`.

It judges nothing.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from evidence.leap import BUILT_IN, NS
from hil.live.play import Deed
from hil.report import heat, lane, phasor, sketch
from hil.report.compared import Compared
from hil.report.sentence import verdict
from hil.report.style import STYLE, held, section
from hil.report.trace import ZERO
from record.reconstruct import frame
from record.reconstruct.plot import escaped

COMES = {
    "within": '<span class="yes">within</span>',
    "beyond": '<span class="no">beyond</span>',
    "too_short": '<span class="idle">too short to say</span>',
    "": '<span class="idle">not said</span>',
}
SIGNALS = {
    "steady": "steady state",
    "ramp": "frequency ramp",
    "amplitude": "amplitude modulated",
    "phase": "phase modulated",
}
Row = Mapping[str, Any]
_SCALES = (
    ("tve_volts", "TVE V, %", 100.0),
    ("tve_amps", "TVE I, %", 100.0),
    ("fe_hz", "FE, mHz", 1000.0),
    ("rfe_hz_s", "RFE, Hz/s", 1.0),
)


def text(
    told: Row,
    facts: Sequence[Row],
    compared: Compared,
    deeds: Sequence[Deed],
    scenario_s: Callable[[float], float],
) -> str:
    """The whole page. `scenario_s`: the scenario's clock of seconds that were played."""

    def clock(at: int) -> str:
        return clocked(scenario_s((at - ZERO) / NS))

    head = told["scenario"]
    rows = list(phasor.diagrams(deeds, compared))
    parts = [
        verdict(told),
        _behind(told),
        f"<p>{escaped(' '.join(head['about'].split()))}</p>" if head["about"] else "",
        _played(told),
        _done(told),
        lane.figure(told, facts, compared.axis, clock),
        heat.figure(facts, compared, clock),
        *sketch.plots(told, facts, compared, clock),
        "<h2>Phasors before, during and after</h2>" if rows else "",
        *rows,
        _expected(told),
        *_measured(told),
        limited(told),
        _late(told),
        _accounted(told),
        *_record(told),
        _left_out(told),
        _files(told),
    ]
    content = "\n".join(filter(None, parts))
    return f"{frame.head(head['title'], STYLE)}{content}\n{frame.FOOT}"


def clocked(at_s: float) -> str:
    """Seconds of a scenario, as h:mm:ss or m:ss, with a tenth where it is not whole."""
    tenths = round(at_s * 10)
    whole, tenth = divmod(tenths, 10)
    more = f".{tenth}" if tenth else ""
    if whole >= 3600:
        return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}{more}"
    return f"{whole // 60}:{whole % 60:02}{more}"


def _behind(told: Row) -> str:
    """That the bench was late: no fault where all holds."""
    look = "note" if told["holds"] else "no"
    return f'<p class="{look}">{escaped(told["behind"])}</p>' if told["behind"] else ""


def _played(told: Row) -> str:
    head, timeline = told["scenario"], told["timeline"]
    began_ns = timeline["began_tai_ns"]
    short = ", its dull stretches shortened" if head["short"] and timeline["stretches"] else ""
    when = f", on {_utc(began_ns)}" if began_ns else ""
    words = (
        f"{clocked(head['length_s'])} of the scenario's clock, played in"
        f" {timeline['played_s']:.0f} s{short}{when}, at the place {told['place']['name']}"
        f" ({told['place']['kind']}); {_grid(told)}, seed {head['seed']}."
    )
    return f'<p class="note">{escaped(words)}</p>'


def _grid(told: Mapping[str, Any]) -> str:
    return f"grid {told['grid']['model']}" if told["grid"] else "a real grid"


def _utc(tai: int) -> str:
    return datetime.fromtimestamp(BUILT_IN.utc_ns(tai) // NS, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _expected(told: Row) -> str:
    rows = []
    for one in told["findings"]:
        after = ""
        if one["after_s"] is not None:
            # A gap begins with the last frame before what made it.
            after = f"{max(one['after_s'], 0.0):.2f} s after {one['after']}"
        why = f"<br>{escaped(one['why'])}" if one["why"] else ""
        rows.append(
            [escaped(one["kind"]), held(one["held"]), escaped(one["text"]) + why, escaped(after)]
        )
    return section("What was expected", ("", "came out", "expected", "when"), rows)


def _done(told: Row) -> str:
    rows = []
    for number, one in enumerate(told["deeds"], 1):
        noticed = "<br>".join(
            escaped(f"{row['text']} after {row['after_s']:.2f} s ({row['line']})")
            for row in one["noticed"].values()
        )
        lasts = _lasts(one["for_s"]) if one["for_s"] else ""
        to = f" to {one['to']}" if one["to"] else ""
        rows.append(
            [
                str(number),
                escaped(clocked(one["at_s"])),
                escaped(one["name"]),
                escaped(f"{one['act']}{to}"),
                lasts,
                escaped(f"not done: {one['why_not']}") if one["why_not"] else noticed,
            ]
        )
    names = ("", "at", "what", "act", "for", "noticed first, and how soon")
    return section("What was done", names, rows)


def _lasts(seconds: float) -> str:
    return f"{seconds:g} s" if seconds < 60 else clocked(seconds)


def _measured(told: Row) -> Iterable[str]:
    measured = [one for one in told["streams"] if one.get("measured", {}).get("errors")]
    note = f"As mean / p95 / max, against what stood at the bus. May be off by: {told['bound']}."
    names = (
        "device",
        "frames",
        *(words for _, words, _ in _SCALES),
        "worst share of that",
        "beyond it",
    )
    for key, title in (
        ("errors", "Measured against the truth"),
        ("spoiled_errors", "While a fault was declared to spoil it"),
    ):
        rows = []
        for one in measured:
            gauge = one["measured"]
            if key not in gauge:
                continue
            apart = key == "spoiled_errors"
            frames = gauge["spoiled"] if apart else gauge["compared"] - gauge["spoiled"]
            beyond = ", ".join(f"{name}: {count}" for name, count in gauge["beyond"].items())
            left = [
                f"{gauge[name]:,} {name.replace('_', ' ')}"
                for name in ("not_bounded", "not_compared")
                if gauge[name]
            ]
            rows.append(
                [
                    escaped(one["device"]),
                    f"{frames:,}",
                    *(_three(gauge[key][name], scale) for name, _, scale in _SCALES),
                    "" if apart else f"{gauge['used']:.0%}",
                    "" if apart else escaped("; ".join([beyond or "none", *left])),
                ]
            )
        yield section(title, names, rows, note)
        note = "Wired or set wrong, or by a clock that is off: no error of its instrument."


def limited(told: Row) -> str:
    """Of PMUs that hear a reference signal: their errors beside its limits. Empty without any."""
    rows = []
    for one in told["streams"]:
        of = one.get("measured", {}).get("limits")
        if of is None:
            continue
        cells = []
        for name, _, scale in _SCALES:
            limit = of["limits"].get(name)
            came = COMES[of["comes"].get(name, "")]
            cells.append(
                f"{of['max'][name] * scale:.3g} of {limit * scale:.3g} {came}" if limit else ""
            )
        none = "" if of["limits"] else ", for which it has none"
        signal = f"{SIGNALS[of['signal']]}{none}"
        frames = f"{of['frames']:,}"
        rows.append([escaped(one["device"]), escaped(of["service_class"]), signal, frames, *cells])
    note = (
        "IEC/IEEE 60255-118-1:2018, clause 6, of that class and signal alone; the figures are those"
        " that public programs have, not read in the standard. Most of all frames, but for those"
        " around a turn of a ramp."
    )
    names = ("device", "class", "signal", "frames", *(words for _, words, _ in _SCALES))
    return section("Beside the limits for its signal", names, rows, note)


def _three(of: Mapping[str, float], scale: float) -> str:
    values = (value * scale for value in of.values())
    return " / ".join(f"{one:,.0f}" if one >= 1000 else f"{one:.3g}" for one in values)


def _late(told: Row) -> str:
    rows = [
        [
            escaped(one["device"]),
            _three(one["measured"]["heard_ms"], 1.0),
            _three(one["measured"]["admitted_ms"], 1.0),
            ", ".join(f"{count:,} {name}" for name, count in _early(one).items()),
        ]
        for one in told["streams"]
        if "measured" in one
    ]
    names = ("device", "arrival less instant, ms", "admitted less arrival, ms", "below 0")
    note = "As mean / p95 / max; admitted by the log's clock. Below 0: clocks that disagree."
    return section("How late", names, rows, note)


def _early(of: Row) -> dict[str, int]:
    return {name: count for name, count in of["measured"]["early"].items() if count}


def _accounted(told: Row) -> str:
    figures = ("sent", "in_record", "on_disk", "in_gaps", "lost", "duplicated", "unsent")
    rows = []
    for one in told["streams"]:
        gaps = ", ".join(f"{count} {cause}" for cause, count in one.get("gaps", {}).items())
        rows.append(
            [
                escaped(one["device"]),
                escaped(one["gateway"]),
                escaped(one["kind"]) + ("" if one["up"] else ' <span class="no">not up</span>'),
                f"{one['sealed']:,}",
                *(f"{one[name]:,}" if name in one else "" for name in figures),
                escaped(gaps.replace("_", " ")),
            ]
        )
    words = (name.replace("_", " ") for name in figures)
    names = ("device", "gateway", "kind", "sealed", *words, "gaps by cause")
    return section("What became of each frame", names, rows)


def _record(told: Row) -> Iterable[str]:
    of = told["record"]
    for title, key in (
        ("Entries of the record's log", "entries"),
        ("Observations in it", "observations"),
        ("Classes of measurements", "classes"),
    ):
        rows = [[escaped(name.replace("_", " ")), f"{count:,}"] for name, count in of[key].items()]
        yield section(title, ("kind", "how many"), rows)


def _left_out(told: Row) -> str:
    rows = [
        [escaped(one["what"]), escaped(one["name"]), escaped(one["why"])]
        for one in told["left_out"]
    ]
    return section("What this place left out", ("what", "name", "why"), rows)


def _files(told: Row) -> str:
    files = told["files"]
    typed = (
        f"gridseal-record verify {files['record']} --anchors {files['anchors']}",
        f"gridseal-record show {files['record']}",
    )
    lines = "<br>".join(f"<code>{escaped(line)}</code>" for line in typed)
    return f"<h2>Look again yourself</h2><p>In this folder:<br>{lines}</p>"
