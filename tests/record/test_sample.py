"""`gridseal-record show` of one sample: what it is worth now, what it says, what it leans on."""

import json
from typing import Any, NamedTuple

import pytest

from drivers.c37118.wire import Layout
from evidence import instant, verdict
from evidence.code import Cause, Check, Event, Flag, Kind, TimeSource
from evidence.event import Noticed
from evidence.gap import Gap
from evidence.verdict import Clock, PlaceState, Source, State, Term, Tripped, Verdict
from record.cli import main
from record.database import Place
from tests.drivers.receiver_line import Line
from tests.record.gateway import (
    BUS,
    LOCKED,
    NANOSECONDS,
    START,
    Gateway,
    GatewayRun,
    cfg_bytes,
    configuration,
    frame,
)
from tests.record.upstream import AUTHORITY, BOTH, Upstream

MS = 1_000_000
SHARED = configuration(2)
CHANNELS = ((0, "V0"), (0, "V1"), (0, "FREQ"), (0, "DFREQ"))
OWN, PMU, RECEIVER = 0, 3, 5


def concluded(
    place: PlaceState, tripped: tuple[Tripped, ...] = (), of: int | None = START
) -> bytes:
    clock = Clock(
        *("chrony", "the least bound of two", 40_000, 10, TimeSource.NTP, int(Flag.LOCKED)),
        *((Term("offset", 30_000), Term("jitter", 10_000)), None, 37),
    )
    sources = (
        Source("chrony", TimeSource.NTP, State.CHOSEN, -12_000, 30_000, "stratum 2"),
        Source("roof", TimeSource.GNSS, State.NO_WORD, None, None, "no fix"),
    )
    receiver = verdict.Receiver(RECEIVER, of, 1, 2, 1, 1, 20, 4100)
    place_ = verdict.Place(place, 700, 11_500)
    return Verdict(clock, sources, place_, (receiver,), tripped).raw()


class Made(NamedTuple):
    place: Place
    upstream: Upstream
    run: GatewayRun


@pytest.fixture
def made(place: Place, upstream: Upstream, gateway: Gateway) -> Made:
    """A gateway with a PMU, a receiver and its own words, a sample each second; at second 5 it
    finds itself elsewhere."""
    run = gateway.start()
    upstream.send(run.statement)
    upstream.send(
        run.describe(OWN, None, None, Kind.EVENT, (), ("gateway", ""), origin="gateway"),
        run.describe(PMU, cfg_bytes(SHARED), BUS, Kind.C37118, CHANNELS, ("relay", "7")),
        run.describe(RECEIVER, None, None, Kind.FIX, (), ("roof", "")),
    )
    layout, line = Layout(SHARED), Line()
    line.step()
    for second in range(9):
        tai = START + second * NANOSECONDS
        moved = second >= 5
        fix = line.step()
        run.observe(RECEIVER, fix.raw, tai=tai, heard=10 * MS, kind=Kind.FIX)
        if second in (0, 5):
            tripped = (Tripped(Check.MOVED, None, tai),) if moved else ()
            state = PlaceState.DOUBTED if moved else PlaceState.CHECKED
            at = {"tai": tai + 15 * MS, "heard": 0}
            run.observe(OWN, concluded(state, tripped, fix.tai), kind=Kind.VERDICT, **at)
            noticed = Noticed(Event.CHECK_TRIPPED, tai, tai, 1, "57 m", None, Check.MOVED)
            run.observe(OWN, noticed.raw(), kind=Kind.EVENT, **at)
        flags = LOCKED | (Flag.PLACE_DOUBTED if moved else Flag.PLACE_CHECKED)
        gone = [(0, "V1")] * (second in (2, 3, 7))
        run.observe(PMU, frame(layout, 60 * second, 0, gone), tai=tai, flags=flags)
        upstream.push(run.cut())
    upstream.appraise()
    return Made(place, upstream, run)


def shown(made: Made, capsys: pytest.CaptureFixture[str], *asked: str) -> tuple[Any, str]:
    """As JSON, and as lines."""
    assert main(["show", str(made.place), "--json", *asked]) == 0
    found = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert main(["show", str(made.place), *asked]) == 0
    return found, capsys.readouterr().out


