"""`gridseal-provision discover`: finds what is there, and proposes sources.

1. Only what was named is looked at: hosts and ports, lines, interfaces; of serial ports all of this
   machine, where none is named. It scans no network.
2. Nothing is sent that drivers.asks does not hold; to serial ports nothing at all without --ask.
3. It is bounded in time (SECONDS_MAX a place, TOTAL_S in all) and in number (HOSTS_MAX, ...).
   Ctrl-C ends it, and what was found until then is told.
4. A place that cannot be looked at does not end the search; exit 1 says that there was one.
"""

import argparse
import asyncio
import re
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

from agent import config
from agent.clock import SystemClock, leap_table
from drivers.pmu.option import PORT_DEFAULT
from evidence.config import ConfigError
from provisioning import change
from provisioning.argument import Now, Parser, UsageError, only
from provisioning.discover import ethernet, modbus, pmu, proposal, serial
from provisioning.discover.finding import Found, SearchError
from provisioning.discover.serial import Port
from provisioning.init import GATEWAY
from provisioning.terminal import Terminal

PROG = "gridseal-provision discover"
HOSTS_MAX = 32
LINES_MAX = 8  # of Modbus
INTERFACES_MAX = 8
SECONDS, SECONDS_MAX = 5.0, 600.0  # of listening at one place
TOTAL_S = 1800.0
IDCODE_MAX = 65534
_HOST = re.compile(
    r"\[([0-9A-Fa-f:.%\w]{2,64})\](?::(\d{1,5}))?|([^:\[\]/\s]{1,253})(?::(\d{1,5}))?"
)
_RANGE = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?", re.ASCII)
_RECEIVERS = frozenset({"ubx", "nmea"})
EXAMPLES = """\
examples:
  gridseal-provision discover --serial
  gridseal-provision discover --host 192.0.2.7 --host 192.0.2.8:4713 --idcode 1-60
  gridseal-provision discover --modbus 'modbus+rtu:///dev/ttyUSB0?baud=19200&units=1-8'
  gridseal-provision discover --goose eth0 --seconds 30 --into site --dry-run"""


def run(argv: Sequence[str], now: Now) -> int:
    """What was typed after `discover`. Raises UsageError, ConfigError, PlacementError."""
    asked = only(_parser(), argv)
    out = Terminal(asked.json)
    if asked.into is not None:
        config.sketch(asked.into / GATEWAY)  # before anybody waits for what cannot be added
    found = Found(lambda words: _progress(out, words))
    jobs = _Jobs(asked, found)
    stopped = False
    try:
        asyncio.run(jobs.run())
    except KeyboardInterrupt:
        stopped = True
        out.say("stopped: what was found until then:")
    _tell(found, jobs, out)
    told: dict[str, Any] = {
        "found": [one.told() for one in found.findings],
        "faults": jobs.faults,
        "stopped": stopped,
    }
    if asked.into is not None:
        told |= _into(asked, found, out)
    out.object(told)
    return 1 if stopped or jobs.faults else 0


def _progress(out: Terminal, words: str) -> None:
    out.say(words)
    sys.stdout.flush()  # piped, too, it is seen as it goes


class _Jobs:
    """All places that were named, looked at side by side. Raises UsageError, ConfigError."""

    def __init__(self, asked: argparse.Namespace, found: Found) -> None:
        self._asked, self._found = asked, found
        self.faults: list[str] = []
        self._idcodes = idcodes(asked.idcode) if asked.idcode else list(pmu.IDCODES)
        self._hosts = [host(one) for one in asked.host]
        modbus.check(asked.modbus)
        for what, several, most in (
            ("--host", asked.host, HOSTS_MAX),
            ("--modbus", asked.modbus, LINES_MAX),
            ("--goose", asked.goose, INTERFACES_MAX),
        ):
            if len(several) > most:
                raise UsageError(f"{PROG}: {what}: {len(several)} given; at most {most}")
        if not 0 < asked.seconds <= SECONDS_MAX:
            raise UsageError(f"{PROG}: --seconds: expected up to {SECONDS_MAX:.0f}")
        lines = (asked.serial, asked.receiver)
        if lines == (None, None) and not (asked.host or asked.modbus or asked.goose):
            raise UsageError(f"{PROG}: say where to look: --serial, --host, --modbus, --goose, ...")

    async def run(self) -> None:
        """Until all have been looked at."""
        clock, asked, found = SystemClock(leap_table(None)), self._asked, self._found
        work: list[Coroutine[Any, Any, None]] = [
            *(pmu.search(*where, self._idcodes, clock, found) for where in self._hosts),
            *(modbus.search(one, clock, found) for one in asked.modbus),
            *(ethernet.search(one, asked.seconds, clock, found) for one in asked.goose),
            *(self._port(one, wanted, clock) for one, wanted in self._ports()),
        ]
        try:
            async with asyncio.timeout(TOTAL_S):
                await asyncio.gather(*(self._guarded(one) for one in work))
        except TimeoutError:
            self.faults.append(f"not all was looked at in {TOTAL_S:.0f} s")

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        """Invariant 4."""
        try:
            await work
        except (SearchError, ConfigError) as fault:
            self.faults.append(str(fault))
            self._found.tell(f"cannot be looked at: {fault}")

    def _port(
        self, port: Port, wanted: frozenset[str], clock: SystemClock
    ) -> Coroutine[Any, Any, None]:
        seconds = max(serial.HEAR_S, min(self._asked.seconds, SECONDS_MAX))
        how = (self._asked.ask, self._idcodes, seconds, clock, self._found, wanted)
        return serial.search(port, *how)

    def _ports(self) -> list[tuple[Port, frozenset[str]]]:
        """Those named, or all."""
        found: dict[str, tuple[Port, frozenset[str]]] = {}
        for named, wanted in (
            (self._asked.receiver, _RECEIVERS),
            (self._asked.serial, frozenset[str]()),
        ):
            if named is None:
                continue
            try:
                several = [Port(path) for path in named] or serial.ports()
            except SearchError as fault:
                self.faults.append(str(fault))
                continue
            if not several:
                self._found.tell("no serial port on this machine")
            found |= {port.path: (port, wanted) for port in several[: serial.PORTS_MAX]}
        return list(found.values())


