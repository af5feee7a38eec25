"""The systems that the tests of hil/power strike: where they begin, and how."""

import msgspec

from evidence.leap import NS
from hil.power import case, event
from hil.power.case import Case
from hil.power.event import At

T0 = 1_795_352_230 * NS
MS = 1_000_000
SOON = 50 * MS


def plain(name: str, **without: object) -> Case:
    """A case without relays."""
    return msgspec.structs.replace(case.load(name), shedding=[], **without)


def classical(name: str) -> Case:
    """As the books have it for a first swing: no governor, no damping, no load by frequency."""
    loaded = case.load(name)
    machines = [msgspec.structs.replace(row, damping=0.0) for row in loaded.machine]
    response = msgspec.structs.replace(loaded.response, frequency_p=0.0)
    return plain(name, machine=machines, governor=[], response=response)


def struck(bus: str, line: str, at: int, lasts_ns: int) -> list[At]:
    """A fault at a bus, cleared by opening a line."""
    gone = at + lasts_ns
    return [
        At(at, event.FaultBus(bus)), At(gone, event.Open(line)), At(gone, event.Clear(bus)),
    ]  # fmt: skip
