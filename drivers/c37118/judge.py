"""What the STAT words of a data frame say against its values.

1. C37.118.2-2011 6.3, Table 7. In C37.118-2005 bit 9 is reserved and says nothing.
2. In a frame of another size than its configuration's nobody knows where STAT stands: its values
   cannot be read.

Whether the bound is good enough is not judged here.
"""

from drivers.c37118.frame import SYNC_LEAD, SYNC_TABLE, VERSION_2011, FrameType
from drivers.c37118.stamp import STAT_MODIFIED, STAT_SORTED_BY_ARRIVAL, STAT_SYNC
from drivers.values import Verdict
from evidence.code import Class, Reason

_HEAD = (0, 4)  # SYNC and FRAMESIZE
_STAT_GOOD, _STAT_TEST = 0, 2  # bits 15-14; 1 and 3 are errors


class StatJudge:
    """Of data frames of that size, with a STAT word at each offset."""

    __slots__ = ("_size", "slices")

    def __init__(self, size: int, stat_offsets: tuple[int, ...]) -> None:
        self._size = size
        self.slices: tuple[tuple[int, int], ...] = (_HEAD, *((at, 2) for at in stat_offsets))

    def __call__(self, marks: tuple[bytes, ...]) -> list[Verdict]:
        head = marks[0]
        row = SYNC_TABLE[head[1]] if len(head) == 4 and head[0] == SYNC_LEAD else ""
        if isinstance(row, str) or row[0] is not FrameType.DATA:
            return [(Class.DATA_INVALID, Reason.MALFORMED)]
        size = int.from_bytes(head[2:], "big")
        if size != self._size or any(len(mark) != 2 for mark in marks[1:]):
            return [(Class.DATA_INVALID, Reason.NO_CONFIGURATION)]
        found: list[Verdict] = []
        for mark in marks[1:]:
            found += _stat(int.from_bytes(mark, "big"), row[1])
        return found


def _stat(stat: int, version: int) -> list[Verdict]:
    found: list[Verdict] = []
    data = stat >> 14
    if data == _STAT_TEST:
        found.append((Class.TEST, Reason.TEST_MODE))
    elif data != _STAT_GOOD:
        found.append((Class.DATA_INVALID, Reason.STAT_DATA_ERROR))
    if stat & STAT_MODIFIED and version >= VERSION_2011:
        found.append((Class.DATA_INVALID, Reason.STAT_MODIFIED))
    if stat & STAT_SORTED_BY_ARRIVAL:
        found.append((Class.DATA_INVALID, Reason.STAT_SORTED_BY_ARRIVAL))
    if stat & STAT_SYNC:
        found.append((Class.TIME_DOUBTFUL, Reason.STAT_SYNC))
    return found
