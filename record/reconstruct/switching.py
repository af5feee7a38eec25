"""Changes of state that GOOSE observations bring, value by value.

1. A gateway seals a GOOSE frame where it brings a change of state, and what it heard first. A
   change is a value that is another than in the frame before, of the same stream of the same
   device; of a first frame each value is told as found.
2. Values are told as the standard names them: Dbpos 00 intermediate, 01 open (off), 10 closed (on),
   11 bad (IEC 61850-7-3 6.2); a boolean is true or false, whatever it stands for.
3. A frame that cannot be decoded is told as such: it is a change that nobody can read here.

It draws no conclusion about a breaker.
"""

from collections.abc import Iterator
from typing import NamedTuple

from drivers.line import FrameError
from drivers.values import Compiled, Value, Values
from evidence.layout import Quality
from record.channel import channels_of
from record.known import KnownDescriptor
from record.reconstruct.words import marks, named, uuid

_DBPOS = {"00": "intermediate", "01": "open", "10": "closed", "11": "bad"}
_VALIDITY = {"00": "good", "01": "invalid", "10": "reserved", "11": "questionable"}
_ASIDE = ("quality", "time")  # parts of a value, and no state


class Change(NamedTuple):
    """One value that changed. `bus`: CIM mRID in words; `quality`: of the value, and what the
    observation is flagged with; `place`: of the observation in its batch, whose leaf is `idx`."""

    tai: int
    bound: int | None
    gateway: str
    stream: str
    device: str
    state: str
    was: str
    bus: str
    quality: str
    idx: int
    place: int


class Switching:
    """One stream of a device, under whichever descriptor."""

    def __init__(self) -> None:
        self._before: dict[tuple[str, int], str] = {}

    def changes(
        self,
        known: KnownDescriptor,
        at: tuple[int, Quality, int, int],
        raw: bytes,
        frames: Compiled | None,
    ) -> Iterator[Change]:
        """Those that a frame brings; `at`: its instant and quality, its leaf and place."""
        tai, (bound, _, flags), idx, place = at
        marked = marks(flags)
        gateway, stream = known.run.credential.subject, named(known)
        for slot, name, bus, state, quality in _states(known, frames, raw):
            key = (name, slot)
            was = self._before.get(key)
            if was != state:
                self._before[key] = state
                told = (name, state, was or "", bus, ", ".join(filter(None, (quality, *marked))))
                yield Change(tai, bound, gateway, stream, *told, idx, place)


def _states(
    known: KnownDescriptor, frames: Compiled | None, raw: bytes
) -> Iterator[tuple[int, str, str, str, str]]:
    values: Values | None = None
    try:
        values = None if frames is None else frames.decode(raw)
    except FrameError:
        pass  # its receipt says so
    if frames is None or values is None:
        buses = {uuid(row.node) for row in known.descriptor.channels if row.node is not None}
        bus = buses.pop() if len(buses) == 1 else ""
        yield -1, "", bus, f"not decoded: {raw[:32].hex()}", ""
        return
    channels, rows = channels_of(known, frames.slots), known.descriptor.channels
    found = zip(frames.slots, values, strict=True)
    words = [_validity(value) for slot, value in found if slot.part == "quality"]
    quality = " ".join(dict.fromkeys(words))
    for at, (slot, value) in enumerate(zip(frames.slots, values, strict=True)):
        if slot.part in _ASIDE:
            continue
        place = channels[at]
        bus = "" if place is None else uuid(rows[place].node)
        yield at, slot.name, bus, worded(value, getattr(slot, "btype", "")), quality


def _validity(value: Value) -> str:
    """IEC 61850-7-3 6.2.1: the first two bits."""
    if isinstance(value, str):
        return _VALIDITY.get(value[:2], value)
    return worded(value)


def worded(value: Value, btype: str = "") -> str:
    """A state in words."""
    if btype == "Dbpos" and isinstance(value, str):
        return _DBPOS.get(value, value)
    if isinstance(value, tuple):
        return f"[{' '.join(worded(one) for one in value)}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float):
        return f"{value:.9g}"
    return "none" if value is None else str(value)
