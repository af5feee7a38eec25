"""gateway.toml and its site plan changed together: both, or none.

1. The plan is written under a new name, and gateway.toml, which names it, is replaced last: one
   rename is the moment (provisioning.change). The plan before stays, and nothing reads it any more;
   the change says so.
2. Of gateway.toml one line is set, and text added at its end; all else stays as it was written.
3. What would stand is read as the agent reads it before anything is written.
"""

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from agent import config as agent_config
from agent.config import GatewayFile, Sketch
from evidence import config
from evidence.config import ConfigError
from evidence.siteplan import SitePlan
from provisioning.argument import content
from provisioning.change import Change
from provisioning.init import GATEWAY, PUBLIC_MODE
from provisioning.placement import NewFile
from provisioning.plan import text

_PLAN_LINE = re.compile(r"^\s*plan\s*=")
_SECTION = re.compile(r"^\s*\[\s*gateway\s*\]\s*(#.*)?$")
_NUMBERED = re.compile(r"(.*?)(?:-(\d{1,6}))?(\.\w+)?")


def changed(
    sketch: Sketch, what: str, plan: str, sources: str, files: Sequence[NewFile] = ()
) -> Change:
    """The change that puts this plan in the place of the one that rules, and adds the text of
    `sources` to gateway.toml. `files`: what they read. Raises ConfigError.
    """
    name = sketch.file.gateway.plan
    if not sources:
        return Change(what, (), NewFile(name, plan.encode(), PUBLIC_MODE))
    gateway = content(sketch.folder / GATEWAY)
    if plan == content(sketch.folder / name):
        gateway = gateway.rstrip("\n") + "\n" + sources
        return Change(what, files, NewFile(GATEWAY, gateway.encode(), PUBLIC_MODE))
    after = _next_name(sketch.folder, name)
    gateway = _naming(gateway, after).rstrip("\n") + "\n" + sources
    new = [*files, NewFile(after, plan.encode(), PUBLIC_MODE)]
    what = f"{what}; the site plan is now {after}, and {name} is read no more"
    return Change(what, new, NewFile(GATEWAY, gateway.encode(), PUBLIC_MODE))


def checked(folder: Path, change: Change) -> SitePlan:
    """Rule 3: the plan that would stand. Raises ConfigError."""
    would = {file.name: file.content for file in (*change.added, change.replaced) if file}
    with tempfile.TemporaryDirectory() as made:
        would.setdefault(GATEWAY, content(folder / GATEWAY).encode())
        (Path(made) / GATEWAY).write_bytes(would[GATEWAY])
        file = config.read(would[GATEWAY].decode(), GatewayFile, GATEWAY)
        plan = file.gateway.plan
        if plan not in would:
            would[plan] = content(folder / plan).encode()
        for name, data in would.items():
            (Path(made) / name).parent.mkdir(parents=True, exist_ok=True)
            (Path(made) / name).write_bytes(data)
        return agent_config.sketch(Path(made) / GATEWAY).plan


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
    made = "\n".join(lines)
    if config.read(made, GatewayFile, GATEWAY).gateway.plan != plan:
        raise ConfigError(GATEWAY, "gateway.plan", f"cannot be set to {plan!r} by this program")
    return made
