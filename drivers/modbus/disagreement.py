"""Where a device's clock begins to disagree with when it is heard: said once, until it agrees.

What disagrees is stamp.py's to say (rule 4). It keeps a key for each block that does.
"""

from collections import Counter

from drivers.line import Frame, Instant
from drivers.modbus import stamp
from evidence import misset
from evidence.code import Event, Flag, Kind, TimeSource
from evidence.event import Noticed
from evidence.leap import NS, LeapTable

_AGE_NS = 60 * NS  # of what a device says it measured; to name what its clock was set to


class Disagreements:
    """Of the blocks of one line. `counts` is the line's."""

    def __init__(self, table: LeapTable, counts: Counter[str]) -> None:
        self._table, self._counts = table, counts
        self._standing: set[str] = set()

    def judge(self, key: str, made: stamp.Stamped, heard: Instant) -> list[Frame]:
        """An event, once, where a device's clock begins to disagree. A sample that the gateway
        stamps itself says nothing of that clock."""
        if made.source != TimeSource.DEVICE:
            return []
        if made.agrees:
            self._standing.discard(key)
        elif key not in self._standing:
            self._standing.add(key)
            self._counts[Event.CLOCK_DISAGREES.name.lower()] += 1
            off = misset.name(made.tai, made.tai - heard.tai, _AGE_NS, self._table)
            text = f"the device's clock is {off.text}"
            noticed = Noticed(Event.CLOCK_DISAGREES, heard.tai, heard.tai, 1, text, None)
            flags = int(Flag.AGENT_STAMPED)
            place = (heard.tai, heard.bound, int(TimeSource.UNKNOWN), flags, heard)
            return [Frame(key, int(Kind.EVENT), noticed.raw(), *place)]
        return []
