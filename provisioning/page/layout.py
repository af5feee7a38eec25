"""The frame around every step: head, list of steps, what was said, and what forms are made of.

1. Landmarks (header, nav, main, footer), one h1, a link that skips to the content; each field has a
   label and what is wrong with it; nothing is told by colour alone.
2. It works without script: the one small script renews what renews itself, else the page is asked
   for again after some seconds.

It knows no step's content.
"""

from collections.abc import Mapping, Sequence

from provisioning.page.element import Child, Html, joined, tag

TITLE = "Gridseal"
RENEW_S = 3  # without script
MARKS = {
    "ok": "\u2713",
    "done": "\u2713",
    "fault": "\u2717",
    "look here": "\u2717",
    "cannot tell": "?",
    "waived": "\u2192",
    "to do": "\u25cb",
    "not yet": "\u00b7",
}


def document(
    title: str,
    content: Html,
    *,
    statics: Mapping[str, str],
    nav: Html | None = None,
    foot: Html | None = None,
    renew: bool = False,
) -> str:
    """A whole page. `statics`: the addresses of style and script; `renew`: it shows what
    changes.
    """
    again = tag("noscript", tag("meta", http_equiv="refresh", content=RENEW_S)) if renew else None
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="only light"),
        tag("title", f"{title} \u2013 {TITLE}"),
        tag("link", rel="stylesheet", href=statics["page.css"]),
        tag("link", rel="icon", href="data:,"),
        tag("script", src=statics["page.js"], defer=True),
        again,
    )
    body = tag(
        "body",
        tag("a", "Skip to the content", href="#content", class_="skip"),
        tag("header", tag("p", TITLE, tag("span", " provisioning"), class_="brand"), nav),
        tag("main", tag("h1", title), content, id="content", tabindex="-1"),
        foot,
    )
    return f"<!doctype html>{tag('html', head, body, lang='en')}"


def steps(rows: Sequence[tuple[str, str, str]], current: str) -> Html:
    """The list of steps: name, title and standing of each."""
    items = [
        tag(
            "li",
            tag(
                "a",
                tag("span", MARKS[standing], aria_hidden="true", class_="mark"),
                tag("span", title, class_="title"),
                tag("span", standing, class_="standing"),
                href=f"/step/{name}",
                aria_current="step" if name == current else None,
            ),
            class_=f"is-{standing.replace(' ', '-')}",
        )
        for name, title, standing in rows
    ]
    return tag("nav", tag("ol", *items), aria_label="Steps")


def onward(name: str, title: str) -> Html:
    """To the next step."""
    link = tag("a", f"Next: {title}", href=f"/step/{name}", class_="button")
    return tag("p", link, class_="onward")


def foot(form_token: str, gateway: str) -> Html:
    """Which gateway this is, and the way out."""
    out = tag(
        "form",
        hidden("form", form_token),
        tag("button", "Sign out", class_="quiet"),
        method="post",
        action="/sign-out",
    )
    return tag("footer", tag("p", gateway), out)


def hidden(name: str, value: str) -> Html:
    return tag("input", type="hidden", name=name, value=value)


def said(*lines: str) -> Html:
    """What was done."""
    return tag("div", *(tag("p", line) for line in lines), role="status", class_="said")


def alert(*lines: str) -> Html:
    """What went wrong, and what to do; the script gives it the focus."""
    text = [tag("p", line) for line in lines]
    return tag("div", *text, role="alert", tabindex="-1", class_="alert", id="alert")


