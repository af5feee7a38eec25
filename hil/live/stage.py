"""The stage of a play: a place made ready, gateways and record running on it, all of it heard.

1. Everything but the devices is the shipped program, in a process of its own, told by the files
   that provisioning makes.
2. A device that does not come up is named with what to do, and the play goes on without it.
3. Every wait is bounded, and `close` ends all of it, whatever state it is in.

What is done on it, and when, is hil.live.play's.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Sequence, Set
from dataclasses import replace
from pathlib import Path
from typing import Any

from evidence.leap import NS
from hil.child import Child, ChildError
from hil.faults.gateway import Gateway, GatewayError
from hil.faults.holding import copy_spool
from hil.faults.need import faketime_by
from hil.faults.rig import ERA
from hil.live import kind, site, terminal
from hil.live.act import ActError
from hil.live.place import Cast
from hil.live.rig import Endpoint, Found, Rig, RigError
from hil.live.script import Script
from hil.live.terminal import Rated
from hil.loopback import free_port
from hil.pulse import Pulse
from provisioning.init import ANCHORS, RECORD, InitResult

STORE = "record.db"
READY_S, END_S, VERIFY_S = 90.0, 20.0, 120.0  # ready in two, and a busy machine takes longer
TYPED_S = 30.0  # for a command that takes half a second
SILENCE_S, SILENT_S = 10.0, 0.2  # for what is on the lines; between two looks
CALM_LOOKS = 3  # without a frame more: an agent that is held up tells the same twice
POLL_S = 0.05
SETUPS = 4  # frames of a PMU that are none of data: CFG-1 to CFG-3, and its header


class Stage:
    """One of them, in a folder that is there and empty."""

    def __init__(self, of: Script, cast: Cast, rig: Rig, folder: Path, patience_s: float) -> None:
        """`patience_s`: for a device to come up, once its gateway runs."""
        self._patience_s = patience_s
        self.of, self.cast, self.rig, self.folder = of, cast, rig, folder
        self.gateways: dict[str, Gateway] = {}
        self.made: dict[str, InitResult] = {}
        self.found = Found()
        self.absent: dict[str, str] = {}  # devices that did not come up, and why
        self.pulse = Pulse()
        self._record: Child | None = None
        self._record_url = ""  # by no gateway's cable
        self._tasks: dict[str, asyncio.Future[None]] = {}

    @property
    def ahead_ns(self) -> int:
        """By how much the date of all of it is ahead of this machine's."""
        return self.found.era.ahead_s * NS if self.found.era else 0

    @property
    def store(self) -> Path:
        return self.folder / site.RECORD_DIR / STORE

    # --- the start

    async def start(self) -> None:
        """Until every device that is there was heard and its first word is in the record.

        Raises one of hil.live.play.FAULTS.
        """
        self.pulse.start(self.folder)
        record = ("127.0.0.1", free_port())
        self._record_url = f"http://{record[0]}:{record[1]}"
        self.found = await self.rig.prepare(self.of, self.cast, record)
        self.absent.update(self.found.faults)
        era = self.found.era
        now_s = int(time.time()) if era is None else era.utc_s()
        await asyncio.to_thread(self.make, record, now_s)
        for row in self.of.gateway:
            gateway = Gateway(row.name, self.folder / row.name, self.rig.start_child, self.rig.seen)
            gateway.environment = self.rig.clock(row)
            if era is not None:
                gateway.program = (ERA, str(era.file), str(era.ahead_s))
            gateway.place_spool()
            if row.disk_mib:
                await self.rig.disk(gateway.disk, row.disk_mib)
            self.gateways[row.name] = gateway
        serving = asyncio.ensure_future(self.serve())
        for gateway in self.gateways.values():
            gateway.start()
        await serving
        for gateway in self.gateways.values():
            await gateway.running()
        found = await asyncio.gather(*(self._unheard(one) for one in self.gateways.values()))
        for name, state in (row for one in found for row in one.items()):
            self.absent[name] = (
                f"not heard in {self._patience_s:g} s: {state}; {self._look_at(name)}"
            )

    def make(self, record: Endpoint, now_s: int) -> None:
        """The files of gateways and record. Raises one of hil.live.play.FAULTS."""
        where = (self.cast.devices, self.found, self.folder, record, now_s)
        self.made = site.make(self.of, *where)
        rated = {name: Rated(row.kv, row.amperes) for row in self.of.seam for name in row.sides}
        for name, one in self.made.items():
            its = [row for row in self.cast.devices if row.gateway == name and row.name in rated]
            if its:
                credential = terminal.placed(self.folder / name, its, rated, now_s)
                self.made[name] = replace(one, credential=credential)

    async def _unheard(self, gateway: Gateway, but: Set[str] = frozenset()) -> dict[str, str]:
        """Until each of its devices was heard, or for so long; the others, each in which state.
        Raises ChildError."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._patience_s
        wanted = {  # and how much is said before anything is measured
            one.name: SETUPS if kind.KINDS[one.kind].frames else 0
            for one in self.devices()
            if one.gateway == gateway.name
            and one.name not in but
            and not kind.KINDS[one.kind].clock
        }
        states: dict[str, Any] = {}
        while wanted and loop.time() < until:
            gateway.agent.check()
            told = await gateway.told()
            states = (told or {}).get("sources", {})
            for name, one in states.items():
                if one["sealed"] > wanted.get(name, 0):
                    wanted.pop(name, None)
            if wanted:
                await asyncio.sleep(POLL_S)
        unknown = {"state": "not known to its gateway"}
        return {name: str(states.get(name, unknown)["state"]) for name in sorted(wanted)}

    def devices(self) -> list[Any]:
        """Those that are there."""
        return [one for one in self.cast.devices if one.name not in self.absent]

    def _look_at(self, name: str) -> str:
        where = ", ".join(f"{key} {value}" for key, value in self.found.devices[name].items())
        return f"is it powered, and reached at {where}?"

    # --- what acts are done to

    async def serve(self) -> None:
        """Starts the record. Raises ChildError."""
        config = str(self.folder / site.RECORD_DIR / RECORD)
        told = ["serve", "--config", config]
        era = self.found.era
        shown = faketime_by(era.ahead_s) if era else None
        self._record = self.rig.start_child("record", "record.cli", told, shown)
        await self._record.says("listens on", READY_S)

    def kill_record(self) -> None:
        if self._record is not None:
            self._record.kill()

    async def tell(self, device: str, do: str, **told: Any) -> int:
        try:
            return await self.rig.tell(device or None, do, told)
        except RigError as fault:
            raise ActError(str(fault)) from fault

    async def cut(self, name: str, is_cut: bool) -> None:
        try:
            await self.rig.cut(name, is_cut)
        except (RigError, OSError) as fault:
            raise ActError(str(fault)) from fault

    async def typed(self, gateway: str, *argv: str) -> None:
        folder = self.gateways[gateway].folder
        told = [
            one.replace("{folder}", str(folder)).replace("{record}", self._record_url)
            for one in argv
        ]
        child = self.rig.start_child(f"typed-{gateway}", "provisioning.cli", told)
        code = await child.ended(TYPED_S)
        if code != 0:
            raise ActError(f"{' '.join(argv[:2])} ended with {code}: {child.last_line()}")

    async def set_clock(self, gateway: str, offset_s: int) -> None:
        try:
            self.rig.set_clock(gateway, offset_s)
        except (RigError, OSError) as fault:
            raise ActError(str(fault)) from fault
        for one in self.devices():
            if one.gateway == gateway and one.kind == "chrony":
                # Its chronyd goes by the same clock; its reference does not.
                await self.tell(one.name, "lie", shown_ns=offset_s * NS)

    def task(self, name: str, work: Awaitable[None]) -> None:
        self._tasks[name] = asyncio.ensure_future(work)

    async def stop(self, name: str) -> None:
        task = self._tasks.pop(name, None)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    # --- the end

    def ended_by_itself(self) -> list[str]:
        """Gateways whose agent has ended, each with what it said last."""
        found = []
        for gateway in self.gateways.values():
            with contextlib.suppress(GatewayError):
                try:
                    gateway.agent.check()
                except ChildError as fault:
                    found.append(str(fault))
        return found

    async def heard_again(self, mute: Set[str]) -> list[str]:
        """Until who was started again has heard its devices, or for so long: before a stream goes
        on, nobody states its gap. `mute`: who can say nothing. Which agents ended meanwhile."""
        again = [one for one in self.gateways.values() if len(one.starts) > 1 and _runs(one)]
        return await _tried([(one.name, self._unheard(one, mute)) for one in again])

    async def silence(self) -> None:
        """No device says more, and what was said has been heard, or for SILENCE_S."""
        await self.rig.silence()
        if not self.rig.silent:
            return
        frames = {one.name for one in self.devices() if kind.KINDS[one.kind].frames}
        before, calm = -1, 0
        for _ in range(int(SILENCE_S / SILENT_S)):
            now, mute = 0, False
            for gateway in filter(_runs, self.gateways.values()):
                told = await gateway.told()
                mute = mute or told is None
                sources = (told or {}).get("sources", {})
                now += sum(one["heard"] for name, one in sources.items() if name in frames)
            # Who is too busy to answer has not heard all: what waits for it is nobody's to name.
            calm = calm + 1 if now == before and not mute else 0
            if calm == CALM_LOOKS:
                return
            before = now
            await asyncio.sleep(SILENT_S)

    async def end(self) -> list[str]:
        """Agents once nothing waits, record and devices, each asked; what did not go well."""
        alive = [one for one in self.gateways.values() if _runs(one)]
        problems = await _tried(
            [(f"{one.name} does not drain", self._drained(one)) for one in alive]
        )
        problems += await _tried([(f"{one.name} does not end well", one.end()) for one in alive])
        problems += await _tried([("the record", self._stop_record())])
        return problems

    async def _drained(self, gateway: Gateway) -> None:
        """Until the record has all that was sealed; where devices go on, all that was so far."""
        if self.rig.silent:
            await gateway.drained()
            return
        sealed = int((await gateway.until("answers", lambda told: True))["sealed"])
        await gateway.until("has receipts", lambda told: int(told["receipted"]) >= sealed)

    async def _stop_record(self) -> None:
        if self._record is not None and await self._record.end(END_S) != 0:
            raise ChildError(f"did not end well: {self._record.last_line()}")

    async def verify(self, played_s: float) -> tuple[int | None, str]:
        """What `gridseal-record verify` says of the record: its exit code, and its last line. What
        took hours to play takes longer to read."""
        anchors = self.folder / site.RECORD_DIR / ANCHORS
        arguments = ["verify", str(self.store), "--anchors", str(anchors)]
        child = self.rig.start_child("verify", "record.cli", arguments)
        return await child.ended(max(VERIFY_S, played_s)), child.last_line()

    def keep_spools(self) -> dict[str, Path]:
        """Copies of what the gateways' disks hold, by gateway: a disk of its own is gone with its
        chamber. Raises OSError.
        """
        found: dict[str, Path] = {}
        for name, gateway in self.gateways.items():
            found[name] = self.folder / f"spool-{name}.db"
            copy_spool(gateway.spool, found[name])
        return found

    def close(self) -> list[str]:
        """At once; what of the place may not be as it was before. Idempotent."""
        for task in self._tasks.values():
            task.cancel()
        problems = self.rig.close()
        self.pulse.end()
        return problems


def _runs(gateway: Gateway) -> bool:
    try:
        gateway.agent.check()
    except (ChildError, GatewayError):
        return False
    return True


async def _tried(steps: Sequence[tuple[str, Awaitable[object]]]) -> list[str]:
    """All of them at once; of each that fails, why."""
    done = await asyncio.gather(*(step for _, step in steps), return_exceptions=True)
    problems = []
    for (what, _), came in zip(steps, done, strict=True):
        if isinstance(came, ChildError | GatewayError | RigError | OSError):
            problems.append(f"{what}: {came}")
        elif isinstance(came, BaseException):
            raise came
    return problems
