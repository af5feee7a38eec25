"""Whose cosignatures make a checkpoint believable: logs, witnesses, groups and a quorum. C2SP
tlog-policy.

1. A checkpoint holds when one of the logs signed it, under its origin's name, and the quorum of
   witnesses cosigned it.
2. A name is defined before it is used, once, and is a member of one group at most: no witness
   counts twice, and no definition goes round in a circle.
3. No two lines have one key, whatever its name; a log's key is no witness's either, since it would
   vouch for itself.
4. Names are octets (surrogateescape): nothing here needs Unicode's tables.

The policy comes from outside whatever is checked with it. What it says of URLs is kept and not
used.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from evidence.code import Reason
from evidence.refusal import EvidenceError
from evidence.tlog import checkpoint, cosignature, note
from evidence.tlog.checkpoint import Checkpoint
from evidence.tlog.note import COSIGNATURE, ED25519, Note, Verifier

POLICY_BYTES_MAX = 1 << 16  # some 300 lines of keys and URLs
NAMES_MAX = 256  # of logs, witnesses and groups, each; 32 must be supported
NONE = "none"

_FORBIDDEN = re.compile(rb"[^\t\n\x20-\x7e\x80-\xff]")
_SPACES = re.compile(r"[ \t]+")


@dataclass(frozen=True, slots=True)
class Holder:
    """A key in a policy, and where its holder answers, if that is said."""

    key: Verifier
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Has witnessed when `least` of its members have."""

    least: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy. Witnesses and groups by the names that stand in it, and there only."""

    logs: tuple[Holder, ...] = ()
    witnesses: Mapping[str, Holder] = field(default_factory=dict)
    groups: Mapping[str, Group] = field(default_factory=dict)
    quorum: str = NONE

    def satisfied(self, names: Iterable[str]) -> bool:
        """Whether these witnesses are enough."""
        witnessed = set(names)
        for name, group in self.groups.items():  # members stand before their group
            if sum(member in witnessed for member in group.members) >= group.least:
                witnessed.add(name)
        return self.quorum == NONE or self.quorum in witnessed


@dataclass(frozen=True, slots=True)
class Seen:
    """A checkpoint that holds, and who cosigned it when (POSIX seconds, its last), by the policy's
    names."""

    note: Note
    checkpoint: Checkpoint
    witnessed: Mapping[str, int]


def check(policy: Policy, data: bytes, logs: Iterable[Verifier] = ()) -> Seen:
    """The checkpoint in a note, if it satisfies the policy. `logs` are known from elsewhere, beside
    the policy's own.

    Raises EvidenceError(WITNESS) for a quorum that is not there, SIGNATURE and what else is wrong.
    """
    believed = dict.fromkeys([*(holder.key for holder in policy.logs), *logs])
    _check_distinct(policy, believed)
    signed, says = checkpoint.check(data, believed)
    witnessed = cosigners(policy, signed)
    if not policy.satisfied(witnessed):
        by = ", ".join(witnessed) or "nobody"
        text = f"cosigned by {by}: the quorum {policy.quorum} is not reached"
        raise EvidenceError(Reason.WITNESS, printable(text))
    return Seen(signed, says, witnessed)


def cosigners(policy: Policy, signed: Note) -> dict[str, int]:
    """Which witnesses of the policy cosigned a note, and when last. Raises EvidenceError."""
    found = {}
    for name, holder in policy.witnesses.items():
        if times := cosignature.times(signed, holder.key):
            found[name] = times[-1]
    return found


def read(data: bytes) -> Policy:
    """The policy in some bytes. Raises EvidenceError(ENCODING, SHAPE, TOO_LONG, WITNESS, ALG, KID)
    with the line's number."""
    if len(data) > POLICY_BYTES_MAX:
        raise EvidenceError(Reason.TOO_LONG, f"a policy of {len(data)} bytes")
    if _FORBIDDEN.search(data):
        raise EvidenceError(Reason.ENCODING, "a policy with control characters")
    reading = _Reading()
    rows = data.decode("utf-8", "surrogateescape").split("\n")
    for number, row in enumerate(rows, 1):
        words = [word for word in _SPACES.split(row) if word]
        if words and not words[0].startswith("#"):
            try:
                reading.take(words)
            except EvidenceError as fault:
                text = printable(f"line {number} of the policy: {fault.text}")
                raise EvidenceError(fault.reason, text) from fault
    return reading.whole()


