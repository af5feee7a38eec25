"""A publisher of Sampled Values: a merging unit on the simulated grid, and what can go wrong with
it.

    python -m hil.devices.sv --interface eth1 --rate 4800
    python -m hil.devices.sv --interface eth1 --rate 14400 --asdus 6 --redundancy prp

1. UCA 9-2LE with one ASDU a frame at 4,000 or 4,800/s, and IEC 61869-9 with several: svID, smpCnt,
   confRev, smpSynch, eight pairs of INT32 and quality.
2. Sample n of a second is the grid at n / rate of it, exactly: the instantaneous value of phases A,
   B, C and neutral, current in mA and voltage in 10 mV.
3. smpCnt begins at 0 with each second of TAI. What is due is sent once a millisecond; a program
   that was held up sends late what it missed, up to a second of it.
4. scapy builds one frame of each shape; samples and counters are put into copies of it.
5. The program's first line is a JSON object with what it publishes; the last one, what was counted.
"""

import argparse
import asyncio
import cmath
import json
import math
import signal
import struct
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from evidence.leap import NS
from hil.devices.ether import Addressing, Outlet, frames, tlv
from hil.devices.goose import utc_octets
from hil.devices.pace import tai_now
from hil.grid import Grid, Plan
from hil.measurand import Measurand

ETHERTYPE = 0x88BA
CHANNELS = 8
SAMPLE = struct.Struct(">" + "iI" * CHANNELS)
MA, CENTIVOLTS = 1000, 100  # counts of an ampere and of a volt: 9-2LE 7.1.4
COUNT_MAX = (1 << 31) - 1
QUALITY_INVALID, QUALITY_TEST, QUALITY_DERIVED = 0x0001, 0x0800, 0x2000
SLICE_S = 0.001
BEHIND_NS_MAX = NS
_TEMPLATE_S = 1_600_000_000
_PEAK = math.sqrt(2)  # of a value whose RMS is 1


@dataclass(frozen=True, slots=True)
class SvProfile:
    """One stream."""

    sv_id: str = "AA1J1Q01MU0101"
    rate: int = 4800  # samples a second
    asdus: int = 1  # of a frame
    conf_rev: int = 1
    smp_synch: int | None = 2
    dat_set: str = ""  # 9-2LE has none on the wire
    smp_rate: int | None = None
    smp_mod: int | None = None
    refr_tm: bool = False
    simulated: bool = False
    bus: int = 1
    to: Addressing = field(
        default_factory=lambda: Addressing(ETHERTYPE, 0x4000, "01:0c:cd:04:00:01")
    )


