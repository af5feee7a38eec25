"""The driver against devices that do wrong on request: each fault is named, its exchange brings no
values, no value is ever taken for another, and the line goes on.

What a device gave is known by its own numbering: every answer with values is found among them,
octet by octet, with the instant at which it was measured.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from drivers.line import Frame, LinkError, Source
from drivers.modbus.driver import ModbusDriver
from drivers.modbus.wire import read_exchange
from hil.devices.modbus import meter as meter_device
from hil.devices.modbus.__main__ import rack_of
from hil.devices.modbus.fault import Play
from hil.devices.modbus.port import LinePort, TcpPort, play
from hil.devices.modbus.rack import Rack
from hil.devices.modbus.unit import Sent
from hil.devices.pace import tai_now
from tests.drivers.modbus_peer import WAIT_S, Heard, opened, runs

MAPS = Path(meter_device.__file__).parent
RELAY, METER = 1, 2
RELAY_KEY, METER_KEY = "unit=1 input=0+22", "unit=2 input=3000+41"
BAUD = 115_200
TIMEOUT_MS = 300  # the devices answer in 3 ms, in this same process
LONG_MS = 1000  # a loaded machine, where nothing is to be given up
TIMES = 1


class Row(NamedTuple):
    """A fault, and what the driver is to say of it."""

    fault: str
    argument: float
    tcp: tuple[str, ...]  # names that are counted; `a|b`: one of these, as it happens
    rtu: tuple[str, ...]
    values: bool = False  # the exchange brings its values all the same


ROWS = (
    Row("exception", 6, ("exception",), ("exception",)),
    Row("no-answer", 0, ("no_answer",), ("no_answer",)),
    # after it was given up, and before anything else is asked
    Row("late", 0.31, ("no_answer", "late_answer"), ("no_answer", "late_answer")),
    Row("wrong-unit", 0, ("wrong_unit",), ("wrong_unit",)),
    Row("wrong-function", 0, ("wrong_function",), ("wrong_function",)),
    Row("short", 0, ("short_answer",), ("short_answer",)),
    Row("short", 60, ("short_answer",), ("short_answer",)),
    Row("fewer", 0, ("wrong_size",), ("wrong_size",)),
    Row("crossed", 0, ("no_answer", "crossed_answer"), ("wrong_unit",)),
    Row("swapped", 0, ("wrong_size|wrong_function",), ("wrong_size|wrong_function",)),
    # the second comes while the line is silent, or when something else has been asked
    Row("twice", 0, ("crossed_answer",), ("late_answer|garbage",), True),
    Row("check", 0, ("not_modbus",), ("check_word",)),
    Row("garbage", 100, ("not_modbus",), ("check_word",)),
    Row("garbage-before", 0, ("not_modbus",), ("garbage",)),
    Row("slowly", 0.05, (), (), True),
)


class Line(NamedTuple):
    """Devices, what they gave, and an open driver."""

    rack: Rack
    sent: list[Sent]
    heard: Heard
    port: TcpPort | LinePort

    def counts(self) -> dict[str, int]:
        assert isinstance(self.heard.driver, ModbusDriver)
        return dict(self.heard.driver.counts)

    async def answered(self, key: str) -> Frame:
        """The next exchange of a block that brings values."""
        return await self.heard.until(lambda frame: frame.key == key and self.good(frame))

    def good(self, frame: Frame) -> bool:
        return frame.fault is None and self.heard.values(frame)[0] is not None


def source(folder: Path, scheme: str, where: dict[str, Any], timeout_ms: int) -> Source:
    """Both maps, polled fast."""
    for name in ("relay", "meter"):
        text = (MAPS / f"{name}.toml").read_text(encoding="utf-8")
        for period_ms in (500, 1000):
            text = text.replace(f"period_ms = {period_ms}\n", "period_ms = 40\n")
        (folder / f"{name}.toml").write_text(text, encoding="utf-8")
    devices = [{"unit": RELAY, "map": "relay.toml"}, {"unit": METER, "map": "meter.toml"}]
    options = where | {"device": devices, "timeout_ms": timeout_ms}
    return Source("line", scheme, options, str(folder))


async def on_line(
    kind: str,
    folder: Path,
    play: Callable[[Line], Awaitable[None]],
    link: Path | None = None,
    timeout_ms: int = TIMEOUT_MS,
) -> Rack:
    """Plays with a line of that kind, and closes what it opened."""
    sent: list[Sent] = []
    rack = rack_of(("relay", "meter"), 2, tell=sent.append)
    port: TcpPort | LinePort = TcpPort(rack) if kind == "tcp" else LinePort(rack, BAUD, link)
    address = await port.open()
    if isinstance(address, str):
        where: dict[str, Any] = {"path": address, "baud": BAUD, "parity": "none"}
        made = source(folder, "modbus+rtu", where, timeout_ms)
    else:
        where = {"host": address[0], "port": address[1]}
        made = source(folder, "modbus+tcp", where, timeout_ms)
    try:
        async with opened(made) as heard:
            line = Line(rack, sent, heard, port)
            await play(line)
            check_truth(line)
    finally:
        await port.close()
    return rack


def check_truth(line: Line) -> None:
    """Every answer with values is what the device gave under that number, at that instant."""
    given = {(sent.unit, sent.sequence): sent for sent in line.sent}
    frames = [frame for frame in line.heard.frames if frame.key in (RELAY_KEY, METER_KEY)]
    good = [frame for frame in frames if line.good(frame)]
    assert good
    seen: set[tuple[int, int]] = set()
    for frame in good:
        unit, sequence = int(frame.key[5]), line.heard.values(frame)[0]
        assert isinstance(sequence, int)
        found = given[unit, sequence]
        assert found.data in read_exchange(frame.raw).response
        assert frame.tai == found.measured_tai
        assert frame.bound is not None
        assert (unit, sequence) not in seen
        seen.add((unit, sequence))
    assert line.rack.report()["writes"] == 0


both = pytest.mark.parametrize("kind", ["tcp", "rtu"])


class Late:
    """What a device says late: kept until it is let go."""

    def __init__(self) -> None:
        self._kept: list[Callable[[], None]] = []

    def play(self, asked: Play, send: Callable[[bytes], None], hang_up: Callable[[], None]) -> None:
        """In the place of hil.devices.modbus.port.play."""
        if any(wait_s for wait_s, _ in asked.pieces):
            self._kept += [partial(send, raw) for _, raw in asked.pieces]
        else:
            play(asked, send, hang_up)

    def let_go(self) -> None:
        while self._kept:
            self._kept.pop(0)()


@both
@pytest.mark.parametrize("row", ROWS, ids=[f"{row.fault}-{row.argument}" for row in ROWS])
@runs
async def test_a_fault_is_named_and_the_line_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, row: Row, kind: str
):
    late = Late()
    if row.fault == "late":  # when it is given up, and however long that takes, before the next
        monkeypatch.setattr("hil.devices.modbus.port.play", late.play)
        monkeypatch.setattr("drivers.modbus.option.SETTLE_NS_MIN", 1_000_000_000)

    async def play(line: Line) -> None:
        await line.answered(RELAY_KEY)
        await line.answered(METER_KEY)
        before = line.counts()
        line.rack.fault(METER, row.fault, row.argument, TIMES)
        names = row.tcp if kind == "tcp" else row.rtu
        async with asyncio.timeout(WAIT_S):
            while line.rack.units[METER].counts.faults < TIMES or any(
                sum(line.counts().get(one, 0) - before.get(one, 0) for one in name.split("|"))
                < TIMES
                for name in names
            ):
                await line.heard.more(1)
                if line.counts().get("no_answer", 0) > before.get("no_answer", 0):
                    late.let_go()
        await line.answered(METER_KEY)
        await line.answered(RELAY_KEY)
        told = {name: line.counts()[name] - before.get(name, 0) for name in line.counts()}
        odd = {name for name in told if told[name] and name not in CALM}
        assert odd <= {one for name in names for one in name.split("|")}
        lost = [f for f in line.heard.frames if f.fault is None and not line.good(f)]
        assert {frame.key for frame in lost} == (set() if brings(row, kind) else {METER_KEY})
        assert len(lost) == (0 if brings(row, kind) else TIMES)

    given_up = "no_answer" in (row.tcp if kind == "tcp" else row.rtu)
    rack = await on_line(kind, tmp_path, play, timeout_ms=TIMEOUT_MS if given_up else LONG_MS)
    assert rack.units[METER].counts.faults == TIMES


CALM = {"answered", "polls_skipped", "polls_rested"}


def brings(row: Row, kind: str) -> bool:
    """On a serial line noise before an answer is set apart from it; TCP has nothing to tell."""
    return row.values or (kind == "rtu" and row.fault in ("garbage-before", "echo"))


@both
@runs
async def test_a_connection_that_ends_in_the_middle(tmp_path: Path, kind: str):
    """The exchange is told without values, then the line fails; opened again, it is heard again."""
    link = tmp_path / "ttyUSB0"

    async def play(line: Line) -> None:
        await line.answered(METER_KEY)
        line.rack.fault(METER, "hang-up")
        with pytest.raises(LinkError, match=r"closed by the peer|is gone: was it unplugged"):
            await line.heard.more(10_000)
        assert not line.good(line.heard.frames[-1])
        if isinstance(line.port, LinePort):
            await line.port.open()
        async with asyncio.timeout(WAIT_S):
            await line.heard.driver.open()
        await line.answered(METER_KEY)

    await on_line(kind, tmp_path, play, link)


@runs
async def test_an_echo_is_no_answer(tmp_path: Path):
    """A transceiver that hears what it sends, without being told of: values come all the same."""

    async def play(line: Line) -> None:
        await line.answered(METER_KEY)
        line.rack.fault(METER, "echo", times=5)
        line.rack.fault(RELAY, "echo", times=5)
        async with asyncio.timeout(WAIT_S):
            while sum(unit.counts.faults for unit in line.rack.units.values()) < 10:
                await line.heard.more(1)
        await line.answered(METER_KEY)
        assert set(line.counts()) <= CALM

    await on_line("rtu", tmp_path, play, timeout_ms=LONG_MS)


@both
@runs
async def test_a_device_that_is_away_for_a_while(tmp_path: Path, kind: str):
    """The other is polled on; when it is back, so are its values."""

    async def play(line: Line) -> None:
        await line.answered(METER_KEY)
        line.rack.fault(METER, "no-answer", times=1000)
        begun = tai_now()
        others = 0
        while others < 20:
            others += line.good(await line.answered(RELAY_KEY))
        assert tai_now() - begun < 10_000_000_000
        line.rack.mend()
        await line.answered(METER_KEY)

    await on_line(kind, tmp_path, play)


@runs
async def test_faults_of_two_devices_at_once(tmp_path: Path):
    """On a serial line, where one's late answer falls into what the other is asked."""

    async def play(line: Line) -> None:
        for row in (*ROWS, Row("late", 0.4, (), ())):
            played = [unit.counts.faults for unit in line.rack.units.values()]
            for unit in (RELAY, METER):
                line.rack.fault(unit, row.fault, row.argument)
            async with asyncio.timeout(WAIT_S):
                while (
                    sum(unit.counts.faults for unit in line.rack.units.values()) < sum(played) + 2
                ):
                    await line.heard.more(1)
            await line.answered(RELAY_KEY)
            await line.answered(METER_KEY)

    await on_line("rtu", tmp_path, play)
