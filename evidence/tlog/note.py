"""The signed note: a text, and lines of signatures under it. C2SP signed-note.

1. What is signed is the text with its last newline and without the empty line that follows it; the
   last empty line of a note parts its text from its signatures.
2. A key is its holder's name, a type of signature and the raw key; its id (four bytes) is a hint
   under which it is found, never an identity: whoever trusts a key has it whole, as a vkey.
3. Signatures of keys that one does not know are ignored. One that names a known key must hold, or
   the whole note is refused.
4. One spelling: base64 in its canonical form (RFC 4648 4), names of visible characters, lines
   ended by U+000A alone.

The log's own statements are COSE, and the same log key signs both. Neither can be taken for the
other: what COSE signs (RFC 9052 4.4) begins with 0x84, which no UTF-8 text begins with.

It does not know what a text says: checkpoint.py and cosignature.py do.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NoReturn

from evidence.code import ALG_ED25519, Reason
from evidence.key import PublicKey, Signer
from evidence.refusal import EvidenceError

NOTE_BYTES_MAX = 1 << 17  # room for 16 signatures of 5 kB (ML-DSA), which readers must accept
SIGNATURES_MAX = 64  # at least 16 must be accepted; a line costs up to one verification
NAME_CHARS_MAX = 255  # what tlog-cosignature allows a cosigner's name and an origin
ID_BYTES = 4

ED25519 = 0x01  # a signature over the text, as it stands
COSIGNATURE = 0x04  # tlog-cosignature: over a time and the text

_DASH = "\u2014 "
_RAW_BYTES = 32  # of an Ed25519 key, RFC 8032


@dataclass(frozen=True, slots=True)
class Line:
    """One signature: who says to have made it, its key's id, and the bytes."""

    name: str
    id: bytes
    signature: bytes

    def text(self) -> str:
        return f"{_DASH}{self.name} {_to_base64(self.id + self.signature)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A text, its last newline with it, and its signatures. Nothing of it is verified."""

    text: str
    lines: tuple[Line, ...]

    def encode(self) -> bytes:
        return (self.text + "\n" + "".join(line.text() for line in self.lines)).encode()

    def with_lines(self, more: Iterable[Line]) -> "Note":
        """The same note with more signatures; one that it has already is not added again."""
        return Note(self.text, tuple(dict.fromkeys((*self.lines, *more))))


@dataclass(frozen=True, slots=True)
class Verifier:
    """A key that notes are verified with: its holder's name, the type of its signatures, the key.

    Raises EvidenceError for a name or a key that cannot stand in a note.
    """

    name: str
    type: int
    key: PublicKey

    def __post_init__(self) -> None:
        check_name(self.name)
        if self.type not in (ED25519, COSIGNATURE) or self.key.alg != ALG_ED25519:
            raise EvidenceError(
                Reason.ALG, f"{self.name}: signatures of type {self.type} are not known here"
            )

    @property
    def id(self) -> bytes:
        kept = self.name.encode() + b"\n" + bytes([self.type]) + self.key.raw
        return hashlib.sha256(kept).digest()[:ID_BYTES]

    def vkey(self) -> str:
        """As it is published: name, id and key, parted by plus."""
        return f"{self.name}+{self.id.hex()}+{_to_base64(bytes([self.type]) + self.key.raw)}"

    def lines_of(self, note: Note) -> list[Line]:
        """The lines of a note that say to be this key's."""
        return [line for line in note.lines if (line.name, line.id) == (self.name, self.id)]


def read(data: bytes) -> Note:
    """The note in some bytes. Raises EvidenceError(TOO_LONG, ENCODING)."""
    if len(data) > NOTE_BYTES_MAX:
        raise EvidenceError(Reason.TOO_LONG, f"a note of {len(data)} bytes, over {NOTE_BYTES_MAX}")
    whole = read_text(data, "a note")
    at = whole.rfind("\n\n")
    if at < 0:
        _refuse("a note without an empty line before its signatures")
    return Note(whole[: at + 1], read_lines(whole[at + 2 :]))


def read_lines(text: str) -> tuple[Line, ...]:
    """One signature line or more. Raises EvidenceError(TOO_LONG, ENCODING)."""
    if not text.endswith("\n"):
        _refuse("a signature that no newline ends, or none at all")
    rows = text[:-1].split("\n")
    if len(rows) > SIGNATURES_MAX:
        raise EvidenceError(Reason.TOO_LONG, f"{len(rows)} signatures, over {SIGNATURES_MAX}")
    return tuple(_read_line(row) for row in rows)


