"""A source as it is typed on one line: `c37118+tcp://10.0.0.7:4712?idcode=7&name=pmu-a&bus=Bus%201`.

1. The scheme is a row of drivers.registry; `name` and `bus` are ours, everything else is an option
   of the scheme.
2. Host and port are the options `host` and `port`; a path is the option `path`
   (`c37118+serial:///dev/ttyUSB0?...`).
3. What cannot be understood is refused with the part that is wrong; nothing is dropped silently.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, urlsplit

from drivers import registry
from evidence import config

URL_CHARACTERS_MAX = 2048
_WORDS = {"true": True, "false": False}
Option = str | int | bool


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
    if len(url) > URL_CHARACTERS_MAX:
        raise RequestError(f"a source of {len(url)} characters; at most {URL_CHARACTERS_MAX}")
    if "@" in url.partition("?")[0]:
        raise RequestError(f"source {number}: a user or password (before @) means nothing here")
    try:
        parts = urlsplit(url)
        query = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        options = _address(parts)
    except ValueError as fault:
        raise RequestError(f"source {url!r}: {fault}") from fault
    if parts.scheme not in registry.SCHEMES:
        found = config.nearest(parts.scheme, list(registry.SCHEMES)) if parts.scheme else "missing"
        raise RequestError(f"source {url!r}: scheme {parts.scheme!r} is {found}")
    for key, value in query:
        if key in options:
            raise RequestError(f"source {url!r}: {key} is given twice")
        options[key] = value if key in ("name", "bus") else _typed(value)
    name = str(options.pop("name", f"source-{number}"))
    return SourceRequest(name, parts.scheme, options, str(options.pop("bus", "")))


def _address(parts: SplitResult) -> dict[str, Option]:
    """Host, port and path, as options. Raises ValueError."""
    if parts.fragment:
        raise ValueError(f"'#{parts.fragment}' means nothing here; write # in a name as %23")
    options: dict[str, Option] = {}
    if parts.hostname:
        options["host"] = parts.hostname
        if parts.path not in ("", "/"):
            raise ValueError(
                f"has a host and a path; a device file is written {parts.scheme}://{parts.path}"
            )
    elif parts.path:
        options["path"] = parts.path
    if parts.port is not None:
        options["port"] = parts.port
    return options


def _typed(value: str) -> Option:
    """Options have types in TOML and none in a URL: what reads as a number or a truth is one."""
    if value.isascii() and value.removeprefix("-").isdigit() and len(value) <= 18:
        return int(value)
    return _WORDS.get(value, value)
