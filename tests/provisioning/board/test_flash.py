"""A release made, and put on a board at its prompt: a real MicroPython behind its raw REPL."""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import time
import tty
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from hil.devices import repl
from hil.devices.repl import Board
from provisioning import cli
from provisioning.board import prompt
from provisioning.board.flash import _beside
from provisioning.board.release import BoardError, opened, sources
from tests.provisioning.board import material
from tests.provisioning.board.material import (
    KEY,
    MAIN,
    OTHER,
    PUBLIC,
    compiled,
    micropython,
    small,
)

UPDATE = (
    *("release.py", "ed25519.py", "curve25519.py", "sha512.py", "shim/__init__.py"),
    *("shim/digest.py", "shim/flash.py", "firmware/boot.py", "firmware/update.py"),
)
RUN_S = 50.0
SOURCE = Path(prompt.__file__).resolve().parents[2] / "firmware_bridge"


def firmware(version: str) -> dict[str, bytes]:
    """As small as one that can check itself may be."""
    files = {f"firmware_bridge/{path}": (SOURCE / path).read_bytes() for path in UPDATE}
    return dict(sorted((small(version) | files).items()))


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("releases")
    return {
        version: material.release(folder / version, version, firmware(version))
        for version in ("1.0.0", "1.1.0")
    }


