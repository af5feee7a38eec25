"""A gateway in memory: device key, credential, runs, descriptors, observations, batches; right, or
wrong where asked.

1. Everything follows from the seed: the same calls make the same bytes.
2. It asks nobody and sends nothing: what it makes is given to whoever tests.
"""

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from drivers.c37118.wire import (
    Configuration,
    Format,
    FrameType,
    Layout,
    Phasor,
    Stamp,
    Station,
    encode_configuration,
    encode_values,
)
from evidence import cbor, cose, merkle, observation, rotation
from evidence.code import Cause, Flag, Kind, TimeSource, Typ
from evidence.credential import Credential
from evidence.descriptor import Block, Channel, Descriptor
from evidence.disclosure import Discloser
from evidence.head import Head, Range, batch_id
from evidence.key import Ed25519Key
from evidence.leap import BUILT_IN, NS
from evidence.run import Reached, Run, possession_bytes

START_S = 1_790_000_000  # 2026-09-21 UTC
START = BUILT_IN.tai_ns(START_S)
DAY_S = 86_400
BUS = bytes(range(16))
OTHER_BUS = bytes(range(16, 32))
LOCKED = int(Flag.LOCKED | Flag.TRACEABLE)
Pairs = tuple[tuple[bytes, bytes], ...]


def key(name: str) -> Ed25519Key:
    return Ed25519Key(hashlib.sha256(name.encode()).digest())


def configuration(phasors: int = 12, stations: int = 1, version: int = 2) -> Configuration:
    """Floats: 26 bytes and 8 a phasor, so 12 phasors make data frames of 122 bytes."""
    kind = Format.POLAR | Format.PHASOR_FLOAT | Format.FREQ_FLOAT
    rows = tuple(
        Station(f"PMU {at}", at + 1, kind, tuple(Phasor(f"V{n}") for n in range(phasors)))
        for at in range(stations)
    )
    return Configuration(FrameType.CFG2, 7, 1_000_000, rows, 60, version)


