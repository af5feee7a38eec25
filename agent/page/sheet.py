"""How the agent is, as tables of words for whoever looks: clocks, sources, spool, uplink, gaps,
receipts; and what of status is told to programs.

1. Page and terminal show the same words, made here.
2. Where anything stands is not told: no position of a device, of the site or of a receiver; how far
   from the survey is. No bytes of a frame that was bad either.

It asks nobody, and judges nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from agent import account, telling, trial
from agent.health import Answered
from agent.reading import printable
from agent.timing import face
from agent.timing.round import words_ns
from evidence import cose, instant, receipt
from evidence.code import Check, Class, Reason, Typ
from evidence.leap import NS, LeapTable
from evidence.refusal import EvidenceError

_UNCHECKED = Check.PLACE_UNCHECKED.name.lower()
MS = NS // 1000  # of an instant, in ns: what of it tells anybody anything
SOURCES_MAX = 200  # rows of a table: what is beyond is counted
_ELSEWHERE = "its configuration names another place: gridseal-agent check says which"
Told = Mapping[str, Any]


def told(
    gateway: str, report: Told, answered: Iterable[Answered], table: LeapTable
) -> dict[str, Any]:
    """All of it. `report`: agent.runner's."""
    said, time = plain(report), report["time"]
    troubles = _troubles(said)
    return {
        "gateway": gateway,
        "run": report["run"][:16],
        "utc": time["utc"],
        "troubles": [printable(one) for one in troubles],
        "facts": [[name, printable(words)] for name, words in _facts(said)],
        "tables": {
            "clocks": [_clock_row(one) for one in time["sources"]],
            "sources": _sources(said["sources"]),
            "gaps": [[_plain(cause), str(many)] for cause, many in sorted(said["gaps"].items())],
            "receipts": [_answer_row(one, table) for one in reversed(list(answered))],
        },
        "line": _line(said, troubles),
    }


def plain(report: Told) -> dict[str, Any]:
    """The account without what the page does not tell."""
    sources = {
        name: {key: value for key, value in one.items() if key != "places"}
        for name, one in report["sources"].items()
    }
    checks = [
        one | {"words": _ELSEWHERE} if one["check"] == Check.DEVICE_PLACE.name.lower() else one
        for one in report["checks"]
    ]
    bad = [{key: one[key] for key in ("source", "fault", "tai")} for one in report["bad_frames"]]
    return {**report, "sources": sources, "checks": checks, "bad_frames": bad}


def _troubles(said: Told) -> list[str]:
    """What is wrong, the worst first."""
    found = account.troubles(said)
    for name, one in said["sources"].items():
        if one["state"] != "up":
            found.append(f"{name} is {one['state']}{': ' + one['text'] if one['text'] else ''}")
    for one in said["checks"]:
        if one["check"] == _UNCHECKED:  # many gateways have no receiver, and `Place` says it
            continue
        where = f" of {one['stream']}" if one["stream"] else ""
        since = account.span(one["for_s"])
        found.append(f"{_plain(one['check'])}{where} for {since}: {one['words']}")
    return found + trial.words(said)


def _facts(said: Told) -> list[tuple[str, str]]:
    time, place = said["time"], said["place"]
    sending, disk = account.outlook(said)
    counts = ("heard", "sealed", "durable", "receipted", "refused")
    return [
        ("Clock of the gateway", _bound(time)),
        *((f"Receiver {name}", telling.receiver_words(one)) for name, one in _heard(said)),
        ("Place", f"{place['state']}: {place['words']}"),
        ("Record", f"{said['record'] or 'not asked yet'}; its log has {_entries(said)}"),
        ("To send", _after(sending)),
        ("Disk", _after(disk)),
        ("Arrival to durable", account.lateness(said)),
        ("Counted", ", ".join(f"{name} {said[name]}" for name in counts)),
        ("Missing", f"{said['holes']} gaps, {said['faults']} faults, {said['unkept']} not kept"),
    ]


