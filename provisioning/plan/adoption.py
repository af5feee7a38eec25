"""An import taken into the folder of a gateway: what is not there yet is added to its site plan,
and its sources to gateway.toml.

1. Nothing that stands in the folder is changed: what the plan does not say is filled in, what the
   file says otherwise is told, and the word of the plan is kept. Comments and order of what a
   person wrote stay: text is added, a key to its table, a table at the end.
2. A bus that has the name of another (another mRID) is a fault: which of them it is nobody but a
   person can say.
3. Both files change together, or none: where sources are added, the plan is written under a new
   name, and gateway.toml, which names it, is replaced last (provisioning.change).
4. What would stand is read as the agent reads it before anything is written.
"""

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from agent import config as agent_config
from agent.config import GatewayFile, Sketch
from evidence import config
from evidence.config import ConfigError
from evidence.plant import At, End
from evidence.siteplan import SitePlan
from provisioning.argument import content
from provisioning.change import Change
from provisioning.placement import NewFile
from provisioning.plan import difference, proposal, text
from provisioning.plan.difference import Difference
from provisioning.plan.proposal import Proposal

GATEWAY = "gateway.toml"
_MODE = 0o644
_UNSAID: tuple[Any, ...] = (None, "", [])
_PLAN_LINE = re.compile(r"^\s*plan\s*=")
_SECTION = re.compile(r"^\s*\[gateway\]\s*(#.*)?$")
_NUMBERED = re.compile(r"(.*?)(?:-(\d{1,6}))?(\.\w+)?")


@dataclass(frozen=True, slots=True)
class Adopted:
    """What would be done. `change`: None where nothing is new; `kept`: where the file says
    otherwise, for people; `differences`: of the plan before and after.
    """

    change: Change | None
    kept: tuple[str, ...]
    differences: tuple[Difference, ...]


def adopted(
    folder: Path,
    what: str,
    plan: SitePlan,
    proposals: Sequence[Proposal],
    files: Sequence[NewFile] = (),
) -> Adopted:
    """The change that takes a plan and sources in. `files`: what the sources read, beside them.
    Raises ConfigError.
    """
    sketch = agent_config.sketch(folder / GATEWAY)
    name, gateway = sketch.file.gateway.plan, content(folder / GATEWAY)
    there = {section.name for section in sketch.file.source}
    fresh = [one for one in proposals if one.name not in there]
    added, gaps, kept = joined(sketch.plan, plan, name)
    streams = [one for one in added.stream if one.source in {other.name for other in fresh} | there]
    devices = [
        one
        if one.source in {stream.source for stream in (*sketch.plan.stream, *streams)}
        else msgspec.structs.replace(one, source="")
        for one in added.device
    ]
    added = msgspec.structs.replace(added, stream=streams, device=devices)
    before = content(folder / name)
    new_text = _filled(before, name, gaps).rstrip("\n") + "\n" + text.tables(added)
    if not (text.tables(added) or gaps or fresh):
        return Adopted(None, tuple(kept), ())
    change = _change(what, sketch, name, (gateway, new_text), fresh, files)
    after = _checked(folder, change, name)
    return Adopted(change, tuple(kept), tuple(difference.plans(sketch.plan, after)))


class Gap(NamedTuple):
    """A key that a table of the plan lacks. `beside`: a key that it has."""

    table: tuple[str | int, ...]
    beside: str
    key: str
    value: Any


def joined(before: SitePlan, new: SitePlan, file: str) -> tuple[SitePlan, list[Gap], list[str]]:
    """What is new in a plan, in the names of the other; what it fills in there; and what it says
    otherwise, for people. Raises ConfigError.
    """
    both = _Comparison()
    both.compare(("site",), "site", before.site, new.site)
    mine = {bus.mrid.lower(): (at, bus) for at, bus in enumerate(before.bus)}
    names = {bus.name for bus in before.bus}
    called: dict[str, str] = {"": ""}  # the plan's name for a bus of the new one
    for bus in new.bus:
        at, known = mine.get(bus.mrid.lower(), (0, None))
        called[bus.name] = known.name if known else bus.name
        if known is None and bus.name in names:
            reason = f"{bus.name!r} is there with another mRID than {bus.mrid}; make them one"
            raise ConfigError(file, "bus", reason)
        if known is not None:
            both.compare(("bus", at), f"bus {known.name!r}", known, bus)
    numbers = {  # whatever has an mRID: a line here may be an infeed there
        one.mrid.lower(): (table, at, one)
        for table in ("line", "tie", "equipment")
        for at, one in enumerate(getattr(before, table))
    }
    added: dict[str, list[Any]] = {}
    for table in ("line", "tie", "equipment"):
        added[table] = []
        for one in getattr(new, table):
            renamed = _renamed(one, called)
            where, at, known = numbers.get(one.mrid.lower(), ("", 0, None))
            if known is None:
                added[table].append(renamed)
            elif where == table:
                both.compare((table, at), f"{table} {known.name!r}", known, renamed)
            else:
                both.kept.append(
                    f"{one.name!r} ({one.mrid}) is in the plan as {where}, and the file says"
                    f" {table}: take it out there to have it so"
                )
    devices = {device.name for device in before.device}
    return (
        SitePlan(
            before.site,
            bus=[bus for bus in new.bus if bus.mrid.lower() not in mine],
            stream=[one for one in new.stream if before.stream_of(one.source) is None],
            device=[one for one in new.device if one.name not in devices],
            **added,
        ),
        both.gaps,
        both.kept,
    )


