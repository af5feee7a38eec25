"""How fast a gateway seals: frames through the shipped session, Hearing, Sealer and Spool, against
bare signatures.

1. STREAMS streams of 126-byte frames at RATE, read READ at a time as their line brings them; 300
   observations a commit, each commit synced; 30 a commit beside it. All are in order: what a check
   doubts, or a hole, is no figure but a BenchError.
2. The reference signs the same bytes with the same library, in slices between ours, on the same
   core.
3. Between rounds frames move on in time, beside the clock: no instant comes twice.
4. Two instances are two processes on two cores, each with a spool and a reference of its own.
"""

import asyncio
import itertools
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from binascii import crc_hqx
from pathlib import Path
from typing import Any, NamedTuple

from agent import config
from agent.health import Health
from agent.hearing import Hearing
from agent.keeper import Keeper
from agent.runner import calm_collector
from drivers.c37118.frame import CRC_START
from drivers.c37118.session import Session, Terms
from drivers.c37118.wire import Block, FrameType, Layout, Stamp, encode_configuration, encode_data
from drivers.keystore.uri import open_signer
from drivers.line import Instant
from evidence import observation
from evidence.leap import BUILT_IN, NS
from hil.bench import BenchError
from hil.bench.process import written_bytes
from hil.bench.site import make_site
from hil.bench.sodium import Reference
from hil.devices.profile import Profile
from provisioning.source import SourceRequest

STREAMS = 10
FRAME_BYTES = 126
RATE = 60
READ = 3  # frames of a stream: of 50 ms, as long as a gateway hears before it commits
FRAMES = 1500  # a stream, encoded beforehand; then the same again, a stretch later
STRETCH_S = FRAMES // RATE
COMMIT, SMALL_COMMIT = 300, 30  # observations a commit
LATER_NS = 20_000_000  # frames are read so long after the last of them was measured
STAT = 2 << 6  # good data, PMU_TQ: below 1 us
START_SOC = 1_790_000_000
TWELVE = (
    "VA",
    "VB",
    "VC",
    "IA",
    "IB",
    "IC",
    "V1",
    "V2",
    "V0",
    "I1",
    "I2",
    "I0",
)  # 126 bytes with two digital words


class Clock:
    """The instant of the frames at hand, a little later: the benchmark paces nothing."""

    table = BUILT_IN

    def __init__(self) -> None:
        self.instant = Instant(BUILT_IN.tai_ns(START_SOC), 1_000_000)

    def now(self) -> Instant:
        return self.instant

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()

    def jumped(self) -> None:
        return None


class Line(NamedTuple):
    """One stream: its session, and its frames by read."""

    name: str
    session: Session
    reads: list[bytes]

    def move(self, read: int) -> None:
        """Has the frames of a read come again, a stretch later."""
        frames = self.reads[read]
        self.reads[read] = b"".join(
            _moved(frames[at : at + FRAME_BYTES]) for at in range(0, len(frames), FRAME_BYTES)
        )


def measure(seconds: float = 6.0) -> dict[str, Any]:
    """The figures of `gridseal-hil bench seal`."""
    one = alone(seconds, COMMIT)
    small = alone(seconds / 2, SMALL_COMMIT)
    two = _two_instances(seconds)
    return {
        "ratio_one_core": one["ratio"],
        "ratio_two_instances": sum(item["samples_per_s"] for item in two) / one["reference_per_s"],
        "reference_per_s": one["reference_per_s"],
        "samples_per_s": one["samples_per_s"],
        "bytes_per_observation": one["bytes_per_observation"],
        "overhead_bytes": one["overhead_bytes"],
        "rss_mib": one["rss_mib"],
        "write_amplification": one["write_amplification"],
        "ratio_30_a_commit": small["ratio"],
        "write_amplification_30_a_commit": small["write_amplification"],
        "reference_two_instances_per_s": [item["reference_per_s"] for item in two],
    }


