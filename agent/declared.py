"""Tests that somebody declared, such as secondary injection, as they stand in `test-mode.toml`: a
row a test, and how much of each is left.

1. A test is over at `until`, or SPAN_NS_MAX after it began, by the time that has passed: a wall
   clock that is set changes nothing, nor does a restart of the agent. After a power cut the wall
   clock is all there is: where that was set back, the test is taken to have just begun.
2. What no reader understands is a ConfigError; a row never counts in part.

The file is written whole and by one rename, and never here. The agent loads this where there is
such a file, and not before: few gateways are ever in a test.
"""

import os
import stat
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec

from agent.trial import FILE
from evidence import config, instant
from evidence.config import ConfigError
from evidence.leap import BUILT_IN, NS, LeapTable

SPAN_NS_MAX = 4 * 3600 * NS
ROWS_MAX = 256  # of the file
BYTES_MAX = 256 * 1024
AGENT = "gridseal-agent"  # declares a test of its own where the file cannot be read
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
_Words = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One test of one source, as the file has it; instants as evidence.instant reads them."""

    source: _Name
    since: str
    until: str
    reason: _Words
    by: _Name
    stopped: str = ""  # somebody said that it was over
    boot: str = ""  # of this machine, in which it was written, and
    boot_ns: Annotated[int, msgspec.Meta(ge=0, le=1 << 62)] = 0  # how long after it


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    test: Annotated[list[Row], msgspec.Meta(max_length=ROWS_MAX)] = []


class Declared(NamedTuple):
    """A row that holds together. Instants in ns TAI."""

    row: Row
    since: int
    until: int
    stopped: int | None

    def spent_ns(self, now: int, boot: str, boot_ns: int) -> int:
        """How much of it has passed: rule 1."""
        passed = boot_ns - self.row.boot_ns if self.row.boot == boot else now - self.since
        return max(passed, 0)

    def left_ns(self, now: int, boot: str, boot_ns: int) -> int:
        """How much of it is left; 0 when it is over."""
        if self.stopped is not None:
            return 0
        allowed = min(self.until - self.since, SPAN_NS_MAX)
        return max(allowed - self.spent_ns(now, boot, boot_ns), 0)

    def span(self, now: int, boot: str, boot_ns: int) -> tuple[int, int]:
        """Of one that is over: its instants by the clock as it is now, which may have been set."""
        end = self.until if self.stopped is None else self.stopped
        first = now - self.spent_ns(now, boot, boot_ns)
        return first, min(first + min(max(end - self.since, 0), SPAN_NS_MAX), now)

    @property
    def feared(self) -> bool:
        """It stands in no file: none could be read."""
        return self.row.by == AGENT

    @property
    def name(self) -> tuple[str, str]:
        """What tells it from others of its source, stopped meanwhile or not."""
        return self.row.since, self.row.by


def read(text: str, file: str = FILE, table: LeapTable = BUILT_IN) -> tuple[Declared, ...]:
    """All rows, those in force and those that are over. Raises ConfigError."""
    found = []
    for at, row in enumerate(config.read(text, _File, file).test):
        if not (row.source + row.reason + row.by).isprintable():
            raise config.fault_at(text, file, ("test", at), "has characters that cannot be shown")
        try:
            since, until = instant.read(row.since, table), instant.read(row.until, table)
            stopped = instant.read(row.stopped, table) if row.stopped else None
        except ValueError as fault:
            raise config.fault_at(text, file, ("test", at), str(fault)) from fault
        if not since < until:
            reason = f"{row.until} is not after since, {row.since}"
            raise config.fault_at(text, file, ("test", at, "until"), reason)
        found.append(Declared(row, since, until, stopped))
    standing = [one.row.source for one in found if one.stopped is None]
    for name in standing:
        if standing.count(name) > 1:
            raise ConfigError(file, "test", f"{name!r} has {standing.count(name)} that go on")
    return tuple(found)


def load(path: Path, table: LeapTable = BUILT_IN) -> tuple[Declared, ...]:
    """The rows of a file; none where it is not there. Raises ConfigError."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with open(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise ConfigError(path.name, "", "is no file")
            content = file.read(BYTES_MAX + 1)
    except FileNotFoundError:
        return ()
    except OSError as fault:
        raise ConfigError(path.name, "", f"cannot be read: {fault.strerror}") from fault
    if len(content) > BYTES_MAX:
        raise ConfigError(path.name, "", f"more than {BYTES_MAX} bytes")
    try:
        return read(content.decode(), path.name, table)
    except UnicodeDecodeError as fault:
        raise ConfigError(path.name, "", "is not UTF-8 text") from fault


def feared(source: str, fault: str, now: int, table: LeapTable) -> Declared:
    """Nobody knows of a test, or of none."""
    since, until = (instant.words(at, table) for at in (now, now + SPAN_NS_MAX))
    row = Row(source, since, until, f"not known: {fault}"[:200], AGENT)
    return Declared(row, now, now + SPAN_NS_MAX, None)
