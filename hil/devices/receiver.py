"""The simulated GNSS receiver: a u-blox of generation 9 with a good sky, on a pseudo-terminal and
as a TCP source for gpsd, and the program that runs one.

    python -m hil.devices.receiver --pty
    python -m hil.devices.receiver --tcp 127.0.0.1:0 --ubx

1. The first line printed is a JSON object with the addresses; the last one, when SIGTERM, SIGINT or
   --seconds ends it, has what was counted. A line of JSON on the standard input sets the plight:
   {"lost": true}.
2. As a real one, it tells NMEA and no UBX until it is asked for rates, forgets them when it loses
   power, and answers what is unknown with ACK-NAK. All that it was asked is kept: `asked`.
3. Every epoch goes out LATENCY_US after its instant, by the machine's clock.

It moves no clock and starts nothing else.
"""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
import tty
from collections import Counter
from collections.abc import Callable
from typing import cast

from drivers import asks
from drivers.gnss.check import ubx
from drivers.gnss.splitter import Splitter
from evidence.leap import BUILT_IN, LeapTable
from hil.devices import gnss, watch
from hil.devices.gnss import Plight, Sky, Truth
from hil.devices.pace import Pace, tai_now
from hil.devices.told import listen
from hil.devices.unit import Instant

LATENCY_US = 60_000  # of a receiver's solution
PENDING_BYTES_MAX = 65_536  # of one client that does not read
ASKED_MAX = 1_000
VERSION = ubx(
    (0x0A, 0x04),
    b"EXT CORE 1.00 (simulated)".ljust(30, b"\0")
    + b"00190000".ljust(10, b"\0")
    + b"".join(text.ljust(30, b"\0") for text in (b"PROTVER=29.20", b"MOD=ZED-F9T")),
)
# What is told of an epoch, in a receiver's own order, and by which message.
MESSAGES = {
    (0x01, 0x03): gnss.status, (0x01, 0x07): gnss.pvt, (0x01, 0x26): gnss.timels,
    (0x01, 0x35): gnss.sat, (0x01, 0x3B): gnss.svin, (0x0A, 0x38): gnss.rf,
    (0x27, 0x09): gnss.sig, (0x0D, 0x01): gnss.tp, (0x01, 0x61): gnss.eoe,
}  # fmt: skip
EVERY = dict.fromkeys(MESSAGES, 1)
_KEYS = {
    key + port: identity
    for identity, (_, key) in asks.UBX_RATES.items()
    for port in range(3)
    if key and identity in MESSAGES
}


