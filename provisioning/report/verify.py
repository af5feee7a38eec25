"""Whether a hand-over report holds, line by line, from the file and the anchors alone.

1. Each finding holds, does not hold, or was not checked, with what would be needed: nothing is
   passed over.
2. A report is as much as what signed it: the key has to be the credential's, the credential an
   authority's whom the anchors name, and in force at the report's instant.
3. Whether the gateway passed is what the report says; whether it holds is what is found here.
4. A file that is no report at all is told apart from one that was changed.

It reads no file, and needs nothing that draws.
"""

import hashlib
from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

from evidence import anchor, cose, handover
from evidence import credential as claims
from evidence.anchor import Anchors
from evidence.code import ALG_ED25519, ALG_ESP256, Reason, Typ
from evidence.handover import Handover
from evidence.instant import words
from evidence.key import PublicKey
from evidence.leap import BUILT_IN, NS
from evidence.position import Position
from evidence.refusal import EvidenceError
from provisioning.credential import instant
from provisioning.report import attachment, document, facts
from provisioning.report.attachment import ChangedError, PdfError
from provisioning.report.document import Report

_ALGORITHMS = {"Ed25519": ALG_ED25519, "P-256": ALG_ESP256}
_NOT_PROVED = (
    "that the values are right, or hold at any other instant: they are what devices said while the"
    " report was made, not sealed evidence; that is in the record, under its receipts",
    "that the pages show what is told here: whoever has the device key can sign others; compare the"
    " result and the number, or read the JSON",
    "that the key was not revoked before or since: ask the authority's book, or the record",
    "who the technician was, and who waived a check: they are named as they were typed",
)


class Word(StrEnum):
    HOLDS = "holds"
    FAILS = "does not hold"
    UNCHECKED = "not checked"


class Finding(NamedTuple):
    """`what`: such as "signature"; `text`: what was found, or what would be needed."""

    what: str
    word: Word
    text: str


class NoReportError(Exception):
    """A file that is no hand-over report, in words."""


class Verdict(NamedTuple):
    """`report`: None where not even that could be read."""

    report: Report | None
    findings: list[Finding]

    def holds(self) -> bool:
        return all(one.word != Word.FAILS for one in self.findings)

    def unproved(self) -> tuple[str, ...]:
        """What it does not prove, even where it holds."""
        return _NOT_PROVED


def verdict(data: bytes, anchors: Anchors, plan: bytes | None) -> Verdict:
    """What holds of a report: its PDF, or the JSON out of it. `plan`: of site.toml, where given.

    Raises NoReportError.
    """
    pages: bytes | None = None
    try:
        if data.startswith(attachment.HEAD):
            parts = attachment.detach(data)
            pages, data = data[: parts.drawn], parts.content
        held = handover.read(data)
        report = document.read(held.report)
    except ChangedError as fault:
        return Verdict(None, [Finding("file", Word.FAILS, str(fault))])
    except PdfError as fault:
        raise NoReportError(str(fault)) from fault
    except EvidenceError as fault:
        if fault.reason in {Reason.SHAPE, Reason.TOO_LONG}:
            raise NoReportError(fault.text) from fault
        return Verdict(None, [Finding("file", Word.FAILS, fault.text)])
    return Verdict(report, _findings(held, report, pages, anchors, plan))


def _findings(
    held: Handover, report: Report, pages: bytes | None, anchors: Anchors, plan: bytes | None
) -> list[Finding]:
    found = [
        _tried("signature", lambda: _signature(held, report)),
        _tried("key", lambda: _key(report)),
        _tried("credential", lambda: _credential(report, anchors)),
        _tried("in force", lambda: _in_force(report)),
        _tried("place", lambda: _place(report)),
    ]
    return [*found, _plan(report, plan), _sheet(report, pages)]


def _tried(what: str, check: Callable[[], str]) -> Finding:
    """A finding from a check that says what it found, or raises EvidenceError."""
    try:
        return Finding(what, Word.HOLDS, check())
    except EvidenceError as fault:
        return Finding(what, Word.FAILS, fault.text)


def _public(report: Report) -> PublicKey:
    return PublicKey(_ALGORITHMS[report.key.algorithm], bytes.fromhex(report.key.public))


def _signature(held: Handover, report: Report) -> str:
    public = _public(report)
    cose.check(held.message, public)
    if (report.key.kid, report.key.fingerprint) != (public.kid.hex(), public.fingerprint):
        raise EvidenceError(Reason.KID, "it names another fingerprint than its key's")
    return f"by device key {public.kid.hex()}, fingerprint {public.fingerprint}"


