"""The GOOSE message: IECGoosePdu of IEC 61850-8-1 Annex A, out of a frame and back.

1. Its fields stand in the order of their tags, each once: it is an ASN.1 SEQUENCE. goID, simulation
   and ndsCom may be absent, and are then None, False and False; so may be security. A field that
   this does not know is refused.
2. numDatSetEntries is compared with what allData holds, wherever that is read.
3. `simulation` (0x87) is `test` in edition 1: the octet is the same, the meaning is for others.
4. `security` (0xAC) is kept as it came.

Raises only FrameError, whatever the bytes; what no message can say is ValueError.
"""

from functools import lru_cache
from typing import NamedTuple

from drivers import ber
from drivers.goose.data import UtcTime, encode, utc_time, values
from drivers.line import FrameError
from drivers.values import Value, Values

PDU_TAG = 0x61  # [APPLICATION 1], constructed
TEXT_OCTETS_MAX = 129  # VisibleString129
INT32U_BITS = 32
TEXTS_MAX = 1024  # read once and known: three a stream

(
    GOCB_REF, TIME_ALLOWED_TO_LIVE, DAT_SET, GO_ID, T, ST_NUM, SQ_NUM, SIMULATION, CONF_REV,
    NDS_COM, NUM_DAT_SET_ENTRIES,
) = range(0x80, 0x8B)  # fmt: skip
ALL_DATA, SECURITY = 0xAB, 0xAC
_MANDATORY = {
    GOCB_REF: "gocbRef",
    TIME_ALLOWED_TO_LIVE: "timeAllowedtoLive",
    DAT_SET: "datSet",
    T: "t",
    ST_NUM: "stNum",
    SQ_NUM: "sqNum",
    CONF_REV: "confRev",
    NUM_DAT_SET_ENTRIES: "numDatSetEntries",
    ALL_DATA: "allData",
}
_KNOWN = frozenset((*_MANDATORY, GO_ID, SIMULATION, NDS_COM, SECURITY))


class Pdu(NamedTuple):
    """One message. `allData` as it came: `read` types it."""

    gocbRef: str
    timeAllowedtoLive: int  # ms
    datSet: str
    goID: str | None
    t: UtcTime
    stNum: int
    sqNum: int
    simulation: bool
    confRev: int
    ndsCom: bool
    numDatSetEntries: int
    allData: bytes
    security: bytes

    def read(self) -> Values:
        """The typed entries of allData. Raises FrameError: num_dat_set_entries, and drivers.ber's
        and drivers.goose.data's own.
        """
        found = values(self.allData, 0, len(self.allData))
        check_entries(self.numDatSetEntries, len(found))
        return found


def check_entries(told: int, there: int) -> None:
    """Rule 2. Raises FrameError."""
    if told != there:
        text = f"numDatSetEntries is {told}, and allData has {there}"
        raise FrameError("num_dat_set_entries", text)


def fields(raw: bytes, at: int, end: int) -> dict[int, tuple[int, int]]:
    """Where the contents of each field of the message at `at` begin and end, by tag; all mandatory
    ones are there. Raises FrameError.
    """
    tag, at, end = ber.element(raw, at, end)
    if tag != PDU_TAG:
        raise FrameError("pdu_tag", f"tag {tag:#04x} where a message has {PDU_TAG:#04x}")
    found: dict[int, tuple[int, int]] = {}
    before = -1
    while at < end:
        start = at + 2
        stop = start + raw[at + 1] if start <= end else end + 1
        tag = raw[at]
        if stop > end or stop - start >= ber.LONG_LENGTH:  # long, or bad
            tag, start, stop = ber.element(raw, at, end)
        # Field numbers, whether constructed or not: allData (11) stands before security (12).
        number = tag & 0x1F
        if tag not in _KNOWN or number <= before:
            text = f"field {tag:#04x} at {at} is unknown, twice or out of order"
            raise FrameError("pdu_field", text)
        found[tag] = (start, stop)
        before, at = number, stop
    if not found.keys() >= _MANDATORY.keys():
        missing = [name for tag, name in _MANDATORY.items() if tag not in found]
        raise FrameError("pdu_missing", f"without {', '.join(missing)}")
    return found


