"""What goes to the disk in one transaction, and what a spool is found to hold.

1. A Commit is whole or not there: the observations, and all that must be durable with them.
2. Found is what a run begins on; nothing in it was written by a sync that failed (agent.schema).

It is data; agent.spool writes and reads it.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

from agent.cutter import Cut
from agent.schema import SpoolError
from agent.sealer import Came, Piece, Statement, Stretch
from evidence.gap import Gap
from evidence.key import PublicKey
from evidence.run import Reached

KEEP_ALL_DAYS = 36_500  # longer than any spool is old


class State(IntEnum):
    """Of a batch.

    Waiting for its receipt, receipted, refused by the record and kept as an exhibit, or damaged on
    this disk: what is missing with it is stated.
    """

    WAITING = 0
    RECEIPTED = 1
    REFUSED = 2
    DAMAGED = 3


class Waiting(NamedTuple):
    """A batch that waits for its receipt."""

    row: int
    id: bytes
    run: bytes
    observations: int
    size: int


class Kept(NamedTuple):
    """The last tree head of the record that this agent believed."""

    size: int
    root: bytes


class Fork(NamedTuple):
    """Two trees of one record, neither continuing the other, and what shows that it signed both."""

    taken: int  # when it was kept, ns TAI
    old: Kept
    receipt: bytes  # of the old tree; empty where none was left on disk
    new: Kept
    checkpoint: bytes  # of the new tree; empty where that is

    def words(self) -> dict[str, int]:
        """For the account of the agent."""
        return {"tai": self.taken, "from_size": self.old.size, "to_size": self.new.size}


class Left(NamedTuple):
    """A piece left without a head."""

    id: int
    stretches: tuple[Stretch, ...]
    observations: int
    size: int


class Shelved(NamedTuple):
    """A piece as it is written."""

    id: int
    run: bytes
    taken: int  # ns TAI
    piece: Piece


@dataclass(slots=True)
class Commit:
    """What one transaction makes durable."""

    piece_id: int
    taken: int  # ns TAI
    run: bytes
    piece: Piece
    begins: bytes | None = None  # the payload of the run that begins with it
    device: bytes = b""  # whose run it is: the raw public key
    streams: list[tuple[int, str, str]] = field(default_factory=list)
    statements: list[Statement] = field(default_factory=list)
    cut: Cut | None = None
    # Batch row, state, what was answered.
    answers: list[tuple[int, State, bytes]] = field(default_factory=list)
    kept: Kept | None = None
    fork: Fork | None = None
    ends: bool = False  # the agent stops after it
    late: list[Shelved] = field(default_factory=list)  # pieces before it that were held in memory
    cuts: list[Cut] = field(default_factory=list)  # and heads
    marks: bool = False  # how far each stream came is written with it
    keep_days: int = KEEP_ALL_DAYS
    gives_up: list[int] = field(default_factory=list)  # batch rows; the piece states what is gone
    sets_aside: list[int] = field(default_factory=list)  # damaged pieces; likewise
    bookmarks: dict[str, bytes] = field(default_factory=dict)  # by source: agent.bookmark
    frees: bool = False  # space is needed: free what may be, however lately it was written

    @property
    def empty(self) -> bool:
        piece = self.piece
        return not (
            piece.observations
            or piece.statements
            or self.statements
            or self.streams
            or self.answers
            or self.fork
            or self.cut
            or self.gives_up
            or self.sets_aside
            or self.begins
            or self.ends
        )


@dataclass(frozen=True, slots=True)
class Found:
    """What a spool held when it was opened."""

    streams: dict[tuple[str, str], int]
    reached: tuple[Reached, ...]
    came: dict[int, Came]  # by stream: how far it is accounted for
    device: bytes | None  # the raw public key of whoever began the last run
    run: bytes | None  # the last run that committed
    runs: frozenset[bytes]  # all that left something here
    unsigned: tuple[bytes, ...]  # payloads of runs that the device key has not signed
    taken: int | None  # when it last committed, ns TAI
    ended: bool  # it said that it stopped
    late: bool  # it wrote late: the record may have what this disk never had
    next_piece: int
    left: tuple[Left, ...]
    damaged: tuple[int, ...]  # pieces that cannot be read, and were under no head
    holes: tuple[tuple[int, int, Gap], ...]  # what they leave out: stream, kind, hole
    kept: Kept
    bookmarks: dict[str, bytes]
    forks: tuple[Fork, ...]
    waiting_batches: int
    waiting: int  # observations in batches that wait
    waiting_size: int

    def check_owner(self, device: PublicKey, before: Iterable[PublicKey] = ()) -> None:
        """A spool is one device's: another could neither sign nor account for what is in it.

        `before`: keys that handed over to this one. Raises SpoolError.
        """
        if self.device not in (None, device.raw, *(key.raw for key in before)):
            whose = hashlib.sha256(self.device or b"").hexdigest()[:16]
            text = f"this spool is of device {whose}, not {device.fingerprint[:16]}"
            text += ", and no rotation in the credential file leads from one to the other"
            raise SpoolError(f"{text}: bring back its key and credential, or name another spool")
