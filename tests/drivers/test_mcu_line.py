"""A board's source: its options and files, and the line when it is silent, slow or gone."""

import asyncio
import contextlib
import os
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest

from drivers import registry
from drivers.line import Frame, LinkError, Source
from drivers.mcu import wire
from drivers.mcu.driver import McuDriver
from drivers.mcu.session import Terms
from evidence.code import Kind
from evidence.config import ConfigError
from tests.drivers.pmu import data
from tests.drivers.scenario import Clock
from tests.drivers.test_mcu import CFG, KEY, LAYOUT, PMU_KEY, PUBLIC, World

OPTIONS = {"path": "/dev/ttyS0", "board": PUBLIC.hex(), "key": "k"}


def driver(folder: Path, **options: object) -> McuDriver:
    made = registry.open_driver(
        Source("relay", "mcu+serial", OPTIONS | options, str(folder)), Clock()
    )
    assert isinstance(made, McuDriver)
    return made


def test_a_file_makes_the_setups_and_the_load(tmp_path: Path):
    (tmp_path / "cfg").write_text(CFG.hex())
    made = driver(tmp_path, configurations=["cfg"])
    (setup,) = made.on_file()
    assert (setup.key, setup.kind, setup.configuration) == (PMU_KEY, Kind.MCU_C37118, CFG)
    size = LAYOUT.size + wire.FRAMING_BYTES
    assert made.expected() == (size * 50, (1, 1))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"board": "abc"}, "board"),
        ({"taps": []}, "taps"),
        ({"taps": ["goose"]}, "taps"),
        ({"idcodes": [7, 8]}, "idcodes names more ports than taps"),
        ({"taps": ["raw"], "configurations": ["cfg"]}, "port 0 carries raw"),
        ({"drift": 3}, "did you mean 'drift_ppm'"),
    ],
)
def test_options_that_cannot_be_are_refused(tmp_path: Path, options: dict[str, object], words: str):
    with pytest.raises(ConfigError, match=words):
        driver(tmp_path, **options)


@pytest.mark.parametrize(
    ("content", "mode", "words"),
    [
        ("", 0o600, "not a pairing's key: 64 hexadecimal digits expected"),
        ("00" * 31, 0o600, "not a pairing's key"),
        ("zz" * 32, 0o600, "not a pairing's key"),
        ("5e" * 32 + "\n", 0o644, "others"),
    ],
)
def test_the_key_is_only_its_owners_and_never_shown(
    tmp_path: Path, content: str, mode: int, words: str
):
    path = tmp_path / "k"
    path.write_text(content)
    path.chmod(mode)
    with pytest.raises(ConfigError, match=words) as refused:
        driver(tmp_path)._terms()
    assert "5e5e" not in str(refused.value) and "zz" not in str(refused.value)
    assert KEY.hex()[:8] not in repr(Terms(PUBLIC, KEY, (), 1))


class Bench:
    """A driver at one end of a terminal, a board's end of the link at the other."""

    def __init__(self, folder: Path, **options: object) -> None:
        (folder / "k").write_text(KEY.hex())
        (folder / "k").chmod(0o600)
        (folder / "cfg").write_text(CFG.hex())
        self._near, far = os.openpty()
        self._ends = [self._near, far]
        os.set_blocking(self._near, False)
        named = {"path": os.ttyname(far), "configurations": ["cfg"]}
        self.driver, self.world = driver(folder, **named, **options), World()

    def turn(self) -> None:
        """What the board hears, and what it says to that."""
        with contextlib.suppress(BlockingIOError):
            self.world.board.receive(os.read(self._near, 4096), self.world.ticks_us)
        while size := self.world.board.output(self.world.ticks_us):
            os.write(self._near, self.world.board.packer.buffer[:size])

    async def open(self) -> None:
        opening = asyncio.create_task(self.driver.open())
        while not opening.done():
            self.turn()
            await asyncio.sleep(0.01)
        await opening

    async def raws(self, many: int) -> list[bytes]:
        """What so many reads give of the board's frames, the board answering meanwhile."""
        found: list[bytes] = []
        for _ in range(many):
            reading = asyncio.create_task(self.driver.read())
            while not reading.done():
                self.turn()
                await asyncio.sleep(0.01)
            found += [one.raw for one in await reading if isinstance(one, Frame)]
        return found

    def pull(self) -> None:
        """The cable comes out."""
        while self._ends:
            os.close(self._ends.pop())


