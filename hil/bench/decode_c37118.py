"""How fast C37.118 data frames of 10 phasors become channel values, and how much faster than in
pypmu: the C37.118 part of `gridseal-hil bench decode`.

1. CHK is checked, then drivers.decode decodes, as the record and the bench do it. `c37118_per_s` is
   of the slowest of the FORMATs below; each stands in `formats`.
2. The peer decodes the same frames, CHK included, in a process of its own (hil.bench.pypmu_peer),
   in slices between ours; `pypmu_ratio` is of PEER_FORMAT, the widest that it can read.
3. Rates are medians over slices: what else the machine does in one of them does not count.
4. What the two make of the first frame is compared before anything is timed.
"""

import json
import statistics
import subprocess
import sys
import time
from binascii import crc_hqx
from typing import IO, Any, NamedTuple

from drivers import decode
from drivers.c37118.frame import CRC_START
from drivers.c37118.wire import (
    Format,
    FrameType,
    Layout,
    Stamp,
    decode_configuration,
    encode_configuration,
)
from evidence.code import Kind
from evidence.leap import BUILT_IN, NS
from hil.bench import BenchError
from hil.devices.profile import PHASORS_10, Profile
from hil.devices.unit import Instant, Pmu
from hil.grid import Grid

FRAMES = 600
RATE = 60
START_SOC = 1_790_000_000
SLICE_S = 0.02  # of ours, between two of the peer's
FORMATS = {
    "0000": Format(0),  # rectangular integers
    "0001": Format.POLAR,
    "0006": Format.PHASOR_FLOAT | Format.ANALOG_FLOAT,  # what real PMUs send, and the next two
    "0007": Format.POLAR | Format.PHASOR_FLOAT | Format.ANALOG_FLOAT,
    "000F": Format.POLAR | Format.PHASOR_FLOAT | Format.ANALOG_FLOAT | Format.FREQ_FLOAT,
}
PEER_FORMAT = "0007"
TOLERANCE = 1e-3  # of the peer's values: integers it scales otherwise, the rest is the same bits


class _Frames(NamedTuple):
    """One FORMAT: its configuration, and FRAMES data frames."""

    configuration: bytes
    raws: list[bytes]


def measure(seconds: float = 6.0) -> dict[str, Any]:
    """C37.118's figures of `gridseal-hil bench decode`. Raises BenchError."""
    each = seconds / len(FORMATS)
    formats: dict[str, dict[str, float]] = {}
    for name, kind in FORMATS.items():
        frames = _frames(kind)
        if name == PEER_FORMAT:
            formats[name] = _beside(frames, each)
        else:
            formats[name] = {"per_s": round(_rate(frames, each))}
    return {
        "c37118_per_s": min(int(found["per_s"]) for found in formats.values()),
        "pypmu_ratio": formats[PEER_FORMAT]["pypmu_ratio"],
        "pypmu_per_s": formats[PEER_FORMAT]["pypmu_per_s"],
        "phasors": len(PHASORS_10),
        "formats": formats,
    }


def _frames(kind: Format) -> _Frames:
    profile = Profile(phasors=PHASORS_10, format=kind, rate=RATE, pmu_tq=0)
    pmu = Pmu(profile, Grid(), lambda: 0)
    raws = []
    for at in range(FRAMES):
        second, number = START_SOC + at // RATE, at % RATE
        tai = BUILT_IN.tai_ns(second, number * NS // RATE)
        raws.append(pmu.frame(Instant(tai, second, number)))
    stamp = Stamp(START_SOC)
    return _Frames(encode_configuration(profile.configuration(FrameType.CFG2), stamp), raws)


def _pass(frames: _Frames) -> float:
    """Seconds that checking and decoding every frame once took."""
    read, configuration, kind = decode.decode, frames.configuration, int(Kind.C37118)
    start = time.perf_counter()
    for raw in frames.raws:
        if crc_hqx(raw, CRC_START):
            raise BenchError("a frame of ours has a bad CHK")
        read(kind, configuration, raw)
    return time.perf_counter() - start


def _slice(frames: _Frames) -> float:
    """Frames a second in one slice."""
    count, took = 0, 0.0
    while took < SLICE_S:
        took += _pass(frames)
        count += len(frames.raws)
    return count / took


def _rate(frames: _Frames, seconds: float) -> float:
    _pass(frames)
    until = time.perf_counter() + seconds
    rates = [_slice(frames)]
    while time.perf_counter() < until:
        rates.append(_slice(frames))
    return statistics.median(rates)


def _beside(frames: _Frames, seconds: float) -> dict[str, float]:
    """Ours and the peer's, slice by slice. Raises BenchError."""
    told = {"configuration": frames.configuration.hex(), "frames": [r.hex() for r in frames.raws]}
    command = [sys.executable, "-m", "hil.bench.pypmu_peer"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as peer:
        try:
            if peer.stdin is None or peer.stdout is None:
                raise BenchError("no pipe to the peer")
            _compare(frames, json.loads(_asked(peer.stdin, peer.stdout, json.dumps(told))))
            ours: list[float] = []
            theirs: list[float] = []
            until = time.perf_counter() + seconds
            while time.perf_counter() < until or not ours:
                ours.append(_slice(frames))
                took = float(_asked(peer.stdin, peer.stdout, "again"))
                theirs.append(len(frames.raws) / took)
        finally:
            peer.kill()
    per_s, peer_per_s = statistics.median(ours), statistics.median(theirs)
    return {
        "per_s": round(per_s),
        "pypmu_per_s": round(peer_per_s),
        "pypmu_ratio": round(per_s / peer_per_s, 1),
    }


def _asked(stdin: IO[str], stdout: IO[str], line: str) -> str:
    try:
        stdin.write(line + "\n")
        stdin.flush()
    except BrokenPipeError as fault:
        raise BenchError("the peer ended; it said why above") from fault
    answer = stdout.readline()
    if not answer:
        raise BenchError("the peer ended; it said why above")
    return answer


def _compare(frames: _Frames, theirs: list[list[float]]) -> None:
    """Whether both read the same phasors. Raises BenchError."""
    layout = Layout(decode_configuration(frames.configuration))
    values = layout.decode(frames.raws[0])
    ours = [values[at : at + 2] for at, slot in enumerate(layout.slots) if slot.part == "magnitude"]
    apart = [
        one
        for one, other in zip(ours, theirs, strict=True)
        if any(abs(a - b) > TOLERANCE * max(1.0, abs(a)) for a, b in zip(one, other, strict=True))
    ]
    if apart:
        raise BenchError(f"pypmu reads other phasors: {theirs[0]}, not {ours[0]}")
