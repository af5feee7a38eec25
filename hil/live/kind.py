"""The kinds of devices that a scenario may have, by name: how one is set, how a gateway is told of
it, and what a place needs for it.

1. A kind is a row of KINDS. Its settings stand under `with`; on a fake place a module of
   hil.live.stand plays it, on a real one it is a resource of that kind.
2. A gateway is told of it as a site would tell it: a source, with the address that the place gives.
3. Nothing heavy is loaded here: what plays a device is loaded where it stands.

To add one: a row, its settings, and its module in hil/live/stand.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

import hil
from drivers.url import Option
from hil.live import ability
from hil.script import Row

Idcode = Annotated[int, msgspec.Meta(ge=1, le=65534)]
Rate = Annotated[int, msgspec.Meta(ge=1, le=120)]
Baud = Annotated[int, msgspec.Meta(ge=1200, le=1_000_000)]
UnitNumber = Annotated[int, msgspec.Meta(ge=1, le=247)]
Address = Mapping[str, Any]  # of a device, as its place gives it
Where = Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]
# How a device is reached, and what each of it has to be.
_HOST = {"host": Where, "port": Annotated[int, msgspec.Meta(ge=1, le=65535)]}
_PATH, _INTERFACE, _CLOCK = {"path": Where}, {"interface": Where}, {"clock": Where}
_MAP = {"map": Where}  # of registers
_LATITUDE = Annotated[float, msgspec.Meta(ge=-90, le=90)]
_LONGITUDE = Annotated[float, msgspec.Meta(ge=-180, le=180)]
_SURVEY = {"survey": tuple[_LATITUDE, _LONGITUDE, float]}  # of the antenna; m above WGS 84
_MAPS = Path(hil.__file__).parent / "devices" / "modbus"


class PmuSettings(Row, frozen=True, kw_only=True):
    """A PMU by C37.118. `phasors`: of three phases, or also the sequences; `ct`, `pt`: measured
    over true; `latency_us`: what filters and the device take, else what its window does. Classes
    are those of its transformers, of `ct_rated_a` amperes. `drift_ppb`: what its clock gains, from
    0 at the grid's first instant, beside `off_ns`; `noise`: of each phasor, as TVE, RMS of a
    component. A grid without instruments (`two-bus`) has no classes of a device, and refuses drift
    and noise of one."""

    idcode: Idcode
    rate: Rate = 60
    phasors: Literal[3, 10] = 3
    analogs: tuple[str, ...] = ()
    version: Literal[1, 2] = 2
    pmu_tq: Annotated[int, msgspec.Meta(ge=0, le=7)] = 2
    latency_us: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] | None = None
    vt_class: str = ""
    ct_class: str = ""
    ct_rated_a: Annotated[float, msgspec.Meta(gt=0)] = 1000.0
    off_ns: int = 0
    drift_ppb: Annotated[int, msgspec.Meta(ge=-1_000_000, le=1_000_000)] = 0
    noise: Annotated[float, msgspec.Meta(ge=0, le=0.1)] = 0.0001
    ct: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    pt: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    service_class: Literal["M", "P"] = "M"
    baud: Baud = 115_200
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 0  # 0: any that is free


class ModbusSettings(Row, frozen=True, kw_only=True):
    """What one unit is, behind a TCP port or a serial line of its own."""

    device: Literal["relay", "meter", "sunspec"] = "relay"
    unit: UnitNumber = 1
    baud: Baud = 19_200
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 0


class GooseSettings(Row, frozen=True, kw_only=True):
    """A breaker that publishes its position by GOOSE. Above `pickup_a` amperes of a phase for
    `trip_ms` its protection trips it (function 50); 0: it has none."""

    gocbref: Annotated[str, msgspec.Meta(min_length=3, max_length=129)] = "IED1LD0/LLN0$GO$gcb1"
    appid: Annotated[int, msgspec.Meta(ge=0, le=0xFFFF)] = 1
    steady_ms: Annotated[int, msgspec.Meta(ge=10, le=60_000)] = 1000
    st_val: Literal["open", "closed"] = "closed"
    pickup_a: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    trip_ms: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 20


class SvSettings(Row, frozen=True, kw_only=True):
    """A merging unit: one stream of Sampled Values (9-2LE, or IEC 61869-9 with more ASDUs a frame).
    `smp_synch`: 2 is global."""

    svid: Annotated[str, msgspec.Meta(min_length=1, max_length=34)] = "AA1J1Q01MU0101"
    rate: Literal[4000, 4800] = 4800
    asdus: Literal[1, 2, 8] = 2
    smp_synch: Annotated[int, msgspec.Meta(ge=0, le=254)] = 2


class ReceiverSettings(Row, frozen=True, kw_only=True):
    """A GNSS receiver of a good sky. `surveyed`: where its antenna stands is in the gateway's plan,
    if the place says it (`survey`)."""

    rate: Annotated[int, msgspec.Meta(ge=1, le=10)] = 1
    surveyed: bool = True


class ClockSettings(Row, frozen=True):
    """A reference of the gateway's clock: what is wrong with it is an act."""


