"""The documents of a bundle, read as others read them: COMTRADE by `comtrade`, CSV by csv, the page
as text; and what may not be in them.
"""

import csv
import math
import re
from pathlib import Path

import comtrade
import pytest

from evidence import instant
from evidence.leap import NS
from record.reconstruct import sequence, timeline
from record.reconstruct.angle import polar
from record.reconstruct.curve import Curve
from record.reconstruct.page import fitted
from record.reconstruct.picture import clock
from record.reconstruct.plot import instants, pieces, thinned
from record.reconstruct.table import chunks, guarded
from tests.record.bundling import LAYOUT
from tests.record.gateway import frame


def test_comtrade_has_the_values_of_the_frames(bundles: Path):
    folder = bundles / "whole" / "documents" / "comtrade"
    place = next(path for path in folder.glob("gw_2-*.cfg"))
    found = comtrade.Comtrade(ignore_warnings=True)
    found.load(str(place), str(place.with_suffix(".dat")))
    assert found.ft == "FLOAT32" and found.frequency == 60.0
    assert found.analog_channel_ids[:2] == ["V0 mag", "V0 ang"]
    assert len(found.status_channel_ids) == 16
    first = LAYOUT.decode(frame(LAYOUT, 60))  # of the second at which the interval begins
    assert [row[0] for row in found.analog] == pytest.approx(first[1:])
    assert list(found.time[:2]) == pytest.approx([0.0, 1 / 60], abs=1e-6)
    assert place.read_text().split("\n")[-3:-1] == ["0,0", "4,0"]


def test_the_page_loads_nothing_and_runs_nothing(bundles: Path):
    page = (bundles / "whole" / "documents" / "timeline.html").read_text()
    assert "default-src 'none'" in page and "<script" not in page and "http://" not in page
    assert "not heard" in page and "Frequency, Hz" in page


def test_no_line_is_drawn_across_a_gap(bundles: Path):
    """gw-1 and gw-2 each missed a sample, and said so; one restarted, which is no gap."""
    page = (bundles / "whole" / "documents" / "timeline.html").read_text()
    figure = page[page.index("<h3>Frequency, Hz</h3>") :].split("</figure>")[0]
    paths = re.findall(r'class="line \w+" d="(M[^"]*L[^"]*)"', figure)
    assert [path.count("M") for path in paths] == [2, 2]
    points = [(at, 0.0) for at in range(5)]
    assert pieces(points, [0, 2, 2, 9]) == [points[:2], points[2:]]
    assert pieces([], [1]) == []


