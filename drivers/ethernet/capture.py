"""A packet socket on one interface: frames of the EtherTypes and APPIDs asked for, whole, each with
the kernel's stamp.

1. It hears and never sends. No promiscuous mode: the interface is told which multicast groups are
   wanted, and the kernel's filter drops what is not asked for before it costs anything here.
2. The kernel takes the outer VLAN tag out of a frame and tells it beside (PACKET_AUXDATA). It is
   put back: `raw` is what was on the wire. For that the socket is bound to all EtherTypes: one that
   is bound to 0x88B8 hears the frame after the kernel has forgotten the tag.
3. `heard` is the kernel's stamp (SO_TIMESTAMPNS), so that frames may be read some milliseconds
   later, together: a wake-up costs as much as twenty frames.
4. What the kernel dropped for want of room is counted (PACKET_STATISTICS): a loss is never silent.
5. What this machine sends itself is not heard, but on the loopback interface.
6. Everything that can fail is a LinkError that says what to do.

It knows no protocol, retries nothing, and judges no silence.
"""

import asyncio
import ctypes
import errno
import os
import socket
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from drivers.arrival import arrival
from drivers.ethernet.filter import program
from drivers.ethernet.frame import ADDRESSES_BYTES, FRAME_BYTES_MAX
from drivers.inlet import Inlet
from drivers.line import Clock, Instant, LinkError

BUFFER_BYTES = 8 << 20  # of the kernel: a second of a stream of 4,800 frames, as it counts them
PACKETS_MAX = 4096  # of one read, and of what may wait here: bounds what a burst can hold up
GROUPS_MAX = 512  # of one interface: IEC 61850-8-1 Annex B has as many for GOOSE
GROUP_BYTES = 6
NS = 1_000_000_000

# linux/if_packet.h, asm-generic/socket.h; Python has no names for them.
_SOL_PACKET = 263
_ADD_MEMBERSHIP, _STATISTICS, _AUXDATA, _IGNORE_OUTGOING = 1, 6, 8, 23
_MR_MULTICAST, _MR_ALLMULTI = 0, 2
_SO_ATTACH_FILTER, _SO_RCVBUFFORCE, _SO_TIMESTAMPNS = 26, 33, 35
_ETH_P_ALL = 3
_VLAN_VALID, _VLAN_TPID_VALID = 0x10, 0x40
_TPID_DEFAULT = 0x8100
_PACKET_OUTGOING = 4
_MEMBERSHIP = struct.Struct("=iHH8s")
_AUX = struct.Struct("=IIIHHHH")  # struct tpacket_auxdata: status, length, kept, _, _, tci, tpid
_STAMP = struct.Struct("=qq")
_COUNTS = struct.Struct("=II")
_ANCILLARY_BYTES = socket.CMSG_SPACE(_AUX.size) + socket.CMSG_SPACE(_STAMP.size)


class Packet(NamedTuple):
    """One frame, tags put back. `missing`: bytes beyond FRAME_BYTES_MAX, which are not there."""

    raw: bytes
    heard: Instant
    missing: int


@dataclass(frozen=True, slots=True)
class Interest:
    """What is wanted of an interface."""

    interface: str
    accept: Mapping[int, Iterable[int]]  # EtherType: APPIDs, all where none is named
    # Multicast addresses. With none, the interface is asked for all multicast frames: where the
    # publishers' addresses are not known there is nothing better.
    groups: tuple[bytes, ...] = ()
    # Between waking up and reading: what comes meanwhile is read with it.
    pause_s: float = 0.0
    # EtherType: contents of the first elements of its messages; any where none is named.
    first: Mapping[int, Iterable[bytes]] = field(default_factory=dict)


