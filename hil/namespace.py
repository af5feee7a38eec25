"""A network of one's own, with cables in it: what a test or a bench plays Ethernet on.

1. A namespace has no name: it is held by a descriptor of this process and vanishes with it, however
   that ends. Its cables (veth pairs) vanish with it.
2. Nothing in it speaks unasked: no addresses, no IPv6.
3. What is opened while `inside` stays in it: a socket belongs to the namespace it was made in.

It needs root, or the right to make namespaces (hil.faults.need.NAMESPACES).
"""

import contextlib
import ctypes
import os
import subprocess
from collections.abc import Iterator
from types import TracebackType

from hil.faults.need import NeedError, found

COMMAND_S = 10.0
_CLONE_NEWNET = 0x40000000  # linux/sched.h
_OWN = "/proc/thread-self/ns/net"


class Namespace:
    """One of them, from `__init__` to `close`."""

    def __init__(self) -> None:
        """Raises NeedError where this process may not make one."""
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd = -1
        before = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if self._libc.unshare(_CLONE_NEWNET):
                text = os.strerror(ctypes.get_errno())
                raise NeedError(f"no network of its own: {text}: run it by sudo")
            self._fd = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
        finally:
            self._enter(before)
            os.close(before)

    def __enter__(self) -> "Namespace":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def within(self) -> list[str]:
        """What starts a program inside."""
        return [found("nsenter"), f"--net={self.path}", "--"]

    @property
    def path(self) -> str:
        """Where it is found by other programs, for as long as this process has it."""
        return f"/proc/{os.getpid()}/fd/{self._fd}"

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """This thread is in it while the block lasts."""
        before = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._enter(self._fd)
            yield
        finally:
            self._enter(before)
            os.close(before)

    def cable(self, one: str = "eth0", other: str = "eth1", mtu: int = 1600) -> None:
        """Two interfaces, each the other's far end, both up. `mtu`: 802.1Q tags and PRP fit."""
        self.run("ip", "link", "add", one, "mtu", f"{mtu}", "type", "veth", "peer", "name", other)
        for name in (one, other):
            self.run("ip", "link", "set", name, "mtu", f"{mtu}", "addrgenmode", "none", "up")

    def run(self, *command: str) -> str:
        """Runs a command inside, and gives what it says. Raises SubprocessError."""
        argv = [*self.within, found(command[0]), *command[1:]]
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=COMMAND_S,
        )
        return done.stdout

    def close(self) -> None:
        """Idempotent. What still runs inside keeps it until it ends."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _enter(self, fd: int) -> None:
        if self._libc.setns(fd, _CLONE_NEWNET):
            text = os.strerror(ctypes.get_errno())
            raise NeedError(f"cannot enter a network: {text}")
