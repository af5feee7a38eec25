"""Offers a great many GOOSE frames on an interface, of which few are of one publisher: what a
packet socket has to pass over, and what it must not lose.

    python -m hil.bench.burst --interface eth1 --per-second 100000 --subscribed 1000 --seconds 5

1. Frames are built before, by the simulated publishers. Of the one that counts, each frame is a
   change of state, with the stNum after the last.
2. What is due is sent every SLICE_S; a sender that falls behind catches up.
3. The first line says that it is ready; a line on the standard input begins; the last line is what
   was sent, and how fast, as JSON.
"""

import argparse
import json
import socket
import sys
import time
from collections.abc import Sequence

from hil.devices.ether import Addressing
from hil.devices.goose import ETHERTYPE, GooseProfile, GoosePublisher, boolean, float32

APPID = 1  # of the publisher that counts
GOCB_REF = "BENCHLD0/LLN0$GO$gcb1"
OTHERS = 64  # publishers beside it
SLICE_S = 0.002
ST_NUM = 70_000  # where it begins: three octets until 2^23, so that all frames are of one length


def _frame(appid: int) -> bytes:
    to = Addressing(ETHERTYPE, appid, f"01:0c:cd:01:00:{appid % 256:02x}", vlan=1)
    profile = GooseProfile(gocb_ref=GOCB_REF if appid == APPID else f"O{appid}LD0/LLN0$GO$g", to=to)
    publisher = GoosePublisher(profile, [boolean(True), float32(1.0)])
    publisher.st_num = ST_NUM
    return publisher.frames(st_num=ST_NUM, sq_num=0)[0]


def _offer(asked: argparse.Namespace, out: socket.socket) -> dict[str, float]:
    """Sends until the time is over."""
    subscribed = _frame(APPID)
    at = subscribed.index(b"\x85\x03" + ST_NUM.to_bytes(3)) + 2
    head, tail = subscribed[:at], subscribed[at + 3 :]
    others = [_frame(APPID + 1 + number) for number in range(OTHERS)]
    every = asked.per_second // asked.subscribed
    total = int(asked.per_second * asked.seconds)
    send, sent, counted = out.send, 0, 0
    start = time.perf_counter()
    while sent < total:
        due = min(int((time.perf_counter() - start) * asked.per_second), total)
        for number in range(sent, due):
            if number % every:
                send(others[number % OTHERS])
            else:
                send(head + (ST_NUM + counted).to_bytes(3) + tail)
                counted += 1
        sent = due
        time.sleep(SLICE_S)
    return {"sent": total, "subscribed": counted, "seconds": time.perf_counter() - start}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m hil.bench.burst", description=__doc__)
    parser.add_argument("--interface", required=True)
    parser.add_argument("--per-second", type=int, default=100_000)
    parser.add_argument("--subscribed", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=5.0)
    asked = parser.parse_args(arguments)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as out:
        out.bind((asked.interface, 0))
        print("ready", flush=True)
        sys.stdin.readline()
        print(json.dumps(_offer(asked, out)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
