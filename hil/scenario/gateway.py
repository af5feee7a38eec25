"""One gateway of a scenario: it hears its devices, seals, and cuts batches, in simulated time.

1. Hearing, sealing and cutting are the shipped agent's; the credential is what the shipped
   provisioning grants for a site plan. Only the disk and the network are left out: what is cut is
   handed to whoever has the record.
2. Its clock is the instant of what it hears, good to CLOCK_BOUND_NS; it never runs backwards.
3. Keys and salts follow from the scenario's seed: the same scenario gives the same bytes.

It knows no record and no authority but the one that issued its credential.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from agent.cutter import Cutter, Limits
from agent.health import Health
from agent.hearing import Hearing
from agent.sealer import SOFTWARE, Sealer, Stretch
from drivers.line import Frame, Instant, Setup
from evidence import cbor, cose, disclosure
from evidence.code import Cause, Typ
from evidence.key import Ed25519Key
from evidence.leap import BUILT_IN, NS
from evidence.run import Run
from evidence.siteplan import SitePlan
from provisioning import grant
from provisioning.grant import Holder

CLOCK_BOUND_NS = 1_000_000  # of a gateway on NTP in a station
VALID_DAYS = 30
Pairs = Sequence[tuple[bytes, bytes]]
Items = Sequence[Frame | Setup]


class Stated(NamedTuple):
    """A statement to be admitted, with what it discloses."""

    encoded: bytes
    pairs: Pairs


class Cut(NamedTuple):
    """A batch to be admitted."""

    id: bytes
    encoded: bytes
    observations: int


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who signs its credential."""

    name: str
    key: Ed25519Key


class _Clock:
    """The instant of what is being heard."""

    table = BUILT_IN

    def __init__(self, tai: int) -> None:
        self.tai = tai

    def now(self) -> Instant:
        return Instant(self.tai, CLOCK_BOUND_NS)

    def monotonic_ns(self) -> int:
        return self.tai


def seeded(seed: str) -> Callable[[int], bytes]:
    """Bytes that follow from a text, the next ones at each call."""
    count = iter(range(1 << 40))

    def random(length: int) -> bytes:
        return hashlib.shake_256(f"{seed} {next(count)}".encode()).digest(length)

    return random


class Gateway:
    """`take` gives what is new since the last call: statements, then batches, in order."""

    def __init__(
        self, name: str, plan: SitePlan, issuer: Issuer, now: int, random: Callable[[int], bytes]
    ) -> None:
        """`now`: ns TAI; `random(n)`: n bytes fit for keys."""
        self.name = name
        device = Ed25519Key(random(32))
        holder = Holder(issuer.name, name, device.public, "gateway")
        now_s = BUILT_IN.utc_ns(now) // NS
        granted = grant.credential(holder, plan, now_s, VALID_DAYS, random)
        credential = cose.sign(Typ.CREDENTIAL, granted.says.payload(), issuer.key)
        beginning = Run(
            cose.name(granted.says.payload()), bytes(32), now, CLOCK_BOUND_NS, Cause.FIRST_START,
            None, False, None, (), SOFTWARE, bytes(64),
        )  # fmt: skip
        self._clock = _Clock(now)
        self._hearing = Hearing(plan, self._clock, random, Health())
        self._sealer = Sealer(beginning, device.public, random(32))
        # By its size alone; what is due by age is for the scenario to say (`cut`).
        self._cutter = Cutter(self._sealer.name, Limits(1 << 62, 1 << 62))
        self._pieces = self.observations = 0
        self._pending: dict[bytes, list[Stretch]] = {}  # the open batch, as the cutter has it
        self._new: list[Stated | Cut] = [
            Stated(credential, granted.pairs),
            Stated(cose.sign(Typ.RUN, self._sealer.payload, device), ()),
        ]
        self._hearing.attach(self._sealer)

    def hear(self, source: str, items: Items, tai: int) -> None:
        """What a device's driver gave at an instant."""
        self._clock.tai = max(self._clock.tai, tai)
        self._hearing.hear(source, items)

    def cut(self) -> None:
        """What was heard becomes a piece, and whatever is open a batch."""
        self._keep()
        self._close()

    def keep(self) -> None:
        """What was heard becomes a piece, as one commit of the agent makes durable."""
        self._keep()
        if self._cutter.due(0, backlog=False):
            self._close()

    def take(self) -> list[Stated | Cut]:
        new, self._new = self._new, []
        return new

    def _keep(self) -> None:
        piece, _ = self._hearing.take()
        for item in piece.statements:
            pairs = disclosure.read_pairs(cbor.decode(item.disclosures))
            self._new.append(Stated(item.encoded, pairs))
        self._pieces += 1
        if not self._cutter.fits(piece.stretches, piece.observations, piece.size):
            self._close()
        self._cutter.add(self._pieces, piece.stretches, piece.observations, piece.size, 0)
        self._remember(piece.stretches)
        self.observations += piece.observations

    def _remember(self, stretches: Iterable[Stretch]) -> None:
        for stretch in stretches:
            self._pending.setdefault(stretch.descriptor, []).append(stretch)

    def _close(self) -> None:
        cut = self._cutter.cut(self._sealer.sign_head)
        pending, self._pending = self._pending, {}
        if cut is None:
            return
        links = [stretch.links for stretches in pending.values() for stretch in stretches]
        self._new.append(Cut(cut.id, b"".join((cut.head, *links)), cut.observations))
