"""An aggregation of distributed resources: what it offers, and of which assets. Body of a record of
matter DER_AGGREGATION.

    der = [aggregation, service, [1* [asset: mrid, kW]]]

1. An asset is a CIM mRID, of 16 bytes, which has one spelling: the same roof as "Roof 1" and
   "roof-1" would be two. It is named once in an aggregation; assets rise.
2. An aggregation offers the sum of its assets. How much that is at least is the tariff's, in the
   policy in force (FERC Order 2222, 85 FR 67094: no more than 100 kW may be asked for).
3. The same asset for the same service at the same time in two aggregations is found where the later
   one is logged, and flagged there; both are kept. The next record of one aggregation, of the same
   aggregator, RTO and name, is no second one.
   Whoever would have more than LOOKED_MAX earlier sales of its assets looked at, a row each, is
   flagged without it: so nobody holds up the record by selling all he has again and again.
4. A service is what the tariff calls it: of the names and synonyms there, in one spelling. One that
   the tariff does not have is flagged: SERVICE_UNKNOWN, for it could be any of them.

Which mRID an asset has is between the utility that hosts it and its aggregator.
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
from evidence.joint.seam import MRID_BYTES, figure
from evidence.joint.spelling import folded
from evidence.refusal import EvidenceError

LOOKED_MAX = 20_000  # of one time: a thousand assets, each said twenty times


@dataclass(frozen=True, slots=True)
class Aggregation:
    """One aggregation; of each asset its mRID and kW."""

    name: str
    service: str
    assets: tuple[tuple[bytes, float], ...]

    @property
    def kw(self) -> float:
        return math.fsum(kw for _, kw in self.assets)

    def body(self) -> bytes:
        """Raises EvidenceError where `read` would."""
        encoded = cbor.encode([self.name, self.service, [list(row) for row in self.assets]])
        read(encoded)
        return encoded

    def sold(self) -> list[bytes]:
        """Of each asset: SHA-256 over its mRID. Which services are one is the policy's, where the
        next is logged."""
        return [hashlib.sha256(cbor.encode(["asset", asset])).digest() for asset, _ in self.assets]


def read(body: bytes) -> Aggregation:
    """The aggregation in a body. Raises EvidenceError."""
    name, service, rows = shape.array(cbor.decode(body), "aggregation", 3)
    assets = tuple(_asset(row) for row in shape.array(rows, "assets"))
    if not assets or any(one[0] >= after[0] for one, after in pairwise(assets)):
        shape.fail("assets", len(assets), "one or more, sorted, each once")
    if not folded(read_name(service, "service")):
        shape.fail("service", service, "a name with a letter or a digit")
    return Aggregation(read_name(name, "aggregation"), service, assets)


def look(record: Record, touches: frozenset[str], before: Before) -> Looked:
    """Rules 2 to 4. Raises EvidenceError(BELOW_MINIMUM)."""
    found, policy = read(record.body), before.policy
    least = policy.minimum_kw(found.service, touches) if policy else None
    if least is not None and found.kw < least:
        text = f"{found.kw:g} kW of {found.service!r}; the tariff asks for {least:g}"
        raise EvidenceError(Reason.BELOW_MINIMUM, text)
    flags = []
    if policy and policy.tariffs and not policy.has_service(found.service):
        flags.append(Reason.SERVICE_UNKNOWN)
    if _is_twice(record, found, before):
        flags.append(Reason.AGGREGATED_TWICE)
    return Looked(flags=tuple(flags))


def _is_twice(record: Record, found: Aggregation, before: Before) -> bool:
    """Rule 3; services as the policy in force calls them now, of what was logged before, too."""
    mine, services = sold_by(record, found), dict[bytes, str]()
    called, looked = _service(found, before), 0
    for digest in found.sold():
        there = before.sold(digest, mine.begins, mine.ends)
        looked += len(there)
        if looked > LOOKED_MAX:
            return True
        for name, other in there:
            if not _clashes(mine, other) or before.is_gone(name):
                continue
            if name not in services:
                of = before.record(name)
                services[name] = "" if of is None else _service(read(of.body), before)
            if services[name] == called:
                return True
    return False


def _service(found: Aggregation, before: Before) -> str:
    return before.policy.service(found.service) if before.policy else folded(found.service)


def rows(record: Record) -> list[tuple[bytes, Sold]]:
    """What a record sells, to be found again."""
    found = read(record.body)
    return [(digest, sold_by(record, found)) for digest in found.sold()]


def sold_by(record: Record, found: Aggregation) -> Sold:
    """Whose the assets of a record are, and when."""
    by, rto = record.who(Part.AGGREGATOR) or record.author, record.who(Part.RTO)
    name = hashlib.sha256(cbor.encode([by, rto, found.name])).digest()
    return Sold(name, record.begins, record.ends)


def _clashes(one: Sold, other: Sold) -> bool:
    same = one.by == other.by
    return not same and one.begins < other.ends and other.begins < one.ends


def _asset(value: Any) -> tuple[bytes, float]:
    asset, kw = shape.array(value, "asset", 2)
    if not any(shape.blob(asset, "asset", MRID_BYTES)):
        shape.fail("asset", asset, "an mRID: the nil UUID is nobody's")
    return asset, figure(kw, "kW", 0.0)
