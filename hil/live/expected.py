"""What a live scenario expects, held to what it plays: an expectation that picks nothing, or comes
to the same whatever is played, is refused.

1. Its words are those of a fact (hil.live.words), and what that fact takes is in the scenario: a
   level, a seam, a reference signal, a second that is inserted, another PMU at the bus.
2. Devices and gateways that it names are of each other: a fact is of both.
3. It is asked of some instants. What begins at the end is of none, and what must never be is
   watched for no longer than all of it lasts. What must come may be waited for beyond that: it has
   until the end.

It reads rows, and knows no place.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

from evidence.code import Check, Event
from hil import words
from hil.live import kind
from hil.live.sheet import Device, Expect, Fault
from hil.live.words import FACTS, INSERTED
from hil.script import EXPECTED, Faults
from hil.words import listed

if TYPE_CHECKING:
    from hil.live.script import Script

OWN = ("event", "standing")  # of which some are of no device, but the gateway's own
OF_GATEWAY = 32  # checks of it begin here (evidence.code.Check); those before are of a device
NEAR_S = 1e-6  # as much as a sum of two floats rounds off, and nobody means
_CHECKED = {one.name.lower() for one in (Event.CHECK_TRIPPED, Event.CHECK_CLEARED)}
_CHECKS = {one.name.lower(): one for one in Check}


class Spot(NamedTuple):
    """Where a fact may be: the devices that it is of, and their gateways."""

    devices: frozenset[str]
    gateways: frozenset[str]


def faults(of: "Script") -> Faults:
    """What is wrong with each, and where."""
    for array in EXPECTED:
        for at, row in enumerate(getattr(of, array)):
            where = (*words.unpicked(row.where, FACTS), *_unmade(row, of))
            yield from (((array, at, "where"), why) for why in where)
            asked = (*words.uncounted(array, row), *_asked(array, row, of))
            yield from (((array, at, key), why) for key, why in asked)


# --- of what is played


def _unmade(row: Expect, of: "Script") -> Iterator[str]:
    """Why nothing that is played makes such a fact."""
    for what in listed(row.where.get("what")):
        if what not in FACTS:
            continue
        lacks = _LACKS.get(what)
        lacking = list(lacks(row, of)) if lacks else []
        yield from lacking
        if not lacking and "gateway" in FACTS[what].words:
            yield from _misplaced(what, row, of)


def _no_level(row: Expect, of: "Script") -> Iterator[str]:
    if not of.level:
        yield "there is no [[level]], and so no reading of one"
    named = listed(row.where.get("device"))
    for level in of.level:
        if (
            level.name in listed(row.where.get("level"))
            and named
            and not {*named} & {*level.device}
        ):
            yield f"level {level.name!r} is not of {', '.join(map(repr, named))}"


def _no_seam(row: Expect, of: "Script") -> Iterator[str]:
    if not of.seam:
        yield "there is no [[seam]], and so nothing to settle"


def _no_signal(row: Expect, of: "Script") -> Iterator[str]:
    if of.grid.model != "signal":
        yield f"limits are of reference signals, grid 'signal', and this one is {of.grid.model!r}"


def _no_leap(row: Expect, of: "Script") -> Iterator[str]:
    if of.leap is None and INSERTED in listed(row.where.get("how")):
        yield "there is no [leap], and so no second is inserted"


def _no_check(row: Expect, of: "Script") -> Iterator[str]:
    """A check trips and clears, and is of a device or of a gateway."""
    events, checks = (listed(row.where.get(name)) for name in ("event", "check"))
    for one in events:
        if checks and one not in _CHECKED:
            yield f"event {one!r} is of no check: those of one are {', '.join(sorted(_CHECKED))}"
        if row.where.get("check") == [] and one in _CHECKED:
            yield f"event {one!r} is always of a check"
    for name in checks:
        check = _CHECKS.get(name)
        if check is not None and row.where.get("device") is not None:
            of_device = check < OF_GATEWAY
            if of_device != bool(row.where["device"]):
                whose = "a device" if of_device else "a gateway, and of no device"
                yield f"check {name!r} is of {whose}"


_LACKS: Mapping[str, Callable[[Expect, "Script"], Iterator[str]]] = {
    "level": _no_level,
    "seam": _no_seam,
    "limit": _no_signal,
    "instant": _no_leap,
    "event": _no_check,
    "standing": _no_check,
}


# --- of which device, at which gateway


def _misplaced(what: str, row: Expect, of: "Script") -> Iterator[str]:
    """Devices that have no such fact, and names that are not of each other."""
    rows = {one.name: one for one in of.device}
    named = [name for name in listed(row.where.get("device")) if name in rows]
    gateways = [one.name for one in of.gateway if one.name in listed(row.where.get("gateway"))]
    if wrong := [why for name in named if (why := _unfit(what, rows[name], row, of))]:
        yield from wrong
        return
    spots = list(_spots(what, row, of))
    if not spots:
        yield _nowhere(what)
    elif row.where.get("device") == []:
        spots = [one for one in spots if not one.devices]
    for name in named:
        if gateways and not any(
            name in one.devices and one.gateways & {*gateways} for one in spots
        ):
            yield f"{name!r} is heard by {rows[name].gateway!r}"
    for name in gateways if spots else ():
        here = [one for one in spots if name in one.gateways]
        if not any(not named or one.devices & {*named} for one in here):
            others = f"none of {', '.join(map(repr, named))}"
            yield f"gateway {name!r} hears {others if named else f'nothing that {what} is of'}"


def _unfit(what: str, device: Device, row: Expect, of: "Script") -> str:
    """Why there is no such fact of a device; empty where there may be."""
    sort, name = FACTS[what], device.name
    known = kind.KINDS.get(device.kind)
    if known is None:
        return ""
    if sort.frames and not known.frames:
        return f"{name!r} is no PMU, and {what} is of PMUs alone"
    if known.clock or (sort.measured and not known.measures):
        return f"{name!r} measures nothing that is sealed, and has no {what}"
    if what == "level":
        wanted = listed(row.where.get("level"))
        levels = [one for one in of.level if not wanted or one.name in wanted]
        if not any(name in one.device for one in levels):
            return f"no [[level]] that is asked for is of {name!r}"
    if what == "apart" and not any(name in one.devices for one in _pairs(of)):
        return f"{name!r} has no other PMU at its bus (and `into`) to be apart from"
    return ""


def _spots(what: str, row: Expect, of: "Script") -> Iterator[Spot]:
    """All places that such a fact may have."""
    if what == "run" or what in OWN:
        yield from (Spot(frozenset(), frozenset({one.name})) for one in of.gateway)
    if what == "apart":
        yield from _pairs(of)
    elif what != "run":
        for one in of.device:
            if not _unfit(what, one, row, of):
                yield Spot(frozenset({one.name}), frozenset({one.gateway}))


def _pairs(of: "Script") -> Iterator[Spot]:
    """PMUs that measure the same."""
    pmus = [one for one in of.device if one.kind in kind.KINDS and kind.KINDS[one.kind].frames]
    for one, other in combinations(pmus, 2):
        if (one.bus, one.into) == (other.bus, other.into):
            yield Spot(frozenset({one.name, other.name}), frozenset({one.gateway, other.gateway}))


def _nowhere(what: str) -> str:
    if what == "apart":
        return "no two PMUs are at one bus (and `into`), to be apart from each other"
    return f"{what} is of {'PMUs' if FACTS[what].frames else 'what measures'}, and there is none"


# --- of which instants


def _asked(array: str, row: Expect, of: "Script") -> Iterator[tuple[str, str]]:
    """What is asked of no instant, or at no time."""
    bounds = ["after"] * bool(row.after)
    bounds += [name for name in ("begins_s", "ends_s") if getattr(row, name) is not None]
    for what in listed(row.where.get("what")):
        if bounds and what in FACTS and not FACTS[what].dated:
            yield bounds[0], f"{what} is of all that was played: it has no instants"
    for name in ("over", "within_s"):
        if getattr(row, name) and not row.after:
            yield name, "of what? say `after`, a fault or an event"
    if row.after and row.begins_s is not None:
        yield "begins_s", f"it begins with {row.after!r} already"
    if row.within_s is not None and row.ends_s is not None:
        yield "ends_s", "it ends by `within_s` already"
    if row.each and not listed(row.where.get("device")):
        yield "each", "of which devices? say `device`"
    yield from _interval(row, of.live.length_s)
    if row.after:
        yield from _waited(array, row, of)


def _interval(row: Expect, length_s: float) -> Iterator[tuple[str, str]]:
    """Whether there is anything between its bounds."""
    begins_s, ends_s = row.begins_s or 0.0, length_s if row.ends_s is None else row.ends_s
    if begins_s >= ends_s:
        yield "begins_s", f"at {begins_s:g} s, and it ends at {ends_s:g}"
    if ends_s > length_s:
        yield "ends_s", f"at {ends_s:g} s, and the scenario ends at {length_s:g}"


def _waited(array: str, row: Expect, of: "Script") -> Iterator[tuple[str, str]]:
    """Whether there is anything after what it waits for."""
    done: Sequence[Fault] = [one for one in of.fault if one.name == row.after]
    if row.over and not any(one.for_s for one in done):
        yield "over", f"{row.after!r} is not over in a play: say `for_s` of a fault"
        return
    at_s = next(_begun(row, done, of), None)
    if at_s is None:
        return
    ends_s = of.live.length_s if row.ends_s is None else row.ends_s
    ended = "the scenario ends" if row.ends_s is None else "it ends"
    comes = f"{row.after!r} {'is over' if row.over else 'begins'} at {at_s:g} s"
    if at_s >= ends_s:
        yield "after" if row.ends_s is None else "ends_s", f"{comes}, and {ended} at {ends_s:g}"
    # By the wall's clock, which is the scenario's where nothing is shortened.
    elif array == "never" and row.within_s and at_s + row.within_s > ends_s + NEAR_S:
        most_s = ends_s - at_s
        yield "within_s", f"{comes}, and {ended} {most_s:g} s later: nobody watches longer"


def _begun(row: Expect, done: Iterable[Fault], of: "Script") -> Iterator[float]:
    """From when on it counts."""
    yield from (one.ends_s if row.over else one.at_s for one in done)
    yield from (one.at_s for one in of.event if one.name == row.after)
