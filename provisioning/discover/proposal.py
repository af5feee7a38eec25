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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent import config
from agent.config import Sketch
from drivers import registry, url
from drivers.line import Source
from drivers.url import Option
from evidence.config import nearest
from provisioning import template
from provisioning.argument import UsageError, content
from provisioning.change import Change
from provisioning.discover.finding import Finding
from provisioning.init import GATEWAY
from provisioning.plan import together
from provisioning.source import SourceRequest

NAME_MAX = 64  # characters, as agent.config has them
# What tells a source from another on the same line or host.
_WHO = ("host", "port", "path", "interface", "idcode", "unit", "gocbref", "svid", "appid")
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
    change = _change(gateway, added, streams)
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
    gateway: Sketch,
    added: Sequence[SourceRequest],
    streams: Sequence[tuple[str, Mapping[str, Option]]],
) -> Change:
    """Raises ConfigError."""
    plan = content(gateway.path(gateway.file.gateway.plan))
    if streams:
        plan = plan.rstrip("\n") + "\n" + "".join(template.one_stream(*one) for one in streams)
    many = "source" if len(added) == 1 else "sources"
    what = f"add {len(added)} {many}: {', '.join(one.name for one in added)}"
    change = together.changed(gateway, what, plan, "".join(map(template.one_source, added)))
    together.checked(gateway.folder, change)
    return change
