"""Refused bytes as they are kept: with the refusal, and a seal against decay."""

import hashlib

from record.schema import Exhibit


def exhibit_of(device: bytes, refusal: bytes, content: bytes) -> Exhibit:
    """Refused bytes, of whoever sent them: the first key of a device, an authority's, or empty."""
    digest = hashlib.sha256(content).digest()
    return Exhibit(digest, device, exhibit_seal(digest, device, refusal), refusal, content)


def exhibit_seal(digest: bytes, device: bytes, refusal: bytes) -> bytes:
    return hashlib.sha256(digest + hashlib.sha256(device).digest() + refusal).digest()
