"""What somebody says of an event, with figures as they were published: body of a record of matter
CLAIM.

    claim = [version, text, source, [* figure]]
    figure = [name, unit, value, rounded / null]

1. The interval is the record's own, [from, to), and what it is about are its elements. A claim is
   its author's word: it measures nothing, and one that contradicts it stands beside it.
2. `source`: where it was published, for people; empty where the author says it here first.
3. `rounded`: to which step a figure was rounded, in its unit; None: nobody states it. Half of it is
   how far the figure may be off for that alone.
4. NET_ENERGY is what flowed out of the author's footprint over the seam that is the record's one
   element, less what flowed in: as Form EIA-930 counts interchange, where an export is positive.

It judges nothing.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

from evidence import cbor, shape
from evidence.code import VERSION
from evidence.joint.record import read_name

FIGURES_MAX = 256
TEXT_BYTES_MAX = 4096
NET_ENERGY = "net energy out"  # in MWh


class Figure(NamedTuple):
    """One number with its unit."""

    name: str
    unit: str
    value: float
    rounded: float | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim."""

    text: str
    source: str = ""
    figures: tuple[Figure, ...] = ()

    def body(self) -> bytes:
        """Raises EvidenceError where `read` would."""
        encoded = cbor.encode(
            [
                *(VERSION, self.text, self.source),
                [
                    [one.name, one.unit, float(one.value), _written(one.rounded)]
                    for one in self.figures
                ],
            ]
        )
        read(encoded)
        return encoded

    def figure(self, name: str) -> Figure | None:
        """The figure of this name; None where it says none."""
        return next((one for one in self.figures if one.name == name), None)


def read(body: bytes) -> Claim:
    """The claim in a body. Raises EvidenceError."""
    value = shape.versioned(cbor.decode(body), "claim", 4)
    if len(shape.array(value[3], "figures")) > FIGURES_MAX:
        shape.fail("figures", len(value[3]), f"at most {FIGURES_MAX}")
    figures = tuple(map(_figure, value[3]))
    if len({one.name for one in figures}) != len(figures):
        shape.fail("figures", [one.name for one in figures], "each once")
    found = Claim(_text(value[1], "text"), _text(value[2], "source"), figures)
    if not found.text and not figures:
        shape.fail("claim", body.hex()[:40], "words or figures")
    return found


def _figure(value: Any) -> Figure:
    name, unit, number, rounded = shape.array(value, "figure", 4)
    if type(number) is not float:
        shape.fail("value", number, "a float")
    return Figure(
        read_name(name, "figure"),
        read_name(unit, "unit"),
        number,
        shape.optional(rounded, _step, "rounded"),
    )


def _step(value: Any, field: str) -> float:
    if type(value) is not float or not value > 0.0:
        shape.fail(field, value, "a float above 0")
    return value


def _text(value: Any, field: str) -> str:
    found = shape.text(value, field)
    if len(found.encode()) > TEXT_BYTES_MAX:
        shape.fail(field, len(found.encode()), f"at most {TEXT_BYTES_MAX} bytes")
    return found


def _written(rounded: float | None) -> float | None:
    return None if rounded is None else float(rounded)
