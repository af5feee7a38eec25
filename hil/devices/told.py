"""What a simulated device is told on its standard input while it runs: a line of JSON sets fields.

1. Only fields that are there are set, and only to values of the kind that they have. What cannot be
   set is refused in a line of JSON on the standard output, whole.
2. The end of the input is no end of the device.

It knows no device. What other lines hold is for whoever asks for `lines`.
"""

import asyncio
import json
import os
import sys
from collections.abc import Callable
from dataclasses import fields
from typing import Any

READ_BYTES = 4096
LINE_BYTES_MAX = 65_536


def assign(target: Any, line: str) -> None:
    """Sets fields of a dataclass as a line says. Raises ValueError, and sets nothing."""
    said = json.loads(line)
    known = {one.name for one in fields(target)}
    if not isinstance(said, dict) or not known.issuperset(said):
        raise ValueError(f"not a {type(target).__name__.lower()}: {line.strip()[:80]}")
    for name, value in said.items():
        setattr(target, name, tuple(value) if isinstance(value, list) else value)


def listen(target: Any, told: Callable[[], None] = lambda: None) -> None:
    """From now on, in the running loop. `told` is called after each line that was taken."""

    def take(line: str) -> None:
        try:
            assign(target, line)
        except ValueError as fault:
            print(json.dumps({"refused": str(fault)}), flush=True)
        else:
            told()

    lines(take)


def lines(take: Callable[[str], None]) -> None:
    """Whatever they hold: each as it comes, from now on, in the running loop."""
    loop, number = asyncio.get_running_loop(), sys.stdin.fileno()
    rest = ""

    def readable() -> None:
        nonlocal rest
        data = os.read(number, READ_BYTES)
        if not data:
            loop.remove_reader(number)
            return
        *whole, rest = (rest + data.decode("utf-8", "replace"))[-LINE_BYTES_MAX:].split("\n")
        for line in whole:
            take(line)

    loop.add_reader(number, readable)
