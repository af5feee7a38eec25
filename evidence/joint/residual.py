"""What a pair was learned to differ by while it agreed: the body of a record of matter
STANDING_RESIDUAL.

    residual = [version, method, seam, [chain, chain], [leaves, leaves], [* learned], before / null]
    learned = [name, unit, [real, imaginary], spread, windows]

1. It was learned over the record's own interval, [from, to), from settlements that were agreed, and
   from no others; `leaves`, of each side: what those were computed from.
2. `chain`, of each side: a hash of what makes its standing error (the transformers, their taps and
   corrections, the device: record/settle). Where one has changed, the residual is another's.
3. `learned`: the mean of each measure, the root mean square about it, and of how many windows.
4. `before`: the name of the STANDING_RESIDUAL record that this one drifted from; null for the first
   of a chain. How far it may drift is record/settle's.
5. `seam` is the one that the record names as its element, as of a settlement.

It learns nothing.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

from evidence import cbor, shape
from evidence.code import VERSION
from evidence.joint.before import Before, Looked
from evidence.joint.leaf import Leaves
from evidence.joint.measure import MEASURES_MAX, read_amount, read_complex
from evidence.joint.record import Record, read_name
from evidence.joint.settlement import METHOD, check_seam, read_sides
from evidence.merkle import HASH_BYTES


class Learned(NamedTuple):
    """One measure, by its name and unit in settlements."""

    name: str
    unit: str
    mean: complex
    spread: float
    windows: int


@dataclass(frozen=True, slots=True)
class Residual:
    """One pair's."""

    seam: bytes
    chains: tuple[bytes, bytes]
    leaves: tuple[Leaves, Leaves]
    learned: tuple[Learned, ...]
    before: bytes | None = None
    method: int = METHOD

    def body(self) -> bytes:
        """Raises EvidenceError where `read` would."""
        encoded = cbor.encode(
            [
                *(VERSION, self.method, self.seam, self.chains),
                *([one.array() for one in self.leaves], [_written(one) for one in self.learned]),
                self.before,
            ]
        )
        read(encoded)
        return encoded


def read(body: bytes) -> Residual:
    """The residual in a body. Raises EvidenceError."""
    value = shape.versioned(cbor.decode(body), "residual", 7)
    one, other = shape.array(value[3], "chains", 2)
    if not 0 < len(shape.array(value[5], "learned")) <= MEASURES_MAX:
        shape.fail("learned", len(value[5]), f"1 to {MEASURES_MAX}")
    learned = tuple(map(_learned, value[5]))
    if len({item.name for item in learned}) != len(learned):
        shape.fail("learned", [item.name for item in learned], "each once")
    return Residual(
        seam=shape.blob(value[2], "seam", HASH_BYTES),
        chains=(
            shape.blob(one, "chain", HASH_BYTES),
            shape.blob(other, "chain", HASH_BYTES),
        ),
        leaves=read_sides(value[4]),
        learned=learned,
        before=shape.optional(value[6], shape.blob, "before", HASH_BYTES),
        method=shape.uint(value[1], "method"),
    )


def look(record: Record, touches: frozenset[str], before: Before) -> Looked:
    """A standing residual where it is logged. Raises EvidenceError(SEAM_UNKNOWN)."""
    check_seam(record, read(record.body).seam, touches, before)
    return Looked()


def _learned(value: Any) -> Learned:
    name, unit, mean, spread, windows = shape.array(value, "learned", 5)
    if shape.uint(windows, "windows") == 0:
        shape.fail("windows", windows, "above 0")
    return Learned(
        read_name(name, "measure"),
        read_name(unit, "unit"),
        read_complex(mean, "mean"),
        read_amount(spread, "spread"),
        windows,
    )


def _written(one: Learned) -> list[object]:
    return [
        *(one.name, one.unit, [float(one.mean.real), float(one.mean.imag)]),
        *(float(one.spread), one.windows),
    ]