def _says(report: Report) -> claims.Credential:
    """The credential in a report. Raises EvidenceError, in words where there is none."""
    if report.credential is None:
        text = "there was none yet: no authority vouches for this key"
        raise EvidenceError(Reason.UNKNOWN_AUTHORITY, text)
    message = cose.read_statement(bytes.fromhex(report.credential.statement), Typ.CREDENTIAL)
    return claims.read(message.payload)


def _key(report: Report) -> str:
    """The key is the credential's, and the report says of the credential what that says."""
    says = _says(report)
    if report.credential is None or says.key != _public(report):
        raise EvidenceError(Reason.KID, f"the credential is for key {says.key.kid.hex()}")
    pairs = [
        (bytes.fromhex(salt), bytes.fromhex(value)) for salt, value in report.credential.disclosures
    ]
    if facts.credential(bytes.fromhex(report.credential.statement), pairs) != report.credential:
        raise EvidenceError(Reason.SHAPE, "the credential in it says something else than it tells")
    return f"is that of the credential of {says.subject}, as {says.role}"


def _credential(report: Report, anchors: Anchors) -> str:
    _says(report)
    encoded = bytes.fromhex(report.credential.statement if report.credential else "")
    message = cose.read_statement(encoded, Typ.CREDENTIAL)
    anchor.vouched(message, anchors.authorities)
    by = anchors.authorities[message.kid]
    told = report.authority
    if told is not None and (told.name, told.fingerprint) != (by.name, by.key.fingerprint):
        raise EvidenceError(Reason.KID, f"it names another authority than {by.name}, who signed it")
    return f"signed by authority {by.name}, fingerprint {by.key.fingerprint}"


def _in_force(report: Report) -> str:
    says, tai = _says(report), int(report.made.tai_ns)
    # Where its own table of leap seconds had run out, this one may know better.
    if report.made.leap_known and words(tai) != report.made.utc:
        raise EvidenceError(Reason.SHAPE, f"{report.made.utc} is not {tai} ns TAI")
    utc_s = BUILT_IN.utc_ns(tai) // NS
    span = f"{instant(says.not_before_s)} to {instant(says.expires_s)}"
    if utc_s < says.not_before_s:
        text = f"made {instant(utc_s)}, before the credential: {span}"
        raise EvidenceError(Reason.CREDENTIAL_NOT_YET, text)
    if utc_s >= says.expires_s:
        text = f"made {instant(utc_s)}, after the credential: {span}"
        raise EvidenceError(Reason.CREDENTIAL_EXPIRED, text)
    return f"made {instant(utc_s)}; the credential is for {span}"


def _place(report: Report) -> str:
    """Site and survey are those that the authority vouches for."""
    says, survey = _says(report), report.site.survey
    told = report.credential
    if told is None or told.site != report.site.name:
        raise EvidenceError(Reason.PLACE_NOT_GRANTED, "the credential is for another site's name")
    hidden = {
        hashlib.sha256(bytes.fromhex(salt + value)).digest(): bytes.fromhex(value)
        for salt, value in told.disclosures
    }
    if survey is None or says.position is None:
        if survey is None and says.position is None:
            return f"{report.site.name}; not surveyed"
        text = "plan and credential differ on whether it was surveyed"
        raise EvidenceError(Reason.PLACE_NOT_GRANTED, text)
    numbers = (survey.latitude, survey.longitude, survey.altitude_m, survey.accuracy_m)
    if hidden.get(says.position) != Position(*map(float, numbers)).value():
        raise EvidenceError(Reason.PLACE_NOT_GRANTED, "the credential is for another position")
    return f"{report.site.name}, at {survey.latitude}, {survey.longitude}, as the authority has it"


def _plan(report: Report, plan: bytes | None) -> Finding:
    stated = report.site.plan_sha256
    if plan is None:
        text = f"needs {report.site.plan} by --plan; its SHA-256 was {stated}"
        return Finding("site plan", Word.UNCHECKED, text)
    found = hashlib.sha256(plan).hexdigest()
    if found == stated:
        return Finding("site plan", Word.HOLDS, f"is the one of the report, SHA-256 {stated}")
    return Finding("site plan", Word.FAILS, f"SHA-256 is {found}, and was {stated}")


def _sheet(report: Report, pages: bytes | None) -> Finding:
    """The drawn pages are those that were signed for."""
    if pages is None:
        return Finding("pages", Word.UNCHECKED, "needs the PDF: this is the JSON out of it")
    sheet, found = report.sheet, hashlib.sha256(pages).hexdigest()
    if sheet is None or (sheet.bytes, sheet.sha256) != (len(pages), found):
        return Finding("pages", Word.FAILS, "the pages of this PDF are not those of the report")
    return Finding("pages", Word.HOLDS, f"not a byte of them was changed, SHA-256 {found}")
