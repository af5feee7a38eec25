"""A scenario's own clock against the clock on the wall: stretches may be shortened.

1. Outside of stretches a second is a second; within one that is shortened, all of it passes in
   `short_s`, evenly.
2. Played in full, both clocks are one.

Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from hil.live.sheet import Stretch


@dataclass(frozen=True, slots=True)
class Timeline:
    """Of one play. Seconds from the beginning on both clocks."""

    length_s: float
    stretches: Sequence[Stretch] = ()  # that are shortened, in order

    def played_s(self, at_s: float) -> float:
        """When an instant of the scenario is played."""
        passed = at_s
        for one in self.stretches:
            whole, within = one.ends_s - one.begins_s, min(at_s, one.ends_s) - one.begins_s
            if within > 0:
                passed += within * (min(one.short_s, whole) / whole - 1)
        return passed

    def scenario_s(self, played_s: float) -> float:
        """Which instant of the scenario is played then."""
        for one in self.stretches:
            begins, ends = self.played_s(one.begins_s), self.played_s(one.ends_s)
            if begins <= played_s < ends:
                share = (played_s - begins) / (ends - begins)
                return one.begins_s + share * (one.ends_s - one.begins_s)
        later = [one for one in self.stretches if self.played_s(one.ends_s) <= played_s]
        if not later:
            return played_s
        return later[-1].ends_s + played_s - self.played_s(later[-1].ends_s)

    @property
    def whole_s(self) -> float:
        """What all of it takes on the wall."""
        return self.played_s(self.length_s)