Told = tuple[str, dict[str, Option]]  # scheme, options
Source = Callable[[Any, Address], Told]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind. `stand`: the module of hil.live.stand that plays it; `reached`: how a place says
    where it is, and `brought`: what else a real one may bring; `known_by`: of a real one, what no
    scenario can know, one of each to be said; `needs`: abilities of a place;
    `programs`: of others, that a fake place starts for it; `cable`: it wants an Ethernet cable of
    its own; `dated`: it can be at another date;
    `frames`: each frame sent is accounted for; `clock`: no source, but what the gateway's
    clock is measured by; `measures`: what it sends is sealed as measurements."""

    text: str
    settings: type[Row]
    stand: str
    source: Source
    reached: Mapping[str, Any]
    brought: Mapping[str, Any] = field(default_factory=dict)
    known_by: tuple[tuple[str, ...], ...] = ()
    needs: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    cable: bool = False
    dated: bool = False
    frames: bool = False
    clock: bool = False
    measures: bool = True


def _pmu_tcp(of: PmuSettings, at: Address) -> Told:
    return "c37118+tcp", {**_host(at), "idcode": of.idcode}


def _pmu_udp(of: PmuSettings, at: Address) -> Told:
    return "c37118+udp", {**_host(at), "idcode": of.idcode}


def _pmu_serial(of: PmuSettings, at: Address) -> Told:
    return "c37118+serial", {"path": str(at["path"]), "baud": of.baud, "idcode": of.idcode}


def _modbus_tcp(of: ModbusSettings, at: Address) -> Told:
    return "modbus+tcp", {**_host(at), "unit": of.unit, **_map(of, at)}


def _modbus_rtu(of: ModbusSettings, at: Address) -> Told:
    return "modbus+rtu", {
        "path": str(at["path"]),
        "baud": of.baud,
        "unit": of.unit,
        **_map(of, at),
    }


def _goose(of: GooseSettings, at: Address) -> Told:
    return "goose", {"interface": str(at["interface"]), "gocbref": of.gocbref}


def _sv(of: SvSettings, at: Address) -> Told:
    return "sv", {"interface": str(at["interface"]), "svid": of.svid}


def _receiver(_: ReceiverSettings, at: Address) -> Told:
    return "ublox", {"path": str(at["path"])}


def _clock(_: ClockSettings, at: Address) -> Told:
    return str(at["clock"]), {}


def _host(at: Address) -> dict[str, Option]:
    return {"host": str(at["host"]), "port": int(at["port"])}


def _map(of: ModbusSettings, at: Address) -> dict[str, Option]:
    """Of the bench's own devices; a real one brings its map in the place's file."""
    if "map" in at:
        return {"map": str(at["map"])}
    return (
        {"sunspec": True} if of.device == "sunspec" else {"map": str(_MAPS / f"{of.device}.toml")}
    )


_RAW = (ability.RAW,)
_PMU: dict[str, Any] = {"dated": True, "frames": True, "known_by": (("idcode",),)}
_UNIT: dict[str, Any] = {"dated": True, "brought": _MAP, "known_by": (("unit",), ("map", "device"))}
_CABLE: dict[str, Any] = {"needs": _RAW, "cable": True}
KINDS: Mapping[str, Kind] = {
    "pmu-tcp": Kind("a PMU by TCP", PmuSettings, "pmu", _pmu_tcp, _HOST, **_PMU),
    "pmu-udp": Kind("a PMU by UDP", PmuSettings, "pmu", _pmu_udp, _HOST, **_PMU),
    "pmu-serial": Kind("a PMU at a serial line", PmuSettings, "pmu", _pmu_serial, _PATH, **_PMU),
    "modbus-tcp": Kind(
        "a relay or meter by Modbus TCP", ModbusSettings, "modbus", _modbus_tcp, _HOST, **_UNIT
    ),
    "modbus-rtu": Kind(
        "a relay or meter by Modbus RTU", ModbusSettings, "modbus", _modbus_rtu, _PATH, **_UNIT
    ),
    "goose-breaker": Kind(
        *("a breaker by GOOSE", GooseSettings, "goose", _goose, _INTERFACE),
        known_by=(("gocbref",),),
        **_CABLE,
    ),
    "merging-unit": Kind(
        *("Sampled Values", SvSettings, "sv", _sv, _INTERFACE), known_by=(("svid",),), **_CABLE
    ),
    "chrony": Kind(
        *("a chronyd with a reference clock", ClockSettings, "chrony", _clock, _CLOCK),
        programs=("chronyd", "chronyc"),
        dated=True,
        clock=True,
    ),
    "ptp": Kind(
        *("a PTP grandmaster, and a ptp4l", ClockSettings, "ptp", _clock, _CLOCK),
        needs=_RAW,
        programs=("ptp4l", "pmc"),
        cable=True,
        clock=True,
    ),
    "gnss-receiver": Kind(
        *("a GNSS receiver", ReceiverSettings, "receiver", _receiver, _PATH, _SURVEY),
        dated=True,
        measures=False,
    ),
}


def options_of(kind: Kind) -> dict[str, Any]:
    """What a resource of a kind may say, and what each has to be: how it is reached, and what it
    is."""
    settings = {one.encode_name: one.type for one in msgspec.structs.fields(kind.settings)}
    return {**settings, **kind.brought, **kind.reached}
