"""The simulated PTP grandmaster: a clock with a GNSS receiver, as a ptp4l on the same cable follows
it, and the program that runs one.

    python -m hil.devices.grandmaster --interface ptp0

1. Two steps, peer delay, Ethernet, as IEC/IEEE 61850-9-3 has it; messages of IEEE 1588-2019 13.
2. Its time is TAI by this machine's clock, and `ahead_ns` of a fault: instants are the kernel's own
   stamps of frames that leave and arrive, so that it is good to a microsecond.
3. The first line printed says that it is there; the last one, when SIGTERM or SIGINT ends it, has
   what was counted. With --told a line of JSON on the standard input changes what it says:
   {"ahead_ns": 1000000, "clock_class": 7}.

A ptp4l cannot take its place here: by software stamps it serves this machine's UTC, and calls that
an arbitrary timescale. It follows nobody, and elects no master: it is the only one.
"""

import argparse
import asyncio
import contextlib
import json
import signal
import socket
import struct
import sys
from collections import Counter
from dataclasses import dataclass
from enum import IntEnum

from evidence.leap import BUILT_IN, NS
from hil.devices.told import listen

ETHERTYPE = 0x88F7  # IEEE 1588-2019 Annex E
_TO_ALL = bytes.fromhex("011b19000000")
_TO_PEER = bytes.fromhex("0180c200000e")
_HEADER = struct.Struct(">BBHBBHqI8sHHBb")  # 13.3
_STAMP = struct.Struct(">HII")  # 5.3.3: seconds of 48 bits, ns
_ANNOUNCE = struct.Struct(">HBBBBHB8sHB")  # 13.5, behind the stamp
_TWO_STEP = 0x0200
_LEAP61, _UTC_VALID, _PTP_TIMESCALE, _TRACEABLE = 0x01, 0x04, 0x08, 0x30
_GNSS = 0x20  # Table 6
_STEP_LOG = 0  # logInterval of everything: a second
_ANCILLARY_BYTES = 256
_FRAME_BYTES = 1500
# linux/net_tstamp.h: frames that leave and arrive, by software; and errqueue.h's message.
_SO_TIMESTAMPING = 37
_TX_SOFTWARE, _RX_SOFTWARE, _SOFTWARE = 1 << 1, 1 << 3, 1 << 4
_MSG_ERRQUEUE = 0x2000
_TIMESPEC = struct.Struct("@qq")
_STAMPED_S = 0.05  # a veth stamps a frame while it is being sent


class Type(IntEnum):
    """messageType: Table 36."""

    SYNC = 0x0
    PDELAY_REQ = 0x2
    PDELAY_RESP = 0x3
    FOLLOW_UP = 0x8
    PDELAY_RESP_FOLLOW_UP = 0xA
    ANNOUNCE = 0xB


@dataclass(slots=True)
class Says:
    """What it says of itself, and how wrong it is. Faults set it while it runs."""

    ahead_ns: int = 0  # of TAI
    drift_ns: int = 0  # added to ahead_ns each second
    clock_class: int = 6  # 7: in holdover; 248: by itself
    accuracy: int = 0x21  # within 100 ns
    traceable: bool = True
    utc_offset_s: int = 37
    leap61: bool = False
    silent: bool = False


