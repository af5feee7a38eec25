"""What a board heard, from the wire to the settlement and the files for engineers: a PMU's frames
and a meter's answers, written to two terminals, are the values in the bundle.

The board runs its firmware, the gateway and the record are the shipped programs. The other side of
the bus is a gateway in memory, whose frames the same record admits once its program has ended.
"""

import asyncio
import cmath
import csv
import fcntl
import hashlib
import json
import math
import os
import struct
import sys
import termios
import time
import tty
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import comtrade
import pytest

from drivers.c37118.wire import (
    Configuration,
    Format,
    FrameType,
    Layout,
    Phasor,
    Stamp,
    Station,
    encode_configuration,
    encode_values,
)
from evidence import instant
from evidence.code import Kind, SeamKind
from evidence.credential import Terminal
from evidence.joint.seam import Seam
from evidence.leap import BUILT_IN, NS
from evidence.merkle import leaf_hash
from evidence.siteplan import read as read_plan
from hil.devices.board import Board, Line
from hil.ledger import Ledger
from hil.loopback import free_port
from provisioning.init import ANCHORS, GATEWAY, SITE, InitRequest, initialise
from provisioning.source import SourceRequest
from record.cli import main as record_main
from tests.drivers.make_modbus import rtu
from tests.evidence.joint.sharing import EAST, KEYS, WEST, founders_text
from tests.record.gateway import DAY_S, START, Gateway
from tests.record.settle.border import RATE, SIDES, Pmu, Shared
from tests.record.test_bundle_shared import witnessed
from tests.record.upstream import LOG, Upstream
from tests.scenario.test_kill import DRAIN_S, READY_S, Site

FRAMES = 20  # two seconds
LOOK_S = 0.05
SILENCE_S = 0.03  # of Modbus, 2 ms would do
NAME, BUS, SEAM = "bay-3", "Bus 1", "Border Bus"
STAT = 2 << 6  # C37.118.2-2011 table 7: PMU_TQ 2, the device's clock is within 1 us
PHASES = ("VA", "VB", "VC")
VOLT = 345_000 / math.sqrt(3)
LAYOUT = Layout(
    Configuration(
        FrameType.CFG2,
        7,
        1_000_000,
        (
            Station(
                *("TAPPED", 7, Format.PHASOR_FLOAT | Format.FREQ_FLOAT),
                tuple(Phasor(name, False) for name in PHASES),
            ),
        ),
        RATE,
    )
)
MAP = """
station = "feeder meter"
refresh_ms = 20
[[point]]
name = "VM"
address = 100
type = "u32"
scale = 0.01
unit = "V"
"""
READ = rtu(17, struct.pack(">BHH", 3, 98, 6))
PLAN = "".join(
    f'  [[stream.channel]]\n  name = "{name}"\n  phase = "{phase}"\n'
    '  ratio = [199186, 66]\n  accuracy = "0.3"\n'
    for name, phase in (("VA", "A"), ("VB", "B"), ("VC", "C"), ("VM", "AB"))
)


class Said(NamedTuple):
    """One turn of what went over the wires."""

    number: int  # of the frame, since START
    raw: bytes  # a PMU's
    volts: int  # the meter's register


