"""One spelling of what people type in several, to tell whether two texts name the same thing.

1. Letters A to Z become a to z; whatever else in ASCII is no letter or digit separates words, and
   words are one space apart: "Reg-Up", "reg up" and " REG_UP " are one.
2. Beyond ASCII a text is as it was typed: tables of other letters differ between the releases of
   Unicode that two readers have, and both must come to the same.

It knows no synonyms: those are a policy's.
"""

import re

_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")
_BETWEEN = re.compile(r"[\x00-\x2f\x3a-\x60\x7b-\x7f]+")  # after lowering: no letter, no digit


def folded(text: str) -> str:
    """The text in its one spelling; empty where it is punctuation alone."""
    return _BETWEEN.sub(" ", text.translate(_LOWER)).strip(" ")
