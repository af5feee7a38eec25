"""A seam settled over a record: by the leaves that it finds, and again by those that a record of
it names."""

import cmath
import math
import uuid
from collections.abc import Iterator
from dataclasses import replace

import pytest

from evidence.code import Agreement, Disagreement, Matter, Reason, SeamKind
from evidence.joint import settlement
from evidence.joint.claim import NET_ENERGY, Claim, Figure
from evidence.joint.record import Record
from evidence.joint.registry import Key
from evidence.joint.seam import Seam
from record.database import Place
from record.lookup import NotFoundError
from record.settle import agreed, told
from record.settle.interval import Stretch
from record.settle.job import Job, Settled, named, proposed, settled
from tests.evidence.joint.sharing import EAST, KEYS, STATE, WEST, lists, record, says_seam
from tests.record.gateway import NANOSECONDS, START
from tests.record.settle.border import (
    BUS,
    HEIR,
    HEIR_LISTED,
    HOUR,
    LINE,
    RATE,
    SIDES,
    TIE,
    Pmu,
    Shared,
)
from tests.record.settle.test_energy import GAINED, SENT, flowing, leaving
from tests.record.upstream import BOTH

FIFTH, SIXTH = (bytes([number]) * 16 for number in (5, 6))
SECONDS = 4
STRETCH = Stretch(START, START + SECONDS * NANOSECONDS)
VOLT = 345_000 / math.sqrt(3)
V1, V2 = cmath.rect(VOLT, 0.1), cmath.rect(0.99 * VOLT, 0.0)


def flows(volt_1: complex, volt_2: complex) -> tuple[complex, complex]:
    """What enters a line at its first end, and leaves it at the second, by its nodal equations."""
    assert LINE.line is not None
    series = 1 / complex(LINE.line.r_ohm, LINE.line.x_ohm)
    shunt = 0.5j * LINE.line.b_siemens
    one = (series + shunt) * volt_1 - series * volt_2
    return one, series * volt_1 - (series + shunt) * volt_2


I1, I2 = flows(V1, V2)


@pytest.fixture
def shared(place: Place) -> Iterator[Shared]:
    found = Shared(place, TIE, LINE, BUS)
    yield found
    found.upstream.close()


def fill(pmu: Pmu, volt: complex, amp: complex, seconds: int = SECONDS, first: int = 0) -> None:
    """A grid a little fast: phasors turn."""
    hz = 60.01
    for number in range(first * RATE, (first + seconds) * RATE):
        turn = cmath.exp(2j * math.pi * (hz - 60.0) * number / RATE)
        pmu.say(number, volt * turn, amp * turn, hz)
    pmu.push()


def both(shared: Shared, seam: Seam, one: tuple[complex, complex], other: tuple[complex, complex]):
    for side, (volt, amp) in zip(seam.sides, (one, other), strict=True):
        fill(Pmu(shared, side), volt, amp)


def job_of(shared: Shared, seam: Seam, stretch: Stretch = STRETCH) -> Job:
    size = shared.size
    of = agreed.seam_called(shared.store, seam.name, size)
    return proposed(shared.store, shared.known(), of, stretch, size)


def settle(shared: Shared, seam: Seam, stretch: Stretch = STRETCH) -> Settled:
    return settled(shared.store, shared.known(), job_of(shared, seam, stretch))


def again(shared: Shared, says: Record) -> bytes:
    found = settled(shared.store, shared.known(), named(shared.store, says))
    return found.record(says.author).payload()


@BOTH
def test_a_line_agrees_and_whoever_settles_it_again_finds_the_same_bytes(shared: Shared):
    # The second end counts what enters the line there.
    both(shared, LINE, (V1, I1), (V2, -I2))
    found = settle(shared, LINE)
    assert found.outcome.verdict == Agreement.AGREED, found.outcome.why
    assert found.outcome.counts.compared == SECONDS * RATE
    assert all(abs(one.residual) < 1e-5 for one in found.outcome.measures)
    says = found.record(WEST)
    shared.say(says)
    # More comes, of that interval too: what was said does not change, and is found again.
    fill(Pmu(shared, LINE.sides[0]), 1.2 * V1, I1)
    assert again(shared, says) == says.payload()
    assert settle(shared, LINE).record(WEST).payload() != says.payload()


def test_a_bus_agrees_and_a_shifted_clock_does_not(shared: Shared):
    both(shared, BUS, (V1, I1), (V1, I1))
    assert settle(shared, BUS).outcome.verdict == Agreement.AGREED


