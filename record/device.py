"""Which keys are one device's: each is led to by a rotation from the one before.

1. A device is told by its first key. All that compares runs, streams and clocks of one device
   (clones, edges between runs, neighbours, how far it came) asks for that.
2. A key is of one device, for good: its credentials all lead to the same first key, or the one that
   came later is refused. So arrival decides which of two contradicting credentials stands, and
   never what one that stands means.
"""

from evidence.code import Reason
from evidence.credential import Credential
from evidence.key import PublicKey
from evidence.refusal import EvidenceError
from record.admit import NewBatch, NewStatement
from record.schema import DeviceRow
from record.store import Store


class Devices:
    """The devices of one record."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def of(self, key: PublicKey) -> bytes:
        """The first key of the device that has this one."""
        return self._store.device(key.raw) or key.raw

    def check(self, item: NewStatement | NewBatch) -> None:
        """Whether a credential is of the device that its key is of. Raises EvidenceError."""
        if not isinstance(item, NewStatement) or not isinstance(item.value, Credential):
            return
        there = self._store.device(item.value.key.raw)
        if there is not None and there != self._first(item, item.value):
            text = f"key {item.value.key.kid.hex()} has a credential as another device's"
            raise EvidenceError(Reason.ROTATION_NOT_GRANTED, text)

    def add(self, item: NewStatement) -> None:
        """A credential has its place in the log."""
        if not isinstance(item.value, Credential):
            return
        key = item.value.key
        if self._store.device(key.raw) is None:
            self._store.add_device(DeviceRow(key.raw, key.kid, self._first(item, item.value)))

    def _first(self, item: NewStatement, says: Credential) -> bytes:
        return self.of(item.credential.key) if item.credential is not None else says.key.raw
