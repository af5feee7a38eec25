"""The lone verifier as an auditor has it: its one file, in a Python that has PyNaCl and nothing of
ours, in a process and a folder of its own.

It is asked by lines of JSON: arguments in, exit status and what was said out; or how many of many
mutations of a bundle it lets pass.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import nacl

from record.reconstruct import lonely

WAIT_S = 120
ONLY = ("nacl", "cffi", "_cffi_backend", "pycparser")
_CHILD = '''
import contextlib, importlib.util, io, json, pathlib, random, sys
sys.path.append(sys.argv[2])
spec = importlib.util.spec_from_file_location("verify", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
from record.reconstruct import check, folder, lone

class Found(Exception):
    pass

def said(reason):
    raise Found(reason)

def judged(argv):
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            code = lone.main(argv)
        except SystemExit as fault:
            code = fault.code
    return code, out.getvalue()

def passed(asked):
    """One byte of a file changed, and back, again and again: which of them nobody noticed."""
    bundle, rng = pathlib.Path(asked["bundle"]), random.Random(asked["seed"])
    anchors = lone.read_anchors(pathlib.Path(asked["anchors"]))
    files = sorted(path for path in bundle.rglob("*") if path.is_file() and path.stat().st_size)
    sizes = [path.stat().st_size for path in files]
    missed = []
    for _ in range(asked["count"]):
        path = rng.choices(files, sizes)[0] if rng.random() < 0.5 else rng.choice(files)
        with path.open("r+b", buffering=0) as file:
            at = rng.randrange(path.stat().st_size)
            file.seek(at)
            was = file.read(1)[0]
            file.seek(at)
            file.write(bytes([was ^ rng.randrange(1, 256)]))
            try:
                if check.check(bundle, anchors, False, said).reasons == 0:
                    missed.append([str(path), at])
            except Found:
                pass
            file.seek(at)
            file.write(bytes([was]))
    return missed

print(json.dumps(sorted(name for name in sys.modules if "." not in name)), flush=True)
for line in sys.stdin:
    asked = json.loads(line)
    print(json.dumps(passed(asked) if isinstance(asked, dict) else judged(asked)), flush=True)
'''


class Judge:
    """One process. `modules`: what it has loaded of anybody's."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.file = folder / "verify.py"
        self.file.write_bytes(lonely.make())
        self.packages = packages = folder / "packages"
        packages.mkdir()
        for found in Path(nacl.__file__).parents[1].iterdir():
            if found.name.split(".")[0].lower() in ONLY:
                (packages / found.name).symlink_to(found)
        argv = [sys.executable, "-I", "-S", "-c", _CHILD, str(self.file), str(packages)]
        pipe = subprocess.PIPE
        self._child = subprocess.Popen(argv, cwd=folder, stdin=pipe, stdout=pipe, text=True)
        self.modules: list[str] = self._answer()

    def main(self, *argv: object) -> tuple[int, str]:
        """Exit status, and what was said."""
        code, text = self._ask([str(one) for one in argv])
        return code, text

    def mutate(self, **asked: Any) -> None:
        """Begins to try mutations of a bundle, of which `passed` tells."""
        self._tell(asked)

    def passed(self) -> list[Any]:
        """The mutations that were not found."""
        found: list[Any] = self._answer()
        return found

    def close(self) -> None:
        self._child.communicate(timeout=WAIT_S)

    def _ask(self, asked: Any) -> Any:
        self._tell(asked)
        return self._answer()

    def _tell(self, asked: Any) -> None:
        assert self._child.stdin is not None
        self._child.stdin.write(json.dumps(asked) + "\n")
        self._child.stdin.flush()

    def _answer(self) -> Any:
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        assert line, f"the lone verifier ended: {self._child.poll()}"
        return json.loads(line)
