"""What decoding gives, whatever the protocol: values, what each of them is, and what the frame
itself says against them.

1. `Slot` runs parallel to the values: what stands at a place is told by the slot at that place.
2. A value is None, or NaN among floats, where the device gave none; nothing is made up for it.
3. A judge says what the device's own words make of a frame (evidence.code.Class and Reason), from
   the slices of `raw` that it names and nothing else, so that a reader may skip the rest.

It decodes nothing.
"""

from collections.abc import Callable
from math import isfinite
from typing import NamedTuple, Protocol

from evidence.code import Class, Reason

Value = float | bool | str | bytes | None | tuple["Value", ...]
Values = tuple[Value, ...]
Verdict = tuple[Class, Reason]

WHOLE = ((0, 1 << 32),)  # slices of a judge that needs all of raw
# A phasor that is late by this much alone errs by 1 % TVE, all that C37.118.1-2011 5.5 allows:
# 0.01 rad at 60 Hz, rounded down. At 50 Hz it is 31.8 us; the stricter one rules both.
PHASOR_BOUND_NS_MAX = 26_500


class Slot(Protocol):
    """What one place of the values is."""

    @property
    def block(self) -> int:
        """Which device of the frame."""

    @property
    def name(self) -> str:
        """As the configuration names it."""

    @property
    def quantity(self) -> str:
        """voltage, current, frequency, power, digital, ...: the protocol's README lists its own."""

    @property
    def part(self) -> str:
        """magnitude, angle, quality, ...; empty where a channel has one place."""

    @property
    def unit(self) -> str:
        """Empty where none is stated."""


class Judge(Protocol):
    """What the record asks of a frame that it does not decode."""

    @property
    def slices(self) -> tuple[tuple[int, int], ...]:
        """(offset, length) in `raw`, rising and apart, on which the verdict depends."""

    def __call__(self, marks: tuple[bytes, ...]) -> list[Verdict]:
        """From these slices: what is wrong; empty when nothing is. Never raises."""


def no_words(raw: bytes) -> str:
    """Of a protocol whose frames say all they have to say by values."""
    return ""


def missing(values: Values) -> tuple[int, ...]:
    """The places of values where the device gave none; of a tuple, where one in it is none."""
    try:
        if isfinite(sum(values)):  # type: ignore[arg-type]
            return ()  # all are numbers, and none is NaN: the usual case, at the price of a sum
    except TypeError:
        pass
    return tuple(at for at, value in enumerate(values) if _is_missing(value))


def _is_missing(value: Value) -> bool:
    if isinstance(value, tuple):
        return any(map(_is_missing, value))
    return value is None or (isinstance(value, float) and not isfinite(value))


class Compiled(NamedTuple):
    """One configuration, ready."""

    decode: Callable[[bytes], Values]  # raises FrameError
    slots: tuple[Slot, ...]
    frame_bytes: int  # of one data frame; 0 where that varies
    rate: tuple[int, int]  # frames, seconds
    judge: Judge
    bound_ns_max: int = PHASOR_BOUND_NS_MAX  # of the instant: above it the value does not settle
    # what a frame says to people where it has no values to give; never raises
    words: Callable[[bytes], str] = no_words