@pytest.mark.parametrize(
    ("one", "other", "name", "told"),
    [
        ((V1, I1), (V2, I2), Disagreement.NOT_SEPARABLE, "current"),
        ((V1, I1), (V2, -2 * I2), Disagreement.NOT_SEPARABLE, "current"),
        # The first side's gateway is at another bus than it says: swapped.
        (
            (cmath.rect(0.9 * VOLT, 0.3), I1 * cmath.exp(1j)), (V2, -I2),
            Disagreement.WRONG_TOPOLOGY, "at another bus",
        ),
    ],
)  # fmt: skip
def test_what_contradicts_the_line_is_disputed(
    shared: Shared,
    one: tuple[complex, complex],
    other: tuple[complex, complex],
    name: Disagreement,
    told: str,
):
    both(shared, LINE, one, other)
    found = settle(shared, LINE).outcome
    assert (found.verdict, found.disagreement) == (Agreement.DISPUTED, name)
    assert told in found.why


def test_a_gateway_of_the_other_side_does_not_speak_for_this_one(shared: Shared):
    fill(Pmu(shared, LINE.sides[0]), V1, I1)
    fill(Pmu(shared, LINE.sides[1], issuer=WEST), V2, -I2)
    found = settle(shared, LINE)
    assert found.outcome.verdict == Agreement.NOT_COMPARABLE
    assert "second: no voltage" in found.outcome.why
    other = Reason.OTHER_SIDE.name.lower()
    assert f"{other}: gw-2 of {WEST} at the second side's node" in found.outcome.why
    says = found.record(WEST)
    assert again(shared, says) == says.payload()


def test_two_gateways_on_one_pmu_count_once_and_dispute_where_they_differ(shared: Shared):
    fill(Pmu(shared, LINE.sides[1]), V2, -I2)
    for _ in range(2):
        fill(Pmu(shared, LINE.sides[0]), V1, I1)
    found = settle(shared, LINE)
    assert found.outcome.verdict == Agreement.AGREED
    assert found.outcome.counts == (SECONDS * RATE, 0, 0, 0)
    fill(Pmu(shared, LINE.sides[0]), V1 * 1.0001, I1)
    found = settle(shared, LINE)
    assert found.outcome.verdict == Agreement.DISPUTED
    assert "gw-2 and gw-3 and gw-4 tell different values of the PMU 1" in found.outcome.why


def test_another_pmu_of_a_side_is_no_second_voice_of_the_first(shared: Shared):
    both(shared, LINE, (V1, I1), (V2, -I2))
    fill(Pmu(shared, LINE.sides[0], idcode=8), V1 * 1.0001, I1, SECONDS - 1)
    assert settle(shared, LINE).outcome.verdict == Agreement.AGREED


def test_a_current_without_a_direction_is_compared_with_nothing(shared: Shared):
    fill(Pmu(shared, LINE.sides[0], direction=0), V1, I1)
    fill(Pmu(shared, LINE.sides[1]), V2, -I2)
    assert "no direction" in settle(shared, LINE).outcome.why


def test_a_direction_out_of_the_equipment_turns_the_current(shared: Shared):
    fill(Pmu(shared, LINE.sides[0], direction=-1), V1, -I1)
    fill(Pmu(shared, LINE.sides[1]), V2, -I2)
    assert settle(shared, LINE).outcome.verdict == Agreement.AGREED


@pytest.mark.parametrize("phases", ["ABC", "ABC1", "BAC"])
def test_what_is_doubtful_is_no_word_of_a_side(shared: Shared, phases: str):
    """A frame is counted once, whatever voltages are in it."""
    fill(Pmu(shared, LINE.sides[0]), V1, I1)
    pmu = Pmu(shared, LINE.sides[1], phases=phases)
    for number in range(SECONDS * RATE):
        pmu.say(number, V2, -I2, bound=None)
    pmu.push()
    found = settle(shared, LINE).outcome
    assert found.verdict == Agreement.NOT_COMPARABLE
    assert f"set aside: {SECONDS * RATE} bound_unknown" in found.why


@pytest.mark.parametrize(
    ("heard_s", "disagreement", "why"),
    [
        (-0.98, Disagreement.TIME_SHIFT, "heard 0.979 s before the instants it claims"),
        (2.02, Disagreement.NOT_SEPARABLE, "heard 2.019 s after the instants it claims, 1.300 s"),
    ],
)
def test_a_time_shift_that_the_arrival_tells(
    shared: Shared, heard_s: float, disagreement: Disagreement, why: str
):
    """At 60.00 Hz sharp a whole second turns no phasor: only the gateway's clock tells."""
    fill(Pmu(shared, LINE.sides[0]), V1, I1)
    pmu = Pmu(shared, LINE.sides[1])
    for number in range(SECONDS * RATE):
        pmu.say(number, V2, -I2, heard=round(heard_s * NANOSECONDS))
    pmu.push()
    found = settle(shared, LINE)
    assert found.outcome.verdict == Agreement.DISPUTED
    assert found.outcome.disagreement == disagreement
    assert why in found.outcome.why and "the second side" in found.outcome.why
    assert f"({disagreement.name.lower()})" in told.line(told.told(found))
    says = found.record(WEST)
    assert again(shared, says) == says.payload()


