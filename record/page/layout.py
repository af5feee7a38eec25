"""The page as HTML: what record.page.state told, under headings, and the form to verify one
observation.

1. It is whole without script; the script asks for `now` again and puts it in its place.
2. Landmarks (header, main, footer), one h1, a link that skips to the content, a caption for every
   table, a word beside every colour.
3. Everything told goes through record.page.element, which escapes it.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from evidence import instant
from record.page import drawing
from record.page.element import DOCTYPE, Child, Html, facts, joined, table, tag
from record.page.published import seconds

Told = Mapping[str, Any]
RENEW_S = 5  # without script
MARKS = {"agreed": "\u2713", "agreed with residual": "\u2713", "disputed": "\u2717",
         "not comparable": "?", "joint": "\u2713", "pending": "\u2026", "expired": "\u2717"}  # fmt: skip


def document(told: Told, statics: Mapping[str, str], sample: str) -> Html:
    """The whole page. `statics`: addresses of style and scripts; `sample`: the one to verify."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"{told['seam'] or 'Record'} \u2013 Gridseal record"),
        tag("link", rel="stylesheet", href=statics["page.css"]),
        tag("link", rel="icon", href="data:,"),
        tag("script", src=statics["renew.js"], type="module"),
        tag("script", src=statics["verify.js"], type="module"),
        tag("noscript", tag("meta", http_equiv="refresh", content=RENEW_S)),
    )
    chosen = "" if told["seam"] is None else f"?seam={quote(told['seam'], safe='')}"
    body = tag(
        "body",
        tag("a", "Skip to the content", href="#content", class_="skip"),
        tag("header", tag("p", "Gridseal", tag("span", " record"), class_="brand"), _seams(told)),
        tag(
            "main",
            tag("h1", told["seam"] or "The shared record"),
            tag("p", "", role="status", id="heard", class_="heard"),
            tag("div", now(told), id="now", data_from=f"page/now{chosen}"),
            _verify(told, sample),
            id="content",
            tabindex="-1",
        ),
        tag("footer", _footer(told, chosen)),
    )
    return joined(DOCTYPE, tag("html", head, body, lang="en"))


def now(told: Told) -> Html:
    """What renews itself."""
    hint = tag("p", tag("strong", "Next: "), told["next"], class_="next") if told["next"] else None
    return joined(
        hint, _live(told), _history(told), _records(told), _handoffs(told), _log(told["log"])
    )


def _seams(told: Told) -> Html | None:
    if len(told["seams"]) < 2:
        return None
    items = [
        tag(
            "li",
            tag(
                "a", one["name"], href=f"?seam={quote(one['name'], safe='')}",
                aria_current="page" if one["name"] == told["seam"] else None,
            ),
        )
        for one in told["seams"]
    ]  # fmt: skip
    return tag("nav", tag("ul", *items), aria_label="Seams")


# --- the seam, live -------------------------------------------------------------------------------


def _live(told: Told) -> Html | None:
    found = told["live"]
    if found is None:
        return None
    if "fault" in found:
        return _section("live", "Live", tag("p", f"It cannot be settled: {found['fault']}"))
    verdict = found["verdict"].replace("_", " ")
    like = f" ({found['disagreement'].replace('_', ' ')})" if found["disagreement"] else ""
    why = tag("p", found["why"]) if found["why"] else None
    span = f"{found['from']} to {found['to']}, by the log\u2019s clock"
    sides = [_side(at, side) for at, side in enumerate(found["sides"])]
    return _section(
        "live", "Live",
        tag("p", word(verdict), like, class_="verdict"), tag("p", span), why,
        tag("div", *sides, class_="sides"),
        _measures(found["measures"]),
    )  # fmt: skip


def _side(at: int, side: Told) -> Html:
    rows: list[tuple[str, Child]] = [
        (one["name"], tag("span", f"{one['value']:,.3f} {one['unit']}", class_="figure"))
        for one in side["now"]
    ]
    name = f"{('First', 'Second')[at]} side: {side['footprint']}"
    told = f"by {side['authority']}" if side["leaves"] else "nothing was measured"
    if side["claim"] is not None:
        told = f"a claim of {side['authority']}"
    last = side["observation"]
    link = tag("a", last, href=f"?sample={quote(last, safe='')}#verify") if last else None
    verify = tag("p", "Last observation, to verify: ", link, class_="small") if link else None
    return tag("div", tag("h3", name), tag("p", told), facts(rows) if rows else None, verify)


