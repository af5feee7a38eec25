"""An import taken into the folder of a gateway: what is not there yet is added to its site plan,
and its sources to gateway.toml.

1. Nothing that stands in the folder is changed: what the file says otherwise is told, and the word
   of the plan is kept. Comments and order of what a person wrote stay: text is added at the end.
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
from typing import Any

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
_PLAN_LINE = re.compile(r"^\s*plan\s*=")
_SECTION = re.compile(r"^\s*\[gateway\]\s*(#.*)?$")
_NUMBERED = re.compile(r"(.*?)(?:-(\d{1,6}))?(\.\w+)?")


@dataclass(frozen=True, slots=True)
class Adopted:
    """What would be done. `change`: None where nothing is new; `kept`: what the file says
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
    added, kept = joined(sketch.plan, plan, name)
    streams = [one for one in added.stream if one.source in {other.name for other in fresh} | there]
    devices = [
        one
        if one.source in {stream.source for stream in (*sketch.plan.stream, *streams)}
        else msgspec.structs.replace(one, source="")
        for one in added.device
    ]
    added = msgspec.structs.replace(added, stream=streams, device=devices)
    new_text = content(folder / name).rstrip("\n") + "\n" + text.tables(added)
    if not text.tables(added) and not fresh:
        return Adopted(None, tuple(kept), ())
    change = _change(what, sketch, name, (gateway, new_text), fresh, files)
    after = _checked(folder, change, name)
    return Adopted(change, tuple(kept), tuple(difference.plans(sketch.plan, after)))


def joined(before: SitePlan, new: SitePlan, file: str) -> tuple[SitePlan, list[str]]:
    """What is new in a plan, in the names of the other; and what it says otherwise, for people.
    Raises ConfigError.
    """
    kept: list[str] = []
    mine = {bus.mrid.lower(): bus for bus in before.bus}
    names = {bus.name for bus in before.bus}
    called: dict[str, str] = {"": ""}  # the plan's name for a bus of the new one
    for bus in new.bus:
        known = mine.get(bus.mrid.lower())
        called[bus.name] = known.name if known else bus.name
        if known is None and bus.name in names:
            reason = f"{bus.name!r} is there with another mRID than {bus.mrid}; make them one"
            raise ConfigError(file, "bus", reason)
        if known is not None:
            kept += _otherwise(f"bus {known.name!r}", known, bus, ("name", "mrid"))
    numbers = {  # whatever has an mRID: a line here may be an infeed there
        one.mrid.lower(): (table, one)
        for table in ("line", "tie", "equipment")
        for one in getattr(before, table)
    }
    added: dict[str, list[Any]] = {}
    for table in ("line", "tie", "equipment"):
        added[table] = []
        for one in getattr(new, table):
            renamed = _renamed(one, called)
            where, known = numbers.get(one.mrid.lower(), ("", None))
            if known is None:
                added[table].append(renamed)
            elif where == table:
                kept += _otherwise(f"{table} {known.name!r}", known, renamed, ("name", "mrid"))
    site = before.site
    kept += _otherwise("site", site, new.site, ("name",))
    return (
        SitePlan(
            site,
            bus=[bus for bus in new.bus if bus.mrid.lower() not in mine],
            stream=[one for one in new.stream if before.stream_of(one.source) is None],
            device=[one for one in new.device if one.name not in {d.name for d in before.device}],
            **added,
        ),
        kept,
    )


def _otherwise(of: str, mine: Any, other: Any, passed: Sequence[str]) -> list[str]:
    """What the other states, and this one does not, or not so."""
    return [
        f"{of}: {field.encode_name} is {difference.shown(getattr(mine, field.name))} in the plan,"
        f" and the file says {difference.shown(getattr(other, field.name))}: kept as it is"
        for field in msgspec.structs.fields(mine)
        if field.name not in passed
        and getattr(other, field.name) not in (None, "", [], getattr(mine, field.name))
    ]


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
