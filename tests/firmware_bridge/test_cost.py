"""What the firmware needs of a board, as a board has it: compiled, and in words of 32 bits."""

from collections.abc import Callable
from pathlib import Path

import pytest

from firmware_bridge import frame
from hil.bench import board
from hil.station import Station
from tests.conftest import absent
from tests.firmware_bridge.test_firmware import WAIT_S


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for part in ("run", "wasm/micropython.mjs"):
        if not (board.MICROPYTHON / part).exists():
            absent("MicroPython", "type: .ci/micropython")
    return board.compiled(tmp_path_factory.mktemp("files"))


def test_turns_in_which_nothing_comes_allocate_nothing(files):
    assert board.told([*board.unix(1024), str(board.PROBE), "heap", "0"], files)["idle_bytes"] == 0


WAITING = """
import gc, sys
from firmware_bridge.shim.uart import Wait
class Port:
    polled = sys.stdin
def waits(wait):
    before = gc.mem_alloc()
    for _ in range(100):
        wait.until(0)
    return gc.mem_alloc() - before
made = Wait([Port])
waits(made)
gc.collect()
print('{"bytes": %d}' % waits(made))
"""


def test_the_wait_after_such_a_turn_allocates_nothing_either(files):
    assert board.told([*board.unix(1024), "-c", WAITING], files)["bytes"] == 0


GIVEN_UP = """
import gc, json, sys
from firmware_bridge.firmware import main
class Board:
    renewal, open = (0x22, b""), False
    def answer(self, kind, body):
        self.said = bytes(body).decode()
def live():
    gc.collect()
    return gc.mem_alloc()
made, found = Board(), []
for _ in range(3):
    before = live()
    renewal = main._renewal(sys.argv[1], made, False)
    made.renewal = (0x22, b"")
    for seconds in range(59):
        while renewal.turn(seconds * 1000000):
            pass
        assert not renewal.idle
    taken = live() - before
    renewal.turn(100000000)
    assert renewal.idle
    renewal = None
    main._unload()
    found.append((taken, live() - before))
print(json.dumps({"found": found, "said": made.said}))
"""


def test_what_a_stray_packet_of_an_update_loaded_is_given_back(files, tmp_path):
    told = board.told([*board.unix(1024), "-c", GIVEN_UP, str(tmp_path)], files)
    assert told["said"] == "no manifest was given"
    for taken, kept in told["found"][1:]:  # at first, names are learned that stay
        assert taken > 10_000 and kept < 200, told


@pytest.mark.parametrize(("seconds", "most"), [
    ("0", board.UNSIGNED_BYTES_MOST), ("1", board.SIGNED_BYTES_MOST),
])  # fmt: skip
def test_its_heap_is_what_a_board_can_give(files, program: Callable[[str], Path], seconds, most):
    program("node")
    told = board.told([*board.wasm(files), "heap", seconds], files)
    assert most // 2 < told["live_bytes"] <= told["peak_bytes"] < most


def test_compiled_and_in_that_heap_it_loses_nothing_at_the_rates_of_its_lines(files, tmp_path):
    """No figure of time: the machine is shared. `gridseal-hil bench board` has those."""
    station = Station(
        tmp_path,
        board.unix(board.HEAP_BYTES // 1024),
        files=files,
        bauds=(board.TAP_BAUD, board.LINK_BAUD),
        settings={"ring_bytes": board.RING_BYTES},
    )
    try:
        station.until(lambda: station.gateway.greeting is not None, WAIT_S)
        station.up.damage_every = 50
        frames = [board.pmu_frame(number) for number in range(100)]
        for one in frames:
            station.say(one)  # one after the other, without a pause: some 80 a second
        station.until(lambda: len(station.bodies()) == len(frames), WAIT_S)
        station.until(lambda: len(station.bodies(frame.HEAD)) > 0, WAIT_S)
        assert station.bodies() == frames and station.up.damaged and not station.gateway.holes
    finally:
        station.close()