class Grandmaster:
    """One clock on one interface."""

    def __init__(self, interface: str) -> None:
        """Raises OSError."""
        self.says = Says()
        self.counts: Counter[str] = Counter()
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHERTYPE))
        self._socket.bind((interface, ETHERTYPE))
        wanted = _TX_SOFTWARE | _RX_SOFTWARE | _SOFTWARE
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPING, wanted)
        self._socket.setblocking(False)
        self._mac = self._socket.getsockname()[4]
        # EUI-64 of the MAC: 7.5.2.2.2.
        self._identity = self._mac[:3] + b"\xff\xfe" + self._mac[3:]
        self._sequence = 0

    def close(self) -> None:
        self._socket.close()

    async def run(self) -> None:
        """Announce and Sync each second; peers are answered."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._socket, self._readable)
        try:
            while True:
                if not self.says.silent:
                    await self._second()
                self.says.ahead_ns += self.says.drift_ns
                await asyncio.sleep(1.0)
        finally:
            loop.remove_reader(self._socket)

    async def _second(self) -> None:
        says = self.says
        flags = _PTP_TIMESCALE | _UTC_VALID | (_TRACEABLE if says.traceable else 0)
        flags |= _LEAP61 if says.leap61 else 0
        body = _STAMP.pack(0, 0, 0) + _ANNOUNCE.pack(
            *(says.utc_offset_s, 0, 10, says.clock_class, says.accuracy, 0x4E5D, 10),
            *(self._identity, 0, _GNSS),
        )
        self._send(_TO_ALL, self._message(Type.ANNOUNCE, self._sequence, body, flags))
        sync = self._message(Type.SYNC, self._sequence, _STAMP.pack(0, 0, 0), _TWO_STEP)
        self._send(_TO_ALL, sync)
        left = await self._left(sync)
        if left is not None:
            follow = self._message(Type.FOLLOW_UP, self._sequence, self._stamp(left))
            self._send(_TO_ALL, follow)
            self.counts["syncs"] += 1
        self._sequence = self._sequence + 1 & 0xFFFF

    def _readable(self) -> None:
        """Answers one Pdelay_Req: 11.4.2."""
        with contextlib.suppress(BlockingIOError):
            raw, ancillary, _, address = self._socket.recvmsg(_FRAME_BYTES, _ANCILLARY_BYTES)
            message, arrived = raw[14:], _kernel_ns(ancillary)
            ours = address[2] == socket.PACKET_OUTGOING
            if ours or self.says.silent or len(message) < _HEADER.size or arrived is None:
                return
            if message[0] & 0x0F == Type.PDELAY_REQ:
                task = asyncio.get_running_loop().create_task(self._answer(message, arrived))
                self._answering = task  # held, or it might be collected

    async def _answer(self, asked: bytes, arrived: int) -> None:
        sequence, asking = int.from_bytes(asked[30:32], "big"), asked[20:30]
        first = self._message(Type.PDELAY_RESP, sequence, self._stamp(arrived) + asking, _TWO_STEP)
        self._send(_TO_PEER, first)
        left = await self._left(first)
        if left is not None:
            body = self._stamp(left) + asking
            self._send(_TO_PEER, self._message(Type.PDELAY_RESP_FOLLOW_UP, sequence, body))
            self.counts["answers"] += 1

    def _message(self, kind: Type, sequence: int, body: bytes, flags: int = 0) -> bytes:
        size = _HEADER.size + len(body)
        control = {Type.SYNC: 0, Type.FOLLOW_UP: 2}.get(kind, 5)  # 13.3.2.13
        head = (int(kind), 2, size, 0, 0, flags, 0, 0, self._identity, 1, sequence, control)
        return _HEADER.pack(*head, _STEP_LOG) + body

    def _stamp(self, real_ns: int) -> bytes:
        """An instant of this machine's clock, as this grandmaster has it."""
        seconds, ns = divmod(BUILT_IN.tai_ns(*divmod(real_ns, NS)) + self.says.ahead_ns, NS)
        return _STAMP.pack(seconds >> 32, seconds & 0xFFFFFFFF, ns)

    def _send(self, to: bytes, message: bytes) -> None:
        self._socket.send(to + self._mac + ETHERTYPE.to_bytes(2, "big") + message)

    async def _left(self, message: bytes) -> int | None:
        """When the kernel sent this message; what it says of others is passed over."""
        loop = asyncio.get_running_loop()
        until = loop.time() + _STAMPED_S
        while loop.time() < until:
            try:
                raw, ancillary, _, _ = self._socket.recvmsg(
                    _FRAME_BYTES, _ANCILLARY_BYTES, _MSG_ERRQUEUE
                )
            except BlockingIOError:
                await asyncio.sleep(0.001)
                continue
            if raw.endswith(message):
                return _kernel_ns(ancillary)
        self.counts["unstamped"] += 1
        return None


def _kernel_ns(ancillary: list[tuple[int, int, bytes]]) -> int | None:
    """The kernel's stamp by software, ns of CLOCK_REALTIME."""
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPING:
            seconds, ns = _TIMESPEC.unpack_from(data)
            return int(seconds * NS + ns)
    return None


async def _run(arguments: argparse.Namespace) -> int:
    try:
        master = Grandmaster(arguments.interface)
    except OSError as fault:
        print(f"the grandmaster does not start: {fault}", file=sys.stderr)
        return 2
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    if arguments.told:
        listen(master.says)
    serving = loop.create_task(master.run())
    print(json.dumps({"interface": arguments.interface}), flush=True)
    try:
        await ended.wait()
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        master.close()
    print(json.dumps(master.counts), flush=True)
    return 0


def main() -> int:
    """The program."""
    parser = argparse.ArgumentParser(description="A simulated PTP grandmaster.")
    parser.add_argument("--interface", required=True)
    parser.add_argument("--told", action="store_true", help="changes are told on standard input")
    return asyncio.run(_run(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
