"""What was noticed, as its bytes."""

import pytest

from evidence import cbor, event
from evidence.code import Check, Event
from evidence.event import Noticed
from evidence.refusal import EvidenceError

GOOD = Noticed(Event.REPLAYED, 5, 9, 3, "stNum 1 after 2", b"frame")
TRIPPED = Noticed(Event.CHECK_TRIPPED, 5, 5, 1, "1.000 s slow", None, Check.LATE)


@pytest.mark.parametrize("noticed", [GOOD, TRIPPED, Noticed(Event.SILENT, 7, 7, 1, "")])
def test_it_comes_back(noticed: Noticed):
    assert event.read(noticed.raw()) == noticed


def test_words_are_bounded():
    long = Noticed(Event.SILENT, 7, 7, 1, "x" * 9999)
    assert len(event.read(long.raw()).text) == event.TEXT_MAX


@pytest.mark.parametrize(
    "raw",
    [
        [99, 5, 9, 3, "", None, None],  # no event that is known
        [5, 9, 5, 3, "", None, None],
        [5, 5, 9, 0, "", None, None],
        [5, 5, 9, 3, "x" * 501, None, None],
        [5, 5, 9, 3, "", "text", None],
        [5, 5, 9, 3, "", None],
        [5, 5, 9, 3, "", None, 2],  # a check of an event that is of none
        [17, 5, 9, 3, "", None, None],
        [17, 5, 9, 3, "", None, 99],
    ],
)
def test_what_is_none(raw: list[object]):
    with pytest.raises(EvidenceError):
        event.read(cbor.encode(raw))
