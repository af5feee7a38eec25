"""Pairing, a look, and an update: the real firmware under MicroPython, over its link."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

import firmware_bridge
from firmware_bridge import pairing
from firmware_bridge.firmware.pair import LINGER_US
from provisioning import cli
from provisioning.board import check, line, pair, update
from provisioning.board.release import BoardError
from tests.provisioning.board import material
from tests.provisioning.board.cable import WAIT_S, Bench
from tests.provisioning.board.material import PUBLIC, compiled, small

SOURCE = Path(firmware_bridge.__file__).resolve().parent
BRIDGE = "firmware_bridge/firmware/bridge.py"
RENEWAL = "firmware_bridge/firmware/renewal.py"
LOOK_S = "3"  # fifteen questions, most of which a machine that is held up still has answered
SAYS = re.compile(rb"FIRMWARE = \(.*\)")


def firmware(version: str) -> dict[str, bytes]:
    """The firmware itself, saying that it is of this version."""
    files = {
        f"firmware_bridge/{path.relative_to(SOURCE).as_posix()}": path.read_bytes()
        for path in SOURCE.rglob("*.py")
    }
    files[BRIDGE] = SAYS.sub(f"FIRMWARE = ({version.replace('.', ', ')})".encode(), files[BRIDGE])
    return dict(sorted(files.items()))


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("flash")
    material.release(folder / "a", "0.2.0", firmware("0.2.0"))
    (folder / "release").write_text(PUBLIC)
    (folder / "slot").write_text("a - 0\n")
    shutil.copy(SOURCE / "firmware" / "boot.py", folder / "boot.py")
    bench = Bench(folder)
    bench.start()
    yield bench
    bench.close()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gateway")


def typed(bench: Bench, gateway: Path, answer: str) -> tuple[int, str]:
    """What somebody at a terminal sees who compares the codes and types this."""
    master, slave = os.openpty()
    command = [sys.executable, "-m", "provisioning.cli", "board", "pair", bench.port, str(gateway)]
    process = subprocess.Popen(
        [*command, "--name", "bay-7"], stdin=slave, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    shown = bench.shown(b"pairing code").split()[-1].decode()
    os.write(master, answer.encode() + b"\n")
    said = process.communicate(timeout=WAIT_S)[0].decode()
    os.close(master)
    os.close(slave)
    assert f"Here: {shown[:3]} {shown[3:]}" in said
    return process.returncode, said


def paired(bench: Bench, gateway: Path) -> Path:
    path = gateway / "boards" / "bay-7.key"
    if not path.exists():
        assert typed(bench, gateway, "yes")[0] == 0
    return path


def seen(
    bench: Bench, capsys: pytest.CaptureFixture[str], *more: str
) -> tuple[int, dict[str, Any]]:
    done = cli.main(["board", "check", bench.port, "--seconds", LOOK_S, "--json", *more])
    return done, json.loads(capsys.readouterr().out)


def test_codes_that_differ_leave_nothing_at_either_end(bench, gateway):
    if (bench.folder / "keys.json").exists():
        return  # another test has paired it
    done, said = typed(bench, gateway, "no")
    assert done == 2 and "nothing was kept" in said
    assert not list((gateway / "boards").iterdir())
    assert not (bench.folder / "keys.json").exists()


def test_a_pairing_leaves_one_private_file_and_prints_no_key(bench, gateway, capsys):
    path = gateway / "boards" / "bay-7.key"
    if path.exists():
        path.unlink()
        (bench.folder / "keys.json").unlink()
        bench.start()
    done, said = typed(bench, gateway, "yes")
    assert done == 0, said
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in path.parent.iterdir()] == [path.name]
    board = json.loads((bench.folder / "keys.json").read_text())
    assert path.read_text() == board["key"] + "\n"
    assert f"mcu+serial://{bench.port}?board={board['public']}&key=boards/bay-7.key\n" in said
    assert board["key"] not in said and board["seed"] not in said
    command = ["board", "pair", bench.port, str(gateway), "--name"]
    assert cli.main([*command, "bay-7"]) == 2
    assert "is there already" in capsys.readouterr().err


def test_a_paired_board_is_not_paired_again(bench, gateway, capsys):
    paired(bench, gateway)
    assert cli.main(["board", "pair", bench.port, str(gateway), "--name", "bay-8"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "paired already" in said and "wipes its keys" in said


def test_a_look_says_what_it_is_and_takes_nothing_away(bench, gateway, capsys):
    path = paired(bench, gateway)
    bench.hears(b"a device speaks")
    for _ in range(2):
        done, told = seen(bench, capsys, "--key", str(path))
        assert done == 0, told
        assert told["paired"] and told["firmware"].startswith("0.2.")
        board = json.loads((bench.folder / "keys.json").read_text())
        assert board["public"].startswith(told["name"])
        assert told["waiting_frames"] >= 1 and told["foreign_frames"] == 0
        assert told["seen_frames"] >= told["waiting_frames"]
        assert told["pongs"] > 1 and 0 < told["offset_bound_ns"] < 1_000_000_000
        waiting = told["waiting_frames"]
    assert seen(bench, capsys)[1]["waiting_frames"] >= waiting
    other = path.with_name("other.key")
    other.write_text("11" * 32)
    other.chmod(0o600)
    done, told = seen(bench, capsys, "--key", str(other))
    other.unlink()
    assert done == 1 and "not of the board with this key" in told["faults"][0]


def test_a_ring_that_ran_full_is_seen_to_its_end_and_that_it_did_is_wrong(bench, gateway, capsys):
    """16 KiB without a gateway: the frame that says so is the last."""
    path = paired(bench, gateway)
    bench.start()
    seen(bench, capsys)
    for number in range(45):  # longer than the ring's 16 KiB, each whole at the tap
        bench.hears(bytes([number]) * 500)
        time.sleep(0.02)
    end = time.monotonic() + WAIT_S  # until it is said what was lost
    while not seen(bench, capsys, "--key", str(path))[1]["lost"].get("ring_full"):
        assert time.monotonic() < end
    for _ in range(2):
        done, told = seen(bench, capsys, "--key", str(path))
        assert done == 1 and told["lost"]["ring_full"] >= 1, told
        assert any("its ring ran full" in fault for fault in told["faults"])
        assert told["seen_frames"] >= told["waiting_frames"] > 20 and not told["missed_frames"]
    bench.start()


def test_of_a_ring_of_which_little_is_seen_all_is_counted():
    greeting = (1, 7, bytes(8), 2, 300, 1200, 0, 2, 0)
    glance = check.Glance(greeting, None)
    assert glance.waiting == 900 and not glance.seen


def test_a_pairing_that_loses_its_end_claims_nothing():
    asked_ns = []

    class Line:
        octets = 9

        @staticmethod
        def asked(_kind, _body, _wanted, every_ns, _times):
            asked_ns.append(every_ns)
            return None

    for kind, words in (
        (pairing.OFFER, "nothing was kept"),
        (pairing.REVEAL, "does not say that it shows a code; nothing was kept"),
        (pairing.CONFIRM, "cannot be told"),
    ):
        with pytest.raises(BoardError, match=words):
            pair._asked(cast(line.Line, Line), "/dev/ttyX", kind, b"", pairing.ANSWER)
    assert 2 * asked_ns[-1] < LINGER_US * 1000  # its answer was lost, and it says it again


def test_an_update_cut_short_is_typed_again_tried_and_kept(bench, gateway, tmp_path, capsys):
    paired(bench, gateway)
    release = material.release(
        tmp_path / "new", "0.2.1", compiled(firmware("0.2.1"), tmp_path / "work")
    )
    command = ["--release", str(release), "--release-key", PUBLIC]
    bench.unplug_after(20_000)
    assert cli.main(["board", "update", bench.port, *command]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert (bench.folder / "slot").read_text() == "a - 0\n"
    assert cli.main(["board", "update", bench.port, *command]) == 0
    bench.ended()
    assert (bench.folder / "slot").read_text() == "a b 3\n"
    capsys.readouterr()
    bench.start()
    done, told = seen(bench, capsys)
    assert told["firmware"] == "0.2.1"
    assert (bench.folder / "slot").read_text() == "b - 0\n"
    old = material.release(tmp_path / "old", "0.2.0", firmware("0.2.0"))
    command = ["--release", str(old), "--release-key", PUBLIC]
    assert cli.main(["board", "update", bench.port, *command]) == 2
    assert "the board refuses: not newer than 0.2.1" in capsys.readouterr().err


def test_a_board_without_memory_for_an_update_says_so_and_runs_on(tmp_path, capsys, monkeypatch):
    """Where the code that takes one cannot be loaded: half of a module is left of it."""
    monkeypatch.setattr(update, "_TIMES", 30)  # a loaded machine starts it late
    folder = tmp_path / "flash"
    files = firmware("0.2.0")
    files[RENEWAL] = b"half = 1\nraise MemoryError\n"
    material.release(folder / "a", "0.2.0", files)
    (folder / "release").write_text(PUBLIC)
    (folder / "slot").write_text("a - 0\n")
    keys = dict.fromkeys(("seed", "public", "key"), "11" * 32)
    (folder / "keys.json").write_text(json.dumps(keys))
    (folder / "boot").write_text("0")
    shutil.copy(SOURCE / "firmware" / "boot.py", folder / "boot.py")
    new = material.release(tmp_path / "new", "0.2.1", small("0.2.1"))
    bench = Bench(folder)
    try:
        bench.start()
        command = ["--release", str(new), "--release-key", PUBLIC]
        for _ in range(2):
            assert cli.main(["board", "update", bench.port, *command]) == 2
            said = capsys.readouterr().err
            assert "the board refuses: not enough memory" in said, bench.printed()
            assert "runs on as before" in said
        _, told = seen(bench, capsys)
        assert (told["firmware"], told["boot"]) == ("0.2.0", 1)  # it was not even started anew
    finally:
        bench.close()
    assert json.loads((folder / "keys.json").read_text()) == keys


def test_what_is_no_board_is_one_line(capsys, monkeypatch):
    monkeypatch.setattr(check, "_HELLO_NS", 10_000_000)
    master, slave = os.openpty()
    for port in (os.ttyname(slave), "/dev/null", "/dev/ttyACM99"):
        assert cli.main(["board", "check", port, "--json"]) == 2
        said = capsys.readouterr()
        assert said.err.count("\n") == 1 and port in said.err and not said.out
    assert cli.main(["board", "chek"]) == 2
    assert "check" in capsys.readouterr().err
    os.close(master)
    os.close(slave)