class Tapped(Site):
    """Two wires, a board that hears them, a gateway, and a record that believes two utilities."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.wires = [os.openpty() for _ in range(2)]
        for near, _ in self.wires:
            tty.setraw(near)
        flash = folder / "flash"
        flash.mkdir()
        places = [os.ttyname(far) for _, far in self.wires]
        lines = [Line(places[0], "c37118"), Line(places[1], "modbus")]
        self.board = Board(flash, lines, (sys.executable,))

    async def start(self) -> None:
        self.board.start()
        options: dict[str, Any] = {
            "path": self.board.link,
            "board": self.board.public.hex(),
            "key": self.file("bay-3.board", self.board.key.hex()),
            "taps": ["c37118", "modbus"],
            "configurations": [self.file("cfg2", self.configuration.hex())],
        }
        seeds = iter((leaf_hash(WEST.encode()), hashlib.sha256(b"log").digest()))  # as LOG's
        request = InitRequest(
            self.site,
            gateway="gw-1",
            authority=WEST,
            log="demo",
            listen=("127.0.0.1", free_port()),
            sources=[SourceRequest(NAME, "mcu+serial", options, BUS)],
            buses=[BUS],
        )
        initialise(request, int(time.time()), lambda size: next(seeds, None) or os.urandom(size))
        device = 'port = 1\nunit = 17\nmap = "meter.toml"\n'
        self.add(GATEWAY, f"[[source.options.device]]\n{device}")
        self.file("site/meter.toml", MAP)
        self.add(SITE, PLAN)
        anchors = f'[log]\nname = "demo"\nkey = "{LOG.public.raw.hex()}"\n{founders_text()}'
        (self.site / ANCHORS).write_text(anchors)
        await self.serve()
        await self.seal()

    @property
    def configuration(self) -> bytes:
        return encode_configuration(LAYOUT.configuration, Stamp(1_700_000_000))

    def file(self, name: str, content: str) -> str:
        path = self.folder / name
        path.touch(0o600)
        path.write_text(content)
        return str(path)

    def add(self, name: str, text: str) -> None:
        with (self.site / name).open("a") as file:
            file.write(text)

    async def say(self) -> list[Said]:
        """Frames of now, each as its instant comes, and a reading beside each."""
        said = []
        first = (tai_now() - START) * RATE // NS + 2
        for number in range(first, first + FRAMES):
            tai = START + number * NS // RATE
            await asyncio.sleep(max(tai - tai_now(), 0) / NS)
            one = Said(number, pmu_frame(number), 1_000_000 + number - first)
            os.write(self.wires[0][0], one.raw)
            for octets in (READ, answer(one.volts)):
                os.write(self.wires[1][0], octets)
                await self.silence()
            said.append(one)
        await self.recorded()
        return said

    async def recorded(self) -> None:
        """Until every frame and every reading is in the record; what the board says of itself, and
        what the meter was asked, count for nothing."""
        ledger, end = Ledger(self.site / "record.db"), time.monotonic() + DRAIN_S
        try:
            while True:
                ledger.look()
                if all(ledger.kinds[kind] >= FRAMES for kind in (Kind.MCU_C37118, Kind.MCU_MODBUS)):
                    return
                assert time.monotonic() < end, ledger.kinds
                await asyncio.sleep(LOOK_S)
        finally:
            ledger.close()

    async def silence(self) -> None:
        """On the meter's wire, as the board hears it: counted from when it has read it all."""
        end = time.monotonic() + READY_S
        while any(fcntl.ioctl(self.wires[1][1], termios.FIONREAD, bytes(4))):
            assert time.monotonic() < end
            await asyncio.sleep(0.001)
        await asyncio.sleep(SILENCE_S)

    def close(self) -> None:
        for child in self.children:
            child.kill()
        self.board.close()
        for wire in self.wires:
            for end in wire:
                os.close(end)


def tai_now() -> int:
    return BUILT_IN.tai_ns(*divmod(time.time_ns(), NS))


def volts(number: int) -> complex:
    """Phase A, of a grid a little fast."""
    return cmath.rect(VOLT, 2 * math.pi * 0.01 * number / RATE)


