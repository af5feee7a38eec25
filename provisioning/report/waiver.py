"""Waivers, as they are typed, and the outcomes that they are of.

1. A waiver names one check, who waives it, and why; the outcome that is waived keeps its figure,
   what it needs and what there is to do.
2. It is never wider than meant: where several outcomes of a check are not ok, it says which
   (CHECK@OF, where a source stands for its channels too). What is ok cannot be waived, nor what is
   not there.
"""

from collections.abc import Iterable, Sequence
from typing import Annotated, NamedTuple

import msgspec

from evidence import config
from evidence.config import ConfigError
from provisioning.argument import UsageError
from provisioning.preflight.outcome import Outcome, Word
from provisioning.report import document
from provisioning.report.document import CHECKS_MAX, Check

FORM = "CHECK[@OF]=WHO:WHY"
_EXAMPLE = "ct-direction@pmu-a/IA=Ann Lee:drawing 17 shows it"
_SOME_MAX = 8  # outcomes that are named where one was meant


class Waiver(NamedTuple):
    """`of`: a source, or SOURCE/CHANNEL; empty: there is but one."""

    check: str
    of: str
    who: str
    why: str

    def means(self, outcome: Outcome) -> bool:
        if self.check != outcome.check:
            return False
        return not self.of or outcome.of == self.of or outcome.of.startswith(f"{self.of}/")

    @property
    def typed(self) -> str:
        return f"{self.check}@{self.of}" if self.of else self.check


class _File(msgspec.Struct, frozen=True):
    """What `preflight --json` prints, as far as a report needs it."""

    outcomes: Annotated[list[Check], msgspec.Meta(max_length=CHECKS_MAX)]


def read(text: str) -> Waiver:
    """A waiver as it was typed. Raises UsageError."""
    what, equals, rest = text.partition("=")
    check, _, of = what.partition("@")
    who, colon, why = (part.strip() for part in rest.partition(":"))
    if not (equals and colon and check.strip() and who and why):
        raise UsageError(f"--waive {text!r}: expected {FORM}, such as {_EXAMPLE!r}")
    return Waiver(check.strip(), of.strip(), who, why)


def waived(outcomes: Sequence[Outcome], waivers: Iterable[Waiver]) -> list[Outcome]:
    """The outcomes, with those that are waived marked so. Raises UsageError."""
    found = list(outcomes)
    for waiver in waivers:
        meant = [at for at, one in enumerate(found) if waiver.means(one)]
        open_ = [at for at in meant if found[at].word in {Word.FAULT, Word.CANNOT_TELL}]
        if not meant:
            names = sorted({one.check for one in found})
            known = config.nearest(waiver.check, names) if names else "unknown: nothing was checked"
            if waiver.check in names:
                known = f"of nothing that is called {waiver.of!r}"
            raise UsageError(f"--waive {waiver.typed!r} is {known}")
        if not open_:
            raise UsageError(f"--waive {waiver.typed!r}: there is nothing to waive; it is ok")
        if len(open_) > 1 and not waiver.of:
            which = ", ".join(f"{waiver.check}@{found[at].of}" for at in open_[:_SOME_MAX])
            more = ", ..." if len(open_) > _SOME_MAX else ""
            raise UsageError(f"--waive {waiver.typed!r} is of several; say which: {which}{more}")
        for at in open_:
            found[at] = found[at]._replace(
                word=Word.WAIVED, waived_by=waiver.who, waived_why=waiver.why
            )
    return found


def outcomes(data: bytes, file: str) -> list[Outcome]:
    """The outcomes in a file that `preflight --json` printed. Raises ConfigError."""
    if len(data) > config.CONFIG_BYTES_MAX:
        text = f"{len(data)} bytes; at most {config.CONFIG_BYTES_MAX}"
        raise ConfigError(file, "", text)
    try:
        found = msgspec.json.decode(data, type=_File)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        text = f"is not what preflight --json prints: {fault}"
        raise ConfigError(file, "", text) from fault
    return [document.outcome(one) for one in found.outcomes]
