"""What somebody typed beside the checks: who waives which and why, and what was read elsewhere.

1. A waiver names somebody and a reason. It takes a fault or a `cannot tell` out of the exit code
   and nothing else: figure and remedy stay beside it.
2. A reading is MW, positive from the bus into the line or equipment. A sign is asked for: who
   types none may not have thought of it.
"""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from evidence import config
from provisioning.argument import UsageError
from provisioning.preflight.outcome import Outcome, Word

PROG = "gridseal-provision preflight"
TEXT_MAX = 200  # characters of a name or a reason: they stand in a report
READINGS_MAX = 1000
MW_MAX = 100_000.0
_READING = re.compile(r"[+-]\d{1,6}(\.\d{1,6})?", re.ASCII)


class Waiver(NamedTuple):
    """`of`: a source, or SOURCE/CHANNEL; empty: all of the check's."""

    check: str
    of: str
    who: str
    why: str

    def covers(self, one: Outcome) -> bool:
        own = not self.of or one.of == self.of or one.of.startswith(f"{self.of}/")
        return own and one.check == self.check


def waivers(texts: Iterable[str], known: list[str]) -> list[Waiver]:
    """`CHECK[@OF][,CHECK[@OF]...]=WHO:WHY` each. Raises UsageError."""
    found = []
    for text in texts:
        names, equals, rest = text.partition("=")
        who, colon, why = (part.strip() for part in rest.partition(":"))
        if not equals or not colon or not who or not why:
            raise UsageError(f"{PROG}: --waive {text!r}: expected CHECK=WHO:WHY")
        if not (who + why).isprintable() or max(len(who), len(why)) > TEXT_MAX:
            raise UsageError(f"{PROG}: --waive: at most {TEXT_MAX} printable characters each")
        for name in names.split(","):
            check, _, of = name.strip().partition("@")
            if check not in known:
                raise UsageError(f"{PROG}: --waive {check!r} is {config.nearest(check, known)}")
            found.append(Waiver(check, of, who, why))
    return found


def waived(outcomes: Iterable[Outcome], typed: Sequence[Waiver]) -> list[Outcome]:
    """The same outcomes; what is not `ok` and somebody waives is WAIVED."""
    return [_waived(one, typed) for one in outcomes]


def _waived(one: Outcome, typed: Sequence[Waiver]) -> Outcome:
    by = next((waiver for waiver in typed if waiver.covers(one)), None)
    if by is None or one.word is Word.OK:
        return one
    return one._replace(word=Word.WAIVED, waived_by=by.who, waived_why=by.why)


def readings(texts: Iterable[str], sources: list[str]) -> dict[str, float]:
    """`SOURCE/BAY=MW` each, such as pmu-a/I=-118. Raises UsageError."""
    found: dict[str, float] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.rpartition("="))
        if not equals or not _READING.fullmatch(value):
            expected = "expected SOURCE/BAY=MW with its sign, such as pmu-a/I=+118 or pmu-a/I=-118"
            raise UsageError(f"{PROG}: --reading {text!r}: {expected}")
        source = name.partition("/")[0]
        if source not in sources:
            raise UsageError(f"{PROG}: --reading {source!r} is {config.nearest(source, sources)}")
        if name in found:
            raise UsageError(f"{PROG}: --reading {name!r} stands twice")
        if len(found) >= READINGS_MAX or abs(float(value)) > MW_MAX:
            raise UsageError(f"{PROG}: --reading {text!r}: more than anybody reads")
        found[name] = float(value)
    return found
