"""How what is not public is marked, in the words of the record itself: whoever has a record alone,
without the scenario, reads it there.
"""

from collections.abc import Sequence

INSTANT_NS = 1_000_000_000  # how long what happened at an instant is said to have taken
WORDS = {
    "published": "",
    "modelled": "Modelled.",
    "synthetic": "Synthetic.",
    "reconstructed": "Reconstructed: nobody signed this then.",
}


def marked(text: str, mark: str) -> str:
    """A text with what it is worth."""
    return " ".join(filter(None, (text, WORDS[mark])))


def names(some: Sequence[str]) -> tuple[str, ...]:
    """As a record has names: sorted, each once."""
    return tuple(sorted(set(some)))
