"""`gridseal-hil bench verify`: that it measures what it says, not how fast this machine is."""

import json

import pytest

from hil.bench import verify
from hil.cli import main


@pytest.mark.timeout(180)  # several processes start, each as slowly as a busy machine has it
def test_verification_alone_is_counted(capsys: pytest.CaptureFixture[str]):
    assert main(["bench", "verify", "--seconds", "1.2", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert figures["one_per_s"] > 0 and figures["two_per_s"] > 0
    assert figures["ratio"] == round(figures["two_per_s"] / figures["one_per_s"], 2)
    assert "broker" not in figures


@pytest.mark.timeout(180)  # the same, a broker and a database
def test_behind_a_broker_every_batch_is_answered(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(verify, "BROKER_OBSERVATIONS", 6000)
    monkeypatch.setattr(verify, "BARE_S", 0.3)
    figures = verify.measure(0.6, broker=True)["broker"]
    assert figures["sqlite"]["samples_per_s"] > 0
    assert figures["postgresql"] is None or figures["postgresql"]["samples_per_s"] > 0
    assert figures["bare_64k_per_s"] > 0


def test_other_benches_know_no_broker(capsys: pytest.CaptureFixture[str]):
    assert main(["bench", "admit", "--broker"]) == 2
    assert "takes no --broker" in capsys.readouterr().err
