"""Private files killed in the making, at every step: whole, or not there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from drivers.keystore import private
from drivers.keystore.uri import KeyStoreError

WHOLE = b"all of a key\n" * 9
STEPS_MAX = 40
# Dies before the step-th call of the system, and of a write only half arrives; `named`: on a file
# system without nameless files.
DYING = """
import errno, os, signal, sys
from pathlib import Path
from drivers.keystore import private
path, step, named = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "named"
count = 0
def dying(name):
    plain = getattr(os, name)
    def call(*given, **told):
        global count
        if name == "open" and named and given[1] & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, "Operation not supported")
        count += 1
        if count == step:
            if name == "write":
                plain(given[0], given[1][: len(given[1]) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        return plain(*given, **told)
    return call
for name in ("open", "write", "fchmod", "fsync", "link", "close", "unlink"):
    setattr(os, name, dying(name))
private.create(path, sys.argv[4].encode())
print(count)
"""


def made(path: Path, step: int, way: str) -> int | None:
    """How many steps it took; None where it died."""
    argv = [sys.executable, "-c", DYING, str(path), str(step), way, WHOLE.decode()]
    done = subprocess.run(argv, timeout=30, capture_output=True)
    if done.returncode == -9:
        return None
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.parametrize("way", ["nameless", "named"])
def test_killed_at_any_step_a_file_is_whole_or_not_there(tmp_path, way):
    died = 0
    for step in range(1, STEPS_MAX):
        path = tmp_path / f"{step}" / "device.key"
        path.parent.mkdir()
        steps = made(path, step, way)
        if steps is not None:
            assert steps < step and path.read_bytes() == WHOLE
            break
        died += 1
        if path.exists():
            assert path.read_bytes() == WHOLE
        else:  # and what is left of it hinders nobody
            private.create(path, WHOLE)
            if way == "nameless":
                assert [one.name for one in path.parent.iterdir()] == ["device.key"]
    assert died >= 6
    assert steps is not None


def test_a_file_system_without_nameless_files_serves(tmp_path, monkeypatch):
    plain = os.open

    def refuses(path: Path, flags: int, *more: int) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(95, "Operation not supported")
        return plain(path, flags, *more)

    monkeypatch.setattr(os, "open", refuses)
    path = tmp_path / "device.key"
    private.create(path, WHOLE)
    assert path.read_bytes() == WHOLE and path.stat().st_mode & 0o777 == private.MODE
    assert [one.name for one in tmp_path.iterdir()] == ["device.key"]
    with pytest.raises(KeyStoreError, match="never overwritten"):
        private.create(path, b"another")
    assert path.read_bytes() == WHOLE
    assert [one.name for one in tmp_path.iterdir()] == ["device.key"]


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(KeyStoreError, match="cannot be made"):
        private.create(tmp_path / "missing" / "device.key", WHOLE)
