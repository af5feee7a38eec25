"""What a record is measured with: a gateway's statements, its sealed observations, and batches of
them.

1. STREAMS streams of 126-byte frames, RATE a second, good data. The same every time.
2. Nobody else's code is in it than what seals: evidence and the driver's encoder.
"""

from typing import NamedTuple

from drivers.c37118.wire import (
    Configuration,
    Digital,
    Format,
    FrameType,
    Layout,
    Phasor,
    Stamp,
    Station,
    encode_configuration,
    encode_values,
)
from evidence import cbor, cose, disclosure, merkle, observation
from evidence.code import Cause, Flag, Kind, TimeSource, Typ
from evidence.credential import Credential
from evidence.descriptor import Descriptor
from evidence.head import Head, Range, batch_id
from evidence.key import Ed25519Key
from evidence.leap import BUILT_IN, NS
from evidence.run import Run, possession_bytes

STREAMS = 10
RATE = 60
OBSERVATIONS = 21600  # whole slices of each way that bench admit goes
START_S = 1_790_000_000
FIRST_SEQ = 100_000  # half an hour into the run, where a new configuration came
STAT = 2 << 6  # good data, PMU_TQ below 1 us
FLAGS = int(Flag.LOCKED | Flag.TRACEABLE)


class Site(NamedTuple):
    """What a gateway would send, before its batches: statements, with their disclosures."""

    authority: Ed25519Key
    statements: list[tuple[bytes, list[tuple[bytes, bytes]]]]
    run: Ed25519Key
    run_name: bytes
    sealed: list[list[bytes]]  # by stream
    descriptors: list[tuple[bytes, bytes]]  # name and leaf, by stream
    messages: list[bytes]  # as they are signed


def layout() -> Layout:
    """Frames of 126 bytes: 12 phasors and 2 digital words."""
    kind = Format.POLAR | Format.PHASOR_FLOAT | Format.ANALOG_FLOAT | Format.FREQ_FLOAT
    words = tuple(Digital(("",) * 16) for _ in range(2))
    phasors = tuple(Phasor(f"PH{at}") for at in range(12))
    station = Station("BENCH", 1, kind, phasors, (), words)
    return Layout(Configuration(FrameType.CFG2, 1, 1_000_000, (station,), RATE))


def seal(observations: int = OBSERVATIONS) -> Site:
    """A gateway, its run, its descriptors and its sealed observations: the same ones every time."""
    authority, device, run = (Ed25519Key(bytes(31) + name) for name in (b"A", b"D", b"R"))
    made = layout()
    cfg = encode_configuration(made.configuration, Stamp(START_S))
    salt = bytes(disclosure.SALT_BYTES)
    credential = Credential(
        *("bench", "bench", b"1", 0, START_S * 2, device.public),
        *("gateway", disclosure.digest(salt, b"site"), None, ()),
    )
    first = cose.sign(Typ.CREDENTIAL, credential.payload(), authority)
    name = cose.name(credential.payload())
    possession = run.sign(possession_bytes(device.public, name))
    tai = BUILT_IN.tai_ns(START_S)
    stated = Run(
        *(name, run.public.raw, tai, 1000, Cause.FIRST_START, None, False, None, ()),
        *("bench", possession),
    )
    run_name = cose.name(stated.payload())
    site = Site(
        authority,
        [(first, [(salt, b"site")]), (cose.sign(Typ.RUN, stated.payload(), device), [])],
        *(run, run_name, [], [], []),
    )
    for stream in range(1, STREAMS + 1):
        _add_stream(site, stream, made, cfg, observations // STREAMS)
    return site


def _add_stream(site: Site, stream: int, layout: Layout, cfg: bytes, count: int) -> None:
    salt = bytes(15) + bytes((stream,))
    tai = BUILT_IN.tai_ns(START_S)
    hidden = disclosure.digest(salt, cfg)
    descriptor = Descriptor(
        site.run_name,
        stream,
        FIRST_SEQ,
        merkle.ZERO,
        tai,
        int(Kind.C37118),
        disclosure.digest(salt, b"source"),
        "direct",
        None,
        hidden,
        (RATE, 1),
        None,
        (),
        (),
    )
    encoded = cose.sign(Typ.DESCRIPTOR, descriptor.payload(), site.run)
    name = cose.name(descriptor.payload())
    site.statements.append((encoded, [(salt, cfg), (salt, b"source")]))
    leaf = prev = merkle.leaf_hash(encoded)
    site.descriptors.append((name, leaf))
    binding = observation.Binding(site.run.public.kid, name)
    sealed = []
    values = [float(at) for at in range(len(layout.slots))]
    values[0] = STAT
    values[-2:] = [0, 0]
    for number in range(count):
        place = number % RATE
        raw = encode_values(
            layout, Stamp(START_S + number // RATE, place * 1_000_000 // RATE), values
        )
        sample = observation.Sample(
            *(
                stream,
                FIRST_SEQ + 1 + number,
                tai + number * NS // RATE,
                1000,
                int(TimeSource.DEVICE),
                FLAGS,
            ),
            *(20_000_000 + number * 997 % 1_000_000, 1_000_000, prev, int(Kind.C37118), raw),
        )
        one = observation.seal(binding, sample, site.run.sign)
        payload = cose.read(one).payload
        site.messages.append(binding.signed_prefix + cbor.bytes_head(len(payload)) + payload)
        prev = merkle.leaf_hash(one)
        sealed.append(one)
    site.sealed.append(sealed)


def batches(site: Site, count: int) -> list[bytes]:
    """All that is sealed, `count` observations a batch."""
    each = count // STREAMS
    previous = merkle.ZERO
    found = []
    for number, at in enumerate(range(0, len(site.sealed[0]), each)):
        ranges, body = [], []
        for index, sealed in enumerate(site.sealed):
            name, leaf = site.descriptors[index]
            part = sealed[at : at + each]
            prev = merkle.leaf_hash(sealed[at - 1]) if at else leaf
            last = merkle.leaf_hash(part[-1])
            first = FIRST_SEQ + 1 + at
            ranges.append(Range(index + 1, name, first, first + len(part) - 1, prev, last))
            body += part
        root = merkle.root([merkle.leaf_hash(item) for item in body])
        head = Head(site.run_name, number, previous, len(body), root, tuple(ranges))
        encoded = cose.sign(Typ.HEAD, head.payload(), site.run)
        previous = batch_id(encoded)
        found.append(encoded + b"".join(body))
    return found


def id_of(batch: bytes) -> bytes:
    return batch_id(cose.read_at(batch, 0)[0].encoded)
