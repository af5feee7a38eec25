"""A live scenario as it is written: TOML into frozen structs, strictly.

1. Unknown keys are refused with the nearest known one, under `with` too: each kind of device, act
   and grid reads its own.
2. Names that rows give each other must be there. What is wrong is told with file, line and key.
3. Everything lies within the scenario's length, and stretches neither meet nor hold an instant at
   which something is done.
4. An expectation that could never hold, or never fail, is refused (hil.live.expected).

It opens no file, and knows no place: what a place lacks is hil.live.place's to say.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from evidence import config
from evidence.config import Steps
from hil import script
from hil.live import ability, act, expected, grid_names, kind, model
from hil.live.sheet import (
    Device,
    Event,
    Expect,
    Fault,
    Gateway,
    Grid,
    Head,
    Leap,
    Level,
    Seam,
    Stretch,
)
from hil.script import EXPECTED, Faults, Row
from hil.words import listed

ROWS_MAX = 1024  # of one array
HEAD = "live"  # the table by which such a file is known
DATING = ("clock-step", "power-cut", "kill", "rotate", "revoke")  # by this machine's clock


class Script(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file."""

    live: Head
    grid: Grid = Grid()
    leap: Leap | None = None
    gateway: list[Gateway] = []
    device: list[Device] = []
    event: list[Event] = []
    fault: list[Fault] = []
    stretch: list[Stretch] = []
    level: list[Level] = []
    seam: list[Seam] = []
    must: list[Expect] = []
    flagged: list[Expect] = []
    never: list[Expect] = []

    @property
    def expected(self) -> list[tuple[str, Expect]]:
        """All that is expected, each with its kind."""
        found: list[tuple[str, Expect]] = []
        for name in EXPECTED:
            found += [(name, row) for row in getattr(self, name)]
        return found


def read(text: str, file: str) -> Script:
    """The scenario in a text. Raises ConfigError."""
    return script.read(text, Script, file, _faults)


def told(said: Mapping[str, Any], row: type[Row]) -> Row:
    """What stands under a `with`, by the row that reads it. Raises ValueError."""
    known = [one.encode_name for one in msgspec.structs.fields(row)]
    for key in said:
        if key not in known:
            raise ValueError(f"{key!r} is {config.nearest(key, known)}")
    try:
        return msgspec.convert(said, row)
    except msgspec.ValidationError as fault:
        raise ValueError(str(fault)) from fault


def _faults(of: Script) -> Faults:
    """What contradicts itself, row by row."""
    yield from script.arrays(of, ROWS_MAX)
    yield from _tables(of)
    yield from grid_names.faults(of.grid, of.device, of.event, of.live.seed)
    yield from _named(of)
    yield from _seams(of)
    yield from _times(of)
    yield from _leaps(of)
    yield from expected.faults(of)


def _tables(of: Script) -> Faults:
    """What names a row of ours, and tells it something."""
    for need in of.live.needs:
        if need not in ability.TEXTS:
            yield ("live", "needs"), f"{need!r} is {config.nearest(need, list(ability.TEXTS))}"
    if of.grid.model not in model.MODELS:
        near = config.nearest(of.grid.model, list(model.MODELS))
        yield ("grid", "model"), f"{of.grid.model!r} is {near}"
        return
    grid = model.MODELS[of.grid.model]
    yield from _read(("grid", "with"), of.grid.with_, grid.settings)
    for at, device in enumerate(of.device):
        if device.kind not in kind.KINDS:
            near = config.nearest(device.kind, list(kind.KINDS))
            yield ("device", at, "kind"), f"{device.kind!r} is {near}"
        else:
            settings = kind.KINDS[device.kind].settings
            yield from _read(("device", at, "with"), device.with_, settings)
    for at, fault in enumerate(of.fault):
        if fault.act not in act.ACTS:
            near = config.nearest(fault.act, list(act.ACTS))
            yield ("fault", at, "act"), f"{fault.act!r} is {near}"
        else:
            yield from _done(at, fault, of)
    for at, event in enumerate(of.event):
        if event.do not in grid.events:
            known = list(grid.events)
            near = config.nearest(event.do, known) if known else "nothing that it does by itself"
            yield ("event", at, "do"), f"{event.do!r} of grid {of.grid.model!r} is {near}"
        else:
            yield from _read(("event", at, "with"), event.with_, grid.events[event.do])


def _done(at: int, fault: Fault, of: Script) -> Faults:
    """Whether a fault's act can be done so."""
    row = act.ACTS[fault.act]
    yield from _read(("fault", at, "with"), fault.with_, row.arguments)
    given = [what for what in ("device", "gateway") if getattr(fault, what) is not None]
    if len(given) != bool(row.to) or not set(given) <= set(row.to):
        text = (
            f"{fault.act!r} is done to {' or '.join(f'a {one}' for one in row.to) or 'all of it'}"
        )
        yield ("fault", at, "act"), f"{text}: {'say which one' if row.to else 'name none'}"
    if fault.for_s and row.undo is None:
        yield ("fault", at, "for_s"), f"{fault.act!r} cannot be taken back"
    if row.ends and not fault.for_s:
        text = f"{fault.act!r} for good leaves no record to end with: say `for_s`"
        yield ("fault", at, "act"), text
    kinds = {device.name: device.kind for device in of.device}
    if fault.device in kinds and row.kinds and kinds[fault.device] not in row.kinds:
        text = f"{fault.act!r} is for {', '.join(row.kinds)}, and {fault.device!r} is another kind"
        yield ("fault", at, "device"), text


