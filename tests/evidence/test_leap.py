"""The two time scales around the last leap second, and the list that tells of them.

vectors/evidence/leap-seconds.list is the file as IERS published it in July 2025 (public domain).
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evidence import leap
from evidence.leap import BUILT_IN, NS
from tests.evidence import vector

MIDNIGHT = 1_483_228_800  # 2017-01-01T00:00:00 UTC, just after 2016-12-31T23:59:60
BEFORE = (MIDNIGHT + 36) * NS  # TAI, of the leap second's beginning
LIST = (vector.FOLDER / "leap-seconds.list").read_text(encoding="utf-8")


def test_the_second_itself():
    """23:59:59, 23:59:60 and 00:00:00: three seconds of TAI, and two counts of UTC."""
    assert BUILT_IN.tai_ns(MIDNIGHT - 1) == BEFORE - NS
    assert BUILT_IN.tai_ns(MIDNIGHT) == BEFORE + NS
    half = NS // 2
    told = {
        BEFORE - NS: (MIDNIGHT - 1) * NS,
        BEFORE - 1: MIDNIGHT * NS - 1,
        BEFORE: (MIDNIGHT - 1) * NS,  # the count of 23:59:59 again
        BEFORE + half: (MIDNIGHT - 1) * NS + half,
        BEFORE + NS - 1: MIDNIGHT * NS - 1,
        BEFORE + NS: MIDNIGHT * NS,
        BEFORE + NS + half: MIDNIGHT * NS + half,
    }
    assert {tai: BUILT_IN.utc_ns(tai) for tai in told} == told


def test_where_seconds_were_inserted():
    assert BUILT_IN.inserted_at(MIDNIGHT)
    assert not BUILT_IN.inserted_at(MIDNIGHT - 1)
    assert not BUILT_IN.inserted_at(MIDNIGHT + 1)
    assert not BUILT_IN.inserted_at(BUILT_IN.starts_s[0])  # 1972 began with ten, inserted nowhere
    assert sum(map(BUILT_IN.inserted_at, BUILT_IN.starts_s)) == 27


@settings(max_examples=500, deadline=None, derandomize=True)
@given(
    st.one_of(
        st.integers(0, 1 << 32),
        st.builds(int.__add__, st.sampled_from(BUILT_IN.starts_s), st.integers(-3, 3)),
    ),
    st.integers(0, NS - 1),
)
def test_every_utc_second_comes_back(utc_s, ns):
    tai = BUILT_IN.tai_ns(utc_s, ns)
    assert BUILT_IN.utc_ns(tai) == utc_s * NS + ns
    assert BUILT_IN.tai_ns(utc_s + 1) - BUILT_IN.tai_ns(utc_s) in (
        {2 * NS} if BUILT_IN.inserted_at(utc_s + 1) else {NS}
    )


def test_the_published_list_is_the_table_built_in():
    table = leap.parse(LIST)
    assert (table.starts_s, table.offsets_s) == (BUILT_IN.starts_s, BUILT_IN.offsets_s)
    assert table.expires_s == 1_782_604_800  # 2026-06-28
    assert table.expires_s < BUILT_IN.expires_s


def test_past_its_expiry_a_table_converts_and_does_not_vouch():
    table = leap.parse(LIST)
    assert table.known(table.expires_s - 1)
    assert not table.known(table.expires_s)
    assert not table.known(table.starts_s[0] - 1)
    assert table.tai_ns(table.expires_s) == (table.expires_s + 37) * NS


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("3692217600      37", "3692217600"), "line 113"),
        (("3692217600      37", "soon 37"), "line 113"),
        (("#@\t3991593600", "#@"), "line 71"),
        (("#@\t3991593600", "#"), "no expiry"),
        (("3692217600      37", "2272060800      37"), "out of order"),
        (("3692217600      37", "3644697600      37"), "out of order"),
    ],
)
def test_a_list_that_is_none_is_refused(change, told):
    changed = LIST.replace(*change)
    assert changed != LIST
    with pytest.raises(ValueError, match=told) as fault:
        leap.parse(changed)
    if told.startswith("line"):
        number = int(str(fault.value).split()[1])
        assert changed.splitlines()[number - 1] != LIST.splitlines()[number - 1]


def test_lists_of_nothing_and_without_end_are_refused():
    for text in ("", "# nothing\n#@ 3991593600\n", "#@ 3991593600\n" + "2272060800 10\n" * 2000):
        with pytest.raises(ValueError, match="leap second list"):
            leap.parse(text)
