"""The instant of an exchange, and how far it may be off.

1. What the device measured between (request - refresh - filter) and the response is in the answer:
   the instant is the middle of that, the bound half of it plus the gateway's clock's. Where nobody
   says how often the device renews its registers there is no bound.
2. Where a register says when the device measured, that is the instant, and the claim is the
   device's own. Its bound is unknown unless the map states it with its document; in a second that
   UTC counts twice, or that the leap table does not vouch for, there is none.
3. A device that says its time is invalid has not said it: rule 1 holds.
4. Registers may hold what was measured long ago, but not longer than a year's account: an instant
   further back than OLD_NS is of a clock that was never set, or lost. It keeps its instant, has no
   bound whatever the map states, and disagrees.

It reads no clock.
"""

from typing import NamedTuple

from drivers.line import Instant
from drivers.modbus.adu import ANSWERED, Answer
from drivers.modbus.point import Block
from drivers.modbus.value import Layout
from evidence.code import Flag, TimeSource
from evidence.leap import NS, LeapTable

_MS = 1_000_000
_US = 1000
OLD_NS = 400 * 86_400 * NS


class Stamped(NamedTuple):
    """As a Frame takes it."""

    tai: int
    bound: int | None
    source: int
    flags: int
    agrees: bool = True  # the device's clock with the arrival: rule 4


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


def by_device(block: Block, utc_ms: int, table: LeapTable, heard: Instant) -> Stamped | None:
    """Rules 2 and 4; None for a time that cannot be."""
    second, ms = divmod(utc_ms, 1000)
    if second < 0 or block.stamp is None:
        return None
    flags, bound = 0, block.stamp.bound_ns
    if not table.known(second):
        flags, bound = int(Flag.LEAP_UNKNOWN), None
    if table.inserted_at(second) or table.inserted_at(second + 1):
        flags, bound = flags | int(Flag.LEAP), None
    tai = table.tai_ns(second, ms * _MS)
    if tai >= 1 << 63:
        return None
    agrees = heard.tai - tai <= OLD_NS
    return Stamped(tai, bound if agrees else None, int(TimeSource.DEVICE), flags, agrees)


def of_exchange(
    layout: Layout, found: Answer, asked: Instant, heard: Instant, table: LeapTable
) -> Stamped:
    """By the device where its answer says when it measured, else by the gateway: rules 1 to 4."""
    made = by_gateway(layout.block, asked, heard)
    if layout.block.stamp is not None and found.name == ANSWERED:
        measured_ms = layout.measured_ms(found.data)
        if measured_ms is not None:
            made = by_device(layout.block, measured_ms, table, heard) or made
    return made


def period_ns(block: Block) -> int:
    """Of its polling."""
    return block.period_ms * (NS // 1000)
