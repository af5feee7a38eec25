"""What a hand-over report says, as one typed object, and that object as JSON for evidence.handover.

1. What is measured is a text of decimal digits (`decimal`): whole numbers whole, others by 9
   significant digits, which lose nothing of a binary32, and 9 decimals at most; no exponent, no
   trailing zeros. Instants are ns TAI as text, and the same in UTC. So a number has one spelling,
   whoever writes it.
2. Whatever can be written here can be read here: limits are checked before anything is signed.
3. A result follows from the checks, and is never stated beside them.
4. The number of a report is the hash of all that it says but for the sheet: it stands on each page
   of the sheet, whose own hash is then part of what is signed.

It reads nothing and draws nothing.
"""

import hashlib
import math
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec

from evidence import handover
from evidence.code import Reason
from evidence.handover import WHOLE_MAX
from evidence.refusal import EvidenceError
from provisioning.preflight.outcome import Outcome, Word

VERSION = 1
TEXT_MAX = 4096  # characters of one text, as elsewhere in what is signed (evidence.shape)
# As many as a gateway has at most: sources with their receivers, channels, checks of each channel.
SOURCES_MAX = 1024
PHASORS_MAX = 4096
CHECKS_MAX = 8192
_SIGNIFICANT = 9  # digits: they tell one binary32 from the next
_DECIMALS = 9  # of what is smaller there is nothing to see on a line
Text = Annotated[str, msgspec.Meta(max_length=TEXT_MAX)]
Count = Annotated[int, msgspec.Meta(ge=0, le=WHOLE_MAX)]
Hash = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
Hex = Annotated[str, msgspec.Meta(pattern=r"^([0-9a-f]{2})*\Z")]
Nanoseconds = Annotated[str, msgspec.Meta(pattern=r"^(0|[1-9][0-9]{0,19})\Z")]
Number = Annotated[
    str, msgspec.Meta(pattern=r"^(-?(0|[1-9][0-9]*)(\.[0-9]*[1-9])?|NaN|-?Infinity)\Z")
]
PaperName = Literal["a4", "letter"]


