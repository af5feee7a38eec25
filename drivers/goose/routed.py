"""R-GOOSE: messages over UDP, port 102 (IEC 61850-90-5 clause 11, IEC 61850-8-1 edition 2.1).

    LI, TI            0x01 0x40: the unit-data header of ITU-T X.234
    SI                0xA1 for GOOSE, 0xA2 for Sampled Values, 0xA0 tunnelled, 0xA3 management
    LI                length of the session header
    0x80, LI          common header: SPDU length (4), SPDU number (4), version (2)
    version 1         time of current key (4), time to next key (2), encryption and signature
                      algorithm (1 each), key ID (4)
    version 2         time of current key (4), time to next key (2), key ID (4), initialisation
                      vector (its length, 1, and it)
    length (4)        of the payloads that follow
    payload           tag (0x81 GOOSE, 0x82 SV), simulation (1), APPID (2), length (2), message
    0xAF              padding, with its length
    0x85              signature, with its length

1. Parsed, never unprotected: an encrypted one is refused by name, a signature is kept as it came
   and not verified.
2. Where a message ends, itself says. Senders differ in whether a payload's length counts its own
   two octets (libiec61850 does): both are taken.
3. Every length is compared with what is there, and PAYLOADS_MAX bounds their number.

Raises only FrameError.
"""

from struct import Struct
from typing import NamedTuple

from drivers import ber
from drivers.line import FrameError

UDP_PORT = 102  # IEC 61850-90-5 11.2
SI_GOOSE, SI_SV = 0xA1, 0xA2
PAYLOAD_GOOSE, PAYLOAD_SV = 0x81, 0x82
PAYLOADS_MAX = 64  # of one datagram; each has a dozen octets at least

_UNIT_DATA = b"\x01\x40"
_SESSION_IDS = frozenset((0xA0, SI_GOOSE, SI_SV, 0xA3))
_COMMON_TAG, _PADDING_TAG, _SIGNATURE_TAG = 0x80, 0xAF, 0x85
_COMMON = Struct(">4xBBIIHIh")  # behind SI and its LI; tag, LI, then to the time to the next key
_VERSION_1 = Struct(">BBI")
_VERSION_2 = Struct(">IB")
_LENGTH = Struct(">I")
_PAYLOAD = Struct(">BBHH")
_LENGTH_BYTES = 2  # that a payload's length may count


class Payload(NamedTuple):
    """One message in place."""

    kind: int
    simulated: bool
    appid: int
    length: int
    start: int
    stop: int


class Datagram(NamedTuple):
    """One session PDU."""

    si: int
    spdu_number: int
    version: int
    time_of_current_key: int
    time_to_next_key: int
    key_id: int
    payloads: tuple[Payload, ...]
    signature: bytes


def is_routed(raw: bytes) -> bool:
    """Whether these are a datagram of IEC 61850-90-5.

    No Ethernet frame: its destination would be 01:40:Ax:..., with the common header's tag and no
    EtherType of ours where one stands.
    """
    return (
        raw[:2] == _UNIT_DATA
        and len(raw) > _COMMON.size
        and raw[2] in _SESSION_IDS
        and raw[4] == _COMMON_TAG
    )


def decode_datagram(raw: bytes) -> Datagram:
    """Raises FrameError: truncated, session_header, encrypted, payload."""
    if not is_routed(raw):
        raise FrameError("session_header", f"no datagram of IEC 61850-90-5: {raw[:5].hex()}")
    _, _, _, number, version, current, following = _COMMON.unpack_from(raw)
    at = _COMMON.size
    if version == 1:
        encryption, _, key = _take(_VERSION_1, raw, at)
        if encryption:
            raise FrameError("encrypted", f"by algorithm {encryption} of IEC 61850-90-5")
        at += _VERSION_1.size
    elif version == 2:
        key, vector = _take(_VERSION_2, raw, at)
        if vector:
            raise FrameError("encrypted", f"an initialisation vector of {vector} octets")
        at += _VERSION_2.size
    else:
        raise FrameError("session_header", f"version {version} is unknown")
    (size,) = _take(_LENGTH, raw, at)
    at += _LENGTH.size
    if size > len(raw) - at:
        raise FrameError("truncated", f"{size} octets of payloads, {len(raw) - at} there")
    payloads = _payloads(raw, at, at + size)
    signature = _signature(raw, at + size)
    return Datagram(raw[2], number, version, current, following, key, payloads, signature)


def _payloads(raw: bytes, at: int, end: int) -> tuple[Payload, ...]:
    found: list[Payload] = []
    while at < end:
        if len(found) == PAYLOADS_MAX:
            raise FrameError("payload", f"more than {PAYLOADS_MAX} in one datagram")
        if end - at < _PAYLOAD.size:
            raise FrameError("truncated", "a payload without its head")
        kind, simulated, appid, length = _PAYLOAD.unpack_from(raw, at)
        if kind not in (PAYLOAD_GOOSE, PAYLOAD_SV):
            raise FrameError("payload", f"payload tag {kind:#04x}, or encrypted")
        start = at + _PAYLOAD.size
        stop = ber.element(raw, start, end).stop
        if length not in (stop - start, stop - start + _LENGTH_BYTES):
            raise FrameError("payload", f"length {length} of a message of {stop - start} octets")
        found.append(Payload(kind, bool(simulated), appid, length, start, stop))
        at = stop
    return tuple(found)


def _signature(raw: bytes, at: int) -> bytes:
    """The contents behind the payloads. A tag with no whole contents is a fault."""
    for tag in (_PADDING_TAG, _SIGNATURE_TAG):
        if at + 2 <= len(raw) and raw[at] == tag:
            stop = at + 2 + raw[at + 1]
            if stop > len(raw):
                raise FrameError("truncated", f"tag {tag:#04x} with {raw[at + 1]} octets")
            if tag == _SIGNATURE_TAG:
                return raw[at + 2 : stop]
            at = stop
    return b""


def _take(form: Struct, raw: bytes, at: int) -> tuple[int, ...]:
    if at + form.size > len(raw):
        raise FrameError("truncated", f"a session header of {len(raw)} octets")
    return form.unpack_from(raw, at)
