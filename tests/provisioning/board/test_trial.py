"""Two folders on a board: what starts, whatever happened to the power, and what falls back."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import firmware_bridge
from firmware_bridge import release as manifest
from firmware_bridge.curve25519 import run as driven
from firmware_bridge.firmware import boot, main, update
from firmware_bridge.firmware.update import Update, UpdateError
from firmware_bridge.release import ManifestError
from tests.provisioning.board import material
from tests.provisioning.board.material import MAIN, OTHER, PUBLIC, micropython, signed, small

HERE = Path(__file__).resolve().parent
SOURCE = Path(firmware_bridge.__file__).resolve().parent
RUN_S = 50.0


@pytest.fixture
def board(tmp_path: Path) -> Path:
    """A flash on which 1.0.0 runs."""
    folder = tmp_path / "flash"
    material.release(folder / "a", "1.0.0", small("1.0.0"))
    (folder / "release").write_text(PUBLIC)
    (folder / "slot").write_text("a - 0\n")
    shutil.copy(SOURCE / "firmware" / "boot.py", folder / "boot.py")
    return folder


def sent(board: Path, manifest: bytes, files: dict[str, bytes]) -> None:
    """As a gateway sends it, until the board has all, or refuses: raised as its words."""
    end = Update(str(board))

    def say(kind: int, body: bytes) -> None:
        assert end.take(kind, body)
        answer = end.turn()
        while answer is None:
            answer = end.turn()
        if answer[0] == update.REFUSES:
            raise UpdateError(answer[1].decode())

    for at in range(0, len(manifest), 50):
        body = at.to_bytes(2, "big") + len(manifest).to_bytes(2, "big") + manifest[at : at + 50]
        say(update.MANIFEST, body)
        say(update.MANIFEST, body) if at else None
    for index, (_, held) in enumerate(sorted(files.items())):
        for at in range(0, len(held), 50):
            body = bytes([index]) + at.to_bytes(2, "big") + held[at : at + 50]
            say(update.FILE, body)
            say(update.FILE, body)  # its answer was lost on the way
    say(update.FINISH, b"")


def starts(board: Path) -> str:
    done = subprocess.run(
        [str(micropython()), str(board / "boot.py"), str(board)],
        capture_output=True, text=True, timeout=RUN_S, check=False,
    )  # fmt: skip
    assert not done.stderr
    return done.stdout.strip()


def whole_of(board: Path) -> dict[str, bytes]:
    return {
        path.relative_to(board).as_posix(): path.read_bytes()
        for path in sorted(board.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two releases, for what runs on MicroPython."""
    told: dict[str, object] = {"release": PUBLIC}
    for name, version in (("old", "1.0.0"), ("new", "1.1.0")):
        files = small(version)
        whole = signed(version, files).hex()
        told[name] = {"manifest": whole, "files": {path: files[path].hex() for path in files}}
    path = tmp_path_factory.mktemp("told") / "material.json"
    path.write_text(json.dumps(told))
    return path


def program(name: str, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(micropython()), str(HERE / name), str(SOURCE.parent), *more],
        capture_output=True, text=True, timeout=RUN_S, check=False,
    )  # fmt: skip


def test_a_power_cut_at_every_write_and_erase_of_a_littlefs_leaves_one_that_starts(told):
    done = program("cut.py", str(told))
    assert done.returncode == 0, done.stdout + done.stderr
    words = done.stdout.split()
    steps, old, new = int(words[1]), int(words[3]), int(words[5])
    assert steps > 40
    assert old + new == 2 * steps + 1
    assert old > 40 and new > 4  # and both came to start


def test_a_kill_at_every_step_of_an_update_in_a_folder_leaves_one_that_starts(
    board, told, tmp_path
):
    said = []
    for step in range(100):
        folder = tmp_path / "killed"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(board, folder)
        done = program("kill.py", str(folder), str(told), str(step))
        said.append(starts(folder))
        if done.returncode == 0:
            break
    assert done.stdout == f"steps {step}\n" and step > 20
    assert set(said) == {"version 1.0.0", "version 1.1.0"}
    assert said == sorted(said)  # once the new one may start, it does


def test_a_new_version_is_tried_three_times_and_then_the_old_one_is_back(board):
    sent(board, signed("1.1.0", small("1.1.0")), small("1.1.0"))
    assert [starts(board) for _ in range(5)] == ["version 1.1.0"] * 3 + ["version 1.0.0"] * 2


def test_a_new_version_stays_once_a_gateway_was_heard_under_it(board):
    sent(board, signed("1.1.0", small("1.1.0")), small("1.1.0"))
    assert starts(board) == "version 1.1.0"
    Update(str(board), True).reported()
    assert [starts(board) for _ in range(4)] == ["version 1.1.0"] * 4


def test_a_version_that_cannot_even_be_read_falls_back(board):
    files = small("1.1.0") | {MAIN: b"def run(folder:\n"}
    sent(board, signed("1.1.0", files), files)
    said = []
    for _ in range(4):
        done = subprocess.run(
            [str(micropython()), str(board / "boot.py"), str(board)],
            capture_output=True, text=True, timeout=RUN_S, check=False,
        )  # fmt: skip
        said.append(done.stdout.strip())
    assert said == ["", "", "", "version 1.0.0"]


def test_the_sender_is_no_reporter(board):
    """The old version still runs while it is heard: that says nothing of the new one."""
    end = Update(str(board))
    sent(board, signed("1.1.0", small("1.1.0")), small("1.1.0"))
    end.reported()
    assert (board / "slot").read_text() == "a b 3\n"


