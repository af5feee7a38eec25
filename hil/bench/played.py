"""A play that was never played: the files that one of so many frames leaves, written as fast as
they can be sealed; and what it takes to judge and report it.

    python -m hil.bench.played FOLDER --frames 1000000

1. Two gateways with two PMUs each, one a bus, RATE a second, ten phasors; frames are those of
   simulated PMUs, sealed and admitted by the project's own code. All that is in the record is on
   the gateways' disks, too: nothing else takes more room.
2. Of each PMU one frame was sent that is nowhere, and must be told.
3. FOLDER is written where it is not there. Judging is what `gridseal-hil run` does at the end of a
   play, in a process of its own: its last line is an object with what it took.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import msgspec

from drivers.c37118.configuration import encode_configuration
from drivers.c37118.frame import FrameType, Stamp
from evidence import cbor, cose, head
from evidence.code import Typ
from evidence.key import Ed25519Key
from evidence.leap import NS
from hil.bench.reconstruct import START, Gateway, fill, instant_of
from hil.bench.sealed import RATE, START_S
from hil.child import Programs
from hil.devices.profile import PHASORS_10, WHOLE_TIME_BASE, Profile
from hil.devices.unit import Instant, Pmu
from hil.faults import gateway
from hil.grid import Grid, Plan
from hil.live import command, journal, model, place, script
from hil.live.fake import FakeRig
from hil.live.place import Cast
from hil.live.play import Play
from hil.live.stage import Stage
from hil.live.timeline import Timeline
from provisioning.init import GATEWAY, InitResult
from record.store import open_reader

GATEWAYS, PMUS = 2, 2
A_SECOND = GATEWAYS * PMUS * RATE
_SPOOL = """
CREATE TABLE stream (number INTEGER, source TEXT, key TEXT);
CREATE TABLE run (name BLOB, payload BLOB);
CREATE TABLE piece (id INTEGER PRIMARY KEY, parts BLOB, links BLOB);
"""


class _Files(FakeRig):
    """A rig of which there are files alone."""

    def __init__(self, folder: Path) -> None:
        Programs.__init__(self, folder)


def made(folder: Path, frames: int) -> Play:
    """Writes what a play of so many frames leaves, a second's worth at least. Raises OSError."""
    seconds = max(1, frames // A_SECOND)
    play = _play(folder, seconds)
    folder.mkdir(parents=True)
    (folder / "plant").mkdir()
    play.stage.store.parent.mkdir()
    grid = _grid(play)
    pmus = [Pmu(_profile(number, row), grid, lambda: 0) for number, row in _numbered(play.cast)]
    configurations = [
        encode_configuration(one.profile.configuration(FrameType.CFG2), Stamp(START_S))
        for one in pmus
    ]
    gateways = [Gateway(at, configurations[at * PMUS : (at + 1) * PMUS]) for at in range(GATEWAYS)]
    log = Ed25519Key(bytes(31) + b"L")
    fill(play.stage.store, log, gateways, _sealed(gateways, pmus, seconds))
    for row, one in zip(play.of.gateway, gateways, strict=True):
        (folder / row.name).mkdir()
        (folder / row.name / GATEWAY).write_text("[spool]\ncommit_ms = 50\n", encoding="utf-8")
        _spool(play.spools[row.name], play.stage.store, one.run)
    for _, row in _numbered(play.cast):
        _journals(folder / "plant", row, grid, seconds)
    return play


def _play(folder: Path, seconds: int) -> Play:
    """As it is once it has ended, without its files."""
    of = script.read(_scenario(seconds), "played.toml")
    where = place.found(place.FAKE)
    cast = where.cast(of)
    stage = Stage(of, cast, _Files(folder), folder, 1.0)
    play = Play(of, where, cast, Timeline(of.live.length_s), stage)
    play.began, play.ended, play.played_s = START, START + seconds * NS, float(seconds)
    play.verify = (0, "it was not asked")
    for at, row in enumerate(of.gateway):
        start, seen = stage.rig.start_child, stage.rig.seen
        stage.gateways[row.name] = gateway.Gateway(row.name, folder / row.name, start, seen)
        play.spools[row.name] = folder / f"spool-{row.name}.db"
        one = Gateway(at)
        key = one.authority.public
        names = (key, key, key, one.credential, 0, 0, "", (), ())
        stage.made[row.name] = InitResult(folder / row.name, (), *names)
    return play


def _scenario(seconds: int) -> str:
    text = f'[live]\nname = "played"\ntitle = "Played"\nabout = "It."\nlength_s = {seconds}\n'
    text += '[grid]\nmodel = "two-bus"\n'
    for at in range(GATEWAYS):
        text += f'[[gateway]]\nname = "gw-{at}"\nauthority = "utility-{at}"\n'
    for at in range(GATEWAYS):
        for bus in range(1, PMUS + 1):
            number = at * PMUS + bus
            text += f'[[device]]\nname = "pmu-{number}"\ngateway = "gw-{at}"\n'
            text += f'kind = "pmu-tcp"\nbus = {bus}\nwith = {{ idcode = {number}, phasors = 10 }}\n'
    return text + '[[must]]\ntext = "all of it"\nwhere = { what = "sealed" }\n'


def _numbered(cast: Cast) -> Iterator[tuple[int, Any]]:
    return iter(enumerate(cast.devices, 1))


def _grid(play: Play) -> Grid:
    settings = model.TwoBus(**play.of.grid.with_)
    return Grid(Plan(seed=play.of.live.seed, **msgspec.structs.asdict(settings)))


def _profile(number: int, row: Any) -> Profile:
    where = {"bus": row.bus, "device": number, "idcode": number, "time_base": WHOLE_TIME_BASE}
    return Profile(rate=RATE, phasors=PHASORS_10, **where)


def _sealed(gateways: list[Gateway], pmus: list[Pmu], seconds: int) -> Iterator[list[bytes]]:
    for second in range(seconds):
        soc = START_S + second
        frames = [
            [one.frame(Instant(tai, soc, at)) for at, tai in enumerate(_instants(second))]
            for one in pmus
        ]
        yield [
            one.batch(frames[at * PMUS : (at + 1) * PMUS], second)
            for at, one in enumerate(gateways)
        ]


def _instants(second: int) -> list[int]:
    return [instant_of(second, at) for at in range(RATE)]


def _spool(path: Path, store: Path, run: bytes) -> None:
    """A gateway's disk that has all that it ever sealed."""
    with closing(apsw.Connection(str(path))) as spool, closing(open_reader(store)) as record:
        list(spool.execute(_SPOOL))
        offset = 0 if path.stem.endswith("0") else PMUS
        with spool:
            for number in range(1, PMUS + 1):
                row = (number, f"pmu-{offset + number}", "")
                spool.execute("INSERT INTO stream VALUES (?, ?, ?)", row)
            for entry in record.entries():
                message = cose.read(entry.encoded)
                if entry.typ == Typ.RUN and message.name == run:
                    spool.execute("INSERT INTO run VALUES (?, ?)", (run, message.payload))
                if entry.typ != Typ.HEAD or (says := head.read(message.payload)).run != run:
                    continue
                parts = [
                    [one.stream, run, one.descriptor, one.first_seq, one.last_seq]
                    for one in says.ranges
                ]
                row_ = (cbor.encode(parts), record.body(entry.idx))
                spool.execute("INSERT INTO piece (parts, links) VALUES (?, ?)", row_)


def _journals(plant: Path, row: Any, grid: Grid, seconds: int) -> None:
    """What the plant wrote down: all that is in the record, and a frame that is nowhere."""
    sent, truth = (plant / f"{what}-{row.name}" for what in ("sent", "truth"))
    with sent.open("wb") as rows, truth.open("wb") as lines:
        for second in range(seconds):
            for tai in _instants(second):
                journal.write(rows, tai, 0)
                lines.write(journal.line(tai, 0, grid.truth(tai, row.bus)))
        journal.write(rows, START + seconds * NS, 0)


# --- what it takes


def judged(folder: Path, frames: int, traced: bool) -> dict[str, Any]:
    """Judges and reports it. `traced`: how much memory Python's own objects take, which costs
    time; else what the kernel says."""
    play = _play(folder, max(1, frames // A_SECOND))
    for name in play.spools:
        shutil.rmtree(folder / f"read-{name}", ignore_errors=True)
    if traced:
        tracemalloc.start()
    begun = time.process_time()
    came = command.reported(play, short=False)
    took = time.process_time() - begun
    streams = came.told["streams"]
    found: dict[str, Any] = {
        "frames": sum(one["in_record"] for one in streams),
        "lost": sum(one["lost"] for one in streams),
        "compared": sum(one["measured"]["compared"] for one in streams),
        "reasons": came.reasons,
        "us_a_frame": round(took * 1e6 / sum(one["sent"] for one in streams), 1),
    }
    if traced:
        found["most_bytes"] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found
    with open("/proc/self/status", encoding="ascii") as status:
        kib = int(next(line for line in status if line.startswith("VmHWM")).split()[1])
    return {**found, "most_bytes": kib * 1024}


def main() -> int:
    """0; the last line is an object."""
    parser = argparse.ArgumentParser(prog="python -m hil.bench.played")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--frames", type=int, default=100_000)
    parser.add_argument("--traced", action="store_true", help="memory of Python's objects alone")
    parser.add_argument("--judge", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.judge:
        print(json.dumps(judged(options.folder, options.frames, options.traced)))
        return 0
    if not options.folder.exists():
        made(options.folder, options.frames)
    argv = [sys.executable, "-P", "-m", __spec__.name, *sys.argv[1:], "--judge"]
    return subprocess.run(argv, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
