"""The plant of a live scenario: all simulated devices, on one grid, in one process.

    python -m hil.live.plant FOLDER

1. FOLDER/plant.json says what there is; the first line printed says where each is heard, or why it
   is not there: one that does not come up keeps none of the others.
2. A line of the standard input asks for an act, {"n": 1, "device": "pmu-a", "do": "skip", "with":
   {...}}; the answer is a line with the same `n`: `at`, ns TAI, or `refused`, in words. Without a
   device it is the plant's: `silence`, or what the grid does.
3. Each data frame that goes out is a row of FOLDER/sent-NAME as it goes (hil.live.journal); and,
   unless the plan says `"truth": false`, a line of FOLDER/truth-NAME: what stood at its bus, at the
   instant of this machine's date.
4. A device that ends by a fault while it runs (a grid that does not hold) is a line once: {"broke":
   "pmu-a", "at": ns TAI, "grid": whether it was the grid, "why": in words}. The others go on.
5. Told to end (SIGTERM), it says what it counted. A cable between a gateway and the record is a
   device here too, by the name of the gateway.

It starts no agent and judges nothing.
"""

import asyncio
import errno
import functools
import importlib
import json
import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from evidence import leap
from evidence.leap import NS
from hil.devices import told
from hil.devices.pace import tai_now
from hil.live import journal, kind, model
from hil.live.model import Measuring
from hil.live.stand.stand import TODAY, Asked, Date, Stand
from hil.live.wire import Wire
from hil.measurand import FAULTS

PLAN = "plant.json"
STEP_S = 0.25  # between two looks at a grid that nobody asks


class Uplink:
    """The cable from a gateway to the record, as the plant has it among its devices."""

    def __init__(self, host: str, port: int) -> None:
        self.wire = Wire(host, port)

    def cut(self, is_cut: bool) -> None:
        self.wire.cut(is_cut)