def _tell(found: Found, jobs: _Jobs, out: Terminal) -> None:
    """The whole, when the search is over."""
    if not found.findings:
        out.say("Nothing was found.")
        return
    rows = [(one.kind, one.where, one.what) for one in found.findings]
    out.table(("kind", "where", "what"), rows)
    for one in found.findings:
        if one.url:
            lacks = f"   # needs {one.needs}" if one.needs else ""
            out.say(f"  gridseal-agent listen '{one.url}'{lacks}")
    for fault in jobs.faults:
        out.say(f"NOT LOOKED AT: {fault}", style="fault")


def _into(asked: argparse.Namespace, found: Found, out: Terminal) -> dict[str, Any]:
    """Adds what was found to a gateway's folder."""
    proposed = proposal.propose(asked.into, found.findings, asked.bus)
    for words in proposed.left_out:
        out.say(f"left out: {words}")
    if proposed.change is None:
        out.say("Nothing to add.")
    elif asked.dry_run:
        out.say(*change.preview(asked.into, proposed.change))
    else:
        change.apply(asked.into, proposed.change)
        out.say(f"Done: {proposed.change.what}")
        out.say("A running agent goes on as before until it is started again.")
    return {
        "added": list(proposed.names),
        "left_out": list(proposed.left_out),
        "done": proposed.change is not None and not asked.dry_run,
    }


def host(text: str) -> tuple[str, int]:
    """HOST[:PORT], an IPv6 address in brackets. Raises UsageError."""
    found = _HOST.fullmatch(text)
    port = int((found and (found[2] or found[4])) or PORT_DEFAULT)
    if found is None or not 0 < port < 65536:
        raise UsageError(f"{PROG}: --host {text[:80]!r}: expected HOST or HOST:PORT, one host")
    return found[1] or found[3], port


def idcodes(text: str) -> list[int]:
    """Such as 7 or 1-60,101. Raises UsageError."""
    found: list[int] = []
    for part in text.split(","):
        several = _RANGE.fullmatch(part.strip())
        first = int(several[1]) if several else 0
        last = int(several[2] or first) if several else 0
        if not 1 <= first <= last <= IDCODE_MAX or last - first >= pmu.IDCODES_MAX:
            raise UsageError(f"{PROG}: --idcode {text[:80]!r}: written as 7 or 1-60,101")
        found += range(first, last + 1)
    if len(found) > pmu.IDCODES_MAX:
        raise UsageError(f"{PROG}: --idcode: {len(found)}; at most {pmu.IDCODES_MAX}")
    return list(dict.fromkeys(found))


def _parser() -> Parser:
    about = "Finds serial devices, PMUs, Modbus units, GOOSE, Sampled Values and receivers where it"
    about += " is told to look, and proposes sources. Nothing is scanned and nothing is written."
    parser = Parser(
        prog=PROG,
        description=about,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--serial", nargs="*", metavar="PORT", help="what is heard on serial ports; default: all")
    add("--receiver", nargs="*", metavar="PORT", help="the same, receivers of time and place alone")
    add("--ask", action="store_true", help="ask on serial ports, too: CFG-2, and MON-VER")
    told = "a PMU's, by default port 4712; may be given again"
    add("--host", action="append", default=[], metavar="HOST[:PORT]", help=told)
    add("--idcode", default="", metavar="1-32", help="those that PMUs are asked for")
    told = "a line of Modbus, with units=1-32 in it; may be given again"
    add("--modbus", action="append", default=[], metavar="URL", help=told)
    told = "GOOSE and Sampled Values of an interface; may be given again"
    add("--goose", "--sv", action="append", default=[], metavar="IFACE", help=told)
    add("--seconds", type=float, default=SECONDS, metavar="N", help="of listening at each place")
    add("--into", type=Path, metavar="DIR", help="add what was found to this gateway's folder")
    add("--bus", default="", metavar="NAME", help="of the streams that are added")
    add("--dry-run", action="store_true", help="show what --into would write, and write nothing")
    add("--json", action="store_true", help="one JSON object instead of words")
    return parser
