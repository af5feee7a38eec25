"""One file of a document, as it is written: a name, and bytes that come as they are made."""

from collections.abc import Iterable
from typing import NamedTuple


class File(NamedTuple):
    """`name`: within the folder of documents, such as `timeline.html`."""

    name: str
    chunks: Iterable[bytes]
