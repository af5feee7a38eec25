"""When and how a run begins: what its statement says, and what must be durable before anything is
sealed.

1. The run's payload and the credential that it acts under go to disk in one commit; the device
   key's signature under the payload may come later (agent.signature).

2. A run lasts RUN_NS at most, and ends when this machine seems to have been asleep or copied.

It writes nothing and asks no key store.
"""

import logging
from typing import NamedTuple

from agent.clock import RunClock, Watch
from agent.commit import Commit
from agent.config import HeldCredential
from agent.sealer import SOFTWARE, Piece, Sealer, Statement
from drivers.line import Instant
from evidence import cbor
from evidence.code import Cause, Typ
from evidence.key import PublicKey
from evidence.run import Reached, Run

RUN_NS = 86_400 * 1_000_000_000  # a run lasts a day at most
log = logging.getLogger("gridseal.beginning")


class Due:
    """When a new run is due."""

    def __init__(self, clock: RunClock, watch: Watch) -> None:
        self._clock, self._watch = clock, watch
        self._cause: Cause | None = None
        self._ends = 0

    def began(self) -> None:
        """A run began now."""
        self._ends = self._clock.monotonic_ns() + RUN_NS

    def ask(self, cause: Cause) -> None:
        """A new run is to begin, for this cause unless there was one already."""
        self._cause = self._cause or cause

    def take(self) -> Cause | None:
        """Why a new run is due now, if one is; told once."""
        jump = self._watch.jumped()
        if jump is not None:
            log.warning("this machine slept or was copied: %s", jump)
            self.ask(Cause.SNAPSHOT)
        elif self._clock.monotonic_ns() >= self._ends:
            self.ask(Cause.DAILY)
        due, self._cause = self._cause, None
        return due


class Before(NamedTuple):
    """What a run continues, and why it began."""

    cause: Cause
    run: bytes | None  # the name of the run before; None for the first
    uncertain: bool  # whether that one's last commit may or may not be durable
    lost: tuple[int, int] | None  # instants, ns TAI, between which samples may be missing
    reached: tuple[Reached, ...]


def sealer_of(
    before: Before, held: HeldCredential, device: PublicKey, seed: bytes, now: Instant
) -> Sealer:
    """The sealer of a run that begins now; `seed` is its key's, and used for nothing else."""
    beginning = Run(
        *(held.name, bytes(32), now.tai, now.bound, before.cause, before.run),
        *(before.uncertain, before.lost, before.reached, SOFTWARE, bytes(64)),
    )  # the zeros are the sealer's to fill: its key, and the proof that it has it
    return Sealer(beginning, device, seed)


def commit_of(
    sealer: Sealer, held: HeldCredential, device: PublicKey, piece_id: int, taken: int
) -> Commit:
    """What makes the beginning durable."""
    nothing = Piece((), (), sealer.run.reached, 0, 0)
    commit = Commit(piece_id, taken, sealer.name, nothing, begins=sealer.payload)
    commit.device = device.raw
    pairs = cbor.encode(held.pairs)
    commit.statements = [Statement(held.name, Typ.CREDENTIAL, held.encoded, pairs)]
    if held.before:
        from agent import handover  # loaded already, by who read the credential

        commit.statements += handover.statements(held.before)
    return commit
