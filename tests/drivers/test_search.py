"""Bytes made to be searched for ever cost what they are long, however they come."""

import time

import pytest

from drivers.c37118.splitter import Splitter as C37118
from drivers.c37118.wire import Stamp, encode_command
from drivers.ieee1344.splitter import Splitter as Ieee1344

CLAIMS = b"\xaa\x01\xff\xff" * 16_000  # each the head of a frame of 65,535 bytes
CPU_S_MAX = 3.0  # 0.1 s on a quiet machine; with a search at each read it was 15 s and more


@pytest.mark.parametrize("splitter", [C37118, Ieee1344])
@pytest.mark.parametrize("size", [1, 8, 1460])
def test_a_read_costs_what_it_brings(splitter: type[C37118 | Ieee1344], size: int):
    split, began = splitter(), time.process_time()
    for at in range(0, len(CLAIMS), size):
        split.feed(CLAIMS[at : at + size])
    assert time.process_time() - began < CPU_S_MAX


@pytest.mark.parametrize("size", [1, 8, 1460, 70_000])
def test_what_follows_is_found_all_the_same(size: int):
    good = encode_command(2, 7, Stamp(1_700_000_000))
    line, found = CLAIMS[:4000] + bytes(70_000) + good * 3, []
    split = C37118()
    for at in range(0, len(line), size):
        found += split.feed(line[at : at + size])
    assert [one for one in found if isinstance(one, bytes)] == [good] * 3


def test_a_frame_behind_a_claim_is_found_as_soon_as_it_is_whole():
    good, split = encode_command(2, 7, Stamp(1_700_000_000)), C37118()
    for byte in b"\xaa\x01\xff\xff" + bytes(500) + good[:-1]:
        assert split.feed(bytes((byte,))) == []
    assert split.feed(good[-1:])[-1] == good
