"""What stands at a site beside the channels that are heard: lines, ties, equipment, devices. Part
of the site plan (evidence.siteplan).

1. Each is named by its CIM mRID, as buses and terminals are, so that two utilities that plan one
   line speak of the same; a device, which is no part of the grid, by its name.
2. Series impedance and charging of a whole line, not of a kilometre: in ohm and S, or per unit of
   a base that is stated beside them. No base is ever assumed.
3. A tie is a line between two owners. A line's far end may be at a bus that is not of this plan.
4. None of it is signed: it is for people, for the pre-flight, and for whoever computes with it.

It knows types and figures; what they must not contradict is evidence.consistency's.
"""

from typing import Annotated, Literal

import msgspec

Text = Annotated[str, msgspec.Meta(max_length=256)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Kilovolts = Annotated[float, msgspec.Meta(gt=0, le=2000)]
Megavoltamperes = Annotated[float, msgspec.Meta(gt=0, le=100_000)]
# Of a line: far beyond any, and no infinity.
Figure = Annotated[float, msgspec.Meta(ge=-1e6, le=1e6)]
Kilometres = Annotated[float, msgspec.Meta(gt=0, le=10_000)]
Sessions = Annotated[int, msgspec.Meta(ge=0, le=65535)]
Kind = Literal[
    "breaker",
    "disconnector",
    "transformer",
    "machine",
    "load",
    "shunt",
    "converter",
    "current-transformer",
    "voltage-transformer",
    "busbar",
    "other",
]
ENDS_MAX = 16  # of one equipment: a transformer has as many windings as it has ends
LINES_MAX = 1024  # of one site, ties apart
EQUIPMENT_MAX = 8192
DEVICES_MAX = 512


class Base(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a per unit figure is a part of: three-phase power, and voltage between phases."""

    mva: Megavoltamperes
    kv: Kilovolts

    def ohms(self) -> float:
        """Of 1 per unit."""
        return self.kv * self.kv / self.mva


class At(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A terminal of an equipment, and the bus that it is at; empty: none of this plan."""

    terminal: str
    bus: Text = ""


class End(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One end of a line: its terminal, its bus (empty: none of this plan), and its owner there."""

    terminal: str
    bus: Text = ""
    owner: Text = ""


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """A line (CIM ACLineSegment) or tie, from end to end. `r`, `x`: series; `b`: charging, of both
    ends together; `base`: what they are per unit of, None: ohm, ohm and S.
    """

    name: Name
    mrid: str
    from_: End
    to: End
    r: Figure | None = None
    x: Figure | None = None
    b: Figure | None = None
    base: Base | None = None
    length_km: Kilometres | None = None

    def ohms(self) -> tuple[float | None, float | None, float | None]:
        """r and x in ohm, b in S."""
        if self.base is None:
            return self.r, self.x, self.b
        unit = self.base.ohms()
        r, x = (None if value is None else value * unit for value in (self.r, self.x))
        return r, x, None if self.b is None else self.b / unit


class Equipment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What else conducts (CIM ConductingEquipment)."""

    name: Name
    mrid: str
    kind: Kind
    terminal: Annotated[list[At], msgspec.Meta(max_length=ENDS_MAX)] = []


class Device(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A PMU, relay or meter as it hangs on the wall. `source`: of gateway.toml, where it is one's;
    `address`: host and port, or path of a line; `sessions`: how many it serves at once, and
    `sessions_free`: how many of them nobody else holds.
    """

    name: Name
    source: Text = ""
    make: Text = ""
    model: Text = ""
    serial: Text = ""
    address: Text = ""
    protocol: Text = ""
    sessions: Sessions | None = None
    sessions_free: Sessions | None = None
