"""A source as it is typed for `init`: `c37118+tcp://10.0.0.7:4712?idcode=7&name=pmu-a&bus=Bus%201`.

1. `name` and `bus` are ours; everything else is drivers.url's to read, and an option of the scheme.
2. What cannot be understood is refused with the part that is wrong; nothing is dropped silently.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from drivers import url as address
from drivers.url import Option
from evidence.config import ConfigError

OURS = ("name", "bus")


class RequestError(ValueError):
    """What was asked cannot be done as asked; the text says what to ask instead."""


@dataclass(frozen=True, slots=True)
class SourceRequest:
    """One source of the gateway to be. `bus`: by its name; empty: the only one there is."""

    name: str
    scheme: str
    options: Mapping[str, Option]
    bus: str = ""


def parse(url: str, number: int) -> SourceRequest:
    """The source in a URL; one without a name is called `source-NUMBER`. Raises RequestError."""
    try:
        found = address.read(url, OURS)
    except ConfigError as fault:
        raise RequestError(str(fault)) from fault
    name = found.words.get("name", f"source-{number}")
    return SourceRequest(name, found.scheme, found.options, found.words.get("bus", ""))
