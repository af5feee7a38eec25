"""What is withheld by the interval: whole observations, whichever somebody chooses."""

from pathlib import Path

from evidence import export, instant, observation
from evidence.code import Kind
from evidence.export import Sealed, Veiled
from evidence.leap import NS
from tests.record.bundling import PMU, RELAY, device, fill, reconstruct, verify
from tests.record.gateway import START
from tests.record.judge import Judge


def _word(first: float, last: float, stream: str = "gw-1/pmu/1") -> str:
    ends = (instant.words(START + int(second * NS)) for second in (first, last))
    return f"{stream}@{'..'.join(ends)}"


def _kept(bundle: Path, stream: int) -> list[int]:
    """Instants of one stream of the first gateway, in quarters of a second, and -1 for a gap."""
    found = []
    for item in export.read([device(bundle).read_bytes()]):
        for link in (
            observation.split(item.body or b"") if isinstance(item, Sealed | Veiled) else ()
        ):
            sample, _, _ = observation.read_at(link, 0)
            if sample.stream == stream:
                is_gap = sample.kind == Kind.GAP
                found.append(-1 if is_gap else (sample.tai - START) * 4 // NS)
    return found


def test_an_interval_of_one_stream_is_withheld_and_nothing_else(
    tmp_path: Path, judge: Judge, capsys
):
    """From within one batch into another, with a gap between, which stays."""
    store = fill(tmp_path, seconds=1, rate=4)
    anchors = tmp_path / "anchors.toml"
    assert reconstruct(store, tmp_path / "all", first=0, last=4) == 0
    more = ("--withhold", _word(1.5, 3.25))
    assert reconstruct(store, tmp_path / "some", *more, first=0, last=4) == 0
    whole, some = (_kept(tmp_path / name, PMU) for name in ("all", "some"))
    assert some == [quarter for quarter in whole if not 6 <= quarter < 13]
    assert -1 in some and len(whole) - len(some) == 7
    assert _kept(tmp_path / "all", RELAY) == _kept(tmp_path / "some", RELAY)
    capsys.readouterr()
    assert verify(tmp_path / "some", anchors, "--every") == 0
    told = capsys.readouterr().out
    assert f"stream 1   {len(some)} observations" in told and "; 7 withheld" in told
    assert f"withheld   {more[1]}, by the word of" in told
    assert judge.main(tmp_path / "some", "--anchors", anchors, "--every")[0] == 0


def test_an_interval_that_means_nothing_is_refused(tmp_path: Path, capsys):
    """Who withholds something must not believe that it is withheld when it is not."""
    store = fill(tmp_path, seconds=1, rate=2)
    for word, says in (
        (_word(60, 61), "nothing in the bundle is gw-1/pmu/1@"),
        (_word(2, 1), "its end is not later than its begin"),
        ("gw-1/pmu/1@1..2", "'1' is no instant in UTC"),
        (_word(0, 1, "gw-9/pmu/1"), "nothing in the bundle is gw-9/pmu/1@"),
    ):
        assert reconstruct(store, tmp_path / "a", "--withhold", word, first=0, last=4) == 2
        err = capsys.readouterr().err
        assert says in err and err.count("\n") == 1, err
    assert not (tmp_path / "a").exists()
