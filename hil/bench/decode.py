"""`gridseal-hil bench decode`: how fast frames become channel values, protocol by protocol, each
beside what others wrote.

1. A protocol is a module `hil.bench.decode_NAME` with `measure(seconds)` of its own, and a row of
   PARTS. Its figures stand beside the others', under names that no other part uses.
2. The parts are measured one after the other, and share the seconds equally.

It measures nothing itself.
"""

import importlib
from typing import Any

from hil.bench import BenchError

PARTS = ("c37118", "goose", "sv")
SECONDS = 6.0  # of each part


def measure(seconds: float = SECONDS * len(PARTS)) -> dict[str, Any]:
    """The figures of all parts. Raises BenchError."""
    figures: dict[str, Any] = {}
    reasons: list[str] = []
    for name in PARTS:
        part = importlib.import_module(f"hil.bench.decode_{name}")
        found: dict[str, Any] = part.measure(seconds / len(PARTS))
        reasons += found.pop("reasons", ())
        twice = figures.keys() & found.keys()
        if twice:
            raise BenchError(f"{name} and another part both say {', '.join(sorted(twice))}")
        figures |= found
    return figures | ({"reasons": reasons} if reasons else {})
