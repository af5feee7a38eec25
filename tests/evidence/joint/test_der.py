"""Aggregations: what they have at least, and the same asset sold twice."""

import pytest

from evidence import cbor
from evidence.code import Part, Reason, Role, Word
from evidence.joint import der
from evidence.joint.state import State
from evidence.refusal import EvidenceError
from tests.evidence.joint.sharing import (
    EAST,
    HOUR,
    ROOFS,
    SHIPPED,
    START,
    STATE,
    WEST,
    Log,
    aggregation,
    listing,
    lists,
    roof,
    ruled,
    says_policy,
    signed,
    word,
)

HUB, RIVAL = "Roof Hub", "Sun Pool"


@pytest.fixture
def log() -> Log:
    found = ruled()
    for name in (HUB, RIVAL):
        found.agree(lists(listing(name, Role.DER_AGGREGATOR)), EAST, STATE)
    return found


def flags(log: Log, of) -> tuple[Reason, ...]:
    return log.found(of).case.flags


def test_an_aggregation_takes_rto_host_and_aggregator(log):
    of = aggregation(author=HUB)
    log.agree(of)
    assert [need.authority for need in log.found(of).case.needs] == [HUB, WEST]
    log.add(word(of, WEST))
    assert log.found(of).plain


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        (((Part.RTO, WEST), (Part.AGGREGATOR, HUB)), Reason.PARTY),  # no host
        (((Part.RTO, EAST), (Part.HOST, WEST), (Part.AGGREGATOR, HUB)), Reason.PARTY),  # not there
        (((Part.RTO, WEST), (Part.HOST, EAST), (Part.AGGREGATOR, HUB)), Reason.PARTY),  # no DP
        (((Part.RTO, WEST), (Part.HOST, "Nobody"), (Part.AGGREGATOR, HUB)), Reason.PARTY),
    ],
)
def test_a_part_without_its_role_is_refused(log, parts, reason):
    with pytest.raises(EvidenceError) as caught:
        log.add(signed(aggregation(author=HUB, parts=parts)))
    assert caught.value.reason == reason


def test_less_than_the_tariff_asks_for_is_refused(log):
    small = aggregation(author=HUB, assets=((roof(1), 99.9),))
    with pytest.raises(EvidenceError) as caught:
        log.add(signed(small))
    assert caught.value.reason == Reason.BELOW_MINIMUM
    odd = aggregation(author=HUB, assets=((roof(1), 0.1),), service="no tariff")
    log.add(signed(odd))
    assert flags(log, odd) == (Reason.SERVICE_UNKNOWN,)


@pytest.mark.parametrize("spelled", ["Reg-Up", "REG  UP", "Regulation_Up", "regup"])
def test_a_service_that_is_spelled_otherwise_is_the_same(log, spelled):
    log.agree(aggregation(author=HUB, service="regulation up"), WEST)
    other = aggregation(author=RIVAL, service=spelled)
    log.add(signed(other))
    assert flags(log, other) == (Reason.AGGREGATED_TWICE,)
    small = aggregation(author=HUB, assets=((roof(7), 99.9),), service=spelled)
    with pytest.raises(EvidenceError) as caught:
        log.add(signed(small))
    assert caught.value.reason == Reason.BELOW_MINIMUM


def test_two_that_no_tariff_names_are_one_where_they_are_spelled_alike(log):
    log.agree(aggregation(author=HUB, service="Black-Start"), WEST)
    other = aggregation(author=RIVAL, service="black start")
    log.add(signed(other))
    assert flags(log, other) == (Reason.SERVICE_UNKNOWN, Reason.AGGREGATED_TWICE)


def test_a_synonym_that_comes_into_the_tariff_later_holds_of_what_was_sold_before(log):
    log.agree(aggregation(author=HUB, service="black start"), WEST)
    row = '[[tariff]]\nservice = "restoration"\nalso = ["black start"]\nminimum_kw = 1.0\n'
    text = f"{SHIPPED.read_text(encoding='utf-8')}\n{row}"
    log.agree(says_policy(text, ends=START + 1), EAST, STATE)
    other = aggregation(author=RIVAL, service="Restoration")
    log.add(signed(other))
    assert flags(log, other) == (Reason.AGGREGATED_TWICE,)


