"""A TCP connection to a device, plain or in TLS, opened for whatever protocol is spoken on it.

1. Every failure is a LinkError that says where and why; opening is bounded in time.
2. TLS 1.2 or later. The device's certificate is always checked, its name too: there is no way to
   leave that out.
3. Nothing is sent here but what opens the connection. An ask goes out through drivers.asks, into
   TLS as it is.

It knows no protocol and never reconnects.
"""

import asyncio
import os
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

from drivers.line import Clock, LinkError
from drivers.port import READ_BYTES, Port
from evidence.config import ConfigError


class TlsPort(Port):
    """The open TLS connection: what it brings in plain, and what takes an ask to encrypt."""

    def __init__(self, inside: ssl.SSLSocket, clock: Clock) -> None:
        self._inside = inside
        super().__init__(inside.fileno(), clock, inside.close)

    def outlet(self) -> ssl.SSLSocket:
        """For drivers.asks. Raises LinkError when it is no longer ours."""
        self.fileno()
        return self._inside

    def _read(self) -> bytes:
        # A record is 16 KiB at most and READ_BYTES more: none stays behind half read, where poll
        # would not see it.
        try:
            return self._inside.recv(READ_BYTES)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as nothing:
            raise BlockingIOError from nothing


def tls_context(
    source: str, folder: Path, ca: str, certificate: str = "", key: str = ""
) -> ssl.SSLContext:
    """Whose signature the device must bear, and who we are. Raises ConfigError, naming `source`."""
    reading, path = "ca", folder / ca
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(path)
        if certificate:
            reading, path = "certificate", folder / certificate
            private = folder / key if key else None
            # Without an answer OpenSSL would ask the terminal for the pass phrase of a locked key.
            context.load_cert_chain(path, private, password=lambda: b"")
    except ssl.SSLError as fault:
        raise ConfigError(
            source, reading, f"{path}: no certificate or key: {fault.reason or fault}"
        ) from fault
    except OSError as fault:
        raise ConfigError(source, reading, f"{path}: {fault.strerror or fault}") from fault
    return context


async def open_tcp(host: str, port: int, timeout_s: float, clock: Clock) -> Port:
    """Raises LinkError."""
    opened = await _within(host, port, timeout_s)
    return Port(opened.fileno(), clock, opened.close)


async def open_tls(
    host: str, port: int, timeout_s: float, clock: Clock, context: ssl.SSLContext, name: str
) -> TlsPort:
    """`name`: whose certificate it must be. Raises LinkError."""
    opened = await _within(host, port, timeout_s)
    inside: ssl.SSLSocket | None = None
    ready = False
    try:
        inside = context.wrap_socket(opened, server_hostname=name, do_handshake_on_connect=False)
        async with asyncio.timeout(timeout_s):
            await _shake(inside)
        ready = True
        return TlsPort(inside, clock)
    except TimeoutError as fault:
        raise LinkError(f"{host}:{port}: no TLS in {timeout_s} s") from fault
    except ssl.SSLCertVerificationError as fault:
        text = f"{host}:{port}: its certificate does not hold: {fault.verify_message}"
        raise LinkError(text) from fault
    except (OSError, ValueError) as fault:
        raise LinkError(f"{host}:{port}: no TLS: {fault}") from fault
    finally:
        if not ready:
            (inside or opened).close()


async def _shake(inside: ssl.SSLSocket) -> None:
    """The handshake. Raises OSError."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            inside.do_handshake()
            return
        except ssl.SSLWantReadError:
            await _ready(loop.add_reader, loop.remove_reader, inside.fileno())
        except ssl.SSLWantWriteError:
            await _ready(loop.add_writer, loop.remove_writer, inside.fileno())


async def _ready(
    add: Callable[..., object], remove: Callable[[int], object], descriptor: int
) -> None:
    """Until the descriptor can be read, or written."""
    event = asyncio.Event()
    add(descriptor, event.set)
    try:
        await event.wait()
    finally:
        remove(descriptor)


async def _within(host: str, port: int, timeout_s: float) -> socket.socket:
    try:
        async with asyncio.timeout(timeout_s):
            return await _connected(host, port)
    except TimeoutError as fault:
        raise LinkError(f"{host}:{port}: no answer in {timeout_s} s") from fault
    except OSError as fault:
        # asyncio's own words are "Connect call failed"; a name that is unknown has a number below 0
        number = fault.errno or 0
        text = os.strerror(number) if number > 0 else fault.strerror or fault
        raise LinkError(f"{host}:{port}: {text}") from fault


async def _connected(host: str, port: int) -> socket.socket:
    """The first address of the host that takes the connection. Raises OSError."""
    loop = asyncio.get_running_loop()
    failure = OSError("no address")
    for family, kind, protocol, _, address in await loop.getaddrinfo(
        host, port, type=socket.SOCK_STREAM
    ):
        opened = socket.socket(family, kind, protocol)
        taken = False
        try:
            opened.setblocking(False)
            await loop.sock_connect(opened, address)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            taken = True
            return opened
        except OSError as fault:
            failure = fault
        finally:
            if not taken:
                opened.close()
    raise failure