class SvPublisher:
    """The frames of one stream, by number: frame n has the samples n * asdus and on of TAI."""

    def __init__(self, profile: SvProfile, grid: Measurand) -> None:
        self.profile, self.grid = profile, grid
        self.quality = [0] * CHANNELS  # of every channel from now on
        self.smp_synch = profile.smp_synch
        self._number = 0  # of PRP and HSR
        beginning = _TEMPLATE_S * profile.rate  # any second will do
        apdu = self._apdu(beginning, [bytes(SAMPLE.size)] * profile.asdus)
        self._templates = frames(profile.to, apdu, profile.simulated)
        self._places = _places(self._templates[0], profile)

    def frame(self, number: int) -> tuple[bytes, ...]:
        """Frame `number` since 1970 TAI, or its two copies."""
        profile = self.profile
        first = number * profile.asdus
        samples = [self.sample(first + each) for each in range(profile.asdus)]
        made = frames(profile.to, self._apdu(first, samples), profile.simulated, self._number)
        self._number = (self._number + 1) & 0xFFFF
        return made

    def quick(self, number: int) -> tuple[bytes, ...]:
        """The same, put into the shapes that scapy made; of frames without refrTm."""
        copies = [bytearray(template) for template in self._templates]
        first = number * self.profile.asdus
        for each, (at_count, at_synch, at_sample) in enumerate(self._places):
            count = struct.pack(">H", (first + each) % self.profile.rate)
            sample = self.sample(first + each)
            for octets in copies:
                octets[at_count : at_count + 2] = count
                if self.smp_synch is not None:
                    octets[at_synch] = self.smp_synch
                octets[at_sample : at_sample + SAMPLE.size] = sample
        if len(copies) > 1:
            hsr = self.profile.to.redundancy == "hsr"
            for octets in copies:
                at = octets.index(b"\x89\x2f", 12) + 4 if hsr else len(octets) - 6
                octets[at : at + 2] = self._number.to_bytes(2)
            self._number = (self._number + 1) & 0xFFFF
        return tuple(map(bytes, copies))

    def sample(self, number: int) -> bytes:
        """Eight pairs of value and quality, of sample `number` since 1970 TAI."""
        second, count = divmod(number, self.profile.rate)
        tai = second * NS + count * NS // self.profile.rate
        read = self.grid.truth(tai, self.profile.bus)
        # The angle is against a cosine of nominal frequency that begins with the second.
        turn = cmath.rect(
            _PEAK, 2 * math.pi * self.grid.plan.nominal_hz * count / self.profile.rate
        )
        counts: list[int] = []
        for phasors, unit in ((read.currents, MA), (read.voltages, CENTIVOLTS)):
            phases = [round((phasor * turn).real * unit) for phasor in phasors]
            counts += [*phases, sum(phases)]
        pairs = [
            part
            for count, quality in zip(counts, self.quality, strict=True)
            for part in (max(-COUNT_MAX, min(count, COUNT_MAX)), quality)
        ]
        return SAMPLE.pack(*pairs)

    def _apdu(self, first: int, samples: Sequence[bytes]) -> bytes:
        """savPdu: IEC 61850-9-2 clause 8."""
        asdus = [self._asdu(first + each, sample) for each, sample in enumerate(samples)]
        counted = tlv(0x80, len(samples).to_bytes(1))
        return tlv(0x60, counted + tlv(0xA2, b"".join(asdus)))

    def _asdu(self, number: int, sample: bytes) -> bytes:
        profile = self.profile
        second, count = divmod(number, profile.rate)
        parts = [tlv(0x80, profile.sv_id.encode("utf-8"))]
        if profile.dat_set:
            parts.append(tlv(0x81, profile.dat_set.encode("ascii")))
        parts += [
            tlv(0x82, struct.pack(">H", count)),
            tlv(0x83, struct.pack(">I", profile.conf_rev)),
        ]
        if profile.refr_tm:
            parts.append(tlv(0x84, utc_octets(second * NS + count * NS // profile.rate)))
        if self.smp_synch is not None:
            parts.append(tlv(0x85, self.smp_synch.to_bytes(1)))
        if profile.smp_rate is not None:
            parts.append(tlv(0x86, struct.pack(">H", profile.smp_rate)))
        parts.append(tlv(0x87, sample))
        if profile.smp_mod is not None:
            parts.append(tlv(0x88, profile.smp_mod.to_bytes(1)))
        return tlv(0x30, b"".join(parts))

    async def run(self, outlet: Outlet, now: Callable[[], int] = tai_now) -> None:
        """Publishes until cancelled, from the next second on."""
        per_second = self.profile.rate // self.profile.asdus
        made = self.frame if self.profile.refr_tm else self.quick
        number = (now() // NS + 1) * per_second
        while True:
            due = now() * per_second // NS
            if due - number > BEHIND_NS_MAX * per_second // NS:
                outlet.counts["missed"] += due - number
                number = due
            while number <= due:
                outlet.send(made(number))
                number += 1
            await asyncio.sleep(SLICE_S)


def _places(frame: bytes, profile: SvProfile) -> list[tuple[int, int, int]]:
    """Where smpCnt, smpSynch and sample of each ASDU stand: each ends with 64 octets of sample."""
    marks, at = [], 0
    name = tlv(0x80, profile.sv_id.encode("utf-8"))
    for _ in range(profile.asdus):
        at = frame.index(name, at) + len(name)
        at_count = frame.index(b"\x82\x02", at) + 2
        at_sample = frame.index(tlv(0x87, bytes(SAMPLE.size)), at_count) + 2
        at_synch = at_count + 2 + 6 + 2  # behind confRev
        marks.append((at_count, at_synch, at_sample))
        at = at_sample
    return marks


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m hil.devices.sv", description="Merging units on one simulated grid."
    )
    parser.add_argument("--interface", required=True)
    parser.add_argument("--svid", action="append", help="default: one, AA1J1Q01MU0101")
    parser.add_argument("--rate", type=int, default=4800, help="samples a second")
    parser.add_argument("--asdus", type=int, default=1, help="of a frame")
    parser.add_argument("--synch", type=int, default=2, help="smpSynch")
    parser.add_argument("--vlan", type=int)
    parser.add_argument("--redundancy", choices=("", "prp", "hsr"), default="")
    parser.add_argument("--simulated", action="store_true", help="the bit in Reserved1")
    parser.add_argument("--nominal-hz", type=int, choices=(50, 60), default=60)
    parser.add_argument("--seed", type=int, default=1, help="of the grid")
    parser.add_argument("--seconds", type=float, help="default: until it is ended")
    return parser.parse_args(arguments)


async def _publish(asked: argparse.Namespace) -> dict[str, int]:
    grid = Grid(Plan(seed=asked.seed, nominal_hz=asked.nominal_hz))
    plain = Addressing(ETHERTYPE, 0x4000, "01:0c:cd:04:00:01")
    publishers = [
        SvPublisher(
            SvProfile(
                sv_id=sv_id,
                rate=asked.rate,
                asdus=asked.asdus,
                smp_synch=asked.synch,
                simulated=asked.simulated,
                bus=number % 2 + 1,
                to=replace(
                    plain,
                    appid=plain.appid + number,
                    vlan=asked.vlan,
                    redundancy=asked.redundancy,
                ),
            ),
            grid,
        )
        for number, sv_id in enumerate(asked.svid or [SvProfile().sv_id])
    ]
    outlet, ended = Outlet(asked.interface), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    told = [{"svid": each.profile.sv_id, "appid": each.profile.to.appid} for each in publishers]
    print(json.dumps({"streams": told}), flush=True)
    running = [asyncio.create_task(each.run(outlet)) for each in publishers]
    try:
        async with asyncio.timeout(asked.seconds):
            await ended.wait()
    except TimeoutError:
        pass
    finally:
        for task in running:
            task.cancel()
        outlet.close()
    return dict(outlet.counts)


def main(arguments: Sequence[str] | None = None) -> int:
    print(json.dumps(asyncio.run(_publish(_arguments(arguments)))), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
