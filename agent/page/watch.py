"""`gridseal-agent status --watch`: what the page shows, in a terminal; a line a second in a pipe.

1. The running agent is asked by the socket beside its spool. An agent that goes away is told of
   once and asked again, until Ctrl-C; where none was there at first, it ends.
2. A block that renews itself, never higher or wider than the terminal: trouble first, then the
   gateway, both wrapped, then its streams, cut. Where that is too high, streams have half of the
   rows at least, and what stands above them is cut: SHORT stays longest, each in a row. Elsewhere
   lines, each whole. What was shown of an agent that went away stays, and what comes next stands
   below it.
3. What an agent sends at a time is bounded: EVENT_BYTES_MAX.

Exit 0: something was shown. 1: nobody answers. 2: wrong words.
"""

import json
import os
import shutil
import signal
import socket
import sys
import textwrap
import time
from collections.abc import Iterator, Mapping, Sequence
from math import degrees
from pathlib import Path
from typing import Any

from agent import account, config, status
from agent.page.door import SUFFIX
from agent.panel import ROWS_LEFT, Block
from agent.timing.round import words_ns

EVENT_BYTES_MAX = 4 << 20
TERMINAL_MS, PIPE_MS = 200, 1000  # between two looks
AGAIN_S = 1.0  # before an agent that went away is asked again
READ_BYTES = 65_536
PHASORS_SHOWN = 3  # of a device, in its line
TROUBLES_SHOWN = 6  # what is beyond is counted: the gateway and its streams are there to be seen
SHORT = ("Clock of the gateway", "Record", "Disk")  # of agent.page.sheet's facts
WORDS_LEAST = 32  # columns of words beside their names; with fewer they stand right behind them
Told = Mapping[str, Any]


def main(path: Path) -> int:
    """As the header says. Raises ConfigError."""
    gateway = config.load(path)
    spool = gateway.path(gateway.file.spool.path)
    screen: Show = Terminal() if sys.stdout.isatty() else Pipe()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return _watch(spool, screen, str(path))
    except BrokenPipeError:
        # Whoever read us has gone; nothing more is said, and not by the interpreter's end either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 0


def _watch(spool: Path, screen: "Show", configuration: str) -> int:
    answered = lost = False
    while True:
        try:
            for name, told in events(spool, screen.every_ms):
                answered, lost = True, False
                screen.show(name, told)
        except BrokenPipeError:
            raise
        except (OSError, ValueError) as fault:
            absent = isinstance(fault, FileNotFoundError | ConnectionRefusedError)
            why = f"none runs with {configuration}" if absent else str(fault)
            if not lost:
                screen.lost()
                after = "; it is asked again until Ctrl-C" if answered else ""
                _say(f"no agent answers for {spool.name}: {why}{after}")
            lost = True
        if not answered:
            return 1
        time.sleep(AGAIN_S)


def _say(text: str) -> None:
    print(f"gridseal-agent: {text}", file=sys.stderr, flush=True)


# --- what the agent says


def events(spool: Path, every_ms: int) -> Iterator[tuple[str, Told]]:
    """Each event by its name. Raises OSError; ValueError for what is no event of ours."""
    with status.connected(spool, SUFFIX) as line:
        # HTTP/1.0: the answer lasts as long as the connection, and is not cut into chunks.
        asked = f"GET /events?every={every_ms} HTTP/1.0\r\nHost: localhost\r\n\r\n"
        try:
            line.sendall(asked.encode("ascii"))
        except BrokenPipeError as fault:  # of this line, and of nobody who reads us
            raise ConnectionResetError("it hung up") from fault
        parts = _parts(line)
        first = next(parts, "").split("\r\n", 1)[0]
        code = "".join(first.split(" ")[1:2])
        if code == "503":
            raise ValueError("as many look at it already as may")
        if code != "200":
            raise ValueError(f"what answers is no agent of this version: {first[:80]!r}")
        for part in parts:
            yield from _event(part)
    raise ConnectionResetError("it has ended")


def _parts(line: socket.socket) -> Iterator[str]:
    """The head of the answer, and then what stands between empty lines."""
    waiting, end = b"", b"\r\n\r\n"
    while data := line.recv(READ_BYTES):
        waiting += data
        while end in waiting:
            part, waiting = waiting.split(end, 1)
            yield part.decode("utf-8", "replace")
            end = b"\n\n"
        if len(waiting) > EVENT_BYTES_MAX:
            raise ValueError("what it says is longer than any event of ours")


def _event(part: str) -> Iterator[tuple[str, Told]]:
    fields = dict(row.partition(": ")[::2] for row in part.split("\n"))
    if "data" in fields:
        told = json.loads(fields["data"])
        if not isinstance(told, dict):
            raise ValueError("what answers is no agent")
        yield fields.get("event", ""), told


# --- how it is shown


class Show:
    """Where events go."""

    every_ms = PIPE_MS

    def show(self, name: str, told: Told) -> None:
        """One event."""

    def lost(self) -> None:
        """Something is about to be said of an agent that went away."""


class Pipe(Show):
    """A line for each account."""

    def show(self, name: str, told: Told) -> None:
        """One event."""
        if name == "account":
            print(told["line"], flush=True)


class Terminal(Show):
    """A block that renews itself."""

    every_ms = TERMINAL_MS

    def __init__(self) -> None:
        self._block = Block(sys.stdout)
        self._account: Told | None = None
        self._streams: Sequence[Told] = ()

    def show(self, name: str, told: Told) -> None:
        """One event."""
        if name == "account":
            self._account = told
        elif name == "streams":
            self._streams = told["streams"]
        elif self._account is not None:
            columns, height = shutil.get_terminal_size()
            streams = _streams(self._streams, told)
            self._block.draw(_rows(self._account, streams, columns, height - ROWS_LEFT))

    def lost(self) -> None:
        """The block stays; nothing of it is told of whoever answers next."""
        self._block.leave()
        self._account, self._streams = None, ()


