"""What Gridseal's own decoders read from a frame, as a description: see message.py.

1. Types are those of the octets read, values those that `decode` gives.

It compares nothing.
"""

from typing import Any

from drivers.ethernet.frame import Ethernet
from drivers.goose import wire as goose_wire
from drivers.goose.data import TYPES, Node, nodes, value
from drivers.sv import wire as sv_wire
from tests.peer.message import Asdu, Entry, Goose, Link


def goose(raw: bytes) -> tuple[Link, Goose, tuple[Any, ...]]:
    """A frame of GOOSE, and its values as `decode` gives them. Raises FrameError."""
    message = goose_wire.decode_frame(raw)
    carried, pdu = message.carried, message.pdu
    entries = tuple(_entry(pdu.allData, node) for node in nodes(pdu.allData, 0, len(pdu.allData)))
    ethernet = carried.ethernet
    if ethernet is None:
        raise ValueError("a datagram, not an Ethernet frame")
    link = _link(ethernet, carried.appid, carried.reserved1, carried.reserved2)
    found = Goose(
        pdu.gocbRef, pdu.timeAllowedtoLive, pdu.datSet, pdu.goID, (*pdu.t,), pdu.stNum,
        pdu.sqNum, pdu.simulation, pdu.confRev, pdu.ndsCom, entries,
    )  # fmt: skip
    return link, found, goose_wire.compiled(b"").decode(raw)[0]  # type: ignore[return-value]


def sv(raw: bytes) -> tuple[Link, tuple[Asdu, ...]]:
    """A frame of Sampled Values; datSet and gmIdentity stay in its octets. Raises FrameError."""
    pdu = sv_wire.decode_pdu(raw)
    link = _link(pdu.ethernet, pdu.appid, 0x8000 if pdu.simulated else 0, 0)
    return link, tuple(_asdu(raw, each) for each in pdu.asdus)


def _asdu(raw: bytes, asdu: sv_wire.Asdu) -> Asdu:
    start, stop = asdu.at_sample
    told = None
    if asdu.at_refr_tm is not None:
        number = int.from_bytes(raw[slice(*asdu.at_refr_tm)])
        told = (number >> 32, number >> 8 & 0xFFFFFF, number & 0xFF)
    return Asdu(
        asdu.sv_id, None, asdu.smp_cnt, asdu.conf_rev, told, asdu.smp_synch, asdu.smp_rate,
        raw[start:stop], asdu.smp_mod, None,
    )  # fmt: skip


def _link(ethernet: Ethernet, appid: int, reserved1: int, reserved2: int) -> Link:
    tci = ethernet.tags[0].tci if ethernet.tags else None
    return Link(ethernet.destination, ethernet.source, tci, appid, reserved1, reserved2)


def _entry(raw: bytes, node: Node) -> Entry:
    kind = TYPES[node.tag]
    if node.inside or kind in ("structure", "array"):
        return Entry(kind, tuple(_entry(raw, inner) for inner in node.inside))
    octets = node.stop - node.start - 1 if kind == "floating-point" else 0
    found = value(raw, node)
    return Entry(kind, tuple(found) if isinstance(found, tuple) else found, octets)
