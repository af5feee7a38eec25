"""A witness: whether it cosigns a checkpoint that it is given, and what it keeps of one that it
must not cosign. C2SP tlog-witness.

1. It never cosigns two trees of one size, nor one that does not continue what it cosigned: check,
   signature and what is persisted are one decision (State.deciding), and the signature leaves after
   it is durable.
2. The order of answers is the text's: 400 what cannot be read, 404 an origin it does not watch, 403
   no signature of that log, 400 an old size beyond the checkpoint's, 409 another size than it has,
   422 a proof that does not hold, or another root for the size it has.
3. Two notes that one log signed and that cannot both be of one tree are kept, whatever was
   answered. What proves nothing by itself (a smaller tree: perhaps somebody sent an old note again;
   a proof that does not hold: perhaps somebody spoiled it) is kept as such, and said so by show.py.
4. Times of cosignatures never go back: each says what the largest tree was then.
5. A note that has a cosignature of its own over a larger tree than it remembers shows that its
   memory was set back: it is brought forward to that tree, and what happened is kept.

It blocks, on the disk and on the key store: never called from a loop. It knows no HTTP.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from drivers.keystore.uri import KeyStoreError
from evidence import merkle
from evidence.code import Reason
from evidence.key import Signer
from evidence.leap import BUILT_IN, NS
from evidence.refusal import EvidenceError
from evidence.tlog import checkpoint, cosignature, note, submission
from evidence.tlog.checkpoint import Checkpoint
from evidence.tlog.note import COSIGNATURE, Line, Note, Verifier
from evidence.tlog.submission import Submission
from record.database import StoreError
from record.witness.state import Exhibit, Held, State

TIME_BACK_MAX_S = 60  # a clock that was set back by more says nothing of when this is signed
Logs = Mapping[str, Sequence[Verifier]]  # the keys of each origin


class Said(NamedTuple):
    """An answer: HTTP status, body, media type."""

    status: int
    body: bytes
    media: str = "text/plain"


class Tree(NamedTuple):
    """A checkpoint that its log signed; `note`: with the log's signatures, and no others."""

    says: Checkpoint
    note: Note


class NotCosignedError(Exception):
    """A checkpoint that does not continue what was cosigned. `status`: as a witness answers;
    `size`: of the largest tree that was cosigned."""

    def __init__(self, status: int, fault: EvidenceError, size: int = 0) -> None:
        super().__init__(str(fault))
        self.status, self.fault, self.size = status, fault, size


@dataclass(frozen=True, slots=True)
class Cosigner:
    """Who signs, and what it remembers. `now`: ns TAI."""

    name: str
    signer: Signer
    state: State
    now: Callable[[], int]

    @property
    def key(self) -> Verifier:
        return Verifier(self.name, COSIGNATURE, self.signer.public)

    def cosign(self, tree: Tree, old: int, proof: Sequence[bytes], seen: int | None = None) -> Line:
        """The cosignature, once it is durable that this is now the largest tree; `proof`: from the
        tree of size `old`; `seen`: since when it is known, ns TAI, where that is not now.

        Raises NotCosignedError, StoreError, KeyStoreError.
        """
        with self.state.deciding():
            held = self.state.held(tree.says.origin) or Held(0, merkle.EMPTY_ROOT, b"", 0)
            tai = self.now()
            keep_contradictions(self.state, tree, held, tai)
            fault = _fault(tree.says, held, old, proof)
            if fault is None:
                line = cosignature.sign(
                    tree.note.text, self.name, self.signer, self._time(held, tai)
                )
                signed = int.from_bytes(line.signature[:8], "big")
                says = tree.says
                since = tai if seen is None else seen
                self.state.hold(
                    says.origin, Held(says.size, says.root, tree.note.encode(), signed, since)
                )
            elif fault.status == 422 and held.size < tree.says.size:
                words = "the proof that came with it does not lead from the one to the other"
                hashes = b"".join(proof)
                _keep(self.state, exhibit_of(Reason.CONSISTENCY, tree, held, tai, words, hashes))
        if fault is not None:
            raise fault
        return line

    def recall(self, tree: Tree, signed: Note) -> None:
        """Remembers what was cosigned here and is forgotten, as after a restore: `signed`, with the
        lines of whoever cosigned it. Nobody else makes such a line. Raises StoreError."""
        says = tree.says
        with contextlib.suppress(EvidenceError):  # by a line that does not hold
            times = cosignature.times(signed, self.key)
            if not times:
                return
            with self.state.deciding():
                held = self.state.held(says.origin) or Held(0, merkle.EMPTY_ROOT, b"", 0)
                if says.size > held.size:
                    tai = self.now()
                    words = f"cosigned here, and forgotten: the memory was set back to {held.size}"
                    self.state.show(exhibit_of(Reason.SET_BACK, tree, held, tai, words))
                    since = Held(says.size, says.root, tree.note.encode(), times[-1], tai)
                    self.state.hold(says.origin, since)

    def _time(self, held: Held, tai: int) -> int:
        time_s = BUILT_IN.utc_ns(tai) // NS
        if time_s < held.time_s - TIME_BACK_MAX_S:
            raise StoreError(
                f"the clock is {held.time_s - time_s} s before the last cosignature of this log"
            )
        return max(time_s, held.time_s)


