"""Where a PIN or a passphrase comes from: a systemd credential, a file that only its owner reads,
or whoever sits at the terminal.

1. It is never an argument, never in the environment, and never in what is printed. It is read when
   it is needed and handed to the store's program through a pipe.
2. One that a store found wrong is not handed over again until it has changed: tokens count.
3. Nobody is asked where a source is named, and nobody is asked twice.

It does not wipe memory: Python cannot.
"""

import hashlib
import os
from pathlib import Path

from drivers.keystore import private
from drivers.keystore.uri import Ask, KeyStoreError, PinError

BYTES_MAX = 256  # PINs of tokens have 4 to 64; a passphrase may be a sentence
_CREDENTIALS = "CREDENTIALS_DIRECTORY"  # systemd.exec(5)
SOURCES = "credential:NAME (of systemd), file:PATH or ask"
ASKED = "ask"


class Secret:
    """One secret. `source`: as the URI names it, empty: none; `what`: PIN or passphrase."""

    def __init__(self, place: str, what: str, source: str, base: Path, ask: Ask | None) -> None:
        self.what = what
        self._place, self._base, self._ask = place, base, ask
        self._asked: bytes | None = None
        self._wrong: tuple[bytes, str] | None = None  # its hash, and what the store said
        if source not in ("", ASKED) and not source.startswith(("credential:", "file:")):
            raise KeyStoreError(place, f"its {what} comes from {SOURCES}, not from {source!r}")
        if source == ASKED and ask is None:
            text = f"its {what} is asked at a terminal, and nobody sits there; other sources:"
            raise KeyStoreError(place, f"{text} {SOURCES}")
        self.given = bool(source)
        self._source = "" if source == ASKED else source

    @property
    def typed(self) -> bool:
        """Whether somebody sits there who types it."""
        return not self._source and self._ask is not None

    def read(self) -> bytes | None:
        """The secret; None where none is named and nobody can be asked. Raises KeyStoreError."""
        found = self._read()
        if found is not None and self._wrong and self._wrong[0] == _digest(found):
            text = f"{self._wrong[1]}; not tried again until it is another"
            raise PinError(self._place, text)
        return found

    def new(self) -> bytes | None:
        """The secret that is to protect a new key: who types it types it twice."""
        first = self.read()
        if first is not None and self.typed and self._ask is not None:
            again = self._ask(f"The {self.what} again: ").encode()
            if again != first:
                raise KeyStoreError(self._place, f"the two {self.what}s differ; nothing was made")
        return first

    def note_wrong(self, found: bytes, text: str) -> None:
        """The store said that it is wrong."""
        self._wrong = _digest(found), text

    def _read(self) -> bytes | None:
        scheme, _, name = self._source.partition(":")
        if scheme == "credential":
            return self._clean(self._credential(name), self._source)
        if scheme == "file":
            path = self._base / name.removeprefix("//")
            return self._clean(private.content(path, BYTES_MAX + 2), str(path))
        if self._asked is None and self._ask is not None:
            typed = self._ask(f"{self.what[0].upper()}{self.what[1:]} of {self._place}: ")
            self._asked = self._clean(typed.encode(), "what was typed")
        return self._asked

    def _credential(self, name: str) -> bytes:
        """What systemd handed to this service. Its access is systemd's business: by an access list
        such a file shows as 0440.
        """
        if not name or "/" in name or name in (".", ".."):
            raise KeyStoreError(self._place, f"{name!r} is no name of a credential")
        folder = os.environ.get(_CREDENTIALS)
        if not folder:
            text = f"credential {name!r} is not here: systemd starts no service here that loads it"
            raise KeyStoreError(self._place, f"{text}; in its unit: LoadCredential={name}:PATH")
        try:
            return private.content(Path(folder) / name, BYTES_MAX + 2, others=True)
        except KeyStoreError as fault:
            text = f"credential {name!r}: {fault.text}; in the unit: LoadCredential={name}:PATH"
            raise KeyStoreError(self._place, text) from fault

    def _clean(self, found: bytes, where: str) -> bytes:
        """Without the end of line that editors add."""
        value = found.removesuffix(b"\n").removesuffix(b"\r")
        if not value:
            raise KeyStoreError(self._place, f"{where} holds no {self.what}")
        if len(value) > BYTES_MAX or b"\n" in value or b"\0" in value:
            text = f"{where} holds no {self.what}: one line of at most {BYTES_MAX} bytes"
            raise KeyStoreError(self._place, text)
        return value


def _digest(secret: bytes) -> bytes:
    return hashlib.sha256(secret).digest()
