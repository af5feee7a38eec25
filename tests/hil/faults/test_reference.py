"""What the reference clock tells chronyd: an offset that is exact, and what faults make of it."""

import asyncio
import socket
import struct
import time
from pathlib import Path

from evidence.leap import NS
from hil.faults.reference import Lie, Reference


def test_a_lie_is_behind_grows_and_counts_a_clock_that_was_set():
    lie = Lie(behind_ns=500, pull_ppb=1000, since_ns=10 * NS, shown_ns=3600 * NS)
    assert lie.offset_ns(10 * NS) == 500 - 3600 * NS
    assert lie.offset_ns(12 * NS) == 2500 - 3600 * NS
    assert Lie(behind_ns=7).offset_ns(99 * NS) == 7


def test_a_sample_is_of_now_and_of_the_shape_that_chronyd_takes(tmp_path: Path):
    async def run() -> bytes:
        reference = Reference(tmp_path / "chrony")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as taker:
            taker.bind(str(reference.folder / "ref.sock"))
            taker.settimeout(20)
            reference.lie.behind_ns = -1_500_000_000
            reference.start()
            raw = await asyncio.to_thread(taker.recv, 4096)
            reference.lie.silent = True
        reference.close()
        return raw

    seconds, us, offset, pulse, leap, _, magic = struct.unpack("@qqdiiii", asyncio.run(run()))
    assert abs(seconds + us / 1e6 - time.time()) < 5
    assert (offset, pulse, leap, magic) == (-1.5, 0, 0, 0x534F434B)
