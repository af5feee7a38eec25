"""What a sample leans on for its time and place: the gateway's verdict that held when it was heard,
and the receivers' fixes that the verdict leans on.

1. The verdict is the last in stream 0 of that device that it had heard before the sample; of the
   run before, where its own has none yet.
2. The fix is the epoch that the verdict names, in the last frame of that stream before the verdict
   or in the next one, which carries what came since; it is read back from the receiver's own bytes
   by the same code as on the gateway. Where its bytes were not kept it is the last one before, and
   that is told.
3. A sample of a test (Flag.TEST) leans on the event that began it, in its own stream.
4. How far is looked back is bounded: nothing found within it is "not found", and not "none".
"""

from typing import NamedTuple

from drivers.gnss.epoch import Epochs
from drivers.gnss.fix import Fix
from drivers.line import Instant
from evidence import event, verdict
from evidence.code import Event, Flag, Kind
from evidence.event import Noticed
from evidence.refusal import EvidenceError
from evidence.verdict import Verdict
from record.lookup import Lookup, Seen

OWN_STREAM = 0  # the gateway's
SPANS_MAX = 4096  # looked at: a verdict comes every 10 s, and a span of stream 0 is one batch
RUNS_MAX = 8
EVENTS_MAX = 16  # of a stream, back to the one that began a test
LINKS_MAX = 16  # of a receiver's stream, to its next frame: events and descriptors between


class Leaning(NamedTuple):
    """An observation that a sample leans on. `verdict`, `fix`: None where its bytes are none."""

    seen: Seen
    verdict: Verdict | None = None
    fix: Fix | None = None
    exact: bool = True  # the fix is of the epoch that the verdict names


def verdict_of(lookup: Lookup, seen: Seen) -> Leaning | None:
    """Raises StoreError."""
    found = _last(lookup, seen, OWN_STREAM, Kind.VERDICT, seen.heard)
    if found is None:
        return None
    try:
        return Leaning(found, verdict.read(found.sample.raw))
    except EvidenceError:
        return Leaning(found)


def test_of(lookup: Lookup, seen: Seen) -> Noticed | None:
    """What began the test that it was measured in, as far as that is found. Raises StoreError."""
    if not seen.sample.flags & Flag.TEST:
        return None
    until = seen.heard
    for _ in range(EVENTS_MAX):
        found = _last(lookup, seen, seen.sample.stream, Kind.EVENT, until)
        if found is None:
            return None
        try:
            noticed = event.read(found.sample.raw)
        except EvidenceError:
            return None
        if noticed.event is Event.TEST_BEGAN:
            return noticed
        until = found.heard - 1
    return None


def fixes_of(lookup: Lookup, leaning: Leaning) -> dict[int, Leaning | None]:
    """By the stream of each receiver that the verdict names. Raises StoreError."""
    said = leaning.verdict.receivers if leaning.verdict is not None else ()
    return {one.stream: _fix_of(lookup, leaning.seen, one.stream, one.tai) for one in said}


def _fix_of(lookup: Lookup, of: Seen, stream: int, tai: int | None) -> Leaning | None:
    last = _last(lookup, of, stream, Kind.FIX, of.heard)
    if last is None:
        return None
    epochs = _read_fixes(last)
    newest = epochs[-1] if epochs else None
    if tai is None:  # it claimed none
        return Leaning(last, None, newest)
    after = lookup.next_after(last, int(Kind.FIX), LINKS_MAX)
    for seen, fixes in ((last, epochs), (after, _read_fixes(after) if after else [])):
        named = [fix for fix in fixes if fix.tai == tai]
        if seen is not None and named:
            return Leaning(seen, None, named[-1])
    return Leaning(last, None, newest, exact=False)


def _last(lookup: Lookup, of: Seen, stream: int, kind: Kind, until: int) -> Seen | None:
    run = of.run
    for _ in range(RUNS_MAX):
        found = lookup.last_before(run, stream, int(kind), until, SPANS_MAX)
        if found is not None:
            return found
        before = lookup.before(run)
        if before is None:
            return None
        run = before
    return None


def _read_fixes(seen: Seen) -> list[Fix]:
    """The epochs in the receiver's bytes."""
    sample = seen.sample
    heard = Instant(seen.heard, sample.heard_bound)
    epochs = Epochs(through_gpsd=sample.raw.startswith(b"{"))
    items = [*epochs.feed(sample.raw, heard), *epochs.flush(heard)]
    return [item for item in items if isinstance(item, Fix)]
