"""GOOSE and Sampled Values as a description, and its octets: a small encoder of the tests' own, by
the tables of IEC 61850-8-1 Annex A and C, IEC 61850-9-2 clause 8 and ISO 9506-2, and frames drawn
by a seed.

1. It uses none of the driver's code: what the driver reads is compared with what was meant here.
2. The same seed gives the same frames.

Only what the standards allow is drawn: what they do not is fuzzing's (hil/fuzz).
"""

import struct
from random import Random
from typing import Any, NamedTuple

# ISO 9506-2, Data: the numbers of the CHOICE, context-specific.
NUMBERS = {
    "array": 1, "structure": 2, "boolean": 3, "bit-string": 4, "integer": 5, "unsigned": 6,
    "floating-point": 7, "real": 8, "octet-string": 9, "visible-string": 10,
    "generalized-time": 11, "binary-time": 12, "bcd": 13, "booleanArray": 14, "objId": 15,
    "mMSString": 16, "utc-time": 17,
}  # fmt: skip
DEPTH_MAX = 6  # of structures drawn: as deep as a data object of IEC 61850-7-4
ETHERTYPES = {"goose": 0x88B8, "sv": 0x88BA}


class Entry(NamedTuple):
    """One entry of a data set. `octets`: of a number, 0 for the fewest.

    utc-time: (seconds, fraction of 2^-24, quality). binary-time: (ms, days or None). bit strings
    and booleanArray: a text of 0 and 1. floating-point: of 4 or 8 octets.
    """

    kind: str
    value: Any
    octets: int = 0


class Link(NamedTuple):
    """What carries a message: of Ethernet, the VLAN tag, and Annex C of the message's standard."""

    destination: bytes
    source: bytes
    tci: int | None
    appid: int
    reserved1: int = 0
    reserved2: int = 0


class Goose(NamedTuple):
    """IECGoosePdu of IEC 61850-8-1 Annex A. None: absent."""

    gocb_ref: str
    ttl_ms: int
    dat_set: str
    go_id: str | None
    t: tuple[int, int, int]
    st_num: int
    sq_num: int
    simulation: bool | None
    conf_rev: int
    nds_com: bool | None
    entries: tuple[Entry, ...]
    octets: int = 0  # of every number: 5 is GOOSE of fixed length


class Asdu(NamedTuple):
    """One sample of IEC 61850-9-2 8.5. None: absent."""

    sv_id: str
    dat_set: str | None
    smp_cnt: int
    conf_rev: int
    refr_tm: tuple[int, int, int] | None
    smp_synch: int
    smp_rate: int | None
    sample: bytes
    smp_mod: int | None
    gm_identity: bytes | None


def tlv(tag: int, contents: bytes, long: bool = False) -> bytes:
    """One element; `long`: its length in more octets than it needs, which X.690 8.1.3.5 allows."""
    size = len(contents)
    if long:
        return bytes((tag, 0x82)) + size.to_bytes(2, "big") + contents
    if size < 0x80:
        return bytes((tag, size)) + contents
    width = 1 if size < 0x100 else 2
    return bytes((tag, 0x80 + width)) + size.to_bytes(width, "big") + contents


def number(value: int, octets: int = 0) -> bytes:
    """X.690 8.3: two's complement, in the fewest octets or in so many."""
    fewest = 1
    while not -(1 << 8 * fewest - 1) <= value < 1 << 8 * fewest - 1:
        fewest += 1
    return value.to_bytes(max(octets, fewest), "big", signed=True)


def contents(entry: Entry) -> bytes:
    """The octets of one entry, its tag and length apart."""
    kind, value = entry.kind, entry.value
    if kind in ("structure", "array"):
        return b"".join(map(encoded, value))
    if kind == "boolean":
        return bytes((int(value),))
    if kind in ("integer", "unsigned", "bcd"):
        return number(value, entry.octets)
    if kind in ("bit-string", "booleanArray"):
        unused = -len(value) % 8
        padded = value + "0" * unused
        return bytes((unused, *(int(padded[at : at + 8], 2) for at in range(0, len(padded), 8))))
    if kind == "floating-point":
        # ISO 9506-2: the first octet is the width of the exponent.
        return struct.pack(">Bd", 11, value) if entry.octets == 8 else struct.pack(">Bf", 8, value)
    if kind in ("octet-string", "real"):
        return bytes(value)
    if kind == "objId":
        first, second, *more = map(int, value.split("."))
        return b"".join(map(_septets, (40 * first + second, *more)))
    if kind in ("visible-string", "mMSString", "generalized-time"):
        return str(value).encode()
    if kind == "utc-time":
        return utc(value)
    ms, days = value
    return struct.pack(">I", ms) if days is None else struct.pack(">IH", ms, days)


def _septets(arc: int) -> bytes:
    """X.690 8.19.2: seven bits an octet, the last one without the eighth."""
    octets = [arc & 0x7F]
    while arc := arc >> 7:
        octets.insert(0, 0x80 | arc & 0x7F)
    return bytes(octets)