def pmu_frame(number: int) -> bytes:
    found = [volts(number) * cmath.exp(-2j * math.pi * phase / 3) for phase in range(3)]
    parts = [part for one in found for part in (one.real, one.imag)]
    soc, place = divmod(number, RATE)
    stamp = Stamp(START // NS - 37 + soc, place * 1_000_000 // RATE)
    return encode_values(LAYOUT, stamp, [STAT, *parts, 60.01, 0.0])


def answer(register: int) -> bytes:
    return rtu(17, bytes((3, 12)) + struct.pack(">HHIHH", 1, 2, register, 3, 4))


class Told(NamedTuple):
    """What went over the wires, and where the record and the bus are."""

    said: list[Said]
    store: Path
    anchors: Path
    node: bytes
    verified: str

    @property
    def span(self) -> tuple[str, str]:
        """From the first of it to after the last."""
        first, last = (START + one.number * NS // RATE for one in (self.said[0], self.said[-1]))
        return instant.words(first), instant.words(last + NS // RATE)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    folder = tmp_path_factory.mktemp("tapped")
    site = Tapped(folder)

    async def play() -> list[Said]:
        await site.start()
        said = await site.say()
        await site.end()
        return said

    try:
        said = asyncio.run(asyncio.wait_for(play(), 110))
        node = read_plan((site.site / SITE).read_text(), SITE).bus[0].node()
        store, anchors = site.site / "record.db", site.site / ANCHORS
        yield Told(said, store, anchors, node, site.children[-1].said())
    finally:
        site.close()


def ran(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert record_main(list(words)) == 0
    return capsys.readouterr().out


def test_a_board_settles_as_one_end_of_a_seam(
    told: Told, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Upstream, "now", tai_now())
    west, other = (replace(side, node=told.node) for side in SIDES)
    shared = Shared(told.store, Seam(SEAM, SeamKind.BUS, (west, other)))
    start_s = int(time.time())
    east = Gateway(
        *("gw-east", KEYS[EAST]),
        issuer=EAST,
        buses=(told.node,),
        terminals=(Terminal(other.terminal or b"", told.node, 1),),
        not_before_s=start_s - DAY_S,
        expires_s=start_s + DAY_S,
    )
    run = east.start(started=tai_now())
    shared.upstream.send(east.statement, run.statement)
    pmu = Pmu(shared, other, run=run)
    for one in told.said:
        pmu.say(one.number, volts(one.number) * 0.999, 0j, 60.01)
    pmu.push()
    shared.upstream.close()
    begins, ends = told.span
    asked = ("--seam", SEAM, "--from", begins, "--to", ends, "--alone", "--json")
    (line,) = ran(capsys, "settle", str(told.store), *asked).splitlines()
    found = json.loads(line)
    assert found["verdict"] == "agreed", line
    assert found["counts"]["compared"] == FRAMES, line
    # What the other side says is a thousandth less, and that is what they come to.
    sizes = {one["name"]: one["size"] for one in found["measures"]}
    for phase in "ABC":
        assert sizes[f"voltage {phase}"] == pytest.approx(1e-3, rel=0.01)


def test_the_bundle_has_the_values_that_went_over_the_wires(
    told: Told, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begins, ends = told.span
    out = tmp_path / "bundle"
    asked = ("--anchors", str(told.anchors), "--from", begins, "--to", ends, "--out", str(out))
    witnessed(told.store)  # a bundle is of the log as it was published last
    ran(capsys, "reconstruct", str(told.store), *asked)
    assert "everything holds" in ran(capsys, "verify", str(out), "--anchors", str(told.anchors))
    (cfg,) = (out / "documents" / "comtrade").glob("gw_1-bay_3*.cfg")
    found = comtrade.Comtrade(ignore_warnings=True)
    found.load(str(cfg), str(cfg.with_suffix(".dat")))
    sent = [LAYOUT.decode(one.raw) for one in told.said]
    for name, place in (("VA", 1), ("VB", 3), ("VC", 5)):
        magnitude = found.analog[found.analog_channel_ids.index(f"{name} mag")]
        angle = found.analog[found.analog_channel_ids.index(f"{name} ang")]
        assert len(magnitude) == FRAMES
        for values, mag, ang in zip(sent, magnitude, angle, strict=True):
            phasor = complex(values[place], values[place + 1])
            assert cmath.rect(mag, ang) == pytest.approx(phasor, rel=1e-5)
    (path,) = (out / "documents" / "readings").glob("gw_1-bay_3*.csv")
    with path.open(newline="") as file:
        names, *rows = csv.reader(file)
    assert names == ["Instant (UTC)", "Bound (ns)", "Marks", "VM (V)"]
    assert [float(row[3]) for row in rows] == [one.volts / 100 for one in told.said]
    for row, one in zip(rows, told.said, strict=True):
        assert abs(instant.read(row[0]) - (START + one.number * NS // RATE)) < NS // 2
