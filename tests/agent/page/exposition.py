"""A reader of Prometheus' text exposition format, version 0.0.4, strict: what a scraper would
refuse, or take for something else, is a ValueError.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

import re
from typing import NamedTuple

NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)')
SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)")
TYPES = {"counter", "gauge", "histogram", "summary", "untyped"}
_ESCAPED = {r"\\": "\\", r"\"": '"', r"\n": "\n"}


class Family(NamedTuple):
    """One metric; its samples by their labels, under the name each has."""

    type: str
    help: str
    samples: dict[tuple[str, tuple[tuple[str, str], ...]], float]

    def value(self, name: str, **labels: str) -> float:
        return self.samples[name, tuple(labels.items())]


def read(text: str) -> dict[str, Family]:
    """Every family by its name. Raises ValueError."""
    if not text.endswith("\n"):
        raise ValueError("the last line has no end")
    found: dict[str, Family] = {}
    name, told = "", ""
    for row in text.splitlines():
        if row.startswith("# HELP "):
            name, _, told = row.removeprefix("# HELP ").partition(" ")
            if name in found or not NAME.fullmatch(name) or not told:
                raise ValueError(row)
        elif row.startswith("# TYPE "):
            of, _, kind = row.removeprefix("# TYPE ").partition(" ")
            if of != name or kind not in TYPES or of in found:
                raise ValueError(row)
            found[of] = Family(kind, told, {})
        elif not row or row.startswith("#"):
            raise ValueError(f"neither help, type nor sample: {row!r}")
        else:
            _sample(row, name, found)
    for name, family in found.items():
        if family.type == "histogram":
            _histogram(name, family)
    return found


def _sample(row: str, name: str, found: dict[str, Family]) -> None:
    parts = SAMPLE.fullmatch(row)
    if parts is None or name not in found:
        raise ValueError(row)
    family, own = found[name], parts[1]
    allowed = {name}
    if family.type == "histogram":
        allowed = {f"{name}_{part}" for part in ("bucket", "sum", "count")}
    key = (own, _labels(parts[2] or ""))
    if own not in allowed or key in family.samples:
        raise ValueError(row)
    family.samples[key] = float(parts[3])
    if family.type == "counter" and (family.samples[key] < 0 or not name.endswith("_total")):
        raise ValueError(row)


def _labels(text: str) -> tuple[tuple[str, str], ...]:
    found, at = [], 0
    while at < len(text):
        one = LABEL.match(text, at)
        if one is None:
            raise ValueError(text)
        found.append((one[1], re.sub(r"\\[\\\"n]", lambda part: _ESCAPED[part[0]], one[2])))
        at = one.end()
    if len({name for name, _ in found}) < len(found):
        raise ValueError(f"a label stands twice: {text}")
    return tuple(found)


def _histogram(name: str, family: Family) -> None:
    edges = [
        (float(dict(labels)["le"]), value)
        for (own, labels), value in family.samples.items()
        if own == f"{name}_bucket"
    ]
    rising = edges == sorted(edges) and sorted(one for _, one in edges) == [one for _, one in edges]
    if not rising or edges[-1] != (float("inf"), family.value(f"{name}_count")):
        raise ValueError(f"{name}: {edges}")
