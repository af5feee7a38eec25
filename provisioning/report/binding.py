"""A report drawn, signed, and bound into one PDF.

The same report, drawn by the same software and signed by an Ed25519 key, gives the same bytes; an
ECDSA signature is another each time, and all else is the same.
"""

import hashlib
from typing import NamedTuple

import msgspec

from evidence import handover
from evidence.key import Signer
from provisioning.report import attachment, sheet
from provisioning.report.document import PaperName, Report, Sheet


class Papers(NamedTuple):
    """What is handed over: the report, its PDF, and the JSON that is in it too."""

    report: Report
    pdf: bytes
    text: bytes


def bound(made: Report, paper: PaperName, signer: Signer) -> Papers:
    """The papers of a report. May block, as signing may. Raises EvidenceError, KeyStoreError."""
    pages = sheet.drawn(made, paper)
    drawn = Sheet(paper, len(pages), hashlib.sha256(pages).hexdigest())
    whole = msgspec.structs.replace(made, sheet=drawn)
    text = handover.signed(whole.told(), signer)
    return Papers(whole, attachment.attach(pages, text), text)
