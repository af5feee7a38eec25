"""The agent's account of itself on a socket beside the spool: whoever may read the folder may ask.

One connection after another: one JSON object, and it closes; who does not read it is waited for no
longer than ANSWER_S. Nothing can be changed through it.
"""

import asyncio
import contextlib
import hashlib
import json
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

STATUS_BYTES_MAX = 4 << 20
ASK_S = 5.0
ANSWER_S = 1.0  # for who asked and does not read; also before asking the system for a socket again
SUFFIX = ".sock"
NAME_MAX = 64  # of the spool's file name in the socket's; a longer one is hashed


def _socket_path(folder: int, spool: Path, suffix: str = SUFFIX) -> str:
    # sun_path has 108 bytes (unix(7)); through the folder's descriptor any folder is near enough.
    name = spool.name
    if len(name) > NAME_MAX:
        name = hashlib.sha256(name.encode()).hexdigest()[:16]
    return f"/proc/self/fd/{folder}/{name}{suffix}"


@contextlib.contextmanager
def listening(spool: Path, suffix: str = SUFFIX) -> Iterator[socket.socket]:
    """A socket beside the spool, its owner's alone; taken away again. Raises OSError."""
    folder = os.open(spool.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    path = _socket_path(folder, spool, suffix)
    try:
        # A socket left by an agent that was killed: the spool's lock says that it is gone.
        _remove(path)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as server:
            server.bind(path)
            os.chmod(path, 0o600)
            server.listen()
            try:
                yield server
            finally:
                _remove(path)
    finally:
        os.close(folder)


async def serve(spool: Path, report: Callable[[], dict[str, Any]]) -> None:
    """Answers until cancelled."""
    with listening(spool) as server:
        while True:
            await _answer(server, report)


async def _answer(server: socket.socket, report: Callable[[], dict[str, Any]]) -> None:
    """One connection. By the bare socket: a transport of asyncio is a cycle of references, and
    those stay until the next collection, which is rare in the agent.
    """
    loop = asyncio.get_running_loop()
    try:
        asker, _ = await loop.sock_accept(server)
    except OSError:  # no descriptor is left, for the time being
        await asyncio.sleep(ANSWER_S)
        return
    with asker, contextlib.suppress(OSError):  # who asked has gone, or waits: nothing is lost
        async with asyncio.timeout(ANSWER_S):
            await loop.sock_sendall(asker, json.dumps(report()).encode())


def _remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


@contextlib.contextmanager
def connected(spool: Path, suffix: str = SUFFIX) -> Iterator[socket.socket]:
    """A connection to the agent of this spool. Raises OSError."""
    folder = os.open(spool.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(ASK_S)
            line.connect(_socket_path(folder, spool, suffix))
            yield line
    finally:
        os.close(folder)


def ask(spool: Path) -> dict[str, Any]:
    """What the agent of this spool says.

    Raises OSError when none answers, ValueError when it is no account.
    """
    with connected(spool) as line:
        parts = []
        size = 0
        while part := line.recv(65536):
            parts.append(part)
            size += len(part)
            if size > STATUS_BYTES_MAX:
                raise ValueError("the account is longer than any of ours")
    told = json.loads(b"".join(parts))
    if not isinstance(told, dict):
        raise ValueError("what answers is no agent")
    return told