def _rows(told: Told, streams: Sequence[str], columns: int, room: int) -> list[str]:
    """The block; of what is more than `room`, the last are streams."""
    return [*_above(told, columns, max(room - len(streams), room // 2)), *streams]


def _above(told: Told, columns: int, rows: int) -> list[str]:
    """What stands above the streams, in so many rows: whole, or cut where that is higher."""
    whole = _gateway(told, columns)
    if len(whole) <= rows:
        return whole
    facts = _facts(told)
    troubles = _fitting(told["troubles"], columns, max(rows - len(SHORT) - 2, 2))
    left = max(rows - len(troubles) - 2, 0)
    first = [name for name, _ in facts if name in SHORT]
    kept = [*first, *(name for name, _ in facts if name not in SHORT)][:left]
    named = _lines([one for one in facts if one[0] in kept], columns)
    lost = len(facts) - len(named)
    more = f"({lost} more in a higher terminal)" if lost else ""
    return [_title(told), *troubles, *named, more[: columns - 1]][:rows]


def _fitting(troubles: Sequence[str], columns: int, rows: int) -> list[str]:
    """As many as fit whole, and how many there are beside them."""
    found: list[str] = []
    for at, words in enumerate(troubles):
        own = _named([("TROUBLE", words)], columns)
        last = at + 1 == len(troubles)
        if len(found) + len(own) + (not last) > rows:
            shown = found or own[: rows if last else rows - 1]
            more = len(troubles) - max(at, 1)
            return [*shown, *_named([("TROUBLE", f"and {more} more")] if more else [], columns)]
        found += own
    return found


def _gateway(told: Told, columns: int) -> list[str]:
    troubles = told["troubles"]
    shown = [("TROUBLE", words) for words in troubles[:TROUBLES_SHOWN]]
    if more := len(troubles) - len(shown):
        shown.append(("TROUBLE", f"and {more} more"))
    return [_title(told), *_named(shown, columns), *_named(_facts(told), columns), ""]


def _title(told: Told) -> str:
    second = told["utc"].partition(".")[0].removesuffix("Z")
    return f"{told['gateway']}  {second}Z"


def _facts(told: Told) -> list[tuple[str, str]]:
    tables = told["tables"]
    facts = [(name, words) for name, words in told["facts"]]
    if tables["gaps"]:
        facts.append(("Gaps", ", ".join(f"{many} {cause}" for cause, many in tables["gaps"])))
    return facts + [
        ("Answer", f"{what} for {many}, at {at}: {worth}")
        for _, what, many, at, worth in tables["receipts"][:1]
    ]


def _named(rows: Sequence[Sequence[str]], columns: int) -> list[str]:
    """Words behind their names, wrapped where they are longer than a row."""
    room, width = _widths(rows, columns)
    indent = " " * (width + 1)
    return [
        row
        for name, words in rows
        for row in textwrap.wrap(f"{name.ljust(width)} {words}", room, subsequent_indent=indent)
    ]


def _lines(rows: Sequence[Sequence[str]], columns: int) -> list[str]:
    """The same, each in a row, which is cut."""
    room, width = _widths(rows, columns)
    return [f"{name.ljust(width)} {words}"[:room] for name, words in rows]


def _widths(rows: Sequence[Sequence[str]], columns: int) -> tuple[int, int]:
    """Of a row, and of the names in it."""
    room, width = max(columns - 1, 2), max((len(name) for name, _ in rows), default=0) + 1
    return room, 0 if room - width <= WORDS_LEAST else width


def _streams(streams: Sequence[Told], live: Told) -> list[str]:
    rows = []
    for stream, said in zip(streams, live["streams"], strict=False):
        name = f"{stream['source']} {stream['key']}"
        if "clock" not in said:  # nothing since we look; or since when
            rows.append((name, _silence(said) if said else "nothing yet"))
            continue
        for at, device in enumerate(stream["devices"]):
            found = said.get("devices", [])[at : at + 1]
            values = found[0] if found else [None, None]
            hz = "no frequency" if values[0] is None else f"{values[0]:.4f} Hz"
            words = [hz, *_clock(said), *_phasors(device["phasors"], values)]
            rows.append((device["name"] or name, "  ".join(words)))
        rows += [(name, row) for row in said.get("rows", ())]
    width = max((len(name) for name, _ in rows), default=0)
    return [f"{name.ljust(width)}  {words}" for name, words in rows]


def _clock(said: Told) -> list[str]:
    bound = "no bound" if said["bound_ns"] is None else f"within {words_ns(said['bound_ns'])}"
    heard = f"after {words_ns(said['late_us'] * 1000)}"
    if said["quiet"]:
        heard = _silence(said)
    quality = ", ".join(said["quality"]).replace("_", " ") or "nothing said"
    return [heard, f"{bound} by {said['clock']}", quality]


def _silence(said: Told) -> str:
    return f"QUIET for {account.span(said['age_ms'] // 1000)}"


def _phasors(phasors: Sequence[Sequence[str]], values: Sequence[float | None]) -> list[str]:
    words = []
    for at, (name, _, unit) in enumerate(phasors[:PHASORS_SHOWN]):
        size, angle = [*values[2 + 2 * at : 4 + 2 * at], None, None][:2]
        if size is not None and angle is not None:
            words.append(f"{name} {size:.1f} {unit} {degrees(angle):.1f}\u00b0")
    more = len(phasors) - PHASORS_SHOWN
    return [*words, f"and {more} more"] if more > 0 else words
