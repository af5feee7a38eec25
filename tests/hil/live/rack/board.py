"""A board of relays that really pulls cables: it listens as an LCUS board does, and each of its
contacts is one end of an interface, or a serial line that runs over it.

    python board.py LINK CHANNEL=eth:INTERFACE... CHANNEL=line:NEAR:FAR...

1. It is no part of ours, and speaks from the maker's sheet: 0xA0, channel, 1 or 0, and the sum of
   the three. What is anything else is said, and moves no contact.
2. Energised, a normally closed contact is open: the interface goes down, or what is said on the
   line is lost, in both directions, and nobody is told.
3. Its own port and both ends of its lines are links, as serial ports stand by their id.

Each contact that moves is a line of what it says.
"""

import os
import select
import subprocess
import sys
import tty
from dataclasses import dataclass
from pathlib import Path

ORDER_BYTES = 4
HEAD = 0xA0


@dataclass
class Line:
    """A serial line over a contact: what comes in at one end leaves at the other."""

    ends: dict[int, int]
    whole: bool = True


def plugged(link: str) -> int:
    """A pseudo-terminal whose other end is this link."""
    far, near = os.openpty()
    tty.setraw(near)  # it is kept open: a port is there whoever has opened it
    Path(link).symlink_to(os.ttyname(near))
    return far


def main() -> None:
    board = plugged(sys.argv[1])
    lines: dict[int, Line] = {}
    interfaces: dict[int, str] = {}
    for row in sys.argv[2:]:
        channel, _, cable = row.partition("=")
        kind, *names = cable.split(":")
        if kind == "eth":
            interfaces[int(channel)] = names[0]
        else:
            one, other = plugged(names[0]), plugged(names[1])
            lines[int(channel)] = Line({one: other, other: one})
    print("it listens", flush=True)
    ways = {end: line for line in lines.values() for end in line.ends}
    told = b""
    while True:
        for ready in select.select([board, *ways], [], [])[0]:
            data = os.read(ready, 4096)
            if ready != board:
                if ways[ready].whole:
                    os.write(ways[ready].ends[ready], data)
                continue
            told += data
            while len(told) >= ORDER_BYTES:
                order, told = told[:ORDER_BYTES], told[ORDER_BYTES:]
                move(order, lines, interfaces)


def move(order: bytes, lines: dict[int, Line], interfaces: dict[int, str]) -> None:
    head, channel, energised, check = order
    if head != HEAD or energised > 1 or check != (head + channel + energised) & 0xFF:
        print(f"no order: {order.hex()}", flush=True)
        return
    if channel in lines:
        lines[channel].whole = not energised
    if channel in interfaces:
        state = "down" if energised else "up"
        subprocess.run(["ip", "link", "set", interfaces[channel], state], check=True, timeout=10)
    print(f"{channel} {'open' if energised else 'closed'}", flush=True)


if __name__ == "__main__":
    main()
