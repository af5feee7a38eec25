"""How fast Sampled Values become channel values, and how much faster than in open61850: the SV part
of `gridseal-hil bench decode`.

1. drivers.decode decodes blocks of PERIOD_MS, as the record and the bench do it: every ASDU's
   counter, eight values in A and V and eight qualities. `sv_per_s` counts ASDUs, of the slowest of
   the PROFILES below; each stands in `sv_profiles`.
2. The peer takes the same frames apart, one by one as it does, to its pairs of value and quality;
   values are not scaled. It is pure Python in this process; slices alternate.
3. Rates are medians over slices: what else the machine does in one of them does not count.
4. What the two make of a block is compared before anything is timed.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from drivers import decode
from drivers.line import Frame, Instant, Setup
from drivers.sv.session import Session, Terms
from drivers.sv.wire import decode_block
from evidence.code import Kind
from hil.bench import BenchError
from hil.devices.sv import CENTIVOLTS, CHANNELS, MA, SvProfile, SvPublisher
from hil.grid import Grid

START_S = 1_790_000_000
SECONDS_HEARD = 0.5  # of each profile
SLICE_S = 0.02
NS = 1_000_000_000
# Samples a second, ASDUs a frame: 9-2LE, then IEC 61869-9, then 256 a period.
PROFILES = ((4000, 1), (4800, 1), (4800, 2), (14_400, 6), (12_800, 8), (15_360, 8))
PEER_PROFILE = (4800, 1)


class _Heard(NamedTuple):
    """What a gateway would have sealed."""

    configuration: bytes
    blocks: list[bytes]
    asdus: int


def measure(seconds: float = 6.0) -> dict[str, Any]:
    """Sampled Values' figures of `gridseal-hil bench decode`. Raises BenchError."""
    each = seconds / len(PROFILES)
    profiles: dict[str, int] = {}
    peer: dict[str, float] = {}
    for rate, asdus in PROFILES:
        heard = _heard(rate, asdus)
        theirs = _peer(heard) if (rate, asdus) == PEER_PROFILE else None
        rates: list[float] = []
        peer_rates: list[float] = []
        _ours(heard)
        until = time.perf_counter() + each
        while time.perf_counter() < until or not rates:
            rates.append(_slice(lambda: _ours(heard), heard.asdus))  # noqa: B023
            if theirs is not None:
                peer_rates.append(_slice(theirs, heard.asdus))
        profiles[f"{rate}/{asdus}"] = round(statistics.median(rates))
        if peer_rates:
            per_s = statistics.median(peer_rates)
            ratio = round(profiles[f"{rate}/{asdus}"] / per_s, 1)
            peer = {"open61850_sv_per_s": round(per_s), "open61850_sv_ratio": ratio}
    return {"sv_per_s": min(profiles.values()), **peer, "sv_profiles": profiles}


def _heard(rate: int, asdus: int) -> _Heard:
    """Blocks of a simulated merging unit, by the shipped session."""
    publisher = SvPublisher(SvProfile(rate=rate, asdus=asdus), Grid())
    session = Session(Terms(rate=rate))
    first = START_S * rate // asdus
    items: list[Frame | Setup] = []
    for number in range(first, first + int(SECONDS_HEARD * rate / asdus)):
        arrival = Instant(number * asdus * NS // rate + 1_000_000, None)
        items += session.feed((frame, arrival, 0) for frame in publisher.quick(number))
    items += session.flush()
    setups = [item for item in items if isinstance(item, Setup)]
    blocks = [item.raw for item in items if isinstance(item, Frame) and item.fault is None]
    if len(setups) != 1 or not blocks:
        raise BenchError(f"the session made {len(setups)} setups and {len(blocks)} blocks")
    return _Heard(setups[0].configuration, blocks, sum(map(len, map(decode_block, blocks))) * asdus)


def _ours(heard: _Heard) -> float:
    """Seconds that decoding every block once took."""
    read, configuration, kind = decode.decode, heard.configuration, int(Kind.SV)
    start = time.perf_counter()
    for raw in heard.blocks:
        read(kind, configuration, raw)
    return time.perf_counter() - start


def _slice(once: Callable[[], float], asdus: int) -> float:
    """ASDUs a second in one slice."""
    count, took = 0, 0.0
    while took < SLICE_S:
        took += once()
        count += asdus
    return count / took


def _peer(heard: _Heard) -> Callable[[], float]:
    """The same by open61850, after both were compared. Raises BenchError."""
    try:
        from open61850.sv import decode_int32_samples, decode_sv_frame
    except ImportError as fault:
        raise BenchError("open61850 is not here: make venv") from fault
    frames = [frame for raw in heard.blocks for frame in decode_block(raw)]

    def read(frame: bytes) -> list[list[tuple[int, int]]]:
        found = decode_sv_frame(frame)
        return [decode_int32_samples(asdu.sample) for asdu in found[1].asdus] if found else []

    def once() -> float:
        start = time.perf_counter()
        for frame in frames:
            read(frame)
        return time.perf_counter() - start

    columns = decode.decode(int(Kind.SV), heard.configuration, heard.blocks[0])[2:]
    theirs = [pairs for frame in decode_block(heard.blocks[0]) for pairs in read(frame)]
    scales = [1 / MA] * (CHANNELS // 2) + [1 / CENTIVOLTS] * (CHANNELS // 2)
    for at, pairs in enumerate(theirs):
        ours = [column[at] for column in columns]  # type: ignore[index]
        told = [
            part
            for (value, q), scale in zip(pairs, scales, strict=True)
            for part in (value * scale, q)
        ]
        if ours != told:
            raise BenchError(f"open61850 reads {told}, not {ours}")
    return once
