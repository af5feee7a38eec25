"""Simulated Modbus devices, in a process of their own.

    python -m hil.devices.modbus --kind meter --units 20
    python -m hil.devices.modbus --kind relay,meter,sunspec --pty --baud 19200
    python -m hil.devices.modbus --tls site.crt site.key --clients ca.crt

1. The first line printed is a JSON object with the address and the units; the last one, when
   SIGTERM, SIGINT or --seconds ends it, has what was counted. Nothing else is printed to the
   standard output.
2. With --stdin a line of the standard input asks for a fault: UNIT NAME [ARGUMENT [TIMES]], such as
   `3 late 0.5 2`; `mend` takes back what has not been played.
3. With --sent each answer with data is a line of a file, written as it is made: unit, sequence, ns
   TAI of the measurement, the data in hex.

It starts no agent and judges nothing.
"""

import argparse
import asyncio
import json
import signal
import ssl
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Final

from hil.devices import told
from hil.devices.modbus.bank import Content
from hil.devices.modbus.meter import Meter
from hil.devices.modbus.port import LinePort, TcpPort
from hil.devices.modbus.rack import Rack
from hil.devices.modbus.relay import Relay
from hil.devices.modbus.sunspec import SunSpecMeter
from hil.devices.modbus.unit import Sent, Unit
from hil.devices.pace import tai_now
from hil.grid import Grid, Plan
from hil.measurand import Measurand

KINDS: Final[dict[str, Callable[[Measurand, int, int], Content]]] = {
    "meter": Meter,
    "relay": Relay,
    "sunspec": SunSpecMeter,
}
UNITS_MAX = 247  # Serial Line V1.02 2.2


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m hil.devices.modbus", description="Simulated Modbus devices on one grid."
    )
    parser.add_argument("--kind", default="meter", help=f"in turn: {', '.join(KINDS)}")
    parser.add_argument("--units", type=int, default=1, help="devices, on successive addresses")
    parser.add_argument("--unit", type=int, default=1, help="address of the first")
    parser.add_argument("--tcp", default="127.0.0.1:0", help="host:port; 0: any free")
    parser.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"), help="TCP with TLS, PEM files")
    parser.add_argument("--clients", metavar="CA", help="of TLS: who signs clients' certificates")
    parser.add_argument("--pty", action="store_true", help="a pseudo-terminal instead of TCP")
    parser.add_argument("--link", type=Path, help="a link to the pseudo-terminal")
    parser.add_argument(
        "--baud", type=int, default=19_200, help="of the pseudo-terminal; 0: at once"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the grid")
    parser.add_argument("--nominal-hz", type=int, default=60, choices=(50, 60))
    parser.add_argument("--seconds", type=float, default=0.0, help="0: until SIGTERM")
    parser.add_argument("--sent", type=Path, help="a file for the answers, a line each")
    parser.add_argument("--stdin", action="store_true", help="faults are asked for there")
    return parser.parse_args(arguments)


def rack_of(
    kinds: Sequence[str],
    units: int = 1,
    first: int = 1,
    grid: Measurand | None = None,
    now: Callable[[], int] = tai_now,
    tell: Callable[[Sent], None] | None = None,
) -> Rack:
    """Devices of these kinds in turn, at both buses in turn. Raises ValueError."""
    if not 1 <= first <= first + units - 1 <= UNITS_MAX:
        raise ValueError(f"units {first} to {first + units - 1}; 1 to {UNITS_MAX} expected")
    for kind in kinds:
        if kind not in KINDS:
            raise ValueError(f"--kind {kind}; {', '.join(KINDS)} expected")
    measured = grid or Grid()
    return Rack(
        [
            Unit(
                first + at,
                KINDS[kinds[at % len(kinds)]](measured, at % 2 + 1, first + at),
                now,
                tell,
            )
            for at in range(units)
        ]
    )


def _journal(path: Path | None, held: ExitStack) -> Callable[[Sent], None] | None:
    """Writes what was answered, at once. Raises OSError."""
    if path is None:
        return None
    file = held.enter_context(path.open("wb", buffering=0))

    def tell(sent: Sent) -> None:
        line = f"{sent.unit} {sent.sequence} {sent.measured_tai} {sent.data.hex()}\n"
        file.write(line.encode("ascii"))

    return tell


def _port(options: argparse.Namespace, rack: Rack) -> TcpPort | LinePort:
    """Raises OSError, ValueError."""
    if options.pty:
        return LinePort(rack, options.baud, options.link)
    host, _, port = options.tcp.rpartition(":")
    if not host or not port.isascii() or not port.isdigit():
        raise ValueError(f"--tcp {options.tcp}; HOST:PORT expected")
    if options.tls is None:
        return TcpPort(rack, host, int(port))
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(*options.tls)
    if options.clients:
        tls.load_verify_locations(options.clients)
        tls.verify_mode = ssl.CERT_REQUIRED
    return TcpPort(rack, host, int(port), tls)


def _asked(rack: Rack, line: str) -> None:
    """One line of the standard input. A line that asks for nothing known is said so."""
    words = line.split()
    try:
        match words:
            case []:
                pass
            case ["mend"]:
                rack.mend()
            case [unit, name, *rest] if len(rest) <= 2:
                argument, times = (*rest, *("0", "1")[len(rest) :])
                rack.fault(int(unit), name, float(argument), int(times))
            case _:
                raise ValueError("UNIT NAME [ARGUMENT [TIMES]], or mend, expected")
    except ValueError as fault:
        print(f"{line.strip()!r}: {fault}", file=sys.stderr, flush=True)


async def _run(options: argparse.Namespace, held: ExitStack) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    if options.seconds:
        loop.call_later(options.seconds, stopped.set)
    grid = Grid(Plan(seed=options.seed, nominal_hz=options.nominal_hz))
    kinds, tell = options.kind.split(","), _journal(options.sent, held)
    rack = rack_of(kinds, options.units, options.unit, grid, tell=tell)
    port = _port(options, rack)
    try:
        found = await port.open()
        address = {"pty": found} if isinstance(found, str) else {"tcp": f"{found[0]}:{found[1]}"}
        if options.stdin:
            told.lines(partial(_asked, rack))
        print(json.dumps({**address, "units": list(rack.units)}), flush=True)
        await stopped.wait()
    finally:
        await port.close()
    print(json.dumps(rack.report()), flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs until told to stop. 0, or 2 with a line on the standard error: options, or no port."""
    options = _arguments(arguments)
    try:
        with ExitStack() as held:
            asyncio.run(_run(options, held))
    except (OSError, ValueError) as fault:
        print(f"the simulated devices do not start: {fault}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
