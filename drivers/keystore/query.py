"""The parts of a key's URI: attributes and their values, percent-decoded (RFC 3986 2.1).

1. An attribute that is not known is refused, with the nearest that is; one that is given twice too.
2. A PIN in a URI is refused, and not quoted: URIs stand in configurations, logs and reports.

Pure: text in, facts out.
"""

import re
from collections.abc import Sequence
from urllib.parse import unquote_to_bytes

from drivers.keystore.uri import KeyStoreError
from evidence import config

_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
# Names by which people write a secret itself. RFC 7512 2.3 has pin-value, and 6 warns of it.
_SECRETS = ("pin-value", "pin", "password", "passphrase")
_SECRET = re.compile(rf"((?:^|[:;&])(?:{'|'.join(_SECRETS)})=)[^;&]*")


def parts(text: str, between: str, known: Sequence[str], place: str) -> dict[str, bytes]:
    """The attributes of `a=b` joined by `between`. Raises KeyStoreError."""
    place = _SECRET.sub(r"\1...", place)
    found: dict[str, bytes] = {}
    for part in filter(None, text.split(between)):
        name, equals, value = part.partition("=")
        if name in _SECRETS and name not in known:
            raise KeyStoreError(
                place,
                f"{name} stands in the URI, where everybody reads it: change that PIN, and write "
                "pin-source=credential:NAME or pin-source=file:PATH",
            )
        if name not in known:
            raise KeyStoreError(place, f"{name[:40]!r} is {config.nearest(name, list(known))}")
        if not equals or not value:
            raise KeyStoreError(place, f"{name} has no value; write {name}=VALUE")
        if name in found:
            raise KeyStoreError(place, f"{name} stands there twice")
        if _ESCAPE.search(value):
            raise KeyStoreError(place, f"{name} has a % that is no escape; a % itself is %25")
        found[name] = unquote_to_bytes(value)
    return found


def text(found: dict[str, bytes], name: str, place: str) -> str:
    """An attribute as text; empty where it is not given. Raises KeyStoreError."""
    try:
        value = found.get(name, b"").decode()
    except UnicodeDecodeError as fault:
        raise KeyStoreError(place, f"{name} is not UTF-8") from fault
    if "\0" in value:
        raise KeyStoreError(place, f"{name} has a NUL in it")
    return value
