"""Proofs that leave the record: of one sample, complete, and of entries for whoever reads COSE.

1. A sample's proof is of its batch's head in the last published tree; everything that it stands on
   goes with it (evidence.tlog.sample).
2. A COSE receipt is signed when it is made, by the log's key; its tree is the last published one
   that has the entry, or else the log as it stands.

What it makes it checks as a stranger would, but for the anchors.
"""

from functools import partial

from evidence import cose, head, merkle, observation, run
from evidence.code import Typ
from evidence.key import Signer
from evidence.tlog import receipt
from evidence.tlog.proof import Proof
from evidence.tlog.sample import Extra
from record.log import stored_node
from record.lookup import NotFoundError, Seen
from record.schema import Entry
from record.shelf import origin_of, proof_of
from record.store import Store, StoreError


def sample_proof(store: Store, seen: Seen) -> Proof:
    """The proof of one sample. Raises StoreError; NotFoundError where its batch is in no published
    tree."""
    body = store.body(seen.entry.idx)
    if body is None:
        raise StoreError(f"the body of entry {seen.entry.idx} is missing")
    links = list(observation.split(body))
    part = seen.ranges[seen.at]
    at = sum(each.count for each in seen.ranges[: seen.at]) + seen.sample.seq - part.first_seq
    leaves = list(map(merkle.leaf_hash, links))

    def fetch(level: int, position: int) -> bytes:
        return merkle.root(leaves[position << level : (position + 1) << level])

    path = tuple(merkle.inclusion_proof(at, len(leaves), fetch))
    extra = Extra(seen.entry.encoded, at, path, links[at], _statements(store, seen))
    found = proof_of(store, seen.entry.subject, extra.encode())
    if found is None:
        raise NotFoundError(
            f"entry {seen.entry.idx} is in no published tree yet: its witnesses have not cosigned"
        )
    return found


def entry_proof(store: Store, idx: int) -> Proof:
    """The proof of one entry, with the entry. Raises StoreError, NotFoundError."""
    entry = store.entry(idx)
    found = None if entry is None else proof_of(store, entry.subject, entry.encoded)
    if found is None:
        raise NotFoundError(f"entry {idx} is in no published tree, or not yet")
    return found


def cose_receipt(store: Store, subject: bytes, origin: str, signer: Signer) -> tuple[Entry, bytes]:
    """An entry, and its COSE receipt. `signer` may block. Raises NotFoundError, StoreError,
    EvidenceError."""
    entry = store.entry_of(subject)
    if entry is None:
        raise NotFoundError(f"no entry {subject.hex()}")
    size = _size(store, entry.idx)
    path = merkle.inclusion_proof(entry.idx, size, partial(stored_node, store))
    return entry, receipt.include(entry.encoded, entry.idx, size, path, origin, signer)


def cose_consistency(store: Store, first: int, origin: str, signer: Signer) -> bytes:
    """The COSE receipt that the log continues its tree of this size. `signer` may block.

    Raises NotFoundError, StoreError, EvidenceError.
    """
    fetch, size = partial(stored_node, store), _size(store, first)
    if not 0 < first < size:
        raise NotFoundError(f"no tree of {first} entries before that of {size}")
    path = merkle.consistency_proof(first, size, fetch)
    root = merkle.subtree(0, first, fetch)
    return receipt.continue_(first, root, size, path, origin, signer)


def published_origin(store: Store) -> str | None:
    """Under which name the log is published; None: it is not. Raises StoreError."""
    row = store.last_note()
    return None if row is None else origin_of(row)


def _size(store: Store, past: int) -> int:
    row = store.last_note()
    return row.size if row is not None and past < row.size else store.size()


def _statements(store: Store, seen: Seen) -> tuple[bytes, ...]:
    """What an observation stands on, each once. Raises StoreError."""
    part = seen.ranges[seen.at]
    # The head may be of a later run, which found these observations without one.
    runs = (seen.known.run.name, head.read(cose.read(seen.entry.encoded).payload).run)
    found = [_stated(store, part.descriptor, Typ.DESCRIPTOR)]
    for name in runs:
        stated = _stated(store, name, Typ.RUN)
        under = run.read(cose.read(stated).payload).credential
        found += [stated, _stated(store, under, Typ.CREDENTIAL)]
    return tuple(dict.fromkeys(found))


def _stated(store: Store, name: bytes, typ: Typ) -> bytes:
    entry = store.statement(name, typ)
    if entry is None:
        raise StoreError(f"{typ.name.lower()} {name.hex()[:16]} is missing")
    return entry.encoded
