"""`gridseal-record settle`: verdicts for people, records that are signed and sent, and settled
again."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from drivers.keystore import file as keystore
from evidence import instant
from evidence.code import Agreement
from evidence.merkle import leaf_hash
from record.cli import main
from record.settle import told
from record.settle.interval import Stretch, cut
from record.settle.job import settled
from record.settle.learning import Lessons
from tests.evidence.joint.sharing import EAST, WEST, founders_text, word
from tests.record.gateway import NANOSECONDS, START, Statement
from tests.record.settle.border import HOUR, LINE, RATE, TIE, Pmu, Say, Shared
from tests.record.settle.test_energy import GAINED, SENT, flowing, leaving
from tests.record.settle.test_job import I1, I2, V1, V2, fill, settle
from tests.record.test_program import served
from tests.record.upstream import LOG, Upstream

FROM, TO = instant.words(HOUR.begins), instant.words(HOUR.ends)


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Shared]:
    """A record in a file, beside what it takes to serve it."""
    found = Shared(tmp_path / "record.db", TIE, LINE)
    for name, seed in (
        ("log.key", hashlib.sha256(b"log").digest()),
        ("west.key", leaf_hash(WEST.encode())),
    ):
        path = tmp_path / name
        path.write_bytes(keystore.encode(seed))
        path.chmod(0o600)
    text = f'[log]\nname = "demo"\nkey = "{LOG.public.raw.hex()}"\n{founders_text()}'
    (tmp_path / "anchors.toml").write_text(text)
    (tmp_path / "record.toml").write_text('[record]\nlisten = "127.0.0.1:0"\n')
    yield found
    found.upstream.close()


def typed(tmp_path: Path, *more: str) -> list[str]:
    return ["settle", str(tmp_path / "record.db"), *more]


def test_an_hour_of_a_tie_quarter_by_quarter(
    shared: Shared, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    shared.play(shared.meter(TIE.sides[0]), flowing(SENT))
    shared.play(shared.meter(TIE.sides[1]), leaving(GAINED))
    asked = typed(tmp_path, "--seam", TIE.name, "--from", FROM, "--to", TO, "--every", "15m")
    assert main(asked) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert all(" agreed  energy: " in line for line in lines)
    assert lines[0].startswith(f"{FROM} to ")
    assert main([*asked, "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["verdict"] for row in rows] == ["agreed"] * 4
    (measure,) = rows[0]["measures"]
    assert measure["size"] < measure["tolerance"]
    assert sum(amount for _, amount in measure["terms"]) == pytest.approx(measure["tolerance"])


def test_settlements_are_said_to_a_record_that_is_served(
    shared: Shared, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    shared.play(shared.meter(TIE.sides[0]), flowing(SENT))
    shared.play(shared.meter(TIE.sides[1]), leaving(GAINED))
    shared.upstream.close()
    asked = typed(tmp_path, "--seam", TIE.name, "--from", FROM, "--to", TO)
    with served(tmp_path / "record.toml") as (_, url):
        send = ("--key", f"file:{tmp_path / 'west.key'}", "--author", WEST, "--record", url)
        anchors = ("--anchors", str(tmp_path / "anchors.toml"))
        assert main([*asked, *send, *anchors]) == 0
        assert "  entry " in capsys.readouterr().out
        # The key of another authority than the author: the record refuses, and says why.
        assert main([*asked, *send, "--author", EAST]) == 1
        assert "unknown_authority" in capsys.readouterr().out
    assert main(typed(tmp_path, "--check")) == 0
    assert capsys.readouterr().out.count(": holds") == 1


def test_what_was_said_is_settled_again_and_a_choice_of_leaves_is_found(
    shared: Shared, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    meter = shared.meter(TIE.sides[0])
    shared.play(meter, flowing(SENT), range(-2, 30))
    shared.play(meter, flowing(SENT), range(30, 63))
    shared.play(shared.meter(TIE.sides[1]), leaving(GAINED))
    found = settle(shared, TIE, HOUR)
    shared.say(found.record(WEST))
    one, other = found.job.leaves
    # Without the first half hour nothing is comparable: what is convenient to somebody.
    less = replace(one, indexes=one.indexes[1:])
    job = found.job._replace(leaves=(less, other))
    chosen = settled(shared.store, shared.known(), job)
    assert chosen.outcome.verdict == Agreement.NOT_COMPARABLE
    shared.say(chosen.record(WEST))
    # And one that says what its leaves do not.
    body = replace(found.body, verdict=Agreement.NOT_COMPARABLE, why="a storm")
    shared.say(replace(found.record(WEST), body=body.body()))
    assert main(typed(tmp_path, "--check", "--json")) == 1
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["reason"] == "" for row in rows] == [True, False, False]
    assert "first: leaves out 1 of 2 leaves" in rows[1]["reason"]
    assert "settled again: " in rows[2]["reason"]
    assert " agreed " in rows[2]["reason"]
    assert main(typed(tmp_path, "--check")) == 1
    shown = capsys.readouterr().out
    assert " ".join(shown.split()).count("does not hold: ") == 2
    assert all(len(row) <= 80 for row in shown.splitlines()), shown


def test_a_standing_residual_is_learned_agreed_on_and_used(
    shared: Shared, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Two ends that differ by 2.5 %, for ever: within their classes. Then it is 4.5 %."""
    pmus = [Pmu(shared, side, accuracy=("3P", "5P20")) for side in LINE.sides]
    values = (V1, I1), (1.025 * V2, -I2)
    until = START + 310 * NANOSECONDS
    for pmu, (volt, amp) in zip(pmus, values, strict=True):
        for second in range(0, 310, 5):
            fill(pmu, volt, amp, 1, second)
    asked = ("--seam", LINE.name, "--from", FROM, "--to", instant.words(until))
    assert main(typed(tmp_path, *asked, "--every", "31s", "--learn")) == 0
    assert "standing residual: " in capsys.readouterr().out
    some = [settle(shared, LINE, stretch) for stretch in cut(START, until, 31 * NANOSECONDS)]
    lessons = Lessons()
    for one in some:
        lessons.add(one)
    learned_of = lessons.record(shared.store, WEST)
    shared.say(learned_of)
    assert settle(shared, LINE).body.standing is None  # one side's word
    shared.upstream.send(Statement(word(learned_of, EAST)))
    usual = settle(shared, LINE)
    assert usual.outcome.verdict == Agreement.AGREED_WITH_RESIDUAL, usual.outcome.why
    assert usual.body.standing is not None
    for pmu, (volt, amp) in zip(pmus, ((V1, I1), (1.045 * V2, -I2)), strict=True):
        fill(pmu, volt, amp, first=400)
    later = Stretch(START + 400 * NANOSECONDS, START + 404 * NANOSECONDS)
    changed = settle(shared, LINE, later)
    assert changed.outcome.verdict == Agreement.DISPUTED
    assert "change of voltage" in changed.outcome.why
    job = changed.job._replace(standing=None)
    alone = settled(shared.store, shared.known(), job).outcome
    assert alone.verdict == Agreement.AGREED_WITH_RESIDUAL  # the classes allow as much
    for one in (usual, changed):
        shared.say(one.record(WEST))
    assert main(typed(tmp_path, "--check")) == 0


