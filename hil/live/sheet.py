"""The rows of a live scenario: what each array of its TOML holds.

1. Unknown keys are refused; bounds stand in the types, so that a fault names its line.
2. Instants are seconds from the beginning, on the scenario's own clock: a stretch in which nothing
   happens may be shortened, and no row has to know.
3. What a kind of device, an act or a grid is told beyond that stands under `with`, and is read by
   the rows of its own (hil.live.kind, hil.live.act, hil.live.model): a new one is a row there and
   changes nothing here.

What contradicts itself between rows is hil.live.script's to say.
"""

# ruff: noqa: RUF012  # that these are msgspec's, which makes a list for each row, it cannot see

from typing import Annotated, Any, Literal

import msgspec

from hil.script import Count, Expectation, Name, Row, Text

# It names files, and stands in a line before a space.
Label = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Seconds = Annotated[float, msgspec.Meta(ge=0.0, le=7 * 86_400.0)]
Positive = Annotated[float, msgspec.Meta(gt=0.0, le=7 * 86_400.0)]
Bus = Annotated[int, msgspec.Meta(ge=1, le=9999)] | Name  # as the grid knows it


class Head(Row, frozen=True, kw_only=True):
    """[live]. `length_s`: of the scenario's own clock; `needs`: of the place, without which nothing
    of it can be played (hil.live.ability); what single devices and acts need follows from them."""

    name: Label
    title: Name
    about: Text = ""
    seed: Count = 1
    length_s: Positive
    needs: list[Name] = []


class Grid(Row, frozen=True, kw_only=True):
    """[grid]: what there is to measure, by name (hil.live.model)."""

    model: Name = "two-bus"
    with_: dict[str, Any] = msgspec.field(default_factory=dict, name="with")


class Gateway(Row, frozen=True, kw_only=True):
    """[[gateway]]. `disk_mib`: a disk of its own for the spool, so large; 0: the folder's.
    `own_clock`: its wall clock is not the machine's, so that it can be set."""

    name: Label
    authority: Name
    site: Name = "Site"
    disk_mib: Annotated[int, msgspec.Meta(ge=0, le=4096)] = 0
    own_clock: bool = False


class Device(Row, frozen=True, kw_only=True):
    """[[device]]: at a bus, heard by one gateway. `kind`: hil.live.kind; `into`: what its current
    goes into there, where the grid has a choice."""

    name: Label
    gateway: Name
    kind: Name
    bus: Bus = 1
    into: str = ""
    with_: dict[str, Any] = msgspec.field(default_factory=dict, name="with")


class Leap(Row, frozen=True, kw_only=True):
    """[leap]: a second is inserted at `at_s`, and PMUs announce it so long before (C37.118.2-2011
    Table 3: a minute at most, a second at least). All of it is played at another date
    (hil.faults.era): devices, gateways and their lists of leap seconds. Nobody's clock is set."""

    at_s: Positive
    announced_s: Annotated[int, msgspec.Meta(ge=1, le=60)] = 5


class Event(Row, frozen=True, kw_only=True):
    """[[event]]: what the grid does by itself. `do`: of its model."""

    name: Name
    at_s: Seconds
    do: Name
    with_: dict[str, Any] = msgspec.field(default_factory=dict, name="with")


class Fault(Row, frozen=True, kw_only=True):
    """[[fault]]: what is done to the rig. `act`: hil.live.act; `for_s`: how long, where the act can
    be taken back; 0: for good. `device`, `gateway`: to which, where it is done to one."""

    name: Name
    at_s: Seconds
    act: Name
    for_s: Seconds = 0.0
    device: Name | None = None
    gateway: Name | None = None
    with_: dict[str, Any] = msgspec.field(default_factory=dict, name="with")

    @property
    def ends_s(self) -> float:
        return self.at_s + self.for_s


class Stretch(Row, frozen=True, kw_only=True):
    """[[stretch]]: nothing is expected to happen between; played short it takes `short_s`."""

    begins_s: Seconds
    ends_s: Seconds
    short_s: Positive


class Level(Row, frozen=True, kw_only=True):
    """[[level]]: readings above, below, or between, of each device; each stretch of them is a fact.
    `of`: of a PMU, its three phases together (Hz, Hz/s, kV between phases, A, MW into where its
    current goes). `channel`: of any device, by its name instead. `by`: as it arrived, or as the
    device claims."""

    name: Name
    device: Annotated[list[Name], msgspec.Meta(min_length=1)]
    of: Literal["frequency", "rocof", "voltage", "current", "power"] = "frequency"
    channel: str = ""
    by: Literal["arrival", "claim"] = "arrival"
    above: float | None = None
    below: float | None = None


class Line(Row, frozen=True, kw_only=True):
    """A pi section, whole. `km`: where somebody states it."""

    r_ohm: float
    x_ohm: float
    b_siemens: float
    km: Positive | None = None


class Seam(Row, frozen=True, kw_only=True):
    """[[seam]]: a line between two authorities, with a PMU of each at its ends (`sides`: what flows
    from the first to the second is positive). Settled each `every_s`, by the clock on the wall,
    from `begins_s` on. `kv`, `amperes`: the primaries of their transformers."""

    name: Name
    sides: Annotated[list[Name], msgspec.Meta(min_length=2, max_length=2)]
    kv: Positive
    amperes: Positive
    line: Line
    begins_s: Seconds = 0.0
    every_s: Annotated[int, msgspec.Meta(ge=1, le=3600)] = 10


class Expect(Expectation, frozen=True, kw_only=True):
    """An expectation. `after`: an event or a fault, from whose beginning on facts count;
    `within_s`: and for so long, by the clock on the wall; `over`: counted from its end instead.
    `begins_s`, `ends_s`: of the scenario. `each`: asked of each device that it names, one by one.
    What words there are: hil.live.words."""

    after: str = ""
    over: bool = False
    within_s: Positive | None = None
    begins_s: Seconds | None = None
    ends_s: Seconds | None = None
    each: bool = False
