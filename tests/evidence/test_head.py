"""The quick reading of heads, against the general one: the same values, or nothing."""

import random

from evidence import cbor, head, merkle
from evidence.code import Reason
from evidence.head import Head, Range
from evidence.refusal import EvidenceError

HASHES = [merkle.leaf_hash(bytes((n,))) for n in range(4)]
ONE = Range(5, HASHES[0], 1, 1, HASHES[0], HASHES[1])
WIDTHS = (0, 23, 24, 255, 256, 65_535, 65_536, (1 << 32) - 1, 1 << 32, (1 << 64) - 1)


def payload(ranges: int, numbers: tuple[int, ...] = (1,)) -> bytes:
    picked = random.Random(ranges)
    rows = []
    for stream in range(ranges):
        first = min(picked.choice(numbers), (1 << 64) - 2)
        rows.append(Range(picked.choice(numbers), HASHES[1], first, first, HASHES[2], HASHES[3]))
        rows[-1] = rows[-1]._replace(stream=stream) if len(numbers) == 1 else rows[-1]
    value = Head(HASHES[0], 7, HASHES[1], ranges, HASHES[2], tuple(rows))
    return value.payload()


def test_every_width_and_count_is_read_the_quick_way():
    for ranges in (1, 2, 23, 24, 255, 256, 420):
        encoded = payload(ranges, WIDTHS)
        assert head._usual(encoded) == cbor.decode(encoded)
    for number in WIDTHS:
        value = Head(HASHES[0], number, HASHES[1], 1, HASHES[2], ())
        assert head._usual(value.payload()) == cbor.decode(value.payload())


def test_no_bit_changed_is_read_otherwise():
    encoded = payload(3, WIDTHS)
    for bit in range(8 * len(encoded)):
        changed = bytearray(encoded)
        changed[bit >> 3] ^= 1 << (bit & 7)
        assert agrees(bytes(changed)), bit


def test_nothing_cut_or_appended_is_read_otherwise():
    encoded = payload(2)
    for size in range(len(encoded)):
        assert agrees(encoded[:size])
    assert agrees(encoded + b"\0")


def test_longer_numbers_than_needed_are_refused():
    short, longer = b"\x86\x05", (b"\x86\x18\x05", b"\x86\x19\x00\x05", b"\x86\x1a\0\0\0\x05")
    value = Head(HASHES[0], 7, HASHES[1], 1, HASHES[2], (ONE,))
    encoded = value.payload()
    assert head.read(encoded) == value
    for other in (*longer, b"\x86\x1b" + bytes(7) + b"\x05"):
        try:
            head.read(encoded.replace(short, other, 1))
        except EvidenceError as fault:
            assert fault.reason == Reason.ENCODING
        else:
            raise AssertionError(other)


def agrees(encoded: bytes) -> bool:
    """Whether the quick reader says the same as the general one, or nothing."""
    found = head._usual(encoded)
    try:
        return found is None or found == cbor.decode(encoded)
    except EvidenceError:
        return False


def test_what_is_written_is_no_deeper_than_what_is_read():
    for leaf in (b"x", 1, "x", None):
        value: object = leaf
        for _ in range(cbor.DEPTH_MAX):
            value = [value]
        assert cbor.decode(cbor.encode(value))
        try:
            cbor.encode([value])
        except EvidenceError as fault:
            assert fault.reason == Reason.ENCODING
        else:
            raise AssertionError(leaf)
