"""What can be done to a rig, by name: a row and a function each.

1. An act is told a row of its own (`with`), and to which device or gateway it is done, if to one.
2. `undo`, where there is one, takes it back after the fault's `for_s`; what has none is done once.
3. What an act needs of a place stands in its row; a place that lacks it leaves the fault out.
4. An act does, and judges nothing. What cannot be done is an ActError, in words, and the play goes
   on.

To add one: a Row for its arguments, an `async def` that takes the stage, the fault and that row,
and a line in ACTS. What a device does on request is an act of its hil.live.stand module: `_tell`
hands it on.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

import msgspec
from msgspec import UNSET, UnsetType

from drivers.keystore import uri as keystore
from drivers.keystore.uri import KeyStoreError
from hil.faults.disk import fill
from hil.faults.gateway import Gateway
from hil.live import ability
from hil.live.sheet import Fault
from hil.script import Count, Row
from provisioning.init import DEVICE_KEY

FILL_S = 0.2  # what the agent gives up, the other program takes as well
PMUS = ("pmu-tcp", "pmu-udp", "pmu-serial")
BREAKERS = ("goose-breaker", "modbus-tcp", "modbus-rtu")
SERIAL = ("pmu-serial", "modbus-rtu")
MODBUS = ("modbus-tcp", "modbus-rtu")


class ActError(Exception):
    """It could not be done. The text is for people."""


class Stage(Protocol):
    """What acts are done to."""

    @property
    def gateways(self) -> Mapping[str, Gateway]: ...

    async def tell(self, device: str, do: str, **told: Any) -> int:
        """Asks a device to do something; when it did, ns TAI. Raises ActError, ChildError."""
        ...

    async def cut(self, name: str, is_cut: bool) -> None:
        """Pulls the cable of a device, or between a gateway and its record; or plugs it in."""
        ...

    async def set_clock(self, gateway: str, offset_s: int) -> None:
        """A gateway's wall clock is off by so much from now on. Raises ActError, ChildError."""
        ...

    async def typed(self, gateway: str, *argv: str) -> None:
        """A command of gridseal-provision; {folder} in it is the gateway's, which is its
        authority's, too, {record} the record's URL. Raises ActError with what it said."""
        ...

    async def serve(self) -> None:
        """Starts the record."""
        ...

    def kill_record(self) -> None: ...

    def task(self, name: str, work: Awaitable[None]) -> None:
        """Work that goes on until `stop` of this name."""
        ...

    async def stop(self, name: str) -> None: ...


