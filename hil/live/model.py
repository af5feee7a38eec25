"""The grids that a scenario may ask for, by name: what each is told, and what it does by itself.

1. A grid gives what stands at a bus at an instant (`truth`), and what an instrument says of it
   (`measured`), as hil.grid.Grid does: devices know no more of it.
2. What happens in it (a line that trips) is an act by name, with a row of its own.
3. A grid is made in the plant's process, and its libraries are loaded there.

To add one: a Model in MODELS, and its maker.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import msgspec

from hil.live.sheet import Row


class TwoBus(Row, frozen=True, kw_only=True):
    """What hil.grid is told. Deviations are RMS in mHz."""

    nominal_hz: Literal[50, 60] = 60
    drift_mhz: Annotated[float, msgspec.Meta(ge=0, le=500)] = 8.0
    swing_mhz: Annotated[float, msgspec.Meta(ge=0, le=500)] = 12.0
    swing_s: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 47.0
    angle_deg: Annotated[float, msgspec.Meta(ge=-90, le=90)] = 6.0
    noise: Annotated[float, msgspec.Meta(ge=0, le=0.1)] = 0.0005


@dataclass(frozen=True, slots=True)
class Model:
    """One kind of grid. `make`: of its settings, decoded, and a seed; `events`: what can be asked
    of it, and the row that says how. The grid's `happen(name, row, tai_ns)` does it."""

    text: str
    settings: type[Row]
    make: Callable[[Any, int], Any]
    events: Mapping[str, type[Row]] = field(default_factory=dict)


def _two_bus(settings: TwoBus, seed: int) -> Any:
    from hil.grid import Grid, Plan

    return Grid(Plan(seed=seed, **msgspec.structs.asdict(settings)))


MODELS: Mapping[str, Model] = {
    "two-bus": Model("two buses and a line; the frequency wanders", TwoBus, _two_bus),
}
