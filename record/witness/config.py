"""What a witness and a mirror are told: `witness.toml`, `mirror.toml`.

1. Typed, unknown keys refused; a fault is a ConfigError with file, key, what was found and what was
   expected. Paths are relative to the folder of the file that names them.
2. Log, witness and mirror keys are distinct: one's own key is none of the logs' and none of
   `others`, and who has which key is said by name.
3. Without TLS they listen on loopback only.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import msgspec

from evidence import config
from evidence.code import ALG_ED25519
from evidence.config import ConfigError
from evidence.key import PublicKey
from evidence.leap import NS
from evidence.refusal import EvidenceError
from evidence.tlog import note, policy
from evidence.tlog.note import COSIGNATURE, ED25519, Verifier
from evidence.tlog.policy import Policy
from record.config import TlsFiles, TlsTable, address, read_text
from record.region import is_loopback
from record.witness.witness import Logs

LOGS_MAX = 256  # of one witness


class LogTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[[log]]. `vkey`: as the log publishes it; several of one origin while its key changes.
    `origin`: where it is not the key's name."""

    vkey: str
    origin: str = ""


class WitnessTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[witness]. `name`: of its key, under which it is known. `others`: vkeys of cosigners that it
    must not be."""

    name: str
    listen: str = "127.0.0.1:8450"
    key: str = "file:witness.key"
    store: str = "witness.db"
    others: list[str] = []


class WitnessFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    witness: WitnessTable
    log: Annotated[list[LogTable], msgspec.Meta(min_length=1, max_length=LOGS_MAX)]
    tls: TlsTable | None = None


class MirrorTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[mirror]. `folder`: where the copies are, each below the SHA-256 of its origin; `pull_s`: how
    often it asks; `late_s`: how much earlier than it was first seen an entry may say it was logged;
    `policy`: a file, whose witnesses must have cosigned what is taken."""

    name: str
    listen: str = "127.0.0.1:8451"
    key: str = "file:mirror.key"
    store: str = "mirror.db"
    folder: str = "mirror"
    pull_s: Annotated[int, msgspec.Meta(ge=1, le=86_400)] = 10
    late_s: Annotated[int, msgspec.Meta(ge=1, le=86_400)] = 60
    policy: str = ""
    others: list[str] = []


class SourceTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[log] of a mirror. `url`: of the record; `ca`: a PEM file, for a certificate that the machine
    does not know."""

    vkey: str
    url: str
    origin: str = ""
    ca: str = ""


class MirrorFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    mirror: MirrorTable
    log: SourceTable
    tls: TlsTable | None = None


@dataclass(frozen=True, slots=True)
class Door:
    """Where it listens."""

    host: str
    port: int
    tls: TlsFiles | None


@dataclass(frozen=True, slots=True)
class WitnessConfig:
    """Checked. `key`: the URI, relative to `folder`."""

    file: str
    name: str
    key: str
    folder: Path
    store: Path
    door: Door
    logs: Logs
    others: tuple[Verifier, ...]


@dataclass(frozen=True, slots=True)
class MirrorConfig:
    """Checked. `copies`: the folder of the copies; `late_ns`, `pull_s`: as in MirrorTable."""

    file: str
    name: str
    key: str
    folder: Path
    store: Path
    door: Door
    origin: str
    log: Verifier
    url: str
    ca: Path | None
    copies: Path
    pull_s: int
    late_ns: int
    policy: Policy | None
    others: tuple[Verifier, ...]


def read_witness(path: Path, listen: str | None = None) -> WitnessConfig:
    """The configuration in a file; `listen` overrides the file's. Raises ConfigError."""
    text, file = read_text(path), str(path)
    found = config.read(text, WitnessFile, file)
    table, folder = found.witness, path.parent
    logs: dict[str, list[Verifier]] = {}
    for at, row in enumerate(found.log):
        key = _vkey(text, file, ("log", at, "vkey"), row.vkey, ED25519)
        logs.setdefault(row.origin or key.name, []).append(key)
    return WitnessConfig(
        *(file, _name(text, file, "witness", table.name), table.key, folder, folder / table.store),
        _door(table.listen, listen, found.tls, folder, file, "witness"),
        {origin: tuple(dict.fromkeys(keys)) for origin, keys in logs.items()},
        _others(text, file, "witness", table.others),
    )


