"""What words facts have, and what those may be: so that an expectation which could never pick one,
or would count the same whatever is played, is refused as it is read.

1. A word that no such fact has, or a value that it never has, picks nothing: as a `must` it never
   holds, as a `never` it always does.
2. An empty list wants a word without a value (hil.fact). Where there is always one, that picks
   nothing, either.
3. A count that every number of facts meets asks nothing.

Which sorts of facts there are, each kind of scenario says itself (hil/live/words.py,
hil/scenario/words.py).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum, IntFlag

from evidence import config
from hil.fact import Where
from hil.script import Expectation

Values = tuple[str, ...]
ANY: Values = ()  # names of the scenario, which are looked up there, and free text


@dataclass(frozen=True, slots=True)
class Sort:
    """One sort of fact. `words`: beside `what`, with the values that each may have; `empty`: those
    that may be without one."""

    words: Mapping[str, Values]
    dated: bool = True  # it has a beginning and an end
    empty: frozenset[str] = frozenset()


def names(of: type[IntEnum] | type[IntFlag]) -> Values:
    """A code's, as facts have them."""
    return tuple(one.name.lower() for one in of if one.name)


def listed(wanted: list[str] | str | None) -> list[str]:
    """What an expectation wants of a word."""
    return [] if wanted is None else [wanted] if isinstance(wanted, str) else wanted


def unpicked(where: Where, sorts: Mapping[str, Sort], any_sort: bool = False) -> Iterator[str]:
    """What keeps an expectation's words from ever picking a fact. `any_sort`: one that says no
    `what` is of all of them."""
    whats = listed(where.get("what"))
    if not whats and not (any_sort and "what" not in where):
        yield f"of what? say `what`, one of {', '.join(sorts)}"
        return
    for what in whats:
        if what not in sorts:
            yield f"{what!r} is {config.nearest(what, list(sorts))}"
        else:
            yield from _of_sort(what, sorts[what], where)
    if not whats:
        yield from _of_sort("anything", _merged(sorts.values()), where)


def _merged(sorts: Iterable[Sort]) -> Sort:
    """What one of them has."""
    found: dict[str, Values] = {}
    empty: frozenset[str] = frozenset()
    for sort in sorts:
        empty |= sort.empty
        for name, values in sort.words.items():
            before = found.get(name)
            both = (*before, *values) if before and values else ANY
            found[name] = values if before is None else both
    return Sort(found, empty=empty)


def _of_sort(what: str, sort: Sort, where: Where) -> Iterator[str]:
    for name, wanted in where.items():
        if name == "what":
            continue
        if name not in sort.words:
            yield f"{name!r} of {what} is {config.nearest(name, list(sort.words))}"
            continue
        may_be_none = name in sort.empty
        values = sort.words[name]
        if wanted == [] and not may_be_none:
            yield f"{name} of {what} is never empty: say {_one_of(values) or 'which'}"
        for one in listed(wanted):
            if not one:
                yield f"{name} '' is none: say {'[]' if may_be_none else 'which'}"
            elif values and one not in values:
                yield f"{name} {one!r} is {config.nearest(one, list(values))}"


def _one_of(values: Values) -> str:
    return f"one of {', '.join(values)}" if values else ""


def uncounted(array: str, row: Expectation) -> Iterator[tuple[str, str]]:
    """What its count asks nothing by, or cannot be met by: where it stands, and in words."""
    if array == "never" and (row.least != 1 or row.most is not None):
        yield "least", "of what must never be there is none"
    if array != "never" and row.least == 0 and row.most is None:
        yield "least", "there are as many as that, whatever is played"
    if row.most is not None and row.most < row.least:
        yield "most", f"{row.most}, and at least {row.least} are asked for"
