"""How long a source has been silent, by a loop that may have been held up itself.

A look that comes late was held up, and so was the device perhaps, or what lies between: that much
is not its silence.
"""

LOOKS_A_SILENCE = 4  # how often it is looked at, within one


class Silence:
    """Times are the loop's, in s. It asks no clock."""

    __slots__ = ("_heard_s", "_due_s")

    def __init__(self, now_s: float) -> None:
        self._heard_s = now_s  # later by what the loop was held up since
        self._due_s = now_s  # of the next look

    def heard(self, now_s: float) -> None:
        """Something good was."""
        self._heard_s = now_s

    def look(self, now_s: float) -> float:
        """For how long nothing was, at the look that was due."""
        held_up_s = max(now_s - self._due_s, 0.0)
        self._heard_s = min(self._heard_s + held_up_s, now_s)
        return now_s - self._heard_s

    def next_look_s(self, now_s: float, allowed_s: float) -> float:
        """When it is due."""
        self._due_s = now_s + allowed_s / LOOKS_A_SILENCE
        return self._due_s
