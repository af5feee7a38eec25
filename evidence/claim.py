"""Whom an export claims to come from, for people to compare with what they were told: nothing of it
is checked, and nothing believed.
"""

import contextlib
from collections.abc import Iterable, Iterator

from evidence import cose, credential, export
from evidence.code import Typ
from evidence.export import Sealed, Stated
from evidence.refusal import EvidenceError

FINGERPRINTS_MAX = 100


def fingerprints(chunks: Iterable[bytes]) -> Iterator[str]:
    """Whom an export claims to come from: for people to compare with what they were told.

    Raises EvidenceError for what is no export.
    """
    found: set[str] = set()
    for item in export.read(chunks):
        signed = item.encoded if isinstance(item, Stated) else None
        if isinstance(item, Sealed):
            signed = item.answer
        if signed is None or len(found) >= FINGERPRINTS_MAX:
            continue
        with contextlib.suppress(EvidenceError):
            line = _signer(cose.read(signed))
            if line and line not in found:
                found.add(line)
                yield line


def _signer(message: cose.Sign1) -> str:
    if message.typ == Typ.CREDENTIAL:
        issuer = credential.read(message.payload).issuer
        return f"authority  kid {message.kid.hex()} {issuer!r}"
    if message.typ in (Typ.RECEIPT, Typ.REFUSAL):
        return f"log        kid {message.kid.hex()}"
    return ""