def _check_distinct(policy: Policy, logs: Iterable[Verifier]) -> None:
    cosigners = {holder.key.key.raw: name for name, holder in policy.witnesses.items()}
    for log in logs:
        if log.key.raw in cosigners:
            text = f"{log.name} is {cosigners[log.key.raw]} too: one key of a log and a witness"
            raise EvidenceError(Reason.WITNESS, printable(text))


def printable(text: str) -> str:
    """Octets that are no UTF-8, escaped for people."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


class _Reading:
    """A policy, as far as its lines have been read."""

    def __init__(self) -> None:
        self._logs: list[Holder] = []
        self._witnesses: dict[str, Holder] = {}
        self._groups: dict[str, Group] = {}
        self._members: set[str] = set()
        self._keys: set[bytes] = set()
        self._quorum: str | None = None

    def take(self, words: list[str]) -> None:
        match words:
            case ["log", vkey, *url] if len(url) <= 1:
                self._logs.append(self._holder(vkey, ED25519, url))
            case ["witness", name, vkey, *url] if len(url) <= 1:
                self._define(name)
                self._witnesses[name] = self._holder(vkey, COSIGNATURE, url)
            case ["group", name, least, *members]:
                self._define(name)
                self._groups[name] = self._group(least, members)
            case ["quorum", name]:
                if self._quorum is not None:
                    _refuse("a second quorum")
                if name != NONE:
                    self._defined(name)
                self._quorum = name
            case _:
                _refuse(f"{' '.join(words)[:60]!r} is no line of a policy")
        if max(len(self._logs), len(self._witnesses), len(self._groups)) > NAMES_MAX:
            raise EvidenceError(Reason.TOO_LONG, f"over {NAMES_MAX} of a kind")

    def whole(self) -> Policy:
        if self._quorum is None:
            _refuse("a policy without a quorum; `quorum none` says that none is asked for")
        return Policy(tuple(self._logs), self._witnesses, self._groups, self._quorum)

    def _holder(self, vkey: str, wanted: int, url: list[str]) -> Holder:
        key = note.read_vkey(vkey)
        if key.type != wanted:
            raise EvidenceError(Reason.ALG, f"{key.name}: a key of type {key.type}, not {wanted}")
        if key.key.raw in self._keys:
            raise EvidenceError(
                Reason.WITNESS,
                f"{key.name}: its key stands in the policy already; keys of logs and witnesses are"
                " distinct",
            )
        self._keys.add(key.key.raw)
        return Holder(key, url[0] if url else None)

    def _group(self, least: str, members: list[str]) -> Group:
        for member in members:
            self._defined(member)
            if member in self._members:
                _refuse(f"{member!r} is a member already")
            self._members.add(member)
        if not members:
            _refuse("a group without a member")
        if least in ("any", "all"):
            return Group(1 if least == "any" else len(members), tuple(members))
        count = note.decimal(least, "the group's threshold", NAMES_MAX)
        if not 1 <= count <= len(members):
            _refuse(f"{count} of {len(members)} members")
        return Group(count, tuple(members))

    def _define(self, name: str) -> None:
        if name == NONE or name in self._witnesses or name in self._groups:
            _refuse(f"{name!r} has a meaning already")

    def _defined(self, name: str) -> None:
        if name not in self._witnesses and name not in self._groups:
            _refuse(f"{name!r} is not defined before this line")


def _refuse(text: str) -> NoReturn:
    raise EvidenceError(Reason.SHAPE, text)