class Capture(Inlet[Packet]):
    """Owns one socket, from `__init__` on. Needs a running loop."""

    def __init__(self, interest: Interest, clock: Clock) -> None:
        """Raises LinkError; ValueError for a filter that cannot be made."""
        self._socket = _opened(interest)
        super().__init__(self._socket.fileno())
        self._clock = clock
        self._interest = interest
        self._pause: asyncio.TimerHandle | None = None
        self._dropped = 0
        self._fresh = True  # nothing was read yet
        self._listen()

    def dropped(self) -> int:
        """Frames that passed the filter and found no room, since the socket was opened."""
        if self._socket.fileno() >= 0:
            try:
                told = self._socket.getsockopt(_SOL_PACKET, _STATISTICS, _COUNTS.size)
            except OSError:
                return self._dropped  # an interface that is gone has counted its last
            self._dropped += _COUNTS.unpack(told)[1]  # since it was last asked
        return self._dropped

    def untaken(self) -> bool:
        """Whether frames have arrived that nobody has taken yet, or that are still to be read."""
        return self._pause is not None or super().untaken()

    def _release(self) -> None:
        self.dropped()
        self._socket.close()

    def _listen(self) -> None:
        if self._pause is None:
            super()._listen()

    def _mute(self) -> None:
        super()._mute()
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None

    def _readable(self) -> None:
        """Frames are there: read now, or with those of the next milliseconds."""
        if self._interest.pause_s > 0:
            self._mute()
            self._pause = self._loop.call_later(self._interest.pause_s, self._paused)
        else:
            self._read()

    def _paused(self) -> None:
        self._pause = None
        self._read()
        if len(self._items) < PACKETS_MAX:
            self._listen()

    def _read(self) -> None:
        """Reads until the socket is empty, or PACKETS_MAX wait here."""
        receive, append, stamp = self._socket.recvmsg, self._items.append, self._stamper()
        failure: LinkError | None = None
        for _ in range(PACKETS_MAX - len(self._items)):
            try:
                data, ancillary, _, address = receive(FRAME_BYTES_MAX, _ANCILLARY_BYTES)
            except (BlockingIOError, InterruptedError):
                break
            except OSError as fault:
                failure = LinkError(_why(self._interest.interface, fault))
                break
            if address[2] == _PACKET_OUTGOING:
                continue  # a kernel that does not know PACKET_IGNORE_OUTGOING
            append(_packet(data, ancillary, stamp))
        else:
            self._mute()  # the kernel keeps the rest until these have been taken
        if self._fresh and self._items:
            self._items, self._fresh = _settled(self._items), False
        if failure is not None:
            self.fail(failure)
        elif self._items:
            self._wake()

    def _stamper(self) -> Callable[[int | None], Instant]:
        """Instants of the kernel's stamps, the clock asked once for those of one read."""
        now = self._clock.now()
        first: int | None = None
        base = now

        def stamp(realtime_ns: int | None) -> Instant:
            nonlocal first, base
            if realtime_ns is None:
                return now
            if first is None or not 0 <= realtime_ns - first < NS:
                first, base = realtime_ns, arrival(realtime_ns, now, self._clock.table)
            return Instant(base.tai + realtime_ns - first, base.bound)

        return stamp


def _packet(
    data: bytes, ancillary: list[tuple[int, int, bytes]], stamp: Callable[[int | None], Instant]
) -> Packet:
    """The frame as it was on the wire."""
    realtime_ns: int | None = None
    missing = 0
    for level, kind, content in ancillary:
        if level == _SOL_PACKET and kind == _AUXDATA and len(content) == _AUX.size:
            status, length, _, _, _, tci, tpid = _AUX.unpack(content)
            missing = max(length - len(data), 0)
            if status & _VLAN_VALID:
                tpid = tpid if status & _VLAN_TPID_VALID else _TPID_DEFAULT
                tag = (tpid << 16 | tci).to_bytes(4, "big")
                data = data[:ADDRESSES_BYTES] + tag + data[ADDRESSES_BYTES:]
        elif kind == _SO_TIMESTAMPNS and level == socket.SOL_SOCKET:
            seconds, ns = _STAMP.unpack(content)
            realtime_ns = seconds * NS + ns
    return Packet(data, stamp(realtime_ns), missing)