def _entries(said: Told) -> str:
    """As this gateway last believed."""
    return f"{said['tree_size']} entries" if said["tree_size"] != 1 else "1 entry"


def _heard(said: Told) -> Iterable[tuple[str, Told]]:
    return said["receivers"].items()  # type: ignore[no-any-return]


def _after(line: str) -> str:
    """A line of agent.account without its name."""
    return line.partition(" ")[2].strip().removeprefix("send").strip()


def _bound(time: Told) -> str:
    if time["bound_ns"] is None:
        return f"no bound: {time['why']}"
    by = f" by {time['chosen']} ({time['source']})" if time["chosen"] else ""
    held = "" if time["holdover_s"] is None else f", held for {account.span(time['holdover_s'])}"
    return f"within {words_ns(time['bound_ns'])}{by}{held}: {time['why']}"


def _clock_row(one: Told) -> list[str]:
    error = "-" if one["error_ns"] is None else words_ns(one["error_ns"])
    return [one["name"], face.signed(one["offset_ns"]), error, printable(face.state(one))]


def _sources(sources: Mapping[str, Told]) -> list[list[str]]:
    rows = [
        [
            name, one["state"], str(one["heard"]), str(one["sealed"]), str(one["opened"]),
            ", ".join(f"{fault} {many}" for fault, many in one["faults"].items()) or "none",
            printable(one["text"]),
        ]
        for name, one in sources.items()
    ]  # fmt: skip
    beyond = len(rows) - SOURCES_MAX
    return rows if beyond <= 0 else [*rows[:SOURCES_MAX], [f"and {beyond} more", *[""] * 6]]


def _answer_row(one: Answered, table: LeapTable) -> list[str]:
    """When, what, how many, where in the log, what is not plainly settleable."""
    when = instant.words(one.at - one.at % MS, table)
    if not one.encoded:
        return [when, "answer", str(one.observations), "", "too long to be kept for a look"]
    try:
        message = cose.read(one.encoded)
        if message.typ == Typ.REFUSAL:
            refused = receipt.read_refusal(message.payload)
            text = printable(refused.text)
            words = ["refused", _plain(refused.reason.name.lower()), text]
        else:
            found = receipt.read(message.payload)
            words = ["receipt", f"{found.index} of {found.size}", _classes(found.classed)]
    except EvidenceError as fault:  # uplink has checked it: it is only shown
        words = ["cannot be read", "", str(fault)]
    return [when, words[0], str(one.observations), *words[1:]]


def _classes(classed: Sequence[receipt.Classed]) -> str:
    """How many are of no use to a settlement, and why."""
    counts: dict[str, int] = {}
    for one in classed:
        name = Class(one.klass).name
        if one.klass != Class.SIMULATED:  # whose reason is the same word
            name += f", {_reason(one.reason)}"
        name = _plain(name.lower())
        counts[name] = counts.get(name, 0) + one.last_seq - one.first_seq + 1
    return "; ".join(f"{many} {name}" for name, many in counts.items()) or "all settleable"


def _reason(number: int) -> str:
    known = number in Reason._value2member_map_
    return Reason(number).name if known else f"reason {number}"


def _line(said: Told, troubles: Sequence[str]) -> str:
    """All of it in one line, for a pipe."""
    time, sources = said["time"], said["sources"].values()
    bound = "no bound" if time["bound_ns"] is None else f"within {words_ns(time['bound_ns'])}"
    up = sum(one["state"] == "up" for one in sources)
    names = ("heard", "sealed", "receipted", "waiting")
    counts = ", ".join(f"{name} {said[name]}" for name in names)
    wrong = f"; {printable(troubles[0])}" if troubles else ""
    more = f" (and {len(troubles) - 1} more)" if len(troubles) > 1 else ""
    return (
        f"{time['utc']} {up} of {len(sources)} sources up, clock {bound}, {counts},"
        f" gaps {said['holes']}{wrong}{more}"
    )


def _plain(name: str) -> str:
    return name.replace("_", " ")
