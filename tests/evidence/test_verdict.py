"""What the gateway derives of its time and place, as its bytes."""

from typing import Any

import pytest

from evidence import cbor, verdict
from evidence.code import Check, Flag, TimeSource
from evidence.refusal import EvidenceError
from evidence.verdict import (
    Clock,
    Place,
    PlaceState,
    Receiver,
    Source,
    State,
    Term,
    Tripped,
    Verdict,
)

TERMS = (Term("accuracy", 60), Term("stamping", 900))
CLOCK = Clock("gps", "least bound", 960, 1000, TimeSource.GNSS, int(Flag.LOCKED), TERMS, None, 37)
GOOD = Verdict(
    CLOCK,
    (
        Source("gps", TimeSource.GNSS, State.CHOSEN, -120, 60, ""),
        Source("ptp", TimeSource.PTP, State.NO_WORD, None, None, "no grandmaster"),
    ),
    Place(PlaceState.DOUBTED, 50_000, 21_000),
    (Receiver(3, 1_900_000_000_000_000_000, 1, 2, 1, 0, 9, 4150),),
    (Tripped(Check.MOVED, None, 5), Tripped(Check.LATE, 7, 6)),
)
BARE = Verdict(
    Clock(None, "no source", None, 0, TimeSource.UNKNOWN, 0, (), 4, None),
    *((), Place(PlaceState.UNCHECKED, None, None), (), ()),
)


@pytest.mark.parametrize("value", [GOOD, BARE])
def test_it_comes_back(value: Verdict):
    assert verdict.read(value.raw()) == value


def test_words_are_bounded():
    long = Verdict(CLOCK._replace(why="x" * 9999), (), BARE.place, (), ())
    assert len(verdict.read(long.raw()).clock.why) == verdict.TEXT_MAX


def plain(value: Any) -> Any:
    return [plain(item) for item in value] if isinstance(value, tuple) else value


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        ((0, 0), "x" * 201),
        ((0, 2), -1),
        ((0, 4), 9),
        ((0, 6, 0, 1), -1),
        ((1, 0, 2), 4),
        ((1, 0, 3), "0"),
        ((2, 0), 3),
        ((2, 1), 1.5),
        ((3, 0, 0), None),
        ((4, 0, 0), 99),
        ((4, 0, 1), -7),
        ((4,), [[45, None, 1]] * 257),
    ],
)
def test_what_is_none(path: tuple[int, ...], wrong: object):
    value = plain(cbor.decode(GOOD.raw()))
    inner = value
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = wrong
    with pytest.raises(EvidenceError):
        verdict.read(cbor.encode(value))
