"""What the agent says of itself: counts, latency and the last bad frames, all bounded.

1. Nothing here is needed to seal, keep or forward; it only tells.
2. Latency is a histogram of LATENCY_BUCKETS buckets of 1 ms: two numbers to add, whatever the rate.

No secret and no measured value is in it; where devices say that they stand is.
"""

from collections import Counter, deque
from collections.abc import Sequence
from typing import Any, NamedTuple

from drivers.line import Setup

LATENCY_BUCKETS = 2000  # 1 ms each; the last holds all that is later
ANSWERED_MAX = 8  # of the record's answers, the last ones
ANSWER_BYTES_MAX = 8192  # of each; most have one KiB, and a record may send a thousand
RING_FRAMES = 64  # bad frames kept for a look
RING_BYTES = 512  # of each
FAULT_NAMES_MAX = 64  # of one source: names are ours, yet a counter without a bound is a leak
PLACES_MAX = 1024  # of one source: as many PMUs as its descriptors can state
NS_PER_MS = 1_000_000


class BadFrame(NamedTuple):
    """A frame that was counted and not sealed."""

    source: str
    fault: str
    text: str
    raw: bytes
    tai: int


class Answered(NamedTuple):
    """What the record said of a batch: a receipt, or a refusal. `at`: ns TAI."""

    encoded: bytes  # empty where it is longer than ANSWER_BYTES_MAX
    observations: int
    size: int
    at: int


class Latency:
    """Arrival to durable, in ms."""

    __slots__ = ("_buckets", "count")

    def __init__(self) -> None:
        self._buckets = [0] * LATENCY_BUCKETS
        self.count = 0

    def add(self, ns: int, count: int = 1) -> None:
        bucket = ns // NS_PER_MS
        self._buckets[min(bucket, LATENCY_BUCKETS - 1) if bucket > 0 else 0] += count
        self.count += count

    def percentile(self, share_percent: int) -> int | None:
        """The upper edge, in ms, of the bucket that holds this share; None without samples."""
        wanted = self.count * share_percent
        seen = 0
        for bucket, number in enumerate(self._buckets):
            seen += number * 100
            if number and seen >= wanted:
                return bucket + 1
        return None

    def within(self, edges_ms: Sequence[int]) -> list[int]:
        """How many took no longer than each of these, which rise."""
        return [sum(self._buckets[:edge]) for edge in edges_ms]

    def sum_ms(self) -> float:
        """Of all, each taken for the middle of its bucket."""
        return sum((bucket + 0.5) * number for bucket, number in enumerate(self._buckets))


class SourceHealth:
    """One source's counts."""

    __slots__ = ("state", "heard", "sealed", "opened", "faults", "last_tai", "text", "places")

    def __init__(self) -> None:
        self.state = "starting"
        self.text = ""
        self.heard = self.sealed = self.opened = 0
        self.last_tai: int | None = None
        self.faults: Counter[str] = Counter()
        self.places: dict[str, dict[int, tuple[float, float, float] | None]] = {}

    def place(self, setup: Setup) -> None:
        """Where its devices say that they stand: by stream and IDCODE, degrees, and m that were
        lost in rounding. None: they do not say.
        """
        if not setup.configuration:
            return  # nothing is known now: what was said last stands
        others = sum(len(told) for key, told in self.places.items() if key != setup.key)
        if others + len(setup.blocks) <= PLACES_MAX:
            self.places[setup.key] = {
                block.idcode: None
                if block.position is None
                else (block.position.latitude, block.position.longitude, block.position.rounded_m)
                for block in setup.blocks
            }

    def fault(self, name: str) -> None:
        self.faults[
            name if name in self.faults or len(self.faults) < FAULT_NAMES_MAX else "other"
        ] += 1