def encoded(entry: Entry) -> bytes:
    """One entry of a data set."""
    constructed = 0x20 if entry.kind in ("structure", "array") else 0
    return tlv(0x80 | constructed | NUMBERS[entry.kind], contents(entry))


def utc(told: tuple[int, int, int]) -> bytes:
    """IEC 61850-8-1 8.1.3.7: seconds, fraction, quality."""
    seconds, fraction, quality = told
    return struct.pack(">II", seconds, fraction << 8 | quality)


def goose(message: Goose, long: bool = False) -> bytes:
    """IECGoosePdu."""
    fields: list[tuple[int, bytes | None]] = [
        (0x80, message.gocb_ref.encode()),
        (0x81, number(message.ttl_ms, message.octets)),
        (0x82, message.dat_set.encode()),
        (0x83, None if message.go_id is None else message.go_id.encode()),
        (0x84, utc(message.t)),
        (0x85, number(message.st_num, message.octets)),
        (0x86, number(message.sq_num, message.octets)),
        (0x87, None if message.simulation is None else bytes((message.simulation,))),
        (0x88, number(message.conf_rev, message.octets)),
        (0x89, None if message.nds_com is None else bytes((message.nds_com,))),
        (0x8A, number(len(message.entries), message.octets)),
        (0xAB, b"".join(map(encoded, message.entries))),
    ]
    return tlv(0x61, b"".join(tlv(tag, said, long) for tag, said in fields if said is not None))


def sv(asdus: tuple[Asdu, ...], security: bytes = b"") -> bytes:
    """SavPdu of IEC 61850-9-2 Table 14. `security`: an element, behind noASDU."""
    inner = b"".join(tlv(0x30, _asdu(each)) for each in asdus)
    return tlv(0x60, tlv(0x80, number(len(asdus))) + security + tlv(0xA2, inner))


def _asdu(asdu: Asdu) -> bytes:
    fields: list[tuple[int, bytes | None]] = [
        (0x80, asdu.sv_id.encode()),
        (0x81, None if asdu.dat_set is None else asdu.dat_set.encode()),
        (0x82, asdu.smp_cnt.to_bytes(2, "big")),
        (0x83, asdu.conf_rev.to_bytes(4, "big")),
        (0x84, None if asdu.refr_tm is None else utc(asdu.refr_tm)),
        (0x85, bytes((asdu.smp_synch,))),
        (0x86, None if asdu.smp_rate is None else asdu.smp_rate.to_bytes(2, "big")),
        (0x87, asdu.sample),
        (0x88, None if asdu.smp_mod is None else asdu.smp_mod.to_bytes(2, "big")),
        (0x89, asdu.gm_identity),
    ]
    return b"".join(tlv(tag, said) for tag, said in fields if said is not None)


def frame(kind: str, link: Link, message: bytes) -> bytes:
    """The whole Ethernet frame (IEC 61850-8-1 and 9-2 Annex C), padded to its least length."""
    tag = b"" if link.tci is None else struct.pack(">HH", 0x8100, link.tci)
    head = struct.pack(
        ">HHHHH", ETHERTYPES[kind], link.appid, 8 + len(message), link.reserved1, link.reserved2
    )
    return (link.destination + link.source + tag + head + message).ljust(60, b"\0")


# --- drawn by a seed


def draw_link(chance: Random, kind: str) -> Link:
    group = bytes.fromhex("010ccd01" if kind == "goose" else "010ccd04")
    tci = chance.choice((None, chance.randrange(8) << 13 | chance.randrange(4096)))
    simulated = 0x8000 if chance.random() < 0.3 else 0
    return Link(
        group + chance.randbytes(2), b"\x02" + chance.randbytes(5), tci, chance.randrange(0x10000),
        simulated,
    )  # fmt: skip


def draw_goose(chance: Random, link: Link) -> Goose:
    """A message of any form. Where Reserved1 says simulation, the message says so half the time."""
    count = chance.choice((0, 1, 2, 4, 8, 16))
    return Goose(
        _name(chance, 20) + "$GO$gcb", _u32(chance), _name(chance, 30),
        chance.choice((None, "", _name(chance, 10))), _utc(chance), _u32(chance), _u32(chance),
        chance.choice((None, False, True)), _u32(chance), chance.choice((None, False, True)),
        tuple(draw_entry(chance) for _ in range(count)), chance.choice((0, 0, 5)),
    )  # fmt: skip


def draw_entry(chance: Random, depth: int = 0) -> Entry:
    kinds = [kind for kind in DRAWS if depth < DEPTH_MAX or kind not in ("structure", "array")]
    kind = chance.choice(kinds)
    return DRAWS[kind](chance, kind, depth)