class _Comparison:
    """What the other says of an object that the plan has too: gaps, and what is kept."""

    def __init__(self) -> None:
        self.gaps: list[Gap] = []
        self.kept: list[str] = []

    def compare(self, place: tuple[str | int, ...], of: str, mine: Any, other: Any) -> None:
        """The fields of one object."""
        for field in msgspec.structs.fields(mine):
            known, told = getattr(mine, field.name), getattr(other, field.name)
            if field.name in ("name", "mrid") or told in _UNSAID or told == known:
                continue
            if known in _UNSAID:
                beside = "name" if place == ("site",) else "mrid"
                self.gaps.append(Gap(place, beside, field.encode_name, told))
            else:
                self.kept.append(
                    f"{of}: {field.encode_name} is {difference.shown(known)} in the plan, and the"
                    f" file says {difference.shown(told)}"
                )


def _filled(plan: str, file: str, gaps: Sequence[Gap]) -> str:
    """The text of a plan, its gaps filled: each below a key that its table has."""
    lines = plan.split("\n")
    places = [(config.fault_at(plan, file, (*gap.table, gap.beside), "").line, gap) for gap in gaps]
    # From the end, so that the lines before stay where they were.
    places.sort(key=lambda one: one[0])
    for line, gap in reversed(places):
        indent = lines[line - 1][: len(lines[line - 1]) - len(lines[line - 1].lstrip())]
        lines.insert(line, f"{indent}{gap.key} = {text.value(gap.value)}")
    return "\n".join(lines)


def _renamed(one: Any, called: dict[str, str]) -> Any:
    """With its buses by the plan's names."""
    changed: dict[str, Any] = {}
    for field in msgspec.structs.fields(one):
        value = getattr(one, field.name)
        if isinstance(value, End | At):
            changed[field.name] = _at(value, called)
        elif isinstance(value, list):
            changed[field.name] = [_at(each, called) for each in value]
    return msgspec.structs.replace(one, **changed)


def _at(place: End | At, called: dict[str, str]) -> End | At:
    return msgspec.structs.replace(place, bus=called[place.bus])


def _change(
    what: str,
    sketch: Sketch,
    name: str,
    texts: tuple[str, str],
    fresh: Sequence[Proposal],
    files: Sequence[NewFile],
) -> Change:
    """Rule 3."""
    gateway, plan = texts
    if not fresh:
        return Change(what, (), NewFile(name, plan.encode(), _MODE))
    after = _next_name(sketch.folder, name)
    replaced = _naming(gateway, after).rstrip("\n") + "\n" + proposal.toml(fresh)
    new = [*files, NewFile(after, plan.encode(), _MODE)]
    return Change(what, new, NewFile(GATEWAY, replaced.encode(), _MODE))


def _next_name(folder: Path, name: str) -> str:
    """site.toml, site-2.toml, site-3.toml, ..."""
    found = _NUMBERED.fullmatch(name)
    stem, number, ending = found.groups() if found else (name, None, None)
    at = int(number or 1) + 1
    while (folder / f"{stem}-{at}{ending or ''}").exists():
        at += 1
    return f"{stem}-{at}{ending or ''}"


def _naming(gateway: str, plan: str) -> str:
    """gateway.toml, naming another plan. Raises ConfigError where its text cannot be changed."""
    lines = gateway.split("\n")
    begin = next((at for at, line in enumerate(lines) if _SECTION.match(line)), len(lines))
    if begin == len(lines):
        raise ConfigError(GATEWAY, "gateway", f"no [gateway] to name {plan} in; write it so")
    tables = (at for at, line in enumerate(lines) if at > begin and line.lstrip().startswith("["))
    end = next(tables, len(lines))
    stated = f"plan = {text.quoted(plan)}"
    at = next((at for at in range(begin, end) if _PLAN_LINE.match(lines[at])), None)
    if at is None:
        lines.insert(begin + 1, stated)
    else:
        lines[at] = stated
    changed = "\n".join(lines)
    if config.read(changed, GatewayFile, GATEWAY).gateway.plan != plan:
        raise ConfigError(GATEWAY, "gateway.plan", f"cannot be set to {plan!r} by this program")
    return changed


def _checked(folder: Path, change: Change, name: str) -> SitePlan:
    """Rule 4: the plan that would stand."""
    would = {file.name: file.content for file in (*change.added, change.replaced) if file}
    with tempfile.TemporaryDirectory() as made:
        for each in (GATEWAY, name):
            would.setdefault(each, (folder / each).read_bytes())
        for each, data in would.items():
            (Path(made) / each).write_bytes(data)
        return agent_config.sketch(Path(made) / GATEWAY).plan
