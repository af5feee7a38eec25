"""One sample in words: the lines of what record.sample tells.

1. A line a fact, its title first; what continues a fact stands under it without one.
2. Nothing is left out that a person would miss; long rows of values are cut, and say so.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from evidence.leap import NS

VALUES_MAX = 6  # of a row, on a line: a block of Sampled Values has hundreds
CHANNELS_MAX = 200
TITLE = 14
BITS = frozenset(("stat", "digital", "quality"))  # quantities whose integers are bits
Told = Mapping[str, Any]
_UNITS = (("s", NS), ("ms", 1_000_000), ("us", 1_000), ("ns", 1))


def lines(found: Told) -> list[str]:
    """All of it."""
    stream = f" ({found['stream']})" if found["stream"] else ""
    rows = [
        ("sample", f"{found['sample']} of {found['gateway']}{stream}"),
        ("", f"{found['kind']}, {found['bytes']} bytes, in entry {found['receipt']['entry']}"),
    ]
    if found["copies"] > 1:
        rows.append(("", f"and {found['copies'] - 1} more for this position: this came first"))
    rows += _worth(found)
    rows += _time(found)
    rows.append(("flags", ", ".join(found["flags"]) or "none"))
    if found["test"] is not None:
        rows.append(("test", found["test"]))
    rows += _values(found)
    rows += _descriptor(found["descriptor"])
    rows += _credential(found["credential"])
    rows += _verdict(found["verdict"])
    for fix in found["fixes"]:
        rows += _fix(fix)
    return [f"{title:<{TITLE}}{text}" for title, text in rows]


def span(ns: int) -> str:
    """A duration in the unit that suits it, to three digits and a bit."""
    for unit, scale in _UNITS:
        if abs(ns) >= scale:
            return f"{ns / scale:.4g} {unit}"
    return "0 ns"


def _worth(found: Told) -> Iterator[tuple[str, str]]:
    yield "class", _grade(found)
    yield "", f"{_grade(found['receipt'])}, by its receipt"
    if found["vouched"] is not None:
        yield "", f"vouched for {_entry(found['vouched'])}"
    for one in found["findings"]:
        about = "" if one["channels"] is None else f" of {', '.join(one['channels'])}"
        yield "", f"{_grade(one)}{about}, found {one['found']}, entry {one['entry']}"


def _time(found: Told) -> Iterator[tuple[str, str]]:
    yield "instant", found["instant"]
    bound = found["bound_ns"]
    told = "no bound" if bound is None else f"within {span(bound)}"
    yield "bound", f"{told}, by the clock that stamped it: {found['clock']}"
    after, own = found["heard_ns"], found["heard_bound_ns"]
    way = "after" if after >= 0 else "BEFORE"
    known = "which nothing vouches for" if own is None else f"known to {span(own)}"
    yield "heard", f"{span(abs(after))} {way} its instant, by the gateway's clock, {known}"


def _values(found: Told) -> Iterator[tuple[str, str]]:
    title = "values"
    if found["says"]:
        yield title, found["says"]
        title = ""
    for row in found["values"][:CHANNELS_MAX]:
        yield title, _value(row)
        title = ""
    if len(found["values"]) > CHANNELS_MAX:
        yield "", f"and {len(found['values']) - CHANNELS_MAX} more: --json tells all"
    named = {row["node"]: row["bus"] for row in found["values"] if row.get("bus")}
    for node, bus in named.items():
        yield "", f"bus {bus} is {node}"


def _value(row: Told) -> str:
    value = row["value"]
    if isinstance(value, list):
        more = f", and {len(value) - VALUES_MAX} more" if len(value) > VALUES_MAX else ""
        shown = ", ".join(map(_number, value[:VALUES_MAX])) + more
    else:
        bits = row["quantity"] in BITS and isinstance(value, int)
        shown = "none" if value is None else f"0x{value:04x}" if bits else _number(value)
    parts = [" ".join(part for part in (row["name"], row["part"], shown, row["unit"]) if part)]
    if row["missing"]:
        parts.append("the device gave none")
    if row.get("phase"):
        parts.append(f"phase {row['phase']}")
    if row.get("node"):
        parts.append(f"bus {row['bus'] or row['node']}")
    if row.get("terminal"):
        way = f" ({row['direction']})" if row["direction"] else ""
        parts.append(f"terminal {row['terminal']}{way}")
    if "class" in row:
        parts.append(_grade(row))
    return ", ".join(parts)


def _number(value: Any) -> str:
    return f"{value:.9g}" if isinstance(value, float) else str(value)


def _descriptor(found: Told) -> Iterator[tuple[str, str]]:
    frames, seconds = found["rate"]
    rate = f"{frames} in {seconds} s" if frames else "rate unknown"
    wait = "" if found["wait_ms"] is None else f", which waits {found['wait_ms']} ms"
    path = f", {found['path_ms']} ms away" if found["path_ms"] else ""
    way = f"{found['origin']}{wait}{path}, {rate}"
    yield "descriptor", f"{found['name'][:16]}, seq {found['seq']}, {way}"
    if found["time_bound_ns"] is not None:
        stated = f"within {span(found['time_bound_ns'])} when locked"
        yield "", f"its clock: {stated}, by {found['time_document']!r}"
    for one in found["stations"]:
        klass = f", class {one['class']}" if one["class"] else ""
        yield "", f"station {one['name']!r}, IDCODE {one['idcode']}{klass}"
    place = found["position"]
    if place is not None:
        accuracy = "" if place["accuracy_m"] is None else f" to {place['accuracy_m']:g} m"
        yield "", f"antenna surveyed at {place['latitude']}, {place['longitude']}{accuracy}"


def _credential(found: Told) -> Iterator[tuple[str, str]]:
    role = f", a {found['role']}"
    yield "credential", f"{found['subject']}, key {found['kid']}{role}, by {found['issuer']}"
    yield "", f"in force {found['from']} to {found['until']}"
    if found["issued"] is not None:
        yield "", f"issued {_entry(found['issued'])}"
    if found["revoked"] is not None:
        yield "", f"its key was revoked ({found['revoked']['why']}) {_entry(found['revoked'])}"


def _entry(found: Told) -> str:
    text = f": {found['text']}" if found["text"] else ""
    where = f"entry {found['number']} of its book, entry {found['entry']}"
    return f"by {found['issuer']}, {where}, since {found['since']}{text}"


def _verdict(found: Told | None) -> Iterator[tuple[str, str]]:
    if found is None:
        yield "verdict", "none was heard before it"
        return
    yield "verdict", f"seq {found['seq']} of stream 0, {span(found['before_ns'])} before"
    if "why" not in found:
        yield "", found["words"]
        return
    bound = "no bound" if found["bound_ns"] is None else f"within {span(found['bound_ns'])}"
    by = f", by {found['chosen']} ({found['clock']})" if found["chosen"] else ""
    yield "", f"the gateway's clock: {bound}{by}: {found['why']}"
    for one in found["sources"]:
        off = "" if one["offset_ns"] is None else f" {span(one['offset_ns'])} off"
        error = "" if one["error_ns"] is None else f" +-{span(one['error_ns'])}"
        words = f"; {one['words']}" if one["words"] else ""
        yield "", f"source {one['name']}: {one['state']}{off}{error}{words}"
    yield "", f"place {found['place']}{_distance(found)}"
    for one in found["tripped"]:
        where = "" if one["stream"] is None else f" of stream {one['stream']}"
        yield "", f"{one['check']}{where} since {one['since']}"


def _distance(found: Told) -> str:
    if found["distance_mm"] is None:
        return ""
    allowed = found["allowed_mm"]
    may = "" if allowed is None else f", {allowed / 1000:.1f} m may be"
    return f", {found['distance_mm'] / 1000:.1f} m from the survey{may}"


def _fix(found: Told) -> Iterable[tuple[str, str]]:
    name = f" ({found['name']})" if found["name"] else ""
    if found["seq"] is None or "fix" not in found:
        return [("fix", f"of stream {found['stream']}{name}: {found['words']}")]
    before = f"the last that was kept, {span(found['before_ns'])} before the verdict"
    which = "the epoch that the verdict leans on" if found["exact"] else before
    rows = [("fix", f"seq {found['seq']} of stream {found['stream']}{name}, {which}")]
    bound = "" if found["bound_ns"] is None else f" within {span(found['bound_ns'])}"
    at = "" if found["instant"] is None else f", {found['instant']}{bound}"
    rows.append(("", f"{found['fix']}, {found['mode']} mode, in {found['speech']}{at}"))
    if found["latitude"] is not None:
        mm = found["accuracy_mm"]
        accuracy = "" if mm is None else f" to {mm / 1000:.1f} m"
        rows.append(("", f"at {found['latitude']:.7f}, {found['longitude']:.7f}{accuracy}"))
    satellites = "?" if found["satellites"] is None else found["satellites"]
    level = "" if found["cn0"] is None else f" at {found['cn0']:.0f} dB-Hz"
    antenna = "" if found["antenna"] is None else f", antenna {found['antenna']}"
    watched = f"spoofing {found['spoofing']}, jamming {found['jamming']}"
    rows.append(("", f"{satellites} satellites{level}{antenna}, {watched}"))
    if found["doubts"]:
        rows.append(("", f"doubts: {', '.join(found['doubts'])}"))
    return rows


def _grade(found: Told) -> str:
    return f"{found['class']}: {found['reason']}" if found["reason"] else str(found["class"])
