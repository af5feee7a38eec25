"""Hourly public figures of a scenario, from the CSV beside it.

1. A row is of the hour that ENDS at its instant, as EIA-930 and most settlements have it: what is
   called 02:00 lies between 01:00 and 02:00. Nobody else in this folder knows that convention.
2. Instants carry their offset from UTC, so that no zone is guessed; rows follow one another hour by
   hour, and a missing one is a fault.
3. Lines that begin with # are for people: where the figures are from.

It opens no file: the text is brought to it. It converts no sign and no unit.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from evidence.config import ConfigError
from evidence.leap import BUILT_IN, NS

HOUR_NS = 3600 * NS
ENDING = "ending"
ROWS_MAX = 100_000  # eleven years of hours
FIGURE_MAX = 10_000_000  # MWh of an hour: ten times what a continent takes


@dataclass(frozen=True, slots=True)
class Hours:
    """Figures by column, each for the hour from `begins` + its place, ns TAI."""

    begins: int
    columns: dict[str, tuple[int, ...]]

    @property
    def ends(self) -> int:
        return self.begins + HOUR_NS * len(next(iter(self.columns.values())))

    def of(self, column: str, tai: int) -> int:
        """The figure of the hour in which an instant lies. Raises KeyError, IndexError."""
        if not self.begins <= tai < self.ends:
            raise IndexError(f"no hour of the figures has {tai} ns TAI in it")
        return self.columns[column][(tai - self.begins) // HOUR_NS]


def read(text: str, file: str) -> Hours:
    """The figures in a text. Raises ConfigError."""
    told = list(enumerate(text.splitlines(), 1))
    lines = [(number, line) for number, line in told if line.strip() and line[0] != "#"]
    if not lines or len(lines) > ROWS_MAX:
        raise ConfigError(file, "", f"{len(lines)} rows; 1 to {ROWS_MAX} expected")
    names = lines[0][1].split(",")  # nothing in it has a comma, and nothing is quoted
    if names[0] != ENDING or len(names) < 2 or len(set(names)) != len(names):
        text = f"found {lines[0][1][:80]!r}; expected {ENDING}, and a name for each column"
        raise ConfigError(file, "", text, lines[0][0])
    rows = [_row(number, line, names, file) for number, line in lines[1:]]
    if not rows:
        raise ConfigError(file, "", "no hour in it")
    for (before, _), (after, _), (number, _) in zip(rows, rows[1:], lines[2:], strict=False):
        if after != before + HOUR_NS:
            raise ConfigError(file, ENDING, "not the hour after the one before", number)
    columns = {name: tuple(figures[at] for _, figures in rows) for at, name in enumerate(names[1:])}
    return Hours(rows[0][0] - HOUR_NS, columns)


def tai_of(at: datetime) -> int:
    """An instant with its offset from UTC, ns TAI. Raises ValueError without one."""
    if at.tzinfo is None:
        raise ValueError(f"{at.isoformat()} says no offset from UTC, such as -06:00")
    since = at - datetime.fromisoformat("1970-01-01T00:00:00+00:00")
    whole = since // timedelta(seconds=1)
    micros = (since - timedelta(seconds=whole)) // timedelta(microseconds=1)
    return BUILT_IN.tai_ns(whole, micros * 1000)


def _row(number: int, line: str, names: list[str], file: str) -> tuple[int, list[int]]:
    found = line.split(",")
    try:
        ending, figures = datetime.fromisoformat(found[0]), [int(item) for item in found[1:]]
        if len(found) != len(names) or ending.second or ending.minute:
            raise ValueError(f"{len(found)} columns, and a whole hour")
        if any(abs(figure) > FIGURE_MAX for figure in figures):
            raise ValueError(f"none beyond {FIGURE_MAX}")
        return tai_of(ending), figures
    except ValueError as fault:
        text = f"found {line[:80]!r}; expected the end of an hour, and whole numbers: {fault}"
        raise ConfigError(file, "", text, number) from fault
