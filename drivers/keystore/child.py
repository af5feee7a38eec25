"""The program that speaks to a store, as drivers.keystore.process starts it: a request on standard
input, a reply on what was standard output, until the input ends.

1. Only the modules of MODULES can be asked, and in them only what they offer.
2. A store's library may print what it likes: standard output is the error output while it runs.
3. What it holds is not left behind: no core of it is written.
"""

import os
import resource
import sys
from importlib import import_module
from typing import Any

from drivers.keystore import message
from drivers.keystore.message import Code
from drivers.keystore.uri import AwayError, KeyStoreError, PinError

# What a URI's scheme has asked of its store: module, and functions of it.
MODULES = {
    "drivers.keystore.stretch": ("stretch",),
    "drivers.keystore.token": ("prove", "sign", "show", "make"),
    "drivers.keystore.chip": ("prove", "sign", "show", "make"),
}
WORDS_MAX = 1000  # of a fault: a path, or what a library says, may be long


def main() -> int:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answers = os.dup(1)
    os.dup2(2, 1)
    data = b""
    while more := os.read(0, message.READ_BYTES):
        data += more
        if message.whole(data):
            _give(answers, message.encode(_answered(data)))
            data = b""
    return 0


def _answered(data: bytes) -> list[Any]:
    """What a request gives: code, and value or words."""
    module, name, told, secret = message.read_request(data)
    if name not in MODULES.get(module, ()):
        return [Code.FAULT, f"{module} offers no {name}"]
    try:
        return [Code.OK, getattr(import_module(module), name)(told, secret)]
    except PinError as fault:
        return [Code.PIN, fault.text[:WORDS_MAX]]
    except AwayError as fault:
        return [Code.AWAY, fault.text[:WORDS_MAX]]
    except KeyStoreError as fault:
        return [Code.FAULT, fault.text[:WORDS_MAX]]


def _give(handle: int, answer: bytes) -> None:
    rest = memoryview(answer)
    while rest:
        rest = rest[os.write(handle, rest) :]


if __name__ == "__main__":
    sys.exit(main())