def alone(seconds: float, commit: int, cpu: int | None = None) -> dict[str, Any]:
    """One instance on one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu if cpu is not None else min(before)})
    try:
        calm_collector()  # as the agent does
        with tempfile.TemporaryDirectory(prefix="gridseal-bench-") as folder:
            return asyncio.run(_seal(Path(folder), seconds, commit))
    finally:
        os.sched_setaffinity(0, before)


def _two_instances(seconds: float) -> list[dict[str, Any]]:
    cpus = sorted(os.sched_getaffinity(0))[:2]
    command = [sys.executable, "-m", "hil.bench.seal"]
    running = [
        subprocess.Popen([*command, str(cpu), str(seconds)], stdout=subprocess.PIPE) for cpu in cpus
    ]
    return [json.loads(process.communicate(timeout=seconds * 4 + 60)[0]) for process in running]


async def _seal(folder: Path, seconds: float, commit: int) -> dict[str, Any]:
    gateway = config.load(make_site(folder, [_source(number) for number in range(STREAMS)]))
    clock, health = Clock(), Health()
    hearing = Hearing(gateway.plan, clock, os.urandom, health)
    device = open_signer(gateway.file.gateway.key, gateway.folder)
    keeper = Keeper(gateway, hearing, clock, clock, device, os.urandom, health)
    await keeper.start()
    lines = [_line(number) for number in range(STREAMS)]
    for line in lines:
        hearing.hear(line.name, line.session.begin())
    await keeper.commit()
    reference = Reference(_messages(commit))
    before = health.sealed
    try:
        figures = await _measured(hearing, keeper, clock, lines, reference, seconds, commit)
        in_order(health, figures["samples"] + before)
    finally:
        await keeper.end_run()
        kept = health.waiting_bytes / max(health.waiting, 1)
        await keeper.close()
    written = figures.pop("written")
    return {
        **figures,
        "bytes_per_observation": round(kept, 1),
        "overhead_bytes": round(kept - FRAME_BYTES, 1),
        "write_amplification": round(written / (figures["samples"] * kept), 2),
    }


def in_order(health: Health, handed: int) -> None:
    """Raises BenchError where anything was sealed beside the frames that were handed over, such as
    a gap or an event of a check: what is measured then is not what it is called."""
    if health.sealed != handed:
        gaps = f", gaps {dict(health.gaps)}" if health.gaps else ""
        raise BenchError(f"{health.sealed} observations of {handed} frames{gaps}")


async def _measured(
    hearing: Hearing,
    keeper: Keeper,
    clock: Clock,
    lines: list[Line],
    reference: Reference,
    seconds: float,
    commit: int,
) -> dict[str, Any]:
    ours = theirs = 0.0
    rounds = 0
    written, until = written_bytes(), time.perf_counter() + seconds
    reads = itertools.count()
    while time.perf_counter() < until:
        turns = [next(reads) for _ in range(commit // (STREAMS * READ))]
        start = time.perf_counter()
        for turn in turns:
            at = BUILT_IN.tai_ns(START_SOC) + (turn + 1) * READ * NS // RATE + LATER_NS
            clock.instant = heard = Instant(at, 1_000_000)
            for line in lines:
                data = line.reads[turn % len(line.reads)]
                hearing.hear(line.name, line.session.feed(data, heard))
        await keeper.commit()
        ours += time.perf_counter() - start
        theirs += reference.sign()
        rounds += 1
        for turn, line in itertools.product(turns, lines):
            line.move(turn % len(line.reads))
    samples = rounds * commit
    return {
        "ratio": round(theirs / ours, 3),
        "reference_per_s": round(samples / theirs),
        "samples_per_s": round(samples / ours),
        "rss_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "samples": samples,
        "written": written_bytes() - written,
    }


def _source(number: int) -> SourceRequest:
    options: dict[str, str | int | bool] = {
        "host": "127.0.0.1",
        "port": 4712,
        "idcode": number + 1,
    }
    return SourceRequest(f"pmu-{number}", "c37118+tcp", options, "Bus 1")


def _line(number: int) -> Line:
    """A stream whose configuration is known, and FRAMES frames in reads of READ."""
    name = f"pmu-{number}"
    profile = Profile(station=name, idcode=number + 1, phasors=TWELVE, digitals=2, rate=RATE)
    configuration = profile.configuration(FrameType.CFG2)
    layout = Layout(configuration)
    file = encode_configuration(configuration, Stamp(START_SOC, 0, 0))
    frames = []
    for at in range(FRAMES):
        soc, fracsec = START_SOC + at // RATE, at % RATE * configuration.time_base // RATE
        phasors = [(float(at + place), 0.1) for place in range(len(TWELVE))]
        block = Block(STAT, phasors, 60.0, 0.0, (), (at & 1, 0))
        frames.append(encode_data(layout, Stamp(soc, fracsec, 0), [block]))
    if len(frames[0]) != FRAME_BYTES:
        raise ValueError(f"frames of {len(frames[0])} bytes")
    reads = [b"".join(frames[at : at + READ]) for at in range(0, FRAMES, READ)]
    return Line(name, Session(Terms(number + 1, False, file)), reads)


def _moved(frame: bytes) -> bytes:
    """A frame a stretch later. C37.118.2-2011 6.2: SOC is octets 6 to 9, CHK the last two."""
    soc = int.from_bytes(frame[6:10]) + STRETCH_S
    body = frame[:6] + soc.to_bytes(4) + frame[10:-2]
    return body + crc_hqx(body, CRC_START).to_bytes(2)


def _messages(count: int) -> list[bytes]:
    """As many messages as a commit has observations, of the bytes that sealing one signs."""
    binding = observation.Binding(bytes(8), bytes(32))
    signed: list[bytes] = []

    def sign(message: bytes) -> bytes:
        signed.append(message)
        return bytes(64)

    tai = BUILT_IN.tai_ns(START_SOC)
    for seq in range(70_000, 70_000 + count):
        sample = (
            3,
            seq,
            tai,
            1000,
            5,
            3,
            20_000_000,
            1_000_000,
            bytes(32),
            16,
            os.urandom(FRAME_BYTES),
        )
        observation.seal(binding, sample, sign)
    return signed


if __name__ == "__main__":
    print(json.dumps(alone(float(sys.argv[2]), COMMIT, int(sys.argv[1]))))
