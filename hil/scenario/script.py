"""A scenario as it is written: TOML into frozen structs, strictly.

1. Every table is an array of rows with names, so that a new kind of thing (a device, a grid, a step
   of the timeline, an expectation) is a row or a new array, and never another meaning of an old
   one. Unknown keys are refused with the nearest known one.
2. Instants carry their offset from UTC. Names that rows give each other must be there.
3. What is not published is marked: a feed says what it is, and a record of it says so too.

It opens no file: texts are brought to it. What a row does is hil/scenario/play.py's.
"""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from evidence import config
from evidence.config import Steps, fault_at
from hil.scenario.figures import Hours, tai_of
from hil.scenario.sheet import (
    Areas,
    Authority,
    Claim,
    Device,
    Expect,
    Fault,
    Feed,
    Gateway,
    Handoff,
    Head,
    Interchange,
    Order,
    Pace,
    Row,
    Seam,
    Settlement,
)

ROWS_MAX = 4096  # of one array


class Script(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file."""

    scenario: Head
    authority: list[Authority] = []
    gateway: list[Gateway] = []
    feed: list[Feed] = []
    areas: Areas | None = None
    device: list[Device] = []
    pace: list[Pace] = []
    fault: list[Fault] = []
    seam: list[Seam] = []
    claim: list[Claim] = []
    order: list[Order] = []
    handoff: list[Handoff] = []
    settlement: list[Settlement] = []
    interchange: list[Interchange] = []
    must: list[Expect] = []
    flagged: list[Expect] = []
    never: list[Expect] = []


def read(text: str, file: str) -> Script:
    """The scenario in a text. Raises ConfigError."""
    found = config.read(text, Script, file)
    for steps, reason in _faults(found):
        raise fault_at(text, file, steps, reason)
    return found


def check_columns(of: Script, hours: Hours, text: str, file: str) -> None:
    """Whether the figures have what the script takes from them. Raises ConfigError."""
    known = list(hours.columns)
    rows: list[tuple[Steps, str]] = [
        (("feed", at, "column"), row.column)
        for at, row in enumerate(of.feed)
        if row.kind == "hourly"
    ]
    rows += [(("interchange", at, "column"), row.column) for at, row in enumerate(of.interchange)]
    for steps, column in rows:
        if column not in known:
            raise fault_at(text, file, steps, f"{column!r} is {config.nearest(column, known)}")


def _faults(of: Script) -> Iterable[tuple[Steps, str]]:
    """What contradicts itself, row by row."""
    for name in msgspec.structs.fields(Script)[1:]:
        rows = getattr(of, name.name)
        if not isinstance(rows, list):
            continue
        if len(rows) > ROWS_MAX:
            yield (name.name,), f"{len(rows)} rows; at most {ROWS_MAX}"
        yield from _twice(name.name, rows)
    yield from _times(of)
    yield from _named(of)


def _twice(array: str, rows: Iterable[Row]) -> Iterable[tuple[Steps, str]]:
    seen: set[str] = set()
    for at, row in enumerate(rows):
        name = getattr(row, "name", "")
        if name and name in seen:
            yield (array, at, "name"), f"{name!r} is there twice"
        seen.add(name)


def _times(of: Script) -> Iterable[tuple[Steps, str]]:
    spans: list[tuple[Steps, datetime, datetime]] = [
        (("scenario",), of.scenario.begins, of.scenario.ends)
    ]
    spans += [(("pace", at), row.begins, row.ends) for at, row in enumerate(of.pace)]
    spans += [(("fault", at), row.begins, row.ends) for at, row in enumerate(of.fault)]
    for steps, begins, ends in spans:
        for key, at in (("begins", begins), ("ends", ends)):
            if at.tzinfo is None:
                yield (*steps, key), f"{at.isoformat()} says no offset from UTC, such as -06:00"
                return
        if tai_of(begins) >= tai_of(ends):
            yield (*steps, "ends"), "not later than it begins"


def _named(of: Script) -> Iterable[tuple[Steps, str]]:
    """Whether the names that rows give each other are there."""
    known = {
        "authority": [row.name for row in of.authority],
        "gateway": [row.name for row in of.gateway],
        "feed": [row.name for row in of.feed],
        "device": [row.name for row in of.device],
        "bus": sorted({row.bus for row in of.device}),
    }
    said: list[tuple[Steps, str, str]] = []
    for at, gateway in enumerate(of.gateway):
        said.append((("gateway", at, "authority"), "authority", gateway.authority))
    for at, feed in enumerate(of.feed):
        if feed.kind == "beyond":
            said.append((("feed", at, "of"), "feed", feed.of))
    for at, device in enumerate(of.device):
        said.append((("device", at, "gateway"), "gateway", device.gateway))
        if device.area and of.areas is None:
            yield ("device", at, "area"), "there are no [areas]"
        elif bool(device.area) == bool(device.feed):
            yield ("device", at, "feed"), "a feed or an area, and not both"
        if device.feed:
            said.append((("device", at, "feed"), "feed", device.feed))
    for at, pace in enumerate(of.pace):
        said += [
            (("pace", at, "devices", n), "device", name) for n, name in enumerate(pace.devices)
        ]
    for at, fault in enumerate(of.fault):
        said.append((("fault", at, "device"), "device", fault.device))
    for at, seam in enumerate(of.seam):
        for number, side in enumerate(seam.sides):
            steps = ("seam", at, "sides", number)
            said.append(((*steps, "authority"), "authority", side.authority))
            said.append(((*steps, "bus"), "bus", side.bus))
    for where, what, name in said:
        if name not in known[what]:
            yield where, f"{name!r} is {config.nearest(name, known[what])}"
