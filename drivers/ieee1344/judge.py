"""What STATUS of a data frame says against its values.

1. Bit 15: not synchronised, the instant is doubtful. Bit 14: the data are not valid. The trigger
   (bits 13 to 11) says nothing against them.
2. In a frame of another length than its configuration's nobody knows what stands where: its values
   cannot be read.

Whether the bound is good enough is not judged here.
"""

from drivers.ieee1344.frame import LENGTH_MASK
from drivers.values import Verdict
from evidence.code import Class, Reason

STATUS_NOT_SYNCHRONISED = 0x8000
STATUS_DATA_INVALID = 0x4000
_HEAD = (4, 4)  # SMPCNT and STATUS


class StatusJudge:
    """Of data frames of that size."""

    __slots__ = ("_size", "slices")

    def __init__(self, size: int) -> None:
        self._size = size
        self.slices: tuple[tuple[int, int], ...] = (_HEAD,)

    def __call__(self, marks: tuple[bytes, ...]) -> list[Verdict]:
        head = marks[0]
        if len(head) != 4 or head[0] >> 5:
            return [(Class.DATA_INVALID, Reason.MALFORMED)]
        status = int.from_bytes(head[2:], "big")
        if status & LENGTH_MASK != self._size:
            return [(Class.DATA_INVALID, Reason.NO_CONFIGURATION)]
        found: list[Verdict] = []
        if status & STATUS_DATA_INVALID:
            found.append((Class.DATA_INVALID, Reason.STAT_DATA_ERROR))
        if status & STATUS_NOT_SYNCHRONISED:
            found.append((Class.TIME_DOUBTFUL, Reason.STAT_SYNC))
        return found