def decode_pdu(raw: bytes, at: int = 0, end: int | None = None) -> Pdu:
    """The message at `at`. Raises FrameError."""
    found = {
        tag: raw[start:stop]
        for tag, (start, stop) in fields(raw, at, len(raw) if end is None else end).items()
    }
    go_id, simulation, nds_com = found.get(GO_ID), found.get(SIMULATION), found.get(NDS_COM)
    # As Pdu(...), without the cost of its keyword machinery: this is every frame.
    return tuple.__new__(
        Pdu,
        (
            _text(found[GOCB_REF], "gocbRef"),
            _number(found[TIME_ALLOWED_TO_LIVE]),
            _text(found[DAT_SET], "datSet"),
            None if go_id is None else _text(go_id, "goID"),
            utc_time(found[T]),
            _number(found[ST_NUM]),
            _number(found[SQ_NUM]),
            simulation is not None and _flag(simulation, "simulation"),
            _number(found[CONF_REV]),
            nds_com is not None and _flag(nds_com, "ndsCom"),
            _number(found[NUM_DAT_SET_ENTRIES]),
            found[ALL_DATA],
            found.get(SECURITY, b""),
        ),
    )


def _number(contents: bytes) -> int:
    """An INT32U. Some write a first bit that is set without the zero octet before it."""
    if 0 < len(contents) < 5:
        return int.from_bytes(contents, "big")
    return ber.unsigned(contents, 0, len(contents), INT32U_BITS)


@lru_cache(TEXTS_MAX)
def _text(contents: bytes, name: str) -> str:
    if len(contents) <= TEXT_OCTETS_MAX and contents.isascii():
        text = contents.decode("ascii")
        if text.isprintable():
            return text
    raise FrameError("pdu_text", f"{name} is no VisibleString129: {contents[:32]!r}")


def _flag(contents: bytes, name: str) -> bool:
    if len(contents) != 1:
        raise FrameError("boolean_contents", f"{name} has {len(contents)} octets, not 1")
    return contents[0] != 0


def encode_pdu(pdu: Pdu, number_octets: int = 0) -> bytes:
    """The octets of a message; `number_octets`: of every number, 0 for the fewest, 5 for GOOSE of
    fixed length. Raises ValueError.
    """

    def number(tag: int, content: int) -> bytes:
        return ber.encode(tag, ber.integer(content, number_octets))

    parts = [
        ber.encode(GOCB_REF, pdu.gocbRef.encode("ascii")),
        number(TIME_ALLOWED_TO_LIVE, pdu.timeAllowedtoLive),
        ber.encode(DAT_SET, pdu.datSet.encode("ascii")),
        ber.encode(GO_ID, pdu.goID.encode("ascii")) if pdu.goID is not None else b"",
        ber.encode(T, pdu.t.octets()),
        number(ST_NUM, pdu.stNum),
        number(SQ_NUM, pdu.sqNum),
        ber.encode(SIMULATION, bytes([pdu.simulation])),
        number(CONF_REV, pdu.confRev),
        ber.encode(NDS_COM, bytes([pdu.ndsCom])),
        number(NUM_DAT_SET_ENTRIES, pdu.numDatSetEntries),
        ber.encode(ALL_DATA, pdu.allData),
        ber.encode(SECURITY, pdu.security) if pdu.security else b"",
    ]
    return ber.encode(PDU_TAG, b"".join(parts))


def encode_data(*entries: tuple[str, Value] | tuple[str, Value, int]) -> bytes:
    """The contents of allData: (type, value) or (type, value, octets) each. Raises ValueError."""
    return b"".join(encode(*entry) for entry in entries)
