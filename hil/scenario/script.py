"""A scenario as it is written: TOML into frozen structs, strictly.

1. Every table is an array of rows with names, so that a new kind of thing (a device, a grid, a step
   of the timeline, an expectation) is a row or a new array, and never another meaning of an old
   one. Unknown keys are refused with the nearest known one.
2. Instants carry their offset from UTC, and what ends does so after it began. Names that rows give
   each other must be there. What is wrong is told with file, line and key.
3. What is not published is marked: a feed says what it is, and a record of it says so too.
4. An expectation that could never hold, or never fail, is refused (hil.scenario.words).

It opens no file: texts are brought to it. What a row does is hil/scenario/play.py's.
"""

from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec

from evidence import config
from evidence.config import Steps, fault_at
from hil import script
from hil.scenario import words
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
    Learning,
    Order,
    Pace,
    Seam,
    Settlement,
)
from hil.script import Faults, Row

ROWS_MAX = 4096  # of one array
YEARS = range(1972, 2262)  # UTC has leap seconds since; ns TAI have 63 bits until
# Who names whom: an array, a key of its rows (of rows in its rows), and what is named there.
_NAMES = (
    ("gateway", "authority", "authority"), ("device", "gateway", "gateway"),
    ("device", "feed", "feed"), ("pace", "devices", "device"), ("fault", "device", "device"),
    ("seam", "sides.authority", "authority"), ("seam", "sides.bus", "bus"),
    ("claim", "author", "authority"), ("order", "author", "authority"),
    ("order", "assent", "authority"), ("order", "observes", "device"),
    ("order", "after", "decision"), ("handoff", "releasing", "authority"),
    ("handoff", "accepting", "authority"), ("handoff", "evaluator", "authority"),
    ("handoff", "steps.by", "authority"), ("handoff", "quantities.authority", "authority"),
    ("settlement", "seams", "seam"), ("settlement", "author", "authority"),
    ("settlement", "assent", "authority"), ("learning", "seam", "seam"),
    ("learning", "author", "authority"), ("learning", "assent", "authority"),
    ("interchange", "author", "authority"), ("interchange", "assent", "authority"),
)  # fmt: skip


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
    learning: list[Learning] = []
    interchange: list[Interchange] = []
    must: list[Expect] = []
    flagged: list[Expect] = []
    never: list[Expect] = []


def read(text: str, file: str) -> Script:
    """The scenario in a text. Raises ConfigError."""
    return script.read(text, Script, file, _faults)


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


def _faults(of: Script) -> Faults:
    """What contradicts itself, row by row."""
    yield from script.arrays(of, ROWS_MAX)
    yield from _instants(of)
    yield from _fed(of)
    yield from _named(of)
    yield from words.faults(of)


def _instants(row: msgspec.Struct, steps: Steps = ()) -> Faults:
    """Every instant, however deep it stands: with an offset, in the years that can be signed; and
    of every row that has an end, the end after the beginning."""
    times: dict[str, int] = {}
    for name in row.__struct_fields__:
        for more, value in _leaves(getattr(row, name), (*steps, name)):
            if isinstance(value, Row):
                yield from _instants(value, more)
            elif isinstance(value, datetime):
                if value.tzinfo is None:
                    text = f"{value.isoformat()} says no offset from UTC, such as -06:00"
                    yield more, text
                elif value.astimezone(UTC).year not in YEARS:
                    yield more, f"found the year {value.year}; expected {YEARS[0]} to {YEARS[-1]}"
                else:
                    times[name] = tai_of(value)
    if "begins" in times and "ends" in times and times["begins"] >= times["ends"]:
        yield (*steps, "ends"), "not later than it begins"


def _leaves(value: object, steps: Steps) -> Iterable[tuple[Steps, object]]:
    """A value, or those of an array."""
    if isinstance(value, list | tuple):
        for at, one in enumerate(value):
            yield from _leaves(one, (*steps, at))
    else:
        yield steps, value


def _fed(of: Script) -> Faults:
    """Whether each feed has what it is made of, and each device one feed or an area."""
    before: list[str] = []
    for at, feed in enumerate(of.feed):
        if feed.kind == "trace" and not feed.points:
            yield ("feed", at, "points"), "a trace without points"
        elif feed.kind != "trace" and not of.scenario.data:
            yield ("feed", at, "kind"), f"{feed.kind} needs the data of [scenario], a CSV beside it"
        elif feed.kind == "beyond" and feed.of not in before:
            near = config.nearest(feed.of, before)
            yield ("feed", at, "of"), f"{feed.of!r} is {near}, among the feeds before this one"
        before.append(feed.name)
    for at, device in enumerate(of.device):
        if device.area and of.areas is None:
            yield ("device", at, "area"), "there are no [areas]"
        elif bool(device.area) == bool(device.feed):
            yield ("device", at, "feed"), "a feed or an area, and not both"


def _named(of: Script) -> Faults:
    """Whether the names that rows give each other are there."""
    steps = [f"{row.name}: {step.step}" for row in of.handoff for step in row.steps]
    known = {
        "authority": [row.name for row in of.authority],
        "gateway": [row.name for row in of.gateway],
        "feed": [row.name for row in of.feed],
        "device": [row.name for row in of.device],
        "bus": sorted({row.bus for row in of.device}),
        "seam": [row.name for row in of.seam],
        "decision": [*(row.name for row in of.order), *steps],
    }
    for array, path, what in _NAMES:
        for at, row in enumerate(getattr(of, array)):
            for where, name in _names(row, (array, at), path.split(".")):
                if name and name not in known[what]:
                    yield where, f"{name!r} is {config.nearest(name, known[what])}"


def _names(row: Row, steps: Steps, path: list[str]) -> Faults:
    for where, value in _leaves(getattr(row, path[0]), (*steps, path[0])):
        if isinstance(value, Row):
            yield from _names(value, where, path[1:])
        else:
            yield where, str(value)
