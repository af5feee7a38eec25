"""Which keys are one device's: each is led to by a rotation from the one before.

1. A device is told by its first key and who issued its credentials. All that compares runs, streams
   and clocks of one device (clones, edges between runs, neighbours, how far it came) asks for that.
2. To one authority a key is of one device, for good: its credentials all lead to the same first
   key, or the one that came later is refused. So arrival decides which of two contradicting
   credentials stands, and never what one that stands means.
3. What another authority says of the same key is of another device: it may sign a credential for
   any key, and must neither stand in the way of the one whose gateway it is nor speak for it.
"""

from evidence.code import Reason
from evidence.credential import Credential
from evidence.refusal import EvidenceError
from record.admit import NewBatch, NewStatement
from record.known import alone
from record.schema import DeviceRow
from record.store import Store


class Devices:
    """The devices of one record."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def of(self, says: Credential) -> bytes:
        """What tells the device that has this credential."""
        return self._store.device(says.key.raw, says.issuer.encode()) or alone(says)

    def check(self, item: NewStatement | NewBatch) -> None:
        """Whether a credential is of the device that its key is of. Raises EvidenceError."""
        if not isinstance(item, NewStatement) or not isinstance(item.value, Credential):
            return
        says = item.value
        there = self._store.device(says.key.raw, says.issuer.encode())
        if there is not None and there != self._first(item, says):
            text = f"key {says.key.kid.hex()} has a credential as another device's"
            raise EvidenceError(Reason.ROTATION_NOT_GRANTED, text)

    def add(self, item: NewStatement) -> None:
        """A credential has its place in the log."""
        if not isinstance(item.value, Credential):
            return
        key, issuer = item.value.key, item.value.issuer.encode()
        if self._store.device(key.raw, issuer) is None:
            first = self._first(item, item.value)
            self._store.add_device(DeviceRow(key.raw, issuer, key.kid, first))

    def _first(self, item: NewStatement, says: Credential) -> bytes:
        return alone(says) if item.credential is None else self.of(item.credential)
