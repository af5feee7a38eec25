"""What open61850 0.9.12 makes of a frame, field by field, from the description of what it carries;
where it knows less than the standard, that.

| entry | what it gives | why |
|---|---|---|
| mMSString | RawData of tag 0x90 | it takes [15], 0x8F, for it; ISO 9506-2 has [16] |
| objId | MmsStringData of the octets | the same |
| bcd, booleanArray, real, generalized-time | RawData | not among its types |
| binary-time of 4 octets | RawData | it reads the 6 with a date only |
| utc-time, t, refrTm | to the us, rounded | it keeps a datetime |

1. Whatever is not in this table is compared as it is.

It runs nothing.
"""

import struct
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from open61850 import data
from open61850.goose import GoosePDU
from open61850.sv import SvAsdu

from tests.peer.message import NUMBERS, Asdu, Entry, Goose, contents

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_1984 = datetime(1984, 1, 1, tzinfo=UTC)


def goose(message: Goose) -> GoosePDU:
    """A GOOSE message."""
    return GoosePDU(
        message.gocb_ref, message.ttl_ms, message.dat_set, message.go_id, instant(message.t),
        message.st_num, message.sq_num, bool(message.simulation), message.conf_rev,
        bool(message.nds_com), len(message.entries), [entry(each) for each in message.entries],
        message.t[2],
    )  # fmt: skip


def sv(asdus: Iterable[Asdu]) -> list[SvAsdu]:
    """The samples of a frame."""
    return [
        SvAsdu(
            each.sv_id, each.smp_cnt, each.conf_rev, each.smp_synch, each.sample, each.dat_set,
            None if each.refr_tm is None else instant(each.refr_tm), each.smp_rate, each.smp_mod,
            each.gm_identity,
        )
        for each in asdus
    ]  # fmt: skip


def instant(told: tuple[int, int, int]) -> datetime:
    seconds, fraction, _quality = told
    us = (fraction * 1_000_000 + (1 << 23)) >> 24
    return _EPOCH + timedelta(seconds=seconds, microseconds=us)


def entry(told: Entry) -> data.IECData:
    """One entry of a data set."""
    kind, value = told.kind, told.value
    if kind == "structure":
        return data.StructureData([entry(inner) for inner in value])
    if kind == "array":
        return data.ArrayData([entry(inner) for inner in value])
    if kind == "bit-string":
        octets = contents(told)
        return data.BitStringData(octets[1:], octets[0])
    if kind == "floating-point":
        return data.FloatData(value, told.octets == 8)
    if kind == "utc-time":
        return data.TimestampData(instant(value), value[2])
    if kind == "binary-time" and value[1] is not None:
        day = _EPOCH_1984 + timedelta(days=value[1], milliseconds=value[0])
        return data.TimestampData(day)
    if kind == "objId":
        return data.MmsStringData(contents(told).decode("utf-8", "replace"))
    simple = _SIMPLE.get(kind)
    return data.RawData(0x80 | NUMBERS[kind], contents(told)) if simple is None else simple(value)


_SIMPLE: dict[str, Any] = {
    "boolean": data.BoolData,
    "integer": data.IntData,
    "unsigned": data.UIntData,
    "octet-string": data.OctetStringData,
    "visible-string": data.VisibleStringData,
}


def same(meant: Any, found: Any) -> bool:
    """Equal; 32-bit floats by their octets, since it gives the shortest decimal of them."""
    if isinstance(meant, data.FloatData) and isinstance(found, data.FloatData):
        if meant.double != found.double:
            return False
        form = ">d" if meant.double else ">f"
        return struct.pack(form, meant.value) == struct.pack(form, found.value)
    if isinstance(meant, data.StructureData) and isinstance(found, data.StructureData):
        return all_same(meant.members, found.members)
    if isinstance(meant, data.ArrayData) and isinstance(found, data.ArrayData):
        return all_same(meant.elements, found.elements)
    return type(meant) is type(found) and bool(meant == found)


def all_same(meant: list[Any], found: list[Any]) -> bool:
    return len(meant) == len(found) and all(map(same, meant, found))


def same_goose(meant: GoosePDU, found: GoosePDU) -> bool:
    if not all_same(meant.all_data, found.all_data):
        return False
    meant.all_data, found.all_data = [], []
    return meant == found
