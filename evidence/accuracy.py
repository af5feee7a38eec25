"""The accuracy class of an instrument transformer, as its plate says it: "0.2S", "5P20", "0.5/3P".

1. Measuring and protective classes of IEC 61869-2 5.6 (current), 61869-3 5.6 (voltage), 61869-6
   (electronic); those of IEEE C57.13, C57.13.6.
2. Two that one core keeps stand with a slash: "0.5/3P". A security factor may follow: "0.5 FS5".
3. One spelling: a class is compared with, so nothing is corrected in silence.

It tells what is a class, and not how far its values are off.
"""

import re

_MEASURING = ("0.1", "0.2", "0.2S", "0.5", "0.5S", "1", "1.0", "3", "3.0", "5")
_IEEE = ("0.15", "0.15S", "0.15N", "0.3", "0.3S", "0.6", "1.2")
# 5P20: composite error 5 % up to 20 times the rated current; 3P, 6P: of a voltage transformer.
_PROTECTIVE = r"(?:5|10)P(?:R)?\d{0,3}|(?:0\.1|0\.2|0\.5|1|3|6)P|PXR?|TP[XYZ]|5TPE"
_RELAYING = r"[CTK]\d{2,4}|X"  # IEEE C57.13: the secondary voltage that is reached
_PLAIN = "|".join(re.escape(word) for word in (*_MEASURING, *_IEEE))
_ONE = rf"(?:(?:{_PLAIN})(?: ?FS\d{{1,2}})?|{_PROTECTIVE}|{_RELAYING})"
_CLASS = re.compile(rf"{_ONE}(?:/{_ONE})?", re.ASCII)
_EXAMPLES = "0.2S, 0.5, 3P, 5P20, 0.5/3P (IEC 61869) or 0.3, C800 (IEEE C57.13)"


def fault(word: str) -> str:
    """What is wrong with a class, and what was expected; empty when nothing is."""
    if _CLASS.fullmatch(word):
        return ""
    return f"{word!r} is no accuracy class; expected one such as {_EXAMPLES}"
