"""Whom to believe, once it is read: the log's key, the authorities, and which of them found what
they share, the boards; and whether an authority signed a credential.

1. Trust anchors come from outside whatever is checked with them.
2. An authority signs in its own name only, and may have several keys; a key is one authority's.
3. An authority with a role founds the shared record (evidence.joint.registry). One without signs
   credentials and its book, and no records.
4. A board's key is known from its pairing, and not from the gateway that hears it. Where any board
   is named, all are.

It needs no more than the standard library and a signature's check: evidence.anchor reads the same
document with the lines of its faults.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from evidence import cose, credential, toml
from evidence.code import ALG_ED25519, Reason, Role
from evidence.credential import Credential
from evidence.key import PublicKey
from evidence.refusal import EvidenceError
from evidence.toml import Table, TomlError

ANCHORS_CHARS_MAX = 1024 * 1024  # thousands of authorities, and a witness policy
NAMES_MAX = 64  # footprints of one authority, as of one record
ROLES = {role.name: role for role in Role}


class Authority(NamedTuple):
    """Who may sign credentials. With roles: a founder, and where it has them."""

    name: str
    key: PublicKey
    roles: frozenset[Role] = frozenset()
    footprints: frozenset[str] = frozenset()


Authorities = Mapping[bytes, Authority]  # by kid


@dataclass(frozen=True, slots=True)
class Anchors:
    """The log's key, and the authorities by kid. `log`: its name, that of its checkpoints;
    `witness_policy`: the text of a C2SP tlog-policy, or where that lies; empty: none is asked.
    `boards`: their names, by raw key."""

    log_key: PublicKey
    authorities: Authorities
    log: str = ""
    witness_policy: str = ""
    boards: Mapping[bytes, str] = field(default_factory=dict)


def read(text: str) -> Anchors:
    """The anchors in a text. Raises TomlError."""
    return found(Table(toml.parse(text, ANCHORS_CHARS_MAX)))


def found(document: Table) -> Anchors:
    """The anchors that a document says. Raises TomlError."""
    log = document.table("log")
    name, key = log.text("name"), _key(log)
    log.end()
    rows: dict[bytes, Authority] = {}
    for row in document.tables("authority"):
        one = _authority(row)
        if one.key.kid in rows:
            raise TomlError((*row.steps, "key"), "the same key as another authority's")
        rows[one.key.kid] = one
    policy = document.text("witness_policy") if document.has("witness_policy") else ""
    boards = _boards(document)
    document.end()
    return Anchors(key, rows, name, policy, boards)


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


def _boards(document: Table) -> dict[bytes, str]:
    found: dict[bytes, str] = {}
    for row in document.tables("board"):
        name, key = row.text("name"), _key(row)
        row.end()
        if key.raw in found:
            raise TomlError((*row.steps, "key"), "the same key as another board's")
        found[key.raw] = name
    return found


def _authority(row: Table) -> Authority:
    name, key = row.text("name"), _key(row)
    roles = row.words("roles", ROLES) if row.has("roles") else ()
    footprints = row.words("footprints") if row.has("footprints") else ()
    if len(footprints) > NAMES_MAX:
        row.fail("footprints", len(footprints), f"at most {NAMES_MAX}")
    row.end()
    return Authority(name, key, frozenset(ROLES[role] for role in roles), frozenset(footprints))


def _key(row: Table) -> PublicKey:
    text = row.text("key")
    try:
        return PublicKey(ALG_ED25519, bytes.fromhex(text))
    except (ValueError, EvidenceError) as fault:
        reason = f"is no Ed25519 key; expected 64 hex digits, found {text[:80]!r}"
        raise TomlError((*row.steps, "key"), reason) from fault
