"""The files of a play's gateways and record, made by provisioning as sites make them.

1. Each gateway has an authority of its own, and its folder is what `init` made. The record has a
   folder beside them, with the log key of the first.
2. All believe the same log and every authority: one anchors.toml, written to each folder.
3. Credentials are those of gateways, not of a bench: classes are what they would be. No key is
   anybody's but the play's.
"""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from evidence.siteplan import Survey
from hil.devices.gnss import Truth
from hil.faults.outfit import tell_clocks
from hil.live import kind
from hil.live.rig import Endpoint, Found
from hil.live.script import Script, told
from hil.live.sheet import Device, Gateway
from provisioning import template
from provisioning.init import ANCHORS, GATEWAY, LOG_KEY, RECORD, InitRequest, InitResult, initialise
from provisioning.source import SourceRequest

RECORD_DIR = "record"
KERNEL = "kernel:"  # a source of time that is always there
SURVEY_ACCURACY_M = 0.5
_AUTHORITIES = re.compile(r"\[\[authority\]\].*", re.DOTALL)


def make(
    of: Script, devices: Sequence[Device], found: Found, folder: Path, record: Endpoint, now_s: int
) -> dict[str, InitResult]:
    """All folders; what was made, by gateway.

    Raises RequestError, ConfigError, PlacementError, KeyStoreError, OSError.
    """
    made: dict[str, InitResult] = {}
    for row in of.gateway:
        its = [one for one in devices if one.gateway == row.name and one.name in found.devices]
        clocks = [one for one in its if kind.KINDS[one.kind].clock]
        sources = [one for one in its if one not in clocks]
        made[row.name] = initialise(
            _request(row, sources, found.devices, folder / row.name, found.uplinks[row.name]),
            *(now_s, os.urandom),
        )
        era = found.era
        if clocks or era is not None:
            told_clocks = [str(found.devices[one.name]["clock"]) for one in clocks] or [KERNEL]
            more = {} if era is None else {"leap_seconds": str(era.file)}
            tell_clocks(folder / row.name / GATEWAY, told_clocks, more)
    _share(of.gateway, folder, record)
    return made


def _request(
    row: Gateway,
    devices: Sequence[Device],
    addresses: Mapping[str, Mapping[str, Any]],
    folder: Path,
    uplink: Endpoint,
) -> InitRequest:
    return InitRequest(
        folder,
        gateway=row.name,
        site=row.site,
        authority=row.authority,
        listen=uplink,
        sources=[_source(one, addresses[one.name]) for one in devices],
        buses=tuple(dict.fromkeys(bus_name(one.bus) for one in devices)),
        survey=_survey(devices),
    )


def _source(device: Device, at: Mapping[str, Any]) -> SourceRequest:
    of = kind.KINDS[device.kind]
    known = {one.encode_name for one in msgspec.structs.fields(of.settings)}
    # A real device is what it is: what its resource says of it rules.
    said = {**device.with_, **{name: value for name, value in at.items() if name in known}}
    scheme, options = of.source(told(said, of.settings), at)
    return SourceRequest(device.name, scheme, options, bus_name(device.bus))


def _survey(devices: Sequence[Device]) -> Survey | None:
    """Of the antenna, where a receiver of the site is said to be surveyed."""
    for one in devices:
        if one.kind == "gnss-receiver" and one.with_.get("surveyed", True):
            truth = Truth()
            where = (truth.latitude, truth.longitude, truth.height_m)
            return Survey(*where, SURVEY_ACCURACY_M, "bench")
    return None


def bus_name(number: int | str) -> str:
    return f"Bus {number}"


def _share(gateways: Sequence[Gateway], folder: Path, record: Endpoint) -> None:
    """One log, and all authorities, to everybody; the record's own folder."""
    first = folder / gateways[0].name
    anchors = (first / ANCHORS).read_text(encoding="utf-8")
    for row in gateways[1:]:
        text = (folder / row.name / ANCHORS).read_text(encoding="utf-8")
        found = _AUTHORITIES.search(text)
        anchors += f"\n{found.group()}" if found else ""
    of_record = folder / RECORD_DIR
    of_record.mkdir(mode=0o700)
    (of_record / LOG_KEY).write_bytes((first / LOG_KEY).read_bytes())
    (of_record / LOG_KEY).chmod(0o600)
    (of_record / RECORD).write_text(template.record(f"{record[0]}:{record[1]}"), encoding="utf-8")
    for where in (*(folder / row.name for row in gateways), of_record):
        (where / ANCHORS).write_text(anchors, encoding="utf-8")
