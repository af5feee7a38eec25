"""From a kind of frame to the code that reads it: `decode` is the same on gateway, record and
bench.

1. Pure: (kind, configuration, raw) in, channel values out; nothing else is asked, nothing kept but
   compiled configurations, COMPILED_MAX of them.
2. Loading this loads no serial port, no socket and no protocol; a kind's own reader is loaded when
   it is first asked for.
3. What cannot be decoded is a FrameError with its name, whatever the bytes.

It is never on the sealing path.
"""

import importlib
from collections.abc import Mapping
from functools import lru_cache
from typing import cast

from drivers.line import FrameError
from drivers.values import Compiled, Values
from evidence.code import SILENT, Kind

# Kept: more streams than one gateway or one admission batch has.
COMPILED_MAX = 1024
# A kind, and the module whose `compiled` takes its configuration.
WIRES: Mapping[Kind, str] = {
    Kind.C37118: "drivers.c37118.wire",
    Kind.IEEE1344: "drivers.ieee1344.wire",
    Kind.MODBUS: "drivers.modbus.wire",
    Kind.GOOSE: "drivers.goose.wire",
    Kind.SV: "drivers.sv.wire",
    Kind.MCU_C37118: "drivers.mcu.wire",
    Kind.MCU_MODBUS: "drivers.mcu.exchange",
    Kind.MCU_INPUT: "drivers.mcu.input",
}


def decode(kind: int, configuration: bytes, raw: bytes) -> Values:
    """Channel values in engineering units, in the order of `slots`. Raises FrameError."""
    return compiled(kind, configuration).decode(raw)


@lru_cache(COMPILED_MAX)
def compiled(kind: int, configuration: bytes) -> Compiled:
    """What reads a stream. Raises FrameError: no_values, kind_unknown, no_configuration, and the
    protocol's own.
    """
    if kind in SILENT:
        raise FrameError("no_values", f"{Kind(kind).name} measures nothing")
    module = WIRES.get(cast(Kind, kind))
    if module is None:
        raise FrameError("kind_unknown", f"kind {kind} has no decoder")
    return cast(Compiled, importlib.import_module(module).compiled(configuration))