def test_the_same_asset_and_service_in_two_is_flagged_on_the_later_and_both_stay(log):
    one, two = aggregation(author=HUB), aggregation(author=RIVAL, name="Others")
    log.agree(one, WEST)
    log.agree(two, WEST)
    assert (flags(log, one), flags(log, two)) == ((), (Reason.AGGREGATED_TWICE,))
    assert log.state(one) == log.state(two) == State.JOINT


def test_one_asset_in_common_is_enough_and_another_service_is_none(log):
    log.agree(aggregation(author=HUB), WEST)
    both = aggregation(author=RIVAL, assets=((roof(2), 80.0), (roof(9), 80.0)))
    log.add(signed(both))
    assert flags(log, both) == (Reason.AGGREGATED_TWICE,)
    other = aggregation(author=RIVAL, service="frequency response")
    log.add(signed(other))
    assert flags(log, other) == ()


def test_the_next_record_of_one_aggregation_is_no_second_one(log):
    log.agree(aggregation(author=HUB), WEST)
    again = aggregation(author=HUB, assets=((roof(1), 60.0), (roof(3), 60.0)))
    log.add(signed(again))
    assert flags(log, again) == ()


def test_one_name_with_two_rtos_is_two_aggregations(log):
    log.agree(lists(listing("South RTO", Role.RC, Role.DP, at=["WEST"])), EAST, STATE)
    one = aggregation(author=HUB)
    log.agree(one, WEST)
    parts = ((Part.RTO, "South RTO"), (Part.HOST, WEST), (Part.AGGREGATOR, HUB))
    other = aggregation(author=HUB, parts=parts)
    log.add(signed(other))
    assert (flags(log, one), flags(log, other)) == ((), (Reason.AGGREGATED_TWICE,))


def test_a_host_is_of_the_footprint_that_the_aggregation_touches(log):
    log.agree(lists(listing("Far Utility", Role.DP, at=["EAST"])), EAST, STATE)
    parts = ((Part.RTO, WEST), (Part.HOST, "Far Utility"), (Part.AGGREGATOR, HUB))
    with pytest.raises(EvidenceError) as caught:
        log.add(signed(aggregation(author=HUB, parts=parts)))
    assert caught.value.reason == Reason.PARTY


def test_who_sells_it_afterwards_sells_it_once(log):
    log.agree(aggregation(author=HUB), WEST)
    after = aggregation(author=RIVAL, begins=START, ends=START + HOUR)
    log.add(signed(after))
    assert flags(log, after) == ()


def test_what_was_disputed_sells_nothing(log):
    one = aggregation(author=HUB)
    log.agree(one)
    log.add(word(one, WEST, Word.DISSENT))
    other = aggregation(author=RIVAL)
    log.add(signed(other))
    assert flags(log, other) == ()


def test_a_body_is_written_and_read_again():
    of = der.Aggregation("Roofs", "energy", ((roof(1), 60.0), (roof(2), 60.0)))
    assert der.read(of.body()) == of and of.kw == 120.0
    a, b = roof(1), roof(2)
    wrong: tuple[object, ...] = (
        [],
        [[b, 1.0], [a, 1.0]],
        [[a, 1]],
        [[a, -1.0]],
        [[a, 1.0]] * 2,
        [[bytes(16), 1.0]],
    )
    for rows in (*wrong, [["roof 1", 1.0]], [[a[1:], 1.0]]):
        with pytest.raises(EvidenceError):
            der.read(cbor.encode(["Roofs", "energy", rows]))
    with pytest.raises(EvidenceError):
        der.read(cbor.encode(["Roofs", "--", [[a, 1.0]]]))


def test_who_would_have_too_much_looked_at_is_flagged_without_it(
    log, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(der, "LOOKED_MAX", 2 * len(ROOFS))
    found = []
    for count in range(4):
        of = aggregation(author=HUB, begins=START - HOUR - count)
        log.add(signed(of))
        found.append(flags(log, of))
    assert found == [(), (), (), (Reason.AGGREGATED_TWICE,)]
    later = aggregation(author=HUB, begins=START, ends=START + HOUR)  # another time
    log.add(signed(later))
    assert flags(log, later) == ()
