"""What somebody typed beside the checks: who waives which and why, and what was read elsewhere.

1. A waiver names somebody and a reason. It takes a fault or a `cannot tell` out of the exit code
   and nothing else: figure and remedy stay beside it.
2. It is never wider than meant: where several of a check are not ok, it says which (CHECK@OF; a
   source stands for its channels). One that waives nothing is told, and changes nothing: who types
   the same again after the mend is not refused.
3. A reading is MW, positive from the bus into the line or equipment. A sign is asked for: who
   types none may not have thought of it.
"""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from evidence import config
from provisioning.argument import UsageError
from provisioning.preflight.outcome import Outcome, Word

PROG = "gridseal-provision preflight"
FORM = "CHECK[@OF]=WHO:WHY"
OPEN = (Word.FAULT, Word.CANNOT_TELL)
SOME_MAX = 8  # outcomes that are named where one was meant
TEXT_MAX = 200  # characters of a name or a reason: they stand in a report
READINGS_MAX = 1000
MW_MAX = 100_000.0
_READING = re.compile(r"[+-]\d{1,6}(\.\d{1,6})?", re.ASCII)


class Waiver(NamedTuple):
    """`of`: a source, or SOURCE/CHANNEL; empty: there is but one."""

    check: str
    of: str
    who: str
    why: str

    @property
    def typed(self) -> str:
        return f"{self.check}@{self.of}" if self.of else self.check

    def means(self, one: Outcome) -> bool:
        own = not self.of or one.of == self.of or one.of.startswith(f"{self.of}/")
        return own and one.check == self.check


def waivers(texts: Iterable[str], known: list[str]) -> list[Waiver]:
    """`CHECK[@OF][,CHECK[@OF]...]=WHO:WHY` each. Raises UsageError."""
    found = []
    for text in texts:
        names, equals, rest = text.partition("=")
        who, colon, why = (part.strip() for part in rest.partition(":"))
        if not equals or not colon or not who or not why:
            raise UsageError(f"{PROG}: --waive {text!r}: expected {FORM}")
        if not (who + why).isprintable() or max(len(who), len(why)) > TEXT_MAX:
            raise UsageError(f"{PROG}: --waive: at most {TEXT_MAX} printable characters each")
        for name in names.split(","):
            check, _, of = name.strip().partition("@")
            if check not in known:
                raise UsageError(f"{PROG}: --waive {check!r} is {config.nearest(check, known)}")
            found.append(Waiver(check, of, who, why))
    return found


def waived(outcomes: Sequence[Outcome], typed: Sequence[Waiver]) -> tuple[list[Outcome], list[str]]:
    """The same outcomes, those that are waived marked so; and waivers of nothing, each with why."""
    found, idle = list(outcomes), []
    for one in typed:
        open_ = [at for at, item in enumerate(found) if one.means(item) and item.word in OPEN]
        if not open_:
            idle.append(f"--waive {one.typed} waives nothing: there is nothing to waive")
        elif len(open_) > 1 and not one.of:
            which = ", ".join(f"{one.check}@{found[at].of}" for at in open_[:SOME_MAX])
            more = ", ..." if len(open_) > SOME_MAX else ""
            idle.append(f"--waive {one.typed} waives nothing: it is of several: {which}{more}")
        else:
            for at in open_:
                found[at] = found[at]._replace(
                    word=Word.WAIVED, waived_by=one.who, waived_why=one.why
                )
    return found, idle


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