def altered(manifest: bytes) -> bytes:
    return manifest.replace(b"version 1.1.0", b"version 1.2.0")


@pytest.mark.parametrize(
    ("manifest", "why"),
    [
        (signed("1.1.0", small("1.1.0"), OTHER), "not signed by the release key"),
        (altered(signed("1.1.0", small("1.1.0"))), "not signed by the release key"),
        (signed("1.0.0", small("1.0.0")), "not newer than 1.0.0"),
        (signed("0.9.9", small("0.9.9")), "not newer than 1.0.0"),
        (signed("1.1.0", small("1.1.0")).split(b"signed")[0], "not signed"),
        (signed("1.1.0", small("1.1.0"))[:-1] + b" ", "not written in the one way"),
        (b"{}", "not a manifest"),
        (b"\xff" * 400, "not a manifest"),
    ],
)  # fmt: skip
def test_a_manifest_that_is_not_to_be_used_changes_nothing(board, manifest, why):
    before = whole_of(board)
    with pytest.raises((ManifestError, UpdateError), match=why):
        driven(Update(str(board)).begin(manifest))
    assert whole_of(board) == before
    assert starts(board) == "version 1.0.0"


@pytest.mark.parametrize("path", ["../boot.py", "firmware_bridge/../x.py", "/boot.py", "boot.py",
                                  "firmware_bridge/x.txt", "firmware_bridge//x.py"])  # fmt: skip
def test_a_path_that_leads_elsewhere_cannot_be_signed_nor_read(path):
    files = [("firmware_bridge/q.py", 1, bytes(32)), (path, 1, bytes(32))]
    with pytest.raises(ManifestError, match="a path that cannot be"):
        manifest.text((1, 0, 0), sorted(files))


def test_one_changed_file_is_named_and_the_old_version_runs_on(board):
    files = small("1.1.0")
    manifest = signed("1.1.0", files)
    files[MAIN] = files[MAIN].replace(b"print", b"drown")
    with pytest.raises(UpdateError, match=f"not as it was signed: {MAIN}"):
        sent(board, manifest, files)
    assert starts(board) == "version 1.0.0"
    assert (board / "slot").read_text() == "a - 0\n"
    sent(board, signed("1.1.0", small("1.1.0")), small("1.1.0"))  # and it can be sent again
    assert starts(board) == "version 1.1.0"


def test_a_file_more_than_the_manifest_says_is_named(board):
    manifest, files = signed("1.1.0", small("1.1.0")), small("1.1.0")
    end = Update(str(board))
    driven(end.begin(manifest))
    for path, held in files.items():
        (board / "b" / path).write_bytes(held)
    (board / "b" / "json.py").write_text("")
    with pytest.raises(UpdateError, match=r"not in the manifest: json\.py"):
        driven(end.finish())
    assert boot.slot(str(board)) == ("a", "-", 0)


def test_a_trial_that_cannot_be_counted_is_not_started(board):
    sent(board, signed("1.1.0", small("1.1.0")), small("1.1.0"))
    (board / "slot.new").mkdir()
    assert starts(board) == "version 1.0.0"
    (board / "slot.new").rmdir()
    end = Update(str(board))  # the old one's, under which a gateway is heard now
    end.reported()
    assert (board / "slot").read_text() == "a b 3\n"
    work = end.begin(signed("1.2.0", small("1.2.0")))
    while (board / "b" / "manifest").exists():
        next(work)
    assert (board / "slot").read_text() == "a - 0\n"  # before anything of it is gone


@pytest.mark.parametrize(
    ("slot", "trial"), [("a b 2", True), ("b a 0", False), ("b - 0", False), ("", False)]
)
def test_only_what_started_on_trial_is_on_trial(board, monkeypatch, slot, trial):
    (board / "slot").write_text(f"{slot}\n")
    monkeypatch.setattr("sys.path", [f"{board}/b", *sys.path])
    assert main.on_trial(str(board)) is trial


@pytest.mark.parametrize("paired", [True, False])
def test_a_board_with_keys_is_left_at_no_prompt_where_nothing_can_be_loaded(board, paired):
    (board / "a" / MAIN).write_text("def run(folder:\n")
    (board / "machine.py").write_text("def reset():\n    print('reset')\n")
    if paired:
        (board / "keys.json").write_text("{}")
    done = subprocess.run(
        [str(micropython()), str(board / "boot.py"), str(board)],
        capture_output=True, text=True, timeout=RUN_S, check=False,
    )  # fmt: skip
    assert done.stdout == ("reset\n" if paired else "")


def test_a_file_is_opened_once_whatever_it_comes_in(board, monkeypatch):
    modes = []

    def opening(path, mode="r"):
        modes.append(mode)
        return open(path, mode)

    monkeypatch.setattr(update, "open", opening, raising=False)
    files = small("1.1.0")
    sent(board, signed("1.1.0", files), files)
    assert modes.count("ab") == 0 and modes.count("wb") == len(files)
    assert starts(board) == "version 1.1.0"


def test_a_board_without_memory_for_it_says_so(board, monkeypatch):
    def full(*_):
        raise MemoryError

    monkeypatch.setattr(Update, "_packet", full)
    end = Update(str(board))
    assert end.take(update.FINISH, b"")
    assert end.turn() == (update.REFUSES, b"not enough memory")
