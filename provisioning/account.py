"""What whoever helps needs to know of a gateway, part by part: each is a list of what goes in.

1. Nothing is copied: files are read as what they are, and of each the fields that stand here are
   written anew. A comment, an unknown key or an unknown file never comes along.
2. No key file, request, challenge or certificate's key is opened: that they are there, their size
   and mode is all.
3. What signed evidence hides (names of site, sources, buses and channels, position, survey) is left
   out or has another name, unless `places` says so.
4. A part that cannot be made says why; the others go on.

It writes nothing, and asks the running agent and no other.
"""

import os
import platform
import re
import stat
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from agent import config, status
from agent.archive import Archive, ArchiveError
from agent.config import GatewayFile, Sketch
from agent.schema import SpoolError
from agent.sealer import SOFTWARE
from drivers import registry
from evidence import config as reader
from evidence import instant
from evidence.config import ConfigError
from evidence.leap import BUILT_IN, NS
from evidence.siteplan import Bus, Channel, SitePlan, Stream
from provisioning import mask
from provisioning.argument import content
from provisioning.mask import Mask

GATEWAY = "gateway.toml"
LOG_BYTES = 4 << 20  # from its end
LOG_LINES = 2000
PACKAGES_MAX = 500
# Of the folder: whether they are there, and never what is in them.
FILES = (
    *(GATEWAY, "site.toml", "credential.cbor", "anchors.toml", "ca.pem", "tls.pem", "tls.key"),
    *("device.key", "authority.key", "log.key", "enrol-request.cbor", "enrol-request.gse"),
    "test-mode.toml",
)
# Of the agent's account: counts and states. What is not here is not told.
COUNTS = (
    *("run", "clock", "heard", "sealed", "durable", "receipted", "refused", "waiting"),
    *("waiting_bytes", "queue", "oldest_unreceipted", "in_flight", "unreadable", "days_to_drain"),
    *("bytes_kept", "bytes_written", "disk_full_s", "forks", "offered_again", "holes", "gaps"),
    *("unkept", "forgone", "given_up", "in_memory", "faults", "bugs", "tree_size", "disk_low"),
    "latency_ms",
)
WORDS = ("record", "spool_fault", "key_fault", "tests_fault")  # free text
_PLANT = ("line", "tie", "equipment", "device")
_BUS = ("mrid", "nominal_kv", "nominal_hz", "rotation")
_CHANNEL = (
    *("terminal", "phase", "direction", "ratio", "accuracy", "core", "burden", "wiring", "rated"),
    *("rated_burden_va", "burden_va", "burden_power_factor", "rating_factor", "idcode"),
)
# A line of the agent's log, as agent.cli has them; what a journal puts before it is cut off.
_OURS = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [A-Z]+ gridseal\.\w+: .*")
_SOURCE = ("state", "heard", "sealed", "opened", "last_tai", "faults")
_RECEIVER = (
    *("fix", "mode", "satellites", "cn0", "antenna", "spoofing", "jamming", "doubts", "age_s"),
    *("silent", "bound_ns"),
)
_TIME = ("bound_ns", "chosen", "source", "why", "holdover_s", "flags", "tai_utc_s")
_TIME_SOURCE = ("name", "state", "offset_ns", "error_ns", "source")
_CHECK = ("check", "stream", "since", "for_s")
_TEST = ("source", "state", "from_utc", "left_s", "reason")


class Case(NamedTuple):
    """One gateway. `sketch`: None where its configuration cannot be read, and `fault` says why."""

    folder: Path
    utc_ns: int
    places: bool
    log: Path | None
    sketch: Sketch | None
    file: GatewayFile | None
    fault: str
    mask: Mask

    @property
    def names(self) -> Mapping[str, str]:
        """What each source is called in the bundle."""
        return {} if self.file is None else _source_names(self.file, self.places)

    @property
    def spool(self) -> Path | None:
        return None if self.file is None else self.folder / self.file.spool.path


def case(folder: Path, utc_ns: int, places: bool, log: Path | None) -> Case:
    """Reads what there is of a gateway's configuration; what is wrong with it is a word of it."""
    sketch, file, fault = None, None, ""
    try:
        file = reader.read(content(folder / GATEWAY), GatewayFile, GATEWAY)
        sketch = config.sketch(folder / GATEWAY)
    except ConfigError as refused:
        fault = mask.secretless(str(refused))
    hidden = {} if places else _hidden(file, sketch.plan if sketch is not None else None)
    return Case(folder, utc_ns, places, log, sketch, file, fault, Mask(hidden))


def _hidden(file: GatewayFile | None, plan: SitePlan | None) -> dict[str, str]:
    """Names that what is signed hides, and what stands for them here."""
    found = {} if file is None else dict(_source_names(file, places=False))
    if plan is None:
        return found
    found[plan.site.name] = "the site"
    for number, bus in enumerate(plan.bus, 1):
        others = (bus.eic, *bus.aliases, "" if bus.psse is None else str(bus.psse))
        found |= {name: f"bus {number}" for name in (bus.name, *others) if name}
    several: Mapping[str, Sequence[Any]] = {key: getattr(plan, key) for key in _PLANT}
    for kind, ones in several.items():
        found |= {one.name: f"{kind} {number}" for number, one in enumerate(ones, 1)}
    for stream in plan.stream:
        named = enumerate((channel.name for channel in stream.channel), 1)
        found |= {name: f"channel {number}" for number, name in named}
    return found


