"""Whether a board of ours answers on a serial line: the link's HELLO is all that it is asked.

1. A paired board answers, whoever it is paired with: it says which it is by the first octets of its
   public key. Nothing it has sealed is acknowledged, so nothing is lost by asking. One without keys
   answers to what pairs it alone, which is not asked here: it is not found.
2. USB has no speed; a UART's is that of its `board.json`, and BAUDS are what is tried.
"""

import asyncio
import os

from drivers import asks
from drivers.line import Clock, LinkError
from drivers.serial.line import open_line
from drivers.serial.option import SerialLine
from evidence.leap import NS
from firmware_bridge.gateway import Gateway, Greeting
from provisioning.discover.finding import Finding, url_of

BAUDS = (460_800, 115_200)
ANSWER_S = 0.6  # a turn of a board takes milliseconds; one that is silent costs a port this much
_CREDIT_BYTES = 0  # so that it sends nothing of what it keeps
_DRIFT_PPM = 100
_NEEDS = "its public key and the key's file, as pairing makes them"


async def search(path: str, clock: Clock, words: str = "") -> Finding | None:
    """The board on a line; None where none answers. `words`: of the adapter."""
    for baud in BAUDS:
        said = await _greeting(path, baud, clock)
        if said is not None:
            firmware = ".".join(map(str, said.firmware))
            name = said.name.hex()
            what = f"board {name}, firmware {firmware}, boot {said.boot}, at {baud} baud{words}"
            facts = {"baud": baud, "board": name, "firmware": firmware, "boot": said.boot}
            url = url_of("mcu+serial", path, {"baud": baud})
            return Finding("board", path, what, url, f"board-{name[:4]}", facts, needs=_NEEDS)
    return None


async def _greeting(path: str, baud: int, clock: Clock) -> Greeting | None:
    try:
        line = open_line(SerialLine(path=path, baud=baud), clock)
    except LinkError:
        return None
    link = Gateway(lambda: int.from_bytes(os.urandom(4), "big"), _CREDIT_BYTES, _DRIFT_PPM)
    ends_ns = _mono_ns() + round(ANSWER_S * NS)
    try:
        while link.greeting is None and _mono_ns() < ends_ns:
            said = link.output(_mono_ns())
            if said:
                asks.send(line.outlet(), "mcu", said)
            for data, _ in await line.take_within(0.1):
                link.receive(data, _mono_ns())
    except LinkError:
        return None
    finally:
        line.close()
    return link.greeting


def _mono_ns() -> int:
    return round(asyncio.get_running_loop().time() * NS)
