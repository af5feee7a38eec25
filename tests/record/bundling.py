"""A small record with two sides of a seam, and bundles of it: what tests of bundles share.

1. Two gateways of two authorities, each with a PMU at its side of a bus and a relay's GOOSE beside
   it; the first restarts within the hour, and misses samples once.
2. Everything is the shipped code: admission, log, reconstruction, verification.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

from drivers.c37118.wire import Layout
from evidence import cose, export, instant
from evidence.anchor import Authority, by_kid
from evidence.bundle import manifest
from evidence.bundle.manifest import Row
from evidence.code import Cause, Kind
from evidence.export import Opening
from evidence.gap import Gap
from evidence.leap import NS
from record.admit import Admitter
from record.cli import main
from record.known import Known
from record.sequencer import Sequencer
from record.store import open_writer
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
from tests.record.upstream import Upstream

PMU, RELAY = 1, 2
NAMES = ("log", "authority", "other authority")
OTHER = key("other authority")
CFG, LAYOUT = cfg_bytes(configuration(3)), Layout(configuration(3))


class Seam:
    """One record, filled second by second."""

    def __init__(self, folder: Path, who: str = "", rate: int = 60, gateways: int = 2) -> None:
        """`who`: whose keys, when not those that all anchors here name."""
        self.place, self.rate = folder / "record.db", rate
        self.log, self.one, self.other = (key(f"{who}{name}") for name in NAMES)
        store = open_writer(self.place)
        store.set_log_key(self.log.public.raw)
        store.close()
        self.upstream = Upstream(self.place)
        rows = [Authority("Utility A", self.one.public), Authority("Utility B", self.other.public)]
        upstream = self.upstream
        upstream.admitter = Admitter(Known(upstream.store), by_kid(rows), lambda: 1.0)
        upstream.sequencer = Sequencer(
            upstream.store, upstream.log, lambda typ, raw: cose.sign(typ, raw, self.log)
        )
        one = Gateway("gw-1", self.one)
        two = Gateway("gw-2", self.other, issuer="Utility B", buses=(OTHER_BUS,))
        self.gateways = [one, two][:gateways]
        self.runs: list[GatewayRun] = []
        self.second = 0
        for gateway, node in zip(self.gateways, (BUS, OTHER_BUS), strict=False):
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
        first = self.second * self.rate
        for number in range(first, first + self.rate):
            tai = START + number * NS // self.rate
            if gap and number == first + self.rate // 2:
                missed = Gap(Cause.NOT_HEARD, tai - NS // self.rate, tai - 1, 1)
                run.observe(PMU, missed.raw(), tai, kind=int(Kind.GAP))
            run.observe(PMU, frame(LAYOUT, number), tai)
        run.observe(RELAY, b"\x01" if self.second % 2 else b"\x00", START + self.second * NS)

    def restart(self) -> None:
        """The first gateway begins another run."""
        before = self.runs[0]
        run = self.gateways[0].start(before, started=START + self.second * NS)
        self.runs[0] = self.begin(run, BUS)

    def anchors(self) -> str:
        rows = f'[log]\nname = "demo"\nkey = "{self.log.public.raw.hex()}"\n'
        for name, one in (("Utility A", self.one), ("Utility B", self.other)):
            rows += f'[[authority]]\nname = "{name}"\nkey = "{one.public.raw.hex()}"\n'
        return rows

    def close(self) -> None:
        self.upstream.close()


def fill(folder: Path, who: str = "", seconds: int = 5, rate: int = 60) -> Path:
    """A record of some seconds, and anchors beside it; where it is."""
    seam = Seam(folder, who, rate)
    seam.go(2)
    seam.go(1, gap=True)
    seam.restart()
    seam.go(seconds)
    seam.close()
    (folder / "anchors.toml").write_text(seam.anchors())
    return seam.place


def reconstruct(store: Path, out: Path, *more: str, first: int = 1, last: int = 6) -> int:
    begins, ends = (instant.words(START + second * NS) for second in (first, last))
    anchors = str(store.parent / "anchors.toml")
    argv = ["reconstruct", str(store), "--anchors", anchors, "--from", begins, "--to", ends]
    return main([*argv, "--out", str(out), *more])


def files(bundle: Path) -> list[Path]:
    return [path for path in bundle.rglob("*") if path.is_file()]


def verify(path: Path, anchors: Path, *more: str) -> int:
    return main(["verify", str(path), "--anchors", str(anchors), *more])


def sealed_anew(bundle: Path) -> None:
    """The manifest of what is there now, as whoever forges a bundle writes it."""
    (bundle / manifest.PATH).unlink()
    rows = []
    for path in files(bundle):
        data = path.read_bytes()
        name = path.relative_to(bundle).as_posix()
        rows.append(Row(name, len(data), hashlib.sha256(data).digest()))
    (bundle / manifest.PATH).write_bytes(manifest.write(rows))


def device(bundle: Path, gateway: str = "gw-1") -> Path:
    """The file of a gateway."""
    for path in sorted((bundle / "devices").iterdir()):
        if gateway.encode() in path.read_bytes():
            return path
    raise AssertionError(gateway)


def rewritten(path: Path, change: Callable[[list[export.Item]], None]) -> None:
    """An export of other items."""
    opening, *items = export.read([path.read_bytes()])
    assert isinstance(opening, Opening)
    change(items)  # type: ignore[arg-type]
    out: list[bytes] = []
    writer = export.Writer(out.append, opening)
    for item in items:
        writer.add(item)  # type: ignore[arg-type]
    writer.close()
    path.write_bytes(b"".join(out))
