"""The point map of a Modbus device: a TOML file, and what is read and compiled of it.

1. What a map may say can be read, planned, encoded and decoded: a map that is taken and then fails
   is a failure of the target.
"""

from drivers.modbus import map as pointmap
from drivers.modbus import plan
from evidence.config import ConfigError
from hil.fuzz import modbus, text
from hil.fuzz.target import Piece, Target

_MAP = b"""
station = "feeder 7"
address_base = 1
word_order = "big"
period_ms = 500
refresh_ms = 100
filter_ms = 20.5
gap_registers = 4
block_registers = 60

[[group]]
name = "slow"
period_ms = 10_000

[[point]]
name = "UL1"
address = 101
type = "f32"
unit = "kV"
scale = 0.001
quantity = "voltage"

[[point]]
name = "P"
address = 103
type = "s16"
unit = "W"
exponent = 104
optional = true
invalid = [-32768]

[[point]]
name = "flags"
address = 110
bits = { open = 0, closed = 1, mode = [4, 6] }

[[point]]
name = "state"
address = 111
enum = { 0 = "off", 1 = "on", 0x10 = "fault" }
group = "slow"

[[point]]
name = "clock"
address = 120
type = "time_ms"
stamps = true
bound_us = 1_000
document = "manual, page 7"
utc_offset_min = 60

[[point]]
name = "model"
address = 130
type = "string"
registers = 8
byte_order = "little"

[[point]]
name = "breaker"
address = 1
type = "bool"
table = "discrete"
"""
_SMALL = b'[[point]]\nname = "a"\naddress = 0\n'


def _read(raw: bytes) -> None:
    """As the driver does: text, map, blocks; rule 1."""
    try:
        found = pointmap.read_map(raw.decode("utf-8", "replace"), "map.toml")
        blocks = plan.blocks(1, "", found)
    except plan.PlanError as fault:
        raise ConfigError("map.toml", fault.name, fault.text) from fault
    for block in blocks:
        modbus.show(raw, block)


def _takes(piece: Piece) -> bool:
    return piece.kind == "file" and piece.label.endswith(".toml") and b"[[point]]" in piece.data


def target() -> Target:
    """drivers.modbus.map and what is made of it."""
    tokens = (b"[[point]]\n", b"[", b"{", b"'''", b"\\u0000", b"nan", b"inf", b"1e-320", b"\xff")
    return Target(
        {"map": _read}, ConfigError, (_MAP, _SMALL), _takes, vary=text.vary, tokens=tokens
    )
