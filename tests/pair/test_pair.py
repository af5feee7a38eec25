"""Gateway against record in memory, whatever happens in between, under one seed.

1. Sealing, cutting and spooling are the agent's own code, admission and the log the record's; only
   the order of events is made here, and all of it follows from the seed.
2. A kill forgets what was sealed and not committed; all else is in the record at the end, once.
"""

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.commit import Commit, Found, Kept, State
from agent.cutter import Cutter, Limits
from agent.health import Health
from agent.hearing import NOTHING, Hearing
from agent.sealer import SOFTWARE, Sealer, Statement, statement
from agent.spool import Spool
from drivers.c37118.wire import Layout
from drivers.line import Block, Channel, Frame, Instant, Setup
from evidence import batch, cbor, cose, descriptor, disclosure, head, merkle, observation, receipt
from evidence.code import Cause, Kind, TimeSource, Typ
from evidence.leap import BUILT_IN
from evidence.refusal import EvidenceError
from evidence.run import Run
from evidence.siteplan import Site, SitePlan
from record.known import MissingError
from tests.record.gateway import LOCKED, NANOSECONDS, START, Gateway, cfg_bytes, configuration
from tests.record.gateway import frame as data_frame
from tests.record.upstream import AUTHORITY, LOG, Upstream

SEEDS = range(30)
STEPS = 60
PERIOD_NS = NANOSECONDS // 60
SOURCES = ("pmu-a", "pmu-b", "pmu-c")
Heard = tuple[str, bytes]  # source, raw


class Time:
    """A clock that goes on by itself, a little at every look."""

    table = BUILT_IN

    def __init__(self) -> None:
        self.tai = START

    def now(self) -> Instant:
        self.tai += 1000
        return Instant(self.tai, 1000)

    def monotonic_ns(self) -> int:
        return self.tai


class Device:
    """One source: what it measures next, and how."""

    def __init__(self, name: str) -> None:
        self.name, self.phasors, self.number = name, 1, 0

    @property
    def layout(self) -> Layout:
        return Layout(configuration(self.phasors))

    def setup(self) -> Setup:
        channels = tuple(Channel(f"V{n}", "voltage", "V") for n in range(self.phasors))
        block = Block("PMU", 1, "P", None, None, channels)
        return Setup(
            "7", int(Kind.C37118), cfg_bytes(configuration(self.phasors)), (60, 1), (block,)
        )

    def frame(self, clock: Time) -> Frame:
        raw = data_frame(self.layout, self.number)
        tai = START + self.number * PERIOD_NS
        self.number += 1
        clock.tai = max(clock.tai, tai + 20_000_000)
        return Frame(
            "7", int(Kind.C37118), raw, tai, 1000, int(TimeSource.DEVICE), LOCKED, clock.now()
        )


class Agent:
    """One process of the agent, from its start to its end or its kill."""

    def __init__(
        self, path: Path, gateway: Gateway, clock: Time, bytes_of: Callable[[int], bytes]
    ) -> None:
        self.spool, self.gateway, self.clock, self.bytes_of = Spool(path), gateway, clock, bytes_of
        self.heard: list[Heard] = []  # not yet durable
        self.unsigned: list[bytes] = []
        self.signed: list[Statement] = []
        self.answers: list[tuple[int, State, bytes]] = []
        found = self.spool.find()
        self.kept, self.piece = found.kept, found.next_piece
        self.reached = found.reached
        self.hearing = Hearing(SitePlan(Site("Site")), clock, bytes_of, Health())
        self._begin(found)

    def _begin(self, found: Found) -> None:
        now = self.clock.now()
        lost = (found.taken, max(found.taken, now.tai)) if found.taken is not None else None
        beginning = Run(
            self.gateway.statement.name, bytes(32), now.tai, now.bound,
            Cause.RESTART if found.run else Cause.FIRST_START, found.run, False, lost,
            found.reached, SOFTWARE, bytes(64),
        )  # fmt: skip
        self.sealer = Sealer(beginning, self.gateway.device.public, self.bytes_of(32))
        piece = NOTHING._replace(reached=found.reached)
        self.spool.append(
            Commit(self.piece, now.tai, self.sealer.name, piece, begins=self.sealer.payload)
        )
        self.piece += 1
        self.cutter = Cutter(self.sealer.name, Limits(200_000_000, 4000))
        self.unsigned = [*found.unsigned, self.sealer.payload]
        self.hearing.attach(self.sealer, found.streams)
        for left in found.left:
            self.cutter.add(left.id, left.stretches, left.observations, left.size, 0)

    def hear(self, source: str, items: list[Frame | Setup]) -> None:
        self.hearing.hear(source, items)
        self.heard += [(source, item.raw) for item in items if isinstance(item, Frame)]

    def sign(self) -> None:
        """The device key comes round to the runs."""
        for payload in self.unsigned:
            encoded = cose.sign(Typ.RUN, payload, self.gateway.device)
            self.signed.append(statement(Typ.RUN, payload, encoded, ()))
        self.unsigned = []

    def commit(self, last: bool = False, ends: bool = False) -> list[Heard]:
        """What is durable now."""
        piece, new = self.hearing.take()
        now = self.clock.now().tai
        self.reached = piece.reached if self.hearing.sealing else self.reached
        kept = piece._replace(reached=self.reached)
        commit = Commit(self.piece, now, self.sealer.name, kept, streams=new, ends=ends)
        commit.statements, self.signed = self.signed, []
        commit.answers, self.answers = self.answers, []
        commit.kept = self.kept if commit.answers else None
        commit.keep_days = 10
        self.cutter.add(self.piece, piece.stretches, piece.observations, piece.size, now)
        if last or self.cutter.due(now, False):
            commit.cut = self.cutter.cut(self.sealer.sign_head)
        if not commit.empty:
            self.spool.append(commit)
            self.piece += 1
        durable, self.heard = self.heard, []
        return durable

    def statement(self, name: bytes) -> tuple[bytes, list[tuple[bytes, bytes]]] | None:
        if name == self.gateway.statement.name:
            return self.gateway.statement.encoded, list(self.gateway.statement.pairs)
        found = self.spool.statement(name)
        if found is None:
            return None
        return found.encoded, list(disclosure.read_pairs(cbor.decode(found.disclosures)))