def _read(steps: Steps, said: Mapping[str, Any], row: type[Row]) -> Faults:
    try:
        told(said, row)
    except ValueError as fault:
        yield steps, str(fault)


def _named(of: Script) -> Faults:
    """Whether the names that rows give each other are there."""
    gateways, devices = [row.name for row in of.gateway], [row.name for row in of.device]
    done = [row.name for row in of.event]
    for at, fault in enumerate(of.fault):
        if fault.name in done:
            yield ("fault", at, "name"), f"{fault.name!r} is an event's, too"
    done += [row.name for row in of.fault]
    for at, name in enumerate(devices):
        if name in gateways:
            yield ("device", at, "name"), f"{name!r} is a gateway's, too"
    authorities: dict[str, int] = {}
    for at, gateway in enumerate(of.gateway):
        if gateway.authority in authorities:
            yield ("gateway", at, "authority"), f"{gateway.authority!r} has a gateway already"
        authorities[gateway.authority] = at
    names: list[tuple[Steps, str | None, list[str]]] = []
    for at, device in enumerate(of.device):
        names.append((("device", at, "gateway"), device.gateway, gateways))
    for at, fault in enumerate(of.fault):
        names.append((("fault", at, "device"), fault.device, devices))
        names.append((("fault", at, "gateway"), fault.gateway, gateways))
    levels, seams = ([row.name for row in rows] for rows in (of.level, of.seam))
    for at, seam in enumerate(of.seam):
        names += [(("seam", at, "sides"), one, devices) for one in seam.sides]
    for at, level in enumerate(of.level):
        names += [(("level", at, "device"), one, devices) for one in level.device]
        if level.above is None and level.below is None:
            yield ("level", at), "above or below what?"
        elif level.above is not None and level.below is not None and level.above >= level.below:
            yield (
                ("level", at, "above"),
                f"nothing is above {level.above:g} and below {level.below:g}",
            )
    of_facts = [("device", devices), ("gateway", gateways), ("level", levels), ("seam", seams)]
    for array in EXPECTED:
        for at, expect in enumerate(getattr(of, array)):
            names.append(((array, at, "after"), expect.after or None, done))
            for what, known in of_facts:
                for one in listed(expect.where.get(what)):
                    names.append(((array, at, "where"), one, known))
    for steps, wants, known in names:
        if wants is not None and wants not in known:
            yield steps, f"{wants!r} is {config.nearest(wants, known)}"


def _seams(of: Script) -> Faults:
    """Whether two authorities measure the ends, and an interval of it can be settled."""
    devices = {row.name: row for row in of.device}
    for at, seam in enumerate(of.seam):
        sides = [devices[name] for name in seam.sides if name in devices]
        for one in sides:
            if one.kind in kind.KINDS and not kind.KINDS[one.kind].frames:
                yield ("seam", at, "sides"), f"{one.name!r} is no PMU"
        if len({one.gateway for one in sides}) < len(sides):
            yield ("seam", at, "sides"), "both ends are heard by one gateway: say another"
        if seam.begins_s + seam.every_s > of.live.length_s:
            text = f"none is whole before the scenario ends at {of.live.length_s:g} s"
            yield ("seam", at, "every_s"), text


def _times(of: Script) -> Faults:
    """Whether all of it lies within the length, and stretches hold nothing."""
    end_s = of.live.length_s
    before = 0.0
    for at, stretch in enumerate(of.stretch):
        if not before <= stretch.begins_s < stretch.ends_s <= end_s:
            yield ("stretch", at), "stretches follow each other, within the scenario's length"
        before = stretch.ends_s
    marks = [(("event", at, "at_s"), row.at_s) for at, row in enumerate(of.event)]
    for at, fault in enumerate(of.fault):
        marks.append((("fault", at, "at_s"), fault.at_s))
        marks.append((("fault", at, "for_s"), fault.ends_s))
    for steps, at_s in marks:
        if at_s > end_s:
            yield steps, f"at {at_s:g} s, and the scenario ends at {end_s:g}"
        for stretch in of.stretch:
            if stretch.begins_s < at_s < stretch.ends_s:
                yield steps, f"at {at_s:g} s, within a stretch in which nothing happens"


def _leaps(of: Script) -> Iterable[tuple[Steps, str]]:
    """Whether all of it can be at another date, and the second comes when it is due."""
    if of.leap is None:
        return
    past_s = of.leap.at_s + 1
    if past_s > of.live.length_s:
        yield ("leap", "at_s"), f"it is past at {past_s:g} s, and the scenario ends before"
    if of.grid.model != "two-bus" or of.event:
        yield ("leap",), "at another date the grid is 'two-bus', and nothing happens in it"
    for at, device in enumerate(of.device):
        if device.kind in kind.KINDS and not kind.KINDS[device.kind].dated:
            yield ("device", at, "kind"), f"{device.kind!r} cannot be at another date"
    for at, fault in enumerate(of.fault):
        if fault.act in DATING:
            yield ("fault", at, "act"), f"{fault.act!r} is of this machine's date"
    for at, stretch in enumerate(of.stretch):
        if stretch.begins_s < past_s:
            yield ("stretch", at), "before the leap second nothing is shortened: its date stands"
