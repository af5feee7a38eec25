"""Keys in a TPM 2.0, ECDSA on P-256 with SHA-256 (ESP256), by URI:

    tpm:device.tpm                         a key blob in a file, which its TPM alone can use
    tpm:0x81008001                         a key at a persistent handle
    tpm:device.tpm?pin-source=credential:device-pin
    tpm:device.tpm?tcti=swtpm:host=127.0.0.1,port=2321

1. Without tcti the TPM is the kernel's, by its resource manager: a process that dies leaves nothing
   loaded.
2. A blob is no secret that must be kept from others: it is sealed by the TPM. It is private all the
   same, since without a PIN whoever has blob and machine may sign.
3. What the URI says is checked here, before any library is loaded; drivers.keystore.chip loads it.

The blob is a TSS2 PRIVATE KEY in PEM, which tpm2-openssl reads too.
"""

import os
import re
from pathlib import Path
from typing import Any

from drivers.keystore import private, query
from drivers.keystore.held import HeldKey, Store, public_of
from drivers.keystore.process import Process
from drivers.keystore.secret import Secret
from drivers.keystore.uri import Ask, KeyStoreError
from evidence.key import PublicKey

_QUERY = ("tcti", "pin-source")
_TCTI = "device:/dev/tpmrm0"
_HANDLE = re.compile(r"0x[0-9A-Fa-f]{8}")
# TPM 2.0 Part 2 7.4: persistent objects; of these the owner's, by the TCG's registry of handles.
_OWNERS = range(0x81000000, 0x81800000)
_BLOB_BYTES_MAX = 4096  # such a blob takes 420
_MODULE = "drivers.keystore.chip"


def open_signer(rest: str, base: Path, ask: Ask | None, often: bool) -> HeldKey:
    return HeldKey(_Chip(rest, base, ask), None, often)


def later(rest: str, base: Path, public: PublicKey) -> HeldKey:
    return HeldKey(_Chip(rest, base, None), public)


def show(rest: str, base: Path, ask: Ask | None) -> PublicKey:
    return _Chip(rest, base, ask).show()


def make(rest: str, base: Path, ask: Ask | None) -> PublicKey:
    """A new key that never leaves its TPM; a file holds its blob, or the TPM keeps it."""
    return _Chip(rest, base, ask).make()


class _Chip(Store):
    """What the URI names. A blob is read when it is needed. Raises KeyStoreError."""

    def __init__(self, rest: str, base: Path, ask: Ask | None) -> None:
        named, _, after = rest.partition("?")
        place = f"tpm:{named}"
        asked = query.parts(after, "&", _QUERY, place)
        if not named:
            text = "names no key; write tpm:FILE, such as 'tpm:device.tpm', or tpm:0x81008001"
            raise KeyStoreError(place, text)
        handle = int(named, 16) if _HANDLE.fullmatch(named) else 0
        if handle and handle not in _OWNERS:
            first, last = _OWNERS.start, _OWNERS.stop - 1
            text = f"is no persistent handle of the owner's: {first:#x} to {last:#x}"
            raise KeyStoreError(place, text)
        tcti = query.text(asked, "tcti", place) or _TCTI
        secret = Secret(place, "PIN", query.text(asked, "pin-source", place), base, ask)
        super().__init__(place, _MODULE, [tcti, handle], secret)
        self._path = None if handle else base / named.removeprefix("//")

    def make(self) -> PublicKey:
        """A new key, under a new PIN where one is to come from somewhere."""
        path = self._path
        if path is not None and os.path.lexists(path):
            text = "exists already; a key is never overwritten: name another file"
            raise KeyStoreError(str(path), text)
        pin = self.secret.new() if self.secret.given else None
        with self.process(False) as process:
            alg, raw, blob = super().call(process, "make", [b"", self.secret.typed], pin)
        if path is not None:
            private.create(path, blob)
            if private.content(path, _BLOB_BYTES_MAX) != blob:
                raise KeyStoreError(str(path), "reads back as another; do not use it")
        return public_of(self.place, (alg, raw))

    def ask(self, process: Process, name: str, more: list[Any], secret: bool = True) -> Any:
        """With the PIN, if the key was given one: a TPM's keys need none."""
        return super().ask(process, name, more, secret and self.secret.given)

    def call(self, process: Process, name: str, more: list[Any], pin: bytes | None) -> Any:
        blob = b"" if self._path is None else private.content(self._path, _BLOB_BYTES_MAX)
        return super().call(process, name, [blob, *more], pin)
