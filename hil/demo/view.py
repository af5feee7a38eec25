"""One moment, as page and terminal show it: every stream's sample of one and the same instant, as
the record has it.

1. The instant lies SHOWN_AFTER_NS back: by then a healthy stream's batch is in the record. So what
   is shown moves with every frame, though batches come four times a second.
2. A stream whose last sample is older than STALE_NS before that instant is shown as it was, with
   how long ago; so are others' (`old_s`) whose gateway is quiet, and a relay's position that was
   not read for OLD_S. A breaker by GOOSE is in the record once for each change, and stays as said.
   A quiet gateway's clock and place are its last word, and told as that. Nothing is made up.
3. Angles are against the first stream that has a voltage at that instant, so that they stand still.

It decodes what is shown, and no more.
"""

import cmath
import math
from collections.abc import Mapping
from itertools import islice
from typing import Any

from drivers.decode import compiled
from drivers.line import FrameError
from evidence import instant, verdict
from evidence.code import Kind
from evidence.leap import NS
from evidence.verdict import PlaceState
from hil.demo import wording
from hil.demo.reading import Held, Reading, Stream, words
from record.words import span

SHOWN_AFTER_NS = NS
STALE_NS = NS
PHASES = "ABC"
QUIET_S = 3.0  # a gateway's batches come four times a second
OLD_S = 5.0  # for a relay's position, which is read twice a second
SLOTS_MAX = 4  # values of a stream that is no PMU's, in words
Told = dict[str, Any]


def told(reading: Reading, now: int) -> Told:
    """All streams at `now` less SHOWN_AFTER_NS, ns TAI."""
    at = now - SHOWN_AFTER_NS
    rows = []
    reference: float | None = None
    for stream in sorted(reading.streams.values(), key=lambda one: (one.gateway, one.name)):
        held = stream.at(at)
        if held is None:
            continue
        row = _row(stream, held, at)
        if not row["pmu"] and (old_s := _old_s(row, now - reading.heard[stream.gateway])):
            row["old_s"] = old_s
        if reference is None and row.get("v") and not row["stale"]:
            reference = row["v"][0][1]
        rows.append(row)
    for row in rows:
        _turned(row, reference)
    return {
        "instant": instant.words(at)[11:21],
        "streams": rows,
        "size": reading.size,
        "batches": reading.batches,
        "observations": reading.observations,
        "heard": {name: round(max(now - tai, 0) / NS, 1) for name, tai in reading.heard.items()},
        "gateways": [_gateway(name, reading, now) for name in sorted(reading.runs) if name != "?"],
    }


def _gateway(name: str, reading: Reading, now: int) -> Told:
    """What a gateway's last verdict says of its clock and its place."""
    heard = reading.heard.get(name)
    age_s = None if heard is None else round(max(now - heard, 0) / NS, 1)
    row: Told = {
        "name": name,
        "run": reading.runs[name],
        "age_s": age_s,
        "quiet": age_s is None or age_s > QUIET_S,
        "place": "not told yet",
        "clock": "not told yet",
        "place_good": True,
        "clock_good": True,
    }
    held = reading.verdicts.get(name)
    if held is None:
        return row
    said = verdict.read(held.sample.raw)
    clock, place = said.clock, said.place
    row["place"] = _place(place)
    row["place_good"] = place.state is PlaceState.CHECKED
    bound = "nobody vouches for it" if clock.bound is None else f"within {span(clock.bound)}"
    row["clock"] = bound + (f", by {clock.chosen}" if clock.chosen else "")
    row["clock_good"] = clock.bound is not None and clock.held_from is None
    if row["quiet"]:
        for what in ("place", "clock"):
            row |= {what: f"{row[what]}, {age_s:.0f} s ago", f"{what}_good": False}
    return row


def _old_s(row: Told, silence_ns: int) -> int:
    """How long ago what a relay or a breaker says was so for the last time, where that is too
    long; else 0."""
    if silence_ns > QUIET_S * NS:
        return round(silence_ns / NS)
    is_read = row["kind"] == Kind.MODBUS.name.lower() and row.get("position")
    return round(row["age_s"]) if is_read and row["age_s"] > OLD_S else 0


