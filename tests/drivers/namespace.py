"""A network of a test's own: a thread in a network namespace that nobody else is in, and that is
gone when the thread and its sockets are.

1. It has a name nowhere, so that none is left over and no two can meet.
2. What it needs and is absent is named: see tests.conftest.absent.
"""

import ctypes
import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tests.conftest import absent

_CLONE_NEWNET = 0x40000000  # linux/sched.h
INTERFACE = "gs0"  # one end of a cable with nobody at the other one
ADDRESS = "192.0.2.77"
_LINES = (
    ("link", "set", "lo", "up"),
    ("link", "add", INTERFACE, "type", "veth", "peer", "name", "gs1"),
    ("link", "set", INTERFACE, "addrgenmode", "none"),
    ("-6", "address", "add", "fd00:77::1/64", "dev", INTERFACE, "nodad"),
    ("address", "add", f"{ADDRESS}/24", "dev", INTERFACE),
    ("link", "set", INTERFACE, "up"),
    ("link", "set", "gs1", "up"),
)


def alone(work: Callable[[], None]) -> None:
    """Does the work in a thread that has such a network; what it raises is raised here."""
    ip = shutil.which("ip")
    if ip is None:
        absent("ip", "type: sudo make debian")

    def run() -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(_CLONE_NEWNET):
            absent("the right to make a network namespace", "run as root")
        for line in _LINES:
            subprocess.run([ip, *line], check=True, capture_output=True, timeout=20)
        work()

    with ThreadPoolExecutor(1) as thread:
        thread.submit(run).result()
