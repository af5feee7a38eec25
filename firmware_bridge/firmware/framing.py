"""Where one frame of a device ends and the next begins, in octets that only pass by.

1. C37.118 by its sync word, its length and its check word (IEEE Std C37.118.2-2011, 6.2): what
   does not check is not a frame, and one octet of it is noise. What says of itself that it is
   longer than a board's frame holds is named so; whether it was one, nobody can tell any more.
2. Modbus RTU by silence (Modbus over Serial Line V1.02, 2.5.1.1); its check word is then looked at.
3. Anything else by silence alone. What goes on without any is cut where it is too long, into pieces
   that have neither flag; the last has BY_GAP.

What is passed over is counted by whoever asks. It allocates nothing.
"""

from array import array

from firmware_bridge.frame import BODY_MAX_BYTES, BY_GAP, CHECKED, NOISE, TOO_LONG

C37118, MODBUS, RAW = "c37118", "modbus", "raw"

_SYNC = 0xAA
_TYPE_MAX = 5  # C37.118.2-2011, table 2: data, header, two configurations, command, a third
_VERSION_MAX = 3  # that of C37.118.2-2024
_HEAD_BYTES = 4  # SYNC and FRAMESIZE
_LEAST_BYTES = 16  # a header and a check word
_MODBUS_LEAST_BYTES = 4  # unit, function, check word


def _table(polynomial: int, reflected: bool) -> "array[int]":
    rows = array("H", bytes(512))
    for octet in range(256):
        crc = octet if reflected else octet << 8
        for _ in range(8):
            if reflected:
                crc = crc >> 1 ^ (polynomial if crc & 1 else 0)
            else:
                crc = crc << 1 ^ (polynomial if crc & 0x8000 else 0)
        rows[octet] = crc & 0xFFFF
    return rows


_rows: "dict[int, array[int]]" = {}  # a board has mostly one protocol


def prepare(framing: str) -> None:
    """Makes the table that it needs: at a start, while a board's heap is in one piece."""
    if framing == C37118:
        _rows_of(0x1021, False)
    elif framing == MODBUS:
        _rows_of(0xA001, True)


def _rows_of(polynomial: int, reflected: bool) -> "array[int]":
    if polynomial not in _rows:
        _rows[polynomial] = _table(polynomial, reflected)
    return _rows[polynomial]


def crc_ccitt(view: memoryview, end: int) -> int:
    """CRC-CCITT of the first `end` octets, from 0xFFFF (C37.118.2-2011, annex B)."""
    rows = _rows_of(0x1021, False)
    crc = 0xFFFF
    for index in range(end):
        crc = crc << 8 & 0xFF00 ^ rows[crc >> 8 ^ view[index]]
    return crc


def crc_modbus(view: memoryview, end: int) -> int:
    """CRC-16 of the first `end` octets (Modbus over Serial Line V1.02, 6.2.2)."""
    rows = _rows_of(0xA001, True)
    crc = 0xFFFF
    for index in range(end):
        crc = crc >> 8 ^ rows[(crc ^ view[index]) & 0xFF]
    return crc


class Cut:
    """What stands at the start of some octets: `length` of it, and what it is.

    `flags` of a frame; `cause`: it is none, and is to be passed over: NOISE or TOO_LONG, else 0.
    Length 0: more is needed.
    """

    __slots__ = ("length", "flags", "cause")

    def __init__(self) -> None:
        self.length = self.flags = self.cause = 0

    def of(self, framing: str, view: memoryview, held: int, silent: bool) -> None:
        """Looks at `held` octets; `silent`: nothing has come since for longer than a gap."""
        self.length = self.flags = self.cause = 0
        if not held:
            return
        if framing == C37118:
            self._c37118(view, held, silent)
        elif held > BODY_MAX_BYTES or (held == BODY_MAX_BYTES and not silent):
            self.length = BODY_MAX_BYTES
        elif silent:
            self.length, self.flags = held, BY_GAP
            if framing == MODBUS and held >= _MODBUS_LEAST_BYTES:
                stated = view[held - 2] | view[held - 1] << 8
                if crc_modbus(view, held - 2) == stated:
                    self.flags |= CHECKED

    def _c37118(self, view: memoryview, held: int, silent: bool) -> None:
        if not _begins(view, 0, held):
            self.length, self.cause = 1, NOISE
            while self.length < held and not _begins(view, self.length, held):
                self.length += 1
            return
        if held >= _HEAD_BYTES:
            size = view[2] << 8 | view[3]
            if not _LEAST_BYTES <= size <= BODY_MAX_BYTES:
                self.length, self.cause = 1, TOO_LONG if size > BODY_MAX_BYTES else NOISE
                return
            if held >= size:
                stated = view[size - 2] << 8 | view[size - 1]
                if crc_ccitt(view, size - 2) == stated:
                    self.length, self.flags = size, CHECKED
                else:
                    self.length, self.cause = 1, NOISE
                return
        if silent:  # the rest of it is not to come
            self.length, self.cause = 1, NOISE


def _begins(view: memoryview, at: int, held: int) -> bool:
    """Whether a frame may begin there. Its second octet's top bit is the 2024 version's."""
    if view[at] != _SYNC:
        return False
    if at + 1 == held:
        return True
    second = view[at + 1]
    return second >> 4 & 7 <= _TYPE_MAX and 1 <= second & 0xF <= _VERSION_MAX
