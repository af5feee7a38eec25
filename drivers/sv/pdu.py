"""One frame of Sampled Values taken apart: header, savPdu, ASDUs (IEC 61850-9-2 clause 8 and
Annex C; IEC 61869-9:2016 6.904; UCA's 9-2LE is a subset).

| tag | field | octets |
|---|---|---|
| 0x60 | savPdu | |
| 0x80 | noASDU | 1 or 2 |
| 0x81, 0xA1 | security, of the PDU | kept, not looked into |
| 0xA2 | seqASDU | |
| 0x30 | ASDU | |
| 0x80, 0x81 | svID, datSet | text |
| 0x82 | smpCnt | 2 |
| 0x83 | confRev | 4 |
| 0x84 | refrTm | 8, optional |
| 0x85 | smpSynch | 1, optional in the first edition |
| 0x86 | smpRate | 2, optional |
| 0x87 | sample | the data set, without tags |
| 0x88 | smpMod | 1 or 2, optional |
| 0x89 | gmIdentity | 8, optional: IEC 61850-9-2:2011+A1 |

1. Every field is there once at most, in the order of the table; noASDU counts what is there.
2. What varies from sample to sample is told by its place, so that a layout can be learned from one
   frame.
3. Whatever the bytes, the only exception is FrameError.

It does not know what a sample is made of: see dataset.py.
"""

from typing import NamedTuple

from drivers import ber
from drivers.ber import Element
from drivers.ethernet.frame import TYPE_SV, Ethernet, parse
from drivers.line import FrameError

HEADER_BYTES = 8  # APPID, Length, Reserved1, Reserved2: Annex C
ASDUS_MAX = 64  # of one frame; IEC 61869-9 has 8 at most
SV_ID_BYTES_MAX = 129  # IEC 61850-7-2: a reference; 9-2LE allows 34
SAMPLE_BYTES_MAX = 4096  # of one ASDU: a data set that fills a jumbo frame by half
SIMULATED = 0x8000  # Reserved1: IEC 61850-8-1:2011 Annex C
_FIELDS_MAX = 10
_SAV_PDU, _NO_ASDU, _SEQ_ASDU, _ASDU = 0x60, 0x80, 0xA2, 0x30
_SECURITY = (0x81, 0xA1)  # ANY: of whatever form
_SV_ID, _DAT_SET, _SMP_CNT, _CONF_REV, _REFR_TM = 0x80, 0x81, 0x82, 0x83, 0x84
_SMP_SYNCH, _SMP_RATE, _SAMPLE, _SMP_MOD, _GM_IDENTITY = 0x85, 0x86, 0x87, 0x88, 0x89
_NEEDED = (_SV_ID, _SMP_CNT, _CONF_REV, _SAMPLE)
_OCTETS = {_SMP_CNT: 2, _CONF_REV: 4, _REFR_TM: 8, _SMP_SYNCH: 1, _SMP_RATE: 2, _GM_IDENTITY: 8}

Span = tuple[int, int]  # where contents begin, and where they end


class Asdu(NamedTuple):
    """One ASDU. Spans are of the whole frame."""

    sv_id: str
    smp_cnt: int
    conf_rev: int
    smp_synch: int  # 0 where there is none
    smp_rate: int | None
    smp_mod: int | None
    at_smp_cnt: Span
    at_smp_synch: Span | None
    at_refr_tm: Span | None
    at_sample: Span


class Pdu(NamedTuple):
    """One frame."""

    ethernet: Ethernet
    appid: int
    simulated: bool
    asdus: tuple[Asdu, ...]
    at_security: Span | None
    end: int  # of what Length counts


