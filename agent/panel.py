"""What `listen` shows: a block in a terminal that renews itself, plain lines elsewhere, objects for
programs. And what else renews itself: Block.

1. The block is drawn DRAWS_A_S times a second at most, whatever arrives, and is never higher than
   the terminal. What comes last is drawn, though nothing follows it.
2. What is said once (what a stream is, trouble on the line) stands above the block and stays.
3. A reader that has gone is BrokenPipeError, for the caller.

It reads no line and keeps no count.
"""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TextIO

from agent.reading import Stream, noticed_words
from drivers.gnss.fix import Fix
from drivers.line import Frame

DRAWS_A_S = 5  # faster than anyone reads
_UP_AND_CLEAR = "\x1b[{}A\x1b[J"  # ECMA-48: cursor up, erase to the end
ROWS_LEFT = 2  # of the terminal, below the block


class Show(Protocol):
    """Where what is heard goes."""

    def said(self, words: Sequence[str], told: Mapping[str, Any]) -> None:
        """Something that is said once, in words and as an object."""
        ...

    def heard(self, stream: Stream, frame: Frame | Fix) -> None: ...

    def settle(self, streams: Mapping[str, Stream], noticed: Mapping[str, int]) -> None:
        """What has arrived was all given; to be called after each read, and now and then.

        `noticed`: by the driver beside the frames, by name.
        """
        ...

    def ended(self, words: Sequence[str], told: Mapping[str, Any]) -> None:
        """The last that is said."""
        ...


class Objects:
    """One JSON object a line."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def said(self, words: Sequence[str], told: Mapping[str, Any]) -> None:
        self._out.write(json.dumps(told, allow_nan=False) + "\n")

    def heard(self, stream: Stream, frame: Frame | Fix) -> None:
        self._out.write(json.dumps(stream.object(frame), allow_nan=False) + "\n")

    def settle(self, streams: Mapping[str, Stream], noticed: Mapping[str, int]) -> None:
        self._out.flush()

    def ended(self, words: Sequence[str], told: Mapping[str, Any]) -> None:
        self.said(words, told)
        self._out.flush()


class Lines:
    """A line a frame."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def said(self, words: Sequence[str], told: Mapping[str, Any]) -> None:
        self._out.write("".join(f"{line}\n" for line in words))

    def heard(self, stream: Stream, frame: Frame | Fix) -> None:
        self._out.write(stream.line(frame) + "\n")

    def settle(self, streams: Mapping[str, Stream], noticed: Mapping[str, int]) -> None:
        self._out.flush()

    def ended(self, words: Sequence[str], told: Mapping[str, Any]) -> None:
        self.said(words, told)
        self._out.flush()


class Block:
    """Rows in a terminal, each time drawn over those before."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._rows = 0  # as it stands

    def draw(self, rows: Sequence[str]) -> None:
        """Never higher or wider than the terminal."""
        width, height = shutil.get_terminal_size()
        room = max(height - ROWS_LEFT, 1)
        if len(rows) > room:
            rows = [*rows[: room - 1], f"... and {len(rows) - room + 1} rows more"]
        self.wipe()
        self._out.write("".join(f"{row[: width - 1]}\n" for row in rows))
        self._out.flush()
        self._rows = len(rows)

    def wipe(self) -> None:
        """Takes it away."""
        if self._rows:
            self._out.write(_UP_AND_CLEAR.format(self._rows))
            self._rows = 0

    def leave(self) -> None:
        """It stays, and what comes next stands below it."""
        self._rows = 0


class Panel:
    """A block that renews itself. `now()`: seconds, of a clock that does not step."""

    def __init__(self, out: TextIO, now: Callable[[], float]) -> None:
        self._out, self._now = out, now
        self._block = Block(out)
        self._drawn = 0.0
        self._stale = False  # the block says less than is known
        self._streams: Mapping[str, Stream] = {}
        self._noticed: Mapping[str, int] = {}
        self._last_fault = ""

    def said(self, words: Sequence[str], told: Mapping[str, Any]) -> None:
        self._block.wipe()
        self._out.write("".join(f"{line}\n" for line in words))
        self._out.flush()
        self._drawn, self._stale = 0.0, True  # the block is drawn again below it at once

    def heard(self, stream: Stream, frame: Frame | Fix) -> None:
        self._stale = True
        if isinstance(frame, Frame) and frame.fault is not None:
            self._last_fault = stream.line(frame)

    def settle(self, streams: Mapping[str, Stream], noticed: Mapping[str, int]) -> None:
        self._stale = self._stale or noticed != self._noticed
        self._streams, self._noticed = streams, noticed
        if self._stale and self._now() - self._drawn >= 1 / DRAWS_A_S:
            self._draw()

    def _draw(self) -> None:
        rows = [row for stream in self._streams.values() for row in _block(stream)]
        if self._noticed:
            rows.append(noticed_words(self._noticed))
        if self._last_fault:
            rows.append(f"last fault: {self._last_fault}")
        self._block.draw(rows)
        self._drawn, self._stale = self._now(), False

    def ended(self, words: Sequence[str], told: Mapping[str, Any]) -> None:
        if self._stale:
            self._draw()
        self._block.leave()
        self.said(words, told)


def _block(stream: Stream) -> list[str]:
    """One stream as it is now."""
    first, *rows = stream.block() or [""]
    return [stream.ending(), *([f"  {first}"] if first else []), *(f"    {row}" for row in rows)]
