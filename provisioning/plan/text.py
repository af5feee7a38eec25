"""A site plan as the text of a site.toml: what evidence.siteplan reads back as the same plan.

1. What is as it is where nothing stands (a default) is not written.
2. What is in a string and is no printable character is escaped: a name from elsewhere adds no line,
   and nothing that a terminal would obey.
3. Tables come in the order of the plan; what belongs to one line (an end, a base, a correction)
   stands on it.

Pure: it writes no file, and believes nothing for having been written here; `checked` reads it back.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from evidence import siteplan
from evidence.config import ConfigError
from evidence.siteplan import SitePlan

_TABLES = ("survey", "antenna", "channel")  # what has a table of its own below another


def written(plan: SitePlan, heading: Sequence[str] = ()) -> str:
    """The whole plan. `heading`: comments at its top, a line each."""
    lines = [f"# {_plain(line)}".rstrip() for line in heading]
    if lines:
        lines.append("")
    lines += _table("[site]", ("site",), plan.site)
    return "\n".join(lines) + "\n" + tables(plan)


def tables(plan: SitePlan) -> str:
    """All of a plan but its [site]: what can be put at the end of another's text."""
    lines: list[str] = []
    for field in msgspec.structs.fields(plan):
        items = getattr(plan, field.name)
        if isinstance(items, list):
            for item in items:
                lines += ["", *_table(f"[[{field.name}]]", (field.name,), item)]
    return "\n".join(lines) + "\n" if lines else ""


def checked(plan: SitePlan, text: str, file: str) -> str:
    """The text, if it is read back as the plan. Raises ConfigError with what is wrong in it, of the
    file that it was made from.
    """
    try:
        found = siteplan.read(text, file)
    except ConfigError as fault:
        raise ConfigError(file, fault.key, f"{fault.text} (in the site plan made of it)") from fault
    if found != plan:
        raise ConfigError(file, "", "the site plan made of it reads back as another")
    return text


def quoted(string: str) -> str:
    """A TOML basic string."""
    return '"' + "".join(map(_escaped, string)) + '"'


def _table(header: str, place: tuple[str, ...], struct: msgspec.Struct) -> list[str]:
    lines, below = [header], []
    for key, found in _stated(struct):
        if key in _TABLES:
            path = (*place, key)
            for item in found if isinstance(found, list) else [found]:
                name = ".".join(path)
                head = f"[[{name}]]" if isinstance(found, list) else f"[{name}]"
                below += _table(head, path, item)
        else:
            lines.append(f"{key} = {value(found)}")
    return lines + below


def _stated(struct: msgspec.Struct) -> Iterator[tuple[str, Any]]:
    """Keys and values that differ from what is where nothing stands."""
    for field in msgspec.structs.fields(struct):
        found = getattr(struct, field.name)
        default: Any = field.default
        if default is msgspec.NODEFAULT and field.default_factory is not msgspec.NODEFAULT:
            default = field.default_factory()
        if field.required or found != default:
            yield field.encode_name, found


def value(found: Any) -> str:
    """A value on one line."""
    if isinstance(found, bool):
        return "true" if found else "false"
    if isinstance(found, str):
        return quoted(found)
    if isinstance(found, list | tuple):
        return f"[{', '.join(map(value, found))}]"
    if isinstance(found, msgspec.Struct):
        return "{ " + ", ".join(f"{key} = {value(one)}" for key, one in _stated(found)) + " }"
    return repr(found)


def _escaped(sign: str) -> str:
    if sign in '"\\':
        return f"\\{sign}"
    if sign.isprintable():
        return sign
    return f"\\u{ord(sign):04x}" if ord(sign) < 0x10000 else f"\\U{ord(sign):08x}"


def _plain(text: str) -> str:
    return "".join(sign if sign.isprintable() else " " for sign in text)
