"""The outcome as Markdown: the machine, a table of figures, and what was not measured.

1. What is asked stands beside each figure, with a mark that needs no colour: `ok` or `SHORT`.
2. A machine that other work kept busy is named as such: its shares and ratios mean something, and
   rates and delays do not.
3. A benchmark that failed, or was left out, has a line with the reason; so has one whose whole does
   not hold.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hil.span import span
from hil.suite.catalogue import BYTES_PER_S, LESS, OF_A_CORE, TIMES
from hil.suite.row import Row, number

BUSY = 0.5  # processes that want a core, of each core, before any of ours does
MEGA = 1e6
MACHINE = {
    "processor": "processor",
    "cores": "cores",
    "memory_gib": "memory, GiB",
    "kernel": "kernel",
    "python": "Python",
    "sqlite": "SQLite",
    "libsodium": "libsodium",
    "gridseal": "Gridseal",
    "disk": "disk",
    "sync_p50_ms": "a page written and synced, p50, ms",
    "sync_p99_ms": "the same, p99, ms",
}

LOADS = {
    "gateways": "gateways",
    "streams": "PMUs of each",
    "agent_cpu_a_stream": "agent, a stream",
    "record_cpu_a_stream": "record, a stream",
    "agent_cpu_share": "each agent",
    "record_cpu_share": "record",
    "devices_cpu_share": "simulated PMUs",
    "agent_mib": "agent, MiB",
    "record_mib": "record, MiB",
    "admitted_p50_ms": "admitted p50, ms",
    "admitted_p99_ms": "p99, ms",
    "lost": "lost",
    "pace": "heard of what was due",
    "carried": "carried",
}


def text(outcome: Mapping[str, Any], found: Sequence[Row]) -> str:
    """The whole of it."""
    parts = ["# Benchmarks", _about(outcome), _machine(outcome["machine"]), _figures(found)]
    more = (_loads(outcome), _notes(outcome), _slower(outcome, found))
    parts += [part for part in more if part]
    return "\n\n".join(parts) + "\n"


def busy(outcome: Mapping[str, Any]) -> str:
    """That others wanted the machine when it began; empty where few did."""
    load, cores = outcome.get("load"), outcome["machine"]["cores"]
    if load is None or load <= BUSY * cores:
        return ""
    return (
        f"Other work kept this machine busy: {load:g} processes wanted its {cores} cores as it"
        " began. Ratios mean something, rates and delays do not."
    )


def _about(outcome: Mapping[str, Any]) -> str:
    said = f"Begun {outcome['begun']} UTC; it took {span(outcome['took_s'])}."
    if crowd := busy(outcome):
        said += f" {crowd}"
    if outcome["quick"]:
        said += (
            " A quick run: it shows that all work. Its figures are rough, and none makes it fail."
        )
    if outcome["stopped"]:
        said += " It was stopped: what follows was done before."
    return said


def _machine(machine: Mapping[str, Any]) -> str:
    rows = [f"| {name} | {_told(machine.get(key))} |" for key, name in MACHINE.items()]
    return "\n".join(["| machine | |", "|---|---|", *rows])


def _told(value: object) -> str:
    if isinstance(value, int | float):
        return number(float(value))
    return "unknown" if value is None else _cell(str(value))


def _figures(found: Sequence[Row]) -> str:
    before = any(one.earlier is not None for one in found)
    names = ["benchmark", "figure", "measured", "asked", "beside it, in the same run"]
    names += ["earlier", "since"] if before else []
    lines = [_line(names), _line(["---"] * len(names))]
    last = ""
    for one in found:
        cells = [one.bench if one.bench != last else "", one.text, measured(one), asked(one)]
        cells.append(beside(one))
        if before:
            cells += [shown(one.earlier, one.unit), since(one)]
        lines.append(_line(cells))
        last = one.bench
    return "\n".join(lines)


def measured(row: Row) -> str:
    """Value and unit."""
    unit = f"times {row.against.partition(',')[0]}" if row.unit == TIMES else row.unit
    return shown(row.value, unit)


def shown(value: float | None, unit: str) -> str:
    """A value with its unit, as people say it: shares in per cent, octets by the million."""
    scaled, named = _scaled(value, unit)
    return f"{number(scaled)} {named}".rstrip()


def _scaled(value: float | None, unit: str) -> tuple[float | None, str]:
    if value is None:
        return value, unit
    if unit == BYTES_PER_S:
        return value / MEGA, "MB/s"
    if unit == OF_A_CORE:
        return round(100 * value, 3), "% of a core"
    return value, unit


def asked(row: Row) -> str:
    """What is asked, and whether it is held."""
    if row.asked is None:
        return ""
    most = "at most" if row.better == LESS else "at least"
    level, unit = _scaled(row.asked, row.unit)
    sign = " %" if unit.startswith("%") else ""
    return f"{most} {number(level)}{sign}: {'ok' if row.held else 'SHORT'}"


def beside(row: Row) -> str:
    """The reference of the same run."""
    if row.reference is None:
        return ""
    if row.unit == TIMES:
        return f"{row.against}: {number(row.reference)}/s"
    return f"{row.against}: {shown(row.reference, row.unit)}"


def since(row: Row) -> str:
    """How it changed since an earlier run."""
    if row.worse is None:
        return ""
    way = "worse" if row.worse > 0 else "better"
    return f"{abs(row.worse):.0%} {way}{' SLOWER' if row.slower else ''}"


def _loads(outcome: Mapping[str, Any]) -> str:
    """What `bench scale` measured, load by load; empty where it did not."""
    scale = outcome["benchmarks"].get("scale", {}).get("figures", {})
    loads = [
        load
        for group in ("by_streams", "by_gateways")
        if isinstance(scale.get(group), dict)
        for load in scale[group].values()
    ]
    if not loads:
        return ""
    lines = ["## As there are more", "", _line(LOADS.values()), _line(["---"] * len(LOADS))]
    lines += [_line([_load(load, key) for key in LOADS]) for load in loads]
    lines += ["", "Shares are of a core; the simulated PMUs' own is in no other figure."]
    return "\n".join(lines)


def _load(load: Mapping[str, Any], key: str) -> str:
    value = load.get(key)
    return ("yes" if value else "no") if isinstance(value, bool) else _told(value)


def _notes(outcome: Mapping[str, Any]) -> str:
    lines = []
    for name, one in outcome["benchmarks"].items():
        if one["why"]:
            lines.append(f"- {name} {one['state']}: {one['why']}")
        lines += [f"- {name} does not hold: {reason}" for reason in one["reasons"]]
        lines += [f"- {name} did not tell: {figure}" for figure in one["missing"]]
    return "\n".join(["## Not measured, or not as asked", "", *map(_note, lines)]) if lines else ""


def _slower(outcome: Mapping[str, Any], found: Sequence[Row]) -> str:
    before = outcome.get("against")
    if not before:
        return ""
    lines = ["## Since the earlier run", ""]
    lines += [_note(f"- {one}") for one in before["differs"]]
    slower = [one for one in found if one.slower]
    lines += [
        f"- {one.bench}, {one.text}: {shown(one.earlier, one.unit)} became {measured(one)}"
        for one in slower
    ]
    if not slower:
        lines.append("- nothing became worse by more than a tenth")
    return "\n".join(lines)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(map(_cell, cells))} |"


def _cell(value: str) -> str:
    return " ".join(value.split()).replace("|", "\\|")


def _note(line: str) -> str:
    return " ".join(line.split())