@BOTH
def test_a_sample_with_all_that_it_leans_on(made: Made, capsys: pytest.CaptureFixture[str]):
    found, lines = shown(made, capsys, "--sample", f"gw-1/relay/{2}")
    assert (found["class"], found["reason"]) == ("settleable", None)
    assert found["gateway"] == "gw-1" and found["stream"] == "relay/7"
    assert found["tai"] == START + NANOSECONDS and found["instant"].endswith("Z")
    assert (found["bound_ns"], found["heard_ns"], found["heard_bound_ns"]) == (1000, 20 * MS, MS)
    assert found["flags"] == ["locked", "traceable", "place_checked"]
    assert found["findings"] == [] and found["copies"] == 1
    first = found["values"][1]
    assert (first["name"], first["part"], first["value"]) == ("V0", "magnitude", 61.0)
    assert first["node"] == "00010203-0405-0607-0809-0a0b0c0d0e0f" and first["phase"] == "A"
    assert found["descriptor"]["rate"] == [60, 1]
    assert found["credential"]["issuer"] == "Utility A"
    # The verdict of second 0, and the receiver's last word before that.
    assert (found["verdict"]["seq"], found["verdict"]["before_ns"]) == (1, 1005 * MS)
    assert found["verdict"]["place"] == "checked" and found["verdict"]["chosen"] == "chrony"
    (fix,) = found["fixes"]
    assert (fix["stream"], fix["name"], fix["seq"], fix["before_ns"]) == (5, "roof", 1, 5 * MS)
    assert fix["exact"]
    assert fix["fix"] == "space" and fix["mode"] == "navigation" and fix["satellites"] == 20
    assert abs(fix["latitude"] - 46.948) < 1e-4
    for words in (
        "settleable\n", "within 1 us, by the clock that stamped it: device",
        "20 ms after its instant, by the gateway's clock, known to 1 ms",
        "locked, traceable, place_checked", "V0 magnitude 61 V, phase A, bus 00010203-",
        "seq 1 of stream 0, 1.005 s before", "place checked, 0.7 m from the survey, 11.5 m may be",
        "source chrony: chosen -12 us off +-30 us; stratum 2", "source roof: no_word; no fix",
        "seq 1 of stream 5 (roof), the epoch that the verdict leans on",
        "space, navigation mode, in ubx",
        "by Utility A", "direct, 60 in 1 s",
    ):  # fmt: skip
        assert words in lines, words


def test_a_sample_of_a_gateway_that_was_moved(made: Made, capsys: pytest.CaptureFixture[str]):
    found, lines = shown(made, capsys, "--sample", f"gw-1/{PMU}/7")
    assert (found["class"], found["reason"]) == ("place_doubtful", "place_contradicted")
    assert found["verdict"]["seq"] == 3 and found["verdict"]["place"] == "doubted"
    assert found["fixes"][0]["seq"] == 6
    assert found["verdict"]["tripped"][0]["check"] == "moved"
    assert "moved since 2026-" in lines


@pytest.mark.parametrize(
    ("kept", "exact", "latitude"),
    [
        ((0, 2, 4), True, 46.948),  # with the next frame, which carries what came since
        ((0, 4), True, 46.948),
        ((0, 9), True, 46.948),
        ((0,), False, 46.949),  # nothing of it was kept
    ],
)
def test_the_fix_is_the_epoch_that_the_verdict_leans_on(
    place: Place, upstream: Upstream, gateway: Gateway, capsys: pytest.CaptureFixture[str],
    kept: tuple[int, ...], exact: bool, latitude: float,
):  # fmt: skip
    """The receiver is carried 111 m south before epoch 1; the verdict is of epoch 3."""
    run = gateway.start()
    upstream.send(run.statement)
    upstream.send(
        run.describe(OWN, None, None, Kind.EVENT, (), ("gateway", ""), origin="gateway"),
        run.describe(PMU, cfg_bytes(SHARED), BUS, Kind.C37118, CHANNELS, ("relay", "7")),
        run.describe(RECEIVER, None, None, Kind.FIX, (), ("roof", "")),
    )
    line, since = Line(), b""
    for second in range(10):
        tai = START + second * NANOSECONDS
        fix = line.step(moved_m=(111.0 if second < 1 else 0.0, 0.0, 0.0))
        since += fix.raw
        if second == 3:
            raw = concluded(PlaceState.DOUBTED, (), fix.tai)
            run.observe(OWN, raw, kind=Kind.VERDICT, tai=tai + 15 * MS, heard=0)
            run.observe(PMU, frame(Layout(SHARED), 180, 0, []), tai=tai + 20 * MS, flags=LOCKED)
        if second in kept:
            run.observe(RECEIVER, since, tai=tai, heard=10 * MS, kind=Kind.FIX)
            since = b""
    upstream.push(run.cut())
    found, lines = shown(Made(place, upstream, run), capsys, "--sample", f"gw-1/{PMU}/1")
    (fix_,) = found["fixes"]
    assert fix_["exact"] is exact and abs(fix_["latitude"] - latitude) < 1e-4
    assert ("the last that was kept, 3.005 s before the verdict" in lines) is not exact


