"""Both sides of a seam as the record has them now: what each last told, and what they come to.

1. Now is the log's own clock at its last checkpoint: no clock is asked, and a record that nobody
   sends to shows the time at which it stopped.
2. By phasors that is the last SPAN_NS before it; by energy the last whole TIE_NS that ended on a
   mark of MARK_NS, LATE_NS ago or earlier: a register is read after the interval that it ends.
3. Values of a side are for people: its last sample, in V, A, Hz and MW; of a tie its energy, MWh.
   What is judged are all samples of the stretch, by record.settle.

It writes nothing and says no record.
"""

import cmath
import math
from collections.abc import Sequence
from typing import Any

from evidence import cose, head, instant
from evidence.code import SeamKind
from evidence.joint.leaf import Leaves
from evidence.joint.seam import Seam
from evidence.leap import BUILT_IN, NS
from record.known import Known
from record.lookup import Lookup, name_of
from record.series import ALWAYS, collected
from record.settle import energy, told
from record.settle.agreed import InForce
from record.settle.interval import Stretch
from record.settle.job import proposed, settled
from record.settle.measured import measured, wanted
from record.settle.register import Trouble
from record.settle.side import Sample
from record.store import Store

SPAN_NS = 5 * NS  # what people see move; 300 samples of 60/s a side, some ms of work
TIE_NS, MARK_NS, LATE_NS = 900 * NS, 300 * NS, 120 * NS
LAST_NS = NS  # of the samples that a side's last one is looked for in
Told = dict[str, Any]


def live(store: Store, known: Known, of: InForce, tai: int, size: int) -> Told:
    """What the sides come to before an instant, and what each told last. Raises NotFoundError,
    StoreError, EvidenceError."""
    stretch = stretch_of(of.seam, tai)
    found = settled(store, known, proposed(store, known, of, stretch, size))
    row = told.told(found)
    for at, side in enumerate(row["sides"]):
        leaves = found.job.leaves[at]
        side["now"] = _now(store, known, of.seam, at, leaves, stretch)
        side["observation"] = _last(store, known, leaves)
    return row


def stretch_of(seam: Seam, tai: int) -> Stretch:
    """What is live at an instant of the log's clock."""
    if seam.kind != SeamKind.DC_TIE:
        return Stretch(max(tai - SPAN_NS, 0), tai)
    # Marks are of UTC, as those of meters are.
    utc = max(BUILT_IN.utc_ns(max(tai - LATE_NS, 0)), TIE_NS)
    utc_s, _ = divmod(utc - utc % MARK_NS, NS)
    ends = BUILT_IN.tai_ns(utc_s)
    return Stretch(ends - TIE_NS, ends)


def _now(
    store: Store, known: Known, of: Seam, at: int, leaves: Leaves, stretch: Stretch
) -> list[Told]:
    """Quantities of a side: name, value, unit, and the instant."""
    side = of.sides[at]
    if of.kind == SeamKind.DC_TIE:
        sought = [energy.wanted(side)]
        series = collected(store, known, leaves.indexes, leaves.tree_size, sought, ALWAYS)
        metered = energy.metered(side, series[0])
        flow = metered if isinstance(metered, Trouble) else metered.flow(stretch)
        return [] if isinstance(flow, Trouble) else _energy(flow, stretch.ends)
    last = Stretch(max(stretch.begins, stretch.ends - LAST_NS), stretch.ends)
    sources = wanted(side, of.kind)
    series = collected(store, known, leaves.indexes, leaves.tree_size, sources, last)
    found = measured(of, at, series)
    samples: Sequence[Sample] = () if isinstance(found, Trouble) else found.samples
    return _phasors(samples[-1]) if samples else []


def _energy(flow: energy.Flow, ends: int) -> list[Told]:
    rows = ("energy in", flow.into), ("energy out", flow.out), ("net", flow.net)
    return [_value(name, value, "MWh", ends) for name, value in rows]


def _phasors(one: Sample) -> list[Told]:
    """RMS of phase A, and the power of three phases."""
    rows = [
        ("voltage", abs(one.volts[0]), "V"),
        ("angle", math.degrees(cmath.phase(one.volts[0])), "\u00b0"),
        ("frequency", one.frequency_hz, "Hz"),
    ]
    for number, amps in enumerate(one.amps, 1):
        name = "current" if len(one.amps) == 1 else f"current {number}"
        rows.append((name, abs(amps[0]), "A"))
        power = sum(v * i.conjugate() for v, i in zip(one.volts, amps, strict=True)).real / 1e6
        rows.append((name.replace("current", "power"), power, "MW"))
    return [_value(*row, one.tai) for row in rows if math.isfinite(row[1])]


def _value(name: str, value: float, unit: str, tai: int) -> Told:
    return {"name": name, "value": value, "unit": unit, "at": instant.words(tai)}


def _last(store: Store, known: Known, leaves: Leaves) -> str | None:
    """The last observation of a side's last batch, as `gridseal-record prove` calls it."""
    entry = store.entry(leaves.indexes[-1]) if leaves.indexes else None
    if entry is None:
        return None
    says = head.read(cose.read(entry.encoded).payload)
    run, part = known.run(says.run), says.ranges[-1]
    described = known.descriptor(part.descriptor)
    if run is None or described is None:
        return None
    stream = Lookup(store, known).stream_name(run, part.stream) or name_of(described)
    return f"{run.credential.subject}/{stream or part.stream}/{part.last_seq}"
