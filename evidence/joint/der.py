"""An aggregation of distributed resources: what it offers, and of which assets. Body of a record of
matter DER_AGGREGATION.

    der = [aggregation, service, [1* [asset, kW]]]

1. An asset is named once in an aggregation; assets stand in the order of their names.
2. An aggregation offers the sum of its assets. How much that is at least is the tariff's, in the
   policy in force (FERC Order 2222, 85 FR 67094: no more than 100 kW may be asked for).
3. The same asset for the same service at the same time in two aggregations is found where the later
   one is logged, and flagged there; both are kept. The next record of one aggregation, of the same
   aggregator, RTO and name, is no second one.

What an asset is called is between the utility that hosts it and its aggregator.
"""

import hashlib
import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from evidence import cbor, shape
from evidence.code import Part, Reason
from evidence.joint.before import Before, Looked, Sold
from evidence.joint.record import Record, read_name
from evidence.joint.seam import figure
from evidence.refusal import EvidenceError


@dataclass(frozen=True, slots=True)
class Aggregation:
    """One aggregation; of each asset its name and kW."""

    name: str
    service: str
    assets: tuple[tuple[str, float], ...]

    @property
    def kw(self) -> float:
        return math.fsum(kw for _, kw in self.assets)

    def body(self) -> bytes:
        """Raises EvidenceError where `read` would."""
        encoded = cbor.encode([self.name, self.service, [list(row) for row in self.assets]])
        read(encoded)
        return encoded

    def sold(self) -> list[bytes]:
        """Of each asset, what may be sold once: SHA-256 over its name and the service."""
        return [
            hashlib.sha256(cbor.encode([asset, self.service])).digest() for asset, _ in self.assets
        ]


def read(body: bytes) -> Aggregation:
    """The aggregation in a body. Raises EvidenceError."""
    name, service, rows = shape.array(cbor.decode(body), "aggregation", 3)
    assets = tuple(_asset(row) for row in shape.array(rows, "assets"))
    if not assets or any(one[0] >= after[0] for one, after in pairwise(assets)):
        shape.fail("assets", len(assets), "one or more, sorted, each once")
    return Aggregation(read_name(name, "aggregation"), read_name(service, "service"), assets)


def look(record: Record, touches: frozenset[str], before: Before) -> Looked:
    """Rules 2 and 3. Raises EvidenceError(BELOW_MINIMUM)."""
    found = read(record.body)
    least = before.policy.minimum_kw(found.service, touches) if before.policy else None
    if least is not None and found.kw < least:
        text = f"{found.kw:g} kW of {found.service!r}; the tariff asks for {least:g}"
        raise EvidenceError(Reason.BELOW_MINIMUM, text)
    mine = sold_by(record, found)
    twice = any(
        _clashes(mine, other)
        for digest in found.sold()
        for other in before.sold(digest, mine.begins, mine.ends)
    )
    return Looked(flags=(Reason.AGGREGATED_TWICE,) if twice else ())


def sold_by(record: Record, found: Aggregation) -> Sold:
    """Whose the assets of a record are, and when."""
    by, rto = record.who(Part.AGGREGATOR) or record.author, record.who(Part.RTO)
    name = hashlib.sha256(cbor.encode([by, rto, found.name])).digest()
    return Sold(name, record.begins, record.ends)


def _clashes(one: Sold, other: Sold) -> bool:
    same = one.aggregation == other.aggregation
    return not same and one.begins < other.ends and other.begins < one.ends


def _asset(value: Any) -> tuple[str, float]:
    asset, kw = shape.array(value, "asset", 2)
    return read_name(asset, "asset"), figure(kw, "kW", 0.0)
