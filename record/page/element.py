"""HTML as it is put together: elements whose text is escaped, so that nothing that a device, an
authority or a file said is read as markup.

1. Only what is made here is Html; every other text is escaped where it enters.
2. Characters that are not printed, or turn what follows (U+202E), are shown as their numbers.
3. No element has an inline script, an inline style or a handler: the page's policy forbids them.

It knows no page. What makes an element is provisioning/page/element.py's as well: neither side may
import the other, and a test holds the two to each other.
"""

import html
import re
from collections.abc import Sequence

VOID = frozenset({"br", "img", "input", "link", "meta"})  # HTML, 13.1.2: no end tag
_LINES = re.compile(r"[^\r\n\t]+")  # these lay out no text, and turn nothing
Value = str | int | float | bool | None


class Html(str):
    """Text that is HTML already: made in this file alone."""

    __slots__ = ()


Child = Html | str | None
DOCTYPE = Html("<!doctype html>")


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


def table(caption: str, headings: Sequence[str], rows: Sequence[Sequence[Child]]) -> Html:
    """Rows under headings; the first cell of a row is its heading. On a small screen each row is a
    block whose cells carry their heading (data-of)."""
    # Roles in words: what is laid out as blocks is a table to a screen reader all the same.
    head = [tag("th", one, scope="col", role="columnheader") for one in headings]
    body = [
        tag(
            "tr",
            tag("th", row[0], scope="row", role="rowheader"),
            *(
                tag("td", tag("div", cell), data_of=heading, role="cell")
                for heading, cell in zip(headings[1:], row[1:], strict=True)
            ),
            role="row",
        )
        for row in rows
    ]
    return tag(
        "table",
        tag("caption", caption),
        tag("thead", tag("tr", *head, role="row"), role="rowgroup"),
        tag("tbody", *body, role="rowgroup"),
        role="table",
    )


def facts(rows: Sequence[tuple[str, Child]]) -> Html:
    """Names and what they are."""
    return tag("dl", *(joined(tag("dt", name), tag("dd", told)) for name, told in rows))


def _escaped(child: Child) -> str:
    if child is None:
        return ""
    return child if isinstance(child, Html) else html.escape(_printed(child))


def _printed(text: str) -> str:
    if text.isprintable():
        return text
    return _LINES.sub(lambda found: _numbered(found[0]), text)


def _numbered(text: str) -> str:
    return "".join(one if one.isprintable() else f"\\u{ord(one):04x}" for one in text)


def _attribute(key: str, value: Value) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{html.escape(_printed(str(value)))}"'