def draw_asdus(chance: Random) -> tuple[Asdu, ...]:
    count = chance.choice((1, 1, 2, 6, 8))
    channels = chance.choice((4, 8))
    first = Asdu(
        _name(chance, 12), chance.choice((None, _name(chance, 20))), 0, _u32(chance),
        chance.choice((None, _utc(chance))), chance.choice((0, 1, 2, 7, 254)),
        chance.choice((None, 80, 4800)), b"", chance.choice((None, 0, 1, 2)),
        chance.choice((None, None, chance.randbytes(8))),
    )  # fmt: skip
    at = chance.randrange(0x10000)
    return tuple(
        first._replace(smp_cnt=(at + more) % 0x10000, sample=chance.randbytes(8 * channels))
        for more in range(count)
    )


def _name(chance: Random, most: int) -> str:
    return "".join(chance.choice("ABCabc019_/$.") for _ in range(chance.randint(1, most)))


def _u32(chance: Random) -> int:
    return chance.choice(
        (0, 1, 127, 128, 255, 65_535, 1 << 31, (1 << 32) - 1, chance.randrange(99))
    )


def _utc(chance: Random) -> tuple[int, int, int]:
    seconds = chance.choice((0, 946_684_800, 1_700_000_000, (1 << 32) - 1))
    return seconds, chance.choice((0, 1, (1 << 24) - 1, chance.randrange(1 << 24))), _octet(chance)


def _octet(chance: Random) -> int:
    return chance.randrange(256)


def _members(chance: Random, kind: str, depth: int) -> Entry:
    if kind == "structure":
        count = chance.choice((0, 1, 3))
        return Entry(kind, tuple(draw_entry(chance, depth + 1) for _ in range(count)))
    # An array's elements are of one type.
    one = chance.choice(("boolean", "integer", "floating-point", "utc-time"))
    return Entry(
        kind, tuple(DRAWS[one](chance, one, depth + 1) for _ in range(chance.randint(0, 4)))
    )


def _signed(chance: Random, kind: str, _: int) -> Entry:
    bits = chance.choice((8, 16, 32, 64))
    edges = (0, 1, -1, (1 << bits - 1) - 1, -(1 << bits - 1), chance.randrange(1 << bits - 1))
    return Entry(kind, chance.choice(edges), chance.choice((0, bits // 8)))


def _unsigned(chance: Random, kind: str, _: int) -> Entry:
    bits = chance.choice((8, 16, 32))
    edges = (0, 1, (1 << bits) - 1, 1 << bits - 1, chance.randrange(1 << bits))
    return Entry(kind, chance.choice(edges), chance.choice((0, bits // 8 + 1)))


def _float(chance: Random, kind: str, _: int) -> Entry:
    if chance.random() < 0.5:
        value = chance.choice((0.0, -0.0, 1.5, float("inf"), float("-inf"), chance.gauss(0, 1e6)))
        return Entry(kind, value, 8)
    value = chance.choice((0.0, 1.5, float("inf"), 1e-45, chance.gauss(0, 1e6)))
    (single,) = struct.unpack(">f", struct.pack(">f", value))
    return Entry(kind, single, 4)


def _bits(chance: Random, kind: str, _: int) -> Entry:
    count = chance.choice((1, 2, 8, 10, 13, 16, 40))
    return Entry(kind, "".join(chance.choice("01") for _ in range(count)))


DRAWS = {
    "array": _members,
    "structure": _members,
    "boolean": lambda chance, kind, _: Entry(kind, chance.random() < 0.5),
    "bit-string": _bits,
    "integer": _signed,
    "unsigned": _unsigned,
    "floating-point": _float,
    "octet-string": lambda chance, kind, _: Entry(kind, chance.randbytes(chance.randint(1, 20))),
    "visible-string": lambda chance, kind, _: Entry(kind, _name(chance, 40)),
    "binary-time": lambda chance, kind, _: Entry(
        kind, (chance.randrange(86_400_000), chance.choice((None, chance.randrange(0x10000))))
    ),
    "bcd": _signed,
    "booleanArray": _bits,
    "mMSString": lambda chance, kind, _: Entry(kind, _name(chance, 20) + chance.choice(("", "ü"))),
    "utc-time": lambda chance, kind, _: Entry(kind, _utc(chance)),
}


# --- without what a decoder need not tell


def plain(message: Goose) -> Goose:
    """Absent flags are false (IEC 61850-8-1 Annex A: DEFAULT FALSE), integers have no widths."""
    return message._replace(
        simulation=bool(message.simulation),
        nds_com=bool(message.nds_com),
        entries=tuple(map(_plain, message.entries)),
        octets=0,
    )


def _plain(entry: Entry) -> Entry:
    if entry.kind in ("structure", "array"):
        return Entry(entry.kind, tuple(map(_plain, entry.value)))
    return entry if entry.kind == "floating-point" else entry._replace(octets=0)


def values(entries: tuple[Entry, ...]) -> tuple[Any, ...]:
    """The values alone: a structure is a tuple."""
    return tuple(
        values(each.value) if each.kind in ("structure", "array") else each.value
        for each in entries
    )
