"""What the record keeps beside its log: bytes that it refused, with the refusal and a seal against
decay, as many as a device may leave; and notes that it published."""

import hashlib

from record.schema import Exhibit, NoteRow
from record.store import Store

EXHIBITS_MAX = 256  # of one device, and of all whose device nobody can tell
EXHIBIT_BYTES_MAX = 16 * 1024 * 1024


def exhibit_of(device: bytes, refusal: bytes, content: bytes) -> Exhibit:
    """Refused bytes, of whoever sent them: the first key of a device, an authority's, or empty."""
    digest = hashlib.sha256(content).digest()
    return Exhibit(digest, device, exhibit_seal(digest, device, refusal), refusal, content)


def exhibit_seal(digest: bytes, device: bytes, refusal: bytes) -> bytes:
    return hashlib.sha256(digest + hashlib.sha256(device).digest() + refusal).digest()


def keep(store: Store, kept: Exhibit | NoteRow) -> None:
    """In the store's transaction; of what was refused the first ones stay, once a device has its
    share."""
    if isinstance(kept, NoteRow):
        store.add_note(kept)
        return
    count, size = store.exhibit_size(kept.device)
    if count < EXHIBITS_MAX and size + len(kept.content) <= EXHIBIT_BYTES_MAX:
        store.add_exhibit(kept)
