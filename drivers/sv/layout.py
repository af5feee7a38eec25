"""What one frame of a stream has in common with the next: learned from one that was read strictly,
then compared as one number.

1. All octets are fixed but those of smpCnt, smpSynch, refrTm, sample, security, of what HSR
   numbers, and of all behind what Length counts: PRP's trailer, what IEC 62351-6 adds, the stamp of
   a tap. A frame that agrees in the fixed ones is of the same shape, field by field.
2. Frames and whole blocks are compared alike: the octets as one integer, under a mask. It is the
   cheapest way that Python has to compare some octets and not others.
3. What does not agree is not refused here: it is read strictly, by pdu.py.

It keeps no frame.
"""

import struct
from struct import Struct
from typing import NamedTuple

from drivers.ethernet.frame import TYPE_HSR
from drivers.sv.pdu import Asdu, Pdu, Span

PREFIX_BYTES = 22  # destination, source, and eight octets of tag, EtherType and header: all fixed


class Identity(NamedTuple):
    """What makes two frames of one stream."""

    source: bytes
    appid: int
    sv_ids: tuple[str, ...]  # each once, in the order of the frame
    simulated: bool


class Place(NamedTuple):
    """Where one ASDU's fields lie in the frame."""

    sv_id: str
    at_smp_cnt: int
    at_smp_synch: int | None
    at_refr_tm: int | None
    at_sample: Span


class Layout:
    """One shape of frame."""

    __slots__ = (
        "asdus", "conf_revs", "fixed", "identity", "mask", "payload", "places", "prefix", "read",
        "samples", "size", "smp_mod", "smp_rate",
    )  # fmt: skip

    def __init__(self, raw: bytes, pdu: Pdu) -> None:
        first = pdu.asdus[0]
        varying = _varying(raw, pdu)
        octets = bytearray(b"\xff" * len(raw))
        for start, stop in varying:
            octets[start:stop] = bytes(stop - start)
        self.size = len(raw)
        self.prefix = raw[:PREFIX_BYTES]
        self.mask = int.from_bytes(octets)
        self.fixed = int.from_bytes(raw) & self.mask
        self.payload = slice(pdu.ethernet.start, pdu.end)
        self.asdus = len(pdu.asdus)
        self.samples = sum(asdu.sv_id == first.sv_id for asdu in pdu.asdus)  # of one svID
        self.places = tuple(map(_place, pdu.asdus))
        self.read = _reader(self.places, len(raw)).unpack  # smpCnt and smpSynch of each ASDU
        self.conf_revs = {asdu.sv_id: asdu.conf_rev for asdu in pdu.asdus}
        self.smp_rate, self.smp_mod = first.smp_rate, first.smp_mod
        names = tuple(dict.fromkeys(asdu.sv_id for asdu in pdu.asdus))
        self.identity = Identity(pdu.ethernet.source, pdu.appid, names, pdu.simulated)

    def fits(self, raw: bytes) -> bool:
        """Whether a frame is of this shape."""
        return len(raw) == self.size and int.from_bytes(raw) & self.mask == self.fixed


def _place(asdu: Asdu) -> Place:
    return Place(
        asdu.sv_id,
        asdu.at_smp_cnt[0],
        asdu.at_smp_synch[0] if asdu.at_smp_synch else None,
        asdu.at_refr_tm[0] if asdu.at_refr_tm else None,
        asdu.at_sample,
    )


def _varying(raw: bytes, pdu: Pdu) -> list[Span]:
    spans = [(pdu.end, len(raw)), *_ring(raw, pdu)]
    if pdu.at_security is not None:
        spans.append(pdu.at_security)
    for asdu in pdu.asdus:
        every = (asdu.at_smp_cnt, asdu.at_smp_synch, asdu.at_refr_tm, asdu.at_sample)
        spans += [span for span in every if span is not None]
    return spans


def _ring(raw: bytes, pdu: Pdu) -> list[Span]:
    """The octets of HSR's tag that number and name the path.

    In the octet of the path stand four bits of the size, too: the length of the frame fixes it.
    """
    if pdu.ethernet.redundancy is None or not pdu.ethernet.redundancy.hsr:
        return []
    at = 12
    while raw[at] << 8 | raw[at + 1] != TYPE_HSR:
        at += 4  # a VLAN tag: the frame was read strictly, so the tag of HSR is there
    return [(at + 2, at + 3), (at + 4, at + 6)]


def _reader(places: tuple[Place, ...], size: int) -> Struct:
    """smpCnt and smpSynch of each ASDU, in turn."""
    return struct.Struct(">" + fields(places, size, {}))


def fields(places: tuple[Place, ...], size: int, codes: dict[str, str]) -> str:
    """A frame as struct has it: for each ASDU smpCnt, smpSynch, and its sample by `codes`.

    An ASDU without smpSynch gives b"" in its place; without a code, its sample is passed over.
    """
    parts: list[str] = []
    at = 0
    for place in places:
        start, stop = place.at_sample
        steps = [(place.at_smp_cnt, 2, "H")]
        if place.at_smp_synch is None:
            steps.append((place.at_smp_cnt + 2, 0, "0s"))
        else:
            steps.append((place.at_smp_synch, 1, "B"))
        if place.sv_id in codes:
            steps.append((start, stop - start, codes[place.sv_id]))
        for begin, length, code in steps:
            parts.append(f"{begin - at}x{code}")
            at = begin + length
    parts.append(f"{size - at}x")
    return "".join(parts)
