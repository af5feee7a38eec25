"""`gridseal-agent check`: whether the configuration can be run, and whether all who say where this
gateway and its devices stand say the same.

1. Compared with the site plan's survey, each in one line with the distance: the credential's
   position, what the configurations of PMUs name (CFG-3), what receivers measure. What is in files
   is compared always; what only a device can say is asked of the agent that runs, else with --open
   of the lines themselves.
2. Beyond three sigma and 10 m it is a contradiction, and exit 1. What nobody can check is said, and
   is no fault.
3. --open opens PMUs of C37.118, boards and receivers, as `listen` and the gateway do, and sends
   nothing that those would not; it opens nothing while an agent answers, whose lines they are. Of a
   board it says of no frame that it is kept: the agent gets all of them.
4. A board keeps what it said until the disk has it. Where files tell how much that is, and a usual
   ring does not hold it, that is said, and is no fault: only its own settings say what it has.

It changes nothing on either side.
"""

import asyncio
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from agent import status, survey
from agent.config import Gateway
from agent.survey import Spot
from drivers import registry
from drivers.gnss.fix import Fix, Mode
from drivers.line import Block, Clock, Driver, Filed, LinkError, Setup, Source
from evidence import position
from evidence.config import ConfigError
from evidence.position import Position

PMUS = "c37118"
BOARDS = "mcu"  # that PMUs stand behind
RING_BYTES = 16_384  # of a board, as firmware_bridge/board.json has it
RING_MAX_BYTES = 65_535  # firmware_bridge/ring.py
SYNC_MS = 500  # of a slow card, beyond commit_ms
E7, MM = 1e7, 1000


class Line(NamedTuple):
    """What one of them says."""

    who: str
    words: str
    contradicts: bool = False

    def __str__(self) -> str:
        mark = "CONTRADICTS: " if self.contradicts else ""
        return f"place of {self.who}: {mark}{self.words}"


def told(gateway: Gateway, clock: Clock, open_s: float) -> bool:
    """Prints everybody's word; whether nobody contradicts the plan."""
    try:
        lines = places(gateway, clock, open_s)
    except KeyboardInterrupt:  # somebody waits no longer for a line
        return False
    print("\n".join([*_rings(gateway, clock), *map(str, lines)]))
    wrong = sum(line.contradicts for line in lines)
    if wrong:
        who = "one of them says" if wrong == 1 else f"{wrong} of them say"
        print(f"gridseal-agent: {who} another place than the site plan", file=sys.stderr)
    return not wrong


def places(gateway: Gateway, clock: Clock, open_s: float) -> list[Line]:
    """Everybody's word. `open_s`: how long lines may be opened for; 0: not at all."""
    account = _account(gateway)
    lines = [_of_plan(gateway), _of_credential(gateway)]
    heard: dict[str, list[Line]] = {}
    if account is None and open_s:
        heard = asyncio.run(_opened(gateway, clock, open_s))
    for source in gateway.sources:
        if source.scheme.startswith((PMUS, BOARDS)):
            lines += _of_pmu(gateway, source, clock, account, heard.get(source.name))
        elif source.scheme in registry.RECEIVERS and account is None:
            lines += heard.get(source.name) or [Line(source.name, _unasked(open_s))]
    return lines + _of_receivers(gateway, account)


def _rings(gateway: Gateway, clock: Clock) -> list[str]:
    """Of boards whose ring may not outlast a commit. Raises ConfigError."""
    found = []
    kept_ms = gateway.file.spool.commit_ms + SYNC_MS
    for source in gateway.sources:
        boards = source.scheme.startswith(BOARDS)
        expected = registry.open_driver(source, clock).expected() if boards else None
        if expected is None:
            continue
        size, (frames, seconds) = expected
        needed = size * frames * kept_ms // (seconds * 1000)
        if needed > RING_BYTES:
            text = f"{needed:,} octets come in {kept_ms} ms (commit_ms, and a slow sync)"
            more = f"its ring_bytes must be more, at most {RING_MAX_BYTES:,}, or commit_ms less"
            found.append(f"ring of {source.name}: {text}: {more}; else frames are lost")
    return found


# --- what is on file


def _of_plan(gateway: Gateway) -> Line:
    file, surveyed = gateway.file.gateway.plan, gateway.plan.site.survey
    if surveyed is None:
        return Line(file, "no survey; nothing can be compared with it")
    found = f" by {surveyed.method}" if surveyed.method else ""
    within = position.length(surveyed.accuracy_m)
    return Line(file, f"{surveyed.place().words()}, within {within} (1 sigma){found}")


def _of_credential(gateway: Gateway) -> Line:
    file, granted = gateway.file.gateway.credential, gateway.credential.position()
    if granted is None:
        return Line(file, "no position; the authority vouches for none")
    words = gateway.place_refusal()
    if words:
        return Line(file, f"the survey is {words}; the record would refuse it", True)
    return Line(file, _against(position.read(granted), survey.spots(gateway.plan))[0])


def _of_pmu(
    gateway: Gateway,
    source: Source,
    clock: Clock,
    account: dict[str, Any] | None,
    heard: list[Line] | None,
) -> list[Line]:
    """By its configuration file, and as it was heard."""
    driver = registry.open_driver(source, clock)
    filed = driver.on_file() if isinstance(driver, Filed) else ()
    blocks = [block for setup in filed for block in setup.blocks]
    lines = _of_blocks(gateway, source.name, blocks, "on file")
    if account is not None:
        lines += _of_account(gateway, source.name, account)
    elif heard is not None:
        lines += heard
    if source.scheme.startswith(BOARDS):
        return lines or [
            Line(source.name, "behind a board; the agent that runs says what it heard")
        ]
    return lines or [Line(source.name, _unasked(0))]


