"""What was in a capture, and what became of it: the figures of a replay and why they do not hold.

1. All that was heard was handed on, counted by name or is a fault; all that was handed on was
   sealed, admitted, read back equal and receipted: else there is a reason for each.
2. What is wrong with the capture rather than with a frame stands apart.

It counts nothing itself: the readers do, and the passage.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from hil.capture import Tally
from hil.passage import Outcome
from hil.replay import c37118
from hil.replay.reader import Reader


class Account:
    """One replay."""

    def __init__(self, readers: Sequence[Reader]) -> None:
        self.readers = tuple(readers)
        self.tally = Tally()
        self.connections = 0
        self.outcome = Outcome()

    @property
    def heard(self) -> int:
        """Good frames of all protocols."""
        return sum(reader.heard for reader in self.readers)

    @property
    def frames(self) -> Counter[str]:
        """Good frames by type."""
        return _sum(reader.frames for reader in self.readers)

    @property
    def faults(self) -> Counter[str]:
        """By name."""
        return _sum(reader.faults for reader in self.readers)

    @property
    def events(self) -> Counter[str]:
        return _sum(reader.events for reader in self.readers)

    @property
    def protocol(self) -> str | None:
        """The protocol with most frames, or with most faults where there is no good frame."""
        met = [reader for reader in self.readers if reader.met]
        most = max(met, key=lambda one: (one.heard, one.faults.total()), default=None)
        return most.name if most else None

    def reasons(self) -> list[str]:
        """Why the replay does not hold; empty when it does."""
        found = self.outcome
        reasons = [reason for reader in self.readers for reason in reader.reasons()]
        reasons += [f"{name}: reads back otherwise than it was heard" for name in found.unequal]
        handed = sum(reader.handed for reader in self.readers)
        if found.sealed != handed:
            reasons.append(f"{handed} handed on, {found.sealed} sealed")
        if found.admitted != found.sealed:
            reasons.append(f"{found.sealed} sealed, {found.admitted} admitted")
        if found.receipted != found.admitted:
            reasons.append(f"{found.admitted} admitted, {found.receipted} receipted")
        for reason, count in found.refusals.items():
            reasons.append(f"refused: {reason} ({count})")
        if not self.heard and not self.faults:
            first, *others = (reader.title for reader in self.readers)
            also = f", and no {', no '.join(others)}" if others else ""
            reasons.append(f"no {first} in this capture{also}")
        return reasons

    def report(self) -> dict[str, Any]:
        """As --json prints it."""
        found, faults = self.outcome, self.faults
        frames: Counter[str] = Counter(dict.fromkeys(c37118.NAMES.values(), 0))
        for reader in self.readers:
            frames.update(reader.frames)
            frames.update(reader.extra)
            frames.update(reader.unsealed)
        return {
            "protocol": self.protocol,
            "protocols": {reader.name: reader.heard for reader in self.readers if reader.met},
            "frames": dict(frames),
            "faults": faults.total(),
            "fault_names": dict(faults),
            "unsealed": dict(_sum(reader.unsealed for reader in self.readers)),
            "sealed": found.sealed,
            "admitted": found.admitted,
            "receipted": found.receipted,
            "refused": found.refused,
            "equal": not found.unequal,
            "holes": found.holes,
            "noticed": found.noticed,
            "batches": found.batches,
            "connections": self.connections,
            "events": {name: count for name, count in self.events.items() if count},
            "capture": {
                "packets": self.tally.packets,
                "faults": dict(self.tally.faults),
                "other": dict(self.tally.other),
            },
        }

    def words(self, holds: bool) -> str:
        """For a terminal."""
        found = self.outcome
        lines = [f"protocol   {_listed(self._protocols()) or 'none that is known'}"]
        for reader in self.readers:
            if reader.met:
                lines.append(f"{reader.title:<10} {_listed(reader.frames) or 'no good frame'}")
                lines += [
                    f"           {_listed(counts)}{why}"
                    for counts, why in ((reader.extra, ""), (reader.unsealed, ": not sealed"))
                    if counts
                ]
        lines += [
            f"faults     {_listed(self.faults) or 'none'}",
            f"sealed     {found.sealed}",
            f"admitted   {found.admitted} in {found.batches} batches, refused {found.refused}",
            f"stated     {found.holes} holes between frames, {found.noticed} events",
        ]
        if self.connections:
            lines.insert(1, f"spoken on  {self.connections} connections")
        if self.tally.faults:
            lines.append(f"capture    {_listed(self.tally.faults)}")
        if holds:
            lines.append("what the record holds is, frame by frame, what was captured")
        return "\n".join(lines)

    def _protocols(self) -> Counter[str]:
        return Counter({reader.title: reader.heard for reader in self.readers if reader.met})


def _sum(counters: Any) -> Counter[str]:
    """All of them in one; names that count nothing are left out by none."""
    found: Counter[str] = Counter()
    for counter in counters:
        found.update(counter)
    return found


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())