def _source_names(file: GatewayFile, places: bool) -> dict[str, str]:
    names = (one.name for one in file.source)
    return {name: name if places else f"source {at}" for at, name in enumerate(names, 1)}


# --- the parts


def versions(of: Case) -> dict[str, Any]:
    """Of what runs here."""
    system = os.uname()
    found = {one.metadata["Name"]: one.version for one in metadata.distributions()}
    return {
        "software": SOFTWARE,
        "python": platform.python_version(),
        "kernel": f"{system.sysname} {system.release} {system.machine}",
        "packages": dict(sorted(found.items())[:PACKAGES_MAX]),
    }


def gateway(of: Case) -> dict[str, Any]:
    """gateway.toml, field by field."""
    file = of.file
    if file is None:
        return {"fault": of.fault}
    section, record = file.gateway, file.record
    names = of.names
    told = {
        "gateway": {
            "name": section.name,
            "plan": of.mask.text(section.plan),
            "credential": of.mask.text(section.credential),
            "key": mask.key_uri(section.key),
            "key_before": [mask.key_uri(one) for one in section.key_before],
        },
        "record": {
            key: of.mask.text(getattr(record, key))
            for key in ("url", "region", "anchors", "ca", "certificate", "certificate_key")
        },
        "clock": {
            "sources": [of.mask.text(one) for one in file.clock.sources],
            **_plain(file.clock, "oscillator", "verdict_s", "leap_seconds"),
        },
        "spool": msgspec.to_builtins(file.spool),
        "uplink": msgspec.to_builtins(file.uplink),
        "source": [
            {
                "name": names[one.name],
                "scheme": one.scheme,
                "simulated": one.simulated,
                "options": _options(of, one.scheme, one.options),
            }
            for one in file.source
        ],
    }
    return told | ({"fault": of.fault} if of.fault else {})