def test_a_sample_that_was_heard_before_the_first_verdict_leans_on_none(
    made: Made, capsys: pytest.CaptureFixture[str]
):
    run, layout = made.run, Layout(SHARED)
    run.observe(PMU, frame(layout, 0), tai=START - NANOSECONDS)
    made.upstream.push(run.cut())
    found, lines = shown(made, capsys, "--sample", f"gw-1/relay/7/{10}")
    assert found["verdict"] is None and found["fixes"] == []
    assert "none was heard before it" in lines


def test_the_verdict_is_found_in_a_batch_that_goes_on_after_the_sample(
    made: Made, capsys: pytest.CaptureFixture[str]
):
    """Stream 0 of that batch was heard from before the sample until after it."""
    run, tai = made.run, START + 20 * NANOSECONDS
    run.observe(OWN, concluded(PlaceState.UNCHECKED), kind=Kind.VERDICT, tai=tai, heard=0)
    run.observe(PMU, frame(Layout(SHARED), 0), tai=tai + 500 * MS)
    after = tai + 900 * MS
    run.observe(OWN, concluded(PlaceState.CHECKED), kind=Kind.VERDICT, tai=after, heard=0)
    made.upstream.push(run.cut())
    found, _ = shown(made, capsys, "--sample", "gw-1/relay/10")
    assert (found["verdict"]["place"], found["verdict"]["before_ns"]) == ("unchecked", 520 * MS)


def test_later_findings_are_told_with_the_channels_that_they_are_about(
    made: Made, capsys: pytest.CaptureFixture[str]
):
    found, lines = shown(made, capsys, "--sample", "gw-1/relay/4")
    assert (found["class"], found["receipt"]["class"]) == ("settleable", "settleable")
    (finding,) = found["findings"]
    assert (finding["class"], finding["reason"]) == ("data_invalid", "value_invalid")
    assert finding["channels"] == ["V1"]
    by_name = {(row["name"], row["part"]): row for row in found["values"]}
    gone = by_name["V1", "angle"]
    assert (gone["value"], gone["missing"], gone["reason"]) == (None, True, "value_invalid")
    assert "class" not in by_name["V0", "angle"] and by_name["STAT", ""]["value"] == 0
    assert "data_invalid: value_invalid of V1, found " in lines
    assert "V1 angle none rad, the device gave none" in lines
    found, _ = shown(made, capsys, "--sample", "gw-1/relay/5")
    assert found["findings"] == []


def test_what_a_clone_makes_of_a_sample(
    made: Made, gateway: Gateway, capsys: pytest.CaptureFixture[str]
):
    """Two runs begin where one ended: what the first of them is told later, of all of it."""
    before = made.run
    run = gateway.start(before, started=START + 20 * NANOSECONDS)
    made.upstream.start(run, cfg_bytes(SHARED), PMU)
    run.observe(PMU, frame(Layout(SHARED), 0), tai=START + 30 * NANOSECONDS)
    made.upstream.push(run.cut())
    seq = run.lines[PMU].seq - 1
    name = f"gw-1/{PMU}/{seq}@{run.name.hex()[:8]}"
    assert shown(made, capsys, "--sample", name)[0]["class"] == "place_unchecked"
    made.upstream.send(gateway.start(before, started=START + 20 * NANOSECONDS).statement)
    found, lines = shown(made, capsys, "--sample", name)
    assert (found["class"], found["reason"]) == ("key_doubtful", "clone")
    assert found["receipt"]["class"] == "place_unchecked" and "key_doubtful: clone" in lines
    # What it leans on is in the run before, which nobody doubts.
    assert found["verdict"]["run"] == before.name.hex()[:16]
    found, _ = shown(made, capsys, "--sample", f"gw-1/relay/2@{before.name.hex()[:8]}")
    assert found["class"] == "settleable"