class Made(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """By whom and when. `leap_known`: whether the table vouches for TAI - UTC at that instant."""

    technician: Text
    tai_ns: Nanoseconds
    utc: Text
    leap_known: bool


class Survey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the antenna stands by the plan: degrees, m."""

    latitude: Number
    longitude: Number
    altitude_m: Number
    accuracy_m: Number
    method: Text


class Site(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Text
    plan: Text  # the file's name
    plan_sha256: Hash
    survey: Survey | None


class Gateway(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Text
    store: Text  # where its key lives; never more than may be printed
    record: Text  # the URL


class Key(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    algorithm: Literal["Ed25519", "P-256"]
    public: Hex
    kid: Hex
    fingerprint: Hash


class Bus(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    mrid: Text
    name: Text


class Terminal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    terminal: Text
    bus: Text
    direction: Literal["unknown", "in", "out"]


class Authority(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who signed the credential, of those whom the gateway believes."""

    name: Text
    fingerprint: Hash


class Credential(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an authority says of the key. `statement` and `disclosures`: as they came, in hex, so
    that whoever has the report can check the rest.
    """

    name: Hash
    issuer: Text
    subject: Text
    role: Text
    not_before: Text
    expires: Text
    rotation: Hash | None
    site: Text
    buses: list[Bus]
    terminals: list[Terminal]
    statement: Hex
    disclosures: list[tuple[Hex, Hex]]


class Phasor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Text
    quantity: Literal["voltage", "current"]
    phase: Text
    magnitude: Number
    unit: Literal["V", "A"]
    degrees: Number
    bus: Text
    terminal: Text


class Value(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    label: Text
    value: Number
    unit: Text


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Text
    count: Count


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One device at one moment (provisioning.snapshot)."""

    source: Text
    key: Text
    scheme: Text
    station: Text
    idcode: int
    tai_ns: Nanoseconds | None
    utc: Text
    bound_ns: Count | None
    flags: list[Text]
    rate: tuple[Count, Count]
    heard_rate: Number | None
    frequency_hz: Number | None
    rocof_hz_s: Number | None
    phasors: Annotated[list[Phasor], msgspec.Meta(max_length=PHASORS_MAX)]
    values: Annotated[list[Value], msgspec.Meta(max_length=PHASORS_MAX)]
    frames: Count
    faults: list[Fault]
    trouble: Text


class Check(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One outcome of the pre-flight (provisioning.preflight.outcome)."""

    check: Text
    of: Text
    word: Word
    figure: Text
    needs: Text
    todo: Text
    waived_by: Text
    waived_why: Text


class Software(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Text
    version: Text


class Sheet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The drawn pages: so many bytes of the PDF, from its first on, and their hash."""

    paper: PaperName
    bytes: Count
    sha256: Hash


class Report(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole. `credential` and `authority`: None where there is none yet, or none that the
    gateway believes; `sheet`: None until it is drawn.
    """

    version: Literal[1]
    made: Made
    site: Site
    gateway: Gateway
    key: Key
    credential: Credential | None
    authority: Authority | None
    sources: Annotated[list[Source], msgspec.Meta(max_length=SOURCES_MAX)]
    checks: Annotated[list[Check], msgspec.Meta(max_length=CHECKS_MAX)]
    software: list[Software]
    sheet: Sheet | None = None

    def told(self) -> dict[str, Any]:
        """As JSON has it. Raises EvidenceError(SHAPE) where a reader would refuse it (rule 2)."""
        plain = _builtins(self)
        read(plain)
        return plain

    def number(self) -> str:
        """The number of the report (rule 4), in hex."""
        plain = _builtins(msgspec.structs.replace(self, sheet=None))
        return hashlib.sha256(handover.canonical(plain)).hexdigest()

    def count(self, word: Word) -> int:
        return sum(check.word == word for check in self.checks)

    def passed(self) -> bool:
        """Nothing is at fault or could not be told, but for what somebody waived; and something was
        checked.
        """
        return bool(self.checks) and not self.count(Word.FAULT) + self.count(Word.CANNOT_TELL)

    def result(self) -> str:
        """The big word."""
        waived = self.count(Word.WAIVED)
        if not self.passed():
            return "NOT PASSED"
        return f"PASSED WITH {waived} WAIVED" if waived else "PASSED"


def read(plain: dict[str, Any]) -> Report:
    """The report in an object of JSON. Raises EvidenceError(SHAPE)."""
    try:
        return msgspec.convert(plain, Report, strict=True)
    except msgspec.ValidationError as fault:
        raise EvidenceError(Reason.SHAPE, f"no report of this version: {fault}") from fault


def _builtins(report: Report) -> dict[str, Any]:
    """Of dictionaries, lists and what JSON has beside. Raises EvidenceError(SHAPE)."""
    try:
        found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(report))
    except UnicodeEncodeError as fault:
        raise EvidenceError(Reason.SHAPE, "a text has half a character") from fault
    return found


def decimal(value: float) -> str:
    """A measured number as a report writes it (rule 1)."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if value == int(value) and abs(value) <= WHOLE_MAX:
        return str(int(value))
    form = f".{_DECIMALS}f" if abs(value) < 1 else f".{_SIGNIFICANT}g"
    return _plain(Decimal(format(value, form)))


def exact(value: float) -> str:
    """A number that somebody stated, such as a coordinate: with all its digits."""
    return _plain(Decimal(repr(float(value)))) if math.isfinite(value) else decimal(value)


def _plain(value: Decimal) -> str:
    text = format(value, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def check(outcome: Outcome) -> Check:
    """An outcome as a report has it."""
    return msgspec.convert(outcome.told(), Check)


def outcome(check: Check) -> Outcome:
    """A check as the pre-flight had it."""
    return Outcome(**msgspec.structs.asdict(check))
