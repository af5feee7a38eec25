"""The instant of an exchange, and how far it may be off.

1. What the device measured between (request - refresh - filter) and the response is in the answer:
   the instant is the middle of that, the bound half of it plus the gateway's clock's. Where nobody
   says how often the device renews its registers there is no bound.
2. Where a register says when the device measured, that is the instant, and the claim is the
   device's own. Its bound is unknown unless the map states it with its document; in a second that
   UTC counts twice, or that the leap table does not vouch for, there is none.
3. A device that says its time is invalid has not said it: rule 1 holds.

It reads no clock.
"""

from typing import NamedTuple

from drivers.line import Instant
from drivers.modbus.point import Block
from evidence.code import Flag, TimeSource
from evidence.leap import NS, LeapTable

_MS = 1_000_000
_US = 1000


class Stamped(NamedTuple):
    """As a Frame takes it."""

    tai: int
    bound: int | None
    source: int
    flags: int


def by_gateway(block: Block, asked: Instant, heard: Instant) -> Stamped:
    """Rule 1."""
    flags = int(Flag.AGENT_STAMPED)
    if heard.tai < asked.tai:  # the gateway's clock was set meanwhile
        return Stamped(heard.tai, None, int(TimeSource.UNKNOWN), flags)
    age = ((block.refresh_us or 0) + block.filter_us) * _US
    first = max(asked.tai - age, 0)
    bound = None
    if block.refresh_us is not None and asked.bound is not None and heard.bound is not None:
        bound = (heard.tai - first + 1) // 2 + max(asked.bound, heard.bound)
    return Stamped((first + heard.tai) // 2, bound, int(TimeSource.UNKNOWN), flags)


def by_device(block: Block, utc_ms: int, table: LeapTable) -> Stamped | None:
    """Rule 2; None for a time that cannot be."""
    second, ms = divmod(utc_ms, 1000)
    if second < 0 or block.stamp is None:
        return None
    flags, bound = 0, block.stamp.bound_ns
    if not table.known(second):
        flags, bound = int(Flag.LEAP_UNKNOWN), None
    if table.inserted_at(second) or table.inserted_at(second + 1):
        flags, bound = flags | int(Flag.LEAP), None
    tai = table.tai_ns(second, ms * _MS)
    return Stamped(tai, bound, int(TimeSource.DEVICE), flags) if tai < 1 << 63 else None


def period_ns(block: Block) -> int:
    """Of its polling."""
    return block.period_ms * (NS // 1000)
