"""Ports for programs that will listen there: each is given out once."""

import os
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Iterator

import pytest

from hil import loopback
from hil.loopback import free_port

# Below those that others draw from; another run of this test has others.
FIRST = 10_000 + os.getpid() % 1000 * 10
FEW = range(FIRST, FIRST + 10)
DRAW = """
import socket, sys
from hil import loopback
loopback.PORTS, loopback.TRIES = range(int(sys.argv[1]), int(sys.argv[2])), int(sys.argv[3])
print(*(loopback.free_port() for _ in range(int(sys.argv[4]))), flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    held: deque[int] = deque()
    monkeypatch.setattr(loopback, "PORTS", FEW)
    monkeypatch.setattr(loopback, "TRIES", len(FEW))
    monkeypatch.setattr(loopback, "_held", held)
    yield
    for descriptor in held:
        os.close(descriptor)


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_one_that_somebody_has_is_not_given(kind: socket.SocketKind) -> None:
    with socket.socket(type=kind) as taken:
        taken.bind(("127.0.0.1", FEW[3]))
        drawn = []
        with pytest.raises(OSError, match="no free port among 10"):
            while True:
                drawn.append(free_port(kind))
    assert sorted(drawn) == [port for port in FEW if port != FEW[3]]


def test_none_is_given_twice_by_two_processes() -> None:
    arguments = [sys.executable, "-c", DRAW, str(FEW.start), str(FEW.stop), str(len(FEW)), "6"]
    with subprocess.Popen(
        arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdin is not None and other.stdout is not None
        theirs = [int(port) for port in other.stdout.readline().split()]
        ours = [free_port() for _ in range(len(FEW) - len(theirs))]
        assert sorted(theirs + ours) == list(FEW)
        with pytest.raises(OSError, match="no free port"):
            free_port()
        other.stdin.close()
        assert other.wait(20) == 0
    assert {free_port() for _ in theirs} == set(theirs)  # it has ended: whoever asks may have them


def test_the_oldest_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loopback, "HELD_MAX", len(FEW) - 1)
    drawn = [free_port() for _ in range(3 * len(FEW))]
    for at in range(len(FEW) - 1, len(drawn)):
        assert drawn[at] not in drawn[at - len(FEW) + 1 : at]
