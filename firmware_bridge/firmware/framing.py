"""Where one frame of a device ends and the next begins, in octets that only pass by.

1. C37.118 by its sync octet, its length and its check word (IEEE Std C37.118.2-2011, 6.2): what
   does not check is not a frame, and one octet of it is noise.
2. Modbus RTU by silence (Modbus over Serial Line V1.02, 2.5.1.1); its check word is then looked at.
3. Anything else by silence alone.

What is passed over is counted by whoever asks. It allocates nothing.
"""

from array import array

from firmware_bridge.frame import BODY_MAX_BYTES, BY_GAP, CHECKED

C37118, MODBUS, RAW = "c37118", "modbus", "raw"

_SYNC = 0xAA
_HEAD_BYTES = 4  # SYNC and FRAMESIZE
_LEAST_BYTES = 16  # a header and a check word
_MODBUS_LEAST_BYTES = 4  # unit, function, check word


def _table(polynomial: int, reflected: bool) -> "array[int]":
    rows = array("H")
    for octet in range(256):
        crc = octet if reflected else octet << 8
        for _ in range(8):
            if reflected:
                crc = crc >> 1 ^ (polynomial if crc & 1 else 0)
            else:
                crc = crc << 1 ^ (polynomial if crc & 0x8000 else 0)
        rows.append(crc & 0xFFFF)
    return rows


_CCITT = _table(0x1021, False)
_MODBUS = _table(0xA001, True)


def crc_ccitt(view: memoryview, end: int) -> int:
    """CRC-CCITT of the first `end` octets, from 0xFFFF (C37.118.2-2011, annex B)."""
    crc = 0xFFFF
    for index in range(end):
        crc = crc << 8 & 0xFF00 ^ _CCITT[crc >> 8 ^ view[index]]
    return crc


def crc_modbus(view: memoryview, end: int) -> int:
    """CRC-16 of the first `end` octets (Modbus over Serial Line V1.02, 6.2.2)."""
    crc = 0xFFFF
    for index in range(end):
        crc = crc >> 8 ^ _MODBUS[(crc ^ view[index]) & 0xFF]
    return crc


class Cut:
    """What stands at the start of some octets: `length` of it, and what it is.

    `flags` of a frame; `noise`: it is none, and is to be passed over. Length 0: more is needed.
    """

    __slots__ = ("length", "flags", "noise")

    def __init__(self) -> None:
        self.length, self.flags, self.noise = 0, 0, False

    def of(self, framing: str, view: memoryview, held: int, silent: bool) -> None:
        """Looks at `held` octets; `silent`: nothing has come since for longer than a gap."""
        self.length, self.flags, self.noise = 0, 0, False
        if not held:
            return
        if framing == C37118:
            self._c37118(view, held, silent)
        elif silent:
            self.length, self.flags = held, BY_GAP
            if framing == MODBUS and held >= _MODBUS_LEAST_BYTES:
                stated = view[held - 2] | view[held - 1] << 8
                if crc_modbus(view, held - 2) == stated:
                    self.flags |= CHECKED
        elif held >= BODY_MAX_BYTES:
            self.length, self.flags = BODY_MAX_BYTES, BY_GAP

    def _c37118(self, view: memoryview, held: int, silent: bool) -> None:
        if view[0] != _SYNC:
            self.length, self.noise = 1, True
            while self.length < held and view[self.length] != _SYNC:
                self.length += 1
            return
        if held >= _HEAD_BYTES:
            size = view[2] << 8 | view[3]
            if not _LEAST_BYTES <= size <= BODY_MAX_BYTES:
                self.length, self.noise = 1, True
                return
            if held >= size:
                stated = view[size - 2] << 8 | view[size - 1]
                if crc_ccitt(view, size - 2) == stated:
                    self.length, self.flags = size, CHECKED
                else:
                    self.length, self.noise = 1, True
                return
        if silent:  # the rest of it is not to come
            self.length, self.noise = 1, True
