"""Whether a board of ours answers on a serial line: the link's HELLO is all that it is asked.

1. A paired board answers, whoever it is paired with: it says which it is by the first octets of its
   public key. Nothing it has sealed is acknowledged, so nothing is lost by asking. One without keys
   says that it has none.
2. USB has no speed; a UART begins at START_BAUD, and is at another for some seconds after a gateway
   went: BAUDS are what is tried. A driver finds it by itself: the URL names none.
"""

import asyncio
import os

from drivers import asks
from drivers.line import Clock, LinkError
from drivers.serial.line import open_line
from drivers.serial.option import SerialLine
from evidence.leap import NS
from firmware_bridge.gateway import Gateway
from firmware_bridge.link import START_BAUD
from provisioning.discover.finding import Finding, url_of

BAUDS = (START_BAUD, 460_800)
ANSWER_S = 0.6  # a turn of a board takes milliseconds; one that is silent costs a port this much
_CREDIT_BYTES = 0  # so that it sends nothing of what it keeps
_DRIFT_PPM = 100
_NEEDS = "its public key and the key's file, as pairing makes them"


async def search(path: str, clock: Clock, words: str = "") -> Finding | None:
    """The board on a line; None where none answers. `words`: of the adapter."""
    for baud in BAUDS:
        said = await _greeting(path, baud, clock)
        if said is not None:
            return _found(path, baud, said, words)
    return None


def _found(path: str, baud: int, said: Gateway, words: str) -> Finding:
    url = url_of("mcu+serial", path, {})
    greeting = said.greeting
    if greeting is None:
        firmware = ".".join(map(str, said.unpaired or ()))
        what = f"a board, unpaired, firmware {firmware}, at {baud} baud{words}"
        facts: dict[str, object] = {"baud": baud, "board": None, "firmware": firmware}
        needs = f"pairing: gridseal-provision board pair {path} DIR --name NAME"
        return Finding("board", path, what, url, "board", facts, needs=needs)
    firmware = ".".join(map(str, greeting.firmware))
    name = greeting.name.hex()
    what = f"board {name}, firmware {firmware}, boot {greeting.boot}, at {baud} baud{words}"
    facts = {"baud": baud, "board": name, "firmware": firmware, "boot": greeting.boot}
    return Finding("board", path, what, url, f"board-{name[:4]}", facts, needs=_NEEDS)


async def _greeting(path: str, baud: int, clock: Clock) -> Gateway | None:
    """Who has heard a board there; None: nobody answers."""
    try:
        line = open_line(SerialLine(path=path, baud=baud), clock)
    except LinkError:
        return None
    link = Gateway(lambda: int.from_bytes(os.urandom(4), "big"), _CREDIT_BYTES, _DRIFT_PPM)
    ends_ns = _mono_ns() + round(ANSWER_S * NS)
    try:
        while not _answered(link) and _mono_ns() < ends_ns:
            said = link.output(_mono_ns())
            if said:
                asks.send(line.outlet(), "mcu", said)
            for data, _ in await line.take_within(0.1):
                link.receive(data, _mono_ns())
    except LinkError:
        return None
    finally:
        line.close()
    return link if _answered(link) else None


def _answered(link: Gateway) -> bool:
    return link.greeting is not None or link.unpaired is not None


def _mono_ns() -> int:
    return round(asyncio.get_running_loop().time() * NS)