def _measures(rows: Sequence[Told]) -> Html | None:
    if not rows:
        return None
    cells = [
        [
            one["name"],
            _amount(one["size"], one["unit"]),
            _amount(one["tolerance"], one["unit"]),
            _share(one["size"], one["tolerance"]),
            _terms(at, one),
        ]
        for at, one in enumerate(rows)
    ]
    headings = ["what", "residual", "tolerance", "of the tolerance", "tolerance made of"]
    return table("Residual against tolerance", headings, cells)


def _terms(at: int, one: Told) -> Html:
    lines = [
        tag("span", f"{source}: {_amount(amount, one['unit'])}", class_="line")
        for source, amount in sorted(one["terms"], key=lambda term: -abs(term[1]))
    ]
    return tag("details", tag("summary", f"{len(lines)} parts"), *lines, id=f"terms-{at}")


def _share(size: float, tolerance: float) -> Html:
    share = size / tolerance if tolerance else float(size > 0)
    bar = tag("meter", f"{share:.0%}", value=f"{min(share, 1.5):.4f}", min=0, max=1.5, high=1.0,
              optimum=0, aria_label=f"{share:.0%} of the tolerance")  # fmt: skip
    return joined(bar, f" {share:.0%}")


def _amount(value: float, unit: str) -> str:
    return f"{value:.3%}" if unit == "1" else f"{value:,.3f} {unit}"


# --- settlements, records, handoffs ---------------------------------------------------------------


def _history(told: Told) -> Html | None:
    if told["seam"] is None:
        return None
    rows = told["history"]
    if not rows:
        hint = "Nobody has said a settlement of this seam yet: `gridseal-record settle` does."
        return _section("settlements", "Settlements", tag("p", hint))
    cells = [
        [
            _between(row),
            word(row["verdict"].replace("_", " ")),
            "\u2013" if row["share"] is None else _share(row["share"], 1.0),
            f"{row['author']}, {row['state']}",
            row["why"] or "\u2013",
        ]
        for row in reversed(rows)
    ]
    headings = ["interval", "verdict", "of the tolerance", "said by", "why"]
    each = table(f"The last {len(rows)} settlements", headings, cells)
    details = tag("details", tag("summary", "Each of them"), each, id="each-settlement")
    return _section("settlements", "Settlements", drawing.strip(rows, told["seam"]), details)


def _records(told: Told) -> Html:
    counts = told["counts"]
    line = ", ".join(f"{count} {name}" for name, count in counts.items())
    parts: list[Child] = [tag("p", f"In all: {line}. Joint is what every authority signed that the"
                              " policy names.")]  # fmt: skip
    for state in ("pending", "disputed", "expired", "joint"):
        rows = [row for row in told["records"] if row["state"] == state]
        if rows:
            parts.append(_records_of(state, rows))
    if not told["records"]:
        parts.append(tag("p", "There is none yet: `gridseal-record say` says one."))
    return _section("records", "Records of authorities", *parts)


def _records_of(state: str, rows: Sequence[Told]) -> Html:
    cells = [
        [
            tag("code", row["name"][:16], class_="whole"),
            joined(row["matter"].replace("_", " "), " by ", row["author"]),
            _between(row),
            _names(row["signed"]),
            _names(row["dissented"]) if state == "disputed" else _names(row["missing"]),
            ", ".join(flag.replace("_", " ") for flag in row["flags"]) or "\u2013",
        ]
        for row in rows
    ]
    lacking = "against it" if state == "disputed" else "missing"
    headings = ["record", "matter", "interval", "signed", lacking, "flags"]
    found = table(f"{state.capitalize()}: the latest {len(rows)}", headings, cells)
    if state == "joint":
        return tag("details", tag("summary", f"Joint: the latest {len(rows)}"), found, id="joint")
    return found


def _between(row: Told) -> Html:
    begins = tag("span", f"{row['from']} to", class_="line whole")
    return joined(begins, " ", tag("span", row["to"], class_="line whole"))


def _names(rows: Sequence[Told]) -> str:
    return ", ".join(f"{row['authority']} ({row['as']})" for row in rows) or "\u2013"


def _handoffs(told: Told) -> Html:
    rows = told["handoffs"]
    if not rows:
        return _section("handoffs", "Handoffs", tag("p", "No authority was asked for yet."))
    until = max(instant.read(told["log"]["as_of"]), rows[0]["steps"][0]["tai"])
    cells = [
        [
            f"{at}. {row['scope']}",
            word(row["stands"]),
            row["holder"] or "\u2013",
            joined(*(
                tag("span", f"{step['step']} by {step['author']} ({step['state']}), ",
                    tag("span", step["logged"], class_="whole"), class_="line")
                for step in row["steps"]
            )),
            row["expires"] or "\u2013",
            ", ".join(flag.replace("_", " ") for flag in row["flags"]) or "\u2013",
        ]
        for at, row in enumerate(rows, 1)
    ]  # fmt: skip
    headings = ["handoff", "stands", "authority with", "steps", "expires", "flags"]
    drawn = drawing.timeline(rows, until)
    return _section("handoffs", "Handoffs", drawn, table("Handoffs", headings, cells))


