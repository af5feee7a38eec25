"""One sample's proof, complete: what the `extra` of a tlog-proof has, and whether all of it holds.

    extra = [version, head, at, [* hash], observation, [+ statement]]

1. The proof is of the entry, the batch's head; `at` and the hashes lead from the observation to the
   head's root (RFC 9162 2.1.3). The statements are those that the observation stands on: its
   descriptor, the runs of descriptor and head, and their credentials; no others.
2. Believed are the anchors' log, its witnesses and its authorities, and nothing in the proof.
3. It shows that this device sealed these bytes, and that the log has them. It shows not what they
   are worth: receipts and later findings do, and a revocation is an entry of the log.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from evidence import (
    cbor,
    cose,
    descriptor,
    head,
    merkle,
    observation,
    run,
    shape,
    trust,
)
from evidence.code import VERSION, Reason, Typ
from evidence.credential import Credential
from evidence.descriptor import Descriptor
from evidence.head import Head, Range
from evidence.merkle import HASH_BYTES
from evidence.observation import Sample
from evidence.refusal import EvidenceError
from evidence.run import Run
from evidence.tlog.note import ED25519, Verifier
from evidence.tlog.policy import Policy, Seen
from evidence.tlog.proof import Proof
from evidence.trust import Anchors

STATEMENTS_MAX = 5  # a descriptor, two runs, two credentials
PATH_HASHES_MAX = 16  # a batch has at most 2^16 observations: head.COUNT_MAX


@dataclass(frozen=True, slots=True)
class Extra:
    """What stands beside the proof of a head; nothing of it is believed yet."""

    head: bytes
    at: int
    path: tuple[bytes, ...]
    observation: bytes
    statements: tuple[bytes, ...]

    def encode(self) -> bytes:
        fields = (self.head, self.at, self.path, self.observation, self.statements)
        return cbor.encode([VERSION, *fields])


@dataclass(frozen=True, slots=True)
class Shown:
    """A sample that holds, by whom, under what, and the checkpoint that has it."""

    sample: Sample
    head: Head
    descriptor: Descriptor
    run: Run
    credential: Credential
    seen: Seen


@dataclass(frozen=True, slots=True)
class _Run:
    run: Run
    credential: Credential


def read(data: bytes) -> Extra:
    """The extra data of a sample's proof. Raises EvidenceError."""
    value = shape.versioned(cbor.decode(data), "sample's proof", 6)
    path, statements = shape.array(value[3], "path"), shape.array(value[5], "statements")
    if len(path) > PATH_HASHES_MAX or not 1 <= len(statements) <= STATEMENTS_MAX:
        raise EvidenceError(Reason.TOO_LONG, f"{len(path)} hashes, {len(statements)} statements")
    return Extra(
        shape.blob(value[1], "head"),
        shape.uint(value[2], "position", head.COUNT_MAX),
        tuple(shape.blob(each, "hash", HASH_BYTES) for each in path),
        shape.blob(value[4], "observation"),
        tuple(shape.blob(each, "statement") for each in statements),
    )


def is_extra(data: bytes) -> bool:
    """By how it begins: an entry's own bytes are a tagged COSE_Sign1, this is an array."""
    return data[:1] == b"\x86"


def check(proof: Proof, anchors: Anchors, policy: Policy) -> Shown:
    """What a proof shows, if all of it holds. Raises EvidenceError."""
    extra = read(proof.extra or b"")
    seen = proof.check(merkle.leaf_hash(extra.head), policy, [log_of(proof.signed, anchors)])
    named = _named(extra.statements)
    message = cose.read_statement(extra.head, Typ.HEAD)
    says = head.read(message.payload)
    by = _run(named, says.run, anchors)
    cose.check(message, by.run.public)
    merkle.check_inclusion(
        merkle.leaf_hash(extra.observation), extra.at, says.count, extra.path, says.root
    )
    ruling, seq = _ruling(says, extra.at)
    stated = _stated(named, ruling.descriptor, Typ.DESCRIPTOR)
    described = descriptor.read(stated.payload)
    sealed = _run(named, described.run, anchors)
    cose.check(stated, sealed.run.public)
    refused = sealed.credential.refusal(described.claimed)
    if refused:
        raise EvidenceError(*refused)
    sample = observation.verify(extra.observation, sealed.run.public, ruling.descriptor)
    if (sample.stream, sample.seq) != (ruling.stream, seq) or described.stream != ruling.stream:
        raise EvidenceError(
            Reason.RANGE, f"seq {sample.seq} of stream {sample.stream} stands in another's place"
        )
    used = {says.run, described.run, ruling.descriptor, by.run.credential, sealed.run.credential}
    if named.keys() != used:
        raise EvidenceError(Reason.SHAPE, "a statement that this sample does not stand on")
    return Shown(sample, says, described, sealed.run, sealed.credential, seen)


def log_of(signed: bytes, anchors: Anchors) -> Verifier:
    """The anchors' log under the name that a note gives it: a key is trusted, whatever its name.

    Raises EvidenceError.
    """
    name = signed.partition(b"\n")[0]
    try:
        return Verifier(name.decode(), ED25519, anchors.log_key)
    except UnicodeDecodeError as fault:
        raise EvidenceError(Reason.ENCODING, "an origin that is not UTF-8") from fault


def _named(statements: tuple[bytes, ...]) -> Mapping[bytes, cose.Sign1]:
    found = {}
    for encoded in statements:
        message = cose.read(encoded)
        if message.name in found or len(encoded) > cose.ENTRY_BYTES_MAX:
            raise EvidenceError(Reason.SHAPE, "a statement twice, or longer than an entry")
        found[message.name] = message
    return found


def _stated(named: Mapping[bytes, cose.Sign1], name: bytes, typ: Typ) -> cose.Sign1:
    message = named.get(name)
    if message is None:
        raise EvidenceError(Reason.UNKNOWN_NAME, f"{typ.name.lower()} {name.hex()[:16]}")
    return cose.stated(message, typ)


def _run(named: Mapping[bytes, cose.Sign1], name: bytes, anchors: Anchors) -> _Run:
    message = _stated(named, name, Typ.RUN)
    says = run.read(message.payload)
    under = _stated(named, says.credential, Typ.CREDENTIAL)
    by = trust.vouched(under, anchors.authorities)
    cose.check(message, by.key)
    says.check_possession(by.key)
    return _Run(says, by)


def _ruling(says: Head, at: int) -> tuple[Range, int]:
    """The range that holds a position of the batch, and the seq there."""
    for part in says.ranges:
        if at < part.count:
            return part, part.first_seq + at
        at -= part.count
    raise EvidenceError(Reason.COUNT, f"no observation {at} beyond the head's ranges")