def test_a_few_samples_that_came_late_are_set_aside_and_no_more(shared: Shared):
    fill(Pmu(shared, LINE.sides[0]), V1, I1)
    pmu = Pmu(shared, LINE.sides[1])
    hz = 60.01
    for number in range(SECONDS * RATE):
        turn = cmath.exp(2j * math.pi * (hz - 60.0) * number / RATE)
        late = {"heard": 5 * NANOSECONDS} if number % 10 == 3 else {}
        # What came late says something else: it is no word of the side.
        pmu.say(number, V2 * turn * (2 if late else 1), -I2 * turn, hz, **late)
    pmu.push()
    found = settle(shared, LINE).outcome
    assert found.verdict == Agreement.AGREED, found.why
    assert found.counts == (SECONDS * RATE - SECONDS, 0, 0, SECONDS)


def test_a_tie_settles_by_energy_and_says_so_in_a_record(shared: Shared):
    shared.play(shared.meter(TIE.sides[0]), flowing(SENT))
    shared.play(shared.meter(TIE.sides[1]), leaving(GAINED))
    found = settle(shared, TIE, HOUR)
    assert found.outcome.verdict == Agreement.AGREED
    says = found.record(EAST)
    entry = shared.agree(says, WEST)
    (row,) = agreed.records(shared.store, Matter.SETTLEMENT, shared.size)
    assert row[0].idx == entry.idx
    body = settlement.read(row[1].body)
    assert body.verdict == Agreement.AGREED
    assert body.seam == agreed.seam_called(shared.store, TIE.name, shared.size).name
    assert again(shared, says) == says.payload()


def test_a_claim_is_a_side_where_nothing_was_measured(shared: Shared):
    shared.play(shared.meter(TIE.sides[0]), flowing(SENT))
    claim = Claim("HE01", "Form EIA-930", (Figure(NET_ENERGY, "MWh", -GAINED, 1.0),))
    of = record(
        Matter.CLAIM, EAST, elements=(TIE.name,), begins=HOUR.begins, ends=HOUR.ends,
        body=claim.body(),
    )  # fmt: skip
    shared.say(of)
    found = settle(shared, TIE, HOUR)
    assert found.outcome.verdict == Agreement.AGREED
    assert "the second side is a claim" in found.outcome.why
    says = found.record(WEST)
    assert len(says.parents) == 1
    assert again(shared, says) == says.payload()


def test_the_seam_in_force_at_the_size_rules(shared: Shared):
    size = shared.size
    changed = replace(TIE, sides=(replace(SIDES[0], rated_a=900.0), SIDES[1]))
    shared.agree(says_seam(changed), EAST)
    assert agreed.seam_called(shared.store, TIE.name, size).seam == TIE
    assert agreed.seam_called(shared.store, TIE.name, shared.size).seam == changed
    with pytest.raises(NotFoundError, match="no seam 'Nowhere' is in force; there are: Border"):
        agreed.seam_called(shared.store, "Nowhere", size)


def star(shared: Shared) -> Seam:
    """A bus: the first side's two branches bring what the second's one takes."""
    one, other = BUS.sides
    found = replace(
        BUS, name="Star", kind=SeamKind.SUM,
        sides=(
            replace(one, branches=(one.terminal or b"", FIFTH)),
            replace(other, branches=(other.terminal or b"",)),
        ),
    )  # fmt: skip
    shared.agree(says_seam(found), EAST)
    return found


def test_a_sum_of_currents_takes_all_the_branches_that_its_seam_names(shared: Shared):
    of = star(shared)
    one, other = of.sides
    fill(Pmu(shared, one, direction=-1), V1, 0.4 * I1)
    fill(Pmu(shared, other), V1, I1)
    found = settle(shared, of)
    # 0.4 of what the other takes is no contradiction: a branch is missing.
    assert found.outcome.verdict == Agreement.NOT_COMPARABLE
    assert f"first: the branch at terminal {uuid.UUID(bytes=FIFTH)} is not" in found.outcome.why
    fill(Pmu(shared, replace(one, terminal=FIFTH), direction=-1, idcode=8), V1, 0.6 * I1)
    assert settle(shared, of).outcome.verdict == Agreement.AGREED
    # And one that the seam does not name is no branch of its.
    fill(Pmu(shared, replace(one, terminal=SIXTH), direction=-1, idcode=9), V1, I1)
    assert settle(shared, of).outcome.verdict == Agreement.AGREED