def _settled(packets: list[Packet]) -> list[Packet]:
    """The first that were read, with none heard later than the next.

    The kernel begins to stamp some ms after it was asked to (net_enable_timestamp defers it); what
    it had not stamped by then, it stamps when it is read.
    """
    settled: list[Packet] = []
    heard = packets[-1].heard
    for packet in reversed(packets):
        heard = packet.heard if packet.heard.tai < heard.tai else heard
        settled.append(packet._replace(heard=heard))
    return settled[::-1]


def _opened(interest: Interest) -> socket.socket:
    """The socket, filtering before it hears. Raises LinkError."""
    name = interest.interface
    opened: socket.socket | None = None
    done = False
    try:
        # Of no EtherType yet: nothing is heard until the filter stands.
        opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
        number = socket.if_nametoindex(name)
        _attach(opened, program(interest.accept, interest.first))
        opened.setsockopt(_SOL_PACKET, _AUXDATA, 1)
        opened.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        _ignore_outgoing(opened)
        _widen(opened)
        for membership in _memberships(number, interest.groups):
            opened.setsockopt(_SOL_PACKET, _ADD_MEMBERSHIP, membership)
        opened.bind((name, _ETH_P_ALL))
        failed = opened.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if failed:
            raise OSError(failed, os.strerror(failed))
        done = True
        return opened
    except OSError as fault:
        raise LinkError(_why(name, fault)) from fault
    finally:
        if opened is not None and not done:
            opened.close()


def _attach(opened: socket.socket, code: bytes) -> None:
    """struct sock_fprog: how many instructions, and where they are."""
    kept = ctypes.create_string_buffer(code, len(code))
    where = struct.pack("@HP", len(code) // 8, ctypes.addressof(kept))
    opened.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, where)


def _ignore_outgoing(opened: socket.socket) -> None:
    try:
        opened.setsockopt(_SOL_PACKET, _IGNORE_OUTGOING, 1)
    except OSError:
        pass  # before Linux 4.20: such frames are passed over when they are read


def _widen(opened: socket.socket) -> None:
    """Room in the kernel: beyond net.core.rmem_max where we may, else up to it."""
    try:
        opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, BUFFER_BYTES)
    except PermissionError:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)


def _memberships(number: int, groups: tuple[bytes, ...]) -> list[bytes]:
    """struct packet_mreq, one a group. They end with the socket."""
    if len(groups) > GROUPS_MAX or any(len(group) != GROUP_BYTES for group in groups):
        raise ValueError(f"at most {GROUPS_MAX} groups, of {GROUP_BYTES} bytes each")
    if not groups:
        return [_MEMBERSHIP.pack(number, _MR_ALLMULTI, 0, b"")]
    # A unicast address is the interface's own, or not for us.
    several = [group for group in groups if group[0] & 1]
    return [_MEMBERSHIP.pack(number, _MR_MULTICAST, GROUP_BYTES, group) for group in several]


def notes(interface: str) -> list[str]:
    """What a technician should know of an interface before it is opened."""
    known = _interfaces()
    return [] if interface in known else [f"no such interface; there are {', '.join(known)}"]


def _why(name: str, fault: OSError) -> str:
    """What went wrong with an interface, and what to do about it."""
    if fault.errno == errno.EPERM:
        # Not setcap: the interpreter is everybody's, and all its programs would have the right.
        return (
            f"{name}: hearing raw frames needs CAP_NET_RAW: AmbientCapabilities=CAP_NET_RAW in the"
            " unit; typed by hand, begin with sudo"
        )
    if fault.errno in (errno.ENODEV, errno.ENXIO) or fault.errno is None:
        return f"{name}: no such interface; there are {', '.join(_interfaces())}"
    if fault.errno == errno.ENETDOWN:
        gone = name not in _interfaces()
        return f"{name}: gone" if gone else f"{name}: down; type: sudo ip link set {name} up"
    return f"{name}: {fault.strerror or fault}"


def _interfaces() -> list[str]:
    try:
        return [name for _, name in socket.if_nameindex()]
    except OSError:
        return []
