"""Samples of a side that several PMUs tell of."""

import pytest

from record.settle.corroboration import Heard, Pmu
from record.settle.sample import Place, Samples
from tests.record.gateway import NANOSECONDS, START


@pytest.mark.parametrize(("off_ns", "compared"), [(0, 12), (1500, 12), (2500, 0)])
def test_branches_by_pmus_that_round_their_instants_are_of_one_instant(off_ns: int, compared: int):
    """As sides are paired: equal within both stated bounds, of 1 us each."""
    told: dict[Pmu, Heard] = {}
    for idcode, first in ((1, 0), (2, off_ns)):
        pmu = Pmu(idcode, b"", bytes(16), 0)
        told[pmu] = Heard(pmu)
        for number in range(12):
            tai = START + number * NANOSECONDS // 60 + first
            told[pmu].add((tai, 1000), "gw", Place("voltage", "1"), 1j)
            told[pmu].add((tai, 1000), "gw", Place("current", "1"), 2j * idcode)
    volt, amp = (Place("voltage", "1"),), (Place("current", "1"),)
    one, other = told
    samples = Samples(told, (one, volt), [((one, amp), 1.0), ((other, amp), -1.0)])
    assert all(each.amps[0][0] == 2j for each in samples)
    assert sum(each.amps[1][0] == -4j for each in samples) == compared
    assert [each.tai for each in samples] == list(told[one].joined.tai)
