"""One moment, as page and terminal show it: every stream's sample of one and the same instant, as
the record has it.

1. The instant lies SHOWN_AFTER_NS back: by then a healthy stream's batch is in the record. So what
   is shown moves with every frame, though batches come four times a second.
2. A stream whose last sample is older than STALE_NS before that instant is shown as it was, with
   how long ago; nothing is made up.
3. Angles are against the first stream that has a voltage at that instant, so that they stand still.

It decodes what is shown, and no more.
"""

import cmath
import math
from typing import Any

from agent.reading import words_of
from drivers.decode import compiled
from drivers.goose.data import UtcTime
from drivers.line import FrameError
from evidence import instant
from evidence.code import Kind
from evidence.leap import BUILT_IN, NS
from hil.demo.reading import Held, Reading, Stream, words

SHOWN_AFTER_NS = NS
STALE_NS = NS
PHASES = "ABC"
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
        "runs": dict(reading.runs),
    }


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
        "stale": age > STALE_NS and sample.kind == Kind.C37118,
        "samples": stream.samples,
        "gaps": stream.gaps,
    }
    try:
        frames = compiled(sample.kind, stream.known.configuration or b"")
        values = frames.decode(sample.raw)
    except FrameError as fault:
        return row | {"says": f"nobody can read it: {fault}"}
    if sample.kind == Kind.C37118:
        return row | _phasors(frames.slots, values)
    pairs = [
        f"{slot.name} {_short(value)} {slot.unit}".strip()
        for slot, value in zip(frames.slots, values, strict=True)
    ]
    return row | {"says": ", ".join(pairs[:SLOTS_MAX])}


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


def _short(value: Any) -> str:
    if isinstance(value, UtcTime):  # of a GOOSE t
        return f"{instant.words(BUILT_IN.tai_ns(value.seconds))[11:19]} UTC"
    if value is None or isinstance(value, tuple | bytes):
        return words_of(value)
    return f"{value:.5g}" if isinstance(value, float) else str(value)
