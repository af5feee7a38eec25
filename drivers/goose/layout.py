"""A data set compiled: the typed values of a frame, in the order of its leaves.

1. A frame is taken apart element by element once. From that a template is learned: which octets say
   how the frame is built (tags, lengths, names, revision, counts), and where the values lie. A
   frame of the same size whose building octets are the same, all of them, is built the same, and
   its values are read at once. Any other is taken apart again: what comes out is the same.
2. Templates are bounded: TEMPLATES_MAX of one data set. Senders that write numbers in the fewest
   octets have a few dozen sizes at most.
3. gocbRef, confRev and the types must be those of the configuration; a frame that differs is
   refused by name.

It keeps nothing of a frame but its building octets. Raises only FrameError.
"""

from collections.abc import Callable
from struct import Struct
from typing import Any, NamedTuple

from drivers.ethernet.frame import ADDRESSES_BYTES, TYPE_HSR
from drivers.goose import data, pdu
from drivers.goose.data import Node, nodes
from drivers.goose.dataset import DataSet, Leaf, fits, flat
from drivers.goose.frame import Carried, carry
from drivers.line import FrameError
from drivers.values import Values

TEMPLATES_MAX = 64
_SIGNED = {1: "b", 2: "h", 4: "i", 8: "q"}
_UNSIGNED = {1: "B", 2: "H", 4: "I", 8: "Q"}
_TAG_BYTES, _HSR_BYTES = 4, 6

Convert = Callable[[Any], Any]


class _Template(NamedTuple):
    """Frames built alike: compared by `mask`, read by `read`, then some places converted."""

    mask: int
    fixed: int
    read: Callable[[bytes], tuple[Any, ...]]
    converts: tuple[tuple[int, Convert], ...]


class Layout:
    """Reads the frames of one stream."""

    def __init__(self, dataset: DataSet) -> None:
        self.dataset = dataset
        self.slots: tuple[Leaf, ...] = dataset.leaves()
        self._templates: dict[int, list[_Template]] = {}
        self._learned = 0

    def decode(self, raw: bytes) -> Values:
        """The values of a frame, parallel to `slots`. Raises FrameError."""
        for template in self._templates.get(len(raw), ()):
            if int.from_bytes(raw, "big") & template.mask == template.fixed:
                found = template.read(raw)
                if not template.converts:
                    return found
                values = list(found)
                for at, convert in template.converts:
                    values[at] = convert(values[at])
                return tuple(values)
        return self._walk(raw)

    def _walk(self, raw: bytes) -> Values:
        """Element by element, and learned for the next of its kind."""
        carried = carry(raw)
        fields = pdu.fields(raw, carried.start, carried.stop)
        message = pdu.decode_pdu(raw, carried.start, carried.stop)
        found = nodes(raw, *fields[pdu.ALL_DATA])
        pdu.check_entries(message.numDatSetEntries, len(found))
        if message.gocbRef != self.dataset.gocbRef:
            text = f"{message.gocbRef!r}, {self.dataset.gocbRef!r} expected"
            raise FrameError("other_gocb_ref", text)
        if self.dataset.confRev not in (None, message.confRev):
            text = f"confRev {message.confRev}, {self.dataset.confRev} expected"
            raise FrameError("conf_rev", text)
        if not fits(self.dataset.members, found):
            raise FrameError("data_set", "entries that the data set does not have")
        leaves = tuple(flat(found))
        values = tuple(data.value(raw, node) for node in leaves)
        if carried.ethernet is not None:
            self._learn(raw, carried, fields, leaves)
        return values

    def _learn(
        self,
        raw: bytes,
        carried: Carried,
        fields: dict[int, tuple[int, int]],
        leaves: tuple[Node, ...],
    ) -> None:
        if self._learned >= TEMPLATES_MAX:
            self._templates, self._learned = {}, 0
        self._templates.setdefault(len(raw), []).append(_template(raw, carried, fields, leaves))
        self._learned += 1


def _template(
    raw: bytes, carried: Carried, fields: dict[int, tuple[int, int]], leaves: tuple[Node, ...]
) -> _Template:
    mask = bytearray(b"\xff" * len(raw))
    _open_carrier(mask, raw, carried)
    for tag in (pdu.TIME_ALLOWED_TO_LIVE, pdu.ST_NUM, pdu.SQ_NUM):
        start, stop = fields[tag]
        first = max(start, stop - 4)  # octets before these four are zero, and must be again
        mask[first:stop] = bytes(stop - first)
    for tag in (pdu.T, pdu.SIMULATION, pdu.NDS_COM):
        if tag in fields:
            start, stop = fields[tag]
            mask[start:stop] = bytes(stop - start)
    form, at = [">"], 0
    converts: list[tuple[int, Convert]] = []
    for number, node in enumerate(leaves):
        first, code, convert = _place(raw, node)
        mask[first : node.stop] = bytes(node.stop - first)
        form.append(f"{first - at}x{code}")
        at = node.stop
        if convert is not None:
            converts.append((number, convert))
    number = int.from_bytes(mask, "big")
    fixed = int.from_bytes(raw, "big") & number
    return _Template(number, fixed, Struct("".join(form)).unpack_from, tuple(converts))


def _open_carrier(mask: bytearray, raw: bytes, carried: Carried) -> None:
    """What frames built alike differ in: addresses, what tags say, all behind the message."""
    mask[:ADDRESSES_BYTES] = bytes(ADDRESSES_BYTES)
    at = ADDRESSES_BYTES
    start = carried.ethernet.start if carried.ethernet is not None else 0
    while at < start - 2:
        hsr = raw[at] << 8 | raw[at + 1] == TYPE_HSR
        size = _HSR_BYTES if hsr else _TAG_BYTES
        mask[at + 2 : at + size] = bytes(size - 2)
        at += size
    mask[carried.stop :] = bytes(len(raw) - carried.stop)


def _place(raw: bytes, node: Node) -> tuple[int, str, Convert | None]:
    """Where the free octets of an element begin, how struct reads them, and what makes it a value.

    What stands before them within the element is compared: it says how to read the rest.
    """
    tag, start, size = node.tag, node.start, node.stop - node.start
    if tag == data.BOOLEAN:
        return start, "?", None
    if tag == data.FLOAT:
        return start + 1, "f" if size == 5 else "d", None
    if tag in (data.INTEGER, data.BCD) and size in _SIGNED:
        return start, _SIGNED[size], None
    if tag == data.UNSIGNED:
        wide = size - 1 if size in (5, 9) else size  # a zero octet before a first bit that is set
        if wide in _UNSIGNED and (wide == size or not raw[start]):
            return node.stop - wide, _UNSIGNED[wide], None
    if tag in (data.BIT_STRING, data.BOOLEAN_ARRAY):
        return start + 1, f"{size - 1}s", _bits_after(raw[start : start + 1])
    return start, f"{size}s", data.READERS[tag]


def _bits_after(unused: bytes) -> Convert:
    """Reads bit strings with so many unused bits."""
    read = data.bits
    return lambda octets: read(unused + octets)
