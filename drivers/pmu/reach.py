"""How the datagrams of a PMU are reached: a UDP port of ours, a group joined or not, and beside it
the TCP connection by which some take their commands.

1. Where a host is named, its datagrams alone are frames; what others send is counted by name.
2. Commands by UDP go out from the port at which the answers are heard.
3. A command connection that closes ends the line: the PMU forgets whom it sent to.

It sends nothing itself.
"""

import asyncio
import socket
from typing import NamedTuple

from drivers.datagram import Datagrams, bound, join
from drivers.line import Clock, LinkError
from drivers.pmu.option import Udp, heard_port, peer_port
from drivers.pmu.pair import Line, Pair
from drivers.tcp_line import open_tcp


class Opened(NamedTuple):
    """An open line, and where commands go: None where its descriptor knows."""

    line: Line
    to: tuple[str, int] | None = None


async def open_udp(options: Udp, clock: Clock) -> Opened:
    """Listens, and connects where commands go by TCP. Raises LinkError."""
    family, addresses = await _addresses(options)
    opened = _listening(options, family)
    heard = Datagrams(opened, clock, addresses)
    if options.commands != "full":
        return Opened(heard)
    if options.commands_by == "udp":
        return Opened(heard, (addresses[0], peer_port(options)))
    connected = False
    try:
        asked = await open_tcp(options.host, peer_port(options), options.connect_timeout_s, clock)
        connected = True
    finally:
        if not connected:
            heard.close()
    return Opened(Pair(asked, heard))


def _listening(options: Udp, family: int) -> socket.socket:
    """The socket to hear at, in its group. Raises LinkError."""
    local, shared = (options.local_host, heard_port(options)), bool(options.group)
    where = f"UDP port {local[1]}"
    try:
        opened = bound(local, family, options.receive_buffer_bytes, shared)
    except OSError as fault:
        raise LinkError(f"{where}: {fault.strerror or fault}") from fault
    try:
        if options.group:
            where = " on ".join(filter(None, (f"group {options.group}", options.interface)))
            join(opened, options.group, options.interface)
    except OSError as fault:
        opened.close()
        raise LinkError(f"{where}: {fault.strerror or fault}") from fault
    return opened


async def _addresses(options: Udp) -> tuple[int, list[str]]:
    """The family to hear in, and the addresses of the host in it, if one is named."""
    told = options.group or options.local_host
    family = (socket.AF_INET6 if ":" in told else socket.AF_INET) if told else socket.AF_UNSPEC
    if not options.host:
        return family or socket.AF_INET, []
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(options.connect_timeout_s):
            found = await loop.getaddrinfo(
                options.host, None, family=family, type=socket.SOCK_DGRAM
            )
    except TimeoutError as fault:
        raise LinkError(f"{options.host}: no address in {options.connect_timeout_s} s") from fault
    except OSError as fault:
        raise LinkError(f"{options.host}: {fault.strerror or fault}") from fault
    family = found[0][0]
    return family, [str(row[4][0]) for row in found if row[0] == family]
