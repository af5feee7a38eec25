"""How fast GOOSE frames become typed values, and how much faster than in open61850: the GOOSE part
of `gridseal-hil bench decode`.

1. drivers.decode decodes, as the record and the bench do it. Every frame is another: state, number,
   instant and values change. `goose_per_s` is of the slowest of the SETS below.
2. `goose_first_per_s` is of frames that are taken apart element by element, header fields and all,
   as one of a kind that was never seen is: what a change of every frame's build would cost.
3. The peer decodes the same frames, in slices between ours, in this process: it is pure Python.
   `open61850_goose_ratio` is of the set where it does best.
4. Rates are medians over slices: what else the machine does in one of them does not count.
5. What the two make of the first frame is compared before anything is timed.
"""

import math
import random
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

from open61850.data import BitStringData, StructureData
from open61850.goose import GooseDecodeError, decode_goose_frame

from drivers import decode
from drivers.goose import wire
from drivers.goose.data import nodes
from drivers.line import FrameError
from evidence.code import Kind
from hil.bench import BenchError
from hil.devices import goose as device
from hil.devices.goose import GooseProfile, GoosePublisher

FRAMES = 500
SLICE_S = 0.02
START_NS = 1_790_000_037_000_000_000
SEED = 61850


def trip(chance: random.Random) -> tuple[bytes, ...]:
    """What a protection relay sends: four signals, each with its quality."""
    pairs = [
        (device.boolean(chance.random() < 0.5), device.bit_string("0000000000000"))
        for _ in range(4)
    ]
    return tuple(entry for pair in pairs for entry in pair)


def measured(chance: random.Random) -> tuple[bytes, ...]:
    """Twelve values with instants and structures."""
    return (
        *(device.float32(chance.uniform(-1e5, 1e5)) for _ in range(6)),
        device.bit_string("0000000000010" if chance.random() < 0.5 else "0000000000000"),
        device.bit_string("10"),
        device.integer(chance.randrange(1 << 20, 1 << 22)),
        device.unsigned(chance.randrange(1 << 10, 1 << 14)),
        device.utc_time(START_NS + chance.randrange(10**9)),
        device.structure(device.boolean(True), device.float32(chance.random())),
    )


SETS: dict[str, Callable[[random.Random], tuple[bytes, ...]]] = {
    "trip": trip,
    "measured": measured,
}


def measure(seconds: float = 6.0) -> dict[str, Any]:
    """GOOSE's figures of `gridseal-hil bench decode`. Raises BenchError."""
    sets = {name: _beside(_frames(make), seconds / len(SETS)) for name, make in SETS.items()}
    return {
        "goose_per_s": min(int(found["per_s"]) for found in sets.values()),
        "goose_first_per_s": min(int(found["first_per_s"]) for found in sets.values()),
        "open61850_goose_per_s": max(int(found["open61850_per_s"]) for found in sets.values()),
        "open61850_goose_ratio": min(found["ratio"] for found in sets.values()),
        "goose_sets": sets,
    }


def _frames(make: Callable[[random.Random], tuple[bytes, ...]]) -> list[bytes]:
    chance, now = random.Random(SEED), START_NS
    publisher = GoosePublisher(GooseProfile(), make(chance), lambda: now)
    publisher.st_num = 1 << 17  # numbers of one width, as most are
    raws: list[bytes] = []
    for turn in range(FRAMES):
        now += 7_777_777
        publisher.change(make(chance))
        for _ in range(turn % 3):
            publisher.next()
        raws.append(publisher.next()[0][0])
    return raws


def _beside(raws: list[bytes], seconds: float) -> dict[str, float]:
    """Ours and theirs, in turns."""
    read = decode.compiled(int(Kind.GOOSE), _configuration(raws[0])).decode
    try:
        _compare(read(raws[0]), raws[0])
    except (FrameError, GooseDecodeError) as fault:
        raise BenchError(f"a frame of the bench cannot be read: {fault}") from fault
    ways: dict[str, Callable[[bytes], Any]]
    ways = {"per_s": read, "first_per_s": wire.decode_frame, "open61850_per_s": decode_goose_frame}
    slices: dict[str, list[float]] = {name: [] for name in ways}
    ends = time.perf_counter() + seconds
    while time.perf_counter() < ends:
        for name, way in ways.items():
            slices[name].append(_slice(way, raws))
    rates = {name: statistics.median(found) for name, found in slices.items()}
    ratio = rates["per_s"] / rates["open61850_per_s"]
    return {**{name: round(rate) for name, rate in rates.items()}, "ratio": round(ratio, 1)}


def _slice(way: Callable[[bytes], Any], raws: Sequence[bytes]) -> float:
    """Frames a second, over SLICE_S at least."""
    done, begun = 0, time.perf_counter()
    while (spent := time.perf_counter() - begun) < SLICE_S:
        for raw in raws:
            way(raw)
        done += len(raws)
    return done / spent


def _configuration(raw: bytes) -> bytes:
    """The data set as the first frame tells it."""
    pdu = wire.decode_frame(raw).pdu
    found = nodes(pdu.allData, 0, len(pdu.allData))
    return wire.learned(pdu.gocbRef, pdu.datSet, pdu.goID, pdu.confRev, found).encode()


def _compare(values: Sequence[Any], raw: bytes) -> None:
    """Raises BenchError where the peer reads another frame."""
    found = decode_goose_frame(raw)
    theirs = _flat(found[1].all_data) if found is not None else []
    ours = [value for value in values if not isinstance(value, wire.UtcTime)]
    if len(theirs) != len(ours) or not all(map(_alike, ours, theirs)):
        raise BenchError(f"open61850 reads {theirs}, and we {ours}")


def _flat(entries: Sequence[Any]) -> list[Any]:
    """Their values, structures taken apart, without instants: theirs end at the microsecond."""
    flat: list[Any] = []
    for entry in entries:
        if isinstance(entry, StructureData):
            flat += _flat(entry.members)
        elif isinstance(entry, BitStringData):
            bits = "".join(f"{octet:08b}" for octet in entry.value)
            flat.append(bits[: len(bits) - entry.unused_bits])
        elif not hasattr(entry, "quality"):
            flat.append(entry.value)
    return flat


def _alike(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, float):
        return math.isclose(ours, theirs, rel_tol=1e-6)  # theirs is the shortest decimal
    return bool(ours == theirs)
