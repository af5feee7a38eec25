"""Ed25519 private keys in files: PKCS#8 in PEM (RFC 8410 7, RFC 7468 10), as openssl writes it.

1. A key file is made once and never written again: it is created with O_EXCL, by mode 0600, and
   both it and its folder are synced before anyone relies on it. What fails on the way is removed.
2. A key that others may read is refused, however it came there. A symbolic link is followed; the
   file it leads to counts.
3. Errors name the path and the mend. No error and no repr holds a byte of the file.

Encrypted keys are refused: a gateway starts by itself, and the passphrase would lie beside the key.
"""

import base64
import binascii
import os
import re
import shlex
import stat
from collections.abc import Callable
from pathlib import Path

from drivers.keystore.uri import KeyStoreError
from evidence.key import Ed25519Key

MODE = 0o600
_OTHERS = 0o077  # group and others, to read, write or execute; an ACL shows in the group's bits
_FILE_BYTES_MAX = 4096  # such a key takes 119; a note above it (RFC 7468 5.2) may be long
SEED_BYTES = 32
# RFC 8410 7: version 0, algorithm 1.3.101.112 without parameters, the seed in two OCTET STRINGs.
_DER_PREFIX = bytes.fromhex("302e020100300506032b657004220420")
_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----[ \t\r]*\n([A-Za-z0-9+/=\s]*)-----END \1-----")
_MEND_FORM = "write it anew: openssl pkey -in OLD -out NEW (Ed25519, without a passphrase)"


def open_signer(rest: str, base: Path) -> Ed25519Key:
    """The key of `file:REST`: a path from `base`, an absolute one, or `///...` (RFC 8089).

    The path is taken as it stands: a % in it is a %. Raises KeyStoreError.
    """
    if rest.startswith("//") and not rest.startswith("///"):
        raise KeyStoreError(
            f"file:{rest}", "names another machine; write file:PATH or file:///PATH"
        )
    path = rest.removeprefix("//")
    if not path or "\0" in path:
        raise KeyStoreError(
            f"file:{rest}", "names no file; write file:PATH, such as 'file:device.key'"
        )
    return read(base / path)


def read(path: Path) -> Ed25519Key:
    """The key in a file. Raises KeyStoreError."""
    try:
        content = _content(path)
    except OSError as fault:
        raise KeyStoreError(str(path), _explained(fault)) from fault
    return Ed25519Key(_seed(content, path))


def create(path: Path, random: Callable[[int], bytes] = os.urandom) -> Ed25519Key:
    """A new key in a new file, durable when this returns. Raises KeyStoreError.

    A power cut in the middle may leave a file that is no key; `read` names it, and nothing was
    signed by it.
    """
    seed = random(SEED_BYTES)
    try:
        write_new(path, encode(seed), MODE)
        sync_folder(path.parent)
    except FileExistsError as fault:
        raise KeyStoreError(
            str(path), "exists already; a key is never overwritten: name another file"
        ) from fault
    except OSError as fault:
        raise KeyStoreError(str(path), f"cannot be made: {fault.strerror or fault}") from fault
    key = read(path)
    if key.public != Ed25519Key(seed).public:
        raise KeyStoreError(
            str(path), "reads back as another key; do not use it, and check the disk"
        )
    return key


def encode(seed: bytes) -> bytes:
    """The PEM text of the key with this seed (RFC 8032 5.1.5)."""
    if len(seed) != SEED_BYTES:
        raise ValueError(f"a seed has {SEED_BYTES} bytes, not {len(seed)}")
    body = base64.b64encode(_DER_PREFIX + seed)
    return b"-----BEGIN PRIVATE KEY-----\n" + body + b"\n-----END PRIVATE KEY-----\n"


def write_new(path: Path, content: bytes, mode: int) -> None:
    """A new file of exactly these bytes, synced, its folder not yet.

    Raises OSError; then the file is not there.
    """
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        try:
            os.fchmod(handle, mode)  # whatever the umask took away
            rest = content
            while rest:
                rest = rest[os.write(handle, rest) :]
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError:
        os.unlink(path)
        raise


def sync_folder(path: Path) -> None:
    """Makes the names in a folder durable. Raises OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _content(path: Path) -> bytes:
    """What stands in a file that may hold a key."""
    # O_NONBLOCK: a FIFO in its place must not hold up a start.
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        status = os.fstat(handle)
        if stat.S_ISDIR(status.st_mode):
            raise KeyStoreError(str(path), "is a folder; name the key file in it")
        if not stat.S_ISREG(status.st_mode):
            raise KeyStoreError(str(path), "is no regular file; name the key file")
        if status.st_mode & _OTHERS:
            mode = stat.S_IMODE(status.st_mode)
            raise KeyStoreError(
                str(path),
                f"others may use it (mode {mode:04o}); type: chmod 600 {shlex.quote(str(path))}",
            )
        return os.read(handle, _FILE_BYTES_MAX + 1)
    finally:
        os.close(handle)


def _seed(content: bytes, path: Path) -> bytes:
    """The seed in a PEM text. Says what is wrong by kind, never by content."""
    if not content:
        raise KeyStoreError(
            str(path), "is empty; if it never held a key, remove it and make the key again"
        )
    if len(content) > _FILE_BYTES_MAX:
        raise KeyStoreError(
            str(path), f"is longer than {_FILE_BYTES_MAX} bytes, so it is no key; name the key file"
        )
    blocks = _PEM.findall(content)
    if len(blocks) != 1:
        found = f"holds {len(blocks)} PEM blocks" if blocks else "holds no PEM block"
        raise KeyStoreError(str(path), f"{found}; expected one, PRIVATE KEY (PKCS#8)")
    label, body = blocks[0]
    if label != b"PRIVATE KEY":
        text = f"holds {label.decode()[:40]!r}; expected 'PRIVATE KEY' (PKCS#8); {_MEND_FORM}"
        raise KeyStoreError(str(path), text)
    try:
        der = base64.b64decode(b"".join(body.split()), validate=True)
    except binascii.Error as fault:
        raise KeyStoreError(
            str(path), "its PEM block is damaged; bring the key from its backup"
        ) from fault
    if len(der) != len(_DER_PREFIX) + SEED_BYTES or not der.startswith(_DER_PREFIX):
        raise KeyStoreError(str(path), f"holds another key than a plain Ed25519 one; {_MEND_FORM}")
    return der[len(_DER_PREFIX) :]


def _explained(fault: OSError) -> str:
    if isinstance(fault, FileNotFoundError):
        return "is not there; make a key (gridseal-provision init), or correct the path"
    if isinstance(fault, PermissionError):
        return "may not be read by this user; make it the property of the user that runs this"
    return f"cannot be read: {fault.strerror or fault}"
