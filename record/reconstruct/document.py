"""Documents of a bundle: what is written for people and their programs out of the evidence in it,
and adds nothing to it.

1. A document is a pure function of what the bundle holds: no clock, no randomness, no locale, no
   set or hash order, no network. Two runs give the same bytes, on another machine too; so floats
   are formatted with a stated number of digits, and no function is used whose last bit is the
   platform's.
2. `gridseal-record verify` writes each again from the evidence and compares byte for byte. The lone
   verifier knows no protocols and draws no pages: of documents it checks size and hash, by the
   manifest, and says so.
3. A document's files lie under `documents/`, each with a name of its own (evidence.bundle.manifest
   says which names there may be). They are written as they are made: memory does not grow with
   them.
4. Observations are read once, for all documents (record.reconstruct.gathering).

To add one: a module in this folder with a function of Material, and a row in DOCUMENTS.
"""

from collections.abc import Callable, Iterator, Sequence

from record.reconstruct import brief, comtrade, page, sequence, timeline
from record.reconstruct.comtrade import Sheet
from record.reconstruct.file import File as File
from record.reconstruct.gathering import gathered
from record.reconstruct.holding import Holding as Holding
from record.reconstruct.material import Material
from record.reconstruct.reading import Readings
from record.reconstruct.spool import Spool

FOLDER = "documents"


Document = Callable[[Material], Iterator[File]]


def _comtrade(material: Material) -> Iterator[File]:
    """A PMU's streams, three files each."""
    for stream in material.gathered.sheets():
        if isinstance(stream.sheet, Sheet):
            data = material.gathered.spool.read(stream.known.name)
            for name, chunks in comtrade.files_of(stream.sheet, stream.indexes, data):
                yield File(name, chunks)


def _readings(material: Material) -> Iterator[File]:
    """A meter's streams, or a board's inputs: a file each."""
    for stream in material.gathered.sheets():
        if isinstance(stream.sheet, Readings):
            rows = material.gathered.spool.read(stream.known.name)
            yield File(stream.sheet.name, stream.sheet.data(rows))


DOCUMENTS: tuple[Document, ...] = (
    page.document,
    timeline.document,
    sequence.document,
    brief.document,
    _comtrade,
    _readings,
)


def files(held: Holding, documents: Sequence[Document] = (), processes: int = 1) -> Iterator[File]:
    """Every file of every document, of all that there are unless some are named. Each is to be read
    before the next. Raises StoreError, OSError."""
    with Spool() as spool:
        material = Material(held, gathered(held, spool, processes))
        for document in documents or DOCUMENTS:
            yield from document(material)
