"""What was found, as a change of a gateway's folder: a [[source]] each in gateway.toml, and its
[[stream]] in a new site plan that gateway.toml names from then on.

1. Only what could be run as it is: what lacks something (a point map, an IDCODE) is left out, and
   what is a source already; each is told.
2. Texts are added to, never rewritten; what comes of it is read back by agent.config before it is
   offered.
3. Which bus a stream belongs to no device says: the one that was named, or the only one there is.

It writes nothing: provisioning.change does.
"""

import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent import config
from agent.config import Sketch
from drivers import registry, url
from drivers.line import Source
from drivers.url import Option
from evidence.config import ConfigError, nearest
from provisioning import template
from provisioning.argument import UsageError, content
from provisioning.change import Change
from provisioning.discover.finding import Finding
from provisioning.init import PUBLIC_MODE
from provisioning.placement import NewFile
from provisioning.source import SourceRequest

GATEWAY = "gateway.toml"
NAME_MAX = 64  # characters, as agent.config has them
PLANS_MAX = 1000  # of one folder
# What tells a source from another on the same line or host.
_WHO = ("host", "port", "path", "interface", "idcode", "unit", "gocbref", "svid", "appid")
_HEADER = re.compile(r"\s*\[")
_SECTION = re.compile(r"\s*\[\s*gateway\s*\]\s*(#.*)?$")
_PLAN = re.compile(r"\s*plan\s*=")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.-]+")


@dataclass(frozen=True, slots=True)
class Proposal:
    """`change`: None where there is nothing to add. `left_out`: what, and why."""

    change: Change | None
    names: Sequence[str]
    left_out: Sequence[str]


def propose(folder: Path, findings: Sequence[Finding], bus: str) -> Proposal:
    """Raises ConfigError, UsageError."""
    gateway = config.sketch(folder / GATEWAY)
    bus = _bus(gateway, bus)
    there = {_who(source) for source in gateway.sources}
    names = [source.name for source in gateway.sources]
    added, streams, left_out = [], [], []
    for one in findings:
        if not one.url:
            continue
        typed = url.read(one.url)
        name = _name(one.name or one.kind, names)
        source = Source(name, typed.scheme, typed.options, str(folder))
        if one.needs:
            left_out.append(f"{one.where}: needs {one.needs}")
        elif _who(source) in there:
            left_out.append(f"{one.where}: is a source already")
        else:
            there.add(_who(source))
            names.append(name)
            added.append(SourceRequest(name, typed.scheme, typed.options))
            if typed.scheme not in registry.RECEIVERS:
                stream = {"bus": bus} if bus else {}
                streams.append((name, {**stream, **one.stream}))
    if not added:
        return Proposal(None, (), left_out)
    change = _change(folder, gateway, added, streams)
    return Proposal(change, [one.name for one in added], left_out)


def _bus(gateway: Sketch, named: str) -> str:
    known = [one.name for one in gateway.plan.bus]
    if named and named not in known:
        raise UsageError(f"--bus {named!r} is {nearest(named, known)}")
    return named or (known[0] if len(known) == 1 else "")


def _who(source: Source) -> tuple[object, ...]:
    """Raises ConfigError."""
    options: Any = registry.options_of(source)
    return (source.scheme, *(getattr(options, key, None) for key in _WHO))


def _name(wanted: str, taken: Sequence[str]) -> str:
    """Like that, and nobody else's."""
    plain = _NOT_IN_NAMES.sub("-", wanted).strip("-.").lower()[: NAME_MAX - 4] or "source"
    number, name = 1, plain
    while name in taken:
        number += 1
        name = f"{plain}-{number}"
    return name


def _change(
    folder: Path,
    gateway: Sketch,
    added: Sequence[SourceRequest],
    streams: Sequence[tuple[str, Mapping[str, Option]]],
) -> Change:
    """Raises ConfigError."""
    text = content(folder / GATEWAY)
    plan = gateway.file.gateway.plan
    files = []
    if streams:
        site = content(folder / plan).rstrip("\n") + "\n"
        site += "".join(template.one_stream(*one) for one in streams)
        plan = _next_plan(folder, plan)
        text = _renamed(text, plan)
        files.append(NewFile(plan, site.encode(), PUBLIC_MODE))
    text = text.rstrip("\n") + "\n" + "".join(map(template.one_source, added))
    _check(text, plan, files or [NewFile(plan, content(folder / plan).encode(), PUBLIC_MODE)])
    many = "source" if len(added) == 1 else "sources"
    what = f"add {len(added)} {many}: {', '.join(one.name for one in added)}"
    return Change(what, files, NewFile(GATEWAY, text.encode(), PUBLIC_MODE))


def _next_plan(folder: Path, plan: str) -> str:
    """site.toml: site-2.toml, and so on."""
    stem = re.sub(r"-\d+$", "", plan.removesuffix(".toml"))
    for number in range(2, PLANS_MAX):
        name = f"{stem}-{number}.toml"
        if not (folder / name).exists():
            return name
    raise ConfigError(plan, "", f"{PLANS_MAX} site plans stand beside it; remove old ones")


def _renamed(text: str, plan: str) -> str:
    """With another plan in its [gateway]."""
    lines = text.splitlines()
    begins = next((at for at, line in enumerate(lines) if _SECTION.match(line)), None)
    if begins is None:
        raise ConfigError(GATEWAY, "gateway", "has no line [gateway]; add the sources by hand")
    new = f'plan = "{plan}"'
    for at in range(begins + 1, len(lines)):
        if _HEADER.match(lines[at]):
            break
        if _PLAN.match(lines[at]):
            lines[at] = new
            return "\n".join(lines) + "\n"
    lines.insert(begins + 1, new)
    return "\n".join(lines) + "\n"


def _check(text: str, plan: str, files: Sequence[NewFile]) -> None:
    """As the agent will read it. Raises ConfigError."""
    with tempfile.TemporaryDirectory() as made:
        for name, data in ((GATEWAY, text.encode()), *((one.name, one.content) for one in files)):
            (Path(made) / name).parent.mkdir(parents=True, exist_ok=True)
            (Path(made) / name).write_bytes(data)
        found = config.sketch(Path(made) / GATEWAY)
        if found.file.gateway.plan != plan:
            raise ConfigError(GATEWAY, "gateway.plan", "cannot be changed; add sources by hand")
