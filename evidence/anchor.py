"""Whom to believe: `anchors.toml`, with the line of whatever is wrong in it.

1. What it says is evidence.trust's: one reading, whoever reads.
2. Shapes are checked before, typed, so that a fault is told as in every other configuration.

Pure: text in, keys out. Whoever reads the file brings its text and its name.
"""

from collections.abc import Sequence

import msgspec

from evidence import config, toml, trust
from evidence.config import ConfigError
from evidence.toml import Table, TomlError
from evidence.trust import Anchors as Anchors
from evidence.trust import Authorities as Authorities
from evidence.trust import Authority as Authority
from evidence.trust import signer as signer
from evidence.trust import vouched as vouched


class NamedKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A name, and an Ed25519 public key in hex."""

    name: str
    key: str


class AuthorityRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An authority. `roles`: of a founder of the shared record; `footprints`: where it has them."""

    name: str
    key: str
    roles: list[str] = []
    footprints: list[str] = []


class AnchorsFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    log: NamedKey
    authority: list[AuthorityRow] = []
    board: list[NamedKey] = []
    witness_policy: str = ""


def read(text: str, file: str) -> Anchors:
    """The anchors in a text. Raises ConfigError."""
    config.read(text, AnchorsFile, file)
    try:
        return trust.found(Table(toml.parse(text, trust.ANCHORS_CHARS_MAX)))
    except TomlError as fault:
        raise config.fault_at(text, file, fault.steps, fault.text) from fault


def by_kid(rows: Sequence[Authority]) -> Authorities:
    """Authorities by kid. Raises ConfigError when two keys share one: it is a hint of 8 bytes."""
    found = {row.key.kid: row for row in rows}
    if len(found) != len(rows):
        raise ConfigError("anchors", "authority", "two authorities with one key, or one kid")
    return found