class Pair:
    """One seed's gateway and record."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.chance = folder, random.Random(seed)
        self.clock, self.gateway = Time(), Gateway("gw-1", AUTHORITY)
        self.devices = [Device(name) for name in SOURCES]
        self.durable: Counter[Heard] = Counter()
        self.receipts: dict[bytes, bytes] = {}
        self.refused = self.kills = self.reconfigured = 0
        self.upstream = Upstream(folder / "record.db", every=self.chance.random() < 0.2)
        self.agent = self._agent()

    def _agent(self) -> Agent:
        self.open: set[str] = set()  # sources that said what they are, to this process
        return Agent(self.folder / "spool.db", self.gateway, self.clock, self.chance.randbytes)

    def step(self) -> None:
        what = self.chance.choices(
            (self.hear, self.commit, self.offer, self.kill, self.end, self.restart_record),
            (8, 6, 4, 1, 1, 0.5),
        )[0]
        what()

    def hear(self) -> None:
        device = self.chance.choice(self.devices)
        items: list[Frame | Setup] = []
        if device.name not in self.open or self.chance.random() < 0.1:
            items.append(device.setup())
        self.open.add(device.name)
        for _ in range(self.chance.randint(1, 12)):
            if self.chance.random() < 0.05:
                device.phasors = self.chance.randint(1, 3)
                self.reconfigured += 1
                items.append(device.setup())
            if self.chance.random() < 0.05:
                device.number += self.chance.randint(1, 5)  # not heard: a hole
            items.append(device.frame(self.clock))
        self.agent.hear(device.name, items)

    def commit(self) -> None:
        if self.chance.random() < 0.3:
            self.agent.sign()
        self.durable.update(self.agent.commit())

    def kill(self) -> None:
        self.kills += 1
        self.agent.spool.close()
        self.clock.tai += self.chance.randint(0, NANOSECONDS)
        self.agent = self._agent()

    def end(self) -> None:
        """In order: everything under a head, then nothing more."""
        self.agent.sign()
        self.durable.update(self.agent.commit(last=True))
        self.agent.hearing.detach()
        self.agent.sealer.stop()
        self.offer()
        self.agent.commit(ends=True)
        self.agent.spool.close()
        self.agent = self._agent()

    def restart_record(self) -> None:
        self.upstream.close()
        self.upstream = Upstream(self.folder / "record.db")

    def offer(self) -> None:
        """Some of what waits, in any order, some of it twice, some of it damaged first."""
        waiting = self.agent.spool.waiting(0, 1000)
        for one in self.chance.sample(waiting, self.chance.randint(0, len(waiting))):
            encoded, first = self.agent.spool.batch(one.row)
            assert head.batch_id(first) == one.id
            if self.chance.random() < 0.4:
                self.damaged(encoded, one.id)
            for _ in range(self.chance.randint(1, 2)):
                if self.push(encoded, first, one.id):
                    answer = (one.row, State.RECEIPTED, self.receipts[one.id])
                    if answer not in self.agent.answers:
                        self.agent.answers.append(answer)

    def damaged(self, encoded: bytes, name: bytes) -> None:
        """One bit is another: refused with a reason, or asked what it means; never logged."""
        bad = bytearray(encoded)
        bad[self.chance.randrange(len(bad))] ^= 1 << self.chance.randrange(8)
        size = self.upstream.log.size
        try:
            sent = self.chance.choice((name, batch.read(bytes(bad)).id))
        except EvidenceError:
            sent = name
        try:
            self.upstream.admitter.batch(bytes(bad), sent, self.clock.tai)
        except EvidenceError as fault:
            assert fault.reason and fault.text
            self.refused += 1
        except MissingError as fault:
            assert fault.names
        else:
            raise AssertionError("a batch with one bit flipped was admitted")
        assert self.upstream.log.size == size

    def push(self, encoded: bytes, first: bytes, name: bytes) -> bool:
        """One batch with what it needs. False while the device key has yet to sign its run."""
        for _ in range(5):
            try:
                new = self.upstream.admitter.batch(encoded, name, self.clock.tai)
                break
            except MissingError as fault:
                if not all(self.supply(wanted) for _, wanted in fault.names):
                    return False
        entry = self.upstream.sequencer.commit([new], self.clock.tai)[0]
        self.believe(entry.receipt, first, name)
        return True

    def supply(self, name: bytes) -> bool:
        found = self.agent.statement(name)
        if found is None:
            return False
        try:
            new = self.upstream.admitter.statement(*found)
        except MissingError as fault:
            if not all(self.supply(wanted) for _, wanted in fault.names):
                return False
            new = self.upstream.admitter.statement(*found)
        self.upstream.sequencer.commit([new], self.clock.tai)
        return True

    def believe(self, encoded: bytes, first: bytes, name: bytes) -> None:
        """As the agent must: signed, for this batch, in a tree that continues the last."""
        assert self.receipts.setdefault(name, encoded) == encoded
        message = cose.read_statement(encoded, Typ.RECEIPT)
        cose.check(message, LOG.public)
        signed = receipt.read(message.payload)
        signed.check(first, name)
        old, new = sorted((self.agent.kept, Kept(signed.size, signed.root)), key=lambda k: k.size)
        proof = self.upstream.log.consistency(old.size, new.size)
        merkle.check_consistency(old.size, old.root, new.size, new.root, proof)
        self.agent.kept = new

    def finish(self) -> None:
        """A last restart, and everything is offered."""
        self.end()
        self.agent.sign()
        self.durable.update(self.agent.commit(last=True))
        for _ in range(3):
            for one in self.agent.spool.waiting(0, 1000):
                encoded, first = self.agent.spool.batch(one.row)
                assert self.push(encoded, first, one.id)
                self.agent.answers.append((one.row, State.RECEIPTED, self.receipts[one.id]))
            self.agent.commit()
        assert self.agent.spool.waiting(0, 1) == []

    def in_record(self) -> tuple[Counter[Heard], int]:
        """Each frame that the record holds, and how many places it has."""
        names = {number: key[0] for key, number in self.agent.spool.find().streams.items()}
        found: Counter[Heard] = Counter()
        places: set[tuple[bytes, int, int]] = set()
        of: dict[bytes, bytes] = {}
        observations = 0
        for entry in self.upstream.store.entries():
            message = cose.read(entry.encoded)
            if entry.typ == Typ.DESCRIPTOR:
                of[message.name] = descriptor.read(message.payload).run
            if entry.typ != Typ.HEAD:
                continue
            body, at = self.upstream.store.body(entry.idx) or b"", 0
            for part in head.read(message.payload).ranges:
                for _ in range(part.count):
                    sample, _, at = observation.read_at(body, at)
                    places.add((of[part.descriptor], sample.stream, sample.seq))
                    observations += 1
                    if sample.kind == Kind.C37118:
                        found[names[sample.stream], sample.raw] += 1
        assert len(places) == observations
        return found, observations

    def close(self) -> None:
        self.agent.spool.close()
        self.upstream.close()


@pytest.mark.parametrize("seed", SEEDS)
def test_what_was_durable_is_in_the_record_once(tmp_path: Path, seed: int) -> None:
    pair = Pair(tmp_path, seed)
    try:
        for _ in range(STEPS):
            pair.step()
        pair.finish()
        found, observations = pair.in_record()
        assert found == pair.durable, f"seed {seed}"
        assert set(found.values()) <= {1} and observations >= len(found) > 0
        assert pair.upstream.findings() == [], f"seed {seed}: an honest gateway is accused"
    finally:
        pair.close()
