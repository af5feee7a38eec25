"""The rows of a scenario's script: what each array of its TOML holds.

1. Unknown keys are refused; bounds stand in the types, so that a fault names its line.
2. Instants carry their offset from UTC; names are those of other rows.
3. What is not published is marked, where it is measured and where it is said.

What contradicts itself between rows is hil.scenario.script's to say.
"""

# ruff: noqa: RUF012  # that these are msgspec's, which makes a list for each row, it cannot see

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from hil.script import Count, Expectation, Name, Row, Text

Share = Annotated[float, msgspec.Meta(ge=-1.0, le=1.0)]
Seconds = Annotated[int, msgspec.Meta(ge=1, le=3600)]
PeriodMs = Annotated[int, msgspec.Meta(ge=10, le=3_600_000)]
Positive = Annotated[float, msgspec.Meta(gt=0)]
# What a figure or a trace is worth, as the page and the record say it beside it.
Mark = Literal["published", "modelled", "synthetic", "reconstructed"]
AREAS_MARK: Mark = "synthetic"  # of what [areas] is measured of: nobody's grid


class Head(Row, frozen=True, kw_only=True):
    """[scenario]. `clock`: what the clock of its instants is called; `period_s`: of every device,
    where no [[pace]] says otherwise; `batch_s`: how often a gateway cuts; `publish_s`: how often
    the log is published, cosigned by `witnesses` and copied by a `mirror`; `data`: the CSV beside
    it; `policy`: a policy.toml beside it, else the one that a record is shipped with."""

    name: Name
    title: Text
    about: Text = ""
    begins: datetime
    ends: datetime
    clock: Name = "UTC"
    seed: Count = 1
    period_s: Seconds = 60
    batch_s: Seconds = 900
    publish_s: Seconds = 3600
    witnesses: Annotated[int, msgspec.Meta(ge=0, le=8)] = 2
    mirror: bool = True
    data: str = ""
    policy: str = ""


class Authority(Row, frozen=True, kw_only=True):
    """[[authority]]: its keys are made for the scenario. Without roles it issues credentials only;
    `founder`: an anchor has its roles, else a record of the registry adds it."""

    name: Name
    roles: list[str] = []
    footprints: list[str] = []
    founder: bool = True
    about: Text = ""


class Gateway(Row, frozen=True, kw_only=True):
    """[[gateway]]"""

    name: Name
    authority: Name
    site: Text = ""


class Feed(Row, frozen=True, kw_only=True):
    """[[feed]]: what there is to measure. hourly: a share of a column of the data; beyond: what
    goes into a DC tie of which another comes out; trace: straight lines between points."""

    name: Name
    mark: Mark
    kind: Literal["hourly", "beyond", "trace"]
    about: Text = ""
    column: str = ""
    share: Share = 1.0
    of: str = ""
    fixed_mw: float = 0.0
    loss_share: float = 0.0
    points: list[tuple[datetime, float]] = []


class Device(Row, frozen=True, kw_only=True):
    """[[device]]: at a bus, by one gateway. `gain`: how far a meter is off; `flow`:
    whether what its feed gives flows into the equipment at its terminal; `area`: of [areas],
    instead of a feed."""

    name: Name
    gateway: Name
    kind: Literal["meter", "pmu"]
    bus: Name
    feed: str = ""
    gain: Positive = 1.0
    flow: Literal["in", "out"] = "in"
    kv: Positive = 345.0
    area: Literal[0, 1, 2] = 0


class Areas(Row, frozen=True, kw_only=True):
    """[areas]: two areas and the AC tie between them (hil.scenario.area). `event`: when area 2
    loses `lost_mw` of its generation; `sway_mw`: by how much generation goes up and down, the areas
    against each other, once in `sway_s`."""

    event: datetime
    about: Text = ""
    flow_mw: float = 450.0
    lost_mw: float = 200.0
    sway_mw: float = 0.0
    sway_s: Positive = 10.0
    kv: Positive = 345.0
    r_ohm: Positive
    x_ohm: Positive
    b_siemens: Positive


class Fault(Row, frozen=True, kw_only=True):
    """[[fault]]: what is wrong with a PMU for a while. polarity: its CTs look the other way; ratio:
    theirs is set to `value` of what it is; shift: its clock is ahead by `value` us."""

    device: Name
    kind: Literal["polarity", "ratio", "shift"]
    begins: datetime
    ends: datetime
    value: float = 0.0


class Pace(Row, frozen=True, kw_only=True):
    """[[pace]]: another period for some devices, for a while."""

    devices: list[Name]
    begins: datetime
    ends: datetime
    period_ms: PeriodMs


class Side(Row, frozen=True, kw_only=True):
    """A side of a seam: where it measures, and who issues the credentials there."""

    footprint: Name
    authority: Name
    bus: Name
    kv: Positive
    amperes: Positive


class Line(Row, frozen=True, kw_only=True):
    """A pi section, whole."""

    r_ohm: float
    x_ohm: float
    b_siemens: float
    km: Positive


