"""A small record with two sides of a seam, and bundles of it: what tests of bundles share.

1. Two gateways of two authorities, each with a PMU at its side of a bus and a relay's GOOSE beside
   it; the first restarts within the hour, and misses samples once.
2. Everything is the shipped code: admission, log, reconstruction, verification.
"""

from pathlib import Path

from drivers.c37118.wire import Layout
from evidence.anchor import Authority, by_kid
from evidence.code import Cause, Kind
from evidence.gap import Gap
from evidence.leap import NS
from record.admit import Admitter
from record.known import Known
from tests.record.gateway import (
    BUS,
    OTHER_BUS,
    START,
    Gateway,
    GatewayRun,
    cfg_bytes,
    configuration,
    frame,
    key,
)
from tests.record.upstream import AUTHORITY, LOG, Upstream

PMU, RELAY = 1, 2
OTHER = key("other authority")
NAMES = {"Utility A": AUTHORITY, "Utility B": OTHER}
RATE = 60
ANCHORS = "".join(
    (
        f'[log]\nname = "demo"\nkey = "{LOG.public.raw.hex()}"\n',
        *(
            f'[[authority]]\nname = "{name}"\nkey = "{one.public.raw.hex()}"\n'
            for name, one in NAMES.items()
        ),
    )
)
CFG, LAYOUT = cfg_bytes(configuration(3)), Layout(configuration(3))


class Seam:
    """One record, filled second by second."""

    def __init__(self, folder: Path) -> None:
        self.place = folder / "record.db"
        self.upstream = Upstream(self.place)
        rows = [Authority(name, one.public) for name, one in NAMES.items()]
        self.upstream.admitter = Admitter(Known(self.upstream.store), by_kid(rows), lambda: 1.0)
        one = Gateway("gw-1", AUTHORITY)
        two = Gateway("gw-2", OTHER, issuer="Utility B", buses=(OTHER_BUS,))
        self.gateways = [one, two]
        self.runs: list[GatewayRun] = []
        self.second = 0
        for gateway, node in ((one, BUS), (two, OTHER_BUS)):
            self.send(gateway.statement)
            self.runs.append(self.begin(gateway.start(), node))

    def send(self, *statements: object) -> None:
        for one in statements:
            self.upstream.send(one, now=self.now)  # type: ignore[arg-type]

    @property
    def now(self) -> int:
        """By the log's clock: a second after the last frame."""
        return START + (self.second + 1) * NS

    def begin(self, run: GatewayRun, node: bytes) -> GatewayRun:
        self.send(run.statement)
        self.send(run.describe(PMU, CFG, node, source=("pmu", "1")))
        self.send(run.describe(RELAY, None, node, int(Kind.GOOSE), source=("relay", "")))
        return run

    def go(self, seconds: int = 1, gap: bool = False) -> None:
        """All measure for so long, a batch a second each."""
        for _ in range(seconds):
            for run in self.runs:
                self.measure(run, gap)
                self.upstream.push(run.cut(), self.now)
            self.second += 1

    def measure(self, run: GatewayRun, gap: bool) -> None:
        first = self.second * RATE
        for number in range(first, first + RATE):
            tai = START + number * NS // RATE
            if gap and number == first + 30:
                missed = Gap(Cause.NOT_HEARD, tai - NS // RATE, tai - 1, 1)
                run.observe(PMU, missed.raw(), tai, kind=int(Kind.GAP))
            run.observe(PMU, frame(LAYOUT, number), tai)
        run.observe(RELAY, b"\x01" if self.second % 2 else b"\x00", START + self.second * NS)

    def restart(self) -> None:
        """The first gateway begins another run."""
        before = self.runs[0]
        run = self.gateways[0].start(before, started=START + self.second * NS)
        self.runs[0] = self.begin(run, BUS)

    def close(self) -> None:
        self.upstream.close()


def fill(folder: Path) -> Path:
    """A record of eight seconds; where it is."""
    seam = Seam(folder)
    seam.go(2)
    seam.go(1, gap=True)
    seam.restart()
    seam.go(5)
    seam.close()
    (folder / "anchors.toml").write_text(ANCHORS)
    return seam.place
