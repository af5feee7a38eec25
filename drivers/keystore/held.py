"""A key that a store holds, as a signer (evidence.key.Signer): its program signs, this asks.

1. Nothing of the store is in this process. Where the key signs seldom, its program starts for a
   signature and ends with it: no session stays open, no PIN stays in memory.
2. A PIN that the store found wrong is not given to it again until it is another (secret.Secret).
3. A signature is checked by evidence's own code before it is given out, and the key with it: a
   store that came back with another key, or a token of the same name, signs nothing.
"""

import os
from typing import Any

from drivers.keystore.process import Process
from drivers.keystore.secret import Secret
from drivers.keystore.uri import AwayError, KeyStoreError, PinError
from evidence.code import ALG_ED25519, ALG_ESP256
from evidence.key import PublicKey
from evidence.refusal import EvidenceError

# What is signed to see whether a key signs. No COSE structure (RFC 9052 4.4) begins so.
TRIAL = b"gridseal key store trial "
_TRIAL_BYTES = 32


class Store:
    """One store and what in it is meant. `told`: what its module needs to find it."""

    def __init__(self, place: str, module: str, told: list[Any], secret: Secret) -> None:
        self.place, self._module, self._told, self.secret = place, module, told, secret

    def show(self) -> PublicKey:
        """The public key; the PIN is taken only where the store shows nothing without."""
        with self.process(False) as process:
            try:
                return public_of(self.place, self.ask(process, "show", [], secret=False))
            except AwayError:
                raise
            except KeyStoreError:
                if not self.secret.given:
                    raise
            return public_of(self.place, self.ask(process, "show", []))

    def make(self) -> PublicKey:
        """A new key."""
        with self.process(False) as process:
            return public_of(self.place, self.ask(process, "make", []))

    def process(self, stays: bool) -> Process:
        return Process(self.place, self._module, stays)

    def ask(self, process: Process, name: str, more: list[Any], secret: bool = True) -> Any:
        """Calls the module, with the PIN. Raises KeyStoreError."""
        pin = self.secret.read() if secret else None
        return self.call(process, name, [self.secret.typed, *more], pin)

    def call(self, process: Process, name: str, more: list[Any], pin: bytes | None) -> Any:
        try:
            return process.call(name, [*self._told, *more], pin)
        except PinError as fault:
            if pin is not None:
                self.secret.note_wrong(pin, fault.text)
            raise


class HeldKey:
    """A key in a store. `public`: what it is known to be, or None: as the store has it."""

    def __init__(self, store: Store, public: PublicKey | None = None, often: bool = False) -> None:
        self._store, self._process = store, store.process(often)
        self.public = self._proved() if public is None else public

    def __repr__(self) -> str:
        return f"HeldKey({self._store.place}, {self.public.kid.hex()})"

    def sign(self, message: bytes) -> bytes:
        """R || S. Raises KeyStoreError. Blocks as long as the store, CALL_S of process at most."""
        about = [self.public.alg, self.public.raw, message]
        signature = self._store.ask(self._process, "sign", about)
        if not isinstance(signature, bytes) or not self.public.verify(message, signature):
            raise KeyStoreError(self._store.place, "signed what this key's public half refuses")
        return signature

    def close(self) -> None:
        """Lets go of the store's program, and of a signature that is under way elsewhere."""
        self._process.close()

    def _proved(self) -> PublicKey:
        """The key that is there, after it has signed once."""
        trial = TRIAL + os.urandom(_TRIAL_BYTES)
        value = self._store.ask(self._process, "prove", [trial])
        if not isinstance(value, tuple) or len(value) != 3:
            raise KeyStoreError(self._store.place, "said nothing that is a key")
        public = public_of(self._store.place, value[:2])
        if not isinstance(value[2], bytes) or not public.verify(trial, value[2]):
            raise KeyStoreError(self._store.place, "signs what the public key beside it refuses")
        return public


def public_of(place: str, value: Any) -> PublicKey:
    """A public key as a store's program gives it: algorithm and raw bytes. Raises KeyStoreError."""
    try:
        alg, raw = value
        if alg in (ALG_ED25519, ALG_ESP256) and isinstance(raw, bytes):
            return PublicKey(alg, raw)
    except (TypeError, ValueError, EvidenceError) as fault:
        raise KeyStoreError(place, "said nothing that is a key") from fault
    raise KeyStoreError(place, "said nothing that is a key")
