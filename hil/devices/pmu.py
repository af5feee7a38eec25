"""The simulated PMU: its parts under one name, and the program that runs one or many in a process
of their own.

    python -m hil.devices.pmu --tcp 127.0.0.1:0 --rate 60
    python -m hil.devices.pmu --pty --baud 115200 --count 2
    python -m hil.devices.pmu --count 50 --spread
    python -m hil.devices.pmu --udp 127.0.0.1:0
    python -m hil.devices.pmu --to 239.1.2.3:4713 --interface eth0 --count 3 --together
    python -m hil.devices.pmu --tcp 127.0.0.1:4712 --data-port 4713
    python -m hil.devices.pmu --protocol ieee1344 --rate 30 --time-base 1200 --format 0

1. The first line printed is a JSON object with the address of each PMU; the last one, when SIGTERM,
   SIGINT or --seconds ends it, has what was counted. Nothing else is printed to the standard
   output.
2. One place may have several PMUs, told apart by IDCODE (--together), as a concentrator's streams.
3. All PMUs of a process measure one grid; other processes with the same seed measure the same one.
4. SIGUSR1 makes them say nothing more of the grid, and keep their connections.
5. With --sent each data frame sent is a line of a file, written as it is sent: IDCODE, ns TAI, ns
   by which its clock is wrong. No end of the program, however sudden, loses one of them.
6. With --told a line of the standard input sets the clock of all: {"off_ns": 1000000000}.

It starts no agent and judges nothing.
"""

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from drivers.c37118.wire import Format
from hil.devices import watch
from hil.devices.ieee1344 import Ieee1344Pmu
from hil.devices.pace import Broke, Pace, shown, tai_now
from hil.devices.port import LinePort, TcpPort
from hil.devices.profile import FLOAT_POLAR, PHASORS_3, PHASORS_10, Profile
from hil.devices.told import listen
from hil.devices.udp import Address, SplitPort, UdpPort
from hil.devices.unit import Client, Counts, Instant, Pmu
from hil.devices.watch import Watch
from hil.grid import Grid, Plan
from hil.measurand import Measurand

__all__ = [
    "FLOAT_POLAR",
    "PHASORS_3",
    "PHASORS_10",
    "Client",
    "Counts",
    "Ieee1344Pmu",
    "Instant",
    "LinePort",
    "Pace",
    "Plant",
    "Pmu",
    "Profile",
    "SplitPort",
    "TcpPort",
    "UdpPort",
    "tai_now",
]

PMUS_MAX = 1000  # of one program

Port = TcpPort | LinePort | UdpPort | SplitPort


@dataclass(frozen=True, slots=True)
class _Place:
    """One PMU of a plant and where it is heard."""

    pmu: Pmu
    port: Port
    kind: str  # tcp, pty, udp, or split
    address: str  # host:port, or the path of a pseudo-terminal


@dataclass(slots=True)
class Told:
    """What may be told while it runs."""

    off_ns: int  # how wrong the clock is


