"""What is typed behind an option of `gridseal-hil`: numbers within bounds, and names out of a list.

1. What is out of bounds, or no such name, is refused in one line that says what to type instead.
2. An empty list of names is no list: without the option all of them are meant.

Which command takes which is hil.cli's, and hil.bench.command's.
"""

import argparse
from collections.abc import Callable, Collection

from evidence import config
from provisioning.argument import Parser, UsageError

SECONDS_MAX = 7 * 86_400
STREAMS_MAX = 1000
PORT_MAX = 65_535
GATEWAYS_MAX = 64  # processes of this machine, 40 MiB each
SEED_MAX = (1 << 32) - 1
RUNS_MAX = 10_000_000  # of the simulation, and cases of each target of the fuzzing
JOBS_MAX = 256
_DIGITS_MAX = 12  # more than any bound has


def number(least: int, most: int) -> Callable[[str], int]:
    """Reads a whole number within these bounds."""

    def read(text: str) -> int:
        digits = text.isascii() and text.isdigit()
        if not digits or not least <= int(text[:_DIGITS_MAX]) <= most:
            raise argparse.ArgumentTypeError(f"{text!r}; {least} to {most} expected")
        return int(text)

    return read


seed = number(0, SEED_MAX)


def duration(text: str) -> float:
    """Seconds."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= SECONDS_MAX:
        raise argparse.ArgumentTypeError(f"{text!r}; seconds above 0, at most {SECONDS_MAX}")
    return value


def add_seconds(parser: Parser, text: str) -> None:
    """`--seconds N`."""
    parser.add_argument("--seconds", type=duration, metavar="N", help=text)


def named(told: str, name: str, known: Collection[str]) -> None:
    """Raises UsageError where there is no such name. `told`: the command, and its option."""
    if name not in known:
        raise UsageError(f"gridseal-hil {told}: {name!r} is {config.nearest(name, list(known))}")


def chosen(command: str, only: str | None, known: Collection[str]) -> list[str]:
    """The names that --only names, each once; all of them without it. Raises UsageError."""
    names = list(known) if only is None else only.split(",")
    for name in names:
        named(f"{command}: --only", name, known)
    return list(dict.fromkeys(names))