def _place(place: verdict.Place) -> str:
    far = "" if place.distance_mm is None else f"{place.distance_mm / 1000:.0f} m from the survey"
    if place.state is PlaceState.DOUBTED:
        return f"moved: {far}" if far else "doubted"
    return (far or "as surveyed") if place.state is PlaceState.CHECKED else "unchecked"


def why(seam: Mapping[str, Any]) -> str:
    """Of a settlement: the record's words, with the sides by their names."""
    text = str(seam.get("why") or seam.get("fault") or "").replace("_", " ")
    for number, side in zip(("first", "second"), seam.get("sides", ()), strict=False):
        name = str(side["authority"])
        text = text.replace(f"the {number} side", name).replace(f"{number}: ", f"{name}: ")
    return text


def _row(stream: Stream, held: Held, at: int) -> Told:
    sample = held.sample
    age = at - sample.tai
    row: Told = {
        "name": stream.source,
        "gateway": stream.gateway,
        "stream": stream.name,
        "kind": Kind(sample.kind).name.lower(),
        "sample": f"{stream.gateway}/{stream.number}/{sample.seq}",
        "entry": held.entry,
        "grade": words(held.grade),
        "good": held.grade[0] < 2,
        "age_s": round(age / NS, 1),
        "pmu": sample.kind == Kind.C37118,
        "stale": age > STALE_NS and sample.kind == Kind.C37118,
        "samples": stream.samples,
        "gaps": stream.gaps,
        "missing": stream.lacks,
    }
    try:
        frames = compiled(sample.kind, stream.known.configuration or b"")
        values = frames.decode(sample.raw)
    except FrameError as fault:
        return row | {"says": f"nobody can read it: {fault}"}
    if sample.kind == Kind.C37118:
        return row | _phasors(frames.slots, values)
    pairs = map(wording.said, frames.slots, values)
    row["says"] = ", ".join(f"{one.name} {one.text}" for one in islice(pairs, SLOTS_MAX))
    return row | {"position": wording.position(frames.slots, values)}


def _phasors(slots: Any, values: Any) -> Told:
    """Three voltages and currents [magnitude, rad], Hz, Hz/s; MW and MVAr of all three."""
    found: dict[tuple[str, str], float] = {}
    for slot, value in zip(slots, values, strict=True):
        if isinstance(value, float) and math.isfinite(value):
            part = slot.part if slot.quantity in ("voltage", "current") else ""
            name = slot.name if part else slot.quantity
            found.setdefault((name, part), value)
    row: Told = {}
    trios = {}
    for letter, key in (("V", "v"), ("I", "i")):
        trio = [
            (found.get((letter + phase, "magnitude")), found.get((letter + phase, "angle")))
            for phase in PHASES
        ]
        if all(None not in pair for pair in trio):
            trios[key] = trio
            row[key] = [[round(size or 0.0, 2), angle or 0.0] for size, angle in trio]
    if len(trios) == 2:
        power = sum(
            cmath.rect(v or 0.0, a or 0.0) * cmath.rect(i or 0.0, -(b or 0.0))
            for (v, a), (i, b) in zip(trios["v"], trios["i"], strict=True)
        )
        row |= {"mw": round(power.real / 1e6, 2), "mvar": round(power.imag / 1e6, 2)}
    for quantity, key, digits in (("frequency", "hz", 4), ("rocof", "rocof", 3)):
        if (quantity, "") in found:
            row[key] = round(found[quantity, ""], digits)
    return row


def _turned(row: Told, reference: float | None) -> None:
    """Angles in degrees, against the reference."""
    for key in ("v", "i"):
        for phasor in row.get(key, ()):
            turned = math.remainder(phasor[1] - (reference or 0.0), 2 * math.pi)
            phasor[1] = round(math.degrees(turned), 2)
