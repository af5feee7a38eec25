"""Ed25519 private keys in files: PKCS#8 in PEM (RFC 8410 7, RFC 7468 10), as openssl writes it; or
sealed by a passphrase (drivers.keystore.sealed).

1. A key file is made once and never written again; it is there whole or not at all, and durable
   before anyone relies on it (drivers.keystore.private).
2. A key that others may read is refused, however it came there.
3. Errors name the path and the mend. No error and no repr holds a byte of the file, and a wrong
   passphrase is told from a damaged file by nothing, not even by time.
4. Argon2id runs in a program of its own: its memory goes with it, and no loop waits for it.

PKCS#8 under a passphrase is refused: RFC 8018 knows no Argon2id.
"""

import base64
import binascii
import os
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

from drivers.keystore import private, sealed
from drivers.keystore.private import MODE as MODE
from drivers.keystore.process import Process
from drivers.keystore.secret import SOURCES, Secret
from drivers.keystore.uri import Ask, KeyStoreError, PinError
from evidence.key import Ed25519Key, PublicKey

_FILE_BYTES_MAX = 4096  # such a key takes 119; a note above it (RFC 7468 5.2) may be long
SEED_BYTES = 32
# RFC 8410 7: version 0, algorithm 1.3.101.112 without parameters, the seed in two OCTET STRINGs.
_DER_PREFIX = bytes.fromhex("302e020100300506032b657004220420")
_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----[ \t\r]*\n([A-Za-z0-9+/=\s]*)-----END \1-----")
_SOURCE = "?passphrase-source="
_STRETCH = "drivers.keystore.stretch"
_MEND_FORM = "write it anew: openssl pkey -in OLD -out NEW (Ed25519, without a passphrase)"


def open_signer(rest: str, base: Path, ask: Ask | None = None, often: bool = False) -> Ed25519Key:
    """The key of `file:REST`: a path from `base`, an absolute one, or `///...` (RFC 8089), and
    where its passphrase comes from.

    The path is taken as it stands, a % in it is a %; a ? cannot be in it. Raises KeyStoreError.
    """
    path, secret = _parsed(rest, base, ask)
    return _opened(path, secret)


def later(rest: str, base: Path, public: PublicKey) -> Ed25519Key:
    """A file that is not there now is no store that is away: it is opened, or refused."""
    return open_signer(rest, base)


def show(rest: str, base: Path, ask: Ask | None = None) -> PublicKey:
    """The public half; a sealed key tells it without its passphrase. Raises KeyStoreError."""
    path, _ = _parsed(rest, base, ask)
    found = _held(path)
    return found.public if isinstance(found, sealed.Sealed) else Ed25519Key(found).public


def make(rest: str, base: Path, ask: Ask | None = None) -> PublicKey:
    """A new key in a new file, sealed where a passphrase is to come from somewhere."""
    path, secret = _parsed(rest, base, ask)
    return create(path, os.urandom, secret if secret.given else None).public


def read(path: Path) -> Ed25519Key:
    """The key in a file that no passphrase seals. Raises KeyStoreError."""
    return _opened(path, Secret(str(path), "passphrase", "", path.parent, None))


def create(
    path: Path, random: Callable[[int], bytes] = os.urandom, secret: Secret | None = None
) -> Ed25519Key:
    """A new key in a new file, durable when this returns. Raises KeyStoreError.

    A power cut in the middle leaves no file. `secret`: what is to seal it.
    """
    if os.path.lexists(path):  # before anybody types a passphrase
        raise KeyStoreError(
            str(path), "exists already; a key is never overwritten: name another file"
        )
    seed = random(SEED_BYTES)
    private.create(path, encode(seed) if secret is None else _sealed(path, seed, random, secret))
    held = _held(path)
    if secret is not None and isinstance(held, sealed.Sealed):
        held = _unsealed(path, held, secret)
    if held != seed:
        raise KeyStoreError(
            str(path), "reads back as another key; do not use it, and check the disk"
        )
    return Ed25519Key(seed)