def decode_pdu(raw: bytes) -> Pdu:
    """A whole Ethernet frame. Raises FrameError: ethertype, sv_length, sv_tag, asdu_count,
    asdu_field, sv_id, and those of drivers.ber and drivers.ethernet.frame.
    """
    ethernet = parse(raw)
    if ethernet.ethertype != TYPE_SV:
        raise FrameError("ethertype", f"{ethernet.ethertype:04x} is not that of Sampled Values")
    at, room = ethernet.start, ethernet.end - ethernet.start
    length = int.from_bytes(raw[at + 2 : at + 4], "big")
    if not HEADER_BYTES < length <= room:
        raise FrameError("sv_length", f"Length {length}, where {room} bytes are")
    whole = ber.element(raw, at + HEADER_BYTES, at + length)
    if whole.tag != _SAV_PDU:
        raise FrameError("sv_tag", f"{whole.tag:#04x} is not a savPdu")
    if whole.stop != at + length:
        text = f"{at + length - whole.stop} bytes between savPdu and Length"
        raise FrameError("sv_length", text)
    stated, security, sequence = _parts(raw, whole)
    asdus = ber.elements(raw, sequence.start, sequence.stop, ASDUS_MAX)
    if stated != len(asdus) or not asdus:
        raise FrameError("asdu_count", f"noASDU {stated}, and {len(asdus)} ASDUs")
    reserved = int.from_bytes(raw[at + 4 : at + 6], "big")
    return Pdu(
        ethernet,
        int.from_bytes(raw[at : at + 2], "big"),
        bool(reserved & SIMULATED),
        tuple(_asdu(raw, each) for each in asdus),
        security,
        at + length,
    )


def _parts(raw: bytes, whole: Element) -> tuple[int, Span | None, Element]:
    """noASDU, where security stands, seqASDU."""
    parts = ber.elements(raw, whole.start, whole.stop, 3)
    tags = [part.tag for part in parts]
    between = tags[1:-1]
    if tags[:1] + tags[-1:] != [_NO_ASDU, _SEQ_ASDU] or any(
        tag not in _SECURITY for tag in between
    ):
        raise FrameError("sv_tag", f"a savPdu of tags {bytes(tags).hex()}")
    stated = ber.unsigned(raw, parts[0].start, parts[0].stop, 16)
    security = (parts[1].start, parts[1].stop) if len(parts) == 3 else None
    return stated, security, parts[-1]


def _asdu(raw: bytes, whole: Element) -> Asdu:
    if whole.tag != _ASDU:
        raise FrameError("sv_tag", f"{whole.tag:#04x} is not an ASDU")
    fields: dict[int, Span] = {}
    before = 0
    for tag, start, stop in ber.elements(raw, whole.start, whole.stop, _FIELDS_MAX):
        if not before < tag <= _GM_IDENTITY or tag < _SV_ID:
            raise FrameError("asdu_field", f"{tag:#04x} after {before:#04x} in an ASDU")
        if stop - start != _OCTETS.get(tag, stop - start):
            raise FrameError("asdu_field", f"{tag:#04x} of {stop - start} octets")
        fields[tag] = (start, stop)
        before = tag
    for tag in _NEEDED:
        if tag not in fields:
            raise FrameError("asdu_field", f"an ASDU without {tag:#04x}")
    start, stop = fields[_SAMPLE]
    if not 0 < stop - start <= SAMPLE_BYTES_MAX:
        text = f"a sample of {stop - start} bytes; 1 to {SAMPLE_BYTES_MAX}"
        raise FrameError("asdu_field", text)
    return Asdu(
        _text(raw, fields[_SV_ID]),
        _number(raw, fields, _SMP_CNT) or 0,
        _number(raw, fields, _CONF_REV) or 0,
        _number(raw, fields, _SMP_SYNCH) or 0,
        _number(raw, fields, _SMP_RATE),
        _number(raw, fields, _SMP_MOD),
        fields[_SMP_CNT],
        fields.get(_SMP_SYNCH),
        fields.get(_REFR_TM),
        fields[_SAMPLE],
    )


def _number(raw: bytes, fields: dict[int, Span], tag: int) -> int | None:
    span = fields.get(tag)
    return ber.unsigned(raw, *span, 32) if span is not None else None


def _text(raw: bytes, span: Span) -> str:
    """VisibleString; UTF-8 is taken too, what cannot be printed is not."""
    start, stop = span
    if stop - start > SV_ID_BYTES_MAX:
        text = f"an svID of {stop - start} bytes; at most {SV_ID_BYTES_MAX}"
        raise FrameError("sv_id", text)
    try:
        text = raw[start:stop].decode("utf-8")
    except UnicodeDecodeError as fault:
        raise FrameError("sv_id", f"an svID that is no text: {raw[start:stop].hex()}") from fault
    if not text.isprintable():
        raise FrameError("sv_id", f"an svID that cannot be printed: {text!r}")
    return text
