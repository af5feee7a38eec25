"""A settlement as one object for JSON and for a page, and in a line for people.

Residuals stand beside their tolerance, in their own unit; nothing is rounded but in words.
"""

import textwrap
from collections.abc import Sequence
from typing import Any

from evidence import instant
from evidence.code import SeamKind
from evidence.joint.measure import Measure
from record.known import Known
from record.settle import agreed
from record.settle.interval import Stretch
from record.settle.job import Settled, proposed, settled
from record.store import Store

WIDTH = 80  # of a terminal
Told = dict[str, Any]


def told(found: Settled) -> Told:
    """All of it."""
    outcome, job = found.outcome, found.job
    like = outcome.disagreement
    return {
        "seam": job.of.seam.name,
        "kind": job.of.seam.kind.name.lower(),
        "from": instant.words(job.stretch.begins),
        "to": instant.words(job.stretch.ends),
        "verdict": outcome.verdict.name.lower(),
        "disagreement": None if like is None else like.name.lower(),
        "why": outcome.why,
        "counts": outcome.counts._asdict(),
        "measures": [_measure(one) for one in outcome.measures],
        "sides": [
            {
                "footprint": side.footprint,
                "authority": side.authority,
                "leaves": len(leaves.indexes),
                "claim": None if claim is None else claim[0].hex(),
            }
            for side, leaves, claim in zip(job.of.seam.sides, job.leaves, job.claims, strict=True)
        ],
        "size": job.leaves[0].tree_size,
        "standing": None if found.body.standing is None else found.body.standing.hex(),
    }


def line(one: Told) -> str:
    """For people."""
    head = f"{_when(one)}  {one['verdict']}"
    if one["disagreement"]:
        head += f" ({one['disagreement']})"
    worst = max(one["measures"], key=_share, default=None)
    if worst is not None:
        head += (
            f"  {worst['name']}: {_amount(worst['size'], worst['unit'])}"
            f" of {_amount(worst['tolerance'], worst['unit'])}"
        )
    return f"{head}  {one['why']}".rstrip()


def lines(one: Told, more: Sequence[str] = (), width: int = WIDTH) -> list[str]:
    """For people at a terminal: the verdict and what is worst, then why and whatever else, a line
    or some each."""
    head, why = line({**one, "why": ""}), one["why"]
    first = textwrap.wrap(head, width, subsequent_indent="  ", break_on_hyphens=False)
    rest = (
        textwrap.wrap(
            text, width, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False
        )
        for text in (*why.split("; "), *more)
        if text
    )
    return [*first, *(row for some in rest for row in some)]


def _when(one: Told) -> str:
    """The interval: by its name on a clock, or both ends; the day of the second where it is
    another."""
    if one.get("interval"):
        return f"{one['interval']}"
    begins, ends = one["from"], one["to"]
    day, _, rest = ends.partition("T")
    return f"{begins} to {rest if rest and begins.startswith(day + 'T') else ends}"


def live(store: Store, known: Known, name: str, ends: int, span_ns: int) -> Told:
    """What a seam's sides come to over the last stretch before an instant, as the record is now:
    for a page that asks again and again. Raises NotFoundError, StoreError."""
    size = store.size()
    of = agreed.seam_called(store, name, size)
    stretch = Stretch(max(ends - span_ns, 0), ends)
    return told(settled(store, known, proposed(store, known, of, stretch, size)))


def seams(store: Store) -> list[Told]:
    """The seams in force, for a page."""
    found = agreed.seams(store, store.size())
    return [
        {
            "name": one.seam.name,
            "kind": one.seam.kind.name.lower(),
            "by": "energy" if one.seam.kind == SeamKind.DC_TIE else "phasors",
            "sides": [
                {"footprint": side.footprint, "authority": side.authority}
                for side in one.seam.sides
            ],
        }
        for _, one in sorted(found.items())
    ]


def _measure(one: Measure) -> Told:
    change = one.change
    return {
        "name": one.name,
        "unit": one.unit,
        "residual": [one.residual.real, one.residual.imag],
        "size": abs(one.residual),
        "spread": one.spread,
        "largest": one.largest,
        "tolerance": one.tolerance,
        "terms": [list(term) for term in one.terms],
        "change": None
        if change is None
        else {"size": abs(change.residual), "tolerance": change.tolerance},
    }


def _share(one: Told) -> float:
    """Of its tolerance."""
    tolerance: float = one["tolerance"]
    return one["size"] / tolerance if tolerance else float(one["size"] > 0.0)


def _amount(value: float, unit: str) -> str:
    return f"{value:.3%}" if unit == "1" else f"{value:.3f} {unit}"
