"""What this machine knows of a serial port's device file: which device it is, by which name it
keeps, who may open it, who has it open, how long its adapter waits.

1. Reading only: /dev, /proc and /sys are looked at, nothing is opened that could hear a device.
2. What cannot be found out is left out of the words; nothing here fails.

It does not open the line: see drivers.serial.line.
"""

import contextlib
import grp
import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

BY_ID = Path("/dev/serial/by-id")
SYSFS = Path("/sys/class/tty")
LATENCY_MS_MAX = 1  # what a USB adapter should wait at most; 16 is what FTDI's do unasked
NAMES_MAX = 4  # of ports listed in one line of text
PROCESSES_MAX = 4096  # looked at for who has a port open
PTY_MAJORS = range(136, 144)  # UNIX98 slaves: Documentation/admin-guide/devices.txt of Linux
# Unix98 pseudo-terminals: Documentation/admin-guide/devices.txt of Linux
_PSEUDO_MAJORS = range(136, 144)


def is_pseudo(device: int) -> bool:
    """Whether st_rdev is of a pseudo-terminal: no baud, no parity, no UART."""
    return os.major(device) in _PSEUDO_MAJORS


def kept_name(path: str, folder: Path = BY_ID) -> str:
    """The name by its serial number that udev gave the device of `path`; empty when there is none.

    ttyUSB0 is whichever adapter was found first: after a restart it may be another.
    """
    real = os.path.realpath(path)
    return next((name for name in kept_names(folder) if os.path.realpath(name) == real), "")


def kept_names(folder: Path = BY_ID) -> list[str]:
    """All ports that have such a name, in order."""
    with contextlib.suppress(OSError):
        return sorted(str(entry) for entry in folder.iterdir())
    return []


def absence(path: str, folder: Path = BY_ID) -> str:
    """What to say of a path that is not there."""
    if os.path.islink(path):
        text = f"its link leads to {os.path.realpath(path)}, which is not there"
    else:
        text = "not there"
    text += ": is the adapter plugged in?"
    there = [name for name in kept_names(folder) if os.path.exists(name)]
    if there:
        more = f" and {len(there) - NAMES_MAX} more" if len(there) > NAMES_MAX else ""
        text += f" There is {', '.join(there[:NAMES_MAX])}{more}"
    return text


def permission(path: str) -> str:
    """Who may open it, and the line to type."""
    try:
        status = os.stat(path)
    except OSError:
        return "permission denied"
    both = stat.S_IRGRP | stat.S_IWGRP
    mode = stat.filemode(status.st_mode)
    if status.st_mode & both != both:
        owner = _user(status.st_uid)
        return f"permission denied: only {owner} may open it ({mode}); a udev rule can change that"
    group = _group(status.st_gid)
    return (
        f"permission denied: it belongs to the group {group} ({mode}); type: sudo usermod -aG"
        f" {group} {_user(os.geteuid())}, and start Gridseal anew"
    )


def in_use(path: str) -> str:
    """By whom, as far as /proc tells."""
    others = others_with(path)
    if others:
        return f"in use by {others}"
    with contextlib.suppress(OSError):
        status = os.stat(path)
        if os.getpid() in (*_locking(status), *_opening(status)):
            return "in use by this program itself: two sources name it"
    return "in use by another program"


def others_with(path: str) -> str:
    """Who else has the port open: 'PID 123 (minicom)'; empty when nobody is seen."""
    try:
        status = os.stat(path)
    except OSError:
        return ""
    found = sorted({*_locking(status), *_opening(status)} - {os.getpid()})
    return ", ".join(f"PID {pid} ({_command(pid)})" for pid in found[:NAMES_MAX])


def notes(path: str, folder: Path = BY_ID, sysfs: Path = SYSFS) -> list[str]:
    """What a technician should know of a port before it is opened, a sentence each."""
    if not os.path.exists(path):
        return [absence(path, folder)]
    told = []
    kept = kept_name(path, folder)
    if kept and not os.path.islink(path):
        told.append(f"{path} may be another adapter after the next start; {kept} stays")
    waits = latency_ms(path, sysfs)
    if waits is not None and waits > LATENCY_MS_MAX:
        told.append(f"its adapter keeps bytes for up to {waits} ms; when opened it is asked not to")
    return told


def latency_ms(path: str, sysfs: Path = SYSFS) -> int | None:
    """How long a USB adapter keeps bytes before it hands them on; None where none is said."""
    file = sysfs / os.path.basename(os.path.realpath(path)) / "device" / "latency_timer"
    try:
        return int(file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _locking(status: os.stat_result) -> list[int]:
    """The processes that hold a lock on the file, by proc(5) locks: other users' too."""
    # devtmpfs and devpts have device numbers as the kernel writes them there: major:minor in hex
    place = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    found: list[int] = []
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/locks").read_text(encoding="ascii").splitlines():
            fields = line.split()
            if place in fields and "->" not in fields:
                found.append(int(fields[fields.index(place) - 1]))
    return found


def _opening(device: os.stat_result) -> list[int]:
    """The processes that have the device open; other users' only for root."""
    return [pid for pid in _processes() if _has_open(pid, device)]


def _has_open(pid: int, device: os.stat_result) -> bool:
    with contextlib.suppress(OSError):
        for entry in os.scandir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                status = entry.stat()
                if stat.S_ISCHR(status.st_mode) and _same(status, device):
                    return True
    return False


def _same(one: os.stat_result, other: os.stat_result) -> bool:
    """A container numbers its own pseudo-terminals from 0 again: they are told by their mount."""
    of_pty = os.major(one.st_rdev) in PTY_MAJORS
    return one.st_rdev == other.st_rdev and (not of_pty or one.st_dev == other.st_dev)


def _processes() -> Iterator[int]:
    with contextlib.suppress(OSError):
        numbers = [int(name) for name in os.listdir("/proc") if name.isdigit()]
        yield from numbers[:PROCESSES_MAX]


def _command(pid: int) -> str:
    with contextlib.suppress(OSError):
        name = Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace")
        return name.strip()
    return "gone"


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
