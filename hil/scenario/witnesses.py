"""The witnesses of a scenario, and what is published with their cosignatures.

1. Each is the shipped witness over a memory of its own, asked as over HTTP: with a submission, and
   answering with a status and a body. Only the wire is left out.
2. Their clocks are the scenario's. Their keys are made for it, and stand in the anchors' policy,
   which asks for all of them.
3. A note is kept in the record when every witness has cosigned it; else that is a fault, and told.

They see trees, and say nothing of what is in them.
"""

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

from evidence.key import Ed25519Key
from evidence.tlog import note
from evidence.tlog.note import COSIGNATURE, ED25519, Line, Verifier
from evidence.tlog.submission import Submission
from hil.scenario.archive import Archive
from record.log import consistency, stored_node
from record.schema import NoteRow
from record.store import Store
from record.witness import state
from record.witness.witness import Cosigner, Witness


class Witnesses:
    """Some witnesses of one log; `keys`: by their names, as they cosign."""

    def __init__(
        self, folder: Path, origin: str, log: Ed25519Key, keys: dict[str, Ed25519Key]
    ) -> None:
        self._origin, self._log = origin, Verifier(origin, ED25519, log.public)
        self._keys, self._folder = keys, folder
        self._states: list[state.State] = []
        self._asked: list[tuple[str, Witness]] = []
        self._size = 0
        self.published = 0  # entries, cosigned by all
        self.faults: list[str] = []

    @property
    def policy(self) -> str:
        """C2SP tlog-policy: this log, cosigned by all of them."""
        holders = [Verifier(name, COSIGNATURE, key.public) for name, key in self._keys.items()]
        lines = [f"log {self._log.vkey()}"]
        lines += [f"witness w{at} {one.vkey()}" for at, one in enumerate(holders, 1)]
        members = " ".join(f"w{at}" for at in range(1, len(holders) + 1))
        return "\n".join([*lines, f"group all-of-them all {members}", "quorum all-of-them", ""])

    def open(self, now: Callable[[], int]) -> None:
        """Makes their memories. `now`: ns TAI. Raises StoreError."""
        for name, key in self._keys.items():
            path = self._folder / f"{name.partition('.')[0]}.db"
            state.make(path, key.public.raw, name)
            kept = state.open_state(path, key.public.raw, name)
            self._states.append(kept)
            cosigner = Cosigner(name, key, kept, now)
            self._asked.append((name, Witness(cosigner, {self._origin: [self._log]})))

    def close(self) -> None:
        """Idempotent."""
        while self._states:
            self._states.pop().close()

    async def publish(self, archive: Archive, store: Store) -> None:
        """Has the log as it stands cosigned, and keeps the note. Raises StoreError."""
        found = await archive.desk.note(self._origin)
        if found is None or found[0] == self._size:
            return
        size, signed = found
        proof = consistency(self._size, size, store.size(), partial(stored_node, store))
        body = Submission(self._size, proof, signed.encode()).encode()
        lines: list[Line] = []
        for name, one in self._asked:
            said = one.add_checkpoint(body)
            if said.status == 200:
                lines += note.read_lines(note.read_text(said.body, "the answer"))
            else:
                self.faults.append(f"{name} answered {said.status}")
        if len(lines) < len(self._asked):
            return
        self._size = self.published = size
        encoded = signed.with_lines(lines).encode()
        await archive.desk.keep_note(NoteRow(size, encoded, hashlib.sha256(encoded).digest()))
