"""What the log key signs, wherever it is kept.

A store that is away (drivers.keystore) ends nothing: what needed the signature is not done, is
answered "later", and the next request asks the store again. Who asks a record is not told where its
key is; the record's own log says it.

It blocks as long as the store does: never called from the loop.
"""

import logging

from drivers.keystore.uri import KeyStoreError
from evidence import cose
from evidence.code import Typ
from evidence.key import Signer
from record.database import StoreError

log = logging.getLogger("gridseal.record.signature")


def signed(typ: Typ, payload: bytes, signer: Signer) -> bytes:
    """The statement. Raises StoreError."""
    try:
        return cose.sign(typ, payload, signer)
    except KeyStoreError as fault:
        log.error("nothing is signed: %s", fault)
        raise StoreError("the log's key is away") from fault
