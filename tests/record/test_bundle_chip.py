"""Bundles of a gateway whose device key is a chip's, P-256: the lone verifier checks its run
statement with what it has itself."""

from pathlib import Path

import pytest

from evidence import p256
from tests.record.bundling import Seam, reconstruct, verify
from tests.record.chip import Chip
from tests.record.gateway import OTHER_BUS, Gateway
from tests.record.judge import Judge


class Worn(Chip):
    """Signs with a bit that is another."""

    def sign(self, message: bytes) -> bytes:
        signature = super().sign(message)
        return signature[:-1] + bytes((signature[-1] ^ 1,))


def bundled(folder: Path, chip: Chip) -> Path:
    """Two seconds of a gateway beside it, and of the chip's."""
    seam = Seam(folder, rate=2, gateways=1)
    gateway = Gateway(
        "gw-chip", seam.other, issuer="Utility B", buses=(OTHER_BUS,), key=chip.public
    )
    gateway.device = chip  # type: ignore[assignment]
    seam.send(gateway.statement)
    seam.runs.append(seam.begin(gateway.start(), OTHER_BUS))
    seam.go(2)
    seam.close()
    (folder / "anchors.toml").write_text(seam.anchors())
    assert reconstruct(seam.place, folder / "bundle", first=0, last=2) == 0
    return folder / "bundle"


def test_the_lone_verifier_checks_a_chips_run_statement(tmp_path: Path, judge: Judge, capsys):
    bundle, anchors = bundled(tmp_path, Chip()), tmp_path / "anchors.toml"
    capsys.readouterr()
    assert verify(bundle, anchors, "--every") == 0
    assert "gw-chip" in capsys.readouterr().out
    code, told = judge.main(bundle, "--anchors", anchors)
    assert code == 0 and "gw-chip" in told


def test_a_run_that_the_chip_did_not_sign_is_refused_though_the_log_has_it(
    tmp_path: Path, judge: Judge, capsys, monkeypatch: pytest.MonkeyPatch
):
    """A log that let it in, with all its proofs in order."""
    with monkeypatch.context() as blind:
        blind.setattr(p256, "verify", lambda *_: True)
        bundle = bundled(tmp_path, Worn())
    capsys.readouterr()
    assert verify(bundle, tmp_path / "anchors.toml") == 1
    said = "signature: the signature is not one of key"
    assert said in capsys.readouterr().out
    code, told = judge.main(bundle, "--anchors", tmp_path / "anchors.toml")
    assert code == 1 and said in told
