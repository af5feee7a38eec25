"""Which channel of a descriptor each value of a frame belongs to, and what a channel is called.

1. A value belongs to the channel of its block that has its name. Where several have it they come in
   one order on both sides, each with as many values as the others (a phasor has two).
2. A value that no channel is named for (STAT, smpCnt, a quality) belongs to none.
3. Names are what the descriptor disclosed to the record.
"""

from collections import Counter
from collections.abc import Sequence

from drivers.values import Slot
from record.known import KnownDescriptor


def names_of(known: KnownDescriptor) -> tuple[str, ...]:
    """The names of the descriptor's channels, in its order; empty where one is not disclosed."""
    return tuple(
        known.told.get(channel.name, b"").decode(errors="replace")
        for channel in known.descriptor.channels
    )


def channels_of(known: KnownDescriptor, slots: Sequence[Slot]) -> tuple[int | None, ...]:
    """The place of each slot's channel among the descriptor's."""
    places: dict[tuple[int, str], list[int]] = {}
    names = names_of(known)
    for at, (channel, name) in enumerate(zip(known.descriptor.channels, names, strict=True)):
        places.setdefault((channel.block, name), []).append(at)
    many = Counter((slot.block, slot.name) for slot in slots)
    seen: Counter[tuple[int, str]] = Counter()
    found: list[int | None] = []
    for slot in slots:
        key = (slot.block, slot.name)
        of = places.get(key)
        found.append(of[seen[key] * len(of) // many[key]] if of else None)
        seen[key] += 1
    return tuple(found)