# --- the log --------------------------------------------------------------------------------------


def _log(log: Told) -> Html:
    note = log["published"]
    rows: list[tuple[str, Child]] = [
        ("name", log["origin"]),
        ("size", f"{log['size']:,} entries"),
        ("root", tag("code", log["root"] or "\u2013")),
        ("as of", _time(log["as_of"])),
    ]
    if note is None:
        why = "nothing yet"
        if log["quorum"]:
            why += f": {log['quorum']} cosigners must have signed first"
        rows.append(("published", why))
    else:
        age = "" if note["behind_ns"] is None else f", {seconds(note['behind_ns'])} before the last"
        text = f"{note['size']:,} entries, {note['behind_entries']:,} fewer than the log{age}"
        rows += [
            ("published", text),
            ("published as of", _time(note["as_of"])),
            ("its root", tag("code", note["root"])),
            ("the note", tag("a", "checkpoint", href="checkpoint")),
        ]
    return _section("log", "The log", facts(rows), _cosigners(log))


def _cosigners(log: Told) -> Html:
    if not log["cosigners"]:
        text = "No witness or mirror is asked to cosign: name some as [[witness]] in record.toml."
        return tag("p", text)
    cells = [
        [
            one["name"],
            word("cosigned") if one["cosigned"] else one["why"],
            _time(one["cosigned"]) if one["cosigned"] else "\u2013",
            "yes" if one["asked"] else "no",
        ]
        for one in log["cosigners"]
    ]
    caption = f"Witnesses and mirrors of the published note: {log['quorum']} must cosign"
    return table(caption, ["cosigner", "state", "at, as it says", "asked by this log"], cells)


def _time(text: str | None) -> Html:
    if text is None:
        return tag("span", "\u2013")
    return joined(tag("time", text, datetime=text), tag("span", "", class_="age"))


def word(text: str) -> Html:
    """A state, with a mark: colour tells nothing that they do not."""
    mark = tag("span", f"{MARKS[text]} ", aria_hidden="true") if text in MARKS else None
    return tag("strong", mark, text, class_=f"word is-{text.replace(' ', '-')}")


def _section(name: str, title: str, *children: Child) -> Html:
    heading = tag("h2", title, id=f"{name}-heading")
    return tag("section", heading, *children, id=name, aria_labelledby=f"{name}-heading")


# --- verifying ------------------------------------------------------------------------------------


def _verify(told: Told, sample: str) -> Html:
    live = told["live"] or {}
    last = [side["observation"] for side in live.get("sides", ()) if side["observation"]]
    text = (
        "Your browser asks for the proof and checks each step itself: observation, batch, log,"
        " signatures. Whom to believe comes from you: the anchors that you were given by another"
        " way than this server."
    )
    ask = tag(
        "form",
        _field("sample", "Observation", "GATEWAY/STREAM/SEQ", value=sample or next(iter(last), "")),
        _field("proof", "Or a proof that you have", "a file of gridseal-record prove", kind="file"),
        _field("anchors", "Anchors", "your anchors.toml; it stays in this browser", kind="file"),
        _field("log-key", "Or the log\u2019s key", "64 hex digits"),
        _field("authority-key", "And the authority\u2019s", "64 hex digits, as in its anchors"),
        tag("button", "Verify"),
        id="verify-form", method="get", action="page/proof",
    )  # fmt: skip
    without = "Without script: download the proof, and check it with `gridseal-record verify`."
    return _section(
        "verify", "Verify one observation",
        tag("p", text), ask, tag("noscript", tag("p", without)),
        tag("div", id="verdict", aria_live="polite", data_log=told["log"]["key"]),
    )  # fmt: skip


def _field(name: str, label: str, hint: str, *, kind: str = "text", value: str = "") -> Html:
    return tag(
        "div",
        tag("label", label, for_=name),
        tag("p", hint, id=f"{name}-hint", class_="hint"),
        tag("input", id=name, name=name if name == "sample" else None, type=kind,
            value=value or None, aria_describedby=f"{name}-hint", autocomplete="off",
            spellcheck="false"),
        class_="field",
    )  # fmt: skip


def _footer(told: Told, chosen: str) -> Html:
    return tag(
        "p",
        "The same as ", tag("a", "JSON", href=f"page/seam.json{chosen}"),
        ". Signed by every authority the policy names is what joint means, and no more.",
    )  # fmt: skip
