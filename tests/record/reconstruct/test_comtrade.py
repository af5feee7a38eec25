"""COMTRADE of a PMU's stream, line by line: read by `comtrade`, and by a reader of a few lines that
shares nothing with either."""

import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import comtrade
import pytest

from drivers.c37118.wire import Configuration, Format, FrameType, Layout, Phasor, Station
from drivers.values import Values
from evidence import instant
from evidence.code import Flag, Kind
from evidence.layout import Quality
from evidence.leap import NS
from record.known import Known
from record.reconstruct.comtrade import Sheet
from record.wanted import frames_of
from tests.drivers.vector import vector
from tests.record.gateway import LOCKED, START, Gateway, cfg_bytes, configuration
from tests.record.upstream import AUTHORITY, Upstream

PERIOD = NS // 60
GOOD: Quality = (1000, 5, LOCKED)
LEAP = instant.read("2016-12-31T23:59:60Z")
BINARY = ("SOURCE", "FLOAT32")


class Read(NamedTuple):
    """What the reader of a few lines finds."""

    first: list[str]
    counts: list[str]
    analog: list[list[str]]
    status: list[list[str]]
    after: list[str]
    rows: list[tuple[int, int, list[float], list[int]]]


def read(cfg: bytes, dat: bytes) -> Read:
    """IEEE C37.111-2013 clause 7.4, line by line, and 8.6 for float32."""
    text = cfg.decode()
    assert text.endswith("\r\n") and text.count("\n") == text.count("\r\n")
    lines = text[:-2].split("\r\n")
    counts = lines[1].split(",")
    analogs, words = int(counts[1][:-1]), int(counts[2][:-1])
    assert int(counts[0]) == analogs + words and words % 16 == 0
    channels = [line.split(",") for line in lines[2 : 2 + analogs + words]]
    form = struct.Struct(f"<II{analogs}f{words // 16}H")
    rows = [
        (row[0], row[1], list(row[2 : 2 + analogs]), list(row[2 + analogs :]))
        for row in form.iter_unpack(dat)
    ]
    after = lines[2 + analogs + words :]
    return Read(lines[0].split(","), counts, channels[:analogs], channels[analogs:], after, rows)


