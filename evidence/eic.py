"""An EIC: the 16 characters by which European operators name a bus, a line, an area.

ENTSO-E, The Energy Identification Coding Scheme (EIC) Reference Manual 5.0, clause 3 and annex 1:

    10 X 1001A1001A45 0
    |  | |            check character
    |  | what the issuing office chose: digits, capitals, minus signs
    |  type of the object
    issuing office

1. A mistyped character and two neighbours exchanged are always found: weights 16 to 2 from the
   left, modulo 37, which is prime.
2. One spelling: capitals. A code is compared with, so nothing is corrected in silence.

It knows no list of codes: whether one was ever issued is for the office to say.
"""

CHARACTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-"
LENGTH = 16
TYPES = {
    "A": "substation",
    "T": "tie-line",
    "V": "location",
    "W": "resource",
    "X": "party",
    "Y": "area",
    "Z": "measurement point",
}
_OFFICE = 2  # characters, digits only
_NONE = "-"  # annex 1: a code whose check character would be the minus sign is not issued


def check_character(body: str) -> str:
    """Of the 15 characters before it, all of CHARACTERS."""
    total = sum(
        CHARACTERS.index(sign) * weight
        for sign, weight in zip(body, range(LENGTH, 1, -1), strict=True)
    )
    return CHARACTERS[36 - (total - 1) % 37]


def fault(code: str) -> str:
    """What is wrong with a code, what stands there and what was expected; empty when nothing is."""
    if len(code) != LENGTH:
        return f"{code!r} has {len(code)} characters; an EIC has {LENGTH}"
    for at, sign in enumerate(code, 1):
        if sign not in CHARACTERS:
            known = "capitals, digits and minus signs expected"
            return f"{code!r} has {sign!r} as character {at}; {known}"
    if not code[:_OFFICE].isdigit():
        return f"{code!r} begins with {code[:_OFFICE]!r}; the issuing office is two digits"
    if code[_OFFICE] not in TYPES:
        known = ", ".join(f"{letter} ({what})" for letter, what in TYPES.items())
        return f"{code!r} has {code[_OFFICE]!r} as its type; expected one of {known}"
    expected = check_character(code[:-1])
    if expected == _NONE:
        return f"{code!r}: no such code is issued, as its check character would be {_NONE!r}"
    if code[-1] != expected:
        return (
            f"{code!r} ends in {code[-1]!r}; its check character is {expected!r},"
            " if the others are right"
        )
    return ""
