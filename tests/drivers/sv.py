"""Streams of Sampled Values for tests of the session, and what comes out of that in short."""

from collections.abc import Iterable

from drivers import decode
from drivers.line import Frame, Instant, Setup
from drivers.sv.session import Session, Terms
from evidence.code import Class, Reason
from evidence.leap import NS
from tests.drivers.make_sv import plain

Item = Frame | Setup
T0 = 1_795_608_037 * NS  # a second of TAI: 2026-11-25 12:00:00 UTC
LATENCY_NS = 1_500_000
BOUND = 1_000
PROFILES = ((4000, 1), (4800, 1), (4800, 2), (12_800, 8), (14_400, 6), (15_360, 8))


def heard(
    number: int, rate: int, raw: bytes, late_ns: int = LATENCY_NS, bound: int | None = BOUND
) -> tuple[bytes, Instant, int]:
    """A frame whose first sample is `number` after T0."""
    return raw, Instant(T0 + number * NS // rate + late_ns, bound), 0


def stream(
    numbers: Iterable[int], rate: int = 4800, asdus: int = 1, **how: object
) -> list[tuple[bytes, Instant, int]]:
    return [heard(number, rate, plain(number % rate, rate, asdus, **how)) for number in numbers]


def played(
    packets: list[tuple[bytes, Instant, int]], terms: Terms | None = None, at_once: int = 48
) -> tuple[list[Setup], list[Frame], Session]:
    session = Session(terms or Terms(rate=4800))
    items: list[Item] = []
    for at in range(0, len(packets), at_once):
        items += session.feed(packets[at : at + at_once])
    items += session.flush()
    frames = [item for item in items if isinstance(item, Frame)]
    return [item for item in items if isinstance(item, Setup)], frames, session


def counts_of(setup: Setup, frame: Frame) -> tuple[int, ...]:
    values = decode.decode(frame.kind, setup.configuration, frame.raw)
    return values[0]  # type: ignore[return-value]


def verdicts(setup: Setup, frame: Frame) -> set[tuple[Class, Reason]]:
    return set(decode.compiled(frame.kind, setup.configuration).judge((frame.raw,)))


MISSING = (Class.DATA_INVALID, Reason.SAMPLES_MISSING)
