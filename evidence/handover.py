"""A hand-over report as it is signed: one JSON object that people read, in the one form that the
device key signs with typ REPORT.

1. The signed form is RFC 8785 for a part of JSON on which all its readers agree: names of members
   are ASCII, each once, in rising order; no white space; numbers are whole, within +-(2^53 - 1)
   (RFC 7493 2.2). What is measured, and whatever counts in ns, is a text of decimal digits.
2. The file holds the object twice: set out to be read, and inside the message. Both say the same,
   or it is refused.
3. A file has one form too: whatever byte of it is changed, it is refused.
4. Characters that are not seen or that turn text around are escaped where people read; the list is
   fixed here, since what Unicode calls printable changes with its version.

What the object says, and whose key must have signed it, is for whoever reads on.
"""

import base64
import json
import re
from typing import Any, NamedTuple, NoReturn

from evidence import cose
from evidence.code import Reason, Typ
from evidence.cose import Sign1
from evidence.key import Signer
from evidence.refusal import EvidenceError

FORM = "gridseal hand-over 1"
# The message in base64 (4/3 of 2 MiB), and the same set out, with names escaped at the worst.
FILE_BYTES_MAX = 16 * 1024 * 1024
WHOLE_MAX = (1 << 53) - 1  # RFC 7493 2.2: what every reader of JSON keeps exactly
_DIGITS_MAX = 17  # of a whole number: more is refused before it is converted
_DEPTH_MAX = 16  # arrays and objects inside each other: a report has six
# C1, soft hyphen, marks of direction, joiners, separators, fillers, tags, variation selectors.
_UNSEEN = re.compile(
    "[\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u2028-\u202f\u205f-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff\U000e0000-\U000e0fff]"
)


class Handover(NamedTuple):
    """A file taken apart. `report`: as it is read; `message`: as it was signed."""

    report: dict[str, Any]
    message: Sign1


def canonical(value: Any) -> bytes:
    """The one form of a value (rule 1). Raises EvidenceError(SHAPE) for one that has none."""
    _check(value, 0)
    text = json.dumps(
        value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")
    )
    try:
        return text.encode()
    except UnicodeEncodeError as fault:
        raise EvidenceError(Reason.SHAPE, "a text has half a character") from fault


def signed(report: dict[str, Any], signer: Signer) -> bytes:
    """The file of a report. May block. Raises EvidenceError for what nobody would read."""
    return _written(report, cose.sign(Typ.REPORT, canonical(report), signer))


def read(data: bytes) -> Handover:
    """The report in a file; nothing in it is believed yet.

    Raises EvidenceError: SHAPE where it is no such file, ENCODING where it is not as it was made.
    """
    if len(data) > FILE_BYTES_MAX:
        text = f"a file of {len(data)} bytes; a report has at most {FILE_BYTES_MAX}"
        raise EvidenceError(Reason.TOO_LONG, text)
    found = _parsed(data)
    if type(found) is not dict or found.get("form") != FORM:
        raise EvidenceError(Reason.SHAPE, f"no hand-over report: its form is not {FORM!r}")
    report, encoded = found.get("report"), found.get("signed")
    if found.keys() != {"form", "report", "signed"} or type(report) is not dict:
        raise EvidenceError(Reason.SHAPE, "a hand-over report has form, report and signed")
    if type(encoded) is not str:
        raise EvidenceError(Reason.SHAPE, "what is signed is no text")
    try:
        message = cose.read_statement(base64.b64decode(encoded, validate=True), Typ.REPORT)
    except ValueError as fault:
        if isinstance(fault, EvidenceError):
            raise
        raise EvidenceError(Reason.ENCODING, "what is signed is no base64") from fault
    if canonical(report) != message.payload:
        text = "what is read is not what was signed: the report was changed"
        raise EvidenceError(Reason.ENCODING, text)
    if _written(report, message.encoded) != data:
        text = "it says what was signed, in another form than the one that is written"
        raise EvidenceError(Reason.ENCODING, text)
    return Handover(report, message)


def _written(report: dict[str, Any], encoded: bytes) -> bytes:
    """The file (rule 3)."""
    whole = {"form": FORM, "report": report, "signed": base64.b64encode(encoded).decode()}
    text = json.dumps(whole, ensure_ascii=False, allow_nan=False, sort_keys=True, indent=1)
    return (_UNSEEN.sub(_escaped, text) + "\n").encode()


def _escaped(found: re.Match[str]) -> str:
    """As JSON escapes it: beyond 16 bits by two halves (RFC 8259 7)."""
    units = found.group().encode("utf-16-be")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def _parsed(data: bytes) -> Any:
    """JSON, strictly. Raises EvidenceError(SHAPE)."""
    try:
        return json.loads(
            data.decode(),
            object_pairs_hook=_members,
            parse_int=_whole,
            parse_float=_no_number,
            parse_constant=_no_number,
        )
    except UnicodeDecodeError as fault:
        raise EvidenceError(Reason.SHAPE, "no hand-over report: it is not UTF-8") from fault
    except json.JSONDecodeError as fault:
        raise EvidenceError(Reason.SHAPE, f"no hand-over report: not JSON: {fault}") from fault
    except RecursionError as fault:
        raise EvidenceError(Reason.SHAPE, "no hand-over report: too deep") from fault


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise EvidenceError(Reason.SHAPE, "a member stands twice in one object")
    return found


def _whole(text: str) -> int:
    if len(text) > _DIGITS_MAX:
        _no_number(text)
    return int(text)


def _no_number(text: str) -> NoReturn:
    raise EvidenceError(Reason.SHAPE, f"{text[:40]} is no whole number within 2^53")


def _check(value: Any, depth: int) -> None:
    """Whether a value has a form. Raises EvidenceError(SHAPE)."""
    if depth > _DEPTH_MAX:
        raise EvidenceError(Reason.SHAPE, f"more than {_DEPTH_MAX} levels")
    if type(value) is dict:
        for name, member in value.items():
            if type(name) is not str or not name.isascii():
                raise EvidenceError(Reason.SHAPE, f"a member's name is {name!r:.60}")
            _check(member, depth + 1)
    elif type(value) is list:
        for item in value:
            _check(item, depth + 1)
    elif type(value) is int:
        if abs(value) > WHOLE_MAX:
            _no_number(str(value) if abs(value) < 1 << 128 else "a number")
    elif value is not None and type(value) not in {str, bool}:
        raise EvidenceError(Reason.SHAPE, f"a {type(value).__name__} has no form here")
