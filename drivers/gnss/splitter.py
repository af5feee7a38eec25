"""Whole messages out of what a receiver sends: NMEA sentences, UBX and RTCM messages mixed, with
whatever garbage lies between, however a line cuts them.

1. A message is handed on only whole and with its check word holding. Every other byte is named: all
   bytes are, in order, in what `feed` and `flush` give, cut at BAD_BYTES_MAX a fault.
2. A length that lies costs no good message: while one is waited for, the next whole good message
   ends the wait.
3. No more than the longest message is kept, and no more than SEARCH_BYTES_MAX are searched in one
   feed.
4. Through gpsd the daemon's own lines of JSON stand between messages; anywhere else they are
   garbage.

It reads no message: see ubx.py, nmea.py and gpsd.py.
"""

import re
from typing import NamedTuple

from drivers.gnss.check import UBX_FRAME_BYTES, crc24q, fletcher, parity
from drivers.line import FrameError

# LENGTH has 16 bits; the longest that is read here is NAV-SAT: 8 + 12 x 255 bytes. The longest that
# receivers send by themselves (RXM-RAWX, ESF, MON-SPAN) stay below this.
UBX_PAYLOAD_BYTES_MAX = 8_192
NMEA_BYTES_MAX = 1_024  # IEC 61162-1: 82; u-blox's PUBX,03 has up to 25 characters a satellite
JSON_BYTES_MAX = 16_384  # gpsd.h GPS_JSON_RESPONSE_MAX: 10,240 in 3.22
BAD_BYTES_MAX = 1_024  # kept of what is no message
SEARCH_BYTES_MAX = 1 << 18  # checked in vain within one feed: some 20 ms

_UBX, _NMEA, _RTCM, _JSON = b"\xb5"[0], b"$"[0], b"\xd3"[0], b"{"[0]
_VDO = b"!"[0]  # IEC 61162-1: sentences that encapsulate
_LEADS = re.compile(rb"\xb5\x62|\xb5\Z|[$!][A-Z]|[$!]\Z|\xd3[\x00-\x03]|\xd3\Z")
_LEADS_GPSD = re.compile(_LEADS.pattern + rb'|\{"cl|\{(?:"(?:c)?)?\Z')
# Upper case only: lower case is what a flipped bit makes of it, and nobody writes it.
_SENTENCE = re.compile(rb"[$!][A-Z][A-Z0-9]{2,7},[\x20-\x23\x25-\x29\x2b-\x7e]*\*[0-9A-F]{2}\r?\n")
_HEAD = re.compile(rb"[$!](?:[A-Z](?:[A-Z0-9]{0,7}(?:,[\x20-\x23\x25-\x29\x2b-\x7e]*)?)?)?")
_TAIL = re.compile(rb"\*?[0-9A-F]{0,2}\r?")


class Bad(NamedTuple):
    """Bytes that are no message, and why."""

    raw: bytes
    fault: FrameError


class Splitter:
    """One line. `feed` what has arrived, `flush` when it ends. `gpsd`: rule 4."""

    __slots__ = ("_budget", "_gpsd", "_leads", "_rest")

    def __init__(self, gpsd: bool = False) -> None:
        self._rest = b""
        self._budget = 0
        self._gpsd = gpsd
        self._leads = _LEADS_GPSD if gpsd else _LEADS

    def feed(self, data: bytes) -> list[bytes | Bad]:
        """Whole messages and Bads, in the order of the bytes."""
        buffer = self._rest + data if self._rest else data
        self._budget = SEARCH_BYTES_MAX
        out: list[bytes | Bad] = []
        at, end = 0, len(buffer)
        while at < end:
            stop, fault = self._read(buffer, at)
            if stop and fault is None:
                out.append(buffer[at:stop])
                at = stop
                continue
            found = self._lost(buffer, at, stop, fault)
            if found == at:
                break
            if self._budget <= 0:
                fault, found = FrameError("flood", f"{end - at} bytes searched in vain"), end
            fault = fault or FrameError("truncated", f"broken off: {_named(buffer, at)}")
            out.append(Bad(buffer[at : min(found, at + BAD_BYTES_MAX)], fault))
            at = found
        self._rest = buffer[at:] if at < end else b""
        return out

    def flush(self) -> list[bytes | Bad]:
        """What is left when the line ends: a message that never was completed."""
        rest, self._rest = self._rest, b""
        if not rest:
            return []
        fault = FrameError("truncated", f"{len(rest)} bytes of an unfinished message")
        return [Bad(rest[:BAD_BYTES_MAX], fault)]

    def _read(self, buffer: bytes, at: int) -> tuple[int, FrameError | None]:
        """The end of the whole message at `at`; (0, None) when more bytes may make it one, else
        the fault.
        """
        lead = buffer[at]
        if lead == _UBX:
            return _read_ubx(buffer, at)
        if lead in (_NMEA, _VDO):
            return _read_nmea(buffer, at)
        if lead == _RTCM:
            return _read_rtcm(buffer, at)
        if lead == _JSON and self._gpsd:
            return _read_json(buffer, at)
        return 0, _garbage(buffer, at)

    def _lost(self, buffer: bytes, at: int, stop: int, fault: FrameError | None) -> int:
        """No whole good message stands at `at`. Where to go on; `at` itself: wait for more."""
        if fault is None:  # incomplete: only a whole good message behind it proves it broken
            found = self._next(buffer, at + 1, len(buffer), whole=True)
            return at if found < 0 else found
        if not stop:
            found = self._next(buffer, at + 1, len(buffer), whole=False)
            return len(buffer) if found < 0 else found
        # Whole, and its check word does not hold: it may be the length that is wrong.
        found = self._next(buffer, at + 1, stop, whole=True)
        if found < 0:
            found = self._next(buffer, at + 1, stop, whole=False)
        return stop if found < 0 else found

    def _next(self, buffer: bytes, at: int, end: int, whole: bool) -> int:
        """Where before `end` the next message starts: a whole good one, or any; -1: nowhere."""
        while self._budget > 0:
            lead = self._leads.search(buffer, at)
            if lead is None or lead.start() >= end:
                return -1
            at = lead.start()
            stop, fault = self._read(buffer, at)
            if fault is None and (stop or not whole):
                return at
            if stop and not whole and end == len(buffer):
                return at  # one with a wrong check word is named by itself
            self._budget -= max(stop - at, 2)
            at += 1
        return -1


