"""The way of a sample on the page: each gateway with its clock and its place, its link, and the
record between them with who cosigns it.

1. Words come from hil.demo.view and the published log; the script puts the same where `data-at`
   says.
2. What is not as it should be is marked by its class, and says so in words.
"""

from collections.abc import Mapping
from typing import Any

from record.page.element import Html, facts, tag

Told = Mapping[str, Any]
DASH = "\u2013"


def drawn(moment: Told, slow: Told) -> Html:
    """All of it; the record in the middle."""
    units: list[Html] = []
    for number, one in enumerate(slow["gateways"]):
        told: Told = next(
            (row for row in moment.get("gateways", ()) if row["name"] == one["name"]), {}
        )
        link = tag(
            "p", tag("span", link_words(told), data_at=f"{one['name']}.link"),
            class_="link", data_link=one["name"],
        )  # fmt: skip
        mine = [_unit(one, told), link]
        units += mine if number == 0 else mine[::-1]
        if number == 0:
            units.append(_record(moment, slow))
    return tag("div", *units, class_="chain")


def published(moment: Told, slow: Told) -> str:
    """How much of the log is published, and who cosigned that."""
    log = slow.get("log") or {}
    size = (log.get("published") or {}).get("size", 0)
    cosigners = [
        one["name"].partition(".")[0] for one in log.get("cosigners", ()) if one["cosigned"]
    ]
    by = f", cosigned by {' and '.join(cosigners)}" if cosigners else ""
    return f"{size} of {moment.get('size', 0)} entries published{by}"


def link_words(told: Told) -> str:
    """When something of a gateway came last."""
    age_s = told.get("age_s")
    if age_s is None:
        return "nothing yet"
    return f"nothing for {age_s:.0f} s" if told["quiet"] else "arrives"


def figures(told: Told) -> dict[str, list[Any]]:
    """By `data-at`: words, and whether they are as they should be."""
    name = told["name"]
    return {
        f"{name}.link": [link_words(told), not told["quiet"]],
        f"{name}.clock": [told["clock"], told["clock_good"]],
        f"{name}.place": [told["place"], told["place_good"]],
        f"{name}.run": [str(told["run"]), told["run"] == 1],
    }


def _unit(one: Told, told: Told) -> Html:
    known = figures(told) if told else {}
    rows = []
    for what, title in (("clock", "clock"), ("place", "place"), ("run", "run")):
        at = f"{one['name']}.{what}"
        words, good = known.get(at, (DASH, True))
        rows.append((title, tag("span", words, data_at=at, class_=None if good else "is-odd")))
    return tag(
        "div", tag("h3", f"{one['authority']}: gateway {one['name']}"), facts(rows), class_="unit"
    )


def _record(moment: Told, slow: Told) -> Html:
    return tag(
        "div", tag("h3", "The shared record"),
        tag("p", published(moment, slow), data_at="record.published"), class_="unit is-record",
    )  # fmt: skip
