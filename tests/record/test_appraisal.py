"""What a record finds by value after admission: which ranges, which channels, and that `verify`
finds the same."""

import struct
from pathlib import Path

import pytest

from drivers.c37118.wire import (
    Analog,
    Configuration,
    Format,
    FrameType,
    Layout,
    Phasor,
    Stamp,
    Station,
    encode_values,
)
from evidence.classification import Finding
from evidence.code import Class, Kind, Reason
from record.appraisal import RANGES_MAX
from record.cli import main
from record.continuity import Doubt
from record.database import Place
from record.sequencer import Appraised
from tests.record.gateway import START_S, Gateway, GatewayRun, cfg_bytes, configuration, frame
from tests.record.test_audit import anchors_text
from tests.record.upstream import AUTHORITY, BOTH, NOW, Upstream, classes

INVALID = (Class.DATA_INVALID, Reason.VALUE_INVALID)
CHANNELS = ((0, "V0"), (0, "V1"), (0, "V2"), (0, "FREQ"), (0, "DFREQ"))
SHARED = configuration(3)


@pytest.fixture
def layout() -> Layout:
    return Layout(SHARED)


@pytest.fixture
def run(upstream: Upstream, gateway: Gateway) -> GatewayRun:
    found = gateway.start()
    upstream.send(found.statement, found.describe(1, cfg_bytes(SHARED), channels=CHANNELS))
    return found


def found(upstream: Upstream) -> list[tuple[int | None, int | None, tuple[int, ...] | None]]:
    """First and last seq, and channels, of findings by value of stream 1."""
    rows = [one for one in upstream.findings() if one[5:7] == INVALID]
    assert all(one.stream == 1 and one.subject is None for one in rows)
    return [(one.first_seq, one.last_seq, one.channels) for one in rows]


def holds(place: Place, folder: Path) -> bool:
    (folder / "anchors.toml").write_text(anchors_text())
    return main(["verify", str(place), "--anchors", str(folder / "anchors.toml")]) == 0


@BOTH
def test_missing_values_become_ranges_of_channels_across_batches(
    upstream: Upstream, run: GatewayRun, layout: Layout, place: Place, tmp_path: Path
):
    """A phasor without a value for a while, over three batches, and another beside it for less."""
    for number in range(30):
        gone = [(0, "V1")] * (5 <= number < 25) + [(0, "FREQ")] * (10 <= number < 12)
        run.observe(1, frame(layout, number, 0, gone))
        if number % 10 == 9:
            entry = upstream.push(run.cut())
            assert [row[3] for row in classes(entry)] == [Class.PLACE_UNCHECKED]
    assert found(upstream) == []
    upstream.appraise()
    assert found(upstream) == [(6, 10, (1,)), (11, 12, (1, 3)), (13, 25, (1,))]
    upstream.appraise()
    assert len(found(upstream)) == 3  # each is told once
    assert holds(place, tmp_path)


def test_a_stream_without_values_for_a_day_gives_few_findings(
    upstream: Upstream, run: GatewayRun, layout: Layout
):
    for number in range(600):
        run.observe(1, frame(layout, number, 0, CHANNELS))
        if number % 15 == 14:
            upstream.push(run.cut())
            if number in (299, 599):
                upstream.appraise()
    assert found(upstream) == [(1, 300, (0, 1, 2, 3, 4)), (301, 600, (0, 1, 2, 3, 4))]


def test_what_flickers_is_told_apart_up_to_a_bound(
    upstream: Upstream, run: GatewayRun, layout: Layout, tmp_path: Path, place: Place
):
    for number in range(400):
        run.observe(1, frame(layout, number, 0, [(0, f"V{number % 3}")] * (number % 2)))
    upstream.push(run.cut())
    upstream.appraise()
    rows = found(upstream)
    assert len(rows) == RANGES_MAX
    assert rows[:2] == [(2, 2, (1,)), (4, 4, (0,))]
    assert rows[-1] == (2 * RANGES_MAX, 400, (0, 1, 2))  # the last one takes in what follows
    assert holds(place, tmp_path)