def test_a_gap_is_a_row_with_its_leaf(bundles: Path):
    with (bundles / "whole" / "documents" / "timeline.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    gaps = [row for row in rows if row["what"] == "gap"]
    assert [row["text"] for row in gaps] == ["not heard: 1 samples"] * 2
    assert all("/" in row["leaf"] for row in gaps)


def test_what_nobody_said_is_named(bundles: Path):
    with (bundles / "whole" / "documents" / "brief-report.csv").open(newline="") as file:
        rows = {row["Field"]: row for row in csv.DictReader(file)}
    assert rows["Proposed event categorization"]["Worth"] == "nobody said it in this bundle"
    assert rows["Frequency"]["Leaf"]


def test_no_cell_is_a_formula():
    assert [guarded(text) for text in ("=1+1", "@x", "-5", "+1.5", "-x", "-1e-05", "-1e")] == [
        *("'=1+1", "'@x", "-5", "+1.5", "'-x", "-1e-05", "'-1e"),
    ]
    # Behind what a spreadsheet may drop, in full width, and a row that nobody wrote.
    assert [
        guarded(text) for text in (" =1", "\t=1", "\r\n=1", "\uff1d1", "a\r\nb\x00\u202ec")
    ] == [
        *("' =1", "' =1", "'  =1", "'\uff1d1", "a  b  c"),
    ]
    assert b"".join(chunks(("a",), [('x"y,z',)])) == b'a\r\n"x""y,z"\r\n'


def test_the_angle_is_that_of_the_platform_but_for_its_last_bits():
    for number in range(360):
        turn = math.radians(number - 179.5)
        magnitude, angle = polar(7 * math.cos(turn), 7 * math.sin(turn))
        assert magnitude == pytest.approx(7)
        assert angle == pytest.approx(turn, abs=1e-10)


def test_a_spike_of_one_sample_is_drawn():
    curve = Curve(0, NS)
    curve.add(3, [math.nan, 60.0, 59.2, None, 60.0])
    assert curve.range() == (59.2, 60.0) and len(curve.points()) == 2


# --- leap seconds ---------------------------------------------------------------------------------

LEAP = instant.read("2016-12-31T23:59:60.5Z")


def test_an_inserted_second_is_told_as_such():
    told = sequence.Row(LEAP, 1, 0, "S", "D", "open", "", None, "", "GOOSE", "gw", LEAP).cells()
    assert told[:2] == ("12/31/2016", "23:59:60.500000000")
    assert told[11] == "2016-12-31T23:59:60.5Z"
    row = timeline.Row(LEAP, LEAP + NS, None, LEAP - NS, LEAP, "x", "", "", "", 1).cells()
    assert row[:5] == (
        *("2016-12-31T23:59:60.5Z", "2017-01-01T00:00:00.5Z", ""),
        *("2016-12-31T23:59:59.5Z", "2016-12-31T23:59:60.5Z"),
    )


def test_instants_on_an_axis_are_round_ones_across_it():
    begins, ends = (
        instant.read(f"{text}Z") for text in ("2016-12-31T22:00:00", "2017-01-01T02:00:00")
    )
    assert [clock(tai) for tai in instants(begins, ends)] == [
        *("31 Dec 22:00", "31 Dec 23:00", "01 Jan 00:00", "01 Jan 01:00", "01 Jan 02:00"),
    ]
    # Also of what begins at no round one, of less than a second, and of weeks.
    assert [clock(tai) for tai in instants(begins + NS, begins + 12 * NS)] == [
        *("31 Dec 22:00:02", "31 Dec 22:00:04", "31 Dec 22:00:06", "31 Dec 22:00:08"),
        *("31 Dec 22:00:10", "31 Dec 22:00:12"),
    ]
    assert len(instants(begins, begins + NS // 2)) == 5
    assert 4 <= len(instants(begins, begins + 40 * 86_400 * NS)) <= 8


def test_a_spike_stays_where_columns_are_drawn_as_one():
    curve = Curve(0, 800 * NS)
    for column in range(800):
        curve.add(column, [60.0, 59.1 if column == 417 else 60.0])
    found = curve.points(100)
    assert len(found) <= 100 and min(value for _, value in found) == 59.1
    assert [tai for tai, value in found if value == 59.1] == [pytest.approx(417 * NS, abs=16 * NS)]


def test_a_spike_of_one_settlement_is_drawn():
    points = [(at, float(at == 7_777)) for at in range(20_000)]
    found = thinned(points, 2000)
    assert len(found) <= 2000 and (7_777, 1.0) in found
    assert [tai for tai, _ in found] == sorted(tai for tai, _ in found)


def test_a_page_ends_a_table_that_has_no_room():
    rows = "".join(f"<tr><td>{number} ÷</td></tr>\n" for number in range(9000))
    table = f'<div class="wide"><table><tbody>{rows}</tbody></table></div>'.encode()
    found = fitted(table, 50_000)
    assert 49_000 < len(found) < 50_300 and fitted(table, len(table)) == table
    assert [found.count(tag) for tag in (b"<table", b"</table>", b"</div>")] == [1, 1, 1]
    assert found.count(b"<tr>") == found.count(b"</tr>") > 1000
    assert b"all rows are in timeline.csv" in found
    figure = b"<svg>" + bytes(100_000)
    assert fitted(figure, 50_000) == figure
