"""Counts of the wire to engineering units: one function for each layout, made when it is compiled.

1. `scaler(factors, offsets)` gives f(*counts) = (count * factor + offset, ...). A factor of 1 and
   an offset of 0 cost nothing: that place is handed on as it is, an integer as an integer.
2. The function is one expression, written out place by place. A loop over 24 places costs twice as
   much as the expression, and decoding is what a reader of a record waits for. What is evaluated is
   made of place numbers alone; factors and offsets are handed to it as values, whatever they are.
3. Above WRITTEN_MAX places the same is done by a loop.

It knows no protocol, and what is missing is for the caller to say.
"""

from collections.abc import Callable, Sequence
from operator import mul
from typing import cast

# Places written out: a frame of ten PMUs. Compiling takes time (10 us a place) and a stack.
WRITTEN_MAX = 256

Scaler = Callable[..., tuple[float, ...]]


def scaler(factors: Sequence[float], offsets: Sequence[float]) -> Scaler:
    """What turns so many counts, given one by one, into so many values."""
    if not 0 < len(factors) <= WRITTEN_MAX:
        return _loop(factors, offsets)
    places, known = [], dict[str, float]()
    for at, (factor, offset) in enumerate(zip(factors, offsets, strict=True)):
        text = f"c{at}"
        if factor != 1:
            text, known[f"f{at}"] = f"{text} * f{at}", factor
        if offset:
            text, known[f"o{at}"] = f"{text} + o{at}", offset
        places.append(text)
    counts = ", ".join(f"c{at}" for at in range(len(factors)))
    source = f"lambda {counts}: ({', '.join(places)},)"
    return cast(Scaler, eval(source, {"__builtins__": {}} | known))  # noqa: S307 - rule 2


def _loop(factors: Sequence[float], offsets: Sequence[float]) -> Scaler:
    # An integer times the integer 1 is the integer still.
    each = [1 if factor == 1 else factor for factor in factors]
    shifted = [(at, offset) for at, offset in enumerate(offsets) if offset]

    def scale(*counts: float) -> tuple[float, ...]:
        scaled = list(map(mul, counts, each))
        for at, offset in shifted:
            scaled[at] += offset
        return tuple(scaled)

    return scale
