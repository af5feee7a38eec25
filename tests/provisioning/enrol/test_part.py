"""Parts of a file in QR codes: joined in any order, and never to something else."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning.enrol import parcel, part
from provisioning.source import RequestError


@pytest.mark.parametrize(
    ("data", "text"),
    [  # RFC 9285 4.3
        (b"AB", "BB8"),
        (b"Hello!!", "%69 VD92EX0"),
        (b"base-45", "UJCLQE7W581"),
        (b"ietf!", "QED8WEX0"),
        (b"", ""),
    ],
)
def test_base45_as_its_standard_says(data: bytes, text: str) -> None:
    assert (part.encode(data), part.decode(text)) == (text, data)


@pytest.mark.parametrize("text", ["GGW", "A", "::", "ab", "AB8C", "Ä11"])
def test_what_base45_never_gives_is_refused(text: str) -> None:
    """GGW is 65,536 (RFC 9285 6)."""
    with pytest.raises(RequestError):
        part.decode(text)


@given(st.binary(min_size=1, max_size=3000), st.integers(60, 700), st.randoms())
def test_parts_are_joined_in_any_order(data: bytes, characters: int, chance: random.Random) -> None:
    parts = part.split(data, characters)
    assert all(len(one) <= characters and set(one) <= set(part.ALPHABET) for one in parts)
    shown = [f"QR-Code:{one}" if chance.random() < 0.5 else f"  {one}\r" for one in parts] * 2
    chance.shuffle(shown)
    assert part.joined("\n".join(["", "other words", *shown]).encode()) == data


def test_what_is_missing_is_said_by_number() -> None:
    parts = part.split(bytes(400), 100)
    text = "\n".join(one for at, one in enumerate(parts, 1) if at not in (2, 5))
    with pytest.raises(RequestError, match=r"missing: part 2, 5$"):
        part.joined(text.encode())


def test_parts_of_two_files_and_damaged_ones_are_refused() -> None:
    one, other = (part.split(bytes([byte]) * 90, 100) for byte in (1, 2))
    with pytest.raises(RequestError, match="more than one"):
        part.joined("\n".join([one[0], other[1]]).encode())
    harmed = one[0][:-2] + ("1." if one[0][-2] == "0" else "0.")
    with pytest.raises(RequestError, match="differs"):
        part.joined("\n".join([*one, harmed]).encode())
    with pytest.raises(RequestError):
        part.joined("\n".join([harmed, *one[1:]]).encode())


def test_a_request_comes_back_from_its_parts() -> None:
    packed = parcel.pack(b"what was said, " * 100)
    text = "\n".join(reversed(part.split(packed, 80)))
    assert parcel.unpack(text.encode()) == b"what was said, " * 100


@given(st.binary(max_size=300))
def test_foreign_text_is_refused_by_name(data: bytes) -> None:
    for text in (b"GSQ1/" + data, b"GSQ1/00000000/1/1/" + data + b"."):
        with pytest.raises(RequestError):
            parcel.unpack(text)
