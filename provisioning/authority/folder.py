"""An authority's folder: what is in it, read whole and checked; and the one way to write to it.

    authority.toml   its name, where its root key is, what it grants, and what it tells gateways
    book.cbor        everything that it did, signed (evidence.book)
    issued.cbor      every credential that it signed (provisioning.authority.issued)
    invitations.json who may ask online (provisioning.authority.invitation)
    tls-ca.pem       whose certificates open connections, and nothing else; its key is elsewhere
    door.pem, .key   of `authority serve`

1. Book and rows belong together: every credential in the book has its row, and the root key is the
   one that authority.toml names. What does not fit is refused, by name.
2. Who writes holds the folder's lock (flock(2) of the folder itself: it goes with the process), and
   reads everything anew under it.
3. What was signed is in the book: where a power cut came between row and entry, the next who writes
   makes the entry, before anything else. So no two credentials are in force of which the book knows
   one only.
4. What no whole thing is at the end of a file is cut by the next who writes, and kept beside it
   first (NAME.cut-DIGEST): a disk that damaged the last length looks like a power cut, and what it
   damaged may have been a revocation.

Private keys are the key store's. No clock is asked here.
"""

import contextlib
import fcntl
import hashlib
import logging
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import msgspec

from drivers.keystore import uri
from drivers.keystore.uri import Ask, KeyStoreError
from evidence import config
from evidence.book import Issued, What
from evidence.code import ALG_ED25519
from evidence.config import ConfigError
from evidence.enrolment import EPOCH_TAI
from evidence.key import PublicKey, Signer
from evidence.refusal import EvidenceError
from provisioning.argument import content
from provisioning.authority import book, issued, sequence
from provisioning.authority.book import Book, Line
from provisioning.authority.issued import Row
from provisioning.authority.refusal import RefusedError
from provisioning.placement import PlacementError

AUTHORITY, BOOK, ISSUED = "authority.toml", "book.cbor", "issued.cbor"
INVITATIONS = "invitations.json"
TLS_CA, DOOR, DOOR_KEY = "tls-ca.pem", "door.pem", "door.key"
ANCHORS, RECORD_CA = "anchors.toml", "record-ca.pem"
CUT = ".cut-"
_CUT_DIGITS = 16
LOCK_S, LOCK_POLL_S = 10.0, 0.1  # somebody else's entry takes a signature of a token: 0.1 s
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
log = logging.getLogger(__name__)
_Days = Annotated[int, msgspec.Meta(ge=1, le=36525)]  # provisioning.grant: a century is an error


class RecordTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[record]: what gateways are told of it; files in this folder. Empty: nothing is said."""

    url: str = ""
    ca: str = ""
    anchors: str = ""


class TlsTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[tls]: whose certificates open connections."""

    key: str
    certificate: str = TLS_CA
    days: Annotated[int, msgspec.Meta(ge=1, le=825)] = 90


class AuthorityFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """authority.toml. `root_key`: raw, in hex; so that another key in its place is noticed."""

    name: _Name
    root: str
    root_key: str
    roles: tuple[str, ...] = ("gateway",)
    days: _Days = 365
    door: str = ""  # HOST:PORT at which invited gateways find `authority serve`
    record: RecordTable = RecordTable()
    tls: TlsTable | None = None


@dataclass(slots=True)
class Authority:
    """All that it knows. `writing`: the lock is held."""

    folder: Path
    file: AuthorityFile
    book: Book
    rows: list[Row]
    rows_size: int
    writing: bool = False
    disk: sequence.Disk = field(default_factory=sequence.SystemDisk)

    def row(self, name: bytes) -> Row | None:
        return next((row for row in self.rows if row.name == name), None)

    @property
    def entered(self) -> dict[bytes, Line]:
        """The entry of each credential."""
        return {
            line.entry.what.credential: line
            for line in self.book.lines
            if isinstance(line.entry.what, Issued)
        }

    def enter(self, what: What, tai: int, root: Signer) -> Line:
        """The next entry of the book, durable. Raises PlacementError."""
        line = self.book.next(tai, what, root)
        self._append(BOOK, self.book.size, line.encoded)
        self.book = self.book.added(line)
        return line

    def issue(self, row: Row, tai: int, root: Signer) -> Line:
        """A credential: its row, then its entry. Raises PlacementError."""
        encoded = row.encoded()
        self._append(ISSUED, self.rows_size, encoded)
        self.rows.append(row)
        self.rows_size += len(encoded)
        return self.enter(row.entry(), tai, root)

    def finish(self, tai: int, root: Signer) -> list[Line]:
        """Rule 3: entries for what a power cut left without. Raises PlacementError."""
        entered = self.entered
        left = [row for row in self.rows if row.name not in entered]
        return [self.enter(row.entry(), tai, root) for row in left]

    def keep_tails(self) -> None:
        """Rule 4. Raises PlacementError."""
        for name, size in ((BOOK, self.book.size), (ISSUED, self.rows_size)):
            tail = sequence.content(self.folder / name)[size:]
            if not tail.strip(b"\0"):
                continue
            digest = hashlib.sha256(tail).hexdigest()[:_CUT_DIGITS]
            beside = self.folder / f"{name}{CUT}{digest}"
            if not os.path.lexists(beside):
                self._keep(beside, tail)
            text = "%s: its last %d bytes are no whole entry, as a power cut leaves them; cut, and"
            text += " kept in %s: see whether what was done last is there (authority list)"
            log.warning(text, self.folder / name, len(tail), beside.name)

    def _keep(self, beside: Path, tail: bytes) -> None:
        try:
            self.disk.write_new(beside, tail, 0o600)
            self.disk.sync_folder(self.folder)
        except OSError as fault:
            text = f"{fault.strerror}; nothing was cut, and nothing added"
            raise PlacementError(f"{beside}: {text}") from fault

    def _append(self, name: str, at: int, encoded: bytes) -> None:
        if not self.writing:
            raise PlacementError(f"{self.folder}: is written to under its lock only")
        try:
            self.disk.append(self.folder / name, at, encoded)
        except OSError as fault:
            text = f"cannot be written: {fault.strerror}; nothing was added"
            raise PlacementError(f"{self.folder / name}: {text}") from fault


