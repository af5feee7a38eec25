"""The account as it is shown: what is wrong first, the record's answers, no place of anything."""

import json
from typing import Any

import pytest

from agent.account import words
from agent.health import ANSWER_BYTES_MAX, Answered, Health
from agent.page import sheet
from agent.room import Room
from evidence import cose
from evidence.code import Class, Reason, Typ
from evidence.leap import BUILT_IN
from evidence.receipt import Classed, Receipt, Refusal
from tests.record.upstream import LOG

AT = BUILT_IN.tai_ns(1_790_000_000)


def account(health: Health, **changes: Any) -> dict[str, Any]:
    """As agent.runner tells it."""
    time = {
        "bound_ns": 51_000_000, "chosen": "gps", "source": "gnss", "holdover_s": None,
        "why": "the only one that vouches", "sources": [], "utc": "2026-09-21T14:13:20Z",
    }  # fmt: skip
    place = {"state": "checked", "words": "gps: 1.2 m from the survey"}
    told: dict[str, Any] = {
        "time": time, "place": place, "checks": [], "receivers": {}, "tests": [], "tests_fault": "",
    }  # fmt: skip
    if not health.sources:
        health.source("pmu").state = "up"
    return health.report() | told | changes


def told(health: Health, **changes: Any) -> dict[str, Any]:
    return sheet.told("gw", account(health, **changes), health.answered, BUILT_IN)


def test_a_gateway_that_is_well() -> None:
    health = Health()
    health.source("pmu").state = "up"
    found = told(health)
    assert found["troubles"] == []
    facts = dict(found["facts"])
    bound = "within 51.0 ms by gps (gnss): the only one that vouches"
    assert facts["Clock of the gateway"] == bound
    assert facts["To send"] == "0 batches, 0.0 MB; 0 under way; in step"
    assert facts["Arrival to durable"] == "nothing yet"
    assert "None" not in words(account(health))
    assert "1 of 1 sources up, clock within 51.0 ms" in found["line"]


def test_what_is_wrong_comes_first_and_harmless_to_a_terminal() -> None:
    health = Health()
    health.source("pmu").state = "down"
    health.source("pmu").text = "refused \x1b[2J"
    health.spool_fault = "no space left"
    health.record = "192.0.2.1:8470: connection refused"
    check = {"check": "moved", "stream": None, "for_s": 12, "words": "50 m from the survey"}
    found = told(health, checks=[check])
    assert found["troubles"] == [
        "SPOOL FAILED: no space left",
        "NOTHING IS FORWARDED, batches wait: 192.0.2.1:8470: connection refused",
        "pmu is down: refused \\x1b[2J",
        "moved for 12 s: 50 m from the survey",
    ]
    assert found["line"].endswith("; SPOOL FAILED: no space left (and 3 more)")


def test_status_is_harmless_to_a_terminal_and_has_a_line_for_each_word() -> None:
    health = Health()
    health.source("pmu").text = "refused \x1b[2J\nrecord     up"
    health.record = "192.0.2.1:8470: \x1b]0;owned\x07"
    said = words(account(health))
    assert not any(one in said for one in ("\x1b", "\x07")) and "refused \\x1b[2J\\nrecord" in said
    assert [one.startswith("record") for one in said.split("\n")].count(True) == 1


def test_a_gateway_that_reads_nothing_says_so() -> None:
    says = "NO LINE IS READ: the configuration has no [[source]]"
    assert told(Health(), sources={})["troubles"] == [says]
    assert words(account(Health(), sources={})).endswith(says)


@pytest.mark.parametrize(
    ("record", "says"),
    [("", []), ("up", []), ("up; passed over: too large", ["BATCHES PASSED OVER: too large"])],
)
def test_how_the_record_takes_it(record: str, says: list[str]) -> None:
    health = Health()
    health.record = record
    found = told(health)
    assert found["troubles"] == says
    assert dict(found["facts"])["Record"] == f"{record or 'not asked yet'}; its log has 0 entries"


def test_a_limit_that_stops_all_lines_is_named() -> None:
    health = Health()
    room = Room(1000, health)
    for waiting, says in ((999, ""), (1000, "NO LINE IS READ: as much waits"), (990, "")):
        health.waiting = health.waiting_bytes = waiting
        room.weigh(0, low=False, relieved=False)
        assert room.open.is_set() is not bool(says)
        assert says in "".join(told(health)["troubles"]) and bool(told(health)["troubles"]) == bool(
            says
        )
    health.waiting_bytes = 1000
    room.weigh(0, low=False, relieved=True)  # older ones are given up instead
    assert told(health)["troubles"] == []


def test_nobody_to_check_the_place_is_a_fact_and_no_trouble() -> None:
    check = {"check": "place_unchecked", "stream": None, "for_s": 1, "words": "no receiver"}
    assert told(Health(), checks=[check])["troubles"] == []


@pytest.mark.parametrize("look", ["page", "json"])
def test_no_place_and_no_bytes_are_told(look: str) -> None:
    health = Health()
    health.source("pmu").places = {"7": {7: (46.948, 7.4474, 0.5)}}
    health.bad_frame("pmu", "chk", "a CHK that does not match", b"\xaa\x01secret", AT)
    words = "IDCODE 7: 5219 km from the survey: it says 7.447400, 46.948002"
    check = {"check": "device_place", "stream": "pmu/7", "for_s": 1, "words": words}
    report = account(health, checks=[check])
    found = sheet.plain(report) if look == "json" else told(health, checks=[check])
    said = json.dumps(found)
    assert not any(part in said for part in ("7.4474", "46.948", "aa01", b"secret".hex()))
    assert "gridseal-agent check says which" in said


def test_what_the_record_said() -> None:
    health = Health()
    subject = bytes(32)
    classed = (
        Classed(1, 0, 4, int(Class.TIME_DOUBTFUL), int(Reason.JAMMING_SUSPECTED)),
        Classed(2, 7, 7, int(Class.TIME_DOUBTFUL), int(Reason.JAMMING_SUSPECTED)),
    )
    for typ, payload in (
        (Typ.RECEIPT, Receipt(subject, 5, 9, subject, (), ()).payload()),
        (Typ.RECEIPT, Receipt(subject, 6, 9, subject, (), classed).payload()),
        (Typ.REFUSAL, Refusal(subject, Reason.SIGNATURE, "not its key", AT).payload()),
    ):
        health.answer(cose.sign(typ, payload, LOG), 30, 9000, AT)
    health.answer(bytes(ANSWER_BYTES_MAX + 1), 30, 9000, AT)
    health.answered.append(Answered(b"garbage", 1, 1, AT))
    garbage, long, refused, doubtful, good = told(health)["tables"]["receipts"]
    when = "2026-09-21T14:13:20Z"
    assert good == [when, "receipt", "30", "5 of 9", "all settleable"]
    assert doubtful[4] == "6 time doubtful, jamming suspected"
    assert refused[1:] == ["refused", "30", "signature", "not its key"]
    assert long[4] == "too long to be kept for a look" and garbage[1] == "cannot be read"