def test_what_a_receipt_calls_worthless_is_passed_over(
    upstream: Upstream, run: GatewayRun, layout: Layout
):
    """A concentrator fills absent data with NaN and says so in STAT (C37.118.2-2011 6.3)."""
    for number in range(9):
        stat = {3: 0x8000, 4: 0x4000, 5: 0x0200}.get(number, 0)
        run.observe(1, frame(layout, number, stat, [(0, "V0")] * (2 <= number < 8)))
    run.observe(1, b"no frame")
    upstream.push(run.cut())
    upstream.appraise()
    assert found(upstream) == [(3, 3, (0,)), (7, 8, (0,))]


def test_time_in_doubt_does_not_hide_a_missing_value(
    upstream: Upstream, run: GatewayRun, layout: Layout
):
    for number in range(4):
        run.observe(1, frame(layout, number, 0x2000, [(0, "V2")]))
    upstream.push(run.cut())
    upstream.appraise()
    assert found(upstream) == [(1, 4, (2,))]


def test_a_new_descriptor_begins_a_new_range(upstream: Upstream, run: GatewayRun, layout: Layout):
    """Its channels are others, though it may call them the same."""
    run.observe(1, frame(layout, 0, 0, [(0, "V2")]))
    upstream.push(run.cut())
    upstream.send(run.describe(1, cfg_bytes(SHARED), channels=CHANNELS[2:]))
    run.observe(1, frame(layout, 1, 0, [(0, "V2")]))
    upstream.push(run.cut())
    upstream.appraise()
    assert found(upstream) == [(1, 1, (2,)), (3, 3, (0,))]


def test_8000_in_integers_is_no_value(upstream: Upstream, gateway: Gateway):
    """C37.118.2-2011 6.3: of rectangular and polar phasors, FREQ, DFREQ and analogs alike; an
    unsigned magnitude has none, and goes with its angle."""
    rows = (
        Station("R", 1, Format(0), (Phasor("VR", phunit=100_000),), (Analog("A"),)),
        Station("P", 2, Format.POLAR, (Phasor("VP", phunit=100_000),), (Analog("B"),)),
    )
    shared = Configuration(FrameType.CFG2, 7, 1_000_000, rows, 60)
    layout, run = Layout(shared), gateway.start()
    channels = [(0, "VR"), (0, "FREQ"), (0, "DFREQ"), (0, "A")]
    channels += [(1, "VP"), (1, "FREQ"), (1, "DFREQ"), (1, "B")]
    upstream.send(run.statement, run.describe(1, cfg_bytes(shared), channels=channels))
    values = [60.0 if slot.quantity == "frequency" else 1.0 for slot in layout.slots]
    good = encode_values(layout, Stamp(START_S), values)
    first, second = layout.stat_offsets
    places = [
        *((first + 2, 0), (first + 4, 0), (first + 6, 1), (first + 8, 2), (first + 10, 3)),
        *((second + 2, None), (second + 4, 4), (second + 6, 5), (second + 8, 6), (second + 10, 7)),
    ]
    expected = []
    for at, (offset, channel) in enumerate(places):
        run.observe(1, good[:offset] + struct.pack(">H", 0x8000) + good[offset + 2 :])
        run.observe(1, good)
        if channel is not None:
            expected.append((1 + 2 * at, 1 + 2 * at, (channel,)))
    upstream.push(run.cut())
    upstream.appraise()
    assert found(upstream) == expected


def test_channels_of_one_name_are_told_apart(upstream: Upstream, gateway: Gateway):
    shared = Configuration(
        *(FrameType.CFG2, 7, 1_000_000),
        (Station("S", 1, Format.PHASOR_FLOAT | Format.FREQ_FLOAT, (Phasor("V"), Phasor("V"))),),
        60,
    )
    layout, run = Layout(shared), gateway.start()
    channels = [(0, "V"), (0, "V"), (0, "FREQ"), (0, "DFREQ")]
    upstream.send(run.statement, run.describe(1, cfg_bytes(shared), channels=channels))
    raw = frame(layout, 0)
    at = layout.stat_offsets[0] + 2 + 8  # the second phasor's real part
    run.observe(1, raw[:at] + b"\x7f\xc0\x00\x00" + raw[at + 4 :])
    run.observe(1, raw[:at] + b"\xff\x80\x00\x00" + raw[at + 4 :])  # minus infinity
    upstream.push(run.cut())
    upstream.appraise()
    assert found(upstream) == [(1, 2, (1,))]


