"""PMUs and concentrators that speak C37.118: asked for CFG-2, IDCODE after IDCODE.

1. Nothing is sent but CFG-2 requests (C37.118.2-2011 Table 15), through drivers.asks: no data on
   and no data off, which would be another's data.
2. A PMU answers its own IDCODE alone, and there is none for everybody (6.2: 0 and 65535 are
   reserved): those named are asked in turn, PACE_S apart, IDCODES_MAX at most.
3. A device that hangs up on an IDCODE that is not its own is asked for the rest on a new
   connection, REOPENS_MAX times.

It knows no list of hosts: who is asked was named.
"""

import asyncio
from collections.abc import Sequence

from drivers import asks
from drivers.c37118.command import Command
from drivers.c37118.session import Session, Terms
from drivers.line import Clock, LinkError, Setup
from drivers.port import Port
from drivers.tcp_line import open_tcp
from provisioning.discover.finding import Finding, Found, short, url_of

IDCODES_MAX = 1024  # 50 s of asking
IDCODES = range(1, 33)
PACE_S = 0.05  # between two asks: a PMU that answers each stays in order
ANSWER_S = 2.0  # for the last one's answer, as a gateway's own driver waits
CONNECT_S = 5.0
REOPENS_MAX = 8
STATIONS_MAX = 32  # that are told of one frame


async def search(host: str, port: int, idcodes: Sequence[int], clock: Clock, found: Found) -> None:
    """What answers there."""
    where = f"{host}:{port}"
    found.tell(f"{where}: asking for C37.118 configurations of {len(idcodes)} IDCODEs")
    heard: dict[int, Setup] = {}
    left = list(idcodes)
    line: Port | None = None
    try:
        for _ in range(REOPENS_MAX):
            line = await open_tcp(host, port, CONNECT_S, clock)
            try:
                await ask_line(line, left, clock, heard)
                break
            except LinkError:  # hung up on one that is not its own: the rest by another connection
                line.close()
                if not left:
                    break
        asked = f"{len(idcodes) - len(left)} IDCODEs"
        if left:
            asked += f" of {len(idcodes)}, then it hung up for the {REOPENS_MAX}th time"
            found.tell(f"{where}: not all were asked: {asked}")
        if not heard:
            what = f"takes connections; no C37.118 configuration from {asked}"
            found.add(Finding("c37118", where, what, needs="its IDCODE: --idcode"))
            return
        second = await _second(host, port, heard, clock)
    except LinkError as fault:
        found.add(Finding("c37118", where, f"not reached: {fault}"))
        return
    finally:
        if line is not None:
            line.close()
    for idcode, setup in heard.items():
        url = url_of("c37118+tcp", where, {"idcode": idcode})
        found.add(finding_of(where, idcode, setup, url, {"second_connection": second}))


async def ask_line(line: Port, left: list[int], clock: Clock, heard: dict[int, Setup]) -> None:
    """Asks for the IDCODEs in `left`, taking each out of it as it is asked, and keeps what is
    answered in `heard`, by IDCODE. Raises LinkError.
    """
    session = Session(Terms(commands=False), clock.table)
    asker = Session(Terms(idcodes=tuple(left)), clock.table)
    while left:
        idcode = left.pop(0)
        ask = asker.command(Command.SEND_CFG2, clock.now(), idcode)
        asks.send(line.outlet(), "c37118", ask)
        await _hear(line, session, heard, PACE_S if left else ANSWER_S, until_one=not left)


async def _hear(
    line: Port, session: Session, heard: dict[int, Setup], wait_s: float, until_one: bool
) -> None:
    """For so long; `until_one`: no longer than until a configuration has come."""
    loop = asyncio.get_running_loop()
    end = loop.time() + wait_s
    while (left_s := end - loop.time()) > 0:
        try:
            async with asyncio.timeout(left_s):
                chunks = await line.take()
        except TimeoutError:
            return
        for data, when in chunks:
            for item in session.feed(data, when):
                if isinstance(item, Setup) and item.configuration:
                    heard.setdefault(int(item.key.removeprefix("idcode=")), item)
        if until_one and heard:
            return


async def _second(host: str, port: int, heard: dict[int, Setup], clock: Clock) -> bool:
    """Whether another connection beside ours is answered, too: a session is free."""
    try:
        line = await open_tcp(host, port, CONNECT_S, clock)
    except LinkError:
        return False
    again: dict[int, Setup] = {}
    try:
        await ask_line(line, list(heard)[:1], clock, again)
    except LinkError:
        return False
    finally:
        line.close()
    return bool(again)


def finding_of(
    where: str, idcode: int, setup: Setup, url: str, more: dict[str, bool] | None = None
) -> Finding:
    """A configuration, in words and as facts."""
    frames, seconds = setup.rate
    pace = f"{frames} frames a second" if seconds == 1 else f"{frames} frames in {seconds} s"
    stations = [short(block.station) or f"IDCODE {block.idcode}" for block in setup.blocks]
    channels = [
        f"{short(channel.name)} ({channel.quantity})"
        for block in setup.blocks
        for channel in block.channels
    ]
    free = {True: "; a second connection is answered", False: "; no second connection is"}
    told = free[more["second_connection"]] if more else ""
    what = f"C37.118, IDCODE {idcode}: {', '.join(stations[:STATIONS_MAX])}; {pace}"
    what += f"; {len(channels)} channels{told}"
    stream: dict[str, int | str] = {"rate": frames} if seconds == 1 else {}
    if len(setup.blocks) > 1:
        stream["origin"] = "concentrator"
    facts = {
        "idcode": idcode,
        "stations": stations,
        "channels": channels,
        "rate": [frames, seconds],
        **(more or {}),
    }
    return Finding("c37118", where, what, url, stations[0], facts, stream)
