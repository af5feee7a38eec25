"""Where simulated PMUs are heard by datagrams: at whoever asked by UDP, at one place or group that
never asks, or at whoever asked by TCP.

1. One frame is one datagram. What the kernel takes has gone: nobody says whether it arrives.
2. Who asks by UDP is a listener by his address and port, for as long as he is not silent for good:
   CLIENTS_MAX of a PMU, and what asks beyond that is refused, as at a TCP port.
3. Where a place is given, everything goes there, answers too, and commands may come from anywhere.

It knows nothing of what the bytes mean beyond which frames are data.
"""

import asyncio
import socket
import struct
from collections.abc import Sequence
from typing import cast

from hil.devices.listener import Listener, Told
from hil.devices.port import TcpClient
from hil.devices.unit import Pmu

HOPS = 8  # of multicast: within a site

Address = tuple[str, int]


class UdpPort(asyncio.DatagramProtocol):
    """A UDP port."""

    def __init__(
        self, pmus: Sequence[Pmu], local: Address, to: Address | None = None, interface: str = ""
    ) -> None:
        """`to`: where everything goes, asked or not; `interface`: on which, if that is a group."""
        self._pmus, self._local, self._to, self._interface = pmus, local, to, interface
        self._transport: asyncio.DatagramTransport | None = None
        self._listeners: dict[Address, Listener] = {}
        self.cut = False  # what it sends arrives nowhere, and nothing reaches it

    async def open(self) -> Address:
        """Listens; the address it has. Raises OSError."""
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: self, sock=self._socket())
        if self._transport is None:
            raise OSError("no transport")
        self._local = self._transport.get_extra_info("sockname")[:2]
        if self._to is not None:
            self._seat(self._to)
        return self._local

    def _socket(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._local[0] else socket.AF_INET
        opened = socket.socket(family, socket.SOCK_DGRAM)
        opened.setblocking(False)
        index = socket.if_nametoindex(self._interface) if self._interface else 0
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, HOPS)
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
        else:
            request = bytes(8) + struct.pack("@i", index)  # struct ip_mreqn
            opened.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, HOPS)
            opened.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, request)
        opened.bind(self._local)
        return opened

    async def close(self) -> None:
        """Sends nothing more and hears nothing more. Idempotent."""
        for listener in self._listeners.values():
            listener.rise()
        self._listeners.clear()
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, address: tuple[object, ...]) -> None:
        if not self._pmus or self.cut:
            return
        listener = self._seat(self._to or (str(address[0]), cast(int, address[1])))
        if listener is not None:
            for found in self._pmus[0].speech.datagram(data):
                listener.heard(found)

    def error_received(self, exc: Exception) -> None:
        """Nobody is there to hear: a PMU that sends unasked does not mind."""

    def send(self, raw: bytes, to: Address, gone: Told | None) -> None:
        """One datagram."""
        if self._transport is None:
            return
        if not self.cut:
            self._transport.sendto(raw, to)
        if gone is not None:
            gone()

    def _seat(self, address: Address) -> Listener | None:
        known = self._listeners.get(address)
        if known is not None:
            return known
        listener = Listener(self._pmus, _ByUdp(self, address))
        if not listener.sit():
            return None
        self._listeners[address] = listener
        return listener


class _ByUdp:
    """The way to one address."""

    def __init__(self, port: UdpPort, address: Address) -> None:
        self._port, self._address = port, address

    def carry(self, raw: bytes, gone: Told | None) -> None:
        self._port.send(raw, self._address, gone)

    def abort(self) -> None:
        """There is no connection to hang up on."""


class SplitPort:
    """Commands and answers by TCP; data by UDP to the asker's address, at one port."""

    def __init__(self, pmus: Sequence[Pmu], host: str, port: int, data_port: int) -> None:
        self._pmus, self._host, self._port, self._data_port = pmus, host, port, data_port
        self._server: asyncio.Server | None = None
        self._data = UdpPort((), (host, 0))

    async def open(self) -> Address:
        """Listens; the address it has for commands. Raises OSError."""
        await self._data.open()
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _SplitClient(self._pmus, self._data, self._data_port), self._host, self._port
        )
        host, self._port = self._server.sockets[0].getsockname()[:2]
        return host, self._port

    async def close(self) -> None:
        """Hangs up on everyone and listens no more."""
        for pmu in self._pmus:
            pmu.hang_up()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None
        await self._data.close()


class _SplitClient(TcpClient):
    """One who asks by TCP."""

    def __init__(self, pmus: Sequence[Pmu], data: UdpPort, data_port: int) -> None:
        super().__init__(pmus)
        self._speech = pmus[0].speech
        self._data, self._data_port = data, data_port

    def carry(self, raw: bytes, gone: Told | None) -> None:
        if self.transport is None or not self._speech.is_data(raw):
            super().carry(raw, gone)
            return
        host = str(self.transport.get_extra_info("peername")[0])
        self._data.send(raw, (host, self._data_port), gone)
