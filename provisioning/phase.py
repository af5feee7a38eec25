"""Which phase a channel is of, by the device's own word: the component that its configuration
states (CFG-3 of C37.118.2-2011), or else the name that it gave the channel.

1. A name says a phase where one word of it is nothing but a voltage or a current of that phase: VA,
   Ib, "LINE 2 VAN", V_AB, U1. Anything less plain says none.
2. The site plan's word goes before both, and is not asked here.

It guesses nothing from what was measured.
"""

import re
from functools import lru_cache

from evidence.code import Kind

# Of evidence.descriptor.PHASES, by the words of drivers.c37118.station.COMPONENTS.
_COMPONENTS = {"zero": "0", "positive": "1", "negative": "2", "A": "A", "B": "B", "C": "C"}
# What is measured, the phase, to what; a number tells the second of a kind: IA1, IA2.
_WORD = re.compile(r"([VUI])(?:(AB|BC|CA|A|B|C)[NG]?(\d{0,2})|([012]))", re.ASCII)
_ALONE = ("V", "U", "I")
_APART = re.compile(r"[^0-9A-Za-z]+")
CONFIGURATIONS_MAX = 256  # kept read: as many streams as pre-flight ever looks at


def of_name(name: str) -> str:
    """The phase that a name says; empty where it says none, or two."""
    found = {match[2] or match[4] for word in _words(name) if (match := _WORD.fullmatch(word))}
    return found.pop() if len(found) == 1 else ""


def without(name: str) -> str:
    """The name without the phase in it: alike for the three of one place; empty where it says
    none.
    """
    said = of_name(name)
    if not said:
        return ""
    kept = [_WORD.sub(r"\1\3", word) if _WORD.fullmatch(word) else word for word in _words(name)]
    return " ".join(filter(None, kept))


def _words(name: str) -> list[str]:
    """Its words in capitals; a letter that stands alone belongs to what follows: V A, I_B."""
    found: list[str] = []
    for word in _APART.split(name.upper()):
        if found and found[-1] in _ALONE and _WORD.fullmatch(found[-1] + word):
            found[-1] += word
        else:
            found.append(word)
    return found


@lru_cache(CONFIGURATIONS_MAX)
def stated(kind: int, configuration: bytes) -> tuple[tuple[str, ...], ...]:
    """By device of a frame, the phase of each of its phasors as the configuration states it, in
    order; nothing where it cannot.
    """
    if kind not in (Kind.C37118, Kind.MCU_C37118) or not configuration:
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
