"""What Gridseal's own decoders read from a frame, as a description: see message.py.

1. Types are those of the octets read, values those that `decode` gives.

It compares nothing.
"""

from typing import Any

from drivers.goose import wire as goose_wire
from drivers.goose.data import TYPES, Node, nodes, value
from tests.peer.message import Entry, Goose, Link


def goose(raw: bytes) -> tuple[Link, Goose, tuple[Any, ...]]:
    """A frame of GOOSE, and its values as `decode` gives them. Raises FrameError."""
    message = goose_wire.decode_frame(raw)
    carried, pdu = message.carried, message.pdu
    entries = tuple(_entry(pdu.allData, node) for node in nodes(pdu.allData, 0, len(pdu.allData)))
    ethernet = carried.ethernet
    if ethernet is None:
        raise ValueError("a datagram, not an Ethernet frame")
    tci = ethernet.tags[0].tci if ethernet.tags else None
    link = Link(
        ethernet.destination, ethernet.source, tci, carried.appid, carried.reserved1,
        carried.reserved2,
    )  # fmt: skip
    found = Goose(
        pdu.gocbRef, pdu.timeAllowedtoLive, pdu.datSet, pdu.goID, (*pdu.t,), pdu.stNum,
        pdu.sqNum, pdu.simulation, pdu.confRev, pdu.ndsCom, entries,
    )  # fmt: skip
    return link, found, goose_wire.compiled(b"").decode(raw)[0]  # type: ignore[return-value]


def _entry(raw: bytes, node: Node) -> Entry:
    kind = TYPES[node.tag]
    if node.inside or kind in ("structure", "array"):
        return Entry(kind, tuple(_entry(raw, inner) for inner in node.inside))
    octets = node.stop - node.start - 1 if kind == "floating-point" else 0
    found = value(raw, node)
    return Entry(kind, tuple(found) if isinstance(found, tuple) else found, octets)