def read_mirror(path: Path, listen: str | None = None) -> MirrorConfig:
    """The configuration in a file; `listen` overrides the file's. Raises ConfigError."""
    text, file = read_text(path), str(path)
    found = config.read(text, MirrorFile, file)
    table, folder = found.mirror, path.parent
    log = _vkey(text, file, ("log", "vkey"), found.log.vkey, ED25519)
    others = _others(text, file, "mirror", table.others)
    wanted = None
    if table.policy:
        wanted = read_policy(folder / table.policy)
        others += tuple(holder.key for holder in wanted.witnesses.values())
    url = found.log.url.rstrip("/")
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise config.fault_at(
            text, file, ("log", "url"), f"found {url[:80]!r}; expected http:// or https://"
        )
    return MirrorConfig(
        file=file,
        name=_name(text, file, "mirror", table.name),
        key=table.key,
        folder=folder,
        store=folder / table.store,
        door=_door(table.listen, listen, found.tls, folder, file, "mirror"),
        origin=found.log.origin or log.name,
        log=log,
        url=url,
        ca=folder / found.log.ca if found.log.ca else None,
        copies=folder / table.folder,
        pull_s=table.pull_s,
        late_ns=table.late_s * NS,
        policy=wanted,
        others=others,
    )


def read_policy(path: Path) -> Policy:
    """The witness policy in a file. Raises ConfigError."""
    try:
        return policy.read(path.read_bytes())
    except OSError as fault:
        raise ConfigError(str(path), "", fault.strerror or "cannot be read") from fault
    except EvidenceError as fault:
        raise ConfigError(str(path), "", fault.text) from fault


def own(file: str, role: str, name: str, key: PublicKey, others: Iterable[Verifier]) -> Verifier:
    """One's own key as a cosigner's. Raises ConfigError where it is another's too, or of an
    algorithm that notes do not know."""
    if key.alg != ALG_ED25519:
        raise ConfigError(file, f"{role}.key", "found a P-256 key; expected an Ed25519 key")
    for other in others:
        if other.key == key:
            text = (
                f"is the key of {other.name} too; expected one of its own: keys of logs, witnesses"
                " and mirrors are distinct"
            )
            raise ConfigError(file, f"{role}.key", text)
    return Verifier(name, COSIGNATURE, key)


def _door(
    listen: str, instead: str | None, tls: TlsTable | None, folder: Path, file: str, role: str
) -> Door:
    host, port = address(instead or listen, "--listen" if instead else file)
    if tls is None and not is_loopback(host):
        text = f"{host} is not loopback; expected a [tls] table, or 127.0.0.1"
        raise ConfigError(file, f"{role}.listen", text)
    if tls is None:
        return Door(host, port, None)
    client_ca = folder / tls.client_ca if tls.client_ca else None
    return Door(host, port, TlsFiles(folder / tls.certificate, folder / tls.key, client_ca))


def _name(text: str, file: str, role: str, name: str) -> str:
    try:
        note.check_name(name)
    except EvidenceError as fault:
        raise config.fault_at(text, file, (role, "name"), fault.text) from fault
    return name


def _others(text: str, file: str, role: str, vkeys: Sequence[str]) -> tuple[Verifier, ...]:
    steps = [(role, "others", at) for at in range(len(vkeys))]
    return tuple(_vkey(text, file, step, vkey) for step, vkey in zip(steps, vkeys, strict=True))


def _vkey(
    text: str, file: str, steps: tuple[str | int, ...], vkey: str, wanted: int | None = None
) -> Verifier:
    try:
        found = note.read_vkey(vkey)
    except EvidenceError as fault:
        raise config.fault_at(text, file, steps, fault.text) from fault
    if wanted is not None and found.type != wanted:
        raise config.fault_at(text, file, steps, f"{found.name}: a cosigner's key, not a log's")
    return found
