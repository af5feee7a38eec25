"""What the demo shows while it runs: a table that renews itself in a terminal, a line a second
anywhere else.

1. Frequency and angle come from the record (hil.ledger), counts from whoever counted them.
2. Nothing here changes what runs: a terminal that is slow or gone stops no sample.

rich is loaded only where there is a terminal to draw on.
"""

import math
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

from hil.ledger import Reading

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

LINE_S = 1.0  # between two plain lines


@dataclass(frozen=True, slots=True)
class Row:
    """One PMU: who it is, what it sent, and what the record has of it."""

    name: str
    line: str
    bus: str
    sent: int
    admitted: int
    rate: float | None  # of admission, frames a second
    reading: Reading | None


@dataclass(frozen=True, slots=True)
class View:
    """One moment. `agent`: its own account."""

    elapsed_s: float
    rows: tuple[Row, ...]
    agent: dict[str, Any]
    admitted: int
    log_size: int
    last_receipt: int | None

    def across(self) -> float | None:
        """Degrees by which the first bus is ahead of the second, from one and the same instant."""
        readings = [row.reading for row in self.rows if row.reading is not None]
        if len(readings) != 2 or readings[0].tai != readings[1].tai:
            return None
        one, other = (reading.angle_rad for reading in readings)
        if one is None or other is None:
            return None
        return math.degrees(math.remainder(one - other, 2 * math.pi))


class Screen:
    """Shows Views on a stream until it is closed."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._next_s = 0.0
        self._across: float | None = None
        self._live = _drawn_on(stream) if stream.isatty() else None

    def show(self, view: View) -> None:
        across = view.across()
        self._across = self._across if across is None else across
        if self._live is not None:
            self._live.update(_table(view, self._across), refresh=True)
        elif view.elapsed_s >= self._next_s:
            self._next_s = math.floor(view.elapsed_s) + LINE_S
            self.say(_line(view, self._across))

    def say(self, text: str) -> None:
        """A line for people, below what was shown."""
        print(text, file=self._stream, flush=True)

    def close(self) -> None:
        """Idempotent; what was shown last stays."""
        live, self._live = self._live, None
        if live is not None:
            live.stop()


def stream_for(as_json: bool) -> TextIO:
    """With JSON on the standard output, people read the standard error."""
    return sys.stderr if as_json else sys.stdout


def _drawn_on(stream: TextIO) -> "Live":
    from rich.console import Console
    from rich.live import Live

    # Drawn by us alone: a thread of rich's own would be one more to end.
    live = Live(console=Console(file=stream), auto_refresh=False)
    live.start()
    return live


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _counts(view: View) -> list[tuple[str, str]]:
    agent = view.agent
    latency = agent["latency_ms"]
    return [
        ("sent", f"{sum(row.sent for row in view.rows)}"),
        ("heard", f"{agent['heard']}"),
        ("sealed", f"{agent['sealed']}"),
        ("durable", f"{agent['durable']}"),
        ("admitted", f"{view.admitted}"),
        ("receipted", f"{agent['receipted']}"),
        ("waiting", f"{agent['waiting']}"),
        ("refused", f"{agent['refused']}"),
        ("holes", f"{agent['holes']}"),
        ("faults", f"{agent['faults']}"),
        ("p50 ms", _number(latency["p50"], "d")),
        ("p99 ms", _number(latency["p99"], "d")),
        ("tree", f"{view.log_size}"),
        ("last receipt", _number(view.last_receipt, "d")),
    ]


def _line(view: View, across: float | None) -> str:
    parts = [f"{view.elapsed_s:5.1f} s"]
    for row in view.rows:
        frequency = row.reading.frequency_hz if row.reading else None
        parts.append(f"{row.bus} {_number(frequency, '.4f')} Hz {_number(row.rate, '.0f')}/s")
    parts.append(f"across {_number(across, '+.3f')} deg")
    parts += [f"{name} {value}" for name, value in _counts(view)]
    return "  ".join(parts)


def _table(view: View, across: float | None) -> "Table":
    from rich.table import Table

    whole = Table.grid(padding=(0, 0))
    pmus = Table(title=f"{view.elapsed_s:.1f} s", title_justify="left")
    for name in ("PMU", "line", "bus", "frames/s", "Hz", "angle", "sent", "admitted"):
        right = name not in ("PMU", "line", "bus")
        pmus.add_column(name, justify="right" if right else "left", min_width=6)
    for row in view.rows:
        reading = row.reading
        degrees = None
        if reading is not None and reading.angle_rad is not None:
            degrees = math.degrees(reading.angle_rad)
        pmus.add_row(
            *(row.name, row.line, row.bus, _number(row.rate, ".1f")),
            _number(reading.frequency_hz if reading else None, ".4f"),
            _number(degrees, "+.2f"),
            *(str(row.sent), str(row.admitted)),
        )
    told = [*_counts(view), ("angle across", f"{_number(across, '+.3f')}")]
    half = (len(told) + 1) // 2
    for part in (told[:half], told[half:]):
        counts = Table()
        for name, _ in part:
            counts.add_column(name, justify="right", min_width=6)
        counts.add_row(*(value for _, value in part))
        whole.add_row(counts)
    outer = Table.grid()
    outer.add_row(pmus)
    outer.add_row(whole)
    record = view.agent["record"] or "not asked yet"
    outer.add_row("sent: data frames; heard to refused: configuration frames and stated holes too")
    outer.add_row(f"clock: {view.agent['clock']}   record: {record}")
    return outer
