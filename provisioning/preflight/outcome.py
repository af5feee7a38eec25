"""What one check of the pre-flight found: a word, the figure that it stands on, and what to do.

1. A check that could not see is never `ok`: it says what it would need.
2. A figure has its unit, and the limit that it was held against.
3. Who waives a fault is named, with the reason; the fault stays beside it.

It checks nothing.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, NamedTuple


class Word(StrEnum):
    """The greater rules: of several, the one that a technician has to act on."""

    OK = "ok"
    WAIVED = "waived"
    CANNOT_TELL = "cannot tell"
    FAULT = "fault"


class Outcome(NamedTuple):
    """`check`: its name, such as "ct-direction"; `of`: a source, "SOURCE/CHANNEL", or empty for the
    gateway; `needs`: what is missing, where nobody can tell; `todo`: what to do about a fault.
    """

    check: str
    of: str
    word: Word
    figure: str
    needs: str = ""
    todo: str = ""
    waived_by: str = ""
    waived_why: str = ""

    def told(self) -> dict[str, Any]:
        """As an object for programs."""
        return self._asdict() | {"word": str(self.word)}


def worst(outcomes: Sequence[Outcome]) -> Word:
    """What all of them together come to."""
    words = {one.word for one in outcomes}
    return next((word for word in reversed(Word) if word in words), Word.OK)


def ok(check: str, of: str, figure: str) -> Outcome:
    return Outcome(check, of, Word.OK, figure)


def fault(check: str, of: str, figure: str, todo: str) -> Outcome:
    return Outcome(check, of, Word.FAULT, figure, todo=todo)


def cannot_tell(check: str, of: str, figure: str, needs: str) -> Outcome:
    return Outcome(check, of, Word.CANNOT_TELL, figure, needs=needs)
