"""Other people's connections put together: recorded traffic, and what a recording may hold."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.decode import decode
from drivers.line import Frame, FrameError, Instant, Setup
from drivers.modbus.session import CLIENT, SERVER, WAITING_MAX, Session
from drivers.modbus.wire import read_exchange
from drivers.values import Values
from hil.capture import Tally, chunks
from tests.drivers.make_modbus import answer, read, tcp

NOW = Instant(10**18, 1000)


def split(items: list[Frame | Setup]) -> tuple[dict[str, Setup], list[Frame], list[str]]:
    """Setups, good frames, and the names of faults."""
    setups = {item.key: item for item in items if isinstance(item, Setup)}
    frames = [item for item in items if isinstance(item, Frame)]
    return (
        setups,
        [frame for frame in frames if frame.fault is None],
        [frame.fault.fault for frame in frames if frame.fault],
    )


def played(path: Path) -> tuple[Counter[str], list[Values]]:
    """What a capture comes to, and the values of its reads."""
    sessions: dict[object, Session] = {}
    items: dict[object, list[Frame | Setup]] = {}
    for chunk in chunks(path.read_bytes(), Tally()):
        session = sessions.setdefault(chunk.flow, Session())
        heard = Instant(chunk.ts_ns, None)
        got = session.feed(chunk.direction, chunk.payload, heard, chunk.fresh)
        items.setdefault(chunk.flow, []).extend(got)
    told: Counter[str] = Counter()
    values = []
    for flow, session in sessions.items():
        setups, frames, faults = split([*items[flow], *session.flush(NOW)])
        told.update(faults)
        for frame in frames:
            try:
                values.append(decode(frame.kind, setups[frame.key].configuration, frame.raw))
            except FrameError as fault:
                told[fault.fault] += 1
        told["exchange"] += len(frames)
    return told, values


@pytest.mark.parametrize(
    ("name", "want", "reads"),
    [
        (
            "modbus_test_data_part1.pcap",
            {"exchange": 19, "no_configuration": 16, "unasked": 10, "not_modbus": 5},
            [(False,), (False, False), (9, 24)],  # as tshark has them
        ),
        ("modbus_test_data_part2.pcap", {"exchange": 141}, None),
        ("zeek_modbusSmall.pcap", {"exchange": 16, "no_configuration": 8}, None),
    ],
)
def test_recorded_traffic(
    captures: Path, name: str, want: dict[str, int], reads: list[Values] | None
):
    """Each request and its response, whatever the function; the reads with their values."""
    told, values = played(captures / "modbus" / name)
    assert told.items() >= want.items(), told
    assert told["no_configuration"] + len(values) == told["exchange"]
    if reads is not None:
        assert values == reads


def test_a_conversation_with_several_out_at_once():
    session = Session()
    items = session.feed(CLIENT, tcp(1, read(3, 0, 2), 1) + tcp(2, read(1, 8, 3), 2), NOW)
    assert items == []
    items = session.feed(SERVER, tcp(2, answer(1, b"\5"), 2) + tcp(1, answer(3, b"\0\1\0\2")), NOW)
    items += session.feed(SERVER, tcp(1, answer(3, b"\0\1\0\2"), 1), NOW)
    setups, frames, faults = split(items)
    assert faults == ["unasked"]
    values = [decode(frame.kind, setups[frame.key].configuration, frame.raw) for frame in frames]
    assert values == [(True, False, True), (1, 2)]
    assert [frame.key for frame in frames] == ["unit=2 coil=8+3", "unit=1 holding=0+2"]


def test_the_right_transaction_from_another_unit():
    session = Session()
    session.feed(CLIENT, tcp(1, read(3, 0, 1), 1), NOW)
    _, frames, faults = split(session.feed(SERVER, tcp(9, answer(3, b"\0\1"), 1), NOW))
    assert not frames and faults == ["wrong_unit"]


def test_what_nobody_answered_is_told_at_the_end():
    session = Session()
    session.feed(CLIENT, tcp(1, read(3, 0, 1), 1), NOW)
    again = session.feed(CLIENT, tcp(1, read(3, 0, 1), 1), NOW)  # the transaction used again
    _, frames, _ = split(again + session.flush(NOW))
    assert [read_exchange(frame.raw).response for frame in frames] == [b"", b""]


def test_a_hole_in_the_recording_costs_what_was_in_it():
    session = Session()
    session.feed(CLIENT, tcp(1, read(3, 0, 1), 1)[:9], NOW)
    items = session.feed(CLIENT, tcp(1, read(3, 0, 1), 2), NOW, fresh=True)
    items += session.feed(SERVER, tcp(1, answer(3, b"\0\1"), 2), NOW)
    _, frames, faults = split(items)
    assert len(frames) == 1 and faults == ["truncated"]


def test_more_reads_than_streams_share_one():
    session, items = Session(), list[Frame | Setup]()
    for number in range(200):
        items += session.feed(CLIENT, tcp(1, read(3, number, 1), number), NOW)
        items += session.feed(SERVER, tcp(1, answer(3, b"\0\1"), number), NOW)
    setups, frames, faults = split(items)
    assert len(frames) == 200 and not faults
    assert len(setups) == 64


PIECES = st.lists(
    st.tuples(
        st.sampled_from([CLIENT, SERVER]),
        st.one_of(
            st.binary(max_size=300),
            st.builds(
                tcp, st.integers(0, 2), st.binary(min_size=1, max_size=30), st.integers(0, 3)
            ),
        ),
        st.booleans(),
    ),
    max_size=30,
)


@settings(max_examples=300)
@given(PIECES)
def test_any_traffic(pieces: list[tuple[int, bytes, bool]]):
    session, items = Session(), list[Frame | Setup]()
    for direction, payload, fresh in pieces:
        items += session.feed(direction, payload, NOW, fresh)
    setups, frames, _ = split(items + session.flush(NOW))
    for frame in frames:
        assert frame.key in setups
        try:
            decode(frame.kind, setups[frame.key].configuration, frame.raw)
        except FrameError:
            pass


def test_requests_that_nobody_answers_wait_in_bounds():
    session = Session()
    asked = [tcp(1, read(3, 0, 2), number) for number in range(WAITING_MAX + 9)]
    items = [item for raw in asked for item in session.feed(CLIENT, raw, NOW)]
    _, frames, faults = split(items)
    assert [read_exchange(frame.raw).request for frame in frames] == asked[:9] and not faults
