"""An import taken into the folder of a gateway: what is not there yet is added to its site plan,
and its sources to gateway.toml.

1. Nothing that stands in the folder is changed: what the plan does not say is filled in, what the
   file says otherwise is told, and the word of the plan is kept. Comments and order of what a
   person wrote stay: text is added, a key to its table, a table at the end.
2. A bus that has the name of another (another mRID) is a fault: which of them it is nobody but a
   person can say.
3. Both files change together, or none (provisioning.plan.together).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from agent import config as agent_config
from evidence import config
from evidence.config import ConfigError
from evidence.plant import At, End
from evidence.siteplan import SitePlan
from provisioning.argument import content
from provisioning.change import Change
from provisioning.init import GATEWAY
from provisioning.placement import NewFile
from provisioning.plan import difference, proposal, text, together
from provisioning.plan.difference import Difference
from provisioning.plan.proposal import Proposal

_UNSAID: tuple[Any, ...] = (None, "", [])


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
    name = sketch.file.gateway.plan
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
    added_text = proposal.toml(fresh) if fresh else ""
    change = together.changed(sketch, what, new_text, added_text, files)
    after = together.checked(folder, change)
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