def field(
    name: str,
    label: str,
    value: str = "",
    *,
    hint: str = "",
    wrong: str = "",
    kind: str = "text",
    required: bool = False,
    **more: str | int | bool | None,
) -> Html:
    """A labelled field. `wrong`: what is wrong with it."""
    told = " ".join(f"{name}-{part}" for part, text in (("hint", hint), ("wrong", wrong)) if text)
    return tag(
        "div",
        tag("label", label, None if required else tag("span", " (optional)"), for_=name),
        tag("p", hint, id=f"{name}-hint", class_="hint") if hint else None,
        tag("p", f"Wrong: {wrong}", id=f"{name}-wrong", class_="wrong") if wrong else None,
        tag(
            "input",
            id=name,
            name=name,
            type=kind,
            value=None if kind == "file" else value,
            required=required,
            aria_describedby=told or None,
            aria_invalid="true" if wrong else None,
            autocomplete="off",
            **more,
        ),
        class_="field",
    )


def area(name: str, label: str, value: str = "", *, hint: str = "", rows: int = 4) -> Html:
    """A labelled field of several lines."""
    return tag(
        "div",
        tag("label", label, for_=name),
        tag("p", hint, id=f"{name}-hint", class_="hint") if hint else None,
        tag(
            "textarea", value, id=name, name=name, rows=rows, spellcheck="false",
            autocomplete="off", aria_describedby=f"{name}-hint" if hint else None,
        ),
        class_="field",
    )  # fmt: skip


def choice(name: str, label: str, options: Sequence[tuple[str, str]], value: str = "") -> Html:
    """A labelled choice of one: value and words of each."""
    rows = [tag("option", words, value=one, selected=one == value) for one, words in options]
    return tag(
        "div",
        tag("label", label, for_=name),
        tag("select", *rows, id=name, name=name),
        class_="field",
    )


def tick(
    name: str, label: Child, value: str = "yes", *, checked: bool = False, mark: str = ""
) -> Html:
    """A box to tick. `mark`: where another form of the page has the same."""
    mark = f"{mark}{name}-{value}"
    box = tag("input", type="checkbox", id=mark, name=name, value=value, checked=checked)
    return tag("div", box, tag("label", label, for_=mark), class_="tick")


def form(step: str, act: str, token: str, *children: Child, files: bool = False) -> Html:
    """A form of a step."""
    return tag(
        "form",
        hidden("form", token),
        *children,
        method="post",
        action=f"/step/{step}/{act}",
        enctype="multipart/form-data" if files else None,
        novalidate=True,
    )


def button(text: str, quiet: bool = False) -> Html:
    return tag("button", text, class_="quiet" if quiet else None)


def table(caption: str, headings: Sequence[str], rows: Sequence[Sequence[Child]]) -> Html:
    """Rows under headings; the first cell of a row is its heading. On a small screen each row is a
    block whose cells carry their heading (data-of).
    """
    # Roles in words: what is laid out as blocks is a table to a screen reader all the same.
    head = tag(
        "tr", *(tag("th", one, scope="col", role="columnheader") for one in headings), role="row"
    )
    body = [
        tag(
            "tr",
            tag("th", row[0], scope="row", role="rowheader"),
            *(
                tag("td", cell, data_of=heading, role="cell")
                for heading, cell in zip(headings[1:], row[1:], strict=True)
            ),
            role="row",
        )
        for row in rows
    ]
    return tag(
        "table",
        tag("caption", caption),
        tag("thead", head, role="rowgroup"),
        tag("tbody", *body, role="rowgroup"),
        role="table",
    )


def word(text: str) -> Html:
    """A word such as ok or fault, with a mark: colour tells nothing that they do not."""
    mark = tag("span", f"{MARKS.get(text, '')} ", aria_hidden="true")
    return tag("strong", mark, text, class_=f"word is-{text.replace(' ', '-')}")


def panel(step: str, first: Html) -> Html:
    """A part that renews itself, and a quiet line that says aloud what is new."""
    return joined(
        tag("p", "", role="status", id="heard", class_="heard"),
        tag("div", first, id="panel", data_events=f"/step/{step}/events"),
    )


def facts(rows: Sequence[tuple[str, Child]]) -> Html:
    """Names and what they are."""
    cells = [joined(tag("dt", name), tag("dd", told)) for name, told in rows]
    return tag("dl", *cells)
