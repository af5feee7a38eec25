"""A GOOSE publisher: a data set of any types, its state machine, and what can go wrong with it.

    python -m hil.devices.goose --interface eth1 --gocbref IED1LD0/LLN0$GO$gcb1

1. IEC 61850-8-1:2011 18.1 and Annex A: stNum rises with a change of the data set, sqNum with each
   retransmission, and begins at 0 with a change (at 1 when the publisher starts). `t` is the time
   of the last change of stNum.
2. After a change frames follow after 2, 4, 8, ... ms, up to the steady interval; timeAllowedToLive
   is twice the wait that comes, and ALLOWED_MS_MIN at least: this process is no relay's firmware,
   and may be held up longer than a burst's first waits.
3. The program's first line is a JSON object with what it publishes; the last one, what was counted.
   SIGUSR1 changes the data set.

Values are built here from the standard's table, by other code than that which reads them.
"""

import argparse
import asyncio
import json
import signal
import struct
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from evidence.leap import BUILT_IN, NS
from hil.devices.ether import Addressing, Outlet, frames, tlv
from hil.devices.pace import tai_now

ETHERTYPE = 0x88B8
FASTEST_MS, STEADY_MS = 2, 1000
ALLOWED_MS_MIN = 100
ST_NUM_MODULUS = 1 << 32
QUALITY_10_BITS = 0x0A  # of a time: leap seconds not known, clock good, 10 bits of accuracy
LEAP_SECONDS_KNOWN = 0x80


# --- values, each an element as IEC 61850-8-1 Annex A has it


def boolean(value: bool) -> bytes:
    return tlv(0x83, b"\x01" if value else b"\x00")


