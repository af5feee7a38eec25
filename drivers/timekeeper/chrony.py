"""What `chronyc -c` prints of a chronyd, as facts: its tracking.

1. Figures are read from text into integer ns and ppb; no float comes near them.
2. Whatever the bytes, the only exception is FrameError.
3. Signs are chrony's own made plain: `offset_ns` is positive where this machine's clock is ahead.

chronyc(1) of 4.3: tracking. It runs nothing; what the figures come to is for others.
"""

import re
from enum import Enum
from typing import NamedTuple

from drivers.line import FrameError
from evidence.leap import NS

ANSWER_BYTES_MAX = 16_384
LOCAL = "7F7F0101"  # 127.127.1.1: chronyd follows its own clock, and calls that Normal

_DECIMAL = re.compile(r"([+-]?)(\d{1,12})(?:\.(\d{1,9}))?")
_REFID = re.compile(r"[0-9A-Fa-f]{8}")


class LeapStatus(Enum):
    """The last word of a tracking report."""

    NORMAL = "Normal"
    INSERT = "Insert second"
    DELETE = "Delete second"
    UNSYNCHRONISED = "Not synchronised"


class Tracking(NamedTuple):
    """`chronyc -c -n tracking`."""

    refid: str  # eight hex digits
    name: str  # address, or the reference clock's own
    stratum: int
    reference_ns: int  # when the last update was, Unix
    offset_ns: int  # of the system's clock from what chronyd takes for the time; to be slewed away
    last_ns: int  # what the last update found
    rms_ns: int
    residual_ppb: int
    skew_ppb: int
    root_delay_ns: int
    root_dispersion_ns: int
    update_s: int
    leap: LeapStatus

    def local(self) -> bool:
        """Whether chronyd follows nothing but the machine's own clock."""
        return self.refid.upper() == LOCAL

    def word(self) -> str:
        """The reference as a word of four characters: GPS, PPS, PTP0, ...; empty if it is none."""
        text = bytes.fromhex(self.refid).rstrip(b"\0")
        return text.decode("ascii") if text.isalnum() else ""


def tracking(raw: bytes) -> Tracking:
    """One line of 14 figures. Raises FrameError."""
    fields = _text(raw).strip().split(",")
    if len(fields) != 14 or _REFID.fullmatch(fields[0]) is None:
        raise FrameError("shape", f"no tracking report of chronyc: {fields[0][:40]!r}")
    if fields[13] not in LeapStatus._value2member_map_:
        raise FrameError("shape", f"chronyc's leap status is {fields[13][:40]!r}")
    return Tracking(
        *(fields[0], fields[1][:64], _integer(fields[2]), _billionths(fields[3])),
        # 4.3 prints 0.001 where its clock is 1 ms slow; the last offset is positive when ahead.
        *(-_billionths(fields[4]), _billionths(fields[5]), abs(_billionths(fields[6]))),
        *(_ppb(fields[8]), _ppb(fields[9])),
        *(_billionths(fields[10]), _billionths(fields[11]), _billionths(fields[12]) // NS),
        LeapStatus(fields[13]),
    )


def _text(raw: bytes) -> str:
    if len(raw) > ANSWER_BYTES_MAX:
        raise FrameError("length", f"chronyc says more than {ANSWER_BYTES_MAX} bytes")
    return raw.decode("ascii", "replace")


def _integer(text: str) -> int:
    if re.fullmatch(r"-?\d{1,10}", text) is None:
        raise FrameError("shape", f"chronyc: {text[:40]!r} is no number")
    return int(text)


def _billionths(text: str) -> int:
    """A decimal number times 10^9, exactly."""
    found = _DECIMAL.fullmatch(text)
    if found is None:
        raise FrameError("shape", f"chronyc: {text[:40]!r} is no number")
    number = int(found[2]) * NS + int((found[3] or "").ljust(9, "0"))
    return -number if found[1] == "-" else number


def _ppb(text: str) -> int:
    """Of ppm, rounded up in magnitude: it bounds a growth."""
    number = _billionths(text)
    magnitude = -(-abs(number) // 1_000_000)
    return -magnitude if number < 0 else magnitude
