"""Entries of authorities' books, for people and as JSON: one entry, and all books of a record."""

from typing import Any

from evidence import instant
from evidence.book import Revoked, Vouched
from evidence.code import Act
from record.known import Known
from record.schema import BookRow
from record.store import Store
from record.vouching import said, void

Told = dict[str, Any]


def booked(store: Store, row: BookRow) -> Told:
    """One entry. Raises StoreError, EvidenceError."""
    found = said(store, row)
    what = found.what
    return {
        "issuer": found.issuer,
        "number": row.number,
        "entry": row.idx,
        "act": Act(row.act).name.lower(),
        "since": instant.words(row.tai),
        "why": what.why.name.lower() if isinstance(what, Revoked) else "",
        "text": what.text if isinstance(what, Revoked | Vouched) else "",
    }


def books(store: Store) -> list[Told]:
    """Each authority's book: how many entries of each act, the keys that are revoked, and what
    vouches for nothing, and why. Raises StoreError, EvidenceError."""
    known = Known(store)
    found: dict[bytes, Told] = {}
    for row in store.books():
        told = found.get(row.issuer)
        if told is None:
            told = found[row.issuer] = {"issuer": said(store, row).issuer, "entries": 0}
            told |= {act.name.lower(): 0 for act in Act if act != Act.REVOKED} | {
                "revoked": [],
                "void": [],
            }
        told["entries"] += 1
        if row.act == Act.REVOKED:
            told["revoked"].append({"key": row.what.hex(), **booked(store, row)})
        else:
            told[Act(row.act).name.lower()] += 1
        why = void(known, store, row) if row.act == Act.VOUCHED else ""
        if why:
            told["void"].append({"void": why, **booked(store, row)})
    return list(found.values())