@pytest.mark.parametrize(
    ("after_ns", "seq"),
    [(0, 1), (1, 2), (3 * NANOSECONDS, 4), (7_500_000_000, 9), (-NANOSECONDS, 1)],
)
def test_a_sample_by_its_instant(
    made: Made, after_ns: int, seq: int, capsys: pytest.CaptureFixture[str]
):
    at = instant.words(START + after_ns)
    found, _ = shown(made, capsys, "--at", at, "--stream", "gw-1/relay")
    assert found["sample"].split("@")[0].endswith(f"/{PMU}/{seq}")


def test_events_and_gaps_are_told_in_words(made: Made, capsys: pytest.CaptureFixture[str]):
    found, lines = shown(made, capsys, "--sample", "gw-1/0/2")
    assert found["says"] == "check_tripped (moved): 57 m" and "57 m" in lines
    run = made.run
    run.observe(PMU, Gap(Cause.NOT_HEARD, START, START + 1, 3).raw(), kind=Kind.GAP)
    made.upstream.push(run.cut())
    found, _ = shown(made, capsys, "--sample", f"gw-1/relay/{run.lines[PMU].seq - 1}")
    assert found["says"].startswith("not_heard, 2026-")


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (["--sample", "gw-1"], "expected GATEWAY/STREAM/SEQ: gw-1/relay/1234"),
        (["--sample", "gw-1/relay/x"], "expected GATEWAY/STREAM/SEQ"),
        (["--sample", "gw-2/relay/1"], "no gateway 'gw-2' here; there are: gw-1 ("),
        (["--sample", "gw-1/rely/1"], "no stream 'rely' of gw-1; there are: 0 (gateway), 3 (rel"),
        (["--sample", "gw-1/relay/99"], "it reaches seq 9"),
        (["--sample", "gw-1/8/0"], "nothing is there"),
        (["--sample", "gw-1/relay/1@ffffffff"], "no run ffffffff of gw-1; the latest: "),
        (["--sample", "gw-1/relay/0"], "seq 0 of stream 3 is a descriptor"),
        (["--at", "2026-09-21T14:13:20Z"], "go together"),
        (["--stream", "gw-1/relay"], "go together"),
        (["--at", "yesterday", "--stream", "gw-1/relay"], "is no instant in UTC"),
        (["--at", "2027-01-01T00:00:00Z", "--stream", "gw-1/relay"], "was measured then"),
        (["--at", "2026-09-21T14:13:20Z", "--stream", "relay"], "expected GATEWAY/STREAM"),
    ],
)
def test_what_is_not_there_is_told_with_what_there_is(
    made: Made, asked: list[str], words: str, capsys: pytest.CaptureFixture[str]
):
    assert main(["show", str(made.place), *asked]) == 2
    assert words in capsys.readouterr().err


def test_two_gateways_of_one_name_are_told_by_their_keys(
    made: Made, capsys: pytest.CaptureFixture[str]
):
    other = Gateway("gw-9", AUTHORITY, subject="gw-1")
    run = other.start()
    made.upstream.send(other.statement, run.statement)
    assert main(["show", str(made.place), "--sample", "gw-1/relay/1"]) == 2
    assert "several are called 'gw-1': " in capsys.readouterr().err
    kid = made.upstream.store.run(made.run.name)
    assert kid is not None
    found, _ = shown(made, capsys, "--sample", f"{kid.kid.hex()[:12]}/relay/1")
    assert found["gateway"] == "gw-1"


def test_two_contents_for_one_position_are_told(made: Made, capsys: pytest.CaptureFixture[str]):
    run = made.run
    run.lines[PMU].seq, run.lines[PMU].prev = 9, b"\1" * 32
    run.observe(PMU, frame(Layout(SHARED), 1))
    made.upstream.push(run.cut())
    found, lines = shown(made, capsys, "--sample", "gw-1/relay/9")
    assert (found["copies"], found["class"], found["reason"]) == (2, "key_doubtful", "twin")
    assert "and 1 more for this position" in lines


def test_a_frame_that_nobody_can_read_is_shown_all_the_same(
    made: Made, capsys: pytest.CaptureFixture[str]
):
    made.run.observe(PMU, b"no frame")
    made.upstream.push(made.run.cut())
    found, lines = shown(made, capsys, "--sample", "gw-1/relay/10")
    assert found["values"] == [] and found["says"].startswith("nobody can read it: ")
    assert "data_invalid: malformed" in lines
