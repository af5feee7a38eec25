"""What a stream has to say beside its samples: events, as frames that are sealed and as faults that
are counted.

1. An event is sealed at once when it is the first of its kind for HOLD_NS. What comes within that
   is sealed together, with its count, when the time is over: nobody fills a disk with events.
2. Each one that is no ordinary course of things is told as a fault, too, by its name: so it stands
   in the agent's health, and the frame in its ring. Such a fault has the kind EVENT: the frame
   beside it may be a good one.

It decides nothing about frames, and keeps one event of each kind.
"""

from dataclasses import replace

from drivers.line import Frame, FrameError, Instant
from evidence.code import Event, Flag, Kind, TimeSource
from evidence.event import Noticed
from evidence.leap import NS

HOLD_NS = 10 * NS
# What happens to the best: stated, and no fault of anybody.
ORDINARY = frozenset((Event.STATE_FOUND, Event.HEARD_AGAIN, Event.MODE_CHANGED))
# Events that only the frame proves; it is kept in them where it is no sample itself.
_PROVED = frozenset((Event.REPLAYED, Event.REORDERED, Event.SENDER_CHANGED, Event.ADDRESS_CHANGED))

_EVENT, _UNKNOWN = int(Kind.EVENT), int(TimeSource.UNKNOWN)


class Notices:
    """The events of one stream. `flags`: of what is told about it (evidence.code.Flag)."""

    __slots__ = ("_flags", "_held", "_key", "_until")

    def __init__(self, key: str, flags: int) -> None:
        self._key = key
        self._flags = flags | int(Flag.AGENT_STAMPED)
        self._until: dict[Event, int] = {}  # what was sealed, and until when more of it is held
        self._held: dict[Event, Noticed] = {}

    def tell(
        self, event: Event, text: str, heard: Instant, raw: bytes, at: int, taken: bool
    ) -> list[Frame]:
        """One event, at `at` (ns TAI). `raw` showed it, and is sealed itself if `taken`."""
        frames: list[Frame] = []
        if event not in ORDINARY:
            fault = FrameError(event.name.lower(), f"{self._key}: {text}")
            frames.append(
                Frame(self._key, _EVENT, raw, at, None, _UNKNOWN, self._flags, heard, fault)
            )
        kept = raw if event in _PROVED and raw and not taken else None
        one = Noticed(event, at, at, 1, text, kept)
        if 0 <= self._until.get(event, at) - at <= HOLD_NS and event in self._until:
            held = self._held.get(event)
            if held is not None:
                first, last = min(held.first, at), max(held.last, at)
                one = replace(one, first=first, last=last, count=held.count + 1)
            self._held[event] = one
            return frames
        return [*frames, *self.due(heard), self._sealed(one, heard)]

    def due(self, now: Instant) -> list[Frame]:
        """The held events whose time is over."""
        over = [
            event
            for event, until in self._until.items()
            if not 0 <= until - now.tai <= HOLD_NS  # a clock that was set back holds nothing
        ]
        frames: list[Frame] = []
        for event in over:
            held = self._held.pop(event, None)
            del self._until[event]
            if held is not None:
                frames.append(self._sealed(held, now))
        return frames

    def deadline(self) -> int | None:
        """When `due` will have something, ns TAI."""
        return min((self._until[event] for event in self._held), default=None)

    def _sealed(self, one: Noticed, now: Instant) -> Frame:
        self._until[one.event] = now.tai + HOLD_NS
        return Frame(self._key, _EVENT, one.raw(), now.tai, now.bound, _UNKNOWN, self._flags, now)
