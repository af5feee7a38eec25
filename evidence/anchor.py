"""Whom to believe: `anchors.toml`, and whether an authority in it signed a credential, or an entry
of its book.

1. Trust anchors come from outside whatever is checked with them.
2. An authority signs in its own name only, and may have several keys; a key is one authority's.

Pure: text in, keys out. Whoever reads the file brings its text and its name.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from evidence import config, cose, credential
from evidence.code import ALG_ED25519, Reason
from evidence.config import ConfigError
from evidence.credential import Credential
from evidence.key import PublicKey
from evidence.refusal import EvidenceError


class NamedKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A name, and an Ed25519 public key in hex."""

    name: str
    key: str


class AnchorsFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    log: NamedKey
    authority: list[NamedKey] = []


class Authority(NamedTuple):
    """Who may sign credentials, and what it did in its book."""

    name: str
    key: PublicKey


Authorities = Mapping[bytes, Authority]  # by kid


@dataclass(frozen=True, slots=True)
class Anchors:
    """The log's key, and the authorities by kid."""

    log_key: PublicKey
    authorities: Authorities


def read(text: str, file: str) -> Anchors:
    """The anchors in a text. Raises ConfigError."""
    found = config.read(text, AnchorsFile, file)
    rows: dict[bytes, Authority] = {}
    for at, row in enumerate(found.authority):
        steps = ("authority", at, "key")
        key = _key(text, file, steps, row.key)
        if key.kid in rows:
            raise config.fault_at(text, file, steps, "the same key as another authority's")
        rows[key.kid] = Authority(row.name, key)
    return Anchors(_key(text, file, ("log", "key"), found.log.key), rows)


def by_kid(rows: Sequence[Authority]) -> Authorities:
    """Authorities by kid. Raises ConfigError when two keys share one: it is a hint of 8 bytes."""
    found = {row.key.kid: row for row in rows}
    if len(found) != len(rows):
        raise ConfigError("anchors", "authority", "two authorities with one key, or one kid")
    return found


def vouched(message: cose.Sign1, authorities: Authorities) -> Credential:
    """The credential in a message, if an authority signed it, and in its own name.

    Raises EvidenceError(UNKNOWN_AUTHORITY, ALG, SIGNATURE, or what its payload has wrong).
    """
    by = signer(message, authorities)
    says = credential.read(message.payload)
    if says.issuer != by.name:
        text = f"issued in the name of {says.issuer!r} by the key of {by.name!r}"
        raise EvidenceError(Reason.UNKNOWN_AUTHORITY, text)
    return says


def signer(message: cose.Sign1, authorities: Authorities) -> Authority:
    """The authority that signed a message. Raises EvidenceError."""
    by = authorities.get(message.kid)
    if by is None:
        raise EvidenceError(Reason.UNKNOWN_AUTHORITY, f"nobody knows key {message.kid.hex()}")
    cose.check(message, by.key)
    return by


def _key(text: str, file: str, steps: tuple[str | int, ...], key: str) -> PublicKey:
    try:
        return PublicKey(ALG_ED25519, bytes.fromhex(key))
    except (ValueError, EvidenceError) as fault:
        reason = f"is no Ed25519 key; expected 64 hex digits, found {key[:80]!r}"
        raise config.fault_at(text, file, steps, reason) from fault
