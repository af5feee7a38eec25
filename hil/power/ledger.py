"""Where power goes: what machines give at a step, and what becomes of it.

1. Given = drawn by loads + lost on branches + lost in faults + drawn by DC ties, exactly, since all
   are of one solution of the network; what turbines bring beyond that, and beyond
   what damping takes, swings.
2. Each figure is computed from voltages and currents, not from what the others leave.

It measures nothing of the model's inside but angles and voltages.
"""

from typing import NamedTuple

from hil.power.model import Model
from hil.power.point import Point, Tap


class Ledger(NamedTuple):
    """Active power, per unit of the system."""

    given: float
    loads: float
    lost: float  # on branches
    faults: float
    dc: float  # drawn less fed in
    driven: float  # by turbines
    damped: float  # by what damping stands for

    @property
    def balance(self) -> float:
        """What is given and goes nowhere: 0."""
        return self.given - self.loads - self.lost - self.faults - self.dc


class Books:
    """The ledgers of a model."""

    def __init__(self, model: Model) -> None:
        case, self._model = model.case, model
        taps = {
            "machine": [(row.bus, row.name) for row in case.machine],
            "load": [(row.bus, row.name) for row in case.load],
            "branch": [(bus, row.name) for row in case.branch for bus in (row.begin, row.end)],
            "dc": [(bus, row.name) for row in case.dc for bus in (row.begin, row.end)],
        }
        self._taps = {
            kind: [Tap(model, Point(*one)) for one in points] for kind, points in taps.items()
        }

    def at(self, step: int) -> Ledger:
        """Of a step. A faulted branch's loss in the fault counts as lost on branches."""
        into = {
            kind: sum([(v * i.conjugate()).real for v, i in (tap.at(step) for tap in taps)])
            for kind, taps in self._taps.items()
        }
        state = self._model.state(step)
        faults = sum(
            abs(state.volts[one.number]) ** 2 / one.resistance
            for one in state.topology.faults
            if not one.on_branch and one.resistance
        )
        driven = damped = 0.0
        plant, topology = self._model.plant, state.topology
        means, island = plant.means(topology, state.speed), plant.network(topology).machine_island
        rows = zip(plant.machines, state.reference, state.gate, state.lag, strict=True)
        for n, (own, wanted, gate, lag) in enumerate(rows):
            if n not in topology.lost:
                driven += wanted + lag + own.lead * gate
                damped += own.damping * (state.speed[n] - means[island[n]])
        return Ledger(
            *(-into["machine"], into["load"], into["branch"], faults, into["dc"], driven, damped)
        )
