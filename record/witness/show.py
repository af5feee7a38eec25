"""What a witness or a mirror remembers, for people and as one JSON object, and whether any of it
accuses a log.

1. Two roots for one size, signed by one log, prove a fork.
2. A smaller tree accuses for as long as the log has not gone on from the larger one: anybody may
   have sent an old note again. So does a proof that did not hold, unless the tree it came with was
   cosigned later.
3. What the mirror's clock says of the log's times, and what it was served under one name, is its
   own word: it accuses, and who was not there has to believe it.
4. A memory that was set back, or that contradicts itself, accuses whoever keeps it.

It reads, and checks no signature again: the notes are there for whoever wants to.
"""

from collections.abc import Iterator
from typing import Any

from evidence import instant
from evidence.code import Reason
from evidence.leap import BUILT_IN
from evidence.tlog import fork
from record.witness.state import Exhibit, State

PROVEN, ACCUSES, ANSWERED, OPEN = "proven", "accuses", "answered", "open"
ITS_WORD, FORGOT = "its word", "forgot"
_ITS_WORD = (Reason.BACK_DATED, Reason.CLOCK_SUSPECTED, Reason.ROOT)


def standing(state: State, exhibit: Exhibit) -> str:
    """What an exhibit is worth now. Raises StoreError."""
    if exhibit.reason == Reason.SET_BACK:
        return FORGOT
    if exhibit.reason in _ITS_WORD:
        return ITS_WORD
    if exhibit.reason == Reason.FORK:
        return PROVEN
    same = state.seen(exhibit.origin, exhibit.size)
    if same is not None and same.root != exhibit.root:
        return PROVEN
    if same is not None and exhibit.reason == Reason.CONSISTENCY:
        return ANSWERED
    held = state.held(exhibit.origin)
    if held is None or held.size <= exhibit.held_size:
        return ACCUSES
    return ANSWERED if exhibit.reason == Reason.TRUNCATED else OPEN


def accused(found: dict[str, Any]) -> bool:
    """Whether anything in a summary accuses a log, or whoever remembers it."""
    worth = (PROVEN, ACCUSES, ITS_WORD, FORGOT)
    return bool(found["damage"]) or any(row["standing"] in worth for row in found["exhibits"])


def forks(state: State) -> Iterator[bytes]:
    """The file of each fork that is proven (evidence.tlog.fork). Raises StoreError."""
    for one in state.exhibits():
        if standing(state, one) != PROVEN:
            continue
        same = state.seen(one.origin, one.size)
        if fork.is_fork(one.proof):
            yield one.proof
        elif one.reason == Reason.FORK and one.held_size == one.size:
            yield fork.of(one.held, one.note, one.held_root)
        elif same is not None and same.root != one.root:
            yield fork.of(same.note, one.note, same.root)


def summary(state: State) -> dict[str, Any]:
    """All of it, in numbers and hex; notes as text."""
    key, name = state.owner()
    logs = [
        {
            "origin": origin,
            "size": held.size,
            "root": held.root.hex(),
            "cosigned": _instant(held.time_s),
            "note": held.note.decode("utf-8", "backslashreplace"),
        }
        for origin, held in state.origins().items()
    ]
    exhibits = [
        {
            "origin": one.origin,
            "reason": one.reason.name.lower(),
            "standing": standing(state, one),
            "words": one.words,
            "seen": instant.words(one.tai),
            "size": one.size,
            "held_size": one.held_size,
            "note": one.note.decode("utf-8", "backslashreplace"),
            "held_note": one.held.decode("utf-8", "backslashreplace"),
            "proof": one.proof.hex(),
        }
        for one in state.exhibits()
    ]
    told = {"name": name, "key": key.hex(), "damage": state.damage()}
    return told | {"logs": logs, "exhibits": exhibits}


def shown(found: dict[str, Any]) -> str:
    """The summary as lines."""
    lines = [f"name      {found['name']}", f"key       {found['key']}"]
    if found["damage"]:
        lines.append(f"damage    {found['damage']}")
    for row in found["logs"]:
        lines.append(f"log       {row['origin']}: {row['size']} entries, root {row['root']}")
        lines.append(f"          cosigned {row['cosigned']}")
    for row in found["exhibits"]:
        lines.append(f"exhibit   {row['origin']}: {row['reason']} ({row['standing']})")
        lines.append(f"          {row['words']}; seen {row['seen']}")
        for title in ("held_note", "note"):
            lines += [f"          | {line}" for line in row[title].split("\n")[:-1]]
            lines += ["          |"] if title == "held_note" and row[title] else []
    return "\n".join(lines)


def _instant(time_s: int) -> str:
    return instant.words(BUILT_IN.tai_ns(time_s))
