"""What two areas exchanged in an hour, and what is done about a DC tie: bodies, and what is looked
at where they are logged."""

from dataclasses import replace
from typing import Any

import pytest

from evidence import cbor, instant
from evidence.code import Emergency, Exchange, Matter, Reason, SeamKind
from evidence.joint import emergency, interchange
from evidence.joint.emergency import Alert, TieEmergency
from evidence.joint.interchange import Interchange
from evidence.joint.record import Record
from evidence.joint.seam import Line
from evidence.joint.state import State
from evidence.leap import NS
from evidence.refusal import EvidenceError
from tests.evidence.joint.sharing import (
    EAST,
    STATE,
    TIE,
    WEST,
    Log,
    record,
    ruled,
    says_seam,
    signed,
    word,
)

MINUTE = 60 * NS
HOUR = Interchange(Exchange.ACTUAL, "WEST", "EAST", 120.0, 1.0, ("WEST_PSE_1_EAST",), "our meters")
CUT = TieEmergency(
    Emergency.CURTAILED, "EAST", 56.0, 10.0, Alert("WEST", 3), "load is shed", "PP-98"
)
BLOCKED = TieEmergency(Emergency.BLOCKED, None, 0.0, None, None, "converter")


def refused(log: Log, of: Record) -> Reason:
    with pytest.raises(EvidenceError) as caught:
        log.add(signed(of))
    return caught.value.reason


def hour(begins: str, length_s: int, says: Interchange = HOUR, **changes: Any) -> Record:
    at = instant.read(begins)
    fields = {
        "elements": (TIE.name,),
        "body": says.body(),
        "begins": at,
        "ends": at + length_s * NS,
    }
    return record(Matter.INTERCHANGE, WEST, **(fields | changes))


# --- interchange ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("begins", "length_s"),
    [
        *(("2026-11-26T10:00:00Z", 60 * minutes) for minutes in (5, 15, 30, 60)),
        *(("2026-11-26T10:05:00Z", 300), ("2026-11-26T10:45:00Z", 900)),
        ("2026-11-26T10:30:00Z", 3600),  # Newfoundland
        ("2016-12-31T23:00:00Z", 3601),  # with its leap second
    ],
)
def test_an_interval_of_the_clock_is_one(begins: str, length_s: int):
    log = ruled()
    of = hour(begins, length_s)
    log.agree(of, EAST)
    assert log.state(of) == State.JOINT


@pytest.mark.parametrize(
    ("begins", "length_s"),
    [
        *(("2026-11-26T10:00:00Z", length) for length in (60, 600, 2700, 7200, 3599, 3601)),
        *(("2026-11-26T10:00:01Z", 3600), ("2026-11-26T10:15:00Z", 3600)),
        *(("2026-11-26T10:05:00Z", 900), ("2026-11-26T10:01:00Z", 300)),
        ("2016-12-31T23:00:00Z", 3600),  # a second short
    ],
)
def test_another_interval_is_refused(begins: str, length_s: int):
    assert refused(ruled(), hour(begins, length_s)) == Reason.INTERVAL


def test_its_direction_is_between_the_two_sides_of_the_seam():
    at = "2026-11-26T10:00:00Z"
    for says in (HOUR, replace(HOUR, source="EAST", sink="WEST")):
        ruled().add(signed(hour(at, 3600, says)))
    for says in (replace(HOUR, source="NORTH"), replace(HOUR, sink="NORTH")):
        assert refused(ruled(), hour(at, 3600, says)) == Reason.FOOTPRINT
    assert refused(ruled(), hour(at, 3600, footprints=("NORTH",))) == Reason.FOOTPRINT
    assert refused(ruled(), hour(at, 3600, elements=("No Tie",))) == Reason.SEAM_UNKNOWN


