"""Frames of PMUs, changed by chance with length and check word put right: whatever comes of it is a
value or a FrameError, and every byte of a line comes out of the splitter once.

2,000 cases a protocol, from the vectors; seeded, so that a failure is found again.
"""

import random
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from drivers import decode
from drivers.c37118 import wire as c37118
from drivers.c37118.session import Session as C37118Session
from drivers.c37118.session import Terms as C37118Terms
from drivers.c37118.splitter import Bad
from drivers.ieee1344 import wire as ieee1344
from drivers.ieee1344.session import Session as Ieee1344Session
from drivers.ieee1344.session import Terms as Ieee1344Terms
from drivers.line import Frame, FrameError, Instant, Setup
from evidence.code import Kind
from evidence.leap import NS
from tests.drivers.vector import vector, vectors

CASES = 2000
HEARD = Instant((1_700_000_000 + 37) * NS, None)
Feed = Callable[[bytes, Instant], list[Frame | Setup]]


class Protocol(NamedTuple):
    """What is tried: readers of one whole frame, a fresh session, and how lengths are put right."""

    name: str
    kind: Kind
    configurations: tuple[str, ...]
    readers: tuple[Callable[[bytes], object], ...]
    session: Callable[[], tuple[Feed, Callable[[Instant], list[Frame | Setup]]]]
    mend: Callable[[bytes], bytes]


def _c37118() -> tuple[Feed, Callable[[Instant], list[Frame | Setup]]]:
    made = C37118Session(C37118Terms(commands=False))
    return made.feed, made.flush


def _ieee1344() -> tuple[Feed, Callable[[Instant], list[Frame | Setup]]]:
    made = Ieee1344Session(Ieee1344Terms(commands=False))
    return made.feed, made.flush


def _mend_c37118(raw: bytes) -> bytes:
    if not 16 <= len(raw) <= 65535:
        return raw
    return c37118.close(raw[:2] + len(raw).to_bytes(2, "big") + raw[4:-2])


def _mend_ieee1344(raw: bytes) -> bytes:
    if not 10 <= len(raw) <= 2047:
        return raw
    status = raw[6] << 8 & 0xF800 | len(raw)
    return c37118.close(raw[:6] + status.to_bytes(2, "big") + raw[8:-2])


PROTOCOLS = {
    "c37118": Protocol(
        "c37118",
        Kind.C37118,
        ("cfg2_integers", "cfg3", "cfg3_fragments", "stream_configuration_2024"),
        (
            c37118.parse_header,
            c37118.check,
            c37118.decode_configuration,
            c37118.decode_command,
            c37118.decode_header_text,
        ),
        _c37118,
        _mend_c37118,
    ),
    "ieee1344": Protocol(
        "ieee1344",
        Kind.IEEE1344,
        ("configuration", "configuration_parts", "configuration_absent"),
        (ieee1344.parse_header, ieee1344.check, ieee1344.decode_configuration),
        _ieee1344,
        _mend_ieee1344,
    ),
}


def changed(chance: random.Random, raw: bytes, others: list[bytes]) -> bytes:
    """One to four changes: bits, words at their ends, cuts, repeats, a piece of another frame."""
    found = bytearray(raw)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(found) + 1)
        what = chance.randrange(6)
        if what == 0 and found:
            found[at % len(found)] ^= 1 << chance.randrange(8)
        elif what == 1:
            found[at : at + 2] = chance.choice((b"\0\0", b"\xff\xff", b"\x7f\xff", b"\x80\0"))
        elif what == 2:
            del found[at : at + chance.randint(1, 40)]
        elif what == 3:
            found[at:at] = found[max(at - 30, 0) : at] * chance.randint(1, 3)
        elif what == 4:
            other = chance.choice(others)
            found[at:at] = other[: chance.randint(1, len(other))]
        else:
            found[at:at] = chance.randbytes(chance.randint(1, 20))
    return bytes(found)


@pytest.mark.parametrize("name", sorted(PROTOCOLS))
def test_frames_changed_by_chance(name: str):
    tried = PROTOCOLS[name]
    seeds = [raw for raw in vectors(name).values() if raw]
    compiled = [decode.compiled(tried.kind, vector(name, one)) for one in tried.configurations]
    chance = random.Random(name)
    named = 0
    for _ in range(CASES):
        raw = changed(chance, chance.choice(seeds), seeds)
        if chance.random() < 0.7:
            raw = tried.mend(raw)
        for read in (*tried.readers, *(one.decode for one in compiled)):
            try:
                read(raw)
            except FrameError:
                named += 1
        for one in compiled:
            one.judge(tuple(raw[at : at + size] for at, size in one.judge.slices))
        said(tried, [raw[at : at + 100] for at in range(0, len(raw), 100)])
    assert named > CASES


def said(tried: Protocol, pieces: list[bytes]) -> None:
    """A session hears every byte once, and names what it does not take."""
    feed, flush = tried.session()
    items = [item for piece in pieces for item in feed(piece, HEARD)] + flush(HEARD)
    frames = [item for item in items if isinstance(item, Frame)]
    total = sum(map(len, pieces))
    assert sum(len(one.raw) for one in frames) <= total
    short = [one for one in frames if one.fault is not None and len(one.raw) == 512]
    if not short:  # more than that of lost bytes is not kept
        assert sum(len(one.raw) for one in frames) == total


@pytest.mark.parametrize("name", sorted(PROTOCOLS))
def test_a_real_line_spoiled_by_chance(name: str, captures: Path, events: Path):
    """A second of real traffic, spoiled here and there: what is left whole is heard as it was."""
    if name == "c37118":
        raw = (captures / "c37118" / "annexD_from_pypmu_validate_frames.hex.txt").read_text("utf-8")
        lines = [line.split("#")[0].strip() for line in raw.splitlines()]
        frames = [bytes.fromhex(line) for line in lines if line] * 10
    else:
        whole = (events / "pmu_capture_1344" / "Sample1344.PmuCapture").read_bytes()
        items = ieee1344.Splitter().feed(whole)
        frames = [one for one in items[:60] if not isinstance(one, Bad)]
    chance = random.Random(name)
    for _ in range(40):
        hurt = set(chance.sample(range(len(frames)), 5))
        line = [changed(chance, raw, frames) if at in hurt else raw
                for at, raw in enumerate(frames)]  # fmt: skip
        feed, flush = PROTOCOLS[name].session()
        stream = b"".join(line)
        items2 = [
            one for at in range(0, len(stream), 50) for one in feed(stream[at : at + 50], HEARD)
        ]
        heard = [
            one.raw for one in items2 + flush(HEARD) if isinstance(one, Frame) and not one.fault
        ]
        kept = [raw for at, raw in enumerate(frames) if at not in hurt]
        rest = iter(heard)
        assert all(raw in rest for raw in kept)  # each of them, in order
