"""Writes down all bytes that code under drivers/ gives to a line, in this process and in those that
it starts: beside the shipped check, and not by way of it.

1. The calls that hand bytes to the system are wrapped (os.write and its kin, sockets, TLS), whoever
   makes them; what is written down has a frame of drivers/ among its callers, key stores aside.
2. Python loads a module of this name by itself from PYTHONPATH, so that a program started by a test
   has it too. Nothing is imported that the program does not import: sockets are wrapped when they
   are loaded.
3. Each write is a line of one file, appended whole: function, place in drivers/, bytes in hex.

It refuses nothing: what was written is judged afterwards, by tests.recorder.table.
"""

from __future__ import annotations

import os
import sys

# typing is loaded by nobody else here, and a program is to load what it loads.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FILE = "GRIDSEAL_RECORDER"  # the environment variable that names the file
_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_OWN = os.path.join(_ROOT, "drivers") + os.sep
_STORES = os.path.join(_OWN, "keystore") + os.sep
_FRAMES_MAX = 40  # how far up a caller is looked for
_WRAPPED: dict[str, dict[str, tuple[str, ...]]] = {  # module, class, names
    "os": {"": ("write", "writev", "pwrite", "pwritev", "sendfile")},
    "socket": {"socket": ("send", "sendall", "sendto", "sendmsg", "sendfile")},
    "ssl": {"SSLObject": ("write",), "SSLSocket": ("write", "send", "sendall")},
}
_write = os.write  # as it was
_wrapped: set[str] = set()


def _place() -> str | None:
    """Where in drivers/ the call comes from; nothing where it does not."""
    frame: Any = sys._getframe(2)
    if frame.f_code.co_name == "_write_to_self":
        return None  # asyncio's loop wakes itself, over a socket of its own
    for _ in range(_FRAMES_MAX):
        if frame is None:
            return None
        name = frame.f_code.co_filename
        if name.startswith(_OWN) and not name.startswith(_STORES):
            return f"{os.path.relpath(name, _ROOT)}:{frame.f_code.co_name}"
        frame = frame.f_back
    return None


def _bytes_of(value: Any) -> bytes:
    """What a call would write: bytes, or a list of such."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, (list, tuple)):
        return b"".join(bytes(part) for part in value)
    return b"not bytes: " + repr(value)[:200].encode()


def _tell(name: str, place: str, data: bytes) -> None:
    path = os.environ.get(FILE)
    if not path:
        return
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        _write(handle, f"{name} {place} {data.hex()}\n".encode())
    finally:
        os.close(handle)


def _wrap(owner: Any, owner_name: str, name: str, at: int) -> None:
    plain = getattr(owner, name, None)
    if plain is None:
        return

    def told(*given: Any, **named: Any) -> Any:
        place = _place()
        if place is not None:
            data = _bytes_of(given[at]) if len(given) > at else b"by name: " + repr(named).encode()
            _tell(f"{owner_name}.{name}", place, data)
        return plain(*given, **named)

    setattr(owner, name, told)


def wrap(module_name: str) -> None:
    """Wraps a module's calls, once."""
    module = sys.modules[module_name]
    if module_name in _wrapped:
        return
    _wrapped.add(module_name)
    for owner_name, names in _WRAPPED[module_name].items():
        owner = getattr(module, owner_name) if owner_name else module
        for name in names:
            _wrap(owner, owner_name or module_name, name, 1)


def _then_wrapped(run: Any) -> Any:
    """Loads a module as its own loader does, and wraps it."""

    def exec_module(module: Any) -> None:
        run(module)
        wrap(module.__name__)

    return exec_module


class _Finder:
    """Wraps a module as soon as it has been loaded."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> Any:
        if name not in _WRAPPED or name in _wrapped:
            return None
        for finder in sys.meta_path:
            if finder is _Finder:
                continue
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                loader: Any = spec.loader
                loader.exec_module = _then_wrapped(loader.exec_module)
                return spec
        return None


def install() -> None:
    """From now on, in this process."""
    for name in _WRAPPED:
        if name in sys.modules:
            wrap(name)
    if _Finder not in sys.meta_path:
        sys.meta_path.insert(0, _Finder)


if os.environ.get(FILE):
    install()
