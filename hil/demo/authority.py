"""What the demo's authorities say to the record: signed with the keys in their gateways' folders,
sent over HTTP as `gridseal-record say` and `countersign` do.

1. A record of two sides is said by one and assented to by the other, one statement after the other.
2. A receipt counts when the log's key signed it (record.posting).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from drivers.keystore.uri import open_signer
from evidence import cose
from evidence.code import Typ, Word
from evidence.joint.countersignature import Countersignature
from evidence.joint.record import Record
from evidence.key import PublicKey
from provisioning.init import AUTHORITY_KEY
from record import posting
from record.posting import Told


class Authorities:
    """All of them. `folders`: where each has its key, by its name; `url`: of the record."""

    def __init__(self, folders: Mapping[str, Path], url: str, log: PublicKey) -> None:
        self.names = sorted(folders)
        self._door = posting.Door(url, None, log)
        self._keys = {
            name: open_signer(f"file:{AUTHORITY_KEY}", folder) for name, folder in folders.items()
        }

    async def agree(self, record: Record) -> list[Told]:
        """Says a record, and has every other authority assent; the first that is not taken ends
        it."""
        payload = record.payload()
        statements = [cose.sign(Typ.RECORD, payload, self._keys[record.author])]
        for name in self.names:
            if name != record.author:
                says = Countersignature(cose.name(payload), name, Word.ASSENT, "").payload()
                statements.append(cose.sign(Typ.COUNTERSIGNATURE, says, self._keys[name]))
        return await self.post(statements)

    async def post(self, statements: Sequence[bytes]) -> list[Told]:
        return await posting.offered(self._door, statements)
