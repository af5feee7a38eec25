"""`gridseal-hil bench reconstruct`: that it measures what it says, not how fast this machine is."""

import json

import pytest

from hil.bench.reconstruct import short
from hil.cli import main


def test_a_second_of_a_seam(capsys: pytest.CaptureFixture[str]):
    assert main(["bench", "reconstruct", "--seconds", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["samples"] == 20 * 60
    assert found["bundle_bytes"] > found["samples"] * 250
    assert all(value > 0 for value in found.values())
    assert found["lone_mib"] < found["verify_mib"]


def test_an_hour_that_falls_short_is_told():
    held = {"reconstruct_s": 59.9, "verify_s": 30.0, "lone_s": 30.0}
    held |= {"reconstruct_mib": 499.9, "every_ratio": 0.6}
    assert short(held) == []
    slow = {name: 2 * value for name, value in held.items()} | {"every_ratio": 0.59}
    assert [reason.split()[0] for reason in short(slow)] == list(held)
