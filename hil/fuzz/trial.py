"""One case: what a target's readers make of it, what it cost, and whether that holds.

1. Nothing but the target's refusal comes out of a reader. This is the one place of the bench that
   catches everything: what else comes out is what is looked for.
2. A case takes its target's `cpu_ns_max` of processor time at most, however loaded the machine;
   one that takes more is run again before it is called slow, and one that never ends is ended.
3. A case makes the process GROWTH_BYTES_MAX larger at most.

It makes no cases: see mutation.py.
"""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NamedTuple

from hil.fuzz.target import Target

NS = 1_000_000_000
AGAIN = 3  # a collection of garbage, or a page from the disk, is not the case's fault
STUCK_S = 10.0  # of processor time
GROWTH_BYTES_MAX = 16 << 20  # 256 times the longest case


class StuckError(BaseException):
    """A case did not end. Not an Exception: nobody on the way may take it for one of theirs."""


class Outcome(NamedTuple):
    """What became of one case."""

    good: list[str]  # the readers that took it
    refused: list[str]  # why the others did not
    wrong: str  # why it does not hold; "" when it does
    cpu_ns: int
    growth_bytes: int


@contextmanager
def watched() -> Iterator[None]:
    """Whatever runs too long inside is ended by StuckError. Only in a process's main thread."""
    before = signal.signal(signal.SIGPROF, _stuck)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def run(target: Target, raw: bytes) -> Outcome:
    """One case, inside `watched`."""
    size = _forget_peak()
    signal.setitimer(signal.ITIMER_PROF, STUCK_S)
    found = _read(target, raw)
    signal.setitimer(signal.ITIMER_PROF, 0)
    growth = _peak() - size
    if found.wrong:
        return found
    if found.cpu_ns > target.cpu_ns_max:
        found = min((_read(target, raw) for _ in range(AGAIN)), key=lambda each: each.cpu_ns)
    wrong = []  # both, where it is both: what takes much memory takes time to get it
    if found.cpu_ns > target.cpu_ns_max:
        wrong.append(f"slow: {found.cpu_ns / 1e6:.0f} ms of processor time")
    if growth > GROWTH_BYTES_MAX:
        wrong.append(f"large: {growth:,} bytes more")
    told = f"{', '.join(wrong)} for {len(raw):,} bytes" if wrong else ""
    return found._replace(wrong=told, growth_bytes=growth)


def _read(target: Target, raw: bytes) -> Outcome:
    good: list[str] = []
    refused: list[str] = []
    wrong, began = "", time.process_time_ns()
    for name, reader in target.readers.items():
        try:
            reader(raw)
        except target.refusal as refusal:
            refused.append(getattr(refusal, "fault", type(refusal).__name__))
        except StuckError:
            wrong = f"stuck: {name}"
            break
        except Exception as fault:  # noqa: BLE001 - rule 1
            wrong = f"{name}: {type(fault).__name__}: {fault}{_place(fault)}"
            break
        else:
            good.append(name)
    return Outcome(good, refused, wrong, time.process_time_ns() - began, 0)


def _place(fault: Exception) -> str:
    """Where it came from: the innermost line of ours."""
    at = fault.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    if at is None:
        return ""
    return f" ({'/'.join(at.tb_frame.f_code.co_filename.split('/')[-3:])}:{at.tb_lineno})"


def _forget_peak() -> int:
    """What this process takes, bytes. What it once took counts no more (clear_refs of proc(5)): in
    a process that was large before, no case would be.
    """
    with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
        file.write("5")
    return _peak()


def _peak() -> int:
    """The most that this process took since, bytes."""
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))


def _stuck(_signal: int, _frame: FrameType | None) -> None:
    raise StuckError
