"""The statements that the record has, by name, read and ready: credentials, rotations, runs,
descriptors.

1. What comes from the store was checked when it was admitted, so it is read here, not checked
   again.
2. Kept in memory is KNOWN_MAX of each at most, the oldest going first; everything else is looked up
   again.
3. What is not there is a MissingError with all names that are needed first: the gateway sends
   those, then asks again.

Not for two threads at a time; give each its own.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from evidence import cbor, cose, credential, descriptor, disclosure, head, rotation, run
from evidence.code import Typ
from evidence.credential import Credential
from evidence.descriptor import Descriptor
from evidence.head import Head
from evidence.key import PublicKey
from evidence.leap import BUILT_IN, NS
from evidence.rotation import Rotation
from evidence.run import Run
from record.store import Store, StoreError

KNOWN_MAX = 4096  # about a thousand gateways' streams; one takes a few KiB
UTC_S_MAX = 1 << 62  # what a credential may name is not a clock's
T = TypeVar("T")
Holder = tuple[bytes, bytes]  # who may revoke a key, its issuer in UTF-8; and its fingerprint


class MissingError(Exception):
    """Statements are needed first. `names`: (typ, name) of each."""

    def __init__(self, names: list[tuple[int, bytes]]) -> None:
        super().__init__(", ".join(f"{typ} {name.hex()[:16]}" for typ, name in names))
        self.names = names


@dataclass(frozen=True, slots=True)
class KnownRun:
    """A run, and the credential that it acts under. `id`: log index of its statement."""

    id: int
    name: bytes
    run: Run
    public: PublicKey
    credential: Credential
    window: tuple[int, int]  # ns TAI: between them the credential is in force for certain
    device: bytes  # what tells one from another: see `alone`
    holder: Holder  # of the key that signed it


@dataclass(frozen=True, slots=True)
class KnownDescriptor:
    """A descriptor in its run. `configuration`: None when there is none. `told`: what it hides, by
    digest."""

    name: bytes
    descriptor: Descriptor
    run: KnownRun
    configuration: bytes | None
    told: Mapping[bytes, bytes]


class Known:
    """Looks statements up by name."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._credentials: dict[bytes, Credential | None] = {}
        self._places: dict[bytes, bytes | None] = {}  # of credentials
        self._rotations: dict[bytes, Rotation | None] = {}
        self._runs: dict[bytes, KnownRun | None] = {}
        self._descriptors: dict[bytes, KnownDescriptor | None] = {}

    def credential(self, name: bytes) -> Credential | None:
        return _kept(self._credentials, name, self._read_credential)

    def rotation(self, name: bytes) -> Rotation | None:
        return _kept(self._rotations, name, self._read_rotation)

    def device(self, says: Credential) -> bytes:
        """What tells the device that has this credential."""
        return self._store.device(says.key.raw, says.issuer.encode()) or alone(says)

    def head(self, batch_id: bytes) -> Head | None:
        found = self._store.entry_of(batch_id)
        if found is None or found.typ != Typ.HEAD:
            return None
        return head.read(cose.read(found.encoded).payload)

    def run(self, name: bytes) -> KnownRun | None:
        return _kept(self._runs, name, self._read_run)

    def descriptor(self, name: bytes) -> KnownDescriptor | None:
        return _kept(self._descriptors, name, self._read_descriptor)

    def place(self, name: bytes) -> bytes | None:
        """The position that a credential grants; None: none, or there is no such credential."""
        return _kept(self._places, name, self._read_place)

    def _read_place(self, name: bytes) -> bytes | None:
        found, says = self._store.statement(name, Typ.CREDENTIAL), self.credential(name)
        if found is None or says is None or says.position is None:
            return None
        return self._told(found.idx, says.digests).get(says.position)

    def _told(self, idx: int, digests: tuple[bytes, ...]) -> dict[bytes, bytes]:
        """What an entry hides, by digest."""
        pairs = self._store.disclosure(idx)
        if pairs is None:
            raise StoreError(f"the disclosures of entry {idx} are missing")
        return disclosure.match(disclosure.read_pairs(cbor.decode(pairs)), digests)

    def _read_credential(self, name: bytes) -> Credential | None:
        found = self._store.statement(name, Typ.CREDENTIAL)
        return None if found is None else credential.read(cose.read(found.encoded).payload)

    def _read_rotation(self, name: bytes) -> Rotation | None:
        found = self._store.statement(name, Typ.ROTATION)
        return None if found is None else rotation.read(cose.read(found.encoded).payload)

    def _read_run(self, name: bytes) -> KnownRun | None:
        found = self._store.statement(name, Typ.RUN)
        if found is None:
            return None
        value = run.read(cose.read(found.encoded).payload)
        under = self.credential(value.credential)
        if under is None:
            raise StoreError(f"the credential of run {name.hex()[:16]} is missing")
        return known_run(found.idx, name, value, under, self.device(under))

    def _read_descriptor(self, name: bytes) -> KnownDescriptor | None:
        found = self._store.statement(name, Typ.DESCRIPTOR)
        if found is None:
            return None
        value = descriptor.read(cose.read(found.encoded).payload)
        of_run = self.run(value.run)
        if of_run is None:
            raise StoreError(f"the run of descriptor {name.hex()[:16]} is missing")
        told = self._told(found.idx, value.digests)
        configuration = told.get(value.configuration) if value.configuration else None
        return KnownDescriptor(name, value, of_run, configuration, told)


def holder_of(says: Credential) -> Holder:
    """By what the key of a credential is revoked."""
    return says.issuer.encode(), hashlib.sha256(says.key.raw).digest()


def alone(says: Credential) -> bytes:
    """What tells a device by its first credential, which names no rotation: SHA-256 of the key's
    fingerprint and the issuer."""
    issuer, fingerprint = holder_of(says)
    return hashlib.sha256(fingerprint + issuer).digest()


def known_run(idx: int, name: bytes, value: Run, under: Credential, device: bytes) -> KnownRun:
    """A run that acts under this credential, of this device."""
    # A second of room on either side: where a leap second stands, counts of UTC repeat.
    window = tuple(
        BUILT_IN.tai_ns(min(edge, UTC_S_MAX)) + room
        for edge, room in ((under.not_before_s, NS), (under.expires_s, -NS))
    )
    edges = (window[0], window[1])
    return KnownRun(idx, name, value, value.public, under, edges, device, holder_of(under))


def _kept(cache: dict[bytes, T | None], name: bytes, read: Callable[[bytes], T | None]) -> T | None:
    """What is in the cache, or is read now. Only what was found is kept."""
    value = cache.pop(name, None)
    if value is None:
        value = read(name)
        if value is None:
            return None
        if len(cache) >= KNOWN_MAX:
            del cache[next(iter(cache))]
    cache[name] = value
    return value
