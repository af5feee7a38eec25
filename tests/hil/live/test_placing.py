"""The instants that frames were sealed under: what is back, misplaced or in an inserted second."""

import random
import struct

from evidence.code import Kind
from evidence.observation import Sample
from hil.live.placing import STRETCHES_MAX, Placing
from hil.live.words import BACK, INSERTED, MISPLACED

LINE, STEP = "north-1 pmu", 100


def sample(seq: int, tai: int, claimed: int | None = None) -> Sample:
    raw = struct.pack(">q", tai if claimed is None else claimed)
    return Sample(1, seq, tai, None, 0, 0, 0, None, b"", int(Kind.C37118), raw)


def counted(samples: list[Sample], inserted: range = range(0), told: bool = True) -> dict[str, int]:
    placing = Placing(lambda raw: int.from_bytes(raw, signed=True), inserted)
    for one in samples:
        placing.take(LINE, b"d", one)
    facts = list(placing.facts(lambda line: told))
    assert all((one.words["gateway"], one.words["device"]) == ("north-1", "pmu") for one in facts)
    return {str(one.words["how"]): one.count for one in facts}


def test_what_rises_in_the_order_of_its_numbers_is_no_fact() -> None:
    rising = [sample(seq, seq * STEP) for seq in range(4 * STRETCHES_MAX)]
    assert counted(rising) == {}
    random.Random(5).shuffle(rising)  # nothing comes in order: each a stretch of its own
    assert counted(rising) == {}


def test_one_that_is_back_is_counted_once_however_it_comes() -> None:
    rising = [sample(seq, seq * STEP) for seq in range(3 * STRETCHES_MAX)]
    rising[700] = sample(700, 699 * STEP)  # the same instant once more
    rising[2100] = sample(2100, 2000 * STEP)
    assert counted(rising) == {BACK: 2}
    random.Random(6).shuffle(rising)
    assert counted(rising) == {BACK: 2}


def test_under_another_instant_than_its_own_and_within_the_inserted_second() -> None:
    some = [sample(0, 0), sample(1, STEP, claimed=STEP - 1), sample(2, 2 * STEP)]
    assert counted(some, inserted=range(STEP, 2 * STEP)) == {MISPLACED: 1, INSERTED: 1}
    assert counted(some, told=False) == {}  # a real device says nothing of what it sent