class Plant:
    """What FOLDER/plant.json asks for."""

    def __init__(self, folder: Path, plan: dict[str, Any], held: ExitStack) -> None:
        self._folder, self._plan, self._held = folder, plan, held
        of = model.MODELS[plan["grid"]["model"]]
        settings = msgspec.convert(plan["grid"]["with"], of.settings)
        self._events = of.events
        self._date = _date(plan["era"])
        # A whole second, before any device measures.
        self.begins = (tai_now() // NS + self._date.ahead_s) * NS
        self._made = of.make(settings, plan["seed"], self.begins, _measuring(plan["devices"]))
        self._grid = self._made.grid
        self._stands: dict[str, Stand] = {}
        self._uplinks: dict[str, Uplink] = {}
        self._broken: set[str] = set()

    async def open(self) -> dict[str, Any]:
        """Opens all of it; where each is heard, or why not."""
        uplinks = {}
        rows = self._plan["devices"]
        opened = [self._opened(number, row) for number, row in enumerate(rows, 1)]
        told = await asyncio.gather(*opened)
        devices = {row["name"]: at for row, at in zip(rows, told, strict=True)}
        for row in self._plan["uplinks"]:
            uplink = Uplink(*row["to"])
            uplinks[row["name"]] = await uplink.wire.open()
            self._uplinks[row["name"]] = uplink
        return {"devices": devices, "uplinks": uplinks, "begins": self.begins}

    def start(self) -> None:
        for stand in self._stands.values():
            stand.start()

    async def keep_up(self) -> None:
        """Steps the grid while nobody asks for it yet: who asks first would wait for all that has
        passed since it began, and a gateway gives up a PMU that is silent for so long."""
        for point in list(self._made.points.values())[:1]:
            while True:
                self._grid.truth(tai_now(), point)
                await asyncio.sleep(STEP_S)

    async def close(self) -> dict[str, Any]:
        """All of it; what was counted."""
        for uplink in self._uplinks.values():
            await uplink.wire.close()
        for stand in self._stands.values():
            await stand.close()
        return {name: stand.report() for name, stand in self._stands.items()}

    async def done(self, said: dict[str, Any]) -> int:
        """Does an act; when, ns TAI. Raises ValueError."""
        device, do, told = said.get("device"), str(said.get("do")), said.get("with", {})
        at = tai_now()
        if device is None and do == "silence":
            for stand in self._stands.values():
                stand.silence()
        elif device is None:
            if do not in self._events:
                raise ValueError(f"the grid does not know {do!r}")
            if self._made.happen is not None:
                at = self._made.happen(do, msgspec.convert(told, self._events[do]), at)
        elif do == "cut" and device in (*self._stands, *self._uplinks):
            cable = self._stands.get(device) or self._uplinks[device]
            cable.cut(bool(told["cut"]))
        elif device in self._stands and do in self._stands[device].acts:
            working = self._stands[device].acts[do](**told)
            if working is not None:
                await working
        else:
            raise ValueError(f"{device} cannot {do}")
        return at

    def broke(self, name: str, fault: BaseException) -> None:
        """A device ended by a fault."""
        if name in self._broken:
            return  # one that is asked goes on being asked
        self._broken.add(name)
        at, grid = tai_now(), isinstance(fault, FAULTS)
        why = str(fault) if grid else f"{type(fault).__name__}: {fault}"
        print(json.dumps({"broke": name, "at": at, "grid": grid, "why": why}), flush=True)

    # --- its parts

    async def _opened(self, number: int, row: dict[str, Any]) -> dict[str, Any]:
        """Where a device is heard, or why not."""
        try:
            stand = self._stand(number, row)
            at = await stand.open()
        except OSError as fault:
            return {"fault": f"{fault}{_todo(fault, row['with'])}"}
        except ValueError as fault:
            return {"fault": str(fault)}
        self._stands[row["name"]] = stand
        return at

    def _stand(self, number: int, row: dict[str, Any]) -> Stand:
        of = kind.KINDS[row["kind"]]
        module = importlib.import_module(f"hil.live.stand.{of.stand}")
        bus = self._made.points[number]
        asked = Asked(
            *(row["name"], row["kind"], number, bus),
            *(msgspec.convert(row["with"], of.settings), self._grid, self._folder),
            self._journal(row["name"], bus) if of.frames else _nobody,
            functools.partial(self.broke, row["name"]),
            *(self._made.delays_us.get(number, 0), *row["cable"], row["environment"], self._date),
        )
        stand: Stand = module.make(asked)
        return stand

    def _journal(self, name: str, bus: int) -> Any:
        ahead_ns = self._date.ahead_s * NS
        sent = self._file(f"sent-{name}")
        truth = self._file(f"truth-{name}") if self._plan.get("truth", True) else None

        def tell(idcode: int, tai: int, off_ns: int) -> None:
            journal.write(sent, tai, off_ns)
            if truth is not None:
                stood = self._grid.truth(tai - off_ns, bus)
                truth.write(journal.line(tai - ahead_ns, off_ns, stood))

        return tell

    def _file(self, name: str) -> BinaryIO:
        return self._held.enter_context((self._folder / name).open("wb", buffering=0))


def _date(told: dict[str, Any] | None) -> Date:
    """Raises OSError, ValueError."""
    if told is None:
        return TODAY
    table = leap.parse(Path(told["file"]).read_text(encoding="ascii"))
    return Date(told["ahead_s"], table, told["pending_s"])


def _measuring(rows: Sequence[dict[str, Any]]) -> list[Measuring]:
    """All devices, as the grid must know them."""
    return [
        Measuring(
            *(number, row["bus"], row["into"]),
            msgspec.convert(row["with"], kind.KINDS[row["kind"]].settings),
        )
        for number, row in enumerate(rows, 1)
    ]


def _todo(fault: OSError, said: dict[str, Any]) -> str:
    """What to do about it, where that is known."""
    if fault.errno == errno.EADDRINUSE:
        return f"; port {said.get('port')} is somebody else's: name another, or none for any"
    if fault.errno == errno.EPERM:
        return "; run it by sudo"
    return ""


def _nobody(idcode: int, tai: int, off_ns: int) -> None:
    """Of a kind whose frames are not accounted for one by one."""


def _hear(plant: Plant) -> asyncio.Task[None]:
    """Acts, from the standard input, in the running loop, one after the other."""
    asked: asyncio.Queue[str] = asyncio.Queue()
    told.lines(asked.put_nowait)
    return asyncio.get_running_loop().create_task(_answer(plant, asked))


async def _answer(plant: Plant, asked: "asyncio.Queue[str]") -> None:
    while True:
        said = json.loads(await asked.get())
        try:
            answer: dict[str, Any] = {"at": await plant.done(said)}
        except (*FAULTS, TypeError, OSError) as fault:
            answer = {"refused": str(fault)}
        print(json.dumps({"n": said.get("n"), **answer}), flush=True)


def _unforeseen(plant: Plant, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A bug, in a timer or a connection of one of them: the play is to fail by it."""
    loop.default_exception_handler(context)  # with where it came from, for the log
    fault = context.get("exception")
    if isinstance(fault, BaseException):
        plant.broke("", fault)


async def _run(folder: Path, held: ExitStack) -> None:
    plan = json.loads((folder / PLAN).read_text(encoding="utf-8"))
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    plant = Plant(folder, plan, held)
    loop.set_exception_handler(functools.partial(_unforeseen, plant))
    tasks: list[asyncio.Task[None]] = []
    try:
        where = await plant.open()
        plant.start()
        tasks = [_hear(plant), loop.create_task(plant.keep_up())]
        print(json.dumps(where), flush=True)
        await stopped.wait()
    finally:
        for task in tasks:
            task.cancel()
        counted = await plant.close()
    print(json.dumps(counted), flush=True)


def main() -> int:
    """0, or 2 with a line on the standard error where there is no plan."""
    try:
        with ExitStack() as held:
            asyncio.run(_run(Path(sys.argv[1]), held))
    except (OSError, ValueError, IndexError) as fault:
        print(f"the plant does not start: {fault}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