class Bench:
    """Sheets of streams that a record knows."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.upstream = folder, Upstream(folder / "record.db")
        self.count = 0

    def sheet(
        self, cfg: bytes, kind: int = Kind.C37118, gateway: str = "gw-1", ends: int = START + NS,
        begins: int = START, **described: Any,
    ) -> Sheet:  # fmt: skip
        self.count += 1
        of = Gateway(gateway, AUTHORITY, serial=b"%d" % self.count)
        run = of.start()
        statement = run.describe(1, cfg, kind=int(kind), **described)
        self.upstream.send(of.statement, run.statement, statement)
        known = Known(self.upstream.store).descriptor(statement.name)
        assert known is not None
        frames = frames_of(known)
        assert frames is not None
        return Sheet(known, frames, (begins, ends))

    def both(self, sheet: Sheet, *pieces: bytes) -> tuple[Read, Any]:
        """By the reader above, and by `comtrade`."""
        cfg, dat = sheet.cfg(), b"".join(sheet.data(pieces))
        path = self.folder / f"{self.count}.cfg"
        path.write_bytes(cfg)
        path.with_suffix(".dat").write_bytes(dat)
        found = comtrade.Comtrade(ignore_warnings=True)
        found.load(str(path), str(path.with_suffix(".dat")))
        return read(cfg, dat), found


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    found = Bench(tmp_path_factory.mktemp("comtrade"))
    yield found
    found.upstream.close()


CFG = cfg_bytes(configuration(1))


def values(number: float = 1.0, word: int = 0) -> Values:
    """Of `configuration(1)`: STAT, a polar phasor, frequency, its rate."""
    return (word, 100.0 + number, 0.5, 60.0, 0.25)


def some(sheet: Sheet, tais: list[int], quality: Quality = GOOD) -> bytes:
    return sheet.rows(tais, quality, [values(float(at)) for at in range(len(tais))])


def test_every_field_is_what_the_standard_says(bench: Bench):
    sheet = bench.sheet(CFG, channels=((0, "V0"),))
    dat = some(sheet, [START + n * PERIOD for n in range(60)])
    mine, theirs = bench.both(sheet, dat)
    name = sheet.known.name.hex()[:16]
    assert mine.first == ["Utility A gw-1", f"pmu/1 {name}", "2013"]
    assert (theirs.station_name, theirs.rec_dev_id) == ("Utility A gw-1", f"pmu/1 {name}")
    assert (theirs.rev_year, theirs.analog_count, theirs.status_count) == ("2013", 4, 16)
    assert mine.counts == ["20", "4A", "16D"]
    bus = "00010203-0405-0607-0809-0a0b0c0d0e0f"
    limits = ["1", "0", "0", "-3.4028235E38", "3.4028235E38", "1", "1", "P"]
    assert mine.analog[:3] == [
        ["1", "V0 mag", "A", bus, "V", *limits],
        ["2", "V0 ang", "A", bus, "rad", *limits],
        ["3", "FREQ", "", "", "Hz", *limits],
    ]
    assert mine.status[0] == ["1", "STAT 0", "", "", "0"] and mine.status[15][1] == "STAT 15"
    day = "21/09/2026,14:13:20.000000"
    assert mine.after == ["60", "1", "60,60", day, day, "FLOAT32", "1", "0,0", "4,0"]
    assert (theirs.ft, theirs.frequency, theirs.cfg.timemult) == ("FLOAT32", 60.0, 1.0)
    assert theirs.cfg.sample_rates == [[60.0, 60]] and theirs.total_samples == 60
    assert theirs.start_timestamp.isoformat() == "2026-09-21T14:13:20"
    assert theirs.analog[0][59] == mine.rows[59][2][0] == 159.0
    assert [row[0] for row in mine.rows] == list(range(1, 61))
    assert [row[1] for row in mine.rows[:3]] == [0, 16667, 33333]


def test_with_a_hole_the_time_stamps_alone_count(bench: Bench):
    sheet = bench.sheet(CFG)
    tais = [START + n * PERIOD for n in (0, 1, 2, 30, 31)]
    mine, theirs = bench.both(sheet, some(sheet, tais))
    assert mine.after[1:3] == ["0", "0,5"]
    assert [row[1] for row in mine.rows] == [0, 16667, 33333, 500000, 516667]
    assert list(theirs.time) == pytest.approx([0, 0.016667, 0.033333, 0.5, 0.516667])


def test_an_interval_beyond_32_bits_of_microseconds(bench: Bench):
    sheet = bench.sheet(CFG, ends=START + 7200 * NS, rate=(1, 3600))
    mine, theirs = bench.both(sheet, some(sheet, [START, START + 3600 * NS, START + 7199 * NS]))
    assert mine.after[6] == "2" and theirs.cfg.timemult == 2.0
    assert [row[1] * 2 for row in mine.rows] == [0, 3_600_000_000, 7_199_000_000]
    assert theirs.time[2] == pytest.approx(7199.0)


@pytest.mark.parametrize(
    ("bound", "code"),
    [(0, "1"), (1, "1"), (2, "2"), (100, "3"), (1000, "4"), (1001, "5"), (10**9, "A"),
     (10**10, "B"), (10**10 + 1, "F"), (None, "F")],
)  # fmt: skip
def test_the_clock_is_told_by_its_bound_whether_locked_or_not(
    bench: Bench, bound: int | None, code: str
):
    for flags in (LOCKED, 0):
        sheet = bench.sheet(CFG)
        mine, theirs = bench.both(sheet, some(sheet, [START], (bound, 1, flags)))
        assert mine.after[-1] == f"{code},0" and theirs.cfg._tmq_code == code
        assert ("locked throughout" in sheet.hdr(0, 1).decode()) == bool(flags)


def test_the_widest_bound_of_a_record_rules(bench: Bench):
    sheet = bench.sheet(CFG)
    pieces = [
        some(sheet, [START + n * PERIOD], (bound, 5, LOCKED))
        for n, bound in enumerate((10, 10**6, 99))
    ]
    mine, _ = bench.both(sheet, *pieces)
    assert mine.after[-1] == "7,0"
    assert "within 1 ms of UTC at worst" in sheet.hdr(0, 1).decode()


# --- leap seconds ---------------------------------------------------------------------------------


def test_across_an_inserted_second_a_difference_of_stamps_is_a_duration(bench: Bench):
    sheet = bench.sheet(CFG, rate=(2, 1), begins=LEAP - NS, ends=LEAP + 2 * NS)
    mine, theirs = bench.both(sheet, some(sheet, [LEAP - NS + n * NS // 2 for n in range(5)]))
    assert mine.after[3] == "31/12/2016,23:59:59.000000" and mine.after[-1] == "4,1"
    assert [row[1] for row in mine.rows] == [0, 500000, 1000000, 1500000, 2000000]
    assert list(theirs.time) == pytest.approx([0.0, 0.5, 1.0, 1.5, 2.0])
    assert theirs.cfg._leap_second == "1"


def test_a_record_that_begins_within_it_is_one_that_others_can_read(bench: Bench):
    """Second 60 is in no calendar of theirs: it is counted from the second before."""
    sheet = bench.sheet(CFG, rate=(4, 1), begins=LEAP, ends=LEAP + NS)
    mine, theirs = bench.both(sheet, some(sheet, [LEAP + n * NS // 4 for n in range(4)]))
    assert mine.after[1:4] == ["0", "0,4", "31/12/2016,23:59:58.000000"]
    assert mine.after[-1] == "4,1"
    assert theirs.start_timestamp.isoformat() == "2016-12-31T23:59:58"
    assert list(theirs.time) == pytest.approx([2.0, 2.25, 2.5, 2.75])
    assert "2016-12-31T23:59:60Z" in sheet.hdr(0, 1).decode()


def test_where_nobody_knows_of_leap_seconds_the_indicator_says_so(bench: Bench):
    sheet = bench.sheet(CFG)
    mine, _ = bench.both(sheet, some(sheet, [START], (None, 5, int(Flag.LEAP_UNKNOWN))))
    assert mine.after[-1] == "F,3"


# --- what is missing ------------------------------------------------------------------------------


def test_a_value_that_is_none_is_no_number_and_one_beyond_is_infinite(bench: Bench):
    sheet = bench.sheet(CFG)
    told: list[Values] = [(5, math.nan, 0.5, 60.0, 0.25), (0x8001, None, 1e300, None, -1e39)]
    mine, theirs = bench.both(sheet, sheet.rows([START, START + PERIOD], GOOD, told))
    assert [math.isnan(row[2][0]) for row in mine.rows] == [True, True]
    assert mine.rows[0][2][1:] == [0.5, 60.0, 0.25]
    assert mine.rows[1][2][1] == math.inf and mine.rows[1][2][3] == -math.inf
    assert [row[3] for row in mine.rows] == [[5], [0x8001]]
    assert math.isnan(theirs.analog[2][1])
    assert [theirs.status[bit][1] for bit in (0, 1, 15)] == [1, 0, 1]


def test_a_word_that_is_missing_is_zero(bench: Bench):
    sheet = bench.sheet(CFG)
    mine, _ = bench.both(sheet, sheet.rows([START], GOOD, [(None, 1.0, 0.5, 60.0, 0.25)]))
    assert mine.rows[0][3] == [0]


@pytest.mark.parametrize("size", [5, 28, 1 << 20])
def test_a_clock_that_went_back_is_written_from_its_earliest_instant(bench: Bench, size: int):
    """In the order in which it was sealed, however the bytes come."""
    sheet = bench.sheet(CFG)
    tais = [START + n * PERIOD for n in (30, 31, 10, 32)]
    dat = some(sheet, tais[:2]) + some(sheet, tais[2:])
    mine, theirs = bench.both(sheet, *(dat[at : at + size] for at in range(0, len(dat), size)))
    assert mine.after[1:4] == ["0", "0,4", "21/09/2026,14:13:20.166667"]
    stamps = [row[1] for row in mine.rows]
    assert [one - stamps[2] for one in stamps] == [333333, 350000, 0, 366666]
    assert list(theirs.time) == pytest.approx([0.333333, 0.35, 0.0, 0.366666])
    assert "1 rows are of before the first" in sheet.hdr(0, 1).decode()


# --- names, devices -------------------------------------------------------------------------------

HOSTILE = "=cmd,\r\n1,2\x00\u202e" + "Süd" + "x" * 100


def test_no_name_breaks_a_line_or_a_limit(bench: Bench):
    name = "A,\n=1+1"
    station = Station("S", 1, Format.POLAR | Format.PHASOR_FLOAT, (Phasor(name),))
    cfg = cfg_bytes(Configuration(FrameType.CFG2, 7, 1_000_000, (station,), 60, 2))
    sheet = bench.sheet(
        cfg, gateway=HOSTILE, source=(HOSTILE, ""), channels=((0, name),)
    )  # fmt: skip
    mine, theirs = bench.both(sheet, some(sheet, [START]))
    assert len(mine.first) == 3 and all(len(row) == 13 for row in mine.analog)
    assert all(len(row) == 5 for row in mine.status)
    assert [len(one) <= 64 for one in mine.first] == [True] * 3
    assert mine.first[0].startswith("Utility A =cmd   1 2  Süd")
    assert mine.first[1].endswith(f" {sheet.known.name.hex()[:16]}")  # which descriptor it is
    assert mine.analog[0][1:3] == ["A  =1+1 mag", "A"]
    assert theirs.analog_channel_ids[0] == "A  =1+1 mag" and theirs.rev_year == "2013"
    assert all(char >= " " for char in sheet.cfg().decode().replace("\r\n", ""))
    assert sheet.hdr(0, 1).count(b"\r\n") == 6


def test_a_rectangular_phasor_is_written_as_magnitude_and_angle(bench: Bench):
    kind = Format.PHASOR_FLOAT | Format.FREQ_FLOAT
    station = Station("S", 1, kind, (Phasor("VA"), Phasor("IA", current=True)))
    found = Configuration(FrameType.CFG2, 7, 1_000_000, (station,), 60, 2)
    sheet = bench.sheet(cfg_bytes(found))
    assert [slot.part for slot in Layout(found).slots][1:3] == ["real", "imaginary"]
    told: Values = (0, 3.0, -4.0, -2.0, 0.0, 60.0, 0.0)
    mine, theirs = bench.both(sheet, sheet.rows([START], GOOD, [told]))
    assert [row[1] for row in mine.analog[:4]] == ["VA mag", "VA ang", "IA mag", "IA ang"]
    assert [row[4] for row in mine.analog] == ["V", "rad", "A", "rad", "Hz", "Hz/s"]
    expected = [5.0, math.atan2(-4, 3), 2.0, math.pi, 60.0, 0.0]
    assert mine.rows[0][2] == pytest.approx(expected, rel=1e-6)
    assert [row[0] for row in theirs.analog] == pytest.approx(expected, rel=1e-6)


def test_the_nominal_frequency_is_the_configurations(bench: Bench):
    sheet = bench.sheet(vector("ieee1344", "configuration"), kind=Kind.IEEE1344, rate=(50, 1))
    names = [slot.quantity for slot in sheet_slots(sheet)]
    row: Values = tuple(0 if name in ("stat", "digital") else 1.0 for name in names)
    mine, theirs = bench.both(sheet, sheet.rows([START], GOOD, [row]))
    assert mine.after[0] == "50" and theirs.frequency == 50.0
    both = tuple(Station(f"S{hz}", hz, Format.FREQ_FLOAT, nominal_hz=hz) for hz in (50, 60))
    of_two = bench.sheet(cfg_bytes(Configuration(FrameType.CFG2, 7, 1_000_000, both, 60, 2)))
    mine, theirs = bench.both(of_two, of_two.rows([START], GOOD, [(0, 50.0, 0.0, 0, 60.0, 0.0)]))
    assert mine.after[0] == ""  # two devices, two nominal frequencies: the field has room for one
    assert [row[1] for row in mine.analog[:2]] == ["FREQ", "DFREQ"]


def sheet_slots(sheet: Sheet) -> Any:
    frames = frames_of(sheet.known)
    assert frames is not None
    return frames.slots


def test_what_is_simulated_says_so_in_its_first_line(bench: Bench):
    for flag, word in ((Flag.SIMULATED, "simulated"), (Flag.TEST, "test")):
        sheet = bench.sheet(CFG)
        pieces = some(sheet, [START]), some(sheet, [START + PERIOD], (1000, 5, LOCKED | int(flag)))
        mine, theirs = bench.both(sheet, *pieces)
        assert mine.first[1].endswith(f" {word}") and theirs.rec_dev_id.endswith(f" {word}")
        assert sheet.hdr(0, 1).decode().startswith(f"{word.upper()}: ")
