"""From a kind of frame to the code that reads it: `decode` is the same on gateway, record and
bench.

1. Pure: (kind, configuration, raw) in, channel values out; nothing else is asked, nothing kept but
   compiled layouts, LAYOUTS_MAX of them.
2. Loading this loads no serial port, no socket and no other protocol's library.
3. What cannot be decoded is a FrameError with its name, whatever the bytes.

It is never on the sealing path.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from drivers.c37118 import wire as c37118
from drivers.c37118.data import Layout, Slot, Values
from drivers.line import FrameError
from evidence.code import Kind

LAYOUTS_MAX = 1024  # compiled and kept: more streams than one gateway or one admission batch has

__all__ = ["LAYOUTS_MAX", "Compiled", "Values", "compiled", "decode"]


class Compiled(NamedTuple):
    """One configuration, ready. `slots` runs parallel to what `decode` returns."""

    decode: Callable[[bytes], Values]  # raises FrameError
    slots: tuple[Slot, ...]
    stat_offsets: tuple[int, ...]  # where each block's STAT word lies in a frame
    frame_bytes: int  # of one data frame
    rate: tuple[int, int]  # frames, seconds
    layout: Layout


def decode(kind: int, configuration: bytes, raw: bytes) -> Values:
    """Channel values in engineering units, in the order of `slots`. Raises FrameError."""
    return compiled(kind, configuration).decode(raw)


@lru_cache(LAYOUTS_MAX)
def compiled(kind: int, configuration: bytes) -> Compiled:
    """The layout of a stream. Raises FrameError: no_configuration, kind_unknown, and the protocol's
    own.
    """
    if kind == Kind.C37118_INFO:
        raise FrameError("no_values", "configuration, header and command frames measure nothing")
    if kind != Kind.C37118:
        raise FrameError("kind_unknown", f"kind {kind} has no decoder")
    if not configuration:
        raise FrameError("no_configuration", "the stream's configuration is not known")
    found = c37118.decode_configuration(configuration)
    layout = Layout(found)
    return Compiled(
        layout.decode, layout.slots, layout.stat_offsets, layout.size, found.rate(), layout
    )
