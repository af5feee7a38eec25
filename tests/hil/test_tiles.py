"""The bench of proofs from tile files, over a log small enough to be made in a moment."""

import pytest

from hil.bench import tiles


def test_proofs_from_files_hold_and_are_timed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tiles, "LEAST", 50)
    found = tiles.measure(0.01, 70_000)
    assert found["tiles"] == 273 + 1 + 2 + 1  # of level 0, 1 and 2: the example of tlog-tiles
    assert found["proofs"] >= 50
    assert 0 < found["p50_ms"] <= found["p99_ms"] <= found["most_ms"]
    assert 3 <= found["files_a_proof"] <= 5
    assert 0 <= found["still_cached_share"] <= 1
