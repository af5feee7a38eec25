"""What may happen to a power system: the words of a timeline, and what was seen to happen.

1. An event names what it strikes by its name in the case; a name that is not there is refused when
   the event is put into a model, not when its time comes.
2. Events are read from TOML as they are, strictly: `evidence.config.convert(row, Event)` makes one
   of `{ what = "open", branch = "7-8/1" }`.
3. What happens by itself (relays, a synchronism check) is told in the same words as what was asked.

It changes nothing: hil/power/switch.py does.
"""

from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from evidence.leap import NS


class Word(msgspec.Struct, frozen=True, tag_field="what", forbid_unknown_fields=True):
    """An event as it may be written, too: a table with `what` and the names below."""


class Open(Word, frozen=True, tag="open"):
    """Both breakers of a branch open."""

    branch: str


class Close(Word, frozen=True, tag="close"):
    """Both breakers of a branch close; with `check` only within CHECK_DEG and CHECK_HZ, or not at
    all (function 25)."""

    branch: str
    check: bool = True


class FaultBus(Word, frozen=True, tag="fault-bus"):
    """A three-phase fault at a bus, of so many ohms a phase."""

    bus: str
    ohm: float = 0.0


class FaultBranch(Word, frozen=True, tag="fault-branch"):
    """A three-phase fault on a branch, at this share of its length from its begin."""

    branch: str
    at: float = 0.5
    ohm: float = 0.0


class Clear(Word, frozen=True, tag="clear"):
    """The fault at a bus or on a branch of this name is gone."""

    name: str


class Trip(Word, frozen=True, tag="trip"):
    """A machine is lost, for good."""

    machine: str


class Dispatch(Word, frozen=True, tag="dispatch"):
    """A machine's load reference is moved by so many MW."""

    machine: str
    mw: float


class Scale(Word, frozen=True, tag="scale"):
    """A load becomes so many times what it was at first; what relays shed stays off."""

    load: str
    times: float


class Order(Word, frozen=True, tag="order"):
    """What a DC tie is to carry from now on, MW; it gets there by its ramp, or at once."""

    dc: str
    mw: float
    ramp: bool = True


class Curtail(Word, frozen=True, tag="curtail"):
    """A DC tie carries so many MW at most, either way, whatever it is ordered; it gets there by its
    ramp. None lifts it."""

    dc: str
    mw: float | None


Event = (
    Open | Close | FaultBus | FaultBranch | Clear | Trip | Dispatch | Scale | Order | Curtail
)  # an order of 0 MW without a ramp blocks a DC tie


class Happening(NamedTuple):
    """What was done, and to what. `what`: the event in lower case, or a relay's word."""

    tai_ns: int
    what: str
    name: str
    value: float = 0.0


@dataclass(frozen=True, slots=True)
class At:
    """An event at an instant: it takes effect at the first step that is not before it."""

    tai_ns: int
    event: Event


def cleared(
    branch: str,
    tai_ns: int,
    at: float = 0.5,
    cycles: float = 5.0,
    dead_s: float = 0.0,
    hz: int = 60,
) -> tuple[At, ...]:
    """A fault on a line that opens to clear it, and after `dead_s` (0: never) is closed again."""
    gone = tai_ns + round(cycles / hz * NS)
    events = [At(tai_ns, FaultBranch(branch, at)), At(gone, Open(branch)), At(gone, Clear(branch))]
    if dead_s:
        events.append(At(gone + round(dead_s * NS), Close(branch)))
    return tuple(events)
