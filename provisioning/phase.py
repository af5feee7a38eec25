"""Which phase a channel is of, by the device's own word: the component that its configuration
states (CFG-3 of C37.118.2-2011), or else the name that it gave the channel.

1. A name says a phase where one word of it is nothing but a voltage or a current of that phase: VA,
   Ib, "LINE 2 VAN", V_AB, U1. Anything less plain says none.
2. The site plan's word goes before both, and is not asked here.

It guesses nothing from what was measured.
"""

import re
from functools import lru_cache
from itertools import pairwise

from evidence.code import Kind

# Of evidence.descriptor.PHASES, by the words of drivers.c37118.station.COMPONENTS.
_COMPONENTS = {"zero": "0", "positive": "1", "negative": "2", "A": "A", "B": "B", "C": "C"}
_WORD = re.compile(r"[VUI](AB|BC|CA|A|B|C|0|1|2)(?:N|G)?", re.ASCII)
_APART = re.compile(r"[^0-9A-Za-z]+")
CONFIGURATIONS_MAX = 256  # kept read: as many streams as pre-flight ever looks at


def of_name(name: str) -> str:
    """The phase that a name says; empty where it says none, or two."""
    text = name.upper()
    words = _APART.split(text)
    joined = [one + two for one, two in pairwise(words) if len(one) == 1]
    found = {match[1] for word in [*words, *joined] if (match := _WORD.fullmatch(word))}
    return found.pop() if len(found) == 1 else ""


@lru_cache(CONFIGURATIONS_MAX)
def stated(kind: int, configuration: bytes) -> tuple[tuple[str, ...], ...]:
    """By device of a frame, the phase of each of its phasors as the configuration states it, in
    order; nothing where it cannot.
    """
    if kind != Kind.C37118 or not configuration:
        return ()
    from drivers.c37118.wire import COMPONENTS, FrameType, decode_configuration
    from drivers.line import FrameError

    try:
        found = decode_configuration(configuration)
    except FrameError:
        return ()
    if found.frame_type is not FrameType.CFG3:
        return ()
    return tuple(
        tuple(_COMPONENTS.get(COMPONENTS[phasor.component], "") for phasor in station.phasors)
        for station in found.stations
    )
