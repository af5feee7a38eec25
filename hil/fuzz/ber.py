"""One element of a BER encoding broken, and the lengths around it put right: what a decoder reads
only after the outer lengths held.

1. Reading is lenient: what is not elements, end to end, is contents.
2. Depth and number of what is read are bounded; what is written may nest NESTED deep.

It knows no type: drivers.ber, which is what is tried, has no part in it.
"""

from random import Random

from hil.fuzz.mutation import EXTREMES, LENGTHS

NESTED = 1_000
_DEPTH_MAX = 12
_ELEMENTS_MAX = 2_000
_CONSTRUCTED = 0x20
_TAGS = (0x00, 0x1F, 0x30, 0x60, 0x61, 0x7F, 0xA1, 0xA2, 0xAB, 0xFF, *range(0x80, 0x93))


class Node:
    """One element: its contents as octets, or as the elements that they are."""

    __slots__ = ("contents", "inside", "length", "tag")

    def __init__(self, tag: int, contents: bytes, inside: "list[Node] | None") -> None:
        self.tag = tag
        self.contents = contents
        self.inside = inside
        self.length: bytes | None = None  # what is said instead of the length

    def octets(self) -> bytes:
        """The element, its length as it is unless another is said."""
        body = self.contents
        if self.inside is not None:
            body = b"".join(node.octets() for node in self.inside)
        return bytes((self.tag,)) + (size(len(body)) if self.length is None else self.length) + body


def size(number: int) -> bytes:
    """A length in its fewest octets."""
    if number < 0x80:
        return bytes((number,))
    octets = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return bytes((0x80 | len(octets),)) + octets


def nodes(raw: bytes, depth: int = 0) -> list[Node] | None:
    """The elements that these octets are from end to end; None where they are none."""
    found: list[Node] = []
    at = 0
    while at < len(raw):
        if at + 2 > len(raw) or len(found) >= _ELEMENTS_MAX:
            return None
        tag, length, start = raw[at], raw[at + 1], at + 2
        if length > 0x80:
            start += length - 0x80
            length = int.from_bytes(raw[at + 2 : start], "big")
        if start + length > len(raw):
            return None
        contents = raw[start : start + length]
        deep = tag & _CONSTRUCTED and depth < _DEPTH_MAX
        found.append(Node(tag, contents, nodes(contents, depth + 1) if deep else None))
        at = start + length
    return found


def nested(tag: int, depth: int, core: bytes = b"") -> bytes:
    """So many elements in one another, every length right."""
    parts, length = [core], len(core)
    for _ in range(depth):
        head = bytes((tag,)) + size(length)
        parts.append(head)
        length += len(head)
    return b"".join(reversed(parts))


def vary(chance: Random, raw: bytes) -> bytes:
    """One element of these octets broken, those around it right."""
    top = nodes(raw)
    if not top:
        return raw
    every = [(top, at) for at in range(len(top))]
    for among, at in every:  # grows while it is walked
        inside = among[at].inside
        if inside is not None:
            every += [(inside, below) for below in range(len(inside))]
    among, at = chance.choice(every)
    chance.choice(_BREAKS)(chance, among, at)
    return b"".join(node.octets() for node in top)


def _lie(chance: Random, among: list[Node], at: int) -> None:
    among[at].length = chance.choice(LENGTHS)


def _retag(chance: Random, among: list[Node], at: int) -> None:
    among[at].tag = chance.choice(_TAGS)


def _number(chance: Random, among: list[Node], at: int) -> None:
    """Other contents: an extreme number, of any width."""
    node, width = among[at], chance.choice((0, 1, 2, 3, 4, 5, 8, 9, 16))
    node.inside = None
    node.contents = (chance.choice(EXTREMES) % (1 << 8 * width)).to_bytes(width, "big")


def _fill(chance: Random, among: list[Node], at: int) -> None:
    node = among[at]
    node.inside = None
    octet = chance.choice((b"\x00", b"\x7f", b"\x80", b"\xff", chance.randbytes(1)))
    node.contents = octet * chance.choice((1, 2, 130, 1_400, 8_000)) + chance.choice((b"", b"\x01"))


def _double(chance: Random, among: list[Node], at: int) -> None:
    among[at:at] = [among[at]] * chance.choice((1, 1, 2, 100, 3_000))


def _drop(_: Random, among: list[Node], at: int) -> None:
    del among[at]


def _exchange(chance: Random, among: list[Node], at: int) -> None:
    other = chance.randrange(len(among))
    among[at], among[other] = among[other], among[at]


def _nest(chance: Random, among: list[Node], at: int) -> None:
    """Inside of many others: at the bound of depth, and far beyond it."""
    depth, tag = chance.choice((1, 5, 14, 15, 16, 17, 100, NESTED)), chance.choice((0xA2, 0xA1))
    deep = nested(tag, depth - 1, among[at].octets())
    among[at] = Node(tag, deep, None)


def _graft(chance: Random, among: list[Node], at: int) -> None:
    """Another element of its neighbourhood, in its place."""
    among[at] = Node(chance.choice(_TAGS), chance.choice(among).octets(), None)


_BREAKS = (_lie, _retag, _number, _number, _fill, _double, _drop, _exchange, _nest, _graft)
