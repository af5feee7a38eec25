"""A source as it is typed on one line: `c37118+tcp://192.0.2.7:4712?idcode=7`, `goose://eth0`.

1. The scheme is a row of drivers.registry. The row says which options host, port and path are
   (registry.Place); what stands in the query are options of the scheme by their own names.
2. Options have types in a scheme's struct and none in a URL: what reads as the type that the struct
   has is one, a list stands between commas. Whether it may be so is the struct's to say, and the
   fault names the option, or the nearest known one.
3. What cannot be understood is refused with the part that is wrong; nothing is dropped silently.

It opens nothing, and makes no driver.
"""

import ipaddress
import re
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import msgspec

from drivers import registry
from drivers.line import Source
from drivers.registry import Place
from evidence.config import ConfigError, nearest

Option = str | int | float | bool | list[Any]
_WORDS = {"true": True, "false": False}
_INTEGER = re.compile(r"-?\d{1,18}|0x[0-9a-f]{1,15}", re.ASCII | re.IGNORECASE)
_NUMBER = re.compile(r"-?\d{1,18}(\.\d{0,18})?(e-?\d{1,3})?", re.ASCII | re.IGNORECASE)


class Typed(NamedTuple):
    """What was typed: a scheme, its options in their types, and words that are the reader's own."""

    scheme: str
    options: Mapping[str, Option]
    words: Mapping[str, str]


def source(url: str) -> Source:
    """The source in a URL, called by its scheme and address. Raises ConfigError."""
    found = read(url)
    made = Source(url.partition("?")[0], found.scheme, found.options)
    registry.options_of(made)
    return made


def read(url: str, words: Collection[str] = ()) -> Typed:
    """What stands in a URL. `words`: keys of the query that are not the scheme's.

    Whether the options are good is not asked: registry.options_of says. Raises ConfigError.
    """
    if len(url) > registry.URL_CHARACTERS_MAX:
        raise _fault(url, f"{len(url)} characters; at most {registry.URL_CHARACTERS_MAX}")
    if "@" in url.partition("?")[0]:
        raise _fault("", "a user or password (before @) means nothing here")
    try:
        parts = urlsplit(url)
        query = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        port = parts.port
    except ValueError as fault:
        raise _fault(url, str(fault)) from fault
    if parts.scheme not in registry.SCHEMES:
        known = list(registry.SCHEMES)
        text = nearest(parts.scheme, known) if parts.scheme else f"missing; known: {known}"
        raise _fault(url, f"scheme {parts.scheme!r} is {text}")
    row = registry.SCHEMES[parts.scheme]
    given = _address(url, parts, port, row.place)
    types = _types(parts.scheme)
    told: dict[str, str] = {}
    for key, value in query:
        if key in given or key in told:
            raise _fault(url, f"{key} is given twice")
        if key in words:
            told[key] = value
        else:
            given[key] = _typed(types.get(key), value)
    if row.place.local_host and row.place.host not in given:
        given = {**registry.UNASKED, **given}  # nobody in particular is there to be asked
    return Typed(parts.scheme, given, told)


def _address(url: str, parts: SplitResult, port: int | None, place: Place) -> dict[str, Option]:
    """Host, port and path, as the options that they are. Raises ConfigError."""
    if parts.fragment:
        raise _fault(url, f"'#{parts.fragment}' means nothing here; write # in a name as %23")
    host, path = _host(parts, port), parts.path if parts.path != "/" else ""
    place = _nearer(host, place)
    given: dict[str, Option] = {}
    if host and not place.host:
        text = f"has a host and a path; a device file is written {parts.scheme}:///{host}{path}"
        raise _fault(url, text)
    if path and not place.path:
        raise _fault(url, f"has a host and a path; {path!r} means nothing here")
    if port is not None and not place.port:
        raise _fault(url, f"port {port} means nothing here")
    if host:
        given[place.host] = host
    if path:
        given[place.path] = unquote(path)
    if port is not None:
        given[place.port] = port
    return given


def _nearer(host: str, place: Place) -> Place:
    """Where the host is an address of ours, or of a group: the options that it and its port are."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return place
    if place.local_host and address.is_unspecified:
        return place._replace(host=place.local_host, port=place.local_port)
    if place.group and address.is_multicast:
        return place._replace(host=place.group, port=place.local_port)
    return place


def _host(parts: SplitResult, port: int | None) -> str:
    """As it was typed: `hostname` would have it in small letters, and interfaces have both."""
    text = parts.netloc
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.rpartition(":")[0] if port is not None else text.removesuffix(":")


def _types(scheme: str) -> dict[str, Any]:
    """The options of a scheme and their types."""
    info = msgspec.inspect.type_info(registry.options_type(scheme))
    fields = info.fields if isinstance(info, msgspec.inspect.StructType) else ()
    return {field.encode_name: field.type for field in fields}


def _typed(info: Any, text: str) -> Option:
    """What the text is where this type is wanted; the text where it is none."""
    if isinstance(info, msgspec.inspect.UnionType):
        found = [_typed(one, text) for one in info.types]
        return next((value for value in found if not isinstance(value, str)), text)
    item = getattr(info, "item_type", None)
    if item is not None:
        return [_typed(item, part) for part in text.split(",")] if text else []
    if isinstance(info, msgspec.inspect.LiteralType):
        known = [value for value in info.values if value is not None]
        return next((value for value in known if str(value) == text), text)
    if isinstance(info, msgspec.inspect.BoolType):
        return _WORDS.get(text, text)
    if isinstance(info, msgspec.inspect.IntType) and _INTEGER.fullmatch(text):
        return int(text, 16 if text[:2].lower() == "0x" else 10)
    if isinstance(info, msgspec.inspect.FloatType) and _NUMBER.fullmatch(text):
        return float(text)
    return text


def _fault(url: str, text: str) -> ConfigError:
    return ConfigError(f"source {url[:80]!r}" if url else "source", "", text)
