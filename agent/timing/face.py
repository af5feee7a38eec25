"""A ruling on the clock as one object for programs, and in words for a technician.

1. The bound is told as of now: it has grown since the ruling. Its terms add up to it.
2. Each source says how far this machine is ahead of it, how far that may be off, how old the word
   is, and what became of it.

It rules on nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from agent.timing.opinion import Judged, Ruling
from agent.timing.round import words_ns
from evidence import instant
from evidence.code import Flag, TimeSource
from evidence.leap import NS, LeapTable
from evidence.verdict import Term

NOT_ASKED = "no source of time was asked yet"
GROWN = "since the ruling"
SOON_S = 30 * 86_400  # before the leap table ends, a technician is told


def told(
    ruling: Ruling | None, now_ns: int, tai_ns: int, oscillator: str, table: LeapTable
) -> dict[str, Any]:
    """One object: instants ns TAI, everything else as its name says. `now_ns`: monotonic."""
    utc_s = table.utc_ns(tai_ns) // NS
    common = {
        "tai": tai_ns,
        "utc": instant.words(tai_ns, table),
        "oscillator": oscillator,
        "table": {"tai_utc_s": table.offset_s(utc_s), "expires_s": table.expires_s},
    }
    if ruling is None:
        return common | _ruled(None, NOT_ASKED) | {"sources": []}
    terms = list(ruling.terms)
    bound_ns = ruling.bound_ns
    if bound_ns is not None:
        grown_ns = max(-((ruling.at_ns - now_ns) * ruling.growth_ppb // NS), 0)
        bound_ns += grown_ns
        terms += [Term(GROWN, grown_ns)] if grown_ns else []
    held_ns = ruling.held_from_ns
    holding = bool(ruling.flags & Flag.HOLDOVER) and held_ns is not None
    found = _ruled(bound_ns, ruling.why)
    found |= {
        "growth_ppb": ruling.growth_ppb,
        "source": ruling.source.name.lower(),
        "chosen": ruling.chosen,
        "flags": [str(flag.name).lower() for flag in Flag(ruling.flags)],
        "terms": _terms(terms),
        "holdover_s": (now_ns - held_ns) // NS if holding and held_ns is not None else None,
        "tai_utc_s": ruling.tai_utc_s,
    }
    return common | found | {"sources": [_source(one, now_ns) for one in ruling.judged]}


def _ruled(bound_ns: int | None, why: str) -> dict[str, Any]:
    return {
        "bound_ns": bound_ns,
        "why": why,
        "growth_ppb": 0,
        "chosen": None,
        "flags": [],
        "source": TimeSource.UNKNOWN.name.lower(),
        "terms": [],
        "holdover_s": None,
        "tai_utc_s": None,
    }


def _source(one: Judged, now_ns: int) -> dict[str, Any]:
    said = one.opinion
    return {
        "name": said.name,
        "source": said.source.name.lower(),
        "state": one.state.name.lower(),
        "offset_ns": said.offset_ns,
        "error_ns": said.error_ns,
        "age_s": max(now_ns - said.at_ns, 0) // NS,
        "terms": _terms(said.terms),
        "locked": said.locked,
        "traceable": said.traceable,
        "suspect": said.suspect,
        "leap_pending": said.leap_pending,
        "tai_utc_s": said.tai_utc_s,
        "words": one.words or said.fault,
        "note": said.note,
    }


def _terms(terms: Sequence[Term]) -> list[dict[str, Any]]:
    return [{"term": term.name, "ns": term.ns} for term in terms]


# --- for a terminal


def rows(account: Mapping[str, Any]) -> list[str]:
    """The object in words."""
    found = [f"clock     {_bound(account)}"]
    if account["terms"]:
        sum_words = " + ".join(f"{one['term']} {words_ns(one['ns'])}" for one in account["terms"])
        found.append(f"          = {sum_words}")
    if account["holdover_s"] is not None:
        text = f"carried by the oscillator ({account['oscillator']}) for {account['holdover_s']} s"
        found.append(f"holdover  {text}")
    found.append(f"utc       {account['utc']}, {_leap(account)}")
    apart = [one["name"] for one in account["sources"] if one["state"] == "apart"]
    if "clock_doubted" in account["flags"]:
        who = ", ".join(apart) if apart else "its sources"
        found.append(f"DOUBTED   {who}: a contradiction; the bound spans it")
    return [*found, "", *_table(account["sources"])]


def _bound(account: Mapping[str, Any]) -> str:
    if account["bound_ns"] is None:
        return f"NOT KNOWN: {account['why']}"
    by = f", by {account['chosen']} ({account['source']})" if account["chosen"] else ""
    return f"within {words_ns(account['bound_ns'])}{by}: {account['why']}"


def _leap(account: Mapping[str, Any]) -> str:
    table, said = account["table"], account["tai_utc_s"]
    words = f"TAI - UTC {table['tai_utc_s']} s"
    if said is not None and said != table["tai_utc_s"]:
        words += f" by the table, {said} s by the sources"
    left_s = table["expires_s"] - (account["tai"] // NS - table["tai_utc_s"])
    if left_s <= 0:
        words += "; THE TABLE HAS EXPIRED"
    elif left_s < SOON_S:
        words += f"; the table ends in {left_s // 86_400} days"
    return words + ("; LEAP SECOND announced" if "leap" in account["flags"] else "")


def _table(sources: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line a source, in columns, with what it says of itself below."""
    lines = [("source", "ahead by", "+-", "age", "")]
    below: list[list[str]] = [[]]
    for one in sources:
        lines.append(
            (
                *(one["name"], signed(one["offset_ns"]), _plain(one["error_ns"])),
                f"{one['age_s']} s" if one["offset_ns"] is not None else "-",
                state(one),
            )
        )
        parts = " + ".join(f"{term['term']} {words_ns(term['ns'])}" for term in one["terms"])
        more = (f"+- = {parts}" if parts else "", one["note"])
        below.append([f"    {text}" for text in more if text])
    widths = [max(len(line[at]) for line in lines) for at in range(4)]
    found = []
    for line, under in zip(lines, below, strict=True):
        cells = [line[0].ljust(widths[0]), *(line[at].rjust(widths[at]) for at in (1, 2, 3))]
        found.append("  ".join([*cells, line[4]]).rstrip())
        found += under
    return found


def state(one: Mapping[str, Any]) -> str:
    """What became of a source."""
    became = {"no_word": "vouches for nothing"}.get(one["state"], one["state"])
    became = became.upper() if one["state"] == "apart" else became
    marks = [name for name in ("locked", "traceable") if one[name]]
    marks += ["SUSPECT"] if one["suspect"] else []
    text = ", ".join([became, *marks])
    return f"{text}: {one['words']}" if one["words"] else text


def _plain(ns: int | None) -> str:
    return "-" if ns is None else words_ns(ns)


def signed(ns: int | None) -> str:
    """An offset."""
    if ns is None:
        return "-"
    return f"{'-' if ns < 0 else '+'}{words_ns(abs(ns))}"
