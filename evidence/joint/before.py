"""What is asked of the records before one, where that one is logged; and what is found of it.

Whoever replays the log answers: evidence.joint.state, over memory or a database.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from evidence.code import Reason, Step
from evidence.joint.policy import Policy
from evidence.joint.record import Record
from evidence.joint.registry import Registry
from evidence.joint.seam import Seam


class Sold(NamedTuple):
    """What one alone may have at a time: see evidence.joint.sold."""

    by: bytes  # of an asset: SHA-256 over aggregator, RTO and aggregation; of a scope its request
    begins: int
    ends: int


class Before(Protocol):
    """What was logged before a record that is looked at."""

    @property
    def registry(self) -> Registry: ...

    @property
    def policy(self) -> Policy | None: ...

    @property
    def seams(self) -> Mapping[str, Seam]:
        """Those in force, by name."""

    @property
    def size(self) -> int:
        """How many entries the log had."""

    @property
    def tai(self) -> int:
        """The log's clock where the record is logged."""

    def record(self, name: bytes) -> Record | None:
        """A record by its name."""

    def is_joint(self, name: bytes) -> bool:
        """Whether a record is joint by now."""

    def is_gone(self, name: bytes) -> bool:
        """Whether it is disputed, or expired before it was joint."""

    def steps(self, name: bytes) -> Sequence[bytes]:
        """The names of the steps of a handoff that have this parent, in the order of the log. What
        else names it, anybody may say: nothing here may cost more for it."""

    def sold(self, digest: bytes, begins: int, ends: int) -> Sequence[tuple[bytes, Sold]]:
        """Who has it within a time, by evidence.joint.sold: records, whatever they are worth. Ask
        for no more time than is meant."""


class Looked(NamedTuple):
    """What was found: a handoff's step, whose rule holds then, and what is flagged."""

    step: Step | None = None
    flags: tuple[Reason, ...] = ()


Examiner = Callable[[Record, frozenset[str], Before], Looked]  # with the footprints it touches