def read(folder: Path) -> Authority:
    """Reads it; nothing is written. Raises ConfigError, PlacementError."""
    path = folder / AUTHORITY
    text = content(path)
    file = config.read(text, AuthorityFile, str(path))
    root = root_of(file, text, str(path))
    # The book first: whoever writes meanwhile writes the row before the entry.
    held = book.read(sequence.content(folder / BOOK), str(folder / BOOK))
    rows, size = issued.read(sequence.content(folder / ISSUED), str(folder / ISSUED))
    if (held.issuer, held.root) != (file.name, root):
        text = f"is of {held.issuer!r} and root key {held.root.fingerprint[:16]}"
        raise PlacementError(f"{folder / BOOK}: {text}; {AUTHORITY} says otherwise")
    found = Authority(folder, file, held, list(rows), size)
    lacking = found.entered.keys() - {row.name for row in rows}
    if lacking:
        text = f"lacks {len(lacking)} of the credentials that {BOOK} names"
        raise PlacementError(f"{folder / ISSUED}: {text}; bring it from its copy")
    return found


def root_of(file: AuthorityFile, text: str, name: str) -> PublicKey:
    """The root key that the file names. Raises ConfigError."""
    try:
        return PublicKey(ALG_ED25519, bytes.fromhex(file.root_key))
    except (ValueError, EvidenceError) as fault:
        reason = "is no Ed25519 key; expected 64 hex digits"
        raise config.fault_at(text, name, ("root_key",), reason) from fault


def root_signer(folder: Path, ask: Ask | None, often: bool = False) -> Signer:
    """The root key, opened. May block, and ask. Raises KeyStoreError, ConfigError."""
    path = folder / AUTHORITY
    text = content(path)
    file = config.read(text, AuthorityFile, str(path))
    expected = root_of(file, text, str(path))
    signer = uri.open_signer(file.root, folder, ask, often)
    if signer.public != expected:
        text = f"holds another key than the book's, {expected.fingerprint[:16]}"
        raise KeyStoreError(uri.shown(file.root), f"{text}; name the root key in {AUTHORITY}")
    return signer


@contextlib.contextmanager
def writing(
    folder: Path, root: Signer, tai: int, disk: sequence.Disk | None = None
) -> Iterator[Authority]:
    """The authority, read anew under its lock, with nothing left unfinished. Raises ConfigError,
    PlacementError, RefusedError.
    """
    if tai < EPOCH_TAI:
        raise RefusedError("clock_unset", "the clock of this machine was never set")
    with locked(folder):
        found = read(folder)
        if root.public != found.book.root:
            raise PlacementError(f"{folder}: its root key is another than the one opened")
        found.writing, found.disk = True, disk or found.disk
        found.keep_tails()
        found.finish(tai, root)
        yield found
        found.writing = False


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One process at a time, for LOCK_S at most. Raises PlacementError."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as fault:
        raise PlacementError(f"{folder}: {fault.strerror}; name an authority's folder") from fault
    try:
        for _ in range(round(LOCK_S / LOCK_POLL_S)):
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(LOCK_POLL_S)
        else:
            raise PlacementError(f"{folder}: another program writes to it; try again")
        yield
    finally:
        os.close(handle)


def told(file: AuthorityFile) -> str:
    """authority.toml, as it is first written. Names were checked to be printable."""
    import json

    def quoted(text: str) -> str:
        return json.dumps(text, ensure_ascii=False)

    lines = [
        "# What this authority is, and what it grants. The root key's name may change with its",
        "# store; the key may not: everything in book.cbor is signed by it.",
        "",
        f"name = {quoted(file.name)}",
        f"root = {quoted(file.root)}",
        f"root_key = {quoted(file.root_key)}",
        f"roles = [{', '.join(map(quoted, file.roles))}]",
        f"days = {file.days}                       # of a credential, unless --days says otherwise",
        f"door = {quoted(file.door)}                        # HOST:PORT, for those who are invited",
        "",
        "[record]                         # what gateways are told of it, in each answer",
        f"url = {quoted(file.record.url)}",
        f"ca = {quoted(file.record.ca)}",
        f"anchors = {quoted(file.record.anchors)}",
    ]
    if file.tls is not None:
        lines += [
            "",
            "[tls]                            # certificates for connections, and nothing else",
            f"key = {quoted(file.tls.key)}",
            f"certificate = {quoted(file.tls.certificate)}",
            f"days = {file.tls.days}",
        ]
    return "\n".join([*lines, ""])


def check_days(days: int) -> None:
    """Raises ConfigError."""
    if not 1 <= days <= 36525:
        raise ConfigError("--days", "", f"{days}; expected 1 to 36525")
