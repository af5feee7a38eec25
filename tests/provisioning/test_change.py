"""A change of a gateway's folder holds whole or not at all, whenever the power goes."""

import errno
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from provisioning import change, cli
from provisioning.change import Change
from provisioning.placement import NewFile, PlacementError, SystemDisk
from tests.provisioning.power import CutDisk, PowerCutError

CHANGE = Change(
    "a new credential",
    [NewFile("new-1.cbor", b"one" * 50, 0o644), NewFile("new-2.pem", b"two" * 50, 0o644)],
    NewFile("gateway.toml", b"names new-1 and new-2\n" * 4, 0o644),
)
STEPS_MAX = 60


def folder(path: Path) -> Path:
    path.mkdir()
    (path / "gateway.toml").write_bytes(b"names the old\n")
    (path / "gateway.toml").chmod(0o640)
    (path / "device.key").write_bytes(b"secret")
    return path


def files(path: Path) -> dict[str, bytes]:
    return {one.name: one.read_bytes() for one in path.iterdir()}


def test_what_is_new_is_there_and_what_was_is_beside_it(tmp_path: Path) -> None:
    site = folder(tmp_path / "gw")
    change.apply(site, CHANGE)
    found = files(site)
    assert found["new-1.cbor"] == b"one" * 50 and found["new-2.pem"] == b"two" * 50
    assert found["gateway.toml"].startswith(b"names new-1")
    assert found["gateway.toml.before"] == b"names the old\n"
    assert (site / "gateway.toml").stat().st_mode & 0o777 == 0o640


def test_a_preview_writes_nothing_and_shows_it(tmp_path: Path) -> None:
    site = folder(tmp_path / "gw")
    before = files(site)
    lines = "\n".join(change.preview(site, CHANGE))
    assert (
        "new-1.cbor, 150 bytes" in lines and "-names the old" in lines and "+names new-1" in lines
    )
    assert files(site) == before


@pytest.mark.parametrize("loss", ["nothing", "everything", "oldest"])
def test_power_cut_at_every_step(tmp_path: Path, loss: str) -> None:
    """The old file or the new one, never half, and what the new one names is there."""
    done = False
    for cut in range(1, STEPS_MAX):
        site, attic = folder(tmp_path / f"gw-{cut}"), tmp_path / f"attic-{cut}"
        attic.mkdir()
        (site / "gateway.toml").write_bytes(b"names the oldest\n")
        change.apply(site, Change("x", (), NewFile("gateway.toml", b"names the old\n", 0o644)))
        try:
            change.apply(site, CHANGE, CutDisk(cut, loss, attic))
            done = True
        except PowerCutError:
            pass
        found = files(site)
        assert found["device.key"] == b"secret"
        assert CHANGE.replaced is not None
        if found["gateway.toml"] == CHANGE.replaced.content:
            assert found["new-1.cbor"] == b"one" * 50 and found["new-2.pem"] == b"two" * 50
            undone = change.rolled_back(site)
            assert undone.replaced is not None and undone.replaced.content == b"names the old\n"
        else:
            assert found["gateway.toml"] == b"names the old\n"
            undone = change.rolled_back(site)  # the change before is still the one to undo
            assert undone.replaced is not None and undone.replaced.content == b"names the oldest\n"
        if done:
            assert cut > 8
            return
    raise AssertionError("no end")


@pytest.mark.parametrize("loss", ["nothing", "everything", "oldest"])
def test_power_cut_while_rolling_back(tmp_path: Path, loss: str) -> None:
    for cut in range(1, STEPS_MAX):
        site, attic = folder(tmp_path / f"gw-{cut}"), tmp_path / f"attic-{cut}"
        attic.mkdir()
        change.apply(site, CHANGE)
        assert CHANGE.replaced is not None
        try:
            change.apply(site, change.rolled_back(site), CutDisk(cut, loss, attic))
            assert (site / "gateway.toml").read_bytes() == b"names the old\n"
            return
        except PowerCutError:
            there = (site / "gateway.toml").read_bytes()
            assert there in (b"names the old\n", CHANGE.replaced.content)
            if there == CHANGE.replaced.content:  # it did not hold: typed again, it does
                try:
                    change.apply(site, change.rolled_back(site))
                except PlacementError as fault:
                    raise AssertionError(f"cut at {cut}: {fault}") from fault
            assert (site / "gateway.toml").read_bytes() == b"names the old\n"
    raise AssertionError("no end")


def test_a_name_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    site = folder(tmp_path / "gw")
    (site / "new-2.pem").write_bytes(b"somebody's")
    before = files(site)
    with pytest.raises(PlacementError, match=r"new-2\.pem is there already"):
        change.apply(site, CHANGE)
    assert files(site) == before


def test_a_key_is_never_replaced() -> None:
    with pytest.raises(PlacementError, match="never replaced"):
        Change("x", (), NewFile("device.key", b"", 0o600))


def test_rolled_back_twice_is_forward_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = folder(tmp_path / "gw")
    change.apply(site, CHANGE)
    new = (site / "gateway.toml").read_bytes()
    assert cli.main(["rollback", str(site), "--dry-run"]) == 0
    assert "+names the old" in capsys.readouterr().out
    assert (site / "gateway.toml").read_bytes() == new
    assert cli.main(["rollback", str(site), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["done"] is True
    assert (site / "gateway.toml").read_bytes() == b"names the old\n"
    assert (site / "new-1.cbor").exists() and (site / "device.key").exists()
    assert cli.main(["rollback", str(site)]) == 0
    assert (site / "gateway.toml").read_bytes() == new


Break = Callable[[Path], object]


@pytest.mark.parametrize(
    "harm",
    [
        lambda site: (site / change.LAST).unlink(),
        lambda site: (site / change.LAST).write_bytes(b"\xff\xfe"),
        lambda site: (site / change.LAST).write_text("[]"),
        lambda site: (site / change.LAST).write_text(
            (site / change.LAST).read_text().replace('"gateway.toml"', '"../secret"')
        ),
        lambda site: (site / "gateway.toml").write_bytes(b"edited by hand"),
        lambda site: (site / "gateway.toml").write_bytes(bytes((1 << 20) + 1)),
    ],
)
def test_nothing_to_roll_back_is_said(
    tmp_path: Path, harm: Break, capsys: pytest.CaptureFixture[str]
) -> None:
    site = folder(tmp_path / "gw")
    (tmp_path / "secret").write_text("x")
    (tmp_path / "secret.before").write_text("y")
    change.apply(site, CHANGE)
    harm(site)
    before = files(site)
    assert cli.main(["rollback", str(site)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert files(site) == before
    assert (tmp_path / "secret").read_text() == "x"


class FailingDisk(SystemDisk):
    """Syncs fail from the n-th on: what was written may or may not be there."""

    def __init__(self, fails_from: int) -> None:
        self.syncs, self.fails_from = 0, fails_from

    def sync_folder(self, path: Path) -> None:
        self.syncs += 1
        if self.syncs >= self.fails_from:
            raise OSError(errno.EIO, "Input/output error")
        super().sync_folder(path)


@pytest.mark.parametrize("fails_from", range(1, 6))
def test_a_disk_that_fails_leaves_no_name_that_leads_nowhere(
    tmp_path: Path, fails_from: int
) -> None:
    site = folder(tmp_path / "gw")
    with pytest.raises(PlacementError, match="Input/output error"):
        change.apply(site, CHANGE, FailingDisk(fails_from))
    found = files(site)
    holds = found["gateway.toml"].startswith(b"names new-1")
    assert {"new-1.cbor", "new-2.pem"} <= found.keys() if holds else "new-1.cbor" not in found
