"""A board between a PMU and its gateway, from the tapped octets to the record: every program is the
shipped one, and the board runs its firmware under a real MicroPython.

What a person sees is asserted: values decoded, holes named, and a gateway that makes up a frame
found by what the board signed.
"""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from drivers.c37118.wire import Command, FrameType, Stamp, encode_command, encode_configuration
from drivers.decode import decode
from evidence import event, gap, instant
from evidence.code import Cause, Event, Kind
from firmware_bridge import frame
from hil.devices.board import Board, Line
from hil.devices.profile import Profile
from hil.loopback import free_port
from provisioning.init import InitRequest, initialise
from provisioning.source import SourceRequest
from record.cli import main as record_main
from tests.conftest import absent
from tests.scenario.test_kill import BUSES, Site
from tests.scenario.test_trial import graded

ROOT = Path(__file__).resolve().parents[2]
MICROPYTHON = ROOT / ".debian" / "micropython" / "run"
NAME = "relay-7"


class Tapped(Site):
    """A PMU whose line somebody else commands, and a board that hears it."""

    board: Board

    async def start(self) -> None:
        if not MICROPYTHON.exists():
            absent("MicroPython", "type: .ci/micropython")
        told = await self.pmu("--pty", "--baud", "115200", "--idcode", "7")
        flash = self.folder / "flash"
        flash.mkdir()
        self.board = Board(flash, [Line(told["pty"])], (str(MICROPYTHON),))
        self.board.start()
        options: dict[str, Any] = {
            "path": self.board.link,
            "board": self.board.public.hex(),
            "key": self.file("relay-7.board", self.board.key.hex()),
            "configurations": [self.file("relay-7.cfg2.hex", self.cfg.hex())],
        }
        request = InitRequest(
            self.site,
            gateway="gw-1",
            listen=("127.0.0.1", free_port()),
            sources=[SourceRequest(NAME, "mcu+serial", options, BUSES[0])],
            buses=BUSES,
        )
        initialise(request, int(time.time()), os.urandom)
        line = os.open(told["pty"], os.O_WRONLY | os.O_NOCTTY)
        os.write(line, encode_command(Command.DATA_ON, 7, Stamp(1_700_000_000)))
        os.close(line)
        await self.serve()
        await self.seal()

    @property
    def cfg(self) -> bytes:
        """As the PMU would say it; on this line nobody asks."""
        told = Profile(idcode=7, rate=50).configuration(FrameType.CFG2)
        return encode_configuration(told, Stamp(1_700_000_000))

    def file(self, name: str, content: str) -> str:
        path = self.folder / name
        path.touch(0o600)
        path.write_text(content)
        return str(path)

    async def more(self, frames: int) -> None:
        """Until so many more are sealed."""
        told = await self.until(lambda told: True)
        upto = told["sources"][NAME]["sealed"] + frames
        await self.until(lambda told: told["sources"][NAME]["sealed"] >= upto)


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Tapped]:
    site = Tapped(folder)
    try:
        await site.start()
        yield site
    finally:
        for child in site.children:
            child.kill()
        if hasattr(site, "board"):
            site.board.close()


def test_from_the_tap_to_the_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def play() -> tuple[Tapped, str]:
        async with running(tmp_path) as site:
            await site.more(60)
            site.board.cable.garble()
            await site.more(30)
            site.board.reset()
            await site.more(90)
            await site.end()
            return site, site.children[-1].said()

    site, verified = asyncio.run(asyncio.wait_for(play(), 110))
    found = graded(tmp_path / "site" / "record.db")
    ones = [one.sample for stream in found.values() for one in stream]
    data = [one for one in ones if one.kind == Kind.MCU_C37118]
    values = [decode(one.kind, site.cfg, one.raw) for one in data]
    assert len(values) > 120 and all(len(value) == len(values[0]) for value in values)
    assert {frame.Fields(one.raw).boot for one in data} == {1, 2}
    holes = [gap.read(one.raw) for one in ones if one.kind == Kind.GAP]
    assert Cause.NOT_HEARD in [one.cause for one in holes]
    noticed = [event.read(one.raw) for one in ones if one.kind == Kind.EVENT]
    assert [one.event for one in noticed if "boot 2" in one.text] == [Event.RESTARTED]
    # The board's ticks put each arrival where the PMU's own clock has its instant.
    assert all(abs(one.heard) < 5_000_000_000 for one in data)
    assert f"board {site.board.public.hex()[:16]} (gw-1/{NAME})" in verified
    capsys.readouterr()
    covered = int(verified.split(f"(gw-1/{NAME}): ")[1].split()[0].replace(",", ""))
    assert covered > 60
    store, seq = str(tmp_path / "site" / "record.db"), data[-1].seq
    assert record_main(["show", store, "--sample", f"gw-1/{data[-1].stream}/{seq}", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in shown["values"]] and all(
        not one["missing"] for one in shown["values"]
    )
    told = bundled(tmp_path, data[0].tai, data[-1].tai, capsys)
    under = told.split(f"board      {site.board.public.hex()[:16]} (gw-1/{NAME}): ")[1].split()[0]
    assert int(under.replace(",", "")) > 60


def bundled(folder: Path, begins: int, ends: int, capsys: pytest.CaptureFixture[str]) -> str:
    """What a check of a bundle of this interval tells."""
    store, anchors = folder / "site" / "record.db", str(folder / "site" / "anchors.toml")
    bundle, interval = str(folder / "bundle"), [instant.words(tai) for tai in (begins, ends)]
    asked = ["--anchors", anchors, "--from", interval[0], "--to", interval[1], "--out", bundle]
    assert record_main(["reconstruct", str(store), *asked]) == 0
    capsys.readouterr()
    assert record_main(["verify", bundle, "--anchors", anchors]) == 0
    return capsys.readouterr().out


def test_an_agent_that_is_killed_loses_no_frame_of_a_board_and_seals_none_twice(
    tmp_path: Path,
) -> None:
    """The board has what was heard and not committed; the spool says what was, and not said."""

    async def play() -> list[dict[str, int]]:
        faults = []
        async with running(tmp_path) as site:
            for unheard_s in (0.0, 0.3):
                await site.more(10)
                assert site.agent is not None
                site.board.cable.cut(unheard_s > 0)  # it commits, and the board does not hear so
                await asyncio.sleep(unheard_s)
                site.agent.kill()
                site.board.cable.cut(False)
                await site.seal()
                told = await site.until(lambda told: True)
                faults.append(told["sources"][NAME]["faults"])
            await site.more(10)
            await site.end()
        return faults

    faults = asyncio.run(asyncio.wait_for(play(), 110))
    assert faults == [{}, {}], "what is said again is known, and no fault"
    found = graded(tmp_path / "site" / "record.db")
    ones = [one.sample for stream in found.values() for one in stream]
    kinds = (Kind.MCU_C37118, Kind.MCU_INFO)
    frames = [frame.Fields(one.raw) for one in ones if one.kind in kinds]
    assert sorted((one.boot, one.seq) for one in frames) == [(1, seq) for seq in range(len(frames))]
    lost = [one for one in frames if one.kind == frame.LOST]
    holes = [gap.read(one.raw) for one in ones if one.kind == Kind.GAP]
    assert lost or Cause.NOT_HEARD not in [one.cause for one in holes]
