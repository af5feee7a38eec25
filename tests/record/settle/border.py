"""A record that two authorities share, with a seam in force: their gateways, meters and PMUs.

What is measured is a test's; statements, batches and admission are the product's.
"""

import cmath
import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from drivers.c37118.wire import (
    Configuration,
    Format,
    FrameType,
    Layout,
    Phasor,
    Stamp,
    Station,
    encode_values,
)
from evidence.anchor import by_kid
from evidence.code import SeamKind
from evidence.credential import Terminal
from evidence.descriptor import Channel
from evidence.joint.record import Record
from evidence.joint.seam import Dc, Line, Seam, Side
from evidence.trust import Authority
from record.database import Place
from record.known import Known
from record.schema import Entry
from record.settle.interval import Stretch
from tests.evidence.joint.sharing import (
    EAST,
    FOUNDERS,
    KEYS,
    STATE,
    WEST,
    listing,
    says_policy,
    says_seam,
    signed,
    word,
)
from tests.record.gateway import (
    NANOSECONDS,
    START,
    START_S,
    Gateway,
    GatewayRun,
    Statement,
    cfg_bytes,
)
from tests.record.meter import Meter
from tests.record.upstream import Upstream

HOUR = Stretch(START, START + 3600 * NANOSECONDS)
MINUTE = 60 * NANOSECONDS
SIDES = (
    Side("WEST", WEST, bytes([1]) * 16, bytes([2]) * 16, 345.0, 1000.0),
    Side("EAST", EAST, bytes([3]) * 16, bytes([4]) * 16, 345.0, 1000.0),
)
TIE = Seam("North Tie", SeamKind.DC_TIE, SIDES, None, Dc(2.0, 0.01))
LINE = Seam("South Line", SeamKind.LINE, SIDES, Line(3.5, 35.0, 4.2e-4, 80.0))
BUS = Seam("Border Bus", SeamKind.BUS, (SIDES[0], replace(SIDES[1], node=SIDES[0].node)))
RATE = 10
PHASES = "ABC"
HEIR = "East Successor"  # whose credentials the anchors know, and who has no role in them
HEIR_LISTED = listing(HEIR, successor_of=EAST)
HEIR_ISSUES = Authority(HEIR, KEYS[HEIR].public)
NAMES = tuple(f"{quantity}{phase}" for quantity in "VI" for phase in PHASES)
Say = Callable[[float], tuple[float, ...]]  # what registers say at a minute


class Shared:
    """The record. `agree`: what a side says, and all have signed."""

    def __init__(self, place: Place, *seams: Seam) -> None:
        self.upstream = Upstream(place, authorities=by_kid((*FOUNDERS, HEIR_ISSUES)))
        self.store = self.upstream.store
        self.agree(says_policy(), EAST, STATE)
        for seam in seams:
            self.agree(says_seam(seam), EAST)
        self._count = 0

    @property
    def size(self) -> int:
        return self.store.size()

    def known(self) -> Known:
        return Known(self.store)

    def say(self, of: Record) -> Entry:
        (entry,) = self.upstream.send(Statement(signed(of)))
        return entry

    def agree(self, of: Record, *others: str) -> Entry:
        entry = self.say(of)
        for other in others:
            self.upstream.send(Statement(word(of, other)))
        return entry

    def gateway(self, side: Side, issuer: str = "") -> GatewayRun:
        """A gateway at a side's node and terminal, by its authority, or another."""
        self._count += 1
        place = Terminal(side.terminal or b"", side.node, 1)
        found = Gateway(
            f"gw-{self._count}",
            KEYS[issuer or side.authority],
            issuer=issuer or side.authority,
            buses=(side.node,),
            terminals=(place, place._replace(direction=-1)),
        )
        run = found.start()
        self.upstream.send(found.statement, run.statement)
        return run

    def meter(self, side: Side, issuer: str = "", **changes: Any) -> Meter:
        """A meter on a gateway of its own."""
        place = Terminal(side.terminal or b"", side.node, 1)
        found = Meter(self.gateway(side, issuer), 1, place, **changes)
        self.upstream.send(found.describe())
        return found

    def play(
        self, meter: Meter, say: Say, minutes: Iterable[float] = range(-2, 63), **changes: Any
    ) -> None:
        for minute in minutes:
            meter.say(START + round(minute * MINUTE), *say(minute), **changes)
        self.upstream.push(meter.run.cut())


class Pmu:
    """Three voltages and three currents of a terminal, RATE a second, on a gateway."""

    def __init__(
        self, shared: Shared, side: Side, *, run: GatewayRun | None = None, issuer: str = "",
        accuracy: tuple[str, str] = ("0.3", "0.3"), direction: int = 1, idcode: int = 7,
        burden: str = "", correction: bytes | None = None, phases: str = PHASES,
    ) -> None:  # fmt: skip
        """`phases`: of its voltages; of one after the third the frame says what A is."""
        self.shared, self.side, self._phases = shared, side, phases
        self.run = run or shared.gateway(side, issuer)
        form = Format.PHASOR_FLOAT | Format.FREQ_FLOAT
        more = [f"V{phase}" for phase in phases[len(PHASES) :]]
        self._names = (*NAMES, *more)
        rows = tuple(Phasor(name, name.startswith("I")) for name in self._names)
        station = Station("PMU", idcode, form, rows)
        self.layout = Layout(Configuration(FrameType.CFG2, 7, 1_000_000, (station,), RATE))
        self._accuracy, self._direction = accuracy, direction
        self._burden, self._correction = burden, correction
        names = (*self._names, "FREQ", "DFREQ")
        statement = self.run.describe(
            1, cfg_bytes(self.layout.configuration), channels=[(0, name) for name in names],
            placed=self._placed, rate=(RATE, 1),
        )  # fmt: skip
        shared.upstream.send(statement)

    def _placed(self, at: int, row: Channel) -> Channel:
        side = self.side
        if at >= len(self._names):
            quantity = ("frequency", "rocof")[at - len(self._names)]
            return replace(row, quantity=quantity, unit="", phase="", node=side.node)
        current = self._names[at].startswith("I")
        return replace(
            row,
            quantity="current" if current else "voltage",
            unit="A" if current else "V",
            phase=self._phases[at % 3 if at < len(NAMES) else at - len(PHASES)],
            node=side.node,
            terminal=side.terminal if current else None,
            direction=self._direction if current else 0,
            ratio=(1000, 5) if current else (199_186, 66),
            accuracy=self._accuracy[current],
            burden=self._burden if current else "",
            correction=self._correction if current else None,
        )

    def say(
        self, number: int, volt: complex, amp: complex, hz: float = 60.0, **changes: Any
    ) -> None:
        """The frame with this number, of phasors of phase A: the others follow by a third."""
        tai = START + number * NANOSECONDS // RATE
        soc, place = divmod(number, RATE)
        values: list[float] = [0]
        for phasor in (volt, amp):
            for phase in range(3):
                turned = phasor * cmath.exp(-2j * math.pi * phase / 3)
                values += [turned.real, turned.imag]
        values += [volt.real, volt.imag] * (len(self._names) - len(NAMES))
        raw = encode_values(
            self.layout,
            Stamp(START_S + soc, place * 1_000_000 // RATE),
            [*values, hz, 0.0],
        )
        self.run.observe(1, raw, tai, **changes)

    def push(self) -> Entry:
        return self.shared.upstream.push(self.run.cut())
