"""Documents of a bundle: what is written for people and their programs out of the evidence in it,
and adds nothing to it.

1. A document is a pure function of what the bundle holds: no clock, no randomness, no locale, no
   set or hash order, no network. Two runs give the same bytes, on another machine too; so floats
   are formatted with a stated number of digits.
2. `gridseal-record verify` writes each again from the evidence and compares byte for byte. The lone
   verifier knows no protocols and draws no pages: of documents it checks size and hash, by the
   manifest, and says so.
3. A document's files lie under `documents/`, each with a name of its own (evidence.bundle.manifest
   says which names there may be). They are written as they are made: memory does not grow with
   them.

To add one: a module in this folder with a function of Holding, and a row in DOCUMENTS.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from record.reconstruct.holding import Holding as Holding

FOLDER = "documents"


class File(NamedTuple):
    """One file of a document. `name`: within the folder of documents, such as `timeline.html`."""

    name: str
    chunks: Iterable[bytes]


Document = Callable[[Holding], Iterator[File]]

DOCUMENTS: tuple[Document, ...] = ()


def files(held: Holding, documents: Sequence[Document] = ()) -> Iterator[File]:
    """Every file of every document, of all that there are unless some are named."""
    for document in documents or DOCUMENTS:
        yield from document(held)
