"""What was found, and where it is told while more is looked for.

1. A finding with a URL is a source as `gridseal-agent listen` takes it; one without says why it is
   none.
2. What a device says of itself (station, svID, ...) is its own word: bounded here, and printed by
   provisioning.terminal, which escapes what is none.
3. FINDINGS_MAX are kept: what says more is looked at no further.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

FINDINGS_MAX = 512  # of one search
TEXT_MAX = 200  # characters of a word of a device's own
Fact = str | int | float | bool | None | list[str]


class SearchError(Exception):
    """A place could not be looked at; the text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing. `name`: for its source, as far as it says one. `stream`: what the site plan may
    state of it. `needs`: what its source lacks before it can run.
    """

    kind: str  # c37118, modbus, goose, sv, receiver, board, serial
    where: str
    what: str  # in words
    url: str = ""
    name: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    stream: Mapping[str, int | str] = field(default_factory=dict)
    needs: str = ""

    def told(self) -> dict[str, Any]:
        """As one object for JSON."""
        keys = ("kind", "where", "what", "url", "name", "needs")
        return {**{key: getattr(self, key) for key in keys}, "facts": dict(self.facts)}


class Found:
    """All of one search. `tell`: words about its course, as they come."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.tell = tell
        self.findings: list[Finding] = []

    @property
    def full(self) -> bool:
        return len(self.findings) >= FINDINGS_MAX

    def add(self, finding: Finding) -> None:
        if not self.full:
            self.findings.append(finding)
            self.tell(f"found at {finding.where}: {finding.what}")


def short(text: str) -> str:
    """A device's own word."""
    return text if len(text) <= TEXT_MAX else text[: TEXT_MAX - 3] + "..."


def url_of(scheme: str, place: str, options: Mapping[str, str | int]) -> str:
    """As drivers.url reads it. `place`: host and port, or the path of a device file."""
    query = urlencode({key: str(value) for key, value in options.items()}, quote_via=quote)
    return f"{scheme}://{quote(place, safe='/:[].-_')}" + (f"?{query}" if query else "")
