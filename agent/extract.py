"""`gridseal-agent export`: what was asked for, in words; the archive, the file that it goes to, and
what was written.

1. A file appears whole or not at all: it is written beside its name, synced, and then named. What
   is there already is never overwritten.
2. An export never takes the last room of the agent's own disk.
3. Exit codes: 0 written whole; 1 written, but parts could not be read, or nothing is there, or it
   could not be written; 2 wrong words.
"""

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from agent import config
from agent.archive import Archive, ArchiveError
from agent.clock import leap_table
from agent.export import Export, Selection, Written
from agent.schema import SpoolError
from evidence import instant, leap
from evidence.config import ConfigError, nearest
from evidence.leap import LeapTable

NAME = "gridseal-agent"
# The agent stops reading lines below 16 MiB (agent.disk); a day of ten PMUs under "always" fits.
LEFT_BYTES = 256 << 20
LOOK_BYTES = 16 << 20  # written between two looks at what is left
SAID_MAX = 100  # damaged parts, a line each


def run(arguments: argparse.Namespace) -> int:
    """Raises ConfigError for wrong words."""
    table, spool = leap.BUILT_IN, arguments.spool
    if spool is None:
        gateway = config.load(arguments.config)
        leaps = gateway.file.clock.leap_seconds
        table = leap_table(gateway.path(leaps) if leaps else None)
        spool = gateway.path(gateway.file.spool.path)
    first, end = (_instant(arguments, name, table) for name in ("first", "end"))
    if first >= end:
        raise ConfigError("export", "--to", "is not after --from")
    if arguments.out is None and sys.stdout.isatty():
        raise ConfigError("export", "--out", "name a file: it is not for a terminal")
    if arguments.out is not None and arguments.out.exists():
        raise ConfigError("export", "--out", f"{arguments.out} is there already")
    try:
        with contextlib.closing(Archive(spool)) as archive:
            streams = _streams(archive, arguments.stream)
            chosen = Selection(first, end, streams, not arguments.without_disclosures)
            said = _Said()
            with _opened(arguments.out, spool) as put:
                written = Export(archive, chosen, said).write(put)
                if not written.batches and not written.observations:
                    raise ArchiveError(_nothing(written, table, archive))
    except (ArchiveError, SpoolError, OSError) as fault:
        print(f"{NAME}: {fault}", file=sys.stderr)
        return 1
    told = sys.stderr if arguments.out is None else sys.stdout
    print(_words(written, arguments.out), file=told)
    return 1 if written.damaged else 0


class _Said:
    """Says what is damaged, a line each, up to SAID_MAX."""

    def __init__(self) -> None:
        self._lines = 0

    def __call__(self, text: str) -> None:
        self._lines += 1
        if self._lines <= SAID_MAX:
            print(f"{NAME}: damaged: {' '.join(text.split())}", file=sys.stderr)
        if self._lines == SAID_MAX:
            print(f"{NAME}: and more, which are only counted", file=sys.stderr)


def _instant(arguments: argparse.Namespace, name: str, table: LeapTable) -> int:
    try:
        return instant.read(getattr(arguments, name), table)
    except ValueError as fault:
        raise ConfigError("export", "--from" if name == "first" else "--to", str(fault)) from fault


def _streams(archive: Archive, wanted: list[str] | None) -> frozenset[int] | None:
    """The numbers of the streams that were asked for; None: all. Raises ConfigError."""
    if not wanted:
        return None
    known = archive.streams()
    found: set[int] = set()
    for word in wanted:
        numbers = {
            number for (source, key), number in known.items() if word in (source, f"{source}/{key}")
        }
        if not numbers:
            names = sorted({name for source, key in known for name in (source, f"{source}/{key}")})
            raise ConfigError("export", "--stream", f"{word[:80]!r} is {nearest(word, names)}")
        found |= numbers
    return frozenset(found)


@contextlib.contextmanager
def _opened(out: Path | None, spool: Path) -> Iterator[Callable[[bytes], object]]:
    """Where an export is put; it is there under its name when all went well."""
    if out is None:
        yield sys.stdout.buffer.write
        sys.stdout.buffer.flush()
        return
    part = out.with_name(f"{out.name}.part")
    try:
        with part.open("wb") as file:
            yield _Guarded(file, spool)
            file.flush()
            os.fsync(file.fileno())
        part.rename(out)
    finally:
        part.unlink(missing_ok=True)


class _Guarded:
    """Writes to a file, unless the agent's disk would be full of it."""

    def __init__(self, file: BinaryIO, spool: Path) -> None:
        self._file = file
        self._shared = os.fstat(file.fileno()).st_dev == spool.stat().st_dev
        self._since = LOOK_BYTES

    def __call__(self, data: bytes) -> None:
        self._since += len(data)
        if self._shared and self._since >= LOOK_BYTES:
            self._since = 0
            left = os.fstatvfs(self._file.fileno())
            if left.f_bavail * left.f_frsize < LEFT_BYTES:
                raise ArchiveError(
                    f"less than {LEFT_BYTES >> 20} MiB are left on the disk of the spool, which the"
                    " agent needs: name a file on another by --out"
                )
        self._file.write(data)


def _nothing(written: Written, table: LeapTable, archive: Archive) -> str:
    ends = archive.committed()
    if written.damaged:
        return "nothing of it can be read; no file was written"
    if ends is None:
        return "the archive is empty; no file was written"
    first, last = (instant.words(tai, table) for tai in ends)
    return f"nothing of it is in the archive, which was committed from {first} to {last}"


def _words(written: Written, out: Path | None) -> str:
    lines = [
        f"{out or 'standard output'}: {written.observations} observations of"
        f" {len(written.streams)} streams, {written.batches} batches"
        f" ({written.batches - written.receipted} without a receipt yet), {written.size} bytes"
    ]
    if written.damaged:
        lines.append(f"{written.damaged} parts could not be read, and are named above")
    return "\n".join(lines)
