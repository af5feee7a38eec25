"""The demo in a terminal: a compact table that renews itself, the feed beneath it, keys that do
what the buttons do; plain lines anywhere else.

1. What is shown is what the page shows (hil.demo.show), and comes from the record.
2. Keys are read only where standard input is a terminal, and this process in its foreground; it is
   given back as it was found.
3. A terminal that is slow or gone stops nothing.
4. What a device or a gateway said is text: no markup of rich's, and nothing that a terminal obeys.

rich is loaded only where there is a terminal to draw on.
"""

import asyncio
import contextlib
import os
import sys
import termios
import textwrap
import time
import tty
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TextIO

from agent.reading import printable
from hil.demo import chain, layout
from hil.demo.show import Show
from hil.demo.view import why

if TYPE_CHECKING:
    from rich.live import Live

LINE_S, DRAWN_S = 1.0, 0.25  # between two plain lines; between two pictures
WIDTH = 80
FEED_LINES = 8
TABLE_LINES = 4  # of the table beside its rows: two empty ones, headings, a rule
NAME_CHARS = 10
ODD = "bold red"
Told = dict[str, Any]


class Screen:
    """On one stream. `close` it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._live: Live | None = None
        self._next_s = 0.0
        self._told = 0  # the last line of the feed that were said

    def draw(self) -> None:
        """From now on pictures, where the stream is a terminal."""
        if self._stream.isatty():
            self._live = _drawn_on(self._stream)

    def show(self, show: Show) -> None:
        now = show.elapsed_s
        if now < self._next_s:
            return
        try:
            if self._live is not None:
                self._next_s = now + DRAWN_S
                height = self._live.console.size.height
                self._live.update(_picture(show, height), refresh=True)
            else:
                self._next_s = now + LINE_S
                self._lines(show)
        except OSError:
            self._next_s = float("inf")  # it is gone

    def say(self, text: str) -> None:
        """A line for people; above the picture, where there is one."""
        with contextlib.suppress(OSError):
            if self._live is not None:
                self._live.console.print(text, markup=False, highlight=False)
            else:
                print(text, file=self._stream, flush=True)

    def close(self) -> None:
        """Idempotent; what was shown last stays."""
        live, self._live = self._live, None
        if live is not None:
            with contextlib.suppress(OSError):
                live.stop()

    def _lines(self, show: Show) -> None:
        new = [one for one in show.feed.lines() if one.number > self._told]
        for one in new:
            self._told = max(self._told, one.number)
            self.say(_cut(printable(f"  {one.about}: {one.text}")))
        self.say(_cut(_line(show)))


def _drawn_on(stream: TextIO) -> "Live":
    from rich.console import Console
    from rich.live import Live

    # Drawn by us alone: a thread of rich's own would be one more to end.
    live = Live(console=Console(file=stream), auto_refresh=False)
    live.start()
    return live


def _line(show: Show) -> str:
    moment = show.moment
    parts = [f"{moment.get('elapsed_s', 0):6.1f} s"]
    for one in moment.get("streams", ()):
        if "mw" in one:
            told = "late" if one["stale"] else f"{one['mw']:.0f} MW"
            parts.append(f"{one['name'].removeprefix('pmu-')} {told}")
    pmus = [one for one in moment.get("streams", ()) if "hz" in one and not one["stale"]]
    if pmus:
        parts.append(f"{pmus[0]['hz']:.3f} Hz")
    verdicts = [one.get("verdict", "not settled") for one in show.look["seams"]]
    if verdicts:
        alike = verdicts[:1] if len(set(verdicts)) == 1 else verdicts
        parts.append("ties " + "/".join(alike).replace("_", " "))
    return "  ".join(parts)


def _cut(text: str) -> str:
    return text if len(text) <= WIDTH else text[: WIDTH - 1] + "\u2026"


def _picture(show: Show, height: int) -> Any:
    """No higher than the terminal: what is beneath would be cut, and that is the newest finding."""
    from rich.console import Group

    slow = show.slow()
    streams = _streams(show.moment)
    rows: list[Any] = [_row(layout.state_line(show.moment)), streams]
    for one in show.moment.get("gateways", ()):
        odd = not (one["place_good"] and one["clock_good"]) or one["quiet"]
        told = f"{one['name']}: {chain.link_words(one)}, run {one['run']}, clock {one['clock']}"
        rows.append(_row(f"{told}, place {one['place']}", odd))
    rows.append(_row(f"record: {chain.published(show.moment, slow)}"))
    for seam in show.look["seams"]:
        rows.append(_row(_seam(seam), not seam.get("verdict", "").startswith("agreed")))
    keys = []
    for button in show.panel.told():
        mark = "*" if button["done"] else ""
        keys.append(f"{button['key']} {button['label']}{mark}" if not button["why_not"] else "")
    rows += map(_row, textwrap.wrap("   ".join([*filter(None, keys), "q End"]), WIDTH))
    left = height - (len(rows) - 1 + streams.row_count + TABLE_LINES)
    for line in show.feed.lines()[-max(min(left, FEED_LINES), 1) :]:
        at = time.strftime("%H:%M:%S", time.gmtime(line.at_s))
        times = f"\u00d7{line.times} " if line.times > 1 else ""
        rows.append(_row(f"{at} {times}{line.about}: {line.text}", line.kind == "refused"))
    return Group(*rows)


def _row(text: str, odd: bool = False) -> Any:
    """A line; what is not as it should be is red, and says so in words."""
    from rich.text import Text

    return Text(printable(text), ODD if odd else "", overflow="ellipsis", no_wrap=True)


def _streams(moment: Told) -> Any:
    from rich import box
    from rich.table import Table

    found = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    found.add_column("stream", min_width=NAME_CHARS, no_wrap=True)
    found.add_column("values", overflow="ellipsis", no_wrap=True)
    found.add_column("class", overflow="ellipsis", no_wrap=True)
    for one in moment.get("streams", ()):
        position = one.get("position")
        if "v" not in one and one["kind"] == "modbus" and not position:
            continue
        told = f"breaker {position}{layout.ago(one)}" if position else layout.values(one)
        away = layout.is_late(one) or position not in (None, "", "closed")
        found.add_row(
            _row(one["name"]), _row(told, away), _row(one["grade"], not one.get("good", True))
        )
    return found


def _seam(seam: Told) -> str:
    if "fault" in seam:
        return f"{seam['seam']}: {seam['fault']}"
    worst = layout.worst_of(seam)
    if worst is None:
        return f"{seam['seam']}: {seam['verdict'].replace('_', ' ')}: {why(seam)}"
    size, most = (layout.amount(worst[key], worst["unit"]) for key in ("size", "tolerance"))
    verdict = seam["verdict"].replace("_", " ")
    return f"{seam['seam']}: {verdict}, {worst['name']} {size} of {most}"


def _in_front(terminal: int) -> bool:
    """Whether its keys are ours: who sets it from behind is stopped (tcsetattr(3), SIGTTOU)."""
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False


class Keys:
    """Keys of a terminal, one by one, in the running loop. `close` gives it back."""

    def __init__(self, pressed: Callable[[str], None]) -> None:
        self._pressed = pressed
        self._number = -1
        self._before: list[Any] = []

    def open(self) -> None:
        if not sys.stdin.isatty() or not _in_front(sys.stdin.fileno()):
            return
        self._number = sys.stdin.fileno()
        self._before = termios.tcgetattr(self._number)
        tty.setcbreak(self._number)
        asyncio.get_running_loop().add_reader(self._number, self._read)

    def close(self) -> None:
        """Idempotent."""
        if self._number < 0:
            return
        asyncio.get_running_loop().remove_reader(self._number)
        with contextlib.suppress(OSError, termios.error):
            termios.tcsetattr(self._number, termios.TCSADRAIN, self._before)
        self._number = -1

    def _read(self) -> None:
        try:
            data = os.read(self._number, 64)
        except OSError:
            data = b""
        if not data:
            asyncio.get_running_loop().remove_reader(self._number)
            return
        for key in data.decode("ascii", "ignore"):
            self._pressed(key)