class Health:
    """The whole agent's counts. Observations count one each."""

    __slots__ = (
        *(
            "sources",
            "ring",
            "latency",
            "gaps",
            "sealed",
            "durable",
            "receipted",
            "refused",
            "unkept",
            "forgone",
            "given_up",
            "in_memory",
            "run",
            "record",
        ),
        *("spool_fault", "disk_low", "waiting", "waiting_bytes", "tree_size", "bugs", "clock"),
        *("waiting_batches", "in_flight", "reopened", "forks", "unread", "key_fault"),
        *("answered", "pending_full"),
        *("oldest", "oldest_age_s", "bytes_kept", "bytes_written", "disk_full_s", "days_to_drain"),
    )

    def __init__(self) -> None:
        self.sources: dict[str, SourceHealth] = {}
        self.ring: deque[BadFrame] = deque(maxlen=RING_FRAMES)
        self.latency = Latency()
        self.gaps: Counter[str] = Counter()
        self.sealed = self.durable = self.receipted = self.refused = self.unkept = self.bugs = 0
        self.waiting = self.waiting_bytes = self.waiting_batches = self.tree_size = 0
        self.in_flight = self.reopened = self.unread = 0
        self.forks: list[dict[str, int]] = []  # agent.lineage's, bounded there
        # What agent.outlook saw; None where nobody can say.
        self.oldest: int | None = None
        self.oldest_age_s: int | None = None
        self.bytes_kept: int | None = None
        self.bytes_written: int | None = None
        self.disk_full_s: int | None = None
        self.days_to_drain: float | None = None
        self.answered: deque[Answered] = deque(maxlen=ANSWERED_MAX)
        self.in_memory = 0  # of the durable ones: held for a receipt, and on no disk (spill)
        self.forgone = 0  # of the unkept: they had been sealed, and the disk has no room for them
        self.given_up = 0  # observations that went without a receipt, or are damaged on disk
        self.disk_low = False
        self.pending_full = False  # as much waits for the record as may, and no line is read
        self.run = self.record = self.spool_fault = self.key_fault = self.clock = ""

    def source(self, name: str) -> SourceHealth:
        return self.sources.setdefault(name, SourceHealth())

    def forgo(self, observations: int) -> None:
        """What was sealed is not kept: sealed are those that are durable, these, and what waits
        for a commit.
        """
        self.unkept += observations
        self.forgone += observations

    def answer(self, encoded: bytes, observations: int, size: int, tai: int) -> None:
        """What the record said of a batch, for a look."""
        kept = encoded if len(encoded) <= ANSWER_BYTES_MAX else b""
        self.answered.append(Answered(kept, observations, size, tai))

    def bad_frame(self, source: str, fault: str, text: str, raw: bytes, tai: int) -> None:
        self.source(source).fault(fault)
        self.ring.append(BadFrame(source, fault, text, raw[:RING_BYTES], tai))

    def _oldest(self) -> dict[str, int | None] | None:
        """The oldest batch without a receipt, as it was last looked at."""
        if self.oldest is None or not self.waiting_batches:
            return None
        return {"tai": self.oldest, "age_s": self.oldest_age_s}

    def report(self) -> dict[str, Any]:
        """All of it, for JSON. Instants in ns TAI, latency in ms."""
        return {
            "run": self.run,
            "clock": self.clock,
            "heard": sum(source.heard for source in self.sources.values()),
            "sealed": self.sealed,
            "durable": self.durable,
            "receipted": self.receipted,
            "refused": self.refused,
            "waiting": self.waiting,
            "waiting_bytes": self.waiting_bytes,
            "queue": {
                "batches": self.waiting_batches,
                "observations": self.waiting,
                "bytes": self.waiting_bytes,
            },
            "oldest_unreceipted": self._oldest(),
            "in_flight": self.in_flight,
            "unreadable": self.unread,
            "days_to_drain": self.days_to_drain if self.waiting_batches else 0.0,
            "bytes_kept": self.bytes_kept,
            "bytes_written": self.bytes_written,
            "disk_full_s": self.disk_full_s,
            "forks": list(self.forks),
            "offered_again": self.reopened,
            "holes": sum(self.gaps.values()),
            "gaps": dict(self.gaps),
            "unkept": self.unkept,
            "forgone": self.forgone,
            "given_up": self.given_up,
            "in_memory": self.in_memory,
            "faults": sum(sum(source.faults.values()) for source in self.sources.values()),
            "bugs": self.bugs,
            "tree_size": self.tree_size,
            "record": self.record,
            "spool_fault": self.spool_fault,
            "key_fault": self.key_fault,
            "disk_low": self.disk_low,
            "pending_full": self.pending_full,
            "latency_ms": {"p50": self.latency.percentile(50), "p99": self.latency.percentile(99)},
            "sources": {name: _source_report(source) for name, source in self.sources.items()},
            "bad_frames": [{**bad._asdict(), "raw": bad.raw.hex()} for bad in self.ring],
        }


def _source_report(source: SourceHealth) -> dict[str, Any]:
    return {
        "state": source.state,
        "text": source.text,
        "heard": source.heard,
        "sealed": source.sealed,
        "opened": source.opened,
        "last_tai": source.last_tai,
        "faults": dict(source.faults),
        "places": source.places,
    }
