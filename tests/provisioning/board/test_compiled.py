"""A release as `board manifest` makes it unless told otherwise: compiled, and run from a flash."""

import contextlib
import io
import json
import os
import subprocess
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

import firmware_bridge
from hil.devices import repl
from hil.devices.board import Cable
from hil.devices.repl import Board
from provisioning import cli
from provisioning.board import compiler, flash, prompt
from provisioning.board.release import BoardError, opened
from tests.provisioning.board.material import KEY, MAIN, PUBLIC, compiled, micropython, signed

START = Path(__file__).with_name("start.py")
SOURCE = Path(firmware_bridge.__file__).resolve().parent
HEAP = "128k"  # in words of 64 bits: what a board of 64 KiB has in words of 32
RUN_S = 50.0


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """The release, its version, and its key's public digits."""
    folder = tmp_path_factory.mktemp("made")
    key = f"file:{folder}/release.key"
    assert cli.main(["key", "new", key]) == 0
    version = ".".join(map(str, _says()))
    out = folder / "release"
    for name in (str(out), f"{out}-2"):
        with contextlib.redirect_stdout(io.StringIO()) as told:
            make = ["board", "manifest", name, "--version", version, "--key", key, "--json"]
            assert cli.main(make) == 0
    said = json.loads(told.getvalue())
    assert said["compiled"] is True
    return out, version, said["release_key"]


def _says() -> tuple[int, int, int]:
    from firmware_bridge.firmware.bridge import FIRMWARE

    return FIRMWARE


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Board]:
    monkeypatch.setattr(prompt, "PIECE_BYTES", 4096)  # the bench has memory for larger ones
    board = Board(micropython(), tmp_path / "image")
    board.open()
    yield board
    board.close()


def test_a_compiled_release_is_flashed_runs_in_a_small_heap_and_reports_in(
    made, board, tmp_path, capsys
):
    release, version, public = made
    tap, far = os.openpty()
    tty.setraw(far)
    cable = Cable(460_800)
    settings = {
        "taps": [{"place": os.ttyname(far), "baud": 115_200, "framing": "raw"}],
        "link": {"place": cable.far, "baud": 115_200},
        "ring_bytes": 6144,
        "head_seconds": 0,
    }
    (tmp_path / "board.json").write_text(json.dumps(settings))
    command = ["board", "flash", board.path, "--release", str(release), "--release-key", public]
    assert cli.main([*command, "--settings", str(tmp_path / "board.json")]) == 0
    at = prompt.Prompt(board.path)
    at.open()
    keys = dict.fromkeys(("seed", "public", "key"), "11" * 32)
    at.put("keys.json", json.dumps(keys).encode())
    at.put("boot", b"0")
    at.close()
    board.close()
    capsys.readouterr()
    program = subprocess.Popen(
        [str(micropython()), "-X", f"heapsize={HEAP}", str(START), str(tmp_path / "image"),
         str(repl.BLOCKS), str(Path(repl.__file__).parent)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        done = cli.main(["board", "check", cable.near, "--seconds", "3", "--json"])
        told = json.loads(capsys.readouterr().out)
        assert program.poll() is None, program.communicate()[0]
    finally:
        program.kill()
        said = program.communicate(timeout=RUN_S)[0]
        cable.close()
        for end in (tap, far):
            os.close(end)
    assert (done, told["firmware"], told["boot"]) == (0, version, 1), said


def test_no_source_is_in_it_and_mip_is_told_of_the_same_files(made):
    release, _, public = made
    held = opened(release, bytes.fromhex(public))
    names = [name for name, _, _ in held.manifest.files]
    assert all(name.endswith(".mpy") for name in names)
    assert "firmware_bridge/firmware/boot.mpy" in names
    package = json.loads((release / "package.json").read_text())
    assert [to for to, _ in package["urls"]] == names
    assert all((release / source).is_file() for _, source in package["urls"])
    again = release.with_name(f"{release.name}-2")
    assert opened(again, bytes.fromhex(public)).manifest.octets == held.manifest.octets


def test_what_not_every_board_loads_is_refused_by_name(tmp_path):
    good = compiled({MAIN: b"x = 1\n"}, tmp_path)
    ((name, octets),) = good.items()
    assert compiler.compiled(good) == good
    for at, octet, words in (
        (0, 0, "no compiled file"),
        (1, 5, "mpy version 5; boards read 6"),
        (2, octets[2] | 2 << 2, "machine code"),
        (3, 63, "small integers of 63 bits"),
    ):
        bad = octets[:at] + bytes([octet]) + octets[at + 1 :]
        with pytest.raises(BoardError, match=words):
            compiler.compiled({name: bad})
    with pytest.raises(BoardError, match="is there too"):
        compiler.compiled({MAIN: b"x = 1\n", name: octets})
    with pytest.raises(BoardError, match=r"main\.py: mpy-cross does not compile it: SyntaxError"):
        compiler.compiled({MAIN: b"def run(:\n"})


@pytest.mark.parametrize(("said", "words"), [("7", "the board loads version 7"), ("0", "none")])
def test_a_board_that_loads_another_version_is_told_so_before_a_file_is_copied(
    tmp_path, said, words
):
    files = compiled({MAIN: b"x = 1\n"}, tmp_path / "work")
    for path, octets in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(octets)
    (tmp_path / "manifest").write_bytes(signed("1.0.0", files))
    held = opened(tmp_path, KEY.public.raw)
    assert KEY.public.raw.hex() == PUBLIC
    flash._check_loads("6", held, "/dev/ttyX")
    with pytest.raises(BoardError, match=words):
        flash._check_loads(said, held, "/dev/ttyX")