Do = Callable[[Stage, Fault, Any], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Act:
    """One act. `to`: done to one of these, or to none; `kinds`: of the device, empty for any;
    `ends`: it is to be taken back, or no record is there in the end."""

    text: str
    arguments: type[Row]
    do: Do
    undo: Do | None = None
    to: tuple[str, ...] = ("device",)
    needs: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    ends: bool = False


class Nothing(Row, frozen=True):
    """No arguments."""


class Off(Row, frozen=True, kw_only=True):
    """By how much a device's clock is ahead."""

    off_ns: int


class Stepped(Row, frozen=True, kw_only=True):
    """By how much a gateway's wall clock is set off."""

    offset_s: Annotated[int, msgspec.Meta(ge=-86_400, le=86_400)]


class Lie(Row, frozen=True, kw_only=True):
    """What a chronyd's reference says (hil.faults.reference): behind by so much, running away by so
    much from now on, or nothing any more."""

    behind_ns: int = 0
    pull_ppb: int = 0
    silent: bool = False


class Says(Row, frozen=True, kw_only=True):
    """What a grandmaster says of itself (hil.devices.grandmaster)."""

    ahead_ns: int = 0
    drift_ns: int = 0
    clock_class: Annotated[int, msgspec.Meta(ge=0, le=255)] = 6
    accuracy: Annotated[int, msgspec.Meta(ge=0, le=255)] = 0x21
    traceable: bool = True
    silent: bool = False


Factor = Annotated[float, msgspec.Meta(gt=0)]
Inputs = Literal["ABC", "ACB", "BAC", "BCA", "CAB", "CBA"]


class Wired(Row, frozen=True, kw_only=True):
    """How a PMU is wired (hil.devices.wiring). `reversed`: phases whose CT looks the other way;
    `ct`, `pt`: measured over true; `volts`, `amps`: the phases at inputs A, B, C. What is not
    named stays as it is."""

    reversed: Annotated[str, msgspec.Meta(pattern=r"^[ABC]*$")] | UnsetType = UNSET
    ct: Factor | UnsetType = UNSET
    pt: Factor | UnsetType = UNSET
    volts: Inputs | UnsetType = UNSET
    amps: Inputs | UnsetType = UNSET


class Configured(Row, frozen=True, kw_only=True):
    """Its channels from now on, after so many frames that announce it (STAT bit 10)."""

    phasors: Literal[3, 10]
    announced_frames: Count = 0


class Frames(Row, frozen=True, kw_only=True):
    frames: Annotated[int, msgspec.Meta(ge=1, le=100_000)]


class Answers(Row, frozen=True, kw_only=True):
    """A fault of the next answers (hil.devices.modbus.fault)."""

    fault: str
    argument: float = 0.0
    times: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 1


class Storm(Row, frozen=True, kw_only=True):
    changes: Annotated[int, msgspec.Meta(ge=1, le=100_000)]
    a_second: Annotated[float, msgspec.Meta(gt=0, le=2000)]


class Rotated(Row, frozen=True, kw_only=True):
    """Where a gateway's next device key is to be, as a URI of drivers.keystore."""

    key: Annotated[str, msgspec.Meta(min_length=1, max_length=256)] = "file:next.key"


class Revoked(Row, frozen=True, kw_only=True):
    """Why a key is not to be believed any more (evidence.code.Revocation)."""

    why: Literal["stolen", "lost", "retired"] = "retired"


class Synch(Row, frozen=True, kw_only=True):
    """smpSynch of a merging unit: 0 none, 1 local, 2 global (IEC 61850-9-2)."""

    smp_synch: Annotated[int, msgspec.Meta(ge=0, le=254)]


class Plight(Row, frozen=True, kw_only=True, omit_defaults=True):
    """What is wrong with a receiver's sky (hil.devices.gnss.Plight)."""

    lost: bool = False
    pull_m: tuple[float, float] = (0.0, 0.0)
    pull_ns: int = 0
    drift_ns: int = 0
    drift_m: tuple[float, float] = (0.0, 0.0)
    spoofing: Annotated[int, msgspec.Meta(ge=0, le=3)] = 1
    jamming: Annotated[int, msgspec.Meta(ge=0, le=3)] = 1
    cn0_drop_db: Count = 0
    satellites: int | None = None
    moved_m: tuple[float, float, float] = (0.0, 0.0, 0.0)
    antenna: Annotated[int, msgspec.Meta(ge=0, le=4)] = 2
    silent: bool = False


async def _cut(stage: Stage, fault: Fault, _: Nothing) -> None:
    await stage.cut(fault.device or fault.gateway or "", True)


async def _plug(stage: Stage, fault: Fault, _: Nothing) -> None:
    await stage.cut(fault.device or fault.gateway or "", False)


async def _pull_out(stage: Stage, fault: Fault, _: Nothing) -> None:
    await stage.tell(fault.device or "", "plug", plugged=False)


async def _put_in(stage: Stage, fault: Fault, _: Nothing) -> None:
    await stage.tell(fault.device or "", "plug", plugged=True)


async def _kill(stage: Stage, fault: Fault, _: Nothing) -> None:
    stage.gateways[fault.gateway or ""].kill()


async def _start(stage: Stage, fault: Fault, _: Nothing) -> None:
    gateway = stage.gateways[fault.gateway or ""]
    gateway.start()
    await gateway.running()


async def _power_off(stage: Stage, _: Fault, __: Nothing) -> None:
    """Gateways and record end at once, in the middle of whatever they do."""
    for gateway in stage.gateways.values():
        gateway.kill()
    stage.kill_record()


async def _power_on(stage: Stage, _: Fault, __: Nothing) -> None:
    for gateway in stage.gateways.values():
        gateway.start()
    running = [gateway.running() for gateway in stage.gateways.values()]
    await asyncio.gather(stage.serve(), *running)


async def _kill_record(stage: Stage, _: Fault, __: Nothing) -> None:
    stage.kill_record()


async def _start_record(stage: Stage, _: Fault, __: Nothing) -> None:
    await stage.serve()


async def _step(stage: Stage, fault: Fault, row: Stepped) -> None:
    await stage.set_clock(fault.gateway or "", row.offset_s)


async def _right(stage: Stage, fault: Fault, _: Stepped) -> None:
    await stage.set_clock(fault.gateway or "", 0)


async def _fill_disk(stage: Stage, fault: Fault, _: Nothing) -> None:
    stage.task(fault.name, _filled(_other(stage, fault)))


async def _free_disk(stage: Stage, fault: Fault, _: Nothing) -> None:
    await stage.stop(fault.name)
    _other(stage, fault).unlink(missing_ok=True)


async def _filled(path: Path) -> None:
    while True:
        await asyncio.to_thread(fill, path)
        await asyncio.sleep(FILL_S)


def _other(stage: Stage, fault: Fault) -> Path:
    """Another program's file on the gateway's disk."""
    return stage.gateways[fault.gateway or ""].spool.parent / "other"


async def _rotate(stage: Stage, fault: Fault, row: Rotated) -> None:
    """The authority answers at once; the agent goes on with the key before until it is started
    again."""
    gateway = fault.gateway or ""
    request, answer = "{folder}/rotation.gse", "{folder}/answer.gse"
    authority = ("--authority", "{folder}", "--yes")
    await stage.typed(gateway, "rotate", "{folder}", "--key", row.key, "--out", request)
    await stage.typed(gateway, "authority", "issue", request, "--out", answer, *authority)
    await stage.typed(gateway, "enrol", "accept", "{folder}", answer)


async def _revoke(stage: Stage, fault: Fault, row: Revoked) -> None:
    """It rules from the record's log on, so it is published: from the authority's office, whatever
    became of the gateway's own way."""
    gateway = fault.gateway or ""
    try:
        key = keystore.show(f"file:{DEVICE_KEY}", stage.gateways[gateway].folder)
    except KeyStoreError as lacking:
        raise ActError(str(lacking)) from lacking
    authority = ("--authority", "{folder}")
    told = (key.fingerprint, "--why", row.why, "--yes")
    await stage.typed(gateway, "authority", "revoke", *told, *authority)
    await stage.typed(gateway, "authority", "publish", "--record", "{record}", *authority)


def _tell(do: str, **always: Any) -> Do:
    """An act of the device itself, with the row as it was told."""

    async def told(stage: Stage, fault: Fault, row: Row) -> None:
        await stage.tell(fault.device or "", do, **msgspec.to_builtins(row), **always)

    return told


def _back(do: str, **told: Any) -> Do:
    """Takes it back by another act of the device."""

    async def taken(stage: Stage, fault: Fault, _: Row) -> None:
        await stage.tell(fault.device or "", do, **told)

    return taken


_SPOIL = (ability.SPOIL,)
_EITHER, _GATEWAY = ("device", "gateway"), ("gateway",)
_KILL = (ability.KILL,)
ACTS: Mapping[str, Act] = {
    "cut": Act("its cable is pulled", Nothing, _cut, _plug, _EITHER),  # which: hil.live.place
    "unplug": Act(
        *("its serial adapter is pulled out", Nothing, _pull_out, _put_in),
        *(("device",), _SPOIL, SERIAL),
    ),
    "kill": Act("kill -9 of its agent", Nothing, _kill, _start, _GATEWAY, _KILL),
    "power-cut": Act(
        *("kill -9 of agents and record", Nothing, _power_off, _power_on, (), _KILL), ends=True
    ),
    "kill-record": Act(
        *("kill -9 of it", Nothing, _kill_record, _start_record, (), _KILL), ends=True
    ),
    "disk-full": Act(
        *("another file takes all of its disk", Nothing, _fill_disk, _free_disk),
        *(_GATEWAY, (ability.DISK,)),
    ),
    "clock-step": Act(
        *("its wall clock is set off", Stepped, _step, _right, _GATEWAY, (ability.CLOCK,)),
    ),
    "chrony": Act(
        *("a reference clock is wrong", Lie, _tell("lie"), _back("right")),
        *(("device",), _SPOIL, ("chrony",)),
    ),
    "ptp": Act(
        *("a grandmaster is wrong", Says, _tell("says"), _back("right")),
        *(("device",), _SPOIL, ("ptp",)),
    ),
    "clock": Act(
        *("its clock is wrong", Off, _tell("clock"), _back("right")),
        *(("device",), _SPOIL, PMUS),
    ),
    "wiring": Act(
        *("it is wired or set wrong", Wired, _tell("wire"), _back("wire-back")),
        *(("device",), _SPOIL, PMUS),
    ),
    "reconfigure": Act(
        "its channels change", Configured, _tell("reconfigure"), None, ("device",), _SPOIL, PMUS
    ),
    "skip": Act("frames are not sent", Frames, _tell("skip"), None, ("device",), _SPOIL, PMUS),
    "spoil": Act("frames have a bad CHK", Frames, _tell("spoil"), None, ("device",), _SPOIL, PMUS),
    "answers": Act(
        *("answers are spoiled", Answers, _tell("spoil-answers"), _back("mend")),
        *(("device",), _SPOIL, MODBUS),
    ),
    "trip": Act(
        *("protection opens the breaker", Nothing, _tell("trip"), _back("operate", closed=True)),
        *(("device",), _SPOIL, BREAKERS),
    ),
    "storm": Act(
        *("its contact bounces", Storm, _tell("storm"), None, ("device",), _SPOIL),
        ("goose-breaker",),
    ),
    "rotate": Act("its device key is rotated", Rotated, _rotate, None, _GATEWAY),
    "revoke": Act("its first device key is revoked", Revoked, _revoke, None, _GATEWAY),
    "synch": Act(
        *("its clock is not what it was", Synch, _tell("synch"), _back("right")),
        *(("device",), _SPOIL, ("merging-unit",)),
    ),
    "sky": Act(
        *("something is wrong with its sky", Plight, _tell("plight"), _back("well")),
        *(("device",), _SPOIL, ("gnss-receiver",)),
    ),
}