def test_a_successor_speaks_for_a_side_from_where_it_succeeded(shared: Shared):
    """The seam names the authority that it was agreed with; another took its place since."""
    fill(Pmu(shared, LINE.sides[0]), V1, I1)
    early = Pmu(shared, LINE.sides[1], issuer=HEIR)  # it succeeds nobody yet
    fill(early, V2, -I2)
    assert "second: no voltage" in settle(shared, LINE).outcome.why
    shared.agree(lists(HEIR_LISTED), EAST, STATE)
    assert "second: no voltage" in settle(shared, LINE).outcome.why
    before = settle(shared, LINE).record(WEST)
    shared.say(before)
    fill(Pmu(shared, LINE.sides[1], issuer=HEIR), V2, -I2)
    assert settle(shared, LINE).outcome.verdict == Agreement.AGREED
    assert again(shared, before) == before.payload()
    # What the predecessor's gateways measured goes on being that side's word.
    later = replace(LINE, name="Next Line", sides=(SIDES[0], replace(SIDES[1], authority=HEIR)))
    shared.agree(says_seam(later), HEIR)
    fill(Pmu(shared, LINE.sides[1]), V2, -I2)
    assert settle(shared, later).outcome.counts.compared == SECONDS * RATE


def test_a_claim_of_a_successor_is_the_side(shared: Shared):
    shared.play(shared.meter(TIE.sides[0]), flowing(SENT))
    claim = Claim("HE01", "Form EIA-930", (Figure(NET_ENERGY, "MWh", -GAINED, 1.0),))
    shared.agree(lists(HEIR_LISTED), EAST, STATE)
    of = record(
        Matter.CLAIM, HEIR, elements=(TIE.name,), begins=HOUR.begins, ends=HOUR.ends,
        body=claim.body(),
    )  # fmt: skip
    shared.say(of)
    found = settle(shared, TIE, HOUR)
    assert found.outcome.verdict == Agreement.AGREED
    says = found.record(WEST)
    assert again(shared, says) == says.payload()


def test_nobody_confirms_itself_at_a_bus_that_both_sides_measure(shared: Shared):
    both(shared, BUS, (V1, I1), (V1, I1))
    assert settle(shared, BUS).outcome.verdict == Agreement.AGREED
    merged = replace(HEIR_LISTED, name=WEST, keys=(Key(KEYS[WEST].public, 0, None),))
    shared.agree(lists(merged), EAST, STATE)
    found = settle(shared, BUS).outcome
    assert found.verdict == Agreement.NOT_COMPARABLE
    assert "speaks for both sides" in found.why


def test_no_name_that_somebody_typed_keeps_a_settlement_from_being_said(shared: Shared):
    classes = ("0.3\x1b[2J" + 300 * "\u00e9", "0.3")
    fill(Pmu(shared, LINE.sides[0], accuracy=classes), V1, I1)
    fill(Pmu(shared, LINE.sides[1]), V2, -I2)
    found = settle(shared, LINE)
    assert found.outcome.verdict == Agreement.NOT_COMPARABLE
    assert found.outcome.why.isprintable()
    says = found.record(WEST)
    shared.say(says)
    assert again(shared, says) == says.payload()


def test_a_correction_and_a_burden_that_are_not_disclosed_are_said_so(shared: Shared):
    """And another correction on file is another instrument: what was learned is not of it."""
    fill(Pmu(shared, LINE.sides[1]), V2, -I2)
    chains = []
    for second, (burden, correction) in enumerate((("", None), ("2.5 VA", b"\xab" * 32))):
        fill(
            Pmu(shared, LINE.sides[0], burden=burden, correction=correction),
            *(V1, I1, 1, second),
        )
        stretch = Stretch(START + second * NANOSECONDS, START + (second + 1) * NANOSECONDS)
        found = settle(shared, LINE, stretch)
        assert found.outcome.verdict == Agreement.AGREED, found.outcome.why
        assert found.sides is not None
        chains.append(found.sides[0].chain())
    assert chains[0] != chains[1]
    sources = {term.source for one in found.outcome.measures for term in one.terms}
    assert any(
        "0.3, burden of 2.5 VA, its rated one not disclosed, correction abababab not disclosed"
        in source
        for source in sources
    )


def test_phasors_of_a_long_stretch_are_not_held_at_once(shared: Shared):
    both(shared, LINE, (V1, I1), (V2, -I2))
    leap = Stretch(START, START + 3601 * NANOSECONDS)  # an hour with a leap second
    assert settle(shared, LINE, leap).outcome.verdict == Agreement.AGREED
    found = settle(shared, LINE, leap._replace(ends=leap.ends + 1))
    assert found.outcome.verdict == Agreement.NOT_COMPARABLE
    assert "settle by intervals" in found.outcome.why
    says = found.record(WEST)
    shared.say(says)
    assert again(shared, says) == says.payload()
