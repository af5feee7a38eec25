"""A gateway's folder before any authority knows it: its keys, site.toml and gateway.toml.

1. All of it is there or nothing (provisioning.placement), and read back by the agent's own reader
   before it is placed. gateway.toml names files that the authority's answer will bring.
2. The device key is born in its store: a file in the new folder, a token, a TPM. A token's is not
   undone where the folder cannot be placed; who names it again says that it is this gateway's.
3. A plan that is given is taken as it is, byte for byte.

Time is not asked; randomness comes in by argument, but for keys, which their makers draw.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

from agent import config as agent_config
from drivers.keystore import file as keyfile
from drivers.keystore import uri as keystore
from drivers.keystore.uri import Ask, KeyStoreError
from evidence import anchor, siteplan
from evidence.config import ConfigError
from evidence.credential import MRID_BYTES
from evidence.key import PublicKey
from evidence.siteplan import Bus
from provisioning import init, template
from provisioning.argument import content
from provisioning.enrol import setting
from provisioning.enrol.request import GATEWAY, TLS_KEY
from provisioning.enrol.setting import Setting
from provisioning.init import ANCHORS, PUBLIC_MODE, SITE
from provisioning.placement import Disk, NewFile, PlacementError, SystemDisk, place
from provisioning.source import RequestError, SourceRequest

Random = Callable[[int], bytes]
FOUND_AGAIN = "--existing-key"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be made. `plan`: the text of site.toml; None: one of this site and these buses.
    `existing`: the key is there already, and is this gateway's.
    """

    folder: Path
    gateway: str
    key: str
    plan: str | None = None
    site: str = ""
    buses: Sequence[str] = ()
    sources: Sequence[SourceRequest] = ()
    record: str = ""
    anchors: str | None = None
    simulated: bool = False
    existing: bool = False


@dataclass(frozen=True, slots=True)
class Founded:
    """What was made, with public keys only."""

    files: tuple[str, ...]
    device: PublicKey


def found(wanted: Wanted, random: Random, ask: Ask | None, disk: Disk | None = None) -> Founded:
    """Makes the folder. Raises RequestError, ConfigError, PlacementError, KeyStoreError."""
    asked = _completed(wanted)
    site = asked.plan if asked.plan is not None else _site(asked, random)
    files = [
        *([NewFile(ANCHORS, asked.anchors.encode(), PUBLIC_MODE)] if asked.anchors else []),
        NewFile(TLS_KEY, _tls_key(), keyfile.MODE),
        NewFile(SITE, site.encode(), PUBLIC_MODE),
        NewFile(GATEWAY, _gateway(asked).encode(), PUBLIC_MODE),
    ]
    made: list[PublicKey] = []

    def born(folder: Path) -> None:
        made.append(_key(asked, folder, ask))

    def check(folder: Path) -> None:
        for file in files:
            if (folder / file.name).read_bytes() != file.content:
                text = "reads back otherwise than it was written; check the disk"
                raise PlacementError(f"{folder / file.name} {text}")
        agent_config.sketch(folder / GATEWAY)

    place(asked.folder, files, check, disk or SystemDisk(), born)
    names = sorted({file.name for file in files} | _own(asked))
    return Founded(tuple(names), made[0])


def _own(asked: Wanted) -> set[str]:
    """The key's file, where it is one of the folder."""
    name = keystore.shown(asked.key).partition(":")[2]
    return {name} if name and "/" not in name and (asked.folder / name).is_file() else set()


def _completed(wanted: Wanted) -> Wanted:
    """With sources checked and at a bus. Raises RequestError, ConfigError."""
    init.check_name("gateway", wanted.gateway)
    if wanted.anchors is not None:
        anchor.read(wanted.anchors, ANCHORS)
    if wanted.plan is not None:
        plan = siteplan.read(wanted.plan, SITE)
        buses: Sequence[str] = [bus.name for bus in plan.bus]
        return replace(wanted, sources=_checked(wanted, buses or [""]))
    init.check_name("site", wanted.site)
    named = [*wanted.buses, *(one.bus for one in wanted.sources if one.bus)]
    buses = tuple(dict.fromkeys(named))
    if not buses:
        raise RequestError("a site has a bus: name it (--bus), or bring its plan (--plan)")
    for bus in buses:
        init.check_name("bus", bus)
    return replace(wanted, buses=buses, sources=_checked(wanted, buses))


def _checked(wanted: Wanted, buses: Sequence[str]) -> list[SourceRequest]:
    names: list[str] = []
    sources = []
    for one in wanted.sources:
        if wanted.plan is not None:  # whose streams say where a source is
            one = replace(one, bus=buses[0])
        if one.name in names:
            raise RequestError(f"two sources are named {one.name!r}; give each its own: &name=NAME")
        names.append(one.name)
        sources.append(init.completed_source(one, buses, wanted.folder))
    return sources


def _site(asked: Wanted, random: Random) -> str:
    buses = [Bus(name, str(UUID(bytes=random(MRID_BYTES), version=4))) for name in asked.buses]
    streams = [(one.name, one.bus) for one in asked.sources]
    return template.site(asked.site, None, buses, streams)


def _gateway(asked: Wanted) -> str:
    text = template.gateway(asked.gateway, asked.record, asked.sources, asked.simulated)
    # That there is a credential gateway.toml says when there is one.
    text = text.replace('credential = "credential.cbor"\n', "")
    told: dict[tuple[str, str], Setting] = {("gateway", "key"): asked.key}
    return setting.changed(text, told, GATEWAY)


def _key(asked: Wanted, folder: Path, ask: Ask | None) -> PublicKey:
    """Born where its URI says. Raises KeyStoreError."""
    if asked.existing:
        return keystore.open_signer(asked.key, folder, ask).public
    try:
        return keystore.make(asked.key, folder, ask)
    except KeyStoreError as fault:
        if not _is_there(asked.key, folder):
            raise
        text = f"{fault.text}; or, where it is this gateway's own, of before: {FOUND_AGAIN}"
        raise KeyStoreError(fault.place, text) from fault


def _is_there(uri: str, folder: Path) -> bool:
    try:
        keystore.show(uri, folder)
    except KeyStoreError:
        return False
    return True


def _tls_key() -> bytes:
    from provisioning.enrol import tls

    return tls.new_key()


def text_of(path: Path, kind: str) -> str:
    """A file that was named. Raises ConfigError."""
    if os.path.isdir(path):
        raise ConfigError(str(path), "", f"is a folder; name the file of the {kind}")
    return content(path)