def played(bench: Bench, play: Callable[[], Coroutine[None, None, None]]) -> None:
    async def bounded() -> None:
        try:
            async with asyncio.timeout(20):
                await play()
        finally:
            await bench.driver.close()

    try:
        asyncio.run(bounded())
    finally:
        bench.pull()


def test_what_came_before_the_cable_was_out_is_given_and_then_the_failure(tmp_path: Path):
    """It was taken: what is sent of it once the line is back is no news, and would be lost."""
    bench = Bench(tmp_path)

    async def play() -> None:
        await bench.open()
        await bench.raws(1)
        said = [bench.world.say(data(LAYOUT, number)) for number in range(3)]
        bench.turn()
        await asyncio.sleep(0.1)  # it is read, and waits
        bench.pull()
        given = [one.raw for one in await bench.driver.read() if isinstance(one, Frame)]
        assert [raw for raw in given if raw in said] == said
        with pytest.raises(LinkError):
            await bench.driver.read()

    played(bench, play)


def test_a_board_forgets_a_frame_once_it_is_told_that_it_is_kept_and_not_because_it_was_read(
    tmp_path: Path,
):
    bench = Bench(tmp_path)

    async def play() -> None:
        await bench.open()
        await bench.raws(1)
        bench.world.say(data(LAYOUT, 1))
        assert len(await bench.raws(1)) == 1
        read, ring = bench.driver.bookmark(), bench.world.ring
        bench.world.say(data(LAYOUT, 2))
        await bench.raws(1)
        assert (ring.first, ring.heard) < (1, ring.next), "read twice, and all of it still there"
        bench.driver.kept(read)
        reading = asyncio.create_task(bench.driver.read())
        while ring.first < ring.next - 1:
            bench.turn()
            await asyncio.sleep(0.01)
        reading.cancel()
        assert ring.heard == ring.next > ring.first

    played(bench, play)


def test_the_next_driver_goes_on_where_the_last_was_read_up_to(tmp_path: Path):
    """None twice, and none missing, though the board still has what was read before."""
    bench = Bench(tmp_path)

    async def play() -> None:
        await bench.open()
        await bench.raws(1)
        first = [bench.world.say(data(LAYOUT, number)) for number in range(3)]
        given = await bench.raws(1)
        at = bench.driver.bookmark()
        await bench.driver.close()
        later = [bench.world.say(data(LAYOUT, number)) for number in range(3, 6)]
        bench.driver.resume(at)
        await bench.open()
        given += await bench.raws(1)
        assert given == [*first, *later] and not bench.driver.counts
        await bench.driver.close()
        bench.driver.resume(b"another form" * 2)  # as after another pairing: it is none
        await bench.open()
        assert (await bench.raws(1))[-6:] == [*first, *later]

    played(bench, play)


def test_a_time_in_which_nobody_reads_is_no_silence_of_the_boards(tmp_path: Path):
    """As where the disk has no room for a while."""
    bench = Bench(tmp_path, silence_s=0.3)

    async def play() -> None:
        await bench.open()
        await bench.raws(1)
        for _ in range(8):
            await asyncio.sleep(0.1)
            bench.turn()
        raw = bench.world.say(data(LAYOUT, 1))
        assert raw in await bench.raws(1)

    played(bench, play)


def test_a_line_on_which_no_board_answers_fails_with_what_is_known(tmp_path: Path):
    (tmp_path / "k").write_text(KEY.hex())
    (tmp_path / "k").chmod(0o600)
    near, far = os.openpty()

    async def play() -> None:
        made = driver(tmp_path, path=os.ttyname(far), answer_s=0.2)
        try:
            async with asyncio.timeout(20):
                with pytest.raises(LinkError, match=r"no board answers for 0\.2 s: not one byte"):
                    await made.open()
        finally:
            await made.close()

    try:
        asyncio.run(play())
    finally:
        os.close(near)
        os.close(far)
