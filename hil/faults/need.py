"""What faults need of other people's programs, and what to install where it is missing."""

import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

import hil

ASK_S = 10.0
# A program, and the Debian package that has it.
PACKAGES = {
    "chronyc": "chrony",
    "chronyd": "chrony",
    "faketime": "faketime",
    "ip": "iproute2",
    "mount": "mount",
    "nats-server": "nats-server",
    "nft": "nftables",
    "nsenter": "util-linux",
    "pmc": "linuxptp",
    "ptp4l": "linuxptp",
    "strace": "strace",
    "unshare": "util-linux",
}
FAKETIME = {
    "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    # Else it turns a timed wait by the clock of durations into one by the wall clock, and Python's
    # threads, which hand on the interpreter by such waits, stall for seconds.
    "FAKETIME_FORCE_MONOTONIC_FIX": "0",
    "NO_FAKE_STAT": "1",
}
ROOT = "root"  # no program: another process is traced
NAMESPACES = "namespaces"  # nor this: root in a container may not make them
PRIVATE = ("--propagation", "private", "--")  # what unshare(1) is told of mounts
CHAMBER = ("unshare", "nsenter", "ip", "mount", NAMESPACES)
_ADMINISTRATORS = ("/usr/local/sbin", "/usr/sbin", "/sbin")  # a user's PATH may lack them
_HOME = Path(hil.__file__).resolve().parent.parent
_UNPACKED = tuple(str(_HOME / ".debian" / "usr" / part) for part in ("sbin", "bin"))  # .ci/debian


class NeedError(Exception):
    """Something is missing. The text says what to do."""


def found(program: str) -> str:
    """Where a program is. Raises NeedError."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *_ADMINISTRATORS, *_UNPACKED])
    where = shutil.which(program, path=path)
    if where is None:
        raise NeedError(f"{program} is missing: apt-get install {PACKAGES[program]}")
    return where


def check(needs: Iterable[str]) -> None:
    """Raises NeedError for the first that is missing."""
    for need in needs:
        if need == ROOT and os.geteuid() != 0:
            raise NeedError("root is needed: run it by sudo")
        if need == NAMESPACES:
            _try_namespaces()
        elif need != ROOT:
            found(need)


def _try_namespaces() -> None:
    try:
        _said([found("unshare"), "--net", "--mount", *PRIVATE, "true"])
    except (OSError, subprocess.SubprocessError) as fault:
        text = "no network and mounts of its own: run it by sudo, in a container with CAP_SYS_ADMIN"
        raise NeedError(text) from fault


def have(needs: Iterable[str]) -> bool:
    """Whether nothing is missing."""
    try:
        check(needs)
    except NeedError:
        return False
    return True


def faketime_library() -> str:
    """The library to preload for a program with threads, as faketime(1) itself names it.

    Raises NeedError.
    """
    try:
        said = _said([found("faketime"), "-m", "-f", "+0", "printenv", "LD_PRELOAD"])
    except (OSError, subprocess.SubprocessError) as fault:
        raise NeedError(f"faketime does not run: {fault}") from fault
    return said.strip().rpartition(" ")[2]


def faketime_by(seconds: int) -> dict[str, str]:
    """What lets a program's wall clock be ahead by a fixed time. Raises NeedError."""
    return {"LD_PRELOAD": faketime_library(), "FAKETIME": f"{seconds:+d}s", **FAKETIME}


def _said(argv: Sequence[str]) -> str:
    """What a program says. Raises OSError, SubprocessError."""
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=ASK_S)
    return done.stdout
