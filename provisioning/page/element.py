"""HTML as it is put together: elements whose text is escaped, so that nothing that a device, a file
or a person said is read as markup.

1. Characters that are not printed, or turn what follows (U+202E), are shown as their numbers.
2. Only what `tag` and `joined` made is Html; every other text is escaped where it enters.
3. No element has an inline script, an inline style or a handler: the page's policy forbids them.

It knows no page. What makes an element is record/page/element.py's as well: neither side may import
the other, and a test holds the two to each other.
"""

import html
import re

from provisioning.terminal import printable

VOID = frozenset({"br", "img", "input", "link", "meta"})  # HTML, 13.1.2: no end tag
_LINES = re.compile(r"[^\r\n\t]+")  # a text area sends CR and LF
Value = str | int | float | bool | None


class Html(str):
    """Text that is HTML already: made by `tag` and `joined` alone."""

    __slots__ = ()


Child = Html | str | None


def tag(name: str, /, *children: Child, **attributes: Value) -> Html:
    """One element. In an attribute's name `_` is `-`, and a last one is dropped (`for_`); True is
    an attribute without a value, False and None are none.
    """
    told = "".join(_attribute(key, value) for key, value in attributes.items())
    end = "" if name in VOID else f"{joined(*children)}</{name}>"
    return Html(f"<{name}{told}>{end}")


def joined(*children: Child) -> Html:
    """Several, one after the other."""
    return Html("".join(map(_escaped, children)))


def _escaped(child: Child) -> str:
    if child is None:
        return ""
    return child if isinstance(child, Html) else html.escape(_printed(child))


def _printed(text: str) -> str:
    if text.isprintable():
        return text
    return _LINES.sub(lambda found: printable(found[0]), text)


def _attribute(key: str, value: Value) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{html.escape(_printed(str(value)))}"'
