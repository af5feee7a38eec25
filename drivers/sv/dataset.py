"""What a sample is made of: the members of a data set, one after another without tags
(IEC 61850-9-2 8.6), and the configuration of a stream in bytes.

1. A member of type `quality` has 32 bits, of which IEC 61850-7-3 uses the low 13 and 9-2LE one more
   (derived). Everything else is a number, a time or octets, of a width that its type fixes.
2. The configuration is one CBOR array (evidence.cbor: one encoding of a value, and no other):
   [version, samples a second, samples a block, [+ [svID, [* [name, quantity, unit, part, type,
   scale]] / null]]]; 0 and 0 where the rate is not known, null where the data set is not.
3. What such bytes cannot mean is FrameError, whoever wrote them.

It reads no sample: see reader.py.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from drivers.line import FrameError
from evidence import cbor
from evidence.descriptor import QUANTITIES
from evidence.refusal import EvidenceError

VERSION = 1
RATE_MAX = 65_536  # samples a second: smpCnt has 16 bits, and begins anew with the second
MEMBERS_MAX = 512  # of one data set: a full frame of 8-bit values would have more, nobody else
STREAMS_MAX = 64  # svIDs of one frame: as many as it has ASDUs
TEXT_MAX = 256  # characters of a name
# IEC 61850-9-2 Table 14 (encoding of basic data types), and how struct calls them.
TYPES: Mapping[str, str] = {
    "boolean": "?",
    "int8": "b",
    "int16": "h",
    "int32": "i",
    "int64": "q",
    "uint8": "B",
    "uint16": "H",
    "uint32": "I",
    "float32": "f",
    "float64": "d",
    "quality": "I",
    "timestamp": "8s",
}
_BYTES = {"?": 1, "b": 1, "B": 1, "h": 2, "H": 2, "i": 4, "I": 4, "f": 4, "q": 8, "d": 8, "8s": 8}
QUALITY = "quality"
FLOATS = frozenset({"float32", "float64"})


class Member(NamedTuple):
    """One member of a data set. `scale`: of a count, in `unit`; 1 leaves it as it is."""

    name: str
    quantity: str
    unit: str
    part: str
    type: str
    scale: float = 1.0


class Dataset(NamedTuple):
    """What an svID's samples are made of; None where nobody has said."""

    sv_id: str
    members: tuple[Member, ...] | None


class Configuration(NamedTuple):
    """What rules one stream."""

    rate: int  # samples a second; 0 unknown
    span: int  # samples a block; 0 where the rate is unknown
    datasets: tuple[Dataset, ...]


def _pair(name: str, quantity: str, unit: str, scale: float) -> tuple[Member, Member]:
    return (
        Member(name, quantity, unit, "", "int32", scale),
        Member(name, quantity, "", QUALITY, QUALITY),
    )


# UCA 9-2LE 7.1.4, data set PhsMeas1: three phases and neutral, 1 mA and 10 mV a count. IEC 61869-9
# has the same members and the same scaling, in what it calls I4U4.
PHS_MEAS_1 = tuple(
    member
    for letter, quantity, unit, scale in (
        ("I", "current", "A", 0.001),
        ("V", "voltage", "V", 0.01),
    )
    for phase in "ABCN"
    for member in _pair(letter + phase, quantity, unit, scale)
)


def can_scale(kind: str, scale: float) -> bool:
    """Whether a value of this type times a scale is one: octets are none."""
    return scale == 1.0 or not TYPES[kind].endswith("s")


def size(members: tuple[Member, ...]) -> int:
    """Bytes of one sample."""
    return sum(_BYTES[TYPES[member.type]] for member in members)


def code(members: tuple[Member, ...]) -> str:
    """A sample as struct has it, without its byte order."""
    return "".join(TYPES[member.type] for member in members)


def quality_mask(members: tuple[Member, ...], bits: int) -> bytes:
    """A sample in which these bits of every quality are set, and nothing else."""
    return b"".join(
        bits.to_bytes(4, "big") if member.type == QUALITY else bytes(_BYTES[TYPES[member.type]])
        for member in members
    )


def encode_configuration(found: Configuration) -> bytes:
    """The bytes that `decode_configuration` takes."""
    datasets = [
        [each.sv_id, None if each.members is None else [list(member) for member in each.members]]
        for each in found.datasets
    ]
    return cbor.encode([VERSION, found.rate, found.span, datasets])


def decode_configuration(data: bytes) -> Configuration:
    """Raises FrameError: configuration."""
    try:
        value = cbor.decode(data)
    except EvidenceError as fault:
        raise FrameError("configuration", str(fault)) from fault
    # True and 1.0 are equal to 1, and other encodings.
    if type(value) is not tuple or len(value) != 4 or (type(value[0]), value[0]) != (int, VERSION):
        raise FrameError("configuration", f"not a configuration of version {VERSION}")
    _, rate, span, listed = value
    if not (_uint(rate) and _uint(span) and rate <= RATE_MAX and _fits(rate, span)):
        raise FrameError("configuration", f"{span!r} samples a block of {rate!r} a second")
    if type(listed) is not tuple or not 0 < len(listed) <= STREAMS_MAX:
        raise FrameError("configuration", f"1 to {STREAMS_MAX} data sets expected")
    datasets = tuple(map(_dataset, listed))
    if len({each.sv_id for each in datasets}) != len(datasets):
        raise FrameError("configuration", "two data sets of one svID")
    return Configuration(rate, span, datasets)


def _fits(rate: int, span: int) -> bool:
    """Whole blocks fill a second, so that none holds the counter's return to 0."""
    return not rate and not span if not (rate and span) else rate % span == 0


def _uint(value: Any) -> bool:
    return type(value) is int and value >= 0


def _dataset(value: Any) -> Dataset:
    if type(value) is not tuple or len(value) != 2 or not _text(value[0]):
        raise FrameError("configuration", "a data set is an svID and its members")
    sv_id, listed = value
    if listed is None:
        return Dataset(sv_id, None)
    if type(listed) is not tuple or not 0 < len(listed) <= MEMBERS_MAX:
        raise FrameError("configuration", f"1 to {MEMBERS_MAX} members expected")
    return Dataset(sv_id, tuple(map(_member, listed)))


def _member(value: Any) -> Member:
    if type(value) is not tuple or len(value) != 6 or not all(map(_text, value[:5])):
        raise FrameError("configuration", "a member has five texts and a scale")
    found = Member(*value)
    if found.quantity not in QUANTITIES or found.type not in TYPES:
        raise FrameError("configuration", f"no quantity {found.quantity!r} or type {found.type!r}")
    if type(found.scale) is not float or not can_scale(found.type, found.scale):
        raise FrameError("configuration", f"a scale of {found.scale!r}")
    return found


def _text(value: Any) -> bool:
    return type(value) is str and len(value) <= TEXT_MAX