def encode(seed: bytes) -> bytes:
    """The PEM text of the key with this seed (RFC 8032 5.1.5)."""
    if len(seed) != SEED_BYTES:
        raise ValueError(f"a seed has {SEED_BYTES} bytes, not {len(seed)}")
    body = base64.b64encode(_DER_PREFIX + seed)
    return b"-----BEGIN PRIVATE KEY-----\n" + body + b"\n-----END PRIVATE KEY-----\n"


def _parsed(rest: str, base: Path, ask: Ask | None) -> tuple[Path, Secret]:
    """The path, and where the passphrase comes from."""
    if rest.startswith("//") and not rest.startswith("///"):
        raise KeyStoreError(
            f"file:{rest}", "names another machine; write file:PATH or file:///PATH"
        )
    named, asked, source = rest.partition(_SOURCE)
    path = named.removeprefix("//")
    if "?" in named or (asked and not source):  # a key that was meant to be sealed would not be
        text = f"after its ? stands something else than {_SOURCE[1:]}{SOURCES}"
        raise KeyStoreError(f"file:{named.partition('?')[0]}", text)
    if not path:
        raise KeyStoreError(
            f"file:{named}", "names no file; write file:PATH, such as 'file:device.key'"
        )
    return base / path, Secret(f"file:{named}", "passphrase", source, base, ask)


def _opened(path: Path, secret: Secret) -> Ed25519Key:
    held = _held(path)
    if isinstance(held, sealed.Sealed):
        return Ed25519Key(_unsealed(path, held, secret))
    if secret.given:
        text = "is not sealed, though a passphrase is named: the key lay on this disk in the clear"
        raise KeyStoreError(str(path), f"{text}; make another, or name no passphrase")
    return Ed25519Key(held)


def _sealed(path: Path, seed: bytes, random: Callable[[int], bytes], secret: Secret) -> bytes:
    """The text of the key under a new passphrase."""
    passphrase = secret.new()
    if passphrase is None:
        raise KeyStoreError(str(path), "no passphrase to seal it with")
    salt, nonce = random(sealed.SALT_BYTES), random(sealed.NONCE_BYTES)
    key = _stretched(str(path), passphrase, salt, sealed.PASSES, sealed.MEMORY_KIB)
    return sealed.seal(seed, key, salt, nonce)


def _unsealed(path: Path, held: sealed.Sealed, secret: Secret) -> bytes:
    """The seed. Raises PinError."""
    passphrase = secret.read()
    if passphrase is None:
        text = "is sealed by a passphrase, and nobody can be asked here; write"
        raise KeyStoreError(str(path), f"{text} file:PATH{_SOURCE}credential:NAME")
    seed = sealed.opened(held, partial(_stretched, str(path), passphrase))
    if seed is None:
        raise PinError(str(path), "is not opened by this passphrase, or it is damaged")
    return seed


def _stretched(place: str, passphrase: bytes, salt: bytes, passes: int, memory_kib: int) -> bytes:
    """Argon2id, in a program that ends with it."""
    with Process(place, _STRETCH) as process:
        key: bytes = process.call("stretch", [salt, passes, memory_kib], passphrase)
    return key


def _held(path: Path) -> bytes | sealed.Sealed:
    """The seed in a file, or the sealed key. Says what is wrong by kind, never by content."""
    content = private.content(path, _FILE_BYTES_MAX)
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
    label, body = blocks[0][0], b"".join(blocks[0][1].split())
    if label == sealed.LABEL.encode():
        found_sealed = sealed.read(body)
        if found_sealed is None:
            raise KeyStoreError(str(path), "its PEM block is damaged; make another key")
        return found_sealed
    if label != b"PRIVATE KEY":
        text = f"holds {label.decode()[:40]!r}; expected 'PRIVATE KEY' (PKCS#8); {_MEND_FORM}"
        raise KeyStoreError(str(path), text)
    return _seed(body, path)


def _seed(body: bytes, path: Path) -> bytes:
    try:
        der = base64.b64decode(body, validate=True)
    except binascii.Error as fault:
        raise KeyStoreError(
            str(path), "its PEM block is damaged; bring the key from its backup"
        ) from fault
    if len(der) != len(_DER_PREFIX) + SEED_BYTES or not der.startswith(_DER_PREFIX):
        raise KeyStoreError(str(path), f"holds another key than a plain Ed25519 one; {_MEND_FORM}")
    return der[len(_DER_PREFIX) :]