class Receiver:
    """One receiver. `sinks` take what it sends."""

    def __init__(
        self,
        truth: Truth | None = None,
        ubx: bool = False,
        nmea: bool = True,
        table: LeapTable = BUILT_IN,
    ) -> None:
        self.plight = Plight()
        self.sky = Sky(truth or Truth(), self.plight, table)
        self.nmea = nmea
        self.rates: dict[tuple[int, int], int] = dict(EVERY) if ubx else {}
        self.version = VERSION
        self.old = False  # of generation 8: knows no CFG-VALSET, and no protocol version
        self.asked: list[bytes] = []
        self.counts: Counter[str] = Counter()
        self.sinks: list[Callable[[bytes], None]] = []
        self._epoch = 0
        self._last = b""
        self._splitter = Splitter()

    def tick(self, instant: Instant) -> None:
        """As Pace calls it: the instant is told."""
        if self.plight.lost:
            self.plight.lost_s += 1
        elif self.plight.lost_s:
            self.plight.lost_s = 0
        if not self.plight.silent:
            self.send(self.epoch(instant.tai_ns))
            self.counts["epochs"] += 1

    def late(self, instants: int) -> None:
        self.counts["missed"] += instants

    def epoch(self, tai: int) -> bytes:
        """All that is said of an instant."""
        self._epoch += 1
        plight = self.plight
        plight.pull_ns += plight.drift_ns
        plight.pull_m = (
            plight.pull_m[0] + plight.drift_m[0],
            plight.pull_m[1] + plight.drift_m[1],
        )
        if self.plight.repeats and self._last:
            return self._last
        said = list(gnss.sentences(self.sky, tai)) if self.nmea else []
        for identity, made in MESSAGES.items():
            rate = self.rates.get(identity, 0)
            if rate and self._epoch % rate == 0:
                said.append(made(self.sky, tai))
        if self.plight.bad_checks:
            said = [raw[:-4] + bytes([raw[-4] ^ 0x01]) + raw[-3:] for raw in said]
        if self.plight.truncated:
            said = [raw[: len(raw) * 2 // 3] for raw in said]
        self._last = b"".join(said)
        return self._last

    def lose_power(self) -> None:
        """What lives in RAM is gone."""
        self.rates = {}

    def send(self, raw: bytes) -> None:
        for sink in list(self.sinks):
            sink(raw)

    def hear(self, data: bytes) -> None:
        """What someone asks."""
        for raw in self._splitter.feed(data):
            if isinstance(raw, bytes) and raw[:2] == b"\xb5\x62":
                if len(self.asked) < ASKED_MAX:
                    self.asked.append(raw)
                self.send(self._answer((raw[2], raw[3]), raw[6:-2]))

    def _answer(self, identity: tuple[int, int], payload: bytes) -> bytes:
        if identity == (0x0A, 0x04) and not payload:
            return self.version
        if identity == (0x06, 0x8B) and not self.old:
            mode = 2 if self.plight.held else 1 if self.plight.survey else 0
            body = b"\x01\0\0\0\x01\x00\x03\x20" + bytes([mode])
            return ubx(identity, body) + _acknowledged(identity, True)
        taken = False
        if identity == (0x06, 0x01) and len(payload) == 3:
            taken = (payload[0], payload[1]) in MESSAGES
            if taken:
                self.rates[payload[0], payload[1]] = payload[2]
        elif identity == (0x06, 0x8A) and not self.old:
            taken = True
            for at in range(4, len(payload), 5):
                named = _KEYS.get(int.from_bytes(payload[at : at + 4], "little"))
                if named is not None:
                    self.rates[named] = payload[at + 4]
        return _acknowledged(identity, taken)


def _acknowledged(identity: tuple[int, int], taken: bool) -> bytes:
    return ubx((0x05, 0x01 if taken else 0x00), bytes(identity))


class Pty:
    """A pseudo-terminal of a receiver: its path is what a driver opens."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._master = self._slave = -1

    def open(self) -> str:
        """Raises OSError."""
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        asyncio.get_running_loop().add_reader(self._master, self._readable)
        self._receiver.sinks.append(self._send)
        return os.ttyname(self._slave)

    def close(self) -> None:
        """The line hangs up. Idempotent."""
        if self._master >= 0:
            self._receiver.sinks.remove(self._send)
            asyncio.get_running_loop().remove_reader(self._master)
            os.close(self._master)
            os.close(self._slave)
            self._master = self._slave = -1

    def _send(self, raw: bytes) -> None:
        with contextlib.suppress(BlockingIOError):  # nobody reads: on a wire it would be gone too
            os.write(self._master, raw)

    def _readable(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._receiver.hear(os.read(self._master, 4096))


class Tcp(asyncio.Protocol):
    """One client of a receiver's TCP port."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:

        self._transport = cast(asyncio.Transport, transport)
        self._receiver.sinks.append(self._send)

    def connection_lost(self, exc: Exception | None) -> None:
        self._receiver.sinks.remove(self._send)

    def data_received(self, data: bytes) -> None:
        self._receiver.hear(data)

    def _send(self, raw: bytes) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if transport.get_write_buffer_size() > PENDING_BYTES_MAX:
            transport.abort()
            return
        transport.write(raw)


async def serve(receiver: Receiver, host: str = "127.0.0.1", port: int = 0) -> asyncio.Server:
    """A TCP source, as `gpsd tcp://HOST:PORT` reads one. Raises OSError."""
    loop = asyncio.get_running_loop()
    return await loop.create_server(lambda: Tcp(receiver), host, port)


# --- the program


async def _run(arguments: argparse.Namespace) -> int:
    shown = watch.of(arguments, tai_now)
    receiver = Receiver(
        Truth(arguments.latitude, arguments.longitude, arguments.height_m, seed=arguments.seed),
        ubx=arguments.ubx,
        nmea=not arguments.no_nmea,
        table=shown.table,
    )
    addresses: dict[str, str] = {}
    pty, server = Pty(receiver), None
    if arguments.pty:
        addresses["pty"] = pty.open()
    if arguments.tcp:
        host, _, port = arguments.tcp.rpartition(":")
        server = await serve(receiver, host, int(port))
        addresses["tcp"] = "{}:{}".format(*server.sockets[0].getsockname()[:2])
    pace = Pace(watch=shown)
    pace.add(receiver, arguments.rate, LATENCY_US)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    if arguments.plight:
        listen(receiver.plight)
    print(json.dumps(addresses), flush=True)
    pace.start()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(arguments.seconds):
            await ended.wait()
    pace.stop()
    pty.close()
    if server is not None:
        server.close()
    print(json.dumps({**receiver.counts, "asked": len(receiver.asked)}), flush=True)
    return 0


def main() -> int:
    """The program."""
    whole = Truth()
    parser = argparse.ArgumentParser(description="A simulated GNSS receiver.")
    parser.add_argument("--pty", action="store_true", help="on a pseudo-terminal")
    parser.add_argument("--tcp", metavar="HOST:PORT", help="as a TCP source; port 0: a free one")
    parser.add_argument("--ubx", action="store_true", help="tell UBX without being asked")
    parser.add_argument("--no-nmea", action="store_true", help="tell no NMEA")
    parser.add_argument("--rate", type=int, default=1, help="epochs a second")
    parser.add_argument("--latitude", type=float, default=whole.latitude)
    parser.add_argument("--longitude", type=float, default=whole.longitude)
    parser.add_argument("--height-m", type=float, default=whole.height_m)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, help="end by itself")
    parser.add_argument("--plight", action="store_true", help="read plights from standard input")
    watch.add_options(parser)
    return asyncio.run(_run(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
