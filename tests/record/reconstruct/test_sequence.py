"""The sequence of events out of GOOSE frames of other people's relays, and from a relay operation's
record to the frame of the trip, and back."""

import csv
import json
from pathlib import Path

import pytest

from evidence import instant
from evidence.leap import NS
from evidence.tlog import proof, sample
from record.cli import main
from tests.evidence.joint.sharing import name_of
from tests.record.reconstruct.night import HEARD, Night

Printed = pytest.CaptureFixture[str]
OF = "relay/gocbRef=simpleIOGenericIO/LLN0$GO$gcbAnalogValues"


def rows(folder: Path, name: str = "sequence-of-events.csv") -> list[dict[str, str]]:
    with (folder / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def documents(night: Night) -> Path:
    return night.bundle("relays", HEARD, HEARD + 900 * NS)


def test_the_first_columns_are_those_of_prc_002(documents: Path):
    first = (documents / "sequence-of-events.csv").read_text().splitlines()[0]
    assert first.startswith("Date,Time,Local Time Code,Substation,Device,State,")
    row = rows(documents)[0]
    assert [row[name] for name in ("Date", "Time", "Local Time Code")] == [
        *("11/22/2026", "12:48:01.626999974", "0"),  # of the frame's own t, in UTC
    ]


def test_states_are_those_of_the_frames(documents: Path):
    """What libiec61850 sent, as its publisher's source says it."""
    found = [row for row in rows(documents) if row["Source"] == "GOOSE"]
    states = [(row["Device"], row["State"], row["Bound (ns)"]) for row in found[:4]]
    assert states == [
        (f"{OF} item 1", "1234 (found)", ""),
        (f"{OF} item 2", "[0 0] (found)", ""),
        (f"{OF} item 3", "5678 (found)", ""),
        (f"{OF} item 4", "true (found)", ""),  # an entry that the data set had not before
    ]
    assert {row["Bus"] for row in found} == {"01010101-0101-0101-0101-010101010101"}
    every = [row["State"].removesuffix(" (found)") for row in found[4:]]
    assert every[:8] == [
        *("true", "'-5", "'-1099511627776", "4000000000", "3.25", "2.5e-300"),
        *("1000000000001", "station-1"),
    ]
    said = [row["State"] for row in rows(documents) if row["Source"] == "gateway"]
    assert any(one.startswith("unannounced: stNum 1 sqNum 3 again") for one in said)


def test_what_is_simulated_says_so_in_each_row(documents: Path):
    found = [row for row in rows(documents) if row["Source"] == "GOOSE"]
    assert {row["Quality"] for row in found if "simulated" in row["Device"]} == {"simulated, test"}
    assert {row["Quality"] for row in found if "simulated" not in row["Device"]} == {""}


def test_a_clock_that_was_never_set_stands_where_it_says_and_the_gateway_contradicts_it(
    night: Night, documents: Path
):
    """The GE F650 of the captures sends a good time quality in the year 2000."""
    now = [row for row in rows(documents) if "GEDeviceF650" in row["Device"]]
    assert {row["Source"] for row in now} == {"gateway"}
    assert any("clock disagrees: t is -" in row["State"] for row in now)
    begins = instant.read("2000-01-02T02:46:00Z")
    then = rows(night.bundle("year 2000", begins, begins + 120 * NS))
    assert len(then) == 8 and {row["Bound (ns)"] for row in then} == {""}  # no bound is believed
    assert then[0]["Time"] == "02:46:11.258165836"


def test_a_trip_leads_to_its_record_and_back(
    night: Night, documents: Path, tmp_path: Path, capsys: Printed
):
    found = rows(documents)
    (told,) = [row for row in found if row["State"] == "tripped"]
    (seen,) = [row for row in found if row["Leaf"] == told["Seen in (leaf)"]]
    assert (told["Source"], told["By"], told["Quality"]) == ("record", "North Wires", "joint")
    assert seen["Device"] == f"{OF} item 4" and seen["Named by (leaf)"] == told["Leaf"]
    # The leaf leads to the very bytes that were captured, without the record.
    path = tmp_path / "trip.tlog-proof"
    argv = ["prove", str(night.place), "--leaf", seen["Leaf"], "--out", str(path)]
    assert main(argv) == 0
    assert main(["verify", str(path), "--anchors", str(night.anchors)]) == 0
    assert f"entry         {seen['Leaf'].split('/')[0]} of" in capsys.readouterr().out
    extra = sample.read(proof.read(path.read_bytes()).extra or b"")
    assert night.relay.frame in extra.observation
    # And by name: from the record to the frame, and from the frame to the record.
    trip = night.relay.trip
    named = name_of(night.operation).hex()
    assert main(["lineage", str(night.place), named, "--json"]) == 0
    down = json.loads(capsys.readouterr().out)["lineage"]
    assert [one["name"] for one in down if one.get("kind") == "goose"] == [
        f"{trip.batch.hex()}/{trip.place}"
    ]
    assert main(["lineage", str(night.place), f"{trip.batch.hex()}/{trip.place}", "--json"]) == 0
    up = json.loads(capsys.readouterr().out)["named_by"]
    assert [one["name"] for one in up] == [named]


def test_of_a_trip_that_is_elsewhere_its_batch_is_named(night: Night):
    """Another interval, in which its owner still says something of it: the leaf is out of reach."""
    row = rows(night.bundle("after", HEARD + 5 * NS, HEARD + 6 * NS))
    (told,) = [one for one in row if one["State"] == "tripped"]
    assert told["Seen in (leaf)"].endswith(f"/{night.relay.trip.place}")


def test_no_leaf_is_one_line(night: Night, capsys: Printed):
    for leaf, words in (
        ("99999", "entry 99999 is in no published tree"),
        ("99999/0", "entry 99999 is no batch"),
        ("0/0", "entry 0 is no batch"),
        ("x", "names no leaf"),
    ):
        assert main(["prove", str(night.place), "--leaf", leaf]) == 2
        told = capsys.readouterr().err
        assert words in told and told.count("\n") == 1
