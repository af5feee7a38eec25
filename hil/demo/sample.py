"""One sample, one click away: its seal, its time, its place, and what it is worth, in words.

1. All of it is record.sample's; who cosigned a tree that holds its leaf is the published note's.
2. It is shown, and not checked: the link leads to the record's own page, which verifies it in the
   browser.
"""

from pathlib import Path
from typing import Any
from urllib.parse import quote

from evidence.refusal import EvidenceError
from record import sample as samples
from record.known import Known
from record.lookup import Lookup, NotFoundError, read_name
from record.page import published
from record.page.element import Child, Html, facts, joined, tag
from record.publishing import Publishing
from record.store import Store, StoreError, open_reader
from record.words import lines, span

NAME_CHARS_MAX = 300
Told = dict[str, Any]


def shown(path: Path, publishing: Publishing, name: str, record: str) -> Html:
    """What is known of it; or in words why there is nothing."""
    try:
        store = open_reader(path, live=True)
        try:
            store.snapshot()
            return _shown(store, publishing, name[:NAME_CHARS_MAX], record)
        finally:
            store.close()
    except (NotFoundError, EvidenceError, StoreError) as fault:
        return tag("p", f"{name}: {fault}")


def _shown(store: Store, publishing: Publishing, name: str, record: str) -> Html:
    known = Known(store)
    seen = Lookup(store, known).sample(read_name(name))
    told = samples.told(store, known, seen)
    log = published.log_of(store, published.last_of(store, store.size()), publishing)
    full = f"{told['gateway']}/{seen.sample.stream}/{seen.sample.seq}@{seen.run.name.hex()[:16]}"
    link = f"{record}/?sample={quote(full, safe='')}#verify"
    return joined(
        tag("h3", f"{told['gateway']}/{told['stream']}/{seen.sample.seq}"),
        tag("p", tag("a", "Verify it in the browser, on the record\u2019s own page", href=link)),
        _part("Worth", _worth(told)),
        _part("Seal", _seal(told, seen.entry.subject.hex(), seen.run.public.kid.hex(), log)),
        _part("Time", _time(told)),
        _part("Place", _place(told)),
        tag("details", tag("summary", "All that the record knows of it"),
            tag("pre", "\n".join(lines(told)))),
    )  # fmt: skip


def _part(title: str, rows: list[tuple[str, Child]]) -> Html:
    return tag("div", tag("h4", title), facts(rows), class_=f"part part-{title.lower()}")


def _worth(told: Told) -> list[tuple[str, Child]]:
    reason = f": {told['reason'].replace('_', ' ')}" if told["reason"] else ""
    return [
        ("class", told["class"].replace("_", " ") + reason),
        ("flags", ", ".join(told["flags"]).replace("_", " ") or "none"),
    ]


def _seal(told: Told, batch: str, run_key: str, log: Told) -> list[tuple[str, Child]]:
    entry = told["receipt"]["entry"]
    size = (log["published"] or {}).get("size", 0)
    names = [one["name"].partition(".")[0] for one in log["cosigners"] if one["cosigned"]]
    if entry < size:
        held = f"the published tree of {size} entries holds it, cosigned by {' and '.join(names)}"
    else:
        held = f"not published yet: the published tree has {size} entries"
    return [
        ("run key", run_key),
        ("batch", batch),
        ("leaf", f"entry {entry} of the log {log['origin']}"),
        ("witnesses", held),
        ("credential", f"{told['credential']['subject']}, by {told['credential']['issuer']}"),
    ]


def _time(told: Told) -> list[tuple[str, Child]]:
    bound = told["bound_ns"]
    own = told["heard_bound_ns"]
    rows: list[tuple[str, Child]] = [
        ("instant", told["instant"]),
        ("whose clock", told["clock"].replace("_", " ")),
        ("bound", "nobody vouches for one" if bound is None else f"within {span(bound)}"),
        ("heard", f"{span(told['heard_ns'])} later, by the gateway\u2019s clock, known to"
                  f" {'nothing' if own is None else span(own)}"),
    ]  # fmt: skip
    verdict = told["verdict"]
    if verdict is not None and "why" in verdict:
        chosen = verdict["chosen"]
        rows.append(("gateway\u2019s clock", f"{chosen or 'no source'}: {verdict['why']}"))
    return rows


def _place(told: Told) -> list[tuple[str, Child]]:
    position, verdict = told["descriptor"]["position"], told["verdict"]
    where = "nobody surveyed it"
    if position is not None:
        where = (
            f"surveyed at {position['latitude']}, {position['longitude']},"
            f" to {position['accuracy_m']} m"
        )
    rows: list[tuple[str, Child]] = [("antenna", where)]
    if verdict is not None and "place" in verdict:
        far, may = verdict["distance_mm"], verdict["allowed_mm"]
        text = str(verdict["place"]).replace("_", " ")
        if far is not None and may is not None:
            text += f", {far / 1000:.1f} m from the survey, {may / 1000:.1f} m may be"
        rows.append(("checked", text))
    return rows
