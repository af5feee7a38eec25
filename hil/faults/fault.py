"""What a fault is: a row of the table, and how far it is driven."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hil.faults.outfit import Outfit
from hil.faults.rig import Between, Rig


@dataclass(frozen=True, slots=True)
class Scale:
    """How far. `kills`: of an agent, one after another; `spell_s`: what a fault lasts; `stop_s`:
    what an agent is stopped for, beyond the silence after which a line is given up."""

    kills: int
    spell_s: float
    stop_s: float
    recover_s: float  # at most, from a fault's end
    hold_s: float  # what a fault of time or place lasts once it was noticed
    pair_s: float  # in which two clocks of one bus are to be told apart
    swing: tuple[float, float]  # of the frequency meanwhile: mHz RMS, s
    clears_s: float  # what takes longer to be doubted no more is not waited for


# FULL: the frequency moves by 20 mHz within ten minutes. SHORT: by 110 in ten seconds.
FULL = Scale(
    kills=50, spell_s=6.0, stop_s=20.0, recover_s=60.0, hold_s=15.0,
    pair_s=600.0, swing=(7.1, 600.0), clears_s=90.0,
)  # fmt: skip
SHORT = Scale(  # for the tests
    kills=5, spell_s=2.0, stop_s=6.5, recover_s=42.0, hold_s=2.0,
    pair_s=60.0, swing=(40.0, 20.0), clears_s=30.0,
)  # fmt: skip


# Does the fault to a rig that runs, says when it is over, and returns what is special to it.
Play = Callable[[Rig, Scale], Awaitable[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. `needs`: programs of others, or need.ROOT; `disk_bytes`: of a disk of its own."""

    name: str
    text: str
    play: Play
    needs: tuple[str, ...] = ()
    disk_bytes: int = 0
    faketime: bool = False  # the agent's wall clock can be set
    between: Callable[[Path], Between] | None = None  # what gateway and record meet at
    outfit: Outfit | None = None  # what the site has beside PMUs
    clones: int = 0  # runs that the record must at least find to be clones; 0: none
