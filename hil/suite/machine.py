"""What a machine is, as far as figures depend on it: processor, kernel, libraries, disk.

1. Nothing in it says whose machine it is or where: no host name, no user, no path.
2. The disk is that of the folder that benchmarks write to, with what a sync takes there: a page
   written and synced, SYNCS times.
3. What cannot be told is "unknown", and stops nothing.
"""

import os
import platform
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import apsw

SYNCS: Final = 200
SYNC_BYTES: Final = 4096  # a page of the spool's database
UNKNOWN: Final = "unknown"
_MOUNT_FIELDS = 10  # proc(5), mountinfo: at least so many words a line
_KINDS = {"0": "solid state", "1": "rotating"}


def look(folder: Path) -> dict[str, Any]:
    """All of it. Raises OSError when the folder cannot be written."""
    p50, p99 = _syncs(folder)
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": _memory_gib(),
        "kernel": f"{platform.system()} {platform.release().split('-')[0]} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "sqlite": apsw.sqlite_lib_version(),
        # It does not say which it is; each release of PyNaCl brings one of its own.
        "libsodium": f"of PyNaCl {_version('PyNaCl')}",
        "gridseal": _version("gridseal"),
        "disk": _disk(folder),
        "sync_p50_ms": p50,
        "sync_p99_ms": p99,
    }


def load() -> float | None:
    """How many processes wanted a core in the last minute, ours and others'."""
    try:
        return round(os.getloadavg()[0], 2)
    except OSError:
        return None


def _processor() -> str:
    """proc(5), cpuinfo: its name on x86, and what there is of one elsewhere."""
    told: dict[str, str] = {}
    for line in _text("/proc/cpuinfo").splitlines():
        name, colon, value = line.partition(":")
        if colon:
            told.setdefault(name.strip(), value.strip())
    named = told.get("model name") or _text("/proc/device-tree/model").rstrip("\0")
    part = told.get("CPU part")
    return named or (f"CPU part {part}" if part else "") or platform.machine() or UNKNOWN


def _memory_gib() -> float | None:
    for line in _text("/proc/meminfo").splitlines():
        if line.startswith("MemTotal:"):
            return round(int(line.split()[1]) / 1024**2, 1)
    return None


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return UNKNOWN


def _disk(folder: Path) -> str:
    """File system, and whether the disk below it turns, by its device number."""
    device = os.stat(folder).st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    system = UNKNOWN
    for line in _text("/proc/self/mountinfo").splitlines():
        words = line.split()
        if len(words) >= _MOUNT_FIELDS and words[2] == number and "-" in words:
            system = words[words.index("-") + 1]
    return f"{system}, {_kind(Path(f'/sys/dev/block/{number}').resolve())}"


def _kind(device: Path) -> str:
    """Of a block device, or of the disk that a partition is on. sysfs: a virtual one says that it
    turns, whatever is below."""
    if "/virtio" in str(device):
        return "virtual"
    for one in (device, device.parent):
        kind = _KINDS.get(_text(f"{one}/queue/rotational").strip())
        if kind is not None:
            return kind
    return UNKNOWN


def _syncs(folder: Path) -> tuple[float, float]:
    """Median and 99th percentile of a page written and synced, in ms."""
    took = []
    with tempfile.TemporaryFile(dir=folder) as file:
        page = os.urandom(SYNC_BYTES)
        for at in range(SYNCS):
            start = time.perf_counter()
            os.pwrite(file.fileno(), page, at * SYNC_BYTES)
            os.fdatasync(file.fileno())
            took.append((time.perf_counter() - start) * 1e3)
    took.sort()
    return round(took[SYNCS // 2], 3), round(took[SYNCS * 99 // 100], 3)


def _text(path: str) -> str:
    """A file of the kernel's; empty where there is none."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
