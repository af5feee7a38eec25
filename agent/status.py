"""The agent's account of itself on a socket beside the spool: whoever may read the folder may ask.

One connection, one JSON object, and the connection closes. Nothing can be changed through it.
"""

import asyncio
import contextlib
import hashlib
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

STATUS_BYTES_MAX = 4 << 20
ASK_S = 5.0
NAME_MAX = 64  # of the spool's file name in the socket's; a longer one is hashed


def _socket_path(folder: int, spool: Path) -> str:
    # sun_path has 108 bytes (unix(7)); through the folder's descriptor any folder is near enough.
    name = spool.name
    if len(name) > NAME_MAX:
        name = hashlib.sha256(name.encode()).hexdigest()[:16]
    return f"/proc/self/fd/{folder}/{name}.sock"


async def serve(spool: Path, report: Callable[[], dict[str, Any]]) -> None:
    """Answers until cancelled."""

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(json.dumps(report()).encode())
        try:
            await writer.drain()
        except ConnectionError:
            pass  # who asked has gone: nothing is lost
        finally:
            writer.close()

    folder = os.open(spool.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    path = _socket_path(folder, spool)
    try:
        # A socket left by an agent that was killed: the spool's lock says that it is gone.
        _remove(path)
        server = await asyncio.start_unix_server(answer, path)
        os.chmod(path, 0o600)
        try:
            async with server:
                await server.serve_forever()
        finally:
            _remove(path)
    finally:
        os.close(folder)


def _remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def ask(spool: Path) -> dict[str, Any]:
    """What the agent of this spool says.

    Raises OSError when none answers, ValueError when it is no account.
    """
    folder = os.open(spool.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(ASK_S)
            line.connect(_socket_path(folder, spool))
            parts = []
            size = 0
            while part := line.recv(65536):
                parts.append(part)
                size += len(part)
                if size > STATUS_BYTES_MAX:
                    raise ValueError("the account is longer than any of ours")
    finally:
        os.close(folder)
    told = json.loads(b"".join(parts))
    if not isinstance(told, dict):
        raise ValueError("what answers is no agent")
    return told