def read_vkey(text: str) -> Verifier:
    """The key in a vkey. Raises EvidenceError, one for a key of a type unknown here too."""
    name, _, rest = text.partition("+")  # no name has a plus; base64 may
    check_name(name)
    id_hex, _, key = rest.partition("+")
    raw = from_base64(key, f"the key of {name}")
    if len(raw) != 1 + _RAW_BYTES or raw[0] not in (ED25519, COSIGNATURE):
        raise EvidenceError(Reason.ALG, f"{name}: no Ed25519 key of a note or a cosigner")
    found = Verifier(name, raw[0], PublicKey(ALG_ED25519, raw[1:]))
    if id_hex != found.id.hex():
        raise EvidenceError(
            Reason.KID, f"{name}: its key has the id {found.id.hex()}, not {id_hex[:16]!r}"
        )
    return found


def sign(text: str, name: str, signer: Signer) -> Line:
    """A signature of type 0x01. `signer` may block."""
    by = Verifier(name, ED25519, signer.public)
    check_text(text)
    return Line(name, by.id, signer.sign(text.encode()))


def signed_by(note: Note, keys: Iterable[Verifier]) -> list[Verifier]:
    """Which of these keys, all of type 0x01, signed the note; none is an answer as well.

    Raises EvidenceError(SIGNATURE) where a line names one of them and does not hold.
    """
    found = []
    for key in keys:
        if key.type != ED25519:
            raise EvidenceError(Reason.ALG, f"{key.name}: a cosigner's key signs no plain note")
        lines = key.lines_of(note)
        for line in lines:
            if not key.key.verify(note.text.encode(), line.signature):
                raise EvidenceError(Reason.SIGNATURE, f"the signature of {key.name} does not hold")
        if lines:
            found.append(key)
    return found


def check_name(name: str) -> None:
    """C2SP signed-note: not empty, no Unicode space, no plus. Raises EvidenceError(SHAPE)."""
    spaced = any(char.isspace() or char < " " for char in name)
    if not 0 < len(name) <= NAME_CHARS_MAX or spaced or "+" in name or not _encodes(name):
        raise EvidenceError(Reason.SHAPE, f"{name[:60]!r} cannot be a key's name in a note")


def check_text(text: str) -> None:
    """Raises EvidenceError(ENCODING) for what a note cannot hold."""
    if not text.endswith("\n") or not _encodes(text) or _has_control(text):
        _refuse("a text with control characters, or that no newline ends")


def read_text(data: bytes, what: str) -> str:
    """UTF-8 without control characters but newlines. Raises EvidenceError(ENCODING)."""
    try:
        text = data.decode()
    except UnicodeDecodeError as fault:
        raise EvidenceError(Reason.ENCODING, f"{what} is not UTF-8") from fault
    if _has_control(text):
        _refuse(f"{what} has control characters")
    return text


def from_base64(text: str, what: str) -> bytes:
    """Canonical base64 only (RFC 4648 3.5). Raises EvidenceError(ENCODING)."""
    try:
        raw = binascii.a2b_base64(text.encode("ascii"), strict_mode=True)
    except ValueError as fault:  # binascii's own, and text beyond ASCII
        raise EvidenceError(Reason.ENCODING, f"{what}: {text[:20]!r} is not base64") from fault
    if _to_base64(raw) != text:
        _refuse(f"{what}: base64 with bits left over")
    return raw


def decimal(text: str, what: str, most: int) -> int:
    """ASCII decimal without leading zeroes. Raises EvidenceError(ENCODING, TOO_LONG)."""
    if not (text.isascii() and text.isdigit()) or (text[0] == "0" and text != "0"):
        _refuse(f"{what} is {text[:24]!r}, not a decimal")
    if len(text) > len(str(most)) or int(text) > most:
        raise EvidenceError(Reason.TOO_LONG, f"{what} is {text[:24]}, over {most}")
    return int(text)


def _read_line(row: str) -> Line:
    if not row.startswith(_DASH):
        _refuse(f"{row[:20]!r} is no signature line")
    name, _, signature = row[len(_DASH) :].partition(" ")
    check_name(name)
    raw = from_base64(signature, f"the signature of {name}")
    if len(raw) <= ID_BYTES:
        _refuse(f"the signature of {name} is empty")
    return Line(name, raw[:ID_BYTES], raw[ID_BYTES:])


def _to_base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _has_control(text: str) -> bool:
    return any(char < " " and char != "\n" for char in text)


def _encodes(text: str) -> bool:
    """No lone surrogate is in it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse(text: str) -> NoReturn:
    raise EvidenceError(Reason.ENCODING, text)
