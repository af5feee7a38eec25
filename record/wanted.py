"""Which channels somebody wants, by what descriptors say of them, and what gives their values from
a frame.

1. A channel is found by place, quantity, phase, unit and name; by whose gateway hears it. What is
   not asked for is left open.
2. A frequency that no channel places is that of the device: it is at the buses that its block's
   other channels are at.
3. Parts of a phasor come as the device sent them where it sent them, and by sqrt, sin, cos and
   atan2 where it sent others. A value that is none stays none.

It reads no observation.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from drivers.decode import compiled
from drivers.line import FrameError
from drivers.values import Compiled, Slot, Value, Values
from evidence.code import SILENT
from evidence.descriptor import Channel
from record.channel import channels_of, names_of
from record.known import KnownDescriptor, KnownRun
from record.lookup import name_of

PARTS = {"magnitude": "angle", "real": "imaginary"}  # of a phasor: its first place, its second
OF_BLOCK = ("frequency", "rocof")  # of a whole device, where no channel says of which bus
Give = Callable[[Values], Value | complex]


class Wanted(NamedTuple):
    """Channels, by what their descriptors say. What is None or empty leaves open.

    `part`: magnitude, angle, real or imaginary of a phasor; empty: a phasor as one complex number,
    V or A, and of anything else its value. `issuer`: of the gateway's credential; `heirs`: others
    whose word is the issuer's, each in runs from a place of the log on; `gateway`: its name in the
    credential; `stream`: as record.lookup names it.
    """

    node: bytes | None = None
    terminal: bytes | None = None
    quantity: str = ""
    phase: str | None = None
    part: str = ""
    units: tuple[str, ...] = ()
    name: str = ""
    issuer: str = ""
    gateway: str = ""
    stream: str = ""
    heirs: tuple[tuple[str, int], ...] = ()

    def of_run(self, run: KnownRun) -> bool:
        """Whether a run's gateway may be meant."""
        says = run.credential
        known = self.issuer in ("", says.issuer) or any(
            name == says.issuer and run.id >= since for name, since in self.heirs
        )
        return known and self.gateway in ("", says.subject)

    def at(self, channel: Channel) -> bool:
        """Whether a channel is at the place."""
        return self.node in (None, channel.node) and self.terminal in (None, channel.terminal)

    def takes(self, channel: Channel, name: str) -> bool:
        """Whether a channel is one of them."""
        return (
            self.at(channel)
            and self.quantity in ("", channel.quantity)
            and self.phase in (None, channel.phase)
            and (not self.units or channel.unit in self.units)
            and self.name in ("", name)
        )


def frames_of(known: KnownDescriptor) -> Compiled | None:
    """What reads the values under a descriptor; None where nothing can."""
    if known.descriptor.kind in SILENT:
        return None
    try:
        return compiled(known.descriptor.kind, known.configuration or b"")
    except FrameError:
        return None  # its receipts say NO_CONFIGURATION


def channels_for(
    wanted: Wanted, known: KnownDescriptor, slots: Sequence[Slot]
) -> Iterator[tuple[int | None, int, str, Give]]:
    """Channel, block, name, and what gives the value, of each channel that is wanted."""
    if not wanted.of_run(known.run) or wanted.stream not in ("", name_of(known)):
        return
    rows, names, places = known.descriptor.channels, names_of(known), channels_of(known, slots)
    at_place = {row.block for row in rows if wanted.at(row)}
    for at, slot in enumerate(slots):
        if slot.part in PARTS.values():
            continue
        channel = places[at]
        if channel is not None and rows[channel].node is not None:
            meant = wanted.takes(rows[channel], names[channel])
        else:
            meant = slot.quantity in OF_BLOCK and _of_device(wanted, slot, at_place)
        give = _giver(at, slot, wanted.part) if meant else None
        if give is not None:
            yield channel, slot.block, slot.name, give


def _of_device(wanted: Wanted, slot: Slot, blocks: set[int]) -> bool:
    """Whether a frequency is meant that no channel places: that of a device that is there."""
    named = wanted.name in ("", slot.name) and wanted.phase in (None, "")
    return named and slot.quantity == wanted.quantity and slot.block in blocks


def _giver(at: int, slot: Slot, part: str) -> Give | None:
    """What gives the wanted part of a channel whose first value is there; None: it has none."""
    if slot.part not in PARTS:
        return None if part in (*PARTS, *PARTS.values()) else lambda values: _given(values[at])
    polar = slot.part == "magnitude"
    if part == slot.part:
        return lambda values: _given(values[at])
    if part == PARTS[slot.part]:
        return lambda values: _given(values[at + 1])
    turn: Callable[[float, float], Value | complex]
    if part == "":
        turn = _of_polar if polar else complex
    elif part == "magnitude":
        turn = lambda real, imaginary: math.sqrt(real * real + imaginary * imaginary)  # noqa: E731
    elif part == "angle":
        turn = lambda real, imaginary: math.atan2(imaginary, real)  # noqa: E731
    elif part == "real":
        turn = lambda magnitude, angle: magnitude * math.cos(angle)  # noqa: E731
    elif part == "imaginary":
        turn = lambda magnitude, angle: magnitude * math.sin(angle)  # noqa: E731
    else:
        return None

    def give(values: Values) -> Value | complex:
        one, other = values[at], values[at + 1]
        if not _is_finite(one) or not _is_finite(other):
            return None
        return turn(one, other)  # type: ignore[arg-type]

    return give


def _of_polar(magnitude: float, angle: float) -> complex:
    return complex(magnitude * math.cos(angle), magnitude * math.sin(angle))


def _is_finite(value: Value) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _given(value: Value) -> Value:
    return None if isinstance(value, float) and not math.isfinite(value) else value
