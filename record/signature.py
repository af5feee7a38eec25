"""What the log key signs, wherever it is kept, and whose a store is.

A store that is away (drivers.keystore) ends nothing: what needed the signature is not done, is
answered "later", and the next request asks the store again. Who asks a record is not told where its
key is; the record's own log says it.

It blocks as long as the store does: never called from the loop.
"""

import hashlib
import logging

from drivers.keystore.uri import KeyStoreError
from evidence import checkpoint, cose
from evidence.code import Typ
from evidence.key import PublicKey, Signer
from evidence.tlog import checkpoint as published
from evidence.tlog.note import Note
from record.database import StoreError
from record.store import Store

log = logging.getLogger("gridseal.record.signature")


def signed(typ: Typ, payload: bytes, signer: Signer) -> bytes:
    """The statement. Raises StoreError."""
    try:
        return cose.sign(typ, payload, signer)
    except KeyStoreError as fault:
        raise _away(fault) from fault


def noted(store: Store, origin: str, signer: Signer) -> tuple[int, Note] | None:
    """The size of the log as it is committed, and the note that publishes it; None while it is
    empty. Raises StoreError."""
    size = store.size()
    stands = store.checkpoint(size)
    if stands is None:
        return None
    root = checkpoint.read(cose.read(stands).payload).root
    try:
        return size, published.sign(published.Checkpoint(origin, size, root), signer)
    except KeyStoreError as fault:
        raise _away(fault) from fault


def own(store: Store, key: PublicKey) -> None:
    """A store belongs to one log key, from its first opening on. Raises StoreError."""
    found = store.log_key()
    if found is None:
        store.set_log_key(key.raw)
    elif found != key.raw:
        raise StoreError(f"the store is that of log key {hashlib.sha256(found).hexdigest()[:16]}")


def _away(fault: KeyStoreError) -> StoreError:
    log.error("nothing is signed: %s", fault)
    return StoreError("the log's key is away")
