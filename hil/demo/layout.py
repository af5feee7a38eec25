"""The page of the demo as HTML: the diagram, buttons, what the record makes of it, every stream,
and all that is known of one sample.

1. It is whole without script, as of one moment; the script renews what is in it.
2. Landmarks, one h1, a caption for each table, a word beside each colour; text is escaped in
   record.page.element.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from hil.demo import chain
from hil.demo.drawing import Circuit, both
from hil.demo.view import QUIET_S, why
from record.page.element import DOCTYPE, Child, Html, joined, table, tag

Told = Mapping[str, Any]
RENEW_S = 5  # without script
FEED_SHOWN = 60
DID_S = 8.0  # for which what somebody did stands before other findings
ABOUT = (
    "Two utilities meet at two circuits. Each has a gateway of its own, which signs what its"
    " devices say; both send it to one record that neither controls. Press a button, and see what"
    " the record makes of it."
)
LEGEND = (
    "Breakers: closed, the blade lies in the wire; open, it is raised, as relay or breaker say;"
    " dotted, no device says. The arrow points where the power goes.",
    "Phasors, against the first voltage shown: solid are voltages; broken are currents, phase A in"
    " short dashes, B in long ones, C in dots.",
    "kV is phase A to ground, A is phase A, MW is of all three phases, into the circuit.",
    "What the ends differ by is settled by the record\u2019s own rules over the last five seconds:"
    " agreed; disputed; or not comparable, as when a breaker is open. A change is still among them"
    " for five seconds.",
)


def document(
    show: Told, circuits: Sequence[Circuit], buses: tuple[str, str], statics: Mapping[str, str],
    token: str, sample: Html | None,
) -> Html:  # fmt: skip
    """`show`: `moment`, `slow`, `feed`, `title`."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"{show['title']} \u2013 Gridseal demo"),
        tag("link", rel="stylesheet", href=statics["demo.css"]),
        tag("link", rel="icon", href="data:,"),
        tag("script", src=statics["demo.js"], type="module"),
        tag("noscript", tag("meta", http_equiv="refresh", content=RENEW_S)),
    )
    return joined(
        DOCTYPE, tag("html", head, _body(show, circuits, buses, token, sample), lang="en")
    )


def _body(
    show: Told, circuits: Sequence[Circuit], buses: tuple[str, str], token: str,
    sample: Html | None,
) -> Html:  # fmt: skip
    slow = show["slow"]
    hint = tag("p", "Choose a sample of a stream: its seal, its time and its place are shown here.")
    return tag(
        "body",
        tag("a", "Skip to the content", href="#content", class_="skip"),
        tag(
            "header",
            tag("p", "Gridseal", tag("span", " demo"), class_="brand"),
            tag("p", tag("a", "The record\u2019s own page", href=f"{slow['record']}/")),
        ),
        tag(
            "main",
            tag("h1", show["title"]),
            tag("p", ABOUT, class_="lead"),
            tag("p", state_line(show["moment"]), id="state", class_="state"),
            tag("h2", "Cause something", class_="aside"),
            tag("div", buttons(slow["buttons"], token), id="buttons", class_="buttons"),
            tag("p", newest(show["feed"]), id="newest", role="status", class_="newest"),
            tag("div", _diagram(show, circuits, buses), _findings(show), class_="wide"),
            tag("section", tag("h2", "From the devices to the record"),
                chain.drawn(show["moment"], slow)),
            tag("section", tag("h2", "Every stream"),
                tag("p", "Choose a sample to see what is known of it.", class_="small"),
                tag("div", streams(show["moment"]), id="streams")),
            tag("section", tag("h2", "One sample"), tag("div", sample or hint, id="sample")),
            id="content", tabindex="-1",
        ),
        tag("footer", tag("p", "Everything here is simulated, runs on this machine, and is shown as"
                               " the record has admitted it. Ctrl-C in the terminal ends it.")),
    )  # fmt: skip


def _findings(show: Told) -> Html:
    return tag(
        "section",
        tag("h2", "What the record makes of it"),
        tag("div", feed(show["feed"]), id="feed", tabindex="0", role="region",
            aria_label="Findings, the newest first"),
    )  # fmt: skip


def newest(lines: Sequence[Told]) -> str:
    """What is told beside the buttons: for a while what somebody did and what became of it, else
    the newest finding."""
    if not lines:
        return "\u2013"
    recent = (one for one in lines if lines[0]["at_s"] - one["at_s"] < DID_S)
    one = next((one for one in recent if one["kind"] != "record"), lines[0])
    return f"{_clock(one)} {one['about']}: {_words(one)}"


def state_line(moment: Told) -> str:
    """The moment in a line."""
    quiet = "".join(
        f" Nothing of {name} for {age:.0f} s."
        for name, age in moment.get("heard", {}).items()
        if age > QUIET_S
    )
    return (
        f"{moment.get('instant', '')} UTC, a second ago, as the record has it:"
        f" {moment.get('observations', 0)} observations in {moment.get('batches', 0)} batches."
        f"{quiet}"
    )


def buttons(rows: Sequence[Told], token: str) -> Html:
    """One form a button: it works without script, too."""
    return joined(*(_button(one, token) for one in rows))