class Plant:
    """Several PMUs on one grid, in one loop. Add them, start, and stop at the end."""

    def __init__(
        self,
        grid: Measurand,
        tell: Callable[[int, int, int], None] | None = None,
        watch: Watch | None = None,
        broke: Broke = shown,
    ) -> None:
        """`broke` is told of each that measures no more (hil.devices.pace)."""
        self.grid = grid
        self._tell, self._watch = tell, watch or Watch(tai_now)
        self._pace = Pace(watch=self._watch, broke=broke)
        self._places: list[_Place] = []

    async def add_tcp(
        self, profile: Profile, host: str = "127.0.0.1", port: int = 0, phase_us: int = 0
    ) -> tuple[Pmu, str]:
        """A PMU on a TCP port (0: a free one); the PMU and its host:port. Raises OSError."""
        pmu = self.pmu(profile, phase_us)
        return pmu, await self.place("tcp", TcpPort([pmu], host, port), [pmu])

    async def add_line(
        self, profile: Profile, baud: int = 115_200, phase_us: int = 0
    ) -> tuple[Pmu, str]:
        """A PMU on a pseudo-terminal paced at `baud`; the PMU and the path. Raises OSError."""
        pmu = self.pmu(profile, phase_us)
        return pmu, await self.place("pty", LinePort([pmu], baud), [pmu])

    async def add_udp(
        self,
        profiles: Sequence[Profile],
        local: Address = ("127.0.0.1", 0),
        to: Address | None = None,
        interface: str = "",
    ) -> tuple[list[Pmu], str]:
        """PMUs on one UDP port, heard by whoever asks, or unasked at one place. Raises OSError."""
        pmus = [self.pmu(profile) for profile in profiles]
        return pmus, await self.place("udp", UdpPort(pmus, local, to, interface), pmus)

    def pmu(self, profile: Profile, phase_us: int = 0, kind: type[Pmu] = Pmu) -> Pmu:
        """One that measures, and is heard nowhere yet."""
        pmu = kind(profile, self.grid, self._watch.now, self._tell, self._watch)
        self._pace.add(pmu, profile.rate, phase_us)
        return pmu

    async def place(self, kind: str, port: Port, pmus: Sequence[Pmu]) -> str:
        """Opens a port for these; its address. Raises OSError."""
        opened = await port.open()
        address = opened if isinstance(opened, str) else f"{opened[0]}:{opened[1]}"
        self._places += [_Place(pmu, port, kind, address) for pmu in pmus]
        return address

    def start(self) -> None:
        """The grid is measured from the next instant on."""
        self._pace.start()

    async def stop(self) -> None:
        """No more measuring, every port closed. Idempotent."""
        self._pace.stop()
        for place in self._places:
            await place.port.close()

    def set_clock(self, off_ns: int) -> None:
        """The clock of all of them is wrong by that from now on."""
        self._watch.set(off_ns)
        self._pace.reset()

    @property
    def lates(self) -> list[tuple[int, int]]:
        """When it measured late, ns TAI by the machine's clock, and by how much, ns."""
        return list(self._pace.lates)

    def fall_silent(self) -> None:
        """Nobody says more of the grid."""
        for place in self._places:
            place.pmu.fall_silent()

    def port(self, pmu: Pmu) -> Port:
        """Where a PMU is heard: close it and open it again, and the line was away."""
        for place in self._places:
            if place.pmu is pmu:
                return place.port
        raise ValueError(f"{pmu.profile.station} is not of this plant")

    def addresses(self) -> list[dict[str, object]]:
        """Who is heard where."""
        return [
            {
                "station": place.pmu.profile.station,
                "idcode": place.pmu.profile.idcode,
                place.kind: place.address,
            }
            for place in self._places
        ]

    def report(self) -> dict[str, object]:
        """What was counted: in all, and PMU by PMU."""
        counted = [place.pmu.report() for place in self._places]
        return {"sent": sum(place.pmu.counts.sent for place in self._places), "pmus": counted}


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m hil.devices.pmu", description="Simulated PMUs on one simulated grid."
    )
    parser.add_argument("--tcp", default="127.0.0.1:0", help="host:port of the first; 0: any free")
    parser.add_argument("--pty", action="store_true", help="a pseudo-terminal instead of TCP")
    parser.add_argument("--udp", default="", help="host:port instead of TCP; 0: any free")
    parser.add_argument("--to", default="", help="host:port to which datagrams go, asked or not")
    parser.add_argument("--interface", default="", help="on which, if that is a group")
    parser.add_argument("--data-port", type=int, default=0, help="commands by TCP, data by UDP")
    parser.add_argument("--together", action="store_true", help="all at one place, by IDCODE")
    parser.add_argument("--baud", type=int, default=115_200, help="of the pseudo-terminal")
    parser.add_argument("--count", type=int, default=1, help="PMUs, on successive IDCODEs, ports")
    parser.add_argument("--rate", type=int, default=60, help="frames a second")
    parser.add_argument("--idcode", type=int, default=1, help="of the first")
    parser.add_argument("--station", default="SIM PMU", help="name; a number follows if several")
    parser.add_argument("--bus", type=int, default=0, help="1 or 2; 0: in turn")
    parser.add_argument("--format", type=int, default=15, help="FORMAT bits, 0 to 15")
    parser.add_argument("--version", type=int, default=2, help="1 (2005) or 2 (2011)")
    parser.add_argument(
        "--protocol", choices=("c37118", "ieee1344"), default="c37118", help="what they speak"
    )
    parser.add_argument("--time-base", type=int, default=1_000_000)
    parser.add_argument(
        "--phasors", default=",".join(PHASORS_3), help="names, or a number: 3 or 10"
    )
    parser.add_argument("--analogs", default="", help="names, such as MW,MVAR")
    parser.add_argument("--digitals", type=int, default=0, help="words")
    parser.add_argument("--time-quality", type=int, default=0, help="top byte of FRACSEC, MSG_TQ")
    parser.add_argument("--pmu-tq", type=int, default=2, help="of STAT; 2: below 1 us")
    parser.add_argument("--phase-us", type=int, default=0, help="sends so long after the instant")
    parser.add_argument("--spread", action="store_true", help="spreads sending over the period")
    parser.add_argument("--spontaneous", action="store_true", help="sends without being asked")
    parser.add_argument("--seed", type=int, default=1, help="of the grid")
    parser.add_argument("--nominal-hz", type=int, default=60, choices=(50, 60))
    parser.add_argument(
        "--swing", type=float, nargs=2, metavar=("MHZ", "S"), help="the grid does no more"
    )
    parser.add_argument("--seconds", type=float, default=0.0, help="0: until SIGTERM")
    parser.add_argument("--sent", type=Path, help="a file for the instants sent, a line each")
    parser.add_argument("--told", action="store_true", help="its clock is set by standard input")
    watch.add_options(parser)
    return parser.parse_args(arguments)


