"""[log] and [[witness]] of record.toml: under which name the log's tree is published, who cosigns
it, and how many of them it takes.

1. Keys of log and witnesses are distinct: a witness with the log's key, or with another's, would
   vouch for itself.
2. More than half of the witnesses are asked for, unless `quorum` says another number.

It opens nothing but the certificates that are named.
"""

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import msgspec

from evidence.anchor import Anchors
from evidence.config import ConfigError
from evidence.refusal import EvidenceError
from evidence.tlog import note
from evidence.tlog.note import COSIGNATURE, ED25519, Verifier
from evidence.tlog.policy import NONE, Group, Holder, Policy

WITNESSES_MAX = 32  # each costs a connection, and a line of up to 400 bytes in every note
_QUORUM = "quorum"


class LogTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[log]. `origin`: the log's name in what it publishes; empty: that of the anchors, or made
    from its key where that is no name of a note. `publish_s`: how often it is published when it
    grew. `quorum`: how many witnesses must have cosigned."""

    origin: str = ""
    publish_s: Annotated[float, msgspec.Meta(ge=0.05, le=3600)] = 1.0
    quorum: Annotated[int, msgspec.Meta(ge=0, le=WITNESSES_MAX)] | None = None


class WitnessTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[[witness]]. `url`: what add-checkpoint is asked under; `vkey`: its key; `ca`: a PEM file, if
    the machine does not know its certificate's issuer."""

    url: str
    vkey: str
    ca: str = ""


@dataclass(frozen=True, slots=True)
class Publishing:
    """What is published, and with whom. `urls`: of the policy's witnesses, by name; `trusts`: whom
    to believe for the certificates of some, by name, instead of the machine's own."""

    log: Verifier
    every_s: float
    policy: Policy
    urls: Mapping[str, str]
    trusts: Mapping[str, ssl.SSLContext] = field(default_factory=dict)

    @property
    def least(self) -> int:
        """How many witnesses must have cosigned."""
        group = self.policy.groups.get(_QUORUM)
        return 0 if group is None else group.least


def default_origin(anchors: Anchors) -> str:
    """The name of a log that record.toml gives none: whoever has the anchors knows it."""
    try:
        note.check_name(anchors.log)
    except EvidenceError:
        return f"gridseal-log-{anchors.log_key.fingerprint[:32]}"
    return anchors.log


def checked(
    table: LogTable,
    witnesses: Sequence[WitnessTable],
    anchors: Anchors,
    file: str,
    folder: Path = Path(),
) -> Publishing:
    """What two tables say of the anchors' log; `folder`: what certificates are relative to. Raises
    ConfigError."""
    key = anchors.log_key
    try:
        log = Verifier(table.origin or default_origin(anchors), ED25519, key)
    except EvidenceError as fault:
        raise ConfigError(file, "log.origin", fault.text) from fault
    if len(witnesses) > WITNESSES_MAX:
        raise ConfigError(file, "witness", f"found {len(witnesses)}; at most {WITNESSES_MAX}")
    holders: dict[str, Holder] = {}
    trusts: dict[str, ssl.SSLContext] = {}
    keys = {key.raw: "the log"}
    for at, row in enumerate(witnesses):
        holder = _holder(row, f"witness[{at}]", file)
        name, raw = holder.key.name, holder.key.key.raw
        if raw in keys:
            text = f"found the key of {keys[raw]}; keys of log and witnesses are distinct"
            raise ConfigError(file, f"witness[{at}].vkey", text)
        if name in holders:
            raise ConfigError(file, f"witness[{at}].vkey", f"found a second witness {name!r}")
        holders[name], keys[raw] = holder, f"witness {name}"
        if row.ca:
            trusts[name] = _trust(folder / row.ca, row.url, f"witness[{at}].ca", file)
    least = len(holders) // 2 + bool(holders) if table.quorum is None else table.quorum
    if least > len(holders):
        text = f"found {least}; expected at most {len(holders)}, as many as there are witnesses"
        raise ConfigError(file, "log.quorum", text)
    urls = {name: holder.url or "" for name, holder in holders.items()}
    return Publishing(log, table.publish_s, _policy(log, holders, least), urls, trusts)


def _trust(ca: Path, url: str, place: str, file: str) -> ssl.SSLContext:
    if urlsplit(url).scheme != "https":
        raise ConfigError(file, place, "found a certificate authority for an address without TLS")
    try:
        return ssl.create_default_context(cafile=ca)
    except OSError as fault:  # ssl.SSLError is one
        text = f"{ca}: no certificates in PEM: {fault.strerror or fault}"
        raise ConfigError(file, place, text) from fault


def _policy(log: Verifier, holders: dict[str, Holder], least: int) -> Policy:
    if least == 0:
        return Policy((Holder(log),), holders, {}, NONE)
    groups = {_QUORUM: Group(least, tuple(holders))}
    return Policy((Holder(log),), holders, groups, _QUORUM)


def _holder(row: WitnessTable, place: str, file: str) -> Holder:
    try:
        key = note.read_vkey(row.vkey)
    except EvidenceError as fault:
        raise ConfigError(file, f"{place}.vkey", fault.text) from fault
    if key.type != COSIGNATURE or key.name == _QUORUM:
        text = f"found {row.vkey[:80]!r}; expected the vkey of a cosigner (type 0x04)"
        raise ConfigError(file, f"{place}.vkey", text)
    try:
        parts = urlsplit(row.url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or parts.query or parts.fragment or "@" in parts.netloc:
        text = "expected http://HOST[:PORT][/PREFIX] or https://, and nothing else"
        raise ConfigError(file, f"{place}.url", text)
    return Holder(key, row.url.rstrip("/"))