def frame(
    layout: Layout, number: int, stat: int = 0, without: Sequence[tuple[int, str]] = ()
) -> bytes:
    """A data frame, 60 a second. `without`: the channels, by block and name, that it has no value
    for."""
    soc, place = divmod(number, 60)
    values = [float(number + at) for at in range(len(layout.slots))]
    for at, slot in enumerate(layout.slots):
        if slot.quantity == "stat":
            values[at] = stat
        elif (slot.block, slot.name) in without:
            values[at] = math.nan
    return encode_values(layout, Stamp(START_S + soc, place * 1_000_000 // 60), values)


@dataclass
class Statement:
    """A statement as it is sent."""

    encoded: bytes
    pairs: Pairs = ()

    @property
    def name(self) -> bytes:
        return cose.read(self.encoded).name

    @property
    def subject(self) -> bytes:
        return hashlib.sha256(self.encoded).digest()


@dataclass
class Line:
    """One stream of a run: where its chain has come to."""

    descriptor: bytes
    binding: observation.Binding
    kind: int
    seq: int
    prev: bytes
    pending: list[bytes] = field(default_factory=list)
    first: tuple[int, bytes] = (0, b"")


class GatewayRun:
    """One run: seals under its descriptors, and cuts batches."""

    def __init__(self, name: str, device: Ed25519Key, credential: bytes, **changes: Any) -> None:
        self.key = key(f"run {name}")
        possession = self.key.sign(possession_bytes(device.public, credential))
        fields: dict[str, Any] = {
            "credential": credential, "key": self.key.public.raw, "started": START, "bound": 1000,
            "cause": Cause.FIRST_START, "predecessor": None, "uncertain": False, "lost": None,
            "reached": (), "software": "test", "possession": possession,
        }  # fmt: skip
        self.run = Run(**(fields | changes))
        self.statement = Statement(cose.sign(Typ.RUN, self.run.payload(), device))
        self.name = self.statement.name
        self.lines: dict[int, Line] = {}
        self.number, self.previous = 0, merkle.ZERO

    def describe(
        self,
        stream: int,
        cfg: bytes | None,
        node: bytes | None = BUS,
        kind: int = Kind.C37118,
        channels: Sequence[tuple[int, str]] = ((0, "VA"),),  # block and name
        source: tuple[str, str] = ("pmu", "1"),  # and key
        placed: Callable[[int, Channel], Channel] = lambda _, row: row,
        **changes: Any,
    ) -> Statement:
        """The next link of a stream: its descriptor. What is pending is cut before. `placed`: what
        a site plan makes of a channel, by its place."""
        line = self.lines.get(stream)
        salts = iter(hashlib.sha256(b"%d %d" % (stream, n)).digest() for n in range(1000))
        hide = Discloser(lambda size: next(salts)[:size])
        started = next(
            (item.leaf for item in self.run.reached if item.stream == stream), merkle.ZERO
        )
        rows = tuple(
            placed(
                at,
                Channel(
                    *(block, hide.hide(name.encode()), "voltage", "V", "A", node, None, 0, None),
                    *("", "", "", None, None),
                ),
            )
            for at, (block, name) in enumerate(channels)
        )
        blocks = tuple(
            Block(hide.hide(b"PMU"), 1, "P", None, None)
            for _ in range(1 + max((block for block, _ in channels), default=0))
        )
        fields: dict[str, Any] = {
            "run": self.name, "stream": stream, "seq": line.seq if line else 0,
            "prev": line.prev if line else started, "tai": START, "kind": kind,
            "source": hide.hide(cbor.encode(source)), "origin": "direct", "wait_ms": None,
            "configuration": hide.hide(cfg) if cfg else None, "rate": (60, 1), "position": None,
            "blocks": blocks, "channels": rows,
        }  # fmt: skip
        value = self.value = Descriptor(**(fields | changes))
        encoded = cose.sign(Typ.DESCRIPTOR, value.payload(), self.key)
        statement = Statement(encoded, hide.pairs)
        binding = observation.Binding(self.key.public.kid, statement.name)
        leaf = merkle.leaf_hash(encoded)
        self.lines[stream] = Line(statement.name, binding, kind, value.seq + 1, leaf)
        return statement

    def observe(self, stream: int, raw: bytes, /, tai: int = START, **changes: Any) -> bytes:
        """Seals one frame into a stream."""
        line = self.lines[stream]
        fields: dict[str, Any] = {
            "stream": stream, "seq": line.seq, "tai": tai, "bound": 1000,
            "source": int(TimeSource.DEVICE), "flags": LOCKED, "heard": 20_000_000,
            "heard_bound": 1_000_000, "prev": line.prev, "kind": line.kind, "raw": raw,
        }  # fmt: skip
        sample = observation.Sample(**(fields | changes))
        encoded = observation.seal(line.binding, sample, self.key.sign)
        if not line.pending:
            line.first = (line.seq, line.prev)
        line.pending.append(encoded)
        line.seq, line.prev = line.seq + 1, merkle.leaf_hash(encoded)
        return encoded

    def cut(self, more: Sequence["GatewayRun"] = (), **changes: Any) -> bytes:
        """Everything pending as a batch: head and body. `more`: runs whose leftovers ride along."""
        ranges, body = [], []
        for run in (*more, self):
            for stream, line in sorted(run.lines.items()):
                if line.pending:
                    first, prev = line.first
                    ranges.append(
                        Range(stream, line.descriptor, first, line.seq - 1, prev, line.prev)
                    )
                    body += line.pending
                    line.pending = []
        root = merkle.root([merkle.leaf_hash(item) for item in body])
        head = Head(self.name, self.number, self.previous, len(body), root, tuple(ranges))
        fields = {name: getattr(head, name) for name in Head.__slots__} | changes
        encoded = cose.sign(Typ.HEAD, Head(**fields).payload(), self.key)
        self.number, self.previous = self.number + 1, batch_id(encoded)
        return encoded + b"".join(body)

    def reached(self) -> tuple[Reached, ...]:
        return tuple(
            Reached(stream, self.name, line.seq - 1, line.prev)
            for stream, line in sorted(self.lines.items())
        )


class Gateway:
    """One device key and its credential."""

    def __init__(self, name: str, authority: Ed25519Key, **changes: Any) -> None:
        self.device = key(f"device {name}")
        hide = Discloser(lambda size: hashlib.sha256(name.encode()).digest()[:size])
        fields: dict[str, Any] = {
            "issuer": "Utility A", "subject": name, "serial": name.encode(),
            "not_before_s": START_S - DAY_S, "expires_s": START_S + DAY_S,
            "key": self.device.public, "role": "gateway", "site": hide.hide(b"Site"),
            "position": None, "buses": (BUS,),
        }  # fmt: skip
        self.name = name
        self.authority, self.hidden = authority, hide.pairs
        self._grant(Credential(**(fields | changes)))
        self.runs = 0

    def _grant(self, says: Credential) -> None:
        self.credential = says
        encoded = cose.sign(Typ.CREDENTIAL, says.payload(), self.authority)
        self.statement = Statement(encoded, self.hidden)

    def rotate(self, authority: Ed25519Key | None = None, **changes: Any) -> Statement:
        """Takes the next key, and a credential that names the rotation; the rotation."""
        before, self.device = self.device, key(f"after {self.device.public.fingerprint}")
        over = rotation.rotation(self.statement.name, self.device, START)
        made = Statement(cose.sign(Typ.ROTATION, over.payload(), before))
        self.authority = authority or self.authority
        fields: dict[str, Any] = {"key": self.device.public, "rotation": made.name}
        self._grant(replace(self.credential, **(fields | changes)))
        return made

    def start(self, after: GatewayRun | None = None, **changes: Any) -> GatewayRun:
        """A new run; `after`: the run that it continues."""
        self.runs += 1
        if after is not None:
            changes = {
                "cause": Cause.RESTART, "predecessor": after.name, "reached": after.reached(),
                "started": START + self.runs * NS,  # after all that was heard until then
            } | changes  # fmt: skip
        return GatewayRun(f"{self.name} {self.runs}", self.device, self.statement.name, **changes)


def id_of(batch: bytes) -> bytes:
    """The id of an encoded batch."""
    return batch_id(cose.read_at(batch, 0)[0].encoded)


def cfg_bytes(found: Configuration) -> bytes:
    return encode_configuration(found, Stamp(START_S))


NANOSECONDS = NS