def _button(one: Told, token: str) -> Html:
    name = one["name"]
    why = f"Not on this machine: {one['why_not']}" if one["why_not"] else one["text"]
    state = "under way" if one["busy"] else ""
    return tag(
        "form",
        tag("input", type="hidden", name="token", value=token),
        tag("input", type="hidden", name="button", value=name),
        tag("button", one["label"], tag("span", f" ({state})") if state else None,
            type="submit", id=f"do-{name}", disabled=bool(one["why_not"]),
            class_="is-done" if one["done"] else None, aria_describedby=f"about-{name}"),
        tag("p", why, id=f"about-{name}", class_="about"),
        method="post", action="do",
    )  # fmt: skip


def _diagram(show: Told, circuits: Sequence[Circuit], buses: tuple[str, str]) -> Html:
    return tag(
        "section",
        tag("h2", "The tie"),
        tag("div", both(circuits, buses), tag("div", seams(show["slow"]), id="seams"),
            class_="tie"),
        tag("p", LEGEND[0], class_="small"),
        tag("details", tag("summary", "How to read the rest"), *(
            tag("p", text, class_="small") for text in LEGEND[1:])),
    )  # fmt: skip


def seams(slow: Told) -> Html:
    """Residual against tolerance, of each seam."""
    rows: list[list[Child]] = []
    for one in slow.get("seams", ()):
        if "fault" in one:
            rows.append([one["seam"], tag("span", "cannot be settled", class_="is-odd"),
                         "\u2013", "\u2013", one["fault"]])  # fmt: skip
            continue
        worst = worst_of(one)
        rows.append([
            one["seam"],
            tag("span", one["verdict"].replace("_", " "),
                class_=None if one["verdict"].startswith("agreed") else "is-odd"),
            "\u2013" if worst is None else amount(worst["size"], worst["unit"]),
            "\u2013" if worst is None else
            f"{amount(worst['tolerance'], worst['unit'])} ({worst['name']})",
            why(one) or "\u2013",
        ])  # fmt: skip
    if not rows:
        return tag("p", "No seam has been looked at yet.")
    return table(
        "What the ends differ by", ["seam", "verdict", "residual", "tolerance", "why"], rows
    )


def worst_of(seam: Told) -> Told | None:
    """The measure that takes the largest share of its tolerance."""
    return max(
        seam.get("measures", ()),
        key=lambda one: one["size"] / one["tolerance"] if one["tolerance"] else 0.0,
        default=None,
    )


def amount(value: float, unit: str) -> str:
    return f"{value:.3%}" if unit == "1" else f"{value:,.3f} {unit}"


def feed(lines: Sequence[Told]) -> Html:
    """The newest first."""
    if not lines:
        return tag("p", "Nothing yet.")
    return tag("ol", *(_line(one) for one in lines[:FEED_SHOWN]), class_="feed")


def _line(one: Told) -> Html:
    return tag(
        "li",
        tag("span", _clock(one), class_="when"),
        tag("span", f" {one['about']}: ", class_="whom"),
        tag("span", _words(one)),
        class_=f"is-{one['kind']}",
    )


def _clock(one: Told) -> str:
    return time.strftime("%H:%M:%S", time.gmtime(one["at_s"]))


def _words(one: Told) -> str:
    where = "" if one["entry"] is None else f" (entry {one['entry']})"
    times = f" \u00d7{one['times']}" if one["times"] > 1 else ""
    return f"{one['text']}{times}{where}"


def streams(moment: Told) -> Html:
    """Every stream, with its sample of this moment."""
    rows: list[list[Child]] = []
    for one in moment.get("streams", ()):
        link = tag("a", one["sample"], href=f"?sample={quote(one['sample'], safe='')}#sample",
                   data_sample=one["sample"])  # fmt: skip
        name, _, key = one["stream"].partition("/")
        rows.append([
            joined(tag("span", name or "its own"), tag("span", f" {key}", class_="key")),
            one["gateway"], tag("span", values(one), class_="is-odd" if is_late(one) else None),
            graded(one), link,
            held(one),
        ])  # fmt: skip
    if not rows:
        return tag("p", "Nothing is in the record yet.")
    headings = ["stream", "gateway", "values", "class", "sample", "in the record"]
    return table("Streams, as the record has them", headings, rows)


def graded(one: Told) -> Html:
    """Its class; what does not settle is marked, by more than its words."""
    return tag("span", one["grade"], class_=None if one["good"] else "is-odd")


def held(one: Told) -> str:
    """How much of it is in the record."""
    of = f" of {one['missing']}" if one["gaps"] else ""
    return f"{_many(one['samples'], 'sample')}, {_many(one['gaps'], 'gap')}{of}"


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def is_late(one: Told) -> bool:
    """Whether a stream's values are not those of this moment."""
    return bool(one.get("stale")) or "old_s" in one


def ago(one: Told) -> str:
    """Since when a relay or a breaker was not heard of; empty where it is."""
    return f", {one['old_s']} s ago" if "old_s" in one else ""


def values(one: Told) -> str:
    """A stream's values in a line."""
    if "v" not in one:
        return f"{one.get('says', '')}{ago(one)}"
    late = f", {one['age_s']} s late" if one["stale"] else ""
    amps = one["i"][0][0] if "i" in one else None
    parts = (
        f"{one['v'][0][0] / 1000:.1f} kV", _figure(amps, 0, "A"),
        _figure(one.get("mw"), 1, "MW"), _figure(one.get("hz"), 3, "Hz"),
    )  # fmt: skip
    return ", ".join(parts) + late


def _figure(value: float | None, digits: int, unit: str) -> str:
    """What was not measured is a dash, and no figure."""
    return "\u2013" if value is None else f"{value:.{digits}f} {unit}"
