"""The Basic Encoding Rules as GOOSE and Sampled Values use them (ITU-T X.690, IEC 61850-8-1 A,
IEC 61850-9-2 clause 8): tag, length and contents, in place.

1. Definite lengths only (X.690 8.1.3.3), and tags of one octet: no element of either protocol has a
   number above 30.
2. A length is compared with what its enclosing element has left before anything else is done with
   it: one of 2^31, or one octet too long, is refused where it stands.
3. How deep elements may nest is DEPTH_MAX, whoever walks them: `deeper` is asked before each
   descent.
4. A length longer than it need be (0x81 0x05) is taken, as X.690 8.1.3.5 allows; GOOSE with lengths
   of a fixed width (IEC 61850-8-1 Annex A) has such numbers too.

It knows no type of either protocol, copies nothing, and raises only FrameError.
"""

from typing import NamedTuple

from drivers.line import FrameError

DEPTH_MAX = 16  # elements in one another; the deepest data object of IEC 61850-7-4 nests 6
LENGTH_OCTETS_MAX = 4  # X.690 8.1.3.5 allows 126; no frame has 2^32 octets
CONSTRUCTED = 0x20  # X.690 8.1.2.5
_LONG_TAG = 0x1F  # X.690 8.1.2.4: the number follows in further octets
LONG_LENGTH = 0x80  # a length octet from here on counts further ones


class Element(NamedTuple):
    """One element in place: its tag octet, and where its contents begin and end."""

    tag: int
    start: int
    stop: int


def element(data: bytes, at: int, end: int) -> Element:
    """The element at `at`, of which nothing lies beyond `end`.

    Raises FrameError: ber_truncated, ber_tag, ber_indefinite, ber_length.
    """
    if end > len(data) or at + 2 > end:
        raise FrameError("ber_truncated", f"no whole element in {max(end - at, 0)} octets at {at}")
    tag, size, start = data[at], data[at + 1], at + 2
    if tag & _LONG_TAG == _LONG_TAG:
        raise FrameError("ber_tag", f"a tag of several octets at {at}")
    if size >= LONG_LENGTH:
        size, start = _long(data, at, end)
    if size > end - start:
        text = f"length {size} of tag {tag:#04x} at {at}, where {end - start} octets are left"
        raise FrameError("ber_length", text)
    return Element(tag, start, start + size)


def _long(data: bytes, at: int, end: int) -> tuple[int, int]:
    """A length in its long form: the length, and where the contents begin."""
    octets, start = data[at + 1] - LONG_LENGTH, at + 2
    if not octets:
        raise FrameError("ber_indefinite", f"an indefinite length at {at}")
    if octets > LENGTH_OCTETS_MAX:
        text = f"a length of {octets} octets at {at}; at most {LENGTH_OCTETS_MAX}"
        raise FrameError("ber_length", text)
    if start + octets > end:
        raise FrameError("ber_truncated", f"a length that is not whole at {at}")
    return int.from_bytes(data[start : start + octets], "big"), start + octets


def elements(data: bytes, at: int, end: int, most: int) -> list[Element]:
    """All elements from `at` to `end`, end to end, `most` of them.

    Raises FrameError: ber_count, and what `element` raises.
    """
    found: list[Element] = []
    while at < end:
        if len(found) == most:
            raise FrameError("ber_count", f"more than {most} elements in one")
        found.append(element(data, at, end))
        at = found[-1].stop
    return found


def deeper(depth: int) -> int:
    """The depth of what is inside. Raises FrameError: ber_depth."""
    if depth >= DEPTH_MAX:
        raise FrameError("ber_depth", f"elements nested deeper than {DEPTH_MAX}")
    return depth + 1


def unsigned(data: bytes, start: int, stop: int, bits: int) -> int:
    """The contents as a number of at most so many bits, none of them a sign.

    With or without the zero octet that X.690 8.3 puts before a first bit that is set: senders
    differ. Raises FrameError: ber_integer.
    """
    if start >= stop:
        raise FrameError("ber_integer", f"an integer without contents at {start}")
    found = int.from_bytes(data[start:stop], "big")
    if found >> bits:
        raise FrameError("ber_integer", f"an integer beyond {bits} bits at {start}")
    return found


def signed(data: bytes, start: int, stop: int, octets: int) -> int:
    """The contents in two's complement (X.690 8.3.3), of at most so many octets.

    Raises FrameError: ber_integer.
    """
    if not 0 < stop - start <= octets:
        text = f"an integer of {stop - start} octets at {start}; 1 to {octets}"
        raise FrameError("ber_integer", text)
    return int.from_bytes(data[start:stop], "big", signed=True)


def encode(tag: int, contents: bytes) -> bytes:
    """One element, its length in the fewest octets (X.690 8.1.3)."""
    size = len(contents)
    if size < LONG_LENGTH:
        return bytes((tag, size)) + contents
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, LONG_LENGTH | len(octets))) + octets + contents


def integer(number: int, octets: int = 0) -> bytes:
    """The contents of an INTEGER: in two's complement, in the fewest octets or in so many.

    Raises ValueError where they do not hold it.
    """
    fewest = (number if number >= 0 else ~number).bit_length() // 8 + 1
    if octets and octets < fewest:
        raise ValueError(f"{number} needs {fewest} octets")
    return number.to_bytes(octets or fewest, "big", signed=True)
