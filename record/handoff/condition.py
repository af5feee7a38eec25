"""A condition as people write it: `condition.toml`.

    text = "freq_hz < 59.4 for 60 s at bus X"

    [[quantity]]
    name = "freq_hz"
    bus = "X"                    # or `terminal`: the label in the text
    mrid = "6f9619ff-8b86-d011-b42d-00c04fc964ff"
    quantity = "frequency"       # as a descriptor's channel has it
    phase = ""                   # A, B, C, N, AB, BC, CA, 0, 1, 2; absent: none
    part = ""                    # of a phasor: magnitude, angle, real, imaginary
    unit = "Hz"                  # that the device's values have; absent: none
    issuer = "Utility A"         # whose gateways; absent: whoever's
    hole_ms = 100                # the longest that two samples may be apart

It evaluates nothing.
"""

from pathlib import Path
from uuid import UUID

from evidence.config import ConfigError
from evidence.descriptor import PHASES, QUANTITIES
from evidence.joint.grammar import predicate
from evidence.joint.predicate import (
    PARTS,
    PLACES,
    WINDOW_NS_MAX,
    Place,
    Predicate,
    Quantity,
    read_quantity,
)
from evidence.refusal import EvidenceError
from evidence.toml import Table, TomlError, parse
from record.config import read_text

CHARS_MAX = 65_536
MS = 1_000_000


def read(path: Path) -> Predicate:
    """The condition in a file. Raises ConfigError."""
    try:
        table = Table(parse(read_text(path), CHARS_MAX))
        text = table.text("text")
        quantities = [_quantity(row) for row in table.tables("quantity")]
        table.end()
        return predicate(text, quantities)
    except TomlError as fault:
        raise ConfigError(str(path), fault.key, fault.text) from fault
    except EvidenceError as fault:
        raise ConfigError(str(path), "", str(fault)) from fault


def _quantity(table: Table) -> Quantity:
    """Raises TomlError, EvidenceError."""
    kinds = [kind for kind in PLACES if table.has(kind)]
    if len(kinds) != 1:
        raise TomlError(table.steps, f"at {' and '.join(kinds) or 'no place'}; one of {PLACES}")
    (kind,) = kinds
    found = Quantity(
        name=table.text("name"),
        place=Place(kind, table.text(kind)),
        mrid=_mrid(table),
        quantity=QUANTITIES.index(table.word("quantity", QUANTITIES)),
        phase=PHASES.index(_said(table, "phase", PHASES)),
        part=PARTS.index(_said(table, "part", PARTS)),
        unit=table.text("unit") if table.has("unit") else "",
        issuer=table.text("issuer") if table.has("issuer") else "",
        hole=table.whole("hole_ms", 1, WINDOW_NS_MAX // MS) * MS,
    )
    table.end()
    return read_quantity(tuple(found.row()))


def _said(table: Table, key: str, known: tuple[str, ...]) -> str:
    return table.word(key, known) if table.has(key) else ""


def _mrid(table: Table) -> bytes:
    said = table.text("mrid")
    try:
        return UUID(said).bytes
    except ValueError:
        table.fail("mrid", said, "a UUID")
