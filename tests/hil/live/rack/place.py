"""A real place, of things that are not ours: a PMU, a serial PMU, a meter and a breaker IED by
other people's code behind cables of their own, and a board of relays that really pulls them.

1. Gateways live in one network namespace, devices in another: what is between them are cables
   (veth), and the board's contacts. Neither has a way to anything else.
2. It is known to the bench by its file alone, as somebody with a rack would write it.
3. It is gone with its block, whatever became of the play.
"""

import asyncio
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from hil.child import Program
from hil.faults import need
from hil.faults.need import NeedError
from hil.namespace import Namespace
from tests.conftest import absent

HERE = Path(__file__).resolve().parent
READY_S = 30.0  # for a program to start, on a loaded machine
FILE = """# What is plugged in.

[place]
name = "rack"
kind = "real"
patience_s = 20
about = "A PMU by TCP, one at a serial line, a meter, a breaker IED, and a board in their cables."

[[resource]]
name = "PMU 1, upper"
kind = "pmu-tcp"
options = { host = "192.0.2.2", port = 4712, idcode = 31 }
cable = { board = "relays", channel = 1 }

[[resource]]
name = "PMU 2, serial"
kind = "pmu-serial"
options = { path = "FOLDER/usb-Somebody_PMU_2-if00-port0", idcode = 32 }
cable = { board = "relays", channel = 2 }

[[resource]]
name = "meter"
kind = "modbus-tcp"
options = { host = "192.0.2.6", port = 502, unit = 1, map = "FOLDER/meter.toml" }
cable = { board = "relays", channel = 3 }

[[resource]]
name = "breaker IED"
kind = "goose-breaker"
options = { interface = "gw3", gocbref = "FOREIGN1LD0/LLN0$GO$gcb1" }
cable = { board = "relays", channel = 4 }

[[board]]
name = "relays"
driver = "lcus"
path = "FOLDER/usb-1a86_USB_Serial-if00-port0"
channels = 4
"""
MAP = """station = "Somebody's meter"
period_ms = 500
refresh_ms = 100

[[point]]
name = "voltage"
address = 0
type = "f32"
unit = "V"

[[point]]
name = "current"
address = 2
scale = 0.1
unit = "A"
"""
# The interfaces of cables, gateway's and device's end, and their addresses.
CABLES = (  # gateway's end, device's end, and their addresses
    ("gw1", "dev1", "192.0.2.1/30", "192.0.2.2/30"),
    ("gw2", "dev2", "192.0.2.5/30", "192.0.2.6/30"),
    ("gw3", "dev3", "", ""),
)


@dataclass(frozen=True)
class Rack:
    """It is there. `within`: what starts a program where its gateways run."""

    file: Path
    within: Sequence[str]
    board: Program
    port: Path  # the board's

    def moved(self) -> list[str]:
        """What its contacts did, in order: `1 open`."""
        return self.board.said().splitlines()[1:]

    def pull_board(self) -> None:
        """Its name is gone with it: its number is free, and may be the next terminal's at once."""
        self.port.unlink()
        self.board.kill()


@contextmanager
def rack(folder: Path) -> Iterator[Rack]:
    """In a folder that is there and empty."""
    try:
        need.check(need.CHAMBER)
    except NeedError as missing:
        absent("network namespaces", str(missing))
    with Namespace() as near, Namespace() as far, ExitStack() as held:
        for space in (near, far):
            space.run("ip", "link", "set", "lo", "up")
        for cable in CABLES:
            plug(near, far, *cable)

        def started(name: str, within: Namespace, *told: str) -> Program:
            argv = [*within.within, sys.executable, str(HERE / f"{name}.py"), *told]
            program = Program(
                name, argv, folder / f"{name}{told[-1].rpartition(chr(47))[2]}.log", {}
            )
            held.callback(program.kill)
            return program

        line, far_end = folder / "usb-Somebody_PMU_2-if00-port0", folder / "tty-of-the-PMU"
        contacts = ("1=eth:gw1", f"2=line:{line}:{far_end}", "3=eth:gw2", "4=eth:gw3")
        port = folder / "usb-1a86_USB_Serial-if00-port0"
        board = started("board", near, str(port), *contacts)
        ready(board)
        devices = [
            started("pmu", far, "--tcp", "192.0.2.2:4712", "--idcode", "31"),
            started("pmu", far, "--line", str(far_end), "--idcode", "32"),
            started("meter", far, "192.0.2.6", "502"),
            started("breaker", far, "dev3"),
        ]
        for device in devices:
            ready(device)
        (folder / "meter.toml").write_text(MAP, encoding="ascii")
        file = folder / "rack.toml"
        file.write_text(FILE.replace("FOLDER", str(folder)), encoding="utf-8")
        yield Rack(file, near.within, board, port)


def plug(near: Namespace, far: Namespace, one: str, other: str, here: str, there: str) -> None:
    """A cable between the two networks, with an address at each end where it has one."""
    near.run("ip", "link", "add", one, "type", "veth", "peer", "name", other)
    near.run("ip", "link", "set", other, "netns", far.path)
    for space, name, address in ((near, one, here), (far, other, there)):
        if address:
            space.run("ip", "address", "add", address, "dev", name)
        space.run("ip", "link", "set", name, "addrgenmode", "none", "up")


def ready(program: Program) -> None:
    asyncio.run(program.says("it listens", READY_S))