@dataclass(frozen=True, slots=True)
class Witness:
    """A cosigner that is asked, and the logs that it watches."""

    by: Cosigner
    logs: Logs

    def add_checkpoint(self, body: bytes) -> Said:
        """The answer to a submission, whatever it is."""
        try:
            asked = submission.read(body)
            tree = self._tree(asked)
        except NotCosignedError as fault:
            return _words(fault.status, fault)
        except EvidenceError as fault:
            return _words(400, fault)
        try:
            self.by.recall(tree, note.read(asked.note))
            line = self.by.cosign(tree, asked.old, asked.proof)
        except NotCosignedError as fault:
            if fault.status == 409:
                return Said(409, submission.size_body(fault.size), submission.SIZE_MEDIA)
            return _words(fault.status, fault)
        except (StoreError, KeyStoreError) as fault:
            return _words(503, fault)
        return Said(200, line.text().encode())

    def _tree(self, asked: Submission) -> Tree:
        """The checkpoint that is submitted, if a log that is watched signed it."""
        signed = note.read(asked.note)
        says = checkpoint.read(signed.text)
        keys = self.logs.get(says.origin)
        if keys is None:
            unknown = EvidenceError(Reason.UNKNOWN_AUTHORITY, f"no log {says.origin!r} is known")
            raise NotCosignedError(404, unknown)
        try:
            tree = tree_of(signed, says, keys)
        except EvidenceError as fault:
            raise NotCosignedError(403, fault) from fault
        if asked.old > says.size:
            wrong = EvidenceError(Reason.TREE_SIZE, f"from {asked.old} back to {says.size}")
            raise NotCosignedError(400, wrong)
        return tree


def tree_of(signed: Note, says: Checkpoint, keys: Sequence[Verifier]) -> Tree:
    """The checkpoint of a note that one of these keys signed. Raises EvidenceError(SIGNATURE)."""
    by = note.signed_by(signed, keys)
    if not by:
        raise EvidenceError(Reason.SIGNATURE, f"no trusted key of {says.origin} signed this")
    lines = (line for key in by for line in key.lines_of(signed))
    return Tree(says, Note(signed.text, tuple(dict.fromkeys(lines))))


def keep_contradictions(state: State, tree: Tree, held: Held, tai: int) -> None:
    """Inside a decision: keeps what this note contradicts of what was cosigned."""
    says = tree.says
    if says.size > held.size or not held.note:
        return
    same = held if says.size == held.size else state.seen(says.origin, says.size)
    if same is None:
        words = f"a tree of {says.size} was shown after one of {held.size}"
        _keep(state, exhibit_of(Reason.TRUNCATED, tree, held, tai, words))
    elif same.root != says.root:
        words = f"two roots for the tree of {says.size}"
        state.show(exhibit_of(Reason.FORK, tree, same, tai, words))


def _keep(state: State, shown: Exhibit) -> None:
    """What proves nothing by itself, and the fork where another like it does."""
    before = state.shown(shown.origin, shown.size, shown.root)
    if before is not None:
        words = f"two roots for the tree of {shown.size}, which was not cosigned"
        both = shown._replace(reason=Reason.FORK, words=words, proof=b"")
        state.show(both._replace(held_size=before.size, held_root=before.root, held=before.note))
    state.show(shown)


def exhibit_of(
    reason: Reason, tree: Tree, held: Held, tai: int, words: str, proof: bytes = b""
) -> Exhibit:
    """What a log signed beside what was cosigned of it."""
    says = tree.says
    shown = (says.origin, reason, says.size, says.root, tree.note.encode())
    return Exhibit(*shown, held.size, held.root, held.note, tai, words, proof)


def _fault(
    says: Checkpoint, held: Held, old: int, proof: Sequence[bytes]
) -> NotCosignedError | None:
    if old != held.size:
        wrong = EvidenceError(Reason.TREE_SIZE, f"from {old}; this has {held.size}")
        return NotCosignedError(409, wrong, held.size)
    try:
        merkle.check_consistency(old, held.root, says.size, says.root, proof)
    except EvidenceError as fault:
        return NotCosignedError(422, fault, held.size)
    return None


def _words(status: int, fault: Exception) -> Said:
    return Said(status, f"{fault}\n".encode("utf-8", "backslashreplace"))