def _read_ubx(buffer: bytes, at: int) -> tuple[int, FrameError | None]:
    """UBX: B5 62, class, identifier, length (little-endian), payload, CK_A, CK_B."""
    held = len(buffer) - at
    if held >= 2 and buffer[at + 1] != 0x62:
        return 0, _garbage(buffer, at)
    if held < 6:
        return 0, None
    size = buffer[at + 4] | buffer[at + 5] << 8
    if size > UBX_PAYLOAD_BYTES_MAX:
        return 0, FrameError("length", f"a UBX payload of {size} bytes")
    stop = at + UBX_FRAME_BYTES + size
    if stop > len(buffer):
        return 0, None
    if fletcher(memoryview(buffer)[at + 2 : stop - 2]) != buffer[stop - 2 : stop]:
        return stop, FrameError("check_word", f"CK of {_named(buffer, at)}")
    return stop, None


def _read_nmea(buffer: bytes, at: int) -> tuple[int, FrameError | None]:
    """NMEA 0183: $, address, fields, *, two hex digits, line end."""
    end = buffer.find(b"\n", at, at + NMEA_BYTES_MAX)
    if end < 0:
        head = _HEAD.match(buffer, at)
        behind = head.end() if head is not None else at
        tail = _TAIL.match(buffer, behind)
        broken = tail is None or tail.end() < len(buffer)
        if broken:
            return 0, FrameError("shape", f"no sentence: {_named(buffer, at)}")
        if len(buffer) - at >= NMEA_BYTES_MAX:
            return 0, FrameError("length", f"a sentence of over {NMEA_BYTES_MAX} bytes")
        return 0, None
    stop = end + 1
    found = _SENTENCE.match(buffer, at, stop)
    if found is None:
        return stop, FrameError("shape", f"no sentence: {_named(buffer, at)}")
    star = buffer.rfind(b"*", at, stop)
    stated = int(buffer[star + 1 : star + 3], 16)
    if parity(memoryview(buffer)[at + 1 : star]) != stated:
        return stop, FrameError("check_word", f"checksum of {_named(buffer, at)}")
    return stop, None


def _read_rtcm(buffer: bytes, at: int) -> tuple[int, FrameError | None]:
    """RTCM 10403.3, section 4: D3, six bits 0, ten bits of length, payload, CRC-24Q."""
    held = len(buffer) - at
    if held >= 2 and buffer[at + 1] > 3:
        return 0, _garbage(buffer, at)
    if held < 3:
        return 0, None
    stop = at + 6 + (buffer[at + 1] << 8 | buffer[at + 2])
    if stop > len(buffer):
        return 0, None
    if crc24q(memoryview(buffer)[at:stop]):
        return stop, FrameError("check_word", f"CRC of {_named(buffer, at)}")
    return stop, None


def _read_json(buffer: bytes, at: int) -> tuple[int, FrameError | None]:
    """A line of gpsd's own: gpsd_json(5) opens each with its class."""
    opening = b'{"class":'
    if not opening.startswith(buffer[at : at + len(opening)]):
        return 0, _garbage(buffer, at)
    end = buffer.find(b"\n", at, at + JSON_BYTES_MAX)
    if end < 0:
        if len(buffer) - at >= JSON_BYTES_MAX:
            return 0, FrameError("length", f"a line of gpsd of over {JSON_BYTES_MAX} bytes")
        return 0, None
    if buffer[end - 1 : end] != b"}" and buffer[end - 2 : end] != b"}\r":
        return 0, FrameError("shape", f"a line of gpsd broken off: {_named(buffer, at)}")
    return end + 1, None


def _garbage(buffer: bytes, at: int) -> FrameError:
    return FrameError("sync", f"bytes that start no message: {buffer[at : at + 4].hex()}")


def _named(buffer: bytes, at: int) -> str:
    """A message as an error names it."""
    lead = buffer[at]
    if lead == _UBX:
        return f"UBX {buffer[at + 2 : at + 4].hex(' ')}"
    if lead == _RTCM:
        return f"RTCM of {len(buffer) - at} bytes"
    return repr(bytes(buffer[at : at + 40]))[1:]