def bit_string(bits: str) -> bytes:
    """Of 0 and 1, first bit first: "0000000000000" is a quality that is good."""
    unused = -len(bits) % 8
    whole = int(bits + "0" * unused, 2).to_bytes((len(bits) + unused) // 8) if bits else b""
    return tlv(0x84, bytes((unused,)) + whole)


def integer(value: int) -> bytes:
    """In as few octets as hold it (X.690 8.3)."""
    return tlv(0x85, _signed(value))


def _signed(value: int) -> bytes:
    fewest = (value if value >= 0 else ~value).bit_length() // 8 + 1  # -128 has one octet
    return value.to_bytes(fewest, signed=True)


def unsigned(value: int) -> bytes:
    return tlv(0x86, value.to_bytes((value.bit_length() + 8) // 8))


def float32(value: float) -> bytes:
    return tlv(0x87, b"\x08" + struct.pack(">f", value))


def float64(value: float) -> bytes:
    return tlv(0x87, b"\x0b" + struct.pack(">d", value))


def octet_string(value: bytes) -> bytes:
    return tlv(0x89, value)


def visible_string(value: str) -> bytes:
    return tlv(0x8A, value.encode("ascii"))


def generalized_time(value: str) -> bytes:
    return tlv(0x8B, value.encode("ascii"))


def binary_time(milliseconds: int, days: int) -> bytes:
    """Of the day, and days since 1984 (ISO 9506-2 TimeOfDay)."""
    return tlv(0x8C, struct.pack(">IH", milliseconds, days))


def bcd(value: int) -> bytes:
    return tlv(0x8D, _signed(value))


def mms_string(value: str) -> bytes:
    return tlv(0x90, value.encode("utf-8"))


def utc_time(tai_ns: int, quality: int = QUALITY_10_BITS) -> bytes:
    return tlv(0x91, utc_octets(tai_ns, quality))


def utc_octets(tai_ns: int, quality: int = QUALITY_10_BITS) -> bytes:
    """Seconds since 1970, 24 bits of fraction, quality (IEC 61850-8-1 8.1.3.6)."""
    utc_ns = BUILT_IN.utc_ns(tai_ns)
    return struct.pack(">II", utc_ns // NS, (utc_ns % NS << 24) // NS << 8 | quality)


def structure(*members: bytes) -> bytes:
    return tlv(0xA2, b"".join(members))


def array(*members: bytes) -> bytes:
    return tlv(0xA1, b"".join(members))


def every_type(tai_ns: int, turn: int = 0) -> tuple[bytes, ...]:
    """One entry of each type; `turn` changes the values that can change."""
    return (
        boolean(turn % 2 == 1),
        bit_string("0110000000001"),
        integer(-32_769 - turn),
        unsigned(4_000_000_000),
        float32(49.98 + turn),
        float64(-1.5),
        octet_string(b"\x00\xff"),
        visible_string("CB open"),
        mms_string("zu"),
        generalized_time("20261125120000Z"),
        binary_time(43_200_000, 15_669),
        bcd(7),
        utc_time(tai_ns),
        structure(boolean(True), structure(integer(turn), float32(0.25))),
        array(integer(1), integer(2)),
    )


# --- the publisher


@dataclass(frozen=True, slots=True)
class GooseProfile:
    """One GOOSE control block."""

    gocb_ref: str = "IED1LD0/LLN0$GO$gcb1"
    dat_set: str = "IED1LD0/LLN0$dsTrip"
    go_id: str = "IED1_trip"
    conf_rev: int = 1
    nds_com: bool = False
    simulation: bool = False  # in the APDU; in its first edition the same bit is called test
    simulated: bool = False  # in Reserved1
    quality: int = QUALITY_10_BITS  # of t
    steady_ms: int = STEADY_MS
    to: Addressing = field(default_factory=lambda: Addressing(ETHERTYPE, 1))


class GoosePublisher:
    """The state machine of one control block. `entries`: the data set, encoded."""

    def __init__(
        self, profile: GooseProfile, entries: Sequence[bytes], now: Callable[[], int] = tai_now
    ) -> None:
        self.profile, self.entries = profile, tuple(entries)
        self._now = now
        self.st_num, self.sq_num = 1, 1
        self.t_ns = now()
        self._wait_ms = profile.steady_ms
        self._sequence = 0  # of PRP and HSR

    def change(self, entries: Sequence[bytes]) -> None:
        """The data set has changed: the next frame says so."""
        self.entries = tuple(entries)
        self.st_num = (self.st_num + 1) % ST_NUM_MODULUS or 1
        self.sq_num, self.t_ns, self._wait_ms = 0, self._now(), FASTEST_MS

    def next(self) -> tuple[tuple[bytes, ...], int]:
        """The frame that is due, or its two copies, and how many ms later the next one is."""
        wait_ms = self._wait_ms
        made = self.frames(wait_ms)
        self.sq_num = (self.sq_num + 1) % ST_NUM_MODULUS or 1
        self._wait_ms = min(2 * wait_ms, self.profile.steady_ms)
        self._sequence = (self._sequence + 1) % (1 << 16)
        return made, wait_ms

    def frames(self, wait_ms: int = STEADY_MS, **changed: int) -> tuple[bytes, ...]:
        """A frame of the state that is; `changed`: st_num, sq_num, t_ns, for forgeries."""
        profile = self.profile
        apdu = self.apdu(
            max(2 * wait_ms, ALLOWED_MS_MIN),
            changed.get("st_num", self.st_num),
            changed.get("sq_num", self.sq_num),
            changed.get("t_ns", self.t_ns),
        )
        return frames(profile.to, apdu, profile.simulated, self._sequence)

    def apdu(self, allowed_ms: int, st_num: int, sq_num: int, t_ns: int) -> bytes:
        """goosePdu: IEC 61850-8-1 Annex A."""
        profile = self.profile
        parts = (
            tlv(0x80, profile.gocb_ref.encode("ascii")),
            _count(0x81, allowed_ms),
            tlv(0x82, profile.dat_set.encode("ascii")),
            tlv(0x83, profile.go_id.encode("ascii")),
            tlv(0x84, utc_octets(t_ns, profile.quality)),
            _count(0x85, st_num),
            _count(0x86, sq_num),
            tlv(0x87, b"\x01" if profile.simulation else b"\x00"),
            _count(0x88, profile.conf_rev),
            tlv(0x89, b"\x01" if profile.nds_com else b"\x00"),
            _count(0x8A, len(self.entries)),
            tlv(0xAB, b"".join(self.entries)),
        )
        return tlv(0x61, b"".join(parts))

    async def run(self, outlet: Outlet) -> None:
        """Publishes until cancelled. `wake` makes what changed go out at once."""
        self._woken = asyncio.Event()
        while True:
            made, wait_ms = self.next()
            outlet.send(made)
            try:
                async with asyncio.timeout(wait_ms / 1000):
                    await self._woken.wait()
            except TimeoutError:
                continue
            self._woken.clear()

    def wake(self) -> None:
        """To be called in the loop of `run`, after `change`."""
        self._woken.set()


def _count(tag: int, value: int) -> bytes:
    return tlv(tag, value.to_bytes((value.bit_length() + 8) // 8))


# --- the program


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m hil.devices.goose", description="One GOOSE.")
    parser.add_argument("--interface", required=True)
    parser.add_argument("--gocbref", default=GooseProfile.__dataclass_fields__["gocb_ref"].default)
    parser.add_argument("--appid", type=lambda text: int(text, 0), default=1)
    parser.add_argument("--vlan", type=int)
    parser.add_argument("--redundancy", choices=("", "prp", "hsr"), default="")
    parser.add_argument("--steady-ms", type=int, default=STEADY_MS)
    parser.add_argument("--simulation", action="store_true", help="the bit in the APDU")
    parser.add_argument("--simulated", action="store_true", help="the bit in Reserved1")
    parser.add_argument("--seconds", type=float, help="default: until it is ended")
    return parser.parse_args(arguments)


async def _publish(asked: argparse.Namespace) -> dict[str, int]:
    profile = GooseProfile(
        gocb_ref=asked.gocbref,
        simulation=asked.simulation,
        simulated=asked.simulated,
        steady_ms=asked.steady_ms,
        to=replace(
            Addressing(ETHERTYPE, asked.appid), vlan=asked.vlan, redundancy=asked.redundancy
        ),
    )
    publisher = GoosePublisher(profile, every_type(tai_now()))
    outlet, turns, ended = Outlet(asked.interface), 0, asyncio.Event()

    def change() -> None:
        nonlocal turns
        turns += 1
        publisher.change(every_type(tai_now(), turns))
        publisher.wake()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, change)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    print(json.dumps({"gocb_ref": profile.gocb_ref, "appid": profile.to.appid}), flush=True)
    running = asyncio.create_task(publisher.run(outlet))
    try:
        async with asyncio.timeout(asked.seconds):
            await ended.wait()
    except TimeoutError:
        pass
    finally:
        running.cancel()
        outlet.close()
    return {**outlet.counts, "st_num": publisher.st_num, "changes": turns}


def main(arguments: Sequence[str] | None = None) -> int:
    print(json.dumps(asyncio.run(_publish(_arguments(arguments)))), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
