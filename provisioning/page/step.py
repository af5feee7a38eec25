"""One step of the way from an empty folder to a report, as the page shows it.

1. A step is a thin shell around the plain functions that the command line calls; it decides nothing
   about keys, plans or checks itself.
2. How far a step is follows from the gateway's folder, never from the browser: whoever reloads, or
   comes with another device, goes on where it was.

It draws no frame around itself (layout.py) and speaks no HTTP (server.py).
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, Protocol

from provisioning.page.desk import Desk
from provisioning.page.element import Html


class Standing(StrEnum):
    """How far a step is, in the words of the list of steps."""

    DONE = "done"
    FAULT = "look here"
    OPEN = "to do"
    WAITS = "not yet"


class FormError(Exception):
    """What was filled in cannot be taken; the text says why. `field`: the name of the one."""

    def __init__(self, text: str, field: str = "") -> None:
        super().__init__(text)
        self.field = field


class Upload(NamedTuple):
    """A file that was sent. `name`: as the browser says it, which is anybody's word."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Form:
    """What a browser sent: texts and files, by the name of their field. To show again: `token` goes
    into each form of the page, `wrong` names the field that was not taken.
    """

    texts: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Sequence[Upload]] = field(default_factory=dict)
    token: str = ""
    wrong: str = ""

    def text(self, name: str) -> str:
        return self.texts.get(name, "").strip()

    def file(self, name: str) -> bytes:
        """The one file of a field; empty: none was sent."""
        found = self.files.get(name, ())
        return found[0].content if found else b""


@dataclass(frozen=True, slots=True)
class Download:
    """A file for the browser to keep."""

    name: str
    kind: str  # media type
    content: bytes
    inline: bool = False  # shown within a page


class Step(Protocol):
    """`name`: its word in the URL. `show` and `act` may raise what plain functions raise."""

    name: str
    title: str

    def standing(self, desk: Desk) -> Standing:
        """From the folder alone; raises nothing."""
        ...

    async def show(self, desk: Desk, form: Form) -> Html:
        """The step's part of the page; `form`: what was filled in last and not taken."""
        ...

    async def act(self, desk: Desk, act: str, form: Form) -> str:
        """Does what a form asks; what was done, in words. Raises FormError and others."""
        ...

    def panel(self, desk: Desk) -> AsyncIterator[tuple[Html, str]] | None:
        """What renews itself: the part of the page, and what is said aloud where it is new; None
        where nothing does. It ends where the page should be loaded anew.
        """
        ...

    async def download(self, desk: Desk, name: str) -> Download | None:
        """A file of this step; None: there is none of that name."""
        ...
