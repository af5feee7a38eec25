"""A place: what is plugged in, how it is used, and what a scenario that is played there lacks.

1. A place is a file of hil/places, or any other: resources (what there is), boards (what pulls
   cables), and of which kind it is. `fake` has every kind of device, made for the play.
2. A scenario names kinds and abilities; the place resolves them. It never knows which it has.
3. What is lacking is one Lack, by name, with what to do. What a device or an act lacks leaves it
   out, and what is expected of it; what the scenario as a whole needs leaves out all of it.

It starts nothing: hil.live.fake and hil.live.real do.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

import hil
from evidence import config
from evidence.config import ConfigError, fault_at
from hil.faults import need
from hil.live import ability, act, kind
from hil.live.script import Script
from hil.live.sheet import Device, Event, Fault, Positive
from hil.script import Name, Row, Text, named, text_of

PLACES = Path(hil.__file__).parent / "places"
FAKE = "fake"


class Head(Row, frozen=True, kw_only=True):
    """[place]. `kind`: fake, or real; `patience_s`: how long a device may take to come up."""

    name: Name
    kind: Literal["fake", "real"]
    about: Text = ""
    patience_s: Positive = 10.0


class Cable(Row, frozen=True, kw_only=True):
    """Which contact of which board interrupts it."""

    board: Name
    channel: Annotated[int, msgspec.Meta(ge=1, le=64)]


class Resource(Row, frozen=True, kw_only=True):
    """[[resource]]: a device that is there. `options`: how it is reached, and what it is: host and
    port, a serial port by its id, an interface, IDCODE, unit and map."""

    name: Name
    kind: Name
    about: Text = ""
    options: dict[str, Any] = msgspec.field(default_factory=dict)
    cable: Cable | None = None


class Board(Row, frozen=True, kw_only=True):
    """[[board]]: relays that pull cables. `driver`: hil.live.relay."""

    name: Name
    driver: Literal["lcus"]
    path: kind.Where
    channels: Annotated[int, msgspec.Meta(ge=1, le=64)] = 8


class File(Row, frozen=True, kw_only=True):
    """The whole file."""

    place: Head
    resource: tuple[Resource, ...] = ()
    board: tuple[Board, ...] = ()


@dataclass(frozen=True, slots=True)
class Lack:
    """What is not there. `what`: device, fault, event or scenario; `todo`: what to do."""

    what: str
    name: str
    why: str


@dataclass(frozen=True, slots=True)
class Cast:
    """What of a scenario is played here: devices, each with its resource on a real place, and what
    is done; and what is left out."""

    devices: list[Device]
    resources: Mapping[str, Resource]  # by the name of the device
    events: list[Event]
    faults: list[Fault]
    lacks: list[Lack]
    whole: bool  # nothing that the scenario as a whole needs is missing


@dataclass(frozen=True, slots=True)
class Place:
    """One place, as its file says."""

    file: File
    missing: Mapping[str, str]  # abilities that are not there, and why: with what to do
    idle: Mapping[str, str] = field(default_factory=dict)  # boards that cannot be told, and why

    @property
    def name(self) -> str:
        return self.file.place.name

    @property
    def fake(self) -> bool:
        return self.file.place.kind == FAKE

    def why_not(self, needs: Iterable[str]) -> str:
        """Why one of these abilities is not there; empty where all are."""
        return next((self.missing[name] for name in needs if name in self.missing), "")

    def _why_no(self, of: kind.Kind) -> str:
        """Why there is no device of a kind; empty where one may be."""
        why = self.why_not(of.needs)
        if why or not self.fake:
            return why
        try:
            need.check(of.programs)
        except need.NeedError as fault:
            return str(fault)
        return ""

    def cast(self, of: Script) -> Cast:
        """What of a scenario can be played here."""
        needs = (*of.live.needs, *((ability.ERA,) if of.leap else ()))
        if why := self.why_not(needs):
            return Cast([], {}, [], [], [Lack("scenario", of.live.name, why)], whole=False)
        lacks: list[Lack] = []
        devices, resources = self._devices(of, lacks)
        names = {one.name for one in devices}
        faults = [one for one in of.fault if self._can(one, names, resources, lacks)]
        events = list(of.event)
        if why := self.why_not((ability.GRID,)):
            lacks += [Lack("event", one.name, why) for one in events]
            events = []
        return Cast(devices, resources, events, faults, lacks, whole=True)

    def _devices(self, of: Script, lacks: list[Lack]) -> tuple[list[Device], dict[str, Resource]]:
        left = list(self.file.resource)
        found: list[Device] = []
        resources: dict[str, Resource] = {}
        for device in of.device:
            if why := self._why_no(kind.KINDS[device.kind]):
                lacks.append(Lack("device", device.name, why))
                continue
            if not self.fake:
                one = next((one for one in left if one.kind == device.kind), None)
                if one is None:
                    why = (
                        f"no {device.kind} is left in {self.name}: add a [[resource]] of that kind"
                    )
                    lacks.append(Lack("device", device.name, why))
                    continue
                left.remove(one)
                if why := _unread(one):
                    lacks.append(Lack("device", device.name, why))
                    continue
                resources[device.name] = one
            found.append(device)
        return found, resources

    def _can(
        self,
        fault: Fault,
        devices: set[str],
        resources: Mapping[str, Resource],
        lacks: list[Lack],
    ) -> bool:
        """Whether a fault can be done here; if not, why."""
        why = self.why_not(act.ACTS[fault.act].needs)
        if not why and fault.device and fault.device not in devices:
            why = f"its device {fault.device!r} is not there"
        if not why and not self.fake and fault.act == "cut" and fault.device:
            why = self._uncut(resources[fault.device])
        if why:
            lacks.append(Lack("fault", fault.name, why))
        return not why

    def _uncut(self, resource: Resource) -> str:
        """Why its cable cannot be pulled; empty where it can."""
        if not self.file.board:
            return self.missing[ability.CABLES]
        if resource.cable is None:
            name = resource.name
            return f"nothing pulls the cable of {name}: say its `cable`, a board and a channel"
        return self.idle.get(resource.cable.board, "")


def found(name: str) -> Place:
    """A place by its name or its file. Raises ConfigError."""
    path = _path_of(name)
    return read(text_of(path), path.name)


@contextlib.contextmanager
def alone(name: str, of: Place) -> Iterator[None]:
    """Holds what is plugged in, which is there once: two plays at a time would cut each other's
    cables. By a lock on the place's file, which goes with the process. Raises ConfigError, OSError.
    """
    if of.fake:
        yield
        return
    with _path_of(name).open("rb") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as fault:
            text = "another play has what is plugged in there: wait until it is over"
            raise ConfigError(f"place {of.name!r}", "", text) from fault
        yield


def _path_of(name: str) -> Path:
    return named("place", PLACES, name)


def read(text: str, file: str) -> Place:
    """The place in a text. Raises ConfigError."""
    of = config.read(text, File, file)
    if of.place.kind == FAKE:
        for name in ("resource", "board"):
            if getattr(of, name):
                raise fault_at(
                    text, file, (name,), "a fake place has all there is, and no such rows"
                )
        return Place(of, _fake_missing())
    for array, rows in (("resource", of.resource), ("board", of.board)):
        names = [one.name for one in rows]
        for at, name in enumerate(names):
            if name in names[:at]:
                raise fault_at(text, file, (array, at, "name"), f"{name!r} is there twice")
    paths = [one.path for one in of.board]
    for at, path in enumerate(paths):
        if path in paths[:at]:
            raise fault_at(text, file, ("board", at, "path"), f"another board is at {path}")
    boards = {one.name: one.channels for one in of.board}
    cables: list[tuple[config.Steps, Cable | None]] = []
    for at, resource in enumerate(of.resource):
        if resource.kind not in kind.KINDS:
            near = config.nearest(resource.kind, list(kind.KINDS))
            raise fault_at(text, file, ("resource", at, "kind"), f"{resource.kind!r} is {near}")
        for why in _ill_told(resource):
            raise fault_at(text, file, ("resource", at, "options"), why)
        cables.append((("resource", at, "cable"), resource.cable))
    same = [_which(one) for one in of.resource]
    for at, one in enumerate(same):
        if one in same[:at]:
            why = f"it is {of.resource[same.index(one)].name!r} once more"
            raise fault_at(text, file, ("resource", at, "options"), why)
    for at, (steps, cable) in enumerate(cables):
        _check_cable(cable, boards, text, file, steps)
        if cable is not None and cable in [other for _, other in cables[:at]]:
            raise fault_at(text, file, (*steps, "channel"), "another cable runs over this contact")
    idle = {one.name: why for one in of.board if (why := _idle(one))}
    return Place(of, _real_missing(of, idle), idle)


def _ill_told(resource: Resource) -> Iterable[str]:
    """What is wrong in what it says of a device."""
    of = kind.KINDS[resource.kind]
    known = kind.options_of(of)
    for name in of.reached:
        if name not in resource.options:
            yield f"a {resource.kind} is reached by {' and '.join(of.reached)}: say its {name}"
    for names in of.known_by:
        if not any(name in resource.options for name in names):
            yield f"no scenario knows of a real {resource.kind}: say its {' or '.join(names)}"
    for name, value in resource.options.items():
        if name not in known:
            yield f"{name!r} is {config.nearest(name, list(known))}"
            continue
        try:
            msgspec.convert(value, known[name])
        except msgspec.ValidationError as fault:
            yield f"{name}: {fault}"


def _which(resource: Resource) -> tuple[str, list[Any]]:
    """Which device it is: one that stood there twice would answer for two."""
    of = kind.KINDS[resource.kind]
    names = [*of.reached, *(name for names in of.known_by for name in names)]
    return resource.kind, [resource.options.get(name) for name in names]


def _unread(resource: Resource) -> str:
    """Which file that it names is not there; empty where none is missing. Without its map no
    gateway could be set up, and nothing of the scenario would be played."""
    where = resource.options.get("map")
    if where is None or Path(where).is_file():
        return ""
    return f"the map of {resource.name!r} is not at {where}: put it there"


def _check_cable(
    cable: Cable | None, boards: Mapping[str, int], text: str, file: str, steps: config.Steps
) -> None:
    if cable is None:
        return
    if cable.board not in boards:
        near = config.nearest(cable.board, list(boards))
        raise fault_at(text, file, (*steps, "board"), f"{cable.board!r} is {near}")
    if cable.channel > boards[cable.board]:
        reason = f"{cable.board!r} has {boards[cable.board]} channels"
        raise fault_at(text, file, (*steps, "channel"), reason)


def _fake_missing() -> dict[str, str]:
    """What this machine does not let a fake place do."""
    missing: dict[str, str] = {}
    for needs, names in _FAKE_NEEDS:
        try:
            need.check(needs)
        except need.NeedError as fault:
            missing |= {name: f"{ability.TEXTS[name]}: not here: {fault}" for name in names}
    return missing


# Programs of others and rights, and what cannot be without them.
_FAKE_NEEDS = (
    (need.CHAMBER, (ability.RAW, ability.DISK)),
    (("faketime",), (ability.CLOCK, ability.ERA)),
    (kind.KINDS["chrony"].programs, (ability.REFERENCE,)),
)


def _real_missing(of: File, idle: Mapping[str, str]) -> dict[str, str]:
    """What hil.live.real does not do anywhere, has no part for here, or this user no right to. A
    place cannot vouch for it: nothing would do it."""
    name, instead = of.place.name, "play it at the fake place"
    missing = {
        ability.SPOIL: f"{name} has real devices, and they do only what they should: {instead}",
        ability.GRID: f"{name} measures a real grid, and nobody tells it what to do: {instead}",
        ability.ERA: f"{name} is at its own date: {instead}",
        ability.CLOCK: f"nobody sets the clock of {name}: {instead}",
        ability.DISK: f"{name} makes no disks: {instead}",
    }
    if not any(one.kind == "chrony" for one in of.resource):
        missing[ability.REFERENCE] = f"{name} has no chronyd: add a [[resource]] of kind chrony"
    if not of.board:
        missing[ability.CABLES] = f"{name} has no [[board]] that pulls cables: add one"
    elif len(idle) == len(of.board):
        missing[ability.CABLES] = next(iter(idle.values()))
    if not _may_hear():
        missing[ability.RAW] = "raw sockets need root, or CAP_NET_RAW: run it by sudo"
    return missing


def _idle(board: Board) -> str:
    """Why a board cannot be told anything; empty where it can."""
    if not Path(board.path).exists():
        return f"board {board.name!r} is not at {board.path}: plug it in"
    if not os.access(board.path, os.R_OK | os.W_OK):
        return f"board {board.name!r} at {board.path} is not this user's: join the port's group"
    return ""


def _may_hear() -> bool:
    """Whether this process may open raw sockets (capabilities(7): CAP_NET_RAW is 13)."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> 13 & 1)
    return os.geteuid() == 0
