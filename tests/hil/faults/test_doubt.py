"""The judge of doubts, on cases made by hand: what is said too late, for too long, and wrongly."""

import pytest

from evidence.code import Check, Class, Flag, Reason
from evidence.leap import NS
from hil.faults.doubt import Change, Injection, Told, judge, spans

LINE, OTHER = "gateway idcode=7", "gateway unit=1"
AT, OVER = 100 * NS, 110 * NS
MOVED = frozenset({Check.MOVED})


def sample(
    at_s: float,
    klass: Class = Class.SETTLEABLE,
    reason: int = 0,
    flags: int = 0,
    line: str = LINE,
    off_ns: int = 0,
) -> Told:
    at = round(at_s * NS)
    return Told(line, at, at, 1000, int(flags), int(klass), int(reason), off_ns)


def injection(**said: object) -> Injection:
    usual: dict[str, object] = {
        "name": "moved", "at": AT, "over": OVER, "checks": MOVED, "flags": int(Flag.PLACE_DOUBTED),
        "within_ns": 3 * NS, "clears_ns": 5 * NS,
    }  # fmt: skip
    return Injection(**{**usual, **said})  # type: ignore[arg-type]


def change(
    at_s: float, tripped: bool, check: Check = Check.MOVED, line: str | None = None
) -> Change:
    return Change(check, tripped, round(at_s * NS), line)


def doubted(at_s: float, line: str = LINE) -> Told:
    return sample(at_s, Class.PLACE_DOUBTFUL, Reason.PLACE_CONTRADICTED, Flag.PLACE_DOUBTED, line)


def test_it_is_flagged_by_whatever_says_so_first_and_cleared_by_the_last():
    samples = [sample(99), *(doubted(at) for at in (102.5, 104, 106, 112)), sample(114)]
    events = [change(102, True), change(111, False)]
    found = judge(samples, events, [injection()], 0).outcomes[0]
    assert (found.flagged_after_ns, found.cleared_after_ns) == (2 * NS, 2 * NS)
    assert found.settleable == []
    found = judge(samples[1:], [change(113, False)], [injection()], 0).outcomes[0]
    assert (found.flagged_after_ns, found.cleared_after_ns) == (2 * NS + NS // 2, 3 * NS)


@pytest.mark.parametrize(
    ("events", "flagged"),
    [([], None), ([change(99, True)], None), ([change(105, True, Check.JAMMING)], None)],
    ids=["nothing", "before it", "another check"],
)
def test_what_never_says_so_is_never_cleared(events: list[Change], flagged: int | None):
    found = judge([sample(105)], events, [injection()], 0).outcomes[0]
    assert (found.flagged_after_ns, found.cleared_after_ns) == (flagged, None)


def test_a_check_that_still_stands_is_not_cleared():
    found = judge([], [change(102, True)], [injection()], 0).outcomes[0]
    assert found.cleared_after_ns is None
    again = [change(102, True), change(111, False), change(112, True)]
    assert judge([], again, [injection()], 0).outcomes[0].cleared_after_ns is None
    later = [change(102, True), change(111, False), change(130, True)]  # another matter
    assert judge([], later, [injection()], 0).outcomes[0].cleared_after_ns == NS


def test_only_what_settles_after_the_time_allowed_and_before_the_end_is_wrong():
    samples = [
        *(sample(at) for at in (99, 102.9, 103, 109.9, 110)),
        sample(104, Class.PLACE_UNCHECKED, Reason.NO_RECEIVER),
        doubted(105),
    ]
    found = judge(samples, [], [injection()], 0).outcomes[0]
    assert [one.arrived / NS for one in found.settleable] == [103, 104, 109.9]
    noticed = judge([sample(102), sample(102.3)], [change(102, True)], [injection()], 0)
    assert [one.arrived / NS for one in noticed.outcomes[0].settleable] == [102.3]
    strict = injection(wrong=lambda told: told.klass == Class.SETTLEABLE)
    assert len(judge(samples, [], [strict], 0).outcomes[0].settleable) == 2


def test_a_fault_of_some_lines_counts_on_those_alone():
    one = injection(lines=frozenset({LINE}))
    samples = [sample(105), sample(105, line=OTHER), doubted(105), doubted(106, line=OTHER)]
    found = judge(samples, [], [one], 0)
    assert [told.line for told in found.outcomes[0].settleable] == [LINE]
    assert [told.line for told in found.doubtful] == [OTHER]  # nothing is wrong with that one


def test_where_samples_bear_it_the_first_of_them_begins_it():
    one = injection(within_ns=0, bears=lambda told: told.off_ns != 0, flags=int(Flag.TIME_DOUBTED))
    right, wrong = sample(100.1), sample(101, off_ns=NS)
    doubt = sample(101.1, Class.TIME_DOUBTFUL, Reason.TIME_CONTRADICTED, Flag.TIME_DOUBTED)
    found = judge([right, wrong, doubt._replace(off_ns=NS)], [], [one], 0).outcomes[0]
    assert found.flagged_after_ns == NS // 10
    assert found.settleable == [wrong]


def test_what_is_doubted_before_it_or_long_after_is_doubted_wrongly():
    at = (94, 95, 99.7, 99.8, 101, 115, 115.3, 120)
    found = judge([doubted(one) for one in at], [], [injection()], 95 * NS)
    assert [told.arrived / NS for told in found.doubtful] == [95, 99.7, 115.3, 120]


def test_what_the_gateway_stamps_may_say_that_its_bound_is_too_wide():
    wide = (Class.TIME_DOUBTFUL, Reason.BOUND_TOO_WIDE)
    stamped = sample(50, *wide, Flag.AGENT_STAMPED)
    apart = sample(51, Class.TIME_DOUBTFUL, Reason.CLOCKS_APART, Flag.AGENT_STAMPED)
    found = judge([stamped, apart, sample(52, *wide)], [], [], 0)
    assert [told.arrived // NS for told in found.doubtful] == [51, 52]
    assert judge([sample(50, Class.DATA_INVALID, Reason.POINT_INVALID)], [], [], 0).doubtful == []


def test_stretches_of_wrong_samples_are_told_by_line_and_reason():
    rows = spans([*(sample(at) for at in (1, 1.5, 2, 4)), sample(1.2, line=OTHER), doubted(2.1)])
    assert [(row.line, row.first / NS, row.last / NS, row.samples) for row in rows] == [
        (LINE, 1, 2, 3),
        (OTHER, 1.2, 1.2, 1),
        (LINE, 2.1, 2.1, 1),
        (LINE, 4, 4, 1),
    ]


def test_what_is_said_once_the_next_injection_begins_belongs_to_that():
    first, second = injection(over=102 * NS), injection(name="again", at=104 * NS)
    events = [change(101, True), change(103, False), change(104.5, True), change(111, False)]
    found = judge([], events, [first, second], 0).outcomes
    assert [one.cleared_after_ns for one in found] == [NS, NS]
    elsewhere = [
        injection(lines=frozenset({LINE})),
        injection(at=103 * NS, lines=frozenset({OTHER})),
    ]
    events = [change(102, True, line=LINE), change(111, False, line=LINE)]
    assert judge([], events, elsewhere, 0).outcomes[0].cleared_after_ns == NS


def test_a_fault_may_excuse_some_samples_and_no_others():
    one = injection(excuses=lambda told: told.tai < 105 * NS)
    found = judge([doubted(104), doubted(106)], [], [one], 0)
    assert [told.arrived / NS for told in found.doubtful] == [106]
