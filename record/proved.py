"""Checks proofs that left a record: the tlog-proof of a sample or an entry, an entry with its COSE
receipt, a fork; by anchors from outside, without any record.

It reads one file of bounded length, and says in words what it shows.
"""

from pathlib import Path

from evidence import cose, instant, merkle
from evidence.anchor import Anchors
from evidence.code import Reason, Typ
from evidence.config import ConfigError
from evidence.leap import BUILT_IN
from evidence.refusal import EvidenceError
from evidence.tlog import fork, policy, proof, receipt, sample
from evidence.tlog.policy import Policy, Seen
from evidence.tlog.proof import Proof


def is_proof(path: Path) -> bool:
    """Whether a file is one of these. Raises OSError."""
    data = _read(path)
    if data is None:
        return False
    return proof.is_proof(data) or receipt.is_attached(data) or fork.is_fork(data)


def check(path: Path, anchors: Anchors, beside: Path) -> list[str]:
    """What the file shows, in words. `beside`: the folder of the anchors. Raises EvidenceError
    where it does not hold, ConfigError, OSError."""
    data = _read(path) or b""
    if fork.is_fork(data):
        return _fork(data, anchors)
    if not proof.is_proof(data):
        return _receipt(data, anchors)
    found = proof.read(data)
    trusted = witness_policy(anchors, beside)
    if found.extra is None:
        raise EvidenceError(Reason.SHAPE, "a proof without its entry: nothing says what was logged")
    if not sample.is_extra(found.extra):
        return _entry(found, anchors, trusted)
    shown = sample.check(found, anchors, trusted)
    says, seen = shown.credential, shown.seen
    one = shown.sample
    return [
        f"sample        {says.subject}/{one.stream}/{one.seq}, measured {instant.words(one.tai)}",
        f"sealed by     {says.key.kid.hex()}, {says.subject}, for {says.issuer}",
        f"entry         {found.index} of {seen.checkpoint.size} of {seen.checkpoint.origin}",
        *_witnessed(seen),
        "what it is worth is not in it: the record's receipts and later findings say that",
    ]


def witness_policy(anchors: Anchors, beside: Path) -> Policy:
    """The policy that the anchors name, its text or, in one line, its file; none: no quorum is
    asked for. Raises ConfigError."""
    text = anchors.witness_policy
    if not text:
        return Policy()
    try:
        raw = text.encode() if "\n" in text else (beside / text).read_bytes()
        return policy.read(raw)
    except OSError as fault:
        raise ConfigError(str(beside / text), "", fault.strerror or "cannot be read") from fault
    except EvidenceError as fault:
        raise ConfigError("anchors", "witness_policy", fault.text) from fault


def _entry(found: Proof, anchors: Anchors, trusted: Policy) -> list[str]:
    """An entry that is no sample: a record, a word, a head."""
    message = cose.read(found.extra or b"")
    log = sample.log_of(found.signed, anchors)
    seen = found.check(merkle.leaf_hash(message.encoded), trusted, [log])
    return [
        f"entry         {found.index} of {seen.checkpoint.size} of {seen.checkpoint.origin}:"
        f" {_typ(message.typ)} {message.name.hex()}",
        *_witnessed(seen),
        "that it is in the log is shown, and not who signed it, nor what it is worth: the record",
        "or a bundle says that, and gridseal-record verify checks it",
    ]


def _witnessed(seen: Seen) -> list[str]:
    found = [
        f"cosigned by   {policy.printable(name)} {instant.words(BUILT_IN.tai_ns(second, 0))}"
        for name, second in seen.witnessed.items()
    ]
    return found or ["cosigned by   nobody whom the anchors ask for"]


def _typ(typ: int | None) -> str:
    return Typ(typ).name.lower() if typ in list(Typ) else str(typ)


def _receipt(data: bytes, anchors: Anchors) -> list[str]:
    statement, encoded = receipt.detach(data)
    found = receipt.read(encoded)
    root = found.check_inclusion(statement, anchors.log_key)
    name = _typ(cose.read(statement).typ)
    return [
        f"entry         {found.one} of {found.other} of {found.issuer}: {name} {found.subject}",
        f"root          {root.hex()}",
    ]


def _fork(data: bytes, anchors: Anchors) -> list[str]:
    found = fork.read(data)
    one, other = found.check(anchors.log_key)
    origin = one.origin or other.origin
    lines = [
        f"log           {policy.printable(origin or anchors.log)}, {anchors.log_key.kid.hex()}",
        f"signed        a tree of {one.size}, root {one.root.hex()}",
        f"signed        a tree of {other.size}, root {other.root.hex()}",
    ]
    if one.size < other.size:
        lines.append(f"which has     {found.root.hex()} as the root of its first {one.size}")
    return [*lines, "fork          no log has both: it showed two histories"]


def _read(path: Path) -> bytes | None:
    """A file that may be one of these; None: it is longer, or none."""
    if not path.is_file() or path.stat().st_size > proof.PROOF_BYTES_MAX:
        return None
    return path.read_bytes()
