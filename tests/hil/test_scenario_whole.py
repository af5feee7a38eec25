"""The seam of February 2021, all three days of it: every expectation is asked and holds, and its
record has the figures that hil/scenarios/README.md states of it."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from evidence.code import Matter
from evidence.joint import decision, interchange
from evidence.joint.record import Record
from evidence.leap import BUILT_IN, NS
from hil.scenario import command
from hil.scenario.figures import tai_of
from hil.scenario.observed import Reader, wanted
from hil.script import path_of
from record.joint import Shelf, case_of
from record.series import series
from record.store import Store, open_reader

WHOLE_S = 300  # ten times what it takes on a quiet machine
pytestmark = pytest.mark.timeout(WHOLE_S + 60)
HOURS = 72
CST_S = -6 * 3600
# MWh a day, of ERCO with SWPP and with CEN: EIA-930.
EXPORTED = {14: -19507, 15: -18652, 16: -15114}
MEXICO = {14: -9161, 15: -2189, 16: 0}
CLASS = 4e-4  # how far the meters are off at most


class Whole:
    """All of it, played by its command."""

    def __init__(self, folder: Path) -> None:
        argv = [sys.executable, "-m", "hil.cli", "run", "uri-2021", "--json"]
        done = subprocess.run(
            [*argv, "--report", str(folder)],
            capture_output=True,
            text=True,
            timeout=WHOLE_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        self.code, self.said = done.returncode, done.stderr
        self.told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        self.facts: list[dict[str, Any]] = json.loads((folder / "facts.json").read_text())
        self.folder = folder

    def count(self, what: str, *words: str) -> Counter[tuple[Any, ...]]:
        """How many facts have each of these words."""
        found: Counter[tuple[Any, ...]] = Counter()
        for one in self.facts:
            if one["what"] == what:
                found[tuple(one.get(word) for word in words)] += 1
        return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    return Whole(tmp_path_factory.mktemp("whole") / "report")


@pytest.fixture(scope="module")
def store(whole: Whole) -> Iterator[Store]:
    found = open_reader(whole.folder / "record.db")
    yield found
    found.close()


def said(store: Store, matter: Matter) -> list[Record]:
    shelf, cases = Shelf(store), [case_of(row) for row in store.joints()]
    found = [shelf.record(one.name) for one in cases if one.matter == matter]
    return [one for one in found if one is not None]


def measured(store: Store, device: str) -> list[tuple[int, float]]:
    """A PMU's frequency or a meter's power within the three days, as the record has it."""
    of, _, _ = command.read(path_of("uri-2021"))
    begins, ends = tai_of(of.scenario.begins), tai_of(of.scenario.ends)
    reader = Reader(store, of)
    leaves = reader.leaves([device], begins, ends)
    found = series(store, reader.known, leaves, reader.size, wanted(of, device))
    values = [(one.tai, one.value) for one in found if one.tai < ends]
    return [(tai, float(value)) for tai, value in values if isinstance(value, int | float)]


def local(tai: int) -> datetime:
    return datetime.fromtimestamp(BUILT_IN.utc_ns(tai) // NS + CST_S, UTC)


def test_every_expectation_is_asked_and_holds(whole: Whole) -> None:
    assert whole.told["failed"] == []
    assert whole.code == 0, whole.said
    assert whole.told["not_asked"] == 0
    assert all(one["held"] is True for one in whole.told["findings"])
    assert len(whole.told["findings"]) == whole.told["expectations"] > 20
    assert whole.told["refused"] == 0


def test_each_hour_is_settled_and_has_the_energy_that_was_published(
    whole: Whole, store: Store
) -> None:
    assert whole.count("settlement", "verdict", "state") == {("agreed", "joint"): 2 * HOURS}
    records = said(store, Matter.INTERCHANGE)
    assert len(records) == HOURS
    days: Counter[int] = Counter()
    for one in records:
        body = interchange.read(one.body)
        days[local(one.begins).day] += round(body.mwh) * (1 if body.source == "ERCOT" else -1)
    assert days == EXPORTED


def test_meters_of_both_sides_read_what_the_readme_says(store: Store) -> None:
    for tie, most in (("oklaunion", 220.8), ("monticello", 602.1)):
        power = [mw for _, mw in measured(store, f"{tie}-meter-spp")]
        assert max(power) == pytest.approx(most, rel=2 * CLASS)
    for ties, days in ((("oklaunion", "monticello"), EXPORTED), (("mexico",), MEXICO)):
        energy = dict.fromkeys(days, 0.0)
        for tai, mw in (one for tie in ties for one in measured(store, f"{tie}-meter-ercot")):
            energy[local(tai).day] += mw / 60  # each minute
        assert energy == pytest.approx(days, rel=CLASS, abs=1e-6)


def test_the_frequency_is_below_59_4_hz_for_4_min_23_s(store: Store) -> None:
    hertz = [hz for _, hz in measured(store, "ercot-pmu")]
    assert sum(hz < 59.4 for hz in hertz) == pytest.approx(2630, abs=5)  # ten a second
    assert min(hertz) == pytest.approx(59.302, abs=1e-3)
    assert {hz for _, hz in measured(store, "spp-pmu")} == {60.0}


def test_what_was_ordered_is_10_500_mw_in_four_steps(store: Store) -> None:
    of = [one for one in said(store, Matter.LOAD_SHED) if one.author == "ERCOT"]
    assert [decision.read(one.body).mw for one in of] == [2000, 3000, 3500, 2000]


def test_claims_stand_side_by_side_and_six_handoffs_are_reconstructed(whole: Whole) -> None:
    authors = {
        "SPP: load shed begins on 15 February": {"SPP", "OG&E", "Chronicler"},
        "SPP: EEA 3 on 16 February": {"SPP", "Heartland Energy"},
        "ERCOT: EEA 3, rotating outages begin": {"ERCOT", "Chronicler"},
    }
    claims = whole.count("claim", "topic", "author")
    for topic, names in authors.items():
        assert {author for of, author in claims if of == topic} == names
    handoffs = whole.count("handoff", "mark", "step")
    assert {mark for mark, _ in handoffs} == {"reconstructed"}
    assert handoffs["reconstructed", "requested"] == 6
    truths = whole.count("evaluation", "topic", "truth")
    assert {truth for topic, truth in truths if topic == "1 Rotating outages"} == {"false"}
    assert {truth for topic, truth in truths if topic == "3 No more import from Mexico"} == {
        "undetermined"
    }
