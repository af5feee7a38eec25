"""What tshark 4.0 prints of a GOOSE message or of Sampled Values, field by field: the description
of a message turned into its words, known misprints included.

| field | what it prints | why |
|---|---|---|
| integer, bcd beyond 32 bits | the low 32 bits, as if signed | FT_INT32 in its ASN.1 |
| unsigned of 2^31 and more | as if signed | FT_INT32 |
| timeAllowedtoLive, confRev of 2^31 and more | as if signed | FT_INT32 |
| smpSynch of 128 and more | as if signed | FT_INT32 of one octet |
| floating-point of 64 bits | its octets, no number | only 5 octets are taken for a float |
| utc-time, t, refrTm | ns, cut off and not rounded; no quality | 2^-24 s are brought to ns |
| real | a number of its own making | X.690 8.5 is a form of its own; we keep the octets |
| binary-time | its octets | no dissection |
| mMSString, octets beyond ASCII | U+FFFD each | read as ASCII |

1. Whatever is not in this table is compared as it is.

It reads no frame and runs nothing.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from math import isinf, isnan
from typing import Any

from tests.peer.message import Asdu, Entry, Goose, Link, contents
from tests.peer.tshark import Tree

ANY = object()  # not compared
Said = list[tuple[str, Any]]
_UTC = re.compile(r"(\w{3} [ \d]\d, \d{4} \d\d:\d\d:\d\d)\.(\d{9}) UTC")
# The number of a type, told by its name too; remarks; what the head says of the length.
_HIDDEN = re.compile(r"goose\.Data|_ws\..*|.*_element|\w+\.length|sv\.gmidentity_manuf")


def signed_32(value: int) -> int:
    """What is left in FT_INT32."""
    return (value + (1 << 31)) % (1 << 32) - (1 << 31)


def goose(link: Link, message: Goose) -> Said:
    """The fields of one message, in the order of the wire."""
    said: Said = _head("goose", link)
    fields = (
        ("gocbRef", message.gocb_ref), ("timeAllowedtoLive", signed_32(message.ttl_ms)),
        ("datSet", message.dat_set), ("goID", message.go_id), ("t", instant(message.t)),
        ("stNum", message.st_num), ("sqNum", message.sq_num), ("simulation", message.simulation),
        ("confRev", signed_32(message.conf_rev)), ("ndsCom", message.nds_com),
        ("numDatSetEntries", len(message.entries)), ("allData", len(message.entries)),
    )  # fmt: skip
    said += [(f"goose.{name}", _text(value)) for name, value in fields if value is not None]
    if link.reserved1 & 0x8000 and message.simulation is False:
        # IEC 61850-8-1 Annex C: the bit of the header is there for bridges, and says the same.
        after = next(at for at, (name, _) in enumerate(said) if name == "goose.simulation") + 1
        said.insert(after, ("goose.invalid_sim", ""))
    return said + [each for entry in message.entries for each in entry_said(entry)]


def sv(link: Link, asdus: Iterable[Asdu]) -> Said:
    """The fields of one frame of samples, ASDU after ASDU."""
    each_said: list[Said] = []
    for asdu in asdus:
        fields = (
            ("svID", asdu.sv_id), ("datSet", asdu.dat_set), ("smpCnt", asdu.smp_cnt),
            ("confRev", asdu.conf_rev), ("refrTm", asdu.refr_tm and instant(asdu.refr_tm)),
            ("smpSynch", (asdu.smp_synch + 128) % 256 - 128), ("smpRate", asdu.smp_rate),
            ("seqData", asdu.sample), ("smpMod", asdu.smp_mod),
        )  # fmt: skip
        each_said.append(
            [(f"sv.{name}", _text(value)) for name, value in fields if value is not None]
        )
        if asdu.gm_identity is not None:
            each_said[-1].append(("sv.gmidentity", "0x" + asdu.gm_identity.hex()))
    count = str(len(each_said))
    head = [*_head("sv", link), ("sv.noASDU", count), ("sv.seqASDU", count)]
    return head + [field for said in each_said for field in said]


def _head(protocol: str, link: Link) -> Said:
    return [
        (f"{protocol}.appid", f"0x{link.appid:04x}"),
        (f"{protocol}.reserve1", f"0x{link.reserved1:04x}"),
        (f"{protocol}.reserve1.s_bit", _text(bool(link.reserved1 & 0x8000))),
        (f"{protocol}.reserve2", f"0x{link.reserved2:04x}"),
    ]


def entry_said(entry: Entry) -> Iterator[tuple[str, Any]]:
    """One entry of a data set, and those inside it."""
    kind, value = entry.kind, entry.value
    if kind in ("structure", "array"):
        yield f"goose.{kind}", str(len(value))
        for inner in value:
            yield from entry_said(inner)
    elif kind in ("integer", "unsigned", "bcd"):
        yield f"goose.{kind}", str(signed_32(value))
    elif kind in ("bit-string", "booleanArray"):
        octets = contents(entry)
        name = "bit_string" if kind == "bit-string" else kind
        yield "ber.bitstring.padding", str(octets[0])
        yield f"goose.{name}", _text(octets[1:])
    elif kind == "floating-point":
        octets = contents(entry)
        yield "goose.floating_point", _text(octets)
        if len(octets) == 5:
            yield "goose.float_value", float(value)
    elif kind == "utc-time":
        yield "goose.utc_time", instant(value)
    elif kind == "binary-time":
        yield "goose.binary_time", _text(contents(entry))
    elif kind == "real":
        yield "goose.real", ANY
    elif kind == "mMSString":
        octets = contents(entry)
        yield "goose.mMSString", "".join(chr(each) if each < 0x80 else "\ufffd" for each in octets)
    else:
        yield f"goose.{kind.replace('-', '_')}", _text(value)


def instant(told: tuple[int, int, int]) -> tuple[int, int]:
    """Seconds since 1970, and ns as tshark has them."""
    seconds, fraction, _quality = told
    return seconds, fraction * 1_000_000_000 >> 24


def _text(value: Any) -> Any:
    if isinstance(value, bool):
        return "01"[value]
    if isinstance(value, bytes):
        return value.hex(":")
    return str(value) if isinstance(value, int) else value


# --- and what it did print


def printed(layer: Tree) -> Said:
    """The fields of one layer, in the order of the wire, as `goose` and `sv` have them."""
    return [
        (name, _read(name, value)) for name, value in _leaves(layer) if not _HIDDEN.fullmatch(name)
    ]


def _leaves(tree: Tree) -> Iterator[tuple[str, Any]]:
    for name, value in tree:
        if isinstance(value, Tree):
            yield from _leaves(value)
        else:
            yield name, value


def _read(name: str, value: str) -> Any:
    if name == "goose.float_value":
        return float(value)
    found = _UTC.fullmatch(value) if name in ("goose.t", "goose.utc_time", "sv.refrTm") else None
    if found is None:
        return value
    day = datetime.strptime(found[1], "%b %d, %Y %H:%M:%S").replace(tzinfo=UTC)
    return int(day.timestamp()), int(found[2])


def differences(meant: Said, found: Said) -> list[str]:
    """What is not equal, a line each; floats to the six digits that tshark prints."""
    if [name for name, _ in meant] != [name for name, _ in found]:
        return [f"fields {[name for name, _ in meant]}, tshark {[name for name, _ in found]}"]
    pairs = zip(meant, found, strict=True)
    return [
        f"{name}: {value!r}, tshark {other!r}"
        for (name, value), (_, other) in pairs
        if not _equal(value, other)
    ]


def _equal(value: Any, other: Any) -> bool:
    if isinstance(value, float) and not isinf(value):
        return (isnan(value) and isnan(other)) or abs(value - other) <= 1e-5 * abs(value)
    return value is ANY or bool(value == other)