def test_a_bench_and_what_measures_nothing_are_passed_over(
    upstream: Upstream, layout: Layout, gateway: Gateway
):
    bench = Gateway("bench", AUTHORITY, role="bench")
    run = bench.start()
    upstream.send(bench.statement, run.statement)
    upstream.send(run.describe(1, cfg_bytes(SHARED), channels=CHANNELS))
    run.observe(1, frame(layout, 0, 0, CHANNELS))
    upstream.push(run.cut())
    real = gateway.start()
    upstream.send(real.statement, real.describe(0, None, kind=Kind.EVENT, channels=()))
    real.observe(0, b"event", kind=Kind.EVENT)
    upstream.push(real.cut())
    upstream.appraise()
    assert upstream.findings() == []


def test_a_record_that_was_restarted_goes_on_where_it_was(
    place: Place, upstream: Upstream, run: GatewayRun, layout: Layout, tmp_path: Path
):
    for number in range(4):
        run.observe(1, frame(layout, number, 0, [(0, "V0")] * (number != 3)))
        if number == 1:
            upstream.push(run.cut())
            upstream.appraise()
    upstream.push(run.cut())
    upstream.close()
    again = Upstream(place)
    assert again.sequencer.appraised == again.log.size - 2  # the finding, and the batch after it
    again.appraise()
    assert found(again) == [(1, 2, (0,)), (3, 3, (0,))]
    again.close()
    assert holds(place, tmp_path)


@pytest.mark.parametrize("how", ["dropped", "invented", "another channel"])
def test_verify_misses_and_sees_what_does_not_follow_from_the_values(
    upstream: Upstream,
    run: GatewayRun,
    layout: Layout,
    place: Place,
    tmp_path: Path,
    how: str,
    capsys: pytest.CaptureFixture[str],
):
    """A record whose owner does not tell what it found, or tells what is not so."""
    for number in range(9):
        run.observe(1, frame(layout, number, 0, [(0, "V0")] * (number < 5)))
    upstream.push(run.cut())

    def doubt(last: int, channels: tuple[int, ...]) -> Doubt:
        entry = upstream.store.entry(3)
        assert entry is not None
        return Doubt(Finding(run.name, None, 1, 1, last, *INVALID, channels), (entry.subject,))

    told = {
        "dropped": [],
        "invented": [doubt(5, (0,)), doubt(9, (1,))],
        "another channel": [doubt(5, (1,))],
    }[how]
    upstream.sequencer.commit([], NOW, (), Appraised(upstream.log.size, told))
    run.observe(1, frame(layout, 9))
    upstream.push(run.cut())
    assert not holds(place, tmp_path)
    assert "classification" in capsys.readouterr().out


def test_descriptors_that_flicker_are_told_apart_up_to_a_bound(
    upstream: Upstream, run: GatewayRun, layout: Layout, tmp_path: Path, place: Place
):
    """What follows is of no descriptor's channels alone."""
    for number in range(RANGES_MAX + 9):
        upstream.send(run.describe(1, cfg_bytes(SHARED), channels=CHANNELS[number % 2 :]))
        run.observe(1, frame(layout, number, 0, [(0, "V2")]))
        upstream.push(run.cut())
    upstream.appraise()
    rows = found(upstream)
    assert len(rows) == RANGES_MAX
    assert rows[:2] == [(2, 2, (2,)), (4, 4, (1,))]
    assert rows[-1] == (2 * RANGES_MAX, 2 * (RANGES_MAX + 9), None)
    assert holds(place, tmp_path)


def test_ranges_of_many_channels_count_for_more(
    upstream: Upstream, run: GatewayRun, layout: Layout, monkeypatch: pytest.MonkeyPatch
):
    """A device may have thousands of channels, and each range names those that are missing."""
    monkeypatch.setattr("record.appraisal.RANGES_ALL_MAX", 6)
    monkeypatch.setattr("record.appraisal.CHANNELS_EACH", 2)
    for number in range(9):
        run.observe(1, frame(layout, number, 0, CHANNELS[: 4 + number % 2]))
    upstream.push(run.cut())
    upstream.appraise()
    assert found(upstream) == [(1, 1, (0, 1, 2, 3)), (2, 9, (0, 1, 2, 3, 4))]
