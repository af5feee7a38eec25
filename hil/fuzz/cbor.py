"""One item of a configuration changed: of another kind, or out of its bounds; all else, and the
encoding itself, as it must be.
"""

from random import Random
from typing import Any

from evidence import cbor
from evidence.refusal import EvidenceError

_DEEPER = 0.7
ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 255, 2**31, 2**32, 2**63, -(2**64), 2**64 - 1, 0.0, 1.0,
    5e-324, 1e-309, 1e308, "", "u16", "cp56", "time_s", "digital", "structure", "array", "Quality",
    "x" * 129, "x" * 300, b"", [], [[]], [[1, "a"]] * 1025, [["a", 63, 64]], [["a", "", "", 1]],
    [["a", "structure", "", 1]] * 20, [1e308], [0xFFFF],
)  # fmt: skip


def vary(chance: Random, raw: bytes) -> bytes:
    """Another encoding; empty where this is none."""
    try:
        value = _lists(cbor.decode(raw))
    except EvidenceError:
        return b""
    if not isinstance(value, list) or not value:
        return b""
    among = value
    while chance.random() < _DEEPER:
        inside = [item for item in among if isinstance(item, list) and item]
        if not inside:
            break
        among = chance.choice(inside)
    at = chance.randrange(len(among))
    among[at] = chance.choice((*ODD, among[chance.randrange(len(among))]))
    try:
        return cbor.encode(value)
    except EvidenceError:  # nested too deep by now
        return raw


def _lists(value: Any) -> Any:
    return [_lists(item) for item in value] if isinstance(value, tuple) else value