def _of_blocks(gateway: Gateway, source: str, blocks: Iterable[Block], how: str) -> list[Line]:
    where = survey.spots(gateway.plan, source)
    return [_of_device(source, block.idcode, block.position, where, how) for block in blocks]


def _of_device(
    source: str, idcode: int, stated: Position | None, where: Sequence[Spot], how: str
) -> Line:
    who = f"{source} (IDCODE {idcode}, {how})"
    if stated is None:
        return Line(who, "its configuration names none; nobody can check it")
    return Line(who, *_against(stated, where))


def _against(stated: Position, where: Sequence[Spot]) -> tuple[str, bool]:
    """In words, and whether it contradicts."""
    if not where:
        return f"it says {stated.words()}; nobody can check it", False
    found = survey.away(stated, where)
    return found.words(), not found.agrees


# --- what the agent that runs has heard


def _account(gateway: Gateway) -> dict[str, Any] | None:
    """What the running agent says; None where none answers."""
    try:
        return status.ask(gateway.path(gateway.file.spool.path))
    except (OSError, ValueError):
        return None


def _of_account(gateway: Gateway, source: str, account: dict[str, Any]) -> list[Line]:
    where = survey.spots(gateway.plan, source)
    found = account.get("sources", {}).get(source, {}).get("places", {})
    lines = []
    for devices in found.values():
        for idcode, said in devices.items():
            stated = None if said is None else Position(said[0], said[1], rounded_m=said[2])
            lines.append(_of_device(source, int(idcode), stated, where, "heard by the agent"))
    return lines


def _of_receivers(gateway: Gateway, account: dict[str, Any] | None) -> list[Line]:
    """What the agent concludes of its receivers; or that there is none."""
    names = [one.name for one in gateway.sources if one.scheme in registry.RECEIVERS]
    if not names:
        return [Line("the antenna", "no receiver; nobody can check it")]
    said = account.get("place") if account is not None else None
    if not isinstance(said, dict):
        return []
    words = f"{said.get('state')}: {said.get('words')}"
    return [Line(f"the antenna ({', '.join(names)})", words, said.get("state") == "doubted")]


# --- what the lines say


async def _opened(gateway: Gateway, clock: Clock, open_s: float) -> dict[str, list[Line]]:
    """Opens every PMU and receiver side by side, each until it has said where it is."""
    asked = [
        source
        for source in gateway.sources
        if source.scheme.startswith((PMUS, BOARDS)) or source.scheme in registry.RECEIVERS
    ]
    found = await asyncio.gather(*(_open(gateway, source, clock, open_s) for source in asked))
    return {source.name: lines for source, lines in zip(asked, found, strict=True)}


async def _open(gateway: Gateway, source: Source, clock: Clock, open_s: float) -> list[Line]:
    driver = registry.open_driver(source, clock)
    one = _Receiver() if source.scheme in registry.RECEIVERS else _Pmu()
    try:
        async with asyncio.timeout(open_s):
            await one.hear(driver)
    except TimeoutError:
        pass  # what was heard until then counts
    except (LinkError, ConfigError) as fault:
        return [Line(source.name, f"cannot be asked: {fault}")]
    finally:
        await driver.close()
    return one.lines(gateway, source.name)


class _Pmu:
    """A PMU that is asked for its configuration."""

    def __init__(self) -> None:
        self._blocks: dict[str, Sequence[Block]] = {}

    async def hear(self, driver: Driver) -> None:
        """Until one configuration came. Raises LinkError."""
        self._take(await driver.open())
        while not any(self._blocks.values()):
            self._take(await driver.read())

    def _take(self, items: Sequence[object]) -> None:
        for item in items:
            if isinstance(item, Setup):
                self._blocks[item.key] = item.blocks

    def lines(self, gateway: Gateway, source: str) -> list[Line]:
        blocks = [block for each in self._blocks.values() for block in each]
        found = _of_blocks(gateway, source, blocks, "heard")
        return found or [Line(source, "opened, and it said nothing of itself")]


class _Receiver:
    """A receiver: the last fix in which it measured where it is, or else the last."""

    def __init__(self) -> None:
        self._fix: Fix | None = None
        self._measured: Fix | None = None

    async def hear(self, driver: Driver) -> None:
        """Until a position was measured. Raises LinkError."""
        driver.tell = self._tell  # type: ignore[attr-defined]  # drivers.gnss: of every receiver
        await driver.open()
        while self._measured is None:
            await driver.read()

    def _tell(self, fix: Fix) -> None:
        self._fix = fix
        if fix.place_counts:
            self._measured = fix

    def lines(self, gateway: Gateway, source: str) -> list[Line]:
        fix = self._measured or self._fix
        if fix is None:
            return [Line(source, "opened, and it said nothing")]
        stated = _of_fix(fix)
        if stated is None or (fix.mode is not Mode.FIXED and not fix.place_counts):
            return [Line(source, "it measures no position now; nobody can check it")]
        words, contradicts = _against(stated, survey.spots(gateway.plan))
        if fix.mode is Mode.FIXED:
            words = f"the point that it was given is {words}; it could not notice that it was moved"
        return [Line(source, words, contradicts)]


def _of_fix(fix: Fix) -> Position | None:
    place = fix.place
    if place is None:
        return None
    accuracy_m = None if place.horizontal_mm is None else place.horizontal_mm / MM
    return Position(place.latitude_e7 / E7, place.longitude_e7 / E7, None, accuracy_m)


def _unasked(open_s: float) -> str:
    return "not heard" if open_s else "not asked; --open 10 opens its line for so many seconds"
