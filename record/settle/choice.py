"""Whether a settlement was computed from all that it should be: a choice of leaves is a choice of
results.

What is found is in the store, so it was in the log; what the store has not is not found.
"""

from record.known import Known
from record.settle import agreed
from record.settle.job import SIDES, Job, proposed
from record.store import Store


def left_out(store: Store, known: Known, job: Job, whole: bool = True) -> str:
    """What the log had at that size, and the settlement does not name; empty: nothing. `whole`: all
    records of the log are there, so that it can be told what was agreed. Raises StoreError."""
    size = job.leaves[0].tree_size
    of = job.of
    if whole:
        found = agreed.seams(store, size).get(job.of.seam.name)
        if found is None or found.name != job.of.name:
            return "its seam was not in force then"
        of = found
    there = proposed(store, known, of, job.stretch, size)
    for name, had, has in zip(SIDES, there.leaves, job.leaves, strict=True):
        lacks = set(had.indexes) - set(has.indexes)
        if lacks:
            return f"{name}: leaves out {len(lacks)} of {len(had.indexes)} leaves of the log"
    if whole and job.standing is not None and there.standing != job.standing:
        return "the standing residual that it names was not the agreed one then"
    return ""
