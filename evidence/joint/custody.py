"""Where a handoff stands at a place of the log: who has the authority, and what is flagged.

1. Of its steps count those that are neither disputed nor expired unsigned; each follows the one
   before (evidence.joint.handoff lets one alone follow). Where it stands is the last that is joint.
2. From the request's `expires` on, by the log's clock, what had not ended is EXPIRED.
3. Asked again of the same place and clock it is the same, whatever was logged since.

A step that is disputed later takes those after it along: it stands where it stood before.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from evidence.code import Matter, Part, Reason, Step
from evidence.joint.handoff import FOLLOWS, STEPS_MAX, Request, Taken, read
from evidence.joint.record import Record
from evidence.joint.state import Standing, State


class Stands(NamedTuple):
    """Where a handoff stands. `steps`: all that were taken and neither disputed nor expired, the
    request first, each with what it is worth; `step`: the last of them that is joint, or EXPIRED by
    the clock."""

    step: Step
    request: Request
    record: Record
    steps: tuple[tuple[Step, Standing], ...]

    @property
    def holder(self) -> str | None:
        """Who has the authority by this handoff."""
        return self.record.who(Part.ACCEPTING if self.step == Step.ACTIVE else Part.RELEASING)

    @property
    def flags(self) -> tuple[Reason, ...]:
        """Of the last step that is joint."""
        joint = [one.case.flags for _, one in self.steps if one.state == State.JOINT]
        return joint[-1] if joint else self.steps[0][1].case.flags


def stands(
    name: bytes,
    record_of: Callable[[bytes], Record | None],
    followers: Callable[[bytes], Sequence[bytes]],
    standing: Callable[[bytes], Standing | None],
    tai: int,
) -> Stands | None:
    """Where the handoff of a request stands; None: there is none of this name. `standing`: of a
    record, at one size of the log and at its clock there, `tai`."""
    first, worth = record_of(name), standing(name)
    request = None if first is None or first.matter != Matter.HANDOFF else read(first.body)
    if first is None or worth is None or not isinstance(request, Request):
        return None
    steps = [(Step.REQUESTED, worth)]
    while len(steps) <= STEPS_MAX and (after := _after(name, record_of, followers, standing)):
        name, step, worth = after
        steps.append((step, worth))
    joint = [step for step, of in steps if of.state == State.JOINT]
    step = joint[-1] if joint else Step.REQUESTED
    if step in FOLLOWS and request.expires is not None and tai >= request.expires:
        step = Step.EXPIRED
    return Stands(step, request, first, tuple(steps))


def _after(
    name: bytes,
    record_of: Callable[[bytes], Record | None],
    followers: Callable[[bytes], Sequence[bytes]],
    standing: Callable[[bytes], Standing | None],
) -> tuple[bytes, Step, Standing] | None:
    for child in followers(name):
        record, worth = record_of(child), standing(child)
        if record is None or worth is None or record.matter != Matter.HANDOFF:
            continue
        says = read(record.body)
        gone = worth.state in (State.DISPUTED, State.EXPIRED)
        if isinstance(says, Taken) and says.before == name and not gone:
            return child, says.step, worth
    return None