class Dc(Row, frozen=True, kw_only=True):
    """What a DC tie loses."""

    fixed_mw: float
    share: float


class Seam(Row, frozen=True, kw_only=True):
    """[[seam]]: what flows from the first side to the second is positive."""

    name: Name
    kind: Literal["bus", "line", "sum", "dc_tie"]
    sides: Annotated[list[Side], msgspec.Meta(min_length=2, max_length=2)]
    line: Line | None = None
    dc: Dc | None = None
    about: Text = ""


class Figure(Row, frozen=True, kw_only=True):
    """A number with its unit. `rounded`: to which step, where that is known."""

    name: Name
    unit: Name
    value: float
    rounded: Positive | None = None


class Claim(Row, frozen=True, kw_only=True):
    """[[claim]]: what somebody says happened from `begins` to `ends`, and where that was said.
    `topic`: what several claims are about, so that they stand side by side."""

    topic: Name
    author: Name
    begins: datetime
    ends: datetime | None = None
    said: datetime | None = None  # when it came to the record; else when it happened
    text: Text
    source: Text = ""
    figures: list[Figure] = []
    footprints: list[Name] = []
    elements: list[Name] = []


class Order(Row, frozen=True, kw_only=True):
    """[[order]]: a decision, as its author's record. `observes`: devices whose last observation
    before it is its parent; `after`: orders and handoffs that are; `assent`: who signs it too.
    `act`, `toward`, `ramp_mw_min`: of a DC-tie emergency, whose `mw` is its limit."""

    name: Name
    matter: Literal["dispatch", "curtailment", "load_shed", "dc_tie_emergency"]
    mark: Mark
    author: Name
    begins: datetime
    ends: datetime
    text: Text
    source: Text = ""
    mw: float | None = None
    act: Literal["assistance", "curtailed", "blocked", "restored"] = "curtailed"
    toward: Name | None = None
    ramp_mw_min: Positive | None = None
    footprints: list[Name] = []
    elements: list[Name] = []
    observes: list[Name] = []
    after: list[Name] = []
    assent: list[Name] = []


class Quantity(Row, frozen=True, kw_only=True):
    """A name of a condition, at a bus, by gateways of an authority: the frequency, Hz, or the power
    into the equipment there, MW. `hole_s`: how far apart samples may be."""

    name: Name
    bus: Name
    authority: Name
    measures: Literal["frequency", "power"]
    hole_s: Seconds = 150


class Step(Row, frozen=True, kw_only=True):
    """A step of a handoff: who takes it, and when."""

    step: Literal["requested", "accepted", "refused", "active", "returned", "revoked"]
    at: datetime
    by: Name
    text: Text = ""


class Limit(Row, frozen=True, kw_only=True):
    """Within which the authority is used."""

    name: Name
    value: float
    unit: Name


class Handoff(Row, frozen=True, kw_only=True):
    """[[handoff]]: an episode, told as a handoff of authority. The condition is evaluated before
    each of its steps that rests on one, by `evaluator`."""

    name: Name
    mark: Mark
    releasing: Name
    accepting: Name
    evaluator: Name
    scope: Text
    footprints: list[Name] = []
    elements: list[Name] = []
    condition: Text
    quantities: list[Quantity]
    fresh_s: Seconds = 900
    limits: list[Limit] = []
    expires: datetime | None = None
    steps: Annotated[list[Step], msgspec.Meta(min_length=1)]


class Settlement(Row, frozen=True, kw_only=True):
    """[[settlement]]: seams, settled interval by interval as each has ended, by an authority, and
    signed by others. `after_s`: how long after."""

    name: Name
    seams: list[Name]
    author: Name
    assent: list[Name] = []
    every_s: Annotated[int, msgspec.Meta(ge=1, le=86_400)] = 3600
    after_s: Seconds = 60


class Learning(Row, frozen=True, kw_only=True):
    """[[learning]]: what the two ends of a seam differ by while nothing is wrong, learned from its
    settlements by phasors of an interval, cut by `every_s`, once that has ended; said by an
    authority and signed by others. Changes are judged against it from then on."""

    name: Name
    seam: Name
    author: Name
    assent: list[Name] = []
    begins: datetime
    ends: datetime
    every_s: Annotated[int, msgspec.Meta(ge=1, le=86_400)] = 10
    after_s: Seconds = 1


class Interchange(Row, frozen=True, kw_only=True):
    """[[interchange]]: the energy of each hour as published, a record of its author that the other
    side signs. A positive figure goes from `exporter` to `importer`. `rounded`: to so many MWh."""

    name: Name
    author: Name
    assent: list[Name] = []
    elements: list[Name]
    exporter: Name
    importer: Name
    column: Name
    rounded: Positive = 1.0
    source: Text = ""
    after_s: Seconds = 120


class Expect(Expectation, frozen=True, kw_only=True):
    """An expectation. `begins`, `ends`: of facts within, and asked only of a part that holds all of
    it. `every_hour`: so many of each hour."""

    begins: datetime | None = None
    ends: datetime | None = None
    every_hour: bool = False
