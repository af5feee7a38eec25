"""`gridseal-hil bench reconstruct`: that it measures what it says, not how fast this machine is."""

import json

import pytest

from hil.cli import main


def test_a_second_of_a_seam(capsys: pytest.CaptureFixture[str]):
    assert main(["bench", "reconstruct", "--seconds", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["samples"] == 20 * 60
    assert found["bundle_bytes"] > found["samples"] * 250
    assert all(value > 0 for value in found.values())
    assert found["lone_mib"] < found["verify_mib"]
