"""A cable (a veth pair) in a network of its own, for tests of what hears Ethernet.

1. It vanishes with the test, however that ends; where none may be made, the test is skipped by
   name.
2. What publishes on its far end is a program of the bench, in a process of its own, and is ended.
"""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from drivers.line import Instant
from evidence.leap import BUILT_IN, NS
from hil.faults.need import NAMESPACES, have
from hil.namespace import Namespace
from tests.conftest import absent

WAIT_S = 20.0
NEAR, FAR = "eth0", "eth1"


class Clock:
    """The machine's own, vouching for a microsecond."""

    table = BUILT_IN

    def now(self) -> Instant:
        utc_ns = time.time_ns()
        return Instant(BUILT_IN.tai_ns(utc_ns // NS, utc_ns % NS), 1000)


@pytest.fixture
def net() -> Iterator[Namespace]:
    if not have(("ip", "nsenter", NAMESPACES)):
        absent("namespaces and iproute2", "run as root")
    with Namespace() as made:
        made.cable(NEAR, FAR)
        yield made


class Publisher:
    """A program of hil.devices on the far end."""

    def __init__(self, process: "subprocess.Popen[str]", told: dict[str, Any]) -> None:
        self._process, self.told = process, told

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def end(self) -> dict[str, Any]:
        """What it has counted. Bounded."""
        self._process.send_signal(signal.SIGTERM)
        said, _ = self._process.communicate(timeout=WAIT_S)
        found: dict[str, Any] = json.loads(said.splitlines()[-1])
        return found


@contextmanager
def publishing(net: Namespace, module: str, *arguments: str) -> Iterator[Publisher]:
    """One, from its first line on."""
    command = [*net.within, sys.executable, "-m", module, "--interface", FAR, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            if process.stdout is None:
                raise RuntimeError("no pipe")
            yield Publisher(process, json.loads(process.stdout.readline()))
        finally:
            process.kill()