def test_what_was_exchanged_is_written_and_read_again():
    for says in (HOUR, Interchange(Exchange.SCHEDULED, "A", "B", 0.0)):
        assert interchange.read(says.body()) == says
    assert HOUR.told() == "actual 120 MWh from WEST to EAST, to 1 MWh"


@pytest.mark.parametrize(
    ("place", "wrong"),
    [
        *((0, 0), (0, 3), (0, True), (1, "EAST"), (1, ""), (2, "WEST"), (2, None), (3, 120)),
        *((3, -1.0), (3, None), (4, 0.0), (4, -1.0), (4, 1), (5, ["b", "a"]), (5, ["a", "a"])),
        *((5, [""]), (5, [f"{number:02}" for number in range(33)]), (5, "a"), (6, None)),
    ],
)
def test_an_energy_of_another_shape_is_refused(place: int, wrong: object):
    value: list[object] = list(cbor.decode(HOUR.body()))
    value[place] = wrong
    for says in (value, value[:-1], [*value, 1]):
        with pytest.raises(EvidenceError) as caught:
            interchange.read(cbor.encode(says))
        assert caught.value.reason == Reason.SHAPE


# --- an emergency of a DC tie ---------------------------------------------------------------------


def cut(says: TieEmergency = CUT, **changes: Any) -> Record:
    fields: dict[str, Any] = {"elements": (TIE.name,), "body": says.body()}
    return record(Matter.DC_TIE_EMERGENCY, EAST, **(fields | changes))


def test_both_sign_an_emergency_and_the_commission_is_told():
    log, of = ruled(), cut()
    log.add(signed(of))
    assert log.state(of) == State.PENDING
    log.add(word(of, WEST))
    assert (log.state(of), log.found(of).case.notified) == (State.JOINT, (STATE,))


def test_an_emergency_of_a_line_is_none_of_a_dc_tie():
    log, line = ruled(), Line(3.5, 35.0, 4e-4, None)
    log.agree(says_seam(replace(TIE, name="Line 1", kind=SeamKind.LINE, line=line, dc=None)), EAST)
    assert refused(log, cut(elements=("Line 1",))) == Reason.SEAM_UNKNOWN
    assert refused(log, cut(elements=("Line 1", "North Tie"))) == Reason.SEAM_UNKNOWN
    assert refused(log, cut(replace(CUT, toward=None), elements=("No",))) == Reason.SEAM_UNKNOWN
    assert refused(log, cut(replace(CUT, toward="NORTH"))) == Reason.FOOTPRINT


def test_what_is_done_is_written_and_read_again():
    over = TieEmergency(Emergency.RESTORED, None, None, 25.0, Alert("EAST", 0), "")
    for says in (CUT, BLOCKED, over):
        assert emergency.read(says.body()) == says
    told = "curtailed, toward EAST, at most 56 MW, 10 MW a minute, EEA 3 of WEST"
    assert CUT.told() == f"{told}; load is shed; PP-98"
    assert BLOCKED.told() == "blocked, at most 0 MW; converter"


@pytest.mark.parametrize(
    ("of", "place", "wrong"),
    [
        *((CUT, 0, wrong) for wrong in (0, 5, None)),
        *((CUT, 1, ""), (CUT, 2, -1.0), (CUT, 2, 56), (CUT, 3, 0.0), (CUT, 3, -1.0)),
        *((CUT, 4, wrong) for wrong in (["WEST", 4], ["WEST"], ["", 1], 3, ["WEST", True])),
        *((CUT, 5, None), (CUT, 6, 1), (CUT, 0, 4), (BLOCKED, 2, None), (BLOCKED, 2, 5.0)),
        (BLOCKED, 1, "EAST"),
    ],
)
def test_an_emergency_of_another_shape_is_refused(of: TieEmergency, place: int, wrong: object):
    value: list[object] = list(cbor.decode(of.body()))
    value[place] = wrong
    with pytest.raises(EvidenceError) as caught:
        emergency.read(cbor.encode(value))
    assert caught.value.reason == Reason.SHAPE
