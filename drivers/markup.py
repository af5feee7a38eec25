"""XML of other people's, read within bounds: what engineering tools write of a grid.

1. A document type is refused where it begins, and with it every entity and every reference to
   another file: nothing of it is built, and nothing else is opened.
2. Octets, depth, and what is kept (elements, their attributes, characters) are bounded, and so are
   a single tag, and the names that a file uses, of which the parser forgets none: what is read in
   pieces is never whole in memory but for what the reader keeps of it.
3. Namespaces count: an element of another one is not ours, whatever it is called, and what is in it
   is passed over.
4. An encoding that the file declares is one that Python knows, or refused; so is an octet that the
   encoding does not have.

It opens no file: whoever does brings its octets and its name. Everything wrong is a ConfigError
with the line.
"""

from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple, Protocol
from xml.etree.ElementTree import Element
from xml.parsers import expat

from evidence.config import ConfigError

_PIECE = 1 << 16  # octets that are parsed at a time
TAG_BYTES_MAX = 1 << 20  # a tag with its attributes, or a comment: expat keeps it until it ends
DEPTH_MAX = 64  # SCL reaches 20, RDF/XML 4
# Different ones, of elements, attributes and namespaces: SCL has some 300, CIM 3,000, makers' own
# sections some hundreds.
NAMES_MAX = 20_000
ATTRIBUTES_MEAN_MAX = 8  # of the elements that may be kept: an FCDA has 7, most have 3
_SEPARATOR = " "  # no namespace has one


class Bounds(NamedTuple):
    """Of one file: octets; elements and characters of them that are kept."""

    bytes_max: int
    elements_max: int
    characters_max: int


class Sink(Protocol):
    """Who takes what is read. A name is "NAMESPACE LOCAL", or LOCAL alone where it has none."""

    def start(self, name: str, attributes: dict[str, str], line: int) -> None: ...
    def end(self) -> None: ...
    def text(self, text: str) -> None: ...


class Node(Element):
    """An element, and the line that it begins on."""

    __slots__ = ("line",)
    line: int


def feed(pieces: Iterable[bytes], file: str, bytes_max: int, sink: Sink) -> None:
    """Reads a file into a sink. Raises ConfigError."""
    names: dict[str, str] = {}  # all that the parser has met
    parser = expat.ParserCreate(namespace_separator=_SEPARATOR, intern=names)
    depth = 0

    def refuse(*_: object) -> None:
        text = "a document type; expected none: entities are not read, nor are other files"
        raise ConfigError(file, "DOCTYPE", text, parser.CurrentLineNumber)

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > DEPTH_MAX:
            text = f"elements nested deeper than {DEPTH_MAX}"
            raise ConfigError(file, local(name), text, parser.CurrentLineNumber)
        if len(names) > NAMES_MAX:
            text = f"more than {NAMES_MAX} different names of elements and attributes"
            raise ConfigError(file, local(name)[:80], text, parser.CurrentLineNumber)
        sink.start(name, attributes, parser.CurrentLineNumber)

    def end(_: str) -> None:
        nonlocal depth
        depth -= 1
        sink.end()

    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.StartNamespaceDeclHandler = lambda *_: None  # so that these count among the names
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = sink.text
    read = 0
    try:
        for piece in _small(pieces):
            read += len(piece)
            if read > bytes_max:
                raise ConfigError(
                    file, "", f"more octets than a file may have; at most {bytes_max}"
                )
            parser.Parse(piece, False)
            if read - parser.CurrentByteIndex > TAG_BYTES_MAX + _PIECE:
                text = f"a tag or comment of more than {TAG_BYTES_MAX} octets"
                raise ConfigError(file, "", text, parser.CurrentLineNumber)
        parser.Parse(b"", True)
    except ConfigError:
        raise
    except expat.ExpatError as fault:
        raise ConfigError(file, "", f"not XML: {fault}", fault.lineno) from fault
    except (LookupError, ValueError) as fault:  # of an encoding that Python does not know
        raise ConfigError(file, "encoding", str(fault)) from fault


def tree(
    pieces: Iterable[bytes],
    file: str,
    bounds: Bounds,
    namespace: str,
    passed: Collection[str] = (),
) -> Node:
    """The elements of a namespace, or of none; those called as in `passed` are left out with all
    that is in them. Raises ConfigError.
    """
    growing = _Growing(file, bounds, namespace, frozenset(passed))
    feed(pieces, file, bounds.bytes_max, growing)
    if growing.root is None:
        raise ConfigError(file, "", "not XML: no element")
    return growing.root


def local(name: str) -> str:
    """A name without its namespace."""
    return name.rpartition(_SEPARATOR)[2]


class _Growing:
    """The tree that is being built."""

    def __init__(self, file: str, bounds: Bounds, namespace: str, passed: frozenset[str]) -> None:
        self.root: Node | None = None
        self._file, self._bounds, self._passed = file, bounds, passed
        self._namespace = namespace
        self._open: list[Node] = []
        self._below = 0  # of an element that is passed over: how deep in it
        self._elements = self._attributes = self._characters = 0

    def start(self, name: str, attributes: dict[str, str], line: int) -> None:
        space, _, tag = name.rpartition(_SEPARATOR)
        ours = space in ("", self._namespace)
        if self.root is None and not ours:
            text = f"is of {space[:200]!r}; expected {self._namespace!r}"
            raise ConfigError(self._file, tag, text, line)
        if self._below or not ours or tag in self._passed:
            self._below += 1
            return
        node = Node(tag, {key: value for key, value in attributes.items() if " " not in key})
        node.line = line
        self._elements += 1
        self._attributes += len(node.attrib)
        self._count(sum(map(len, node.attrib.values())), tag, line)
        if self._open:
            self._open[-1].append(node)
        else:
            self.root = node
        self._open.append(node)

    def end(self) -> None:
        if self._below:
            self._below -= 1
        else:
            self._open.pop()

    def text(self, text: str) -> None:
        if self._below or text.isspace() or len(self._open[-1]):
            return  # between elements stands nothing that SCL means
        node = self._open[-1]
        node.text = (node.text or "") + text
        self._count(len(text), node.tag, node.line)

    def _count(self, characters: int, tag: str, line: int) -> None:
        self._characters += characters
        if self._elements > self._bounds.elements_max:
            text = f"more than {self._bounds.elements_max} elements"
            raise ConfigError(self._file, tag, text, line)
        if self._attributes > ATTRIBUTES_MEAN_MAX * self._bounds.elements_max:
            text = f"more than {ATTRIBUTES_MEAN_MAX * self._bounds.elements_max} attributes"
            raise ConfigError(self._file, tag, text, line)
        if self._characters > self._bounds.characters_max:
            text = f"more than {self._bounds.characters_max} characters in elements and attributes"
            raise ConfigError(self._file, tag, text, line)


def _small(pieces: Iterable[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        for at in range(0, len(piece), _PIECE):
            yield piece[at : at + _PIECE]
