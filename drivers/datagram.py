"""The UDP socket under a driver: datagrams as they arrive, each with the kernel's own stamp, its
sender, and what was lost before it.

1. What drivers.inlet says of all of them.
2. No more than PENDING_BYTES_MAX, or PENDING_MAX, wait here; beyond that the socket is left alone,
   and what the kernel then drops for want of room is told by number with the next one that it
   keeps.
3. Where senders are named, what anybody else sends is told as a fault, and is no frame.
4. The kernel begins to stamp some ms after the first socket of the machine asks it to; until then a
   datagram bears the time at which it is read.

It knows no protocol, sets no deadline, and does not send: see drivers.asks.
"""

import ipaddress
import socket
import struct
from collections.abc import Collection
from typing import NamedTuple

from drivers.arrival import arrival
from drivers.inlet import Inlet
from drivers.line import Clock, FrameError, Instant, LinkError

DATAGRAM_BYTES_MAX = 65535  # the length field of UDP (RFC 768) is 16 bits
READS_MAX = 256  # of one turn of the loop: others have work, too
PENDING_BYTES_MAX = 1 << 20  # as drivers.port
PENDING_MAX = 16_384  # an empty datagram costs memory, too
STRANGERS_MAX = 16  # told one by one while they wait; further ones as one number
# Linux, asm-generic/socket.h and linux/in.h, in6.h; the socket module does not name them.
_SO_TIMESTAMPNS, _SO_RXQ_OVFL, _SO_RCVBUFFORCE = 35, 40, 33
_IP_MULTICAST_ALL, _IPV6_MULTICAST_ALL = 49, 29
_TIMESPEC = struct.Struct("@ll")
_COUNT = struct.Struct("@I")
_ANCILLARY_BYTES = socket.CMSG_SPACE(_TIMESPEC.size) + socket.CMSG_SPACE(_COUNT.size)


class Datagram(NamedTuple):
    """One datagram, or what is said in place of some that were none for us."""

    data: bytes
    heard: Instant
    fault: FrameError | None = None


class Datagrams(Inlet[Datagram]):
    """Owns a bound, non-blocking UDP socket from now on. `senders`: whose datagrams are taken, by
    address; empty: anybody's.
    """

    def __init__(self, opened: socket.socket, clock: Clock, senders: Collection[str] = ()) -> None:
        super().__init__(opened.fileno())
        self._socket = opened
        self._clock = clock
        self._senders = frozenset(senders)
        self._pending = 0
        self._strangers = 0  # since the last take
        self._others, self._other = 0, ""  # of all strangers: how many, and the last one
        self._dropped = 0  # by the kernel, as it counts: since the socket is there, modulo 2^32
        self._listen()

    async def take(self) -> list[Datagram]:
        """All that has arrived, at least one. Raises LinkError when nothing can arrive."""
        taken, self._pending = await super().take(), 0
        if self._strangers > STRANGERS_MAX:
            text = f"{self._strangers - STRANGERS_MAX} further datagrams of others"
            taken.append(Datagram(b"", taken[-1].heard, FrameError("stranger", text)))
        self._strangers = 0
        return taken

    def trouble(self, frames: int) -> str:
        """What the socket knows of why only so many good frames have come; empty when nothing."""
        if frames or not self._others:
            return ""
        return f"{self._others} datagrams of others, such as {self._other}: is the host right?"

    def outlet(self) -> int:
        """The descriptor, for drivers.asks. Raises LinkError when it is no longer ours."""
        return self.fileno()

    def _release(self) -> None:
        self._socket.close()

    def _readable(self) -> None:
        for _ in range(READS_MAX):
            try:
                data, told, flags, sender = self._socket.recvmsg(
                    DATAGRAM_BYTES_MAX, _ANCILLARY_BYTES
                )
            except (BlockingIOError, InterruptedError):
                break
            except OSError as fault:
                self.fail(LinkError(f"cannot read: {fault.strerror or fault}"))
                break
            self._keep(data, told, bool(flags & socket.MSG_TRUNC), _plain(sender[0]))
            if self._pending >= PENDING_BYTES_MAX or len(self._items) >= PENDING_MAX:
                self._mute()
                break
        if self._items:
            self._wake()

    def _keep(
        self, data: bytes, told: list[tuple[int, int, bytes]], cut: bool, sender: str
    ) -> None:
        stamp_ns, dropped = None, self._dropped
        for level, kind, content in told:
            if level != socket.SOL_SOCKET:
                continue
            if kind == _SO_TIMESTAMPNS and len(content) == _TIMESPEC.size:
                seconds, ns = _TIMESPEC.unpack(content)
                stamp_ns = seconds * 1_000_000_000 + ns
            elif kind == _SO_RXQ_OVFL and len(content) == _COUNT.size:
                (dropped,) = _COUNT.unpack(content)
        heard = arrival(stamp_ns, self._clock.now(), self._clock.table)
        if dropped != self._dropped:
            lost, self._dropped = (dropped - self._dropped) & 0xFFFFFFFF, dropped
            text = f"{lost} datagrams before this one found the receive buffer full"
            self._items.append(Datagram(b"", heard, FrameError("kernel_dropped", text)))
        fault = None
        if self._senders and sender not in self._senders:
            self._strangers += 1
            self._others, self._other = self._others + 1, sender
            if self._strangers > STRANGERS_MAX:
                return
            fault = FrameError(
                "stranger", f"a datagram of {sender}, which is not the source's host"
            )
        elif cut:
            fault = FrameError("truncated", f"a datagram of more than {len(data)} bytes")
        self._items.append(Datagram(data, heard, fault))
        self._pending += len(data)


def bound(
    local: tuple[str, int], family: int, receive_buffer_bytes: int, shared: bool = False
) -> socket.socket:
    """A UDP socket at a local address, as Datagrams wants it. `shared`: others on this machine may
    hear the same port. Raises OSError.
    """
    opened = socket.socket(family, socket.SOCK_DGRAM)
    whole = False
    try:
        opened.setblocking(False)
        opened.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        opened.setsockopt(socket.SOL_SOCKET, _SO_RXQ_OVFL, 1)
        _make_room(opened, receive_buffer_bytes)
        if shared:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        opened.bind(local)
        whole = True
        return opened
    finally:
        if not whole:
            opened.close()


def _make_room(opened: socket.socket, receive_buffer_bytes: int) -> None:
    """The kernel gives no more than net.core.rmem_max, but to whoever may administer it."""
    try:
        opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, receive_buffer_bytes)
    except PermissionError:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)


def join(opened: socket.socket, group: str, interface: str) -> None:
    """Hears a multicast group on an interface, by its name; empty: the one that routes there.
    Raises OSError.
    """
    index = socket.if_nametoindex(interface) if interface else 0
    address = ipaddress.ip_address(group)
    # Without this a socket hears every group that anybody on the machine has joined: ip(7).
    if address.version == 4:
        opened.setsockopt(socket.IPPROTO_IP, _IP_MULTICAST_ALL, 0)
        wanted = address.packed + bytes(4) + struct.pack("@i", index)  # struct ip_mreqn
        opened.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, wanted)
    else:
        opened.setsockopt(socket.IPPROTO_IPV6, _IPV6_MULTICAST_ALL, 0)
        wanted = address.packed + struct.pack("@I", index)  # struct ipv6_mreq
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, wanted)


def _plain(address: str) -> str:
    """A sender without the interface that it was heard on, and IPv4 as IPv4: a socket that hears
    both has it as an IPv6 address.
    """
    return address.partition("%")[0].removeprefix("::ffff:")