@pytest.fixture(autouse=True)
def bench(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has memory for larger pieces than a board; a loaded machine starts its process late."""
    monkeypatch.setattr(prompt, "PIECE_BYTES", 4096)
    monkeypatch.setattr(prompt, "ANSWER_S", RUN_S)


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Board]:
    """One from the shop."""
    board = Board(micropython(), tmp_path / "image")
    board.open()
    yield board
    board.close()


@pytest.fixture
def flashed(board: Board, tmp_path: Path, releases: dict[str, Path]) -> Board:
    """One on which 1.0.0 was flashed: once, and its flash copied."""
    kept = releases["1.0.0"].parent / "image"
    if not kept.exists():
        assert flash(board.path, releases["1.0.0"]) == 0
        board.close()
        shutil.copy(tmp_path / "image", kept)
    else:
        board.close()
        shutil.copy(kept, tmp_path / "image")
    board.open()
    return board


def free(port: str) -> None:
    """Until nobody has it, where it is there: a process that the board is just starting, from this
    one, is for a moment one of its owners."""
    if not os.path.exists(port):
        return
    line = os.open(port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    end = time.monotonic() + RUN_S
    try:
        while True:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(line, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            assert time.monotonic() < end, f"{port} is never free"
            time.sleep(0.01)
    finally:
        os.close(line)


def flash(port: str, release: Path, *more: str) -> int:
    free(port)
    command = ["board", "flash", port, "--release", str(release), "--release-key", PUBLIC]
    return cli.main([*command, "--settings", str(SOURCE / "board.json"), *more])


def on(board: Board, code: str) -> str:
    """What the board itself says, after a start from nothing."""
    free(board.path)
    at = prompt.Prompt(board.path)
    try:
        at.open()
        return at.run(code)
    finally:
        at.close()


def started(board: Board) -> str:
    """What main.py's start prints."""
    return on(board, "import sys\nsys.path[:] = ['', '.frozen']\nexec(open('main.py').read())")


SLOT = "print(open('/slot').read())"


def test_a_board_from_the_shop_is_flashed_and_then_flashed_anew(flashed, releases, capsys):
    assert started(flashed) == "version 1.0.0"
    capsys.readouterr()
    assert flash(flashed.path, releases["1.1.0"], "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["version"] == "1.1.0" and told["folder"] == "b"
    assert started(flashed) == "version 1.1.0"
    assert flash(flashed.path, releases["1.0.0"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "1.0.0 is not newer than 1.1.0" in said
    assert started(flashed) == "version 1.1.0"


def test_a_cable_pulled_in_the_middle_of_a_copy_leaves_what_ran_and_can_be_done_again(
    flashed, releases, capsys
):
    flashed.unplug_after(20_000)
    assert flash(flashed.path, releases["1.1.0"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and flashed.path in said
    flashed.close()
    flashed.open()
    assert started(flashed) == "version 1.0.0"
    assert flash(flashed.path, releases["1.1.0"]) == 0
    assert started(flashed) == "version 1.1.0"


def test_a_board_of_another_release_key_and_a_paired_one_are_left_alone(board, releases, capsys):
    on(board, f"with open('/release', 'w') as f: f.write({OTHER.public.raw.hex()!r})")
    assert flash(board.path, releases["1.0.0"]) == 2
    assert "releases of another key" in capsys.readouterr().err
    on(board, "import os\nos.remove('/release')\nwith open('/keys.json', 'w') as f: f.write('{}')")
    assert flash(board.path, releases["1.0.0"]) == 2
    assert "--wipe-keys" in capsys.readouterr().err
    on(board, f"with open('/release', 'w') as f: f.write({OTHER.public.raw.hex()!r})")
    assert flash(board.path, releases["1.0.0"], "--wipe-keys") == 2  # and nothing was wiped
    on(board, "import os\nos.remove('/release')")
    assert on(board, "import os\nprint(os.listdir('/'))") == "['keys.json']"


def test_a_compiled_release_starts_though_its_maker_left_a_boot_py(board, tmp_path):
    on(board, "with open('/boot.py', 'w') as f: f.write('# of its maker')")
    release = material.release(
        tmp_path / "compiled", "1.0.0", compiled(firmware("1.0.0"), tmp_path / "work")
    )
    assert flash(board.path, release) == 0
    assert started(board) == "version 1.0.0"
    newer = material.release(tmp_path / "newer", "1.1.0", firmware("1.1.0"))
    assert flash(board.path, newer) == 0
    assert started(board) == "version 1.1.0"
    assert on(board, "import os\nprint('boot.mpy' in os.listdir('/'))") == "False"


def test_a_board_that_has_its_flash_elsewhere_is_flashed_and_starts(tmp_path, releases):
    board = Board(micropython(), tmp_path / "image", "/flash")
    board.open()
    try:
        assert flash(board.path, releases["1.0.0"]) == 0
        assert started(board) == "version 1.0.0"
        assert on(board, "import os\nprint(os.listdir('/'))") == "['flash']"
    finally:
        board.close()


def test_a_board_that_would_start_without_settings_is_not_flashed(board, releases, capsys):
    command = ["board", "flash", board.path, "--release", str(releases["1.0.0"])]
    assert cli.main([*command, "--release-key", PUBLIC]) == 2
    assert "no board.json yet" in capsys.readouterr().err
    assert on(board, "import os\nprint(os.listdir('/'))") == "[]"


def test_a_flash_that_is_fat_is_refused(board, releases, tmp_path, capsys):
    board.close()
    made = (
        f"import os, sys\nsys.path.insert(0, {str(Path(repl.__file__).parent)!r})\n"
        f"import prompt\nos.VfsFat.mkfs(prompt.Flash({str(tmp_path / 'image')!r}, {repl.BLOCKS}))"
    )
    subprocess.run([str(micropython()), "-c", made], check=True, timeout=RUN_S)
    board.open()
    assert flash(board.path, releases["1.0.0"]) == 2
    assert "is FAT" in capsys.readouterr().err
    assert on(board, "import os\nprint(os.listdir('/'))") == "[]"


def test_a_paired_board_is_not_stopped_from_its_start(board, tmp_path, monkeypatch):
    files = firmware("1.0.0") | {MAIN: b"def run(folder):\n    while True: pass\n"}
    assert flash(board.path, material.release(tmp_path / "release", "1.0.0", files)) == 0
    time.sleep(1)  # of its start
    assert on(board, "print(1)") == "1"
    on(board, "with open('/keys.json', 'w') as f: f.write('{}')")
    board.close()
    board.open()
    time.sleep(1)
    monkeypatch.setattr(prompt, "ANSWER_S", 0.5)
    with pytest.raises(BoardError, match="a paired board has none"):
        on(board, "print(1)")


def test_a_version_on_a_board_that_is_none_is_no_fault_of_ours(releases):
    class Odd:
        @staticmethod
        def run(_):
            return "version 1.0.\u00b2"

    held = opened(releases["1.0.0"], KEY.public.raw)
    assert _beside(cast(prompt.Prompt, Odd), held, "a - 0", "/dev/ttyX") == "b"


@pytest.mark.parametrize("changed", ["file", "version", "key", "gone"])
def test_a_release_that_does_not_hold_is_refused_before_the_board_is_asked(
    releases, tmp_path, changed, capsys
):
    key = OTHER if changed == "key" else KEY
    release = material.release(tmp_path / "release", "1.0.0", firmware("1.0.0"), key)
    if changed == "file":
        (release / MAIN).write_bytes((release / MAIN).read_bytes() + b" ")
    elif changed == "version":
        path = release / "manifest"
        path.write_bytes(path.read_bytes().replace(b"version 1.0.0", b"version 9.0.0"))
    elif changed == "gone":
        (release / MAIN).unlink()
    assert flash("/dev/null", release) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    wanted = {"file": "not as it was signed", "gone": "cannot be read"}
    assert wanted.get(changed, "not signed by the release key") in said


def test_no_port_a_silent_one_and_one_that_is_no_board_are_each_one_line(
    releases, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(prompt, "ANSWER_S", 0.3)
    silent, keep = os.openpty()
    tty.setraw(keep)
    echo, kept = os.openpty()  # it says back what it is told
    try:
        for port in (str(tmp_path / "ttyACM7"), "/dev/null", os.ttyname(keep), os.ttyname(kept)):
            if port == os.ttyname(kept):
                os.write(echo, b"$GPRMC,\xff\x00,A\r\n" * 50)
            assert flash(port, releases["1.0.0"]) == 2
            said = capsys.readouterr()
            assert said.err.count("\n") == 1 and port in said.err and not said.out
    finally:
        for line in (silent, keep, echo, kept):
            os.close(line)


def test_settings_a_board_would_not_start_with_are_refused_first(releases, tmp_path, capsys):
    (tmp_path / "board.json").write_text('{"taps": []}')
    settings = str(tmp_path / "board.json")
    assert flash("/dev/null", releases["1.0.0"], "--settings", settings) == 2
    assert "board.json" in capsys.readouterr().err


@pytest.mark.parametrize("more", [{}, {"led": 25}, {"open_pin": 3}])
def test_a_usb_link_without_a_way_to_show_a_code_or_back_is_refused(
    releases, tmp_path, capsys, more
):
    told = {
        "taps": [{"place": 1, "baud": 9600, "framing": "raw"}],
        "link": "usb",
        "ring_bytes": 4096,
        "head_seconds": 0,
    }
    path = tmp_path / "board.json"
    path.write_text(json.dumps(told | more))
    assert flash("/dev/null", releases["1.0.0"], "--settings", str(path)) == 2
    assert "open_pin, which alone opens a prompt again" in capsys.readouterr().err
    path.write_text(json.dumps(told | {"led": 25, "open_pin": 3}))
    assert flash("/dev/null", releases["1.0.0"], "--settings", str(path)) == 2
    assert "open_pin" not in capsys.readouterr().err  # /dev/null is no board


def test_what_no_board_runs_is_in_no_release_compiled_or_not(tmp_path):
    (tmp_path / "firmware_bridge").mkdir()
    for name in ("frame.py", "gateway.py", "manifest.py", "gateway.mpy", "manifest.mpy"):
        (tmp_path / "firmware_bridge" / name).write_text("")
    assert list(sources(tmp_path)) == ["firmware_bridge/frame.py"]


def test_a_release_of_the_firmware_itself_is_made_and_holds(tmp_path, capsys):
    key = f"file:{tmp_path}/release.key"
    assert cli.main(["key", "new", key]) == 0
    capsys.readouterr()
    version = "0.2.0"
    out = tmp_path / "release"
    make = ["board", "manifest", str(out), "--key", key, "--json"]
    assert cli.main([*make, "--version", "7.7.7"]) == 2
    said = capsys.readouterr().err
    assert "the firmware says of itself" in said
    version = said.split("it is ")[1].split(",")[0]
    assert cli.main([*make, "--version", version]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["files"] > 20
    held = (out / "firmware_bridge/frame.mpy").read_bytes()
    assert hashlib.sha256(held).hexdigest() in (out / "manifest").read_text()
    assert cli.main([*make, "--version", version]) == 2
    assert "is not overwritten" in capsys.readouterr().err
