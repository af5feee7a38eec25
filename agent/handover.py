"""The keys before: how they led to the one that a gateway has, and what they have yet to sign.

1. A chain of rotations is read whole or refused: each is signed by the key before, agreed to by the
   next, of the very credential that stands beside it, and named by the credential after it. So the
   old key alone leads nowhere.
2. A run is of the key for which its run key agreed to serve (evidence.run), and is signed by that.
3. A key before is opened when there is something for it to sign, and let go of at once.

Loaded only where a key was rotated. Whether an authority signed the credentials is for the record
to check.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.config import HANDOVERS_MAX, Handover, held_credential
from agent.sealer import Statement
from drivers.keystore.held import HeldKey
from drivers.keystore.uri import KeyStoreError, open_signer
from evidence import cbor, cose, rotation, shape
from evidence import run as runs
from evidence.code import Reason, Typ
from evidence.credential import Credential
from evidence.key import PublicKey
from evidence.refusal import EvidenceError

_KEY = "gateway.key_before"


def read(says: Credential, rest: Sequence[Any]) -> tuple[Handover, ...]:
    """What stands behind a credential in its file: its chain, newest first.

    Raises EvidenceError.
    """
    (rows,) = shape.array(rest, "credential file", 1)
    found: list[Handover] = []
    for row in shape.array(rows, "keys before"):
        if len(found) == HANDOVERS_MAX:
            shape.fail("keys before", len(rows), f"at most {HANDOVERS_MAX}")
        over = _handover(says, shape.array(row, "key before", 3))
        found.append(over)
        says = over.held.says
    return tuple(found)


def rows(chain: Sequence[Handover]) -> list[Any]:
    """The same as it stands in the file."""
    return [[over.encoded, over.held.encoded, over.held.pairs] for over in chain]


def _handover(says: Credential, row: Sequence[Any]) -> Handover:
    encoded, before, pairs = row
    message = cose.read_statement(shape.blob(encoded, "rotation"), Typ.ROTATION)
    over, held = rotation.read(message.payload), held_credential(before, pairs)
    if (says.rotation, says.key, held.name) != (message.name, over.key, over.credential):
        text = "the rotation beside it is another than the credential names"
        raise EvidenceError(Reason.ROTATION_NOT_GRANTED, text)
    cose.check(message, held.says.key)
    over.check_possession()
    return Handover(message.encoded, message.name, held)


def statements(chain: Sequence[Handover]) -> list[Statement]:
    """What a record that has not heard of the rotations needs."""
    found = []
    for over in chain:
        pairs = cbor.encode(over.held.pairs)
        found += [
            Statement(over.name, Typ.ROTATION, over.encoded, cbor.encode(())),
            Statement(over.held.name, Typ.CREDENTIAL, over.held.encoded, pairs),
        ]
    return found


@dataclass(frozen=True, slots=True)
class Earlier:
    """The keys before, and where they may be."""

    keys: Sequence[PublicKey]
    uris: Sequence[str]
    folder: Path

    def sign(self, payload: bytes) -> bytes | None:
        """A run as the key before signs it whose it is; None where it is of none of them.

        Raises KeyStoreError. May block.
        """
        key = self._key_of(payload)
        if key is None:
            return None
        fault = KeyStoreError(_KEY, f"key {key.fingerprint[:16]} has a run to sign, name it there")
        for uri in self.uris:
            try:
                signer = open_signer(uri, self.folder)
            except KeyStoreError as said:
                fault = said
                continue
            try:
                if signer.public == key:
                    return cose.sign(Typ.RUN, payload, signer)
            finally:
                if isinstance(signer, HeldKey):
                    signer.close()
        raise fault

    def _key_of(self, payload: bytes) -> PublicKey | None:
        run = runs.read(payload)
        for key in self.keys:
            try:
                run.check_possession(key)
            except EvidenceError:
                continue
            return key
        return None
