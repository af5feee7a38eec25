"""Makes the lone verifier: one file of Python that checks bundles, out of evidence/ and the few
files here that it needs.

1. It is deterministic: the modules that `record.reconstruct.lone` leads to, by name, each as it
   stands. So its SHA-256 says which release it is of, and whoever has the source makes it again.
2. It holds the text of each module, to be read; nothing is packed, and nothing is changed.
3. A module that imports more than the standard library, PyNaCl and what is in the file is a fault
   here, and not at the auditor's. cbor2 is there as evidence.plain, which writes the same bytes.
"""

import ast
import hashlib
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

START = "record.reconstruct.lone"
OURS = ("evidence", "record")
THEIRS = frozenset({"nacl"})
STANDS_IN = {"cbor2": "evidence.plain"}
_QUOTE = "'" * 3


class LonelyError(Exception):
    """The lone verifier cannot be made of this source."""


def make() -> bytes:
    """The file. Raises LonelyError, OSError."""
    modules: dict[str, str] = {}
    waiting = [START, *STANDS_IN.values()]
    while waiting:
        name = waiting.pop()
        if name in modules:
            continue
        path = _path(name)
        text = path.read_text(encoding="utf-8")
        if _QUOTE in text or "\r" in text:
            raise LonelyError(f"{name} cannot stand between {_QUOTE}")
        modules[name] = text
        waiting += _needed(name, text, path.name == "__init__.py")
    return _written(modules).encode()


def fingerprint(data: bytes) -> str:
    """As it is published with a release."""
    return hashlib.sha256(data).hexdigest()


def _needed(name: str, text: str, is_package: bool) -> Iterator[str]:
    """The modules of ours that one names, and their packages. Raises LonelyError."""
    parts = name.split(".")
    yield from (".".join(parts[:at]) for at in range(1, len(parts)))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found = [node.module]
            found += [
                inner
                for alias in node.names
                if _is_ours(inner := f"{node.module}.{alias.name}") and _is_module(inner)
            ]
        elif isinstance(node, ast.ImportFrom):
            raise LonelyError(f"{name} imports by a relative name")
        else:
            continue
        for one in found:
            if _is_ours(one):
                yield one
            elif one.split(".")[0] not in (*sys.stdlib_module_names, *THEIRS, *STANDS_IN):
                raise LonelyError(f"{name} imports {one}, which the lone verifier has not")


def _is_ours(name: str) -> bool:
    return name.split(".")[0] in OURS


def _is_module(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False  # something in a module, and no module


def _path(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise LonelyError(f"there is no module {name}")
    return Path(spec.origin)


def _written(modules: dict[str, str]) -> str:
    rows = "".join(
        f"_MODULES[{name!r}] = r{_QUOTE}{modules[name]}{_QUOTE}\n\n" for name in sorted(modules)
    )
    return f"{_OPENING}{rows}{_CLOSING}"


_OPENING = f'''#!/usr/bin/env python3
"""Gridseal's lone verifier: checks a bundle of a record, offline.

    python3 verify.py BUNDLE --anchors anchors.toml [--every]

It needs Python 3.11 or later and PyNaCl. Below stand the modules of Gridseal that it is made of,
as they are in its source; the last lines start {START}.
"""

import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec

if sys.version_info < (3, 11) or find_spec("nacl") is None:
    print("verify.py: it needs Python 3.11 or later, and PyNaCl", file=sys.stderr)
    sys.exit(2)

_MODULES = {{}}

'''
_CLOSING = f'''\
_STANDS_IN = {STANDS_IN!r}


class _Finder(MetaPathFinder, Loader):
    """Finds the modules above, before any that may be installed."""

    def find_spec(self, name, path=None, target=None):
        if _STANDS_IN.get(name, name) not in _MODULES:
            if name.split(".")[0] in {OURS!r}:
                raise ModuleNotFoundError(f"{{name}} is not in this file")
            return None
        package = any(other.startswith(name + ".") for other in _MODULES)
        return ModuleSpec(name, self, is_package=package)

    def exec_module(self, module):
        name = _STANDS_IN.get(module.__name__, module.__name__)
        exec(compile(_MODULES[name], f"{{__file__}}/{{name}}", "exec"), module.__dict__)


sys.meta_path.insert(0, _Finder())

if __name__ == "__main__":
    from {START} import main

    sys.exit(main())
'''