_KINDS: dict[str, type[Pmu]] = {"c37118": Pmu, "ieee1344": Ieee1344Pmu}
_PHASORS = {"3": PHASORS_3, "10": PHASORS_10}


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for name in text.split(",") if name)


def _profile(options: argparse.Namespace, at: int) -> Profile:
    """The profile of the `at`th PMU."""
    return Profile(
        station=options.station if options.count == 1 else f"{options.station} {at + 1}",
        idcode=options.idcode + at,
        bus=options.bus or at % 2 + 1,
        device=options.idcode + at,
        rate=options.rate,
        nominal_hz=options.nominal_hz,
        format=Format(options.format),
        version=options.version,
        time_base=options.time_base,
        phasors=_PHASORS.get(options.phasors, _names(options.phasors)),
        analogs=_names(options.analogs),
        digitals=options.digitals,
        time_quality=options.time_quality,
        pmu_tq=options.pmu_tq,
        spontaneous=options.spontaneous,
    )


async def _fill(plant: Plant, options: argparse.Namespace) -> None:
    made = []
    for at in range(options.count):
        spread = at * 1_000_000 // (options.rate * options.count) if options.spread else 0
        profile, phase_us = _profile(options, at), options.phase_us + spread
        made.append(plant.pmu(profile, phase_us, _KINDS[options.protocol]))
    sharing = [made] if options.together else [[pmu] for pmu in made]
    for at, pmus in enumerate(sharing):
        kind, port = _port(options, at, pmus)
        await plant.place(kind, port, pmus)


def _port(options: argparse.Namespace, at: int, pmus: Sequence[Pmu]) -> tuple[str, Port]:
    """Where the `at`th are heard. Raises ValueError."""
    if options.pty:
        return "pty", LinePort(pmus, options.baud)
    if options.udp or options.to:
        to = _address("--to", options.to, 0) if options.to else None
        anywhere = "::" if to is not None and ":" in to[0] else "0.0.0.0"
        local = _address("--udp", options.udp or f"{anywhere}:0", at)
        return "udp", UdpPort(pmus, local, to, options.interface)
    host, port = _address("--tcp", options.tcp, at)
    if options.data_port:
        return "split", SplitPort(pmus, host, port, options.data_port)
    return "tcp", TcpPort(pmus, host, port)


def _address(option: str, text: str, at: int) -> Address:
    """The `at`th address from there on; port 0 is any, for all."""
    host, _, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdigit():
        raise ValueError(f"{option} {text}; HOST:PORT expected")
    return host.strip("[]"), int(port) + at if int(port) else 0


def _journal(path: Path | None, held: ExitStack) -> Callable[[int, int, int], None] | None:
    """Writes who sent which instant, at once. Raises OSError."""
    if path is None:
        return None
    file = held.enter_context(path.open("wb", buffering=0))

    def tell(idcode: int, tai: int, off_ns: int) -> None:
        file.write(b"%d %d %d\n" % (idcode, tai, off_ns))

    return tell


async def _run(options: argparse.Namespace, held: ExitStack) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    if options.seconds:
        loop.call_later(options.seconds, stopped.set)
    plan = Plan(seed=options.seed, nominal_hz=options.nominal_hz)
    if options.swing is not None:
        # Nothing else moves the frequency as a whole: how far it moves is what is asked for.
        plan = replace(plan, drift_mhz=0.0, swing_mhz=options.swing[0], swing_s=options.swing[1])
    plant = Plant(Grid(plan), _journal(options.sent, held), watch.of(options, tai_now))
    loop.add_signal_handler(signal.SIGUSR1, plant.fall_silent)
    if options.told:
        told = Told(options.off_ns)
        listen(told, lambda: plant.set_clock(told.off_ns))
    try:
        await _fill(plant, options)
        plant.start()
        print(json.dumps({"pmus": plant.addresses()}), flush=True)
        await stopped.wait()
    finally:
        await plant.stop()
    print(json.dumps(plant.report()), flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs until told to stop. 0, or 2 with a line on the standard error: options, or no port."""
    options = _arguments(arguments)
    if not 1 <= options.count <= PMUS_MAX:
        print(f"--count {options.count}; 1 to {PMUS_MAX} expected", file=sys.stderr)
        return 2
    try:
        with ExitStack() as held:
            asyncio.run(_run(options, held))
    except (OSError, ValueError) as fault:
        print(f"the simulated PMU does not start: {fault}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