def _options(of: Case, scheme: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Those that the scheme knows, and of them what is one value."""
    if scheme not in registry.SCHEMES:
        return {}
    known = registry.options_type(scheme).__struct_fields__
    return {
        key: of.mask.text(value) if isinstance(value, str) else value
        for key, value in options.items()
        if key in known and isinstance(value, str | int | float | bool)
    }


def plan(of: Case) -> dict[str, Any]:
    """The site plan, field by field."""
    if of.sketch is None:
        return {"fault": of.fault}
    found, names = of.sketch.plan, of.names
    buses = {bus.name: f"bus {number}" for number, bus in enumerate(found.bus, 1)}
    if of.places:
        buses = {name: name for name in buses}
    told: dict[str, Any] = {
        **_plain(found.site, "nominal_hz", "rotation"),
        **{key: len(getattr(found, key)) for key in _PLANT},
        "survey": found.site.survey is not None,
        "antenna": found.site.antenna is not None,
        "bus": [_bus(bus, buses, of.places) for bus in found.bus],
        "stream": [_stream(one, names, buses, of) for one in found.stream],
    }
    if of.places:
        told["site"] = found.site.name
        told["survey"] = msgspec.to_builtins(found.site.survey)
        told["antenna"] = msgspec.to_builtins(found.site.antenna)
    return told


def _bus(bus: Bus, names: Mapping[str, str], places: bool) -> dict[str, Any]:
    told = {"name": names[bus.name], **_plain(bus, *_BUS)}
    more = ("psse", "eic", "aliases", "offset_mm") if places else ()
    return told | _plain(bus, *more)


def _stream(
    one: Stream, names: Mapping[str, str], buses: Mapping[str, str], of: Case
) -> dict[str, Any]:
    plain = ("origin", "wait_ms", "path_ms", "time_bound_ns", "frame_bytes", "rate")
    return {
        "source": names.get(one.source, "clock"),
        "bus": buses.get(one.bus, ""),
        **_plain(one, *plain),
        "channel": [
            _channel(at, channel, buses, of.places) for at, channel in enumerate(one.channel, 1)
        ],
    }


def _channel(at: int, one: Channel, buses: Mapping[str, str], places: bool) -> dict[str, Any]:
    return {
        "name": one.name if places else f"channel {at}",
        "bus": buses.get(one.bus, ""),
        **_plain(one, *_CHANNEL),
    }


def files(of: Case) -> dict[str, Any]:
    """Which of the files that belong there are there."""
    told: dict[str, Any] = {}
    for name in FILES:
        try:
            found = os.lstat(of.folder / name)
        except OSError:
            continue
        mode, owner = stat.filemode(found.st_mode), f"{found.st_uid}:{found.st_gid}"
        told[name] = {"bytes": found.st_size, "mode": mode, "owner": owner}
    return told


def checks(of: Case) -> list[dict[str, str]]:
    """What can be told without opening a line or a key."""
    told = [_check("configuration", "fault" if of.fault else "ok", of.mask.text(of.fault))]
    for source in of.sketch.sources if of.sketch is not None else ():
        notes = registry.line_notes(source)
        words = of.mask.text("; ".join(notes))
        told.append(_check(of.names.get(source.name, "clock"), "fault" if notes else "ok", words))
    try:
        held = config.load(of.folder / GATEWAY)
    except ConfigError as fault:
        return [*told, _check("credential", "fault", of.mask.text(str(fault)))]
    says = held.credential.says
    until = instant.words(BUILT_IN.tai_ns(says.expires_s))
    word = "ok" if says.not_before_s <= of.utc_ns // NS < says.expires_s else "fault"
    told.append(
        _check("credential", word, f"of {says.key.kid.hex()}, role {says.role}, to {until}")
    )
    elsewhere = held.place_refusal()
    return [*told, _check("place", "fault" if elsewhere else "ok", of.mask.text(elsewhere))]


def _check(name: str, word: str, text: str) -> dict[str, str]:
    return {"check": name, "word": word, "text": text}


def agent(of: Case) -> dict[str, Any]:
    """What the running agent says of itself."""
    if of.spool is None:
        return {"fault": of.fault}
    try:
        said = status.ask(of.spool)
    except (OSError, ValueError) as fault:
        return {"fault": of.mask.text(f"no agent answers: {fault}")}
    told: dict[str, Any] = {key: said[key] for key in COUNTS if key in said}
    told |= {key: of.mask.text(str(said.get(key, ""))) for key in WORDS}
    told["sources"] = _by_source(of, said, "sources", (*_SOURCE, "text"))
    told["receivers"] = _by_source(of, said, "receivers", _RECEIVER)
    time = _table(said.get("time"))
    told["time"] = _words(of, time, _TIME) | {
        "sources": [_words(of, one, _TIME_SOURCE) for one in _rows(time.get("sources"))]
    }
    told["place"] = {"state": _table(said.get("place")).get("state")}
    told["checks"] = [_words(of, one, _CHECK) for one in _rows(said.get("checks"))]
    told["tests"] = [_words(of, one, _TEST) for one in _rows(said.get("tests"))]
    if of.places:
        told["place"] = said.get("place")
        told["checks"] = said.get("checks")
    return told


def _by_source(
    of: Case, said: Mapping[str, Any], key: str, wanted: tuple[str, ...]
) -> dict[str, Any]:
    names = of.names
    return {
        names.get(name, "clock"): _words(of, _table(one), wanted)
        for name, one in _table(said.get(key)).items()
    }


def spool(of: Case) -> dict[str, Any]:
    """Its size and what is counted in it; nothing of what it holds."""
    path = of.spool
    if path is None:
        return {"fault": of.fault}
    told: dict[str, Any] = {"files": {}}
    for end in ("", "-wal", "-shm", ".ballast", ".lock"):
        try:
            told["files"][path.name + end] = path.with_name(path.name + end).stat().st_size
        except OSError:
            continue
    try:
        disk = os.statvfs(path.parent)
        told["disk_bytes"] = {"free": disk.f_bavail * disk.f_frsize}
        archive = Archive(path)
    except (OSError, SpoolError) as fault:
        return told | {"fault": of.mask.text(str(fault))}
    try:
        told |= {"streams": len(archive.streams()), "runs": len(archive.runs())}
        committed = archive.committed()
        told["committed"] = committed and [instant.words(tai) for tai in committed]
    except ArchiveError as fault:
        told["fault"] = of.mask.text(str(fault))
    finally:
        archive.close()
    return told


def log_lines(of: Case) -> list[str]:
    """Of a file that was named: lines that the agent wrote, the last of them."""
    if of.log is None:
        return []
    try:
        with of.log.open("rb") as file:
            file.seek(max(file.seek(0, os.SEEK_END) - LOG_BYTES, 0))
            text = file.read(LOG_BYTES).decode("utf-8", "replace")
    except OSError as fault:
        return [f"{of.log.name} cannot be read: {fault.strerror}"]
    ours = [found[0] for line in text.splitlines() if (found := _OURS.search(line))]
    return [of.mask.text(line) for line in ours[-LOG_LINES:]]


PARTS: Mapping[str, Callable[[Case], Any]] = {
    "versions.json": versions,
    "gateway.json": gateway,
    "plan.json": plan,
    "files.json": files,
    "checks.json": checks,
    "status.json": agent,
    "spool.json": spool,
    "log.json": log_lines,
}


def _plain(of: Any, *keys: str) -> dict[str, Any]:
    return {key: msgspec.to_builtins(getattr(of, key)) for key in keys}


def _table(found: Any) -> Mapping[str, Any]:
    """Of what an agent said; empty where it is none: another version may answer."""
    return found if isinstance(found, dict) else {}


def _rows(found: Any) -> list[Mapping[str, Any]]:
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _words(of: Case, told: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    """Those of it, the text among it masked."""
    kept = {key: told[key] for key in keys if key in told}
    return {key: of.mask.text(one) if isinstance(one, str) else one for key, one in kept.items()}