def test_pmus_are_integrated_beside_the_meters_and_settle_nothing(
    shared: Shared, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """A minute: 10 frames a second at both ends, and meters that are read each second."""
    tie_flow = 3 * V1 * I1.conjugate() / 1e6
    mw, until = tie_flow.real, START + 60 * NANOSECONDS
    seconds = [second / 60 for second in range(-3, 64)]
    gained = mw - 2.0 - 0.01 * mw
    for side, wrong, say in zip(
        TIE.sides, (1.0, 1.2), (flowing(mw, unit=1e6), leaving_wh(gained)), strict=True
    ):
        sign = 1.0 if side is TIE.sides[0] else -gained / mw
        fill(Pmu(shared, side), V1, wrong * sign * I1, 60)
        shared.play(shared.meter(side, unit="Wh", type="u64"), say, seconds)
    asked = ("--seam", TIE.name, "--from", FROM, "--to", instant.words(until))
    assert main(typed(tmp_path, *asked, "--pmu")) == 0
    head, first, second = capsys.readouterr().out.splitlines()
    assert " agreed" in head
    assert "first: PMU integration is in keeping" in first
    assert "second: PMU integration deviates" in second
    assert main(typed(tmp_path, *asked, "--pmu", "--json")) == 0
    row = json.loads(capsys.readouterr().out)
    assert [one["deviates"] for one in row["pmu"]] == [False, True]


def leaving_wh(megawatts: float) -> Say:
    say = flowing(megawatts, 56_000.0, unit=1e6)
    return lambda minute: (7, say(minute)[0])


def test_a_page_asks_for_the_last_seconds(shared: Shared):
    for side, values in zip(LINE.sides, ((V1, I1), (V2, -I2)), strict=True):
        fill(Pmu(shared, side), *values)
    ends = START + 4 * NANOSECONDS
    row = told.live(shared.store, shared.known(), LINE.name, ends, 2 * NANOSECONDS)
    assert row["verdict"] == "agreed"
    assert row["counts"]["compared"] == 2 * RATE
    assert [one["name"] for one in told.seams(shared.store)] == [TIE.name, LINE.name]
    assert told.seams(shared.store)[0]["by"] == "energy"


def test_what_cannot_be_done_as_asked_is_one_line(
    shared: Shared, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    hour = ("--seam", TIE.name, "--from", FROM, "--to", TO)
    for more, text in (
        ((), "--seam, --from, --to"),
        (("--seam", "X", "--from", FROM, "--to", TO), "no seam 'X' is in force"),
        (("--seam", TIE.name, "--from", "noon", "--to", TO), "--from"),
        (("--seam", TIE.name, "--from", TO, "--to", FROM), "--to"),
        ((*hour, "--every", "1y"), "--every"),
        ((*hour, "--every", "0s"), "--every"),
        ((*hour, "--size", "999999"), "--size"),
        ((*hour, "--learn"), "nothing to learn"),
        (("--check", "--key", "file:k"), "--key, --author, --record"),
        (("--check", "--learn"), "--learn, --check"),
        (("--seam", TIE.name, "--day", "2026-11-01"), "--day, --clock"),
        ((*hour, "--day", "2026-11-01"), "--day, --from, --to"),
        ((*hour, "--clock", "Mars/Olympus"), "install tzdata, or name the offset"),
        (("--seam", TIE.name, "--day", "today", "--clock", "UTC"), "--day: 'today'"),
        (("--seam", TIE.name, "--day", "9999-12-31", "--clock", "UTC"), "--day"),
    ):
        assert main(typed(tmp_path, *more)) == 2, more
        err = capsys.readouterr().err
        assert text in err
        assert err.count("\n") == 1


def test_phasors_are_settled_a_quarter_of_an_hour_at_a_time(
    shared: Shared, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    until = instant.words(START + 1000 * NANOSECONDS)
    assert main(typed(tmp_path, "--seam", LINE.name, "--from", FROM, "--to", until)) == 0
    assert capsys.readouterr().out.count("  not_comparable\n") == 2


def test_a_day_is_settled_by_the_hours_of_a_market(
    shared: Shared, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """The day on which the clock goes back has 25; what was measured is in another."""
    shared.play(shared.meter(TIE.sides[0]), flowing(SENT))
    shared.play(shared.meter(TIE.sides[1]), leaving(GAINED))
    day = ("--seam", TIE.name, "--day", "2026-11-01", "--clock", "America/Chicago")
    assert main(typed(tmp_path, *day)) == 0
    heads = [row for row in capsys.readouterr().out.splitlines() if row.startswith("2026-")]
    assert [row.split("  ")[0][11:] for row in heads[:4]] == ["HE01", "HE02", "HE02*", "HE03"]
    assert len(heads) == 25
    assert main(typed(tmp_path, *day, "--numbered", "through", "--json")) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert rows[-1]["interval"] == "2026-11-01 HE25"
    assert rows[-1]["to"] == "2026-11-02T06:00:00Z"
    between = ("--from", "2026-09-21T14:15:00Z", "--to", "2026-09-21T15:00:00Z")
    asked = typed(tmp_path, "--seam", TIE.name, *between, "--clock", "UTC-05:00", "--every")
    assert main([*asked, "15m"]) == 0
    assert capsys.readouterr().out.startswith("2026-09-21 09:30  agreed  energy: ")
    # What no market has is told by both ends, and not by the name of something else.
    for every, until in (("45m", "15:00:00"), ("9m", "14:24:00")):
        assert main([*asked, every]) == 0
        assert capsys.readouterr().out.startswith(f"2026-09-21T14:15:00Z to {until}Z  ")


def test_what_people_are_told_fits_their_terminal(
    shared: Shared, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    shared.play(shared.meter(TIE.sides[0], accuracy="3P"), flowing(SENT))
    fill(Pmu(shared, LINE.sides[0]), V1, I1)
    fill(Pmu(shared, LINE.sides[1]), V1, 2 * I1)
    until = instant.words(START + 4 * NANOSECONDS)
    for seam, ends in ((TIE.name, TO), (LINE.name, until)):
        assert main(typed(tmp_path, "--seam", seam, "--from", FROM, "--to", ends)) == 0
        shown = capsys.readouterr().out.splitlines()
        assert len(shown) > 2
        assert all(len(row) <= 80 for row in shown), shown
    assert "worst at 2026-09-21T14:13:2" in "".join(shown)


def test_a_record_that_is_empty_has_no_seam(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    Upstream(tmp_path / "record.db").close()
    assert main(typed(tmp_path, "--seam", "X", "--from", FROM, "--to", TO)) == 2
    assert capsys.readouterr().err == (
        "gridseal-record: no seam 'X' is in force; there are: none\n"
    )
    assert main(typed(tmp_path, "--check")) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ((), "the following arguments are required: STORE"),
        (("x.db", "--size", "many"), "argument --size: invalid int value: 'many'"),
        (("x.db", "--numbered", "twice"), "argument --numbered: invalid choice: 'twice'"),
        (("x.db", "--evry", "1h"), "unrecognized arguments: --evry 1h"),
    ],
)
def test_what_was_typed_wrongly_is_one_line(
    more: tuple[str, ...], text: str, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit) as fault:
        main(["settle", *more])
    assert fault.value.code == 2
    err = capsys.readouterr().err
    assert text in err
    assert err.count("\n") == 1
