"""What may be had by one at a time, record by record: an asset's service, a scope of authority.

A shelf keeps these rows, and gives them back to whoever looks at a later record
(evidence.joint.before): the hash that is asked for, and whose it is, from when to when.
"""

from collections.abc import Callable

from evidence.code import Matter
from evidence.joint import der, lent
from evidence.joint.before import Sold
from evidence.joint.record import Record


def rows(of: Record, record_of: Callable[[bytes], Record | None]) -> list[tuple[bytes, Sold]]:
    """Of a record that is being kept; `record_of`: those that were logged before it."""
    if of.matter == Matter.DER_AGGREGATION:
        return der.rows(of)
    if of.matter == Matter.HANDOFF:
        return lent.rows(of, record_of)
    return []
