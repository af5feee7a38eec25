"""SunSpec: finds the models that a device says it has, and makes points of their definitions.

1. "SunS" stands at 40000, 50000 or 0 of the holding registers (SunSpec Device Information Model
   Specification, "Modbus"); behind it a chain of models, each with its number and its length, ends
   with 0xFFFF. The chain is bounded: MODELS_MAX, CHAIN_REGISTERS_MAX, and the last address.
2. The definitions are those of pysunspec2. A model that it does not know (a vendor's own) is passed
   over; one that is shorter than its definition loses the points that are not there.
3. What reads as not implemented when the device is found is no point at all; what reads so later is
   an invalid value. An accumulator of 0 is kept: a meter begins there.
4. A scale factor is read with its point where one read can hold both; else it stands as it was
   found. Points that never change (nameplate) are read once an hour.

It opens and sends nothing: `read` is brought to it.
"""

import functools
import importlib.resources
import json
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, Final, NamedTuple

from drivers.line import LinkError
from drivers.modbus.adu import ADDRESSES, REGISTERS_MAX, TABLES
from drivers.modbus.map import GAP_DEFAULT, Entry, Group, PointMap
from drivers.modbus.point import EXPONENT_MAX, NAME_CHARACTERS_MAX, Point
from drivers.modbus.quantity import quantity_of

BASES: Final = (40000, 50000, 0)
MARK: Final = b"SunS"
END = 0xFFFF
MODELS_MAX = 128  # of a device: the largest known have some dozens
CHAIN_REGISTERS_MAX = 16_384  # of all models: beyond it a length lies
POINTS_MAX = 4096  # of a device: more than any stream's descriptor needs
REPEATS_MAX = 512  # of one group
DEPTH_MAX = 6  # of groups in groups; the definitions have 4
STATIC_PERIOD_MS = 3_600_000
COMMON = 1
COMMON_SHORT = 65  # registers of a common model without its pad, as old devices have it

Read = Callable[[int, int], Awaitable[bytes | None]]

# A type of the definitions: ours, and what stands there when it is not implemented.
_TYPES: Final[dict[str, tuple[str, tuple[int, ...]]]] = {
    "int16": ("s16", (-0x8000,)),
    "uint16": ("u16", (0xFFFF,)),
    "count": ("u16", (0xFFFF,)),
    "acc16": ("u16", ()),
    "enum16": ("u16", (0xFFFF,)),
    "bitfield16": ("u16", (0xFFFF,)),
    "int32": ("s32", (-0x8000_0000,)),
    "uint32": ("u32", (0xFFFF_FFFF,)),
    "acc32": ("u32", ()),
    "enum32": ("u32", (0xFFFF_FFFF,)),
    "bitfield32": ("u32", (0xFFFF_FFFF,)),
    "int64": ("s64", (-0x8000_0000_0000_0000,)),
    "uint64": ("u64", (0xFFFF_FFFF_FFFF_FFFF,)),
    "acc64": ("u64", ()),
    "bitfield64": ("u64", (0xFFFF_FFFF_FFFF_FFFF,)),
    "float32": ("f32", ()),
    "float64": ("f64", ()),
    "string": ("string", ()),
    "ipaddr": ("octets", ()),
    "ipv6addr": ("octets", ()),
    "eui48": ("octets", ()),
}
_SIGNED: Final = ("s16", "s32", "s64")


class Model(NamedTuple):
    """One model of the chain, as it was found."""

    number: int
    address: int  # of its number
    registers: bytes  # number and length included


class Rhythm(NamedTuple):
    """How the points of a device are to be read."""

    period_ms: int
    refresh_us: int | None
    filter_us: int


async def discover(read: Read) -> tuple[Model, ...]:
    """The models of a device. Raises LinkError where there are none.

    `read(address, count)` gives the bytes of holding registers, or None where they are refused.
    """
    for base in BASES:
        if await read(base, 2) == MARK:
            return tuple([model async for model in _chain(read, base + 2)])
    places = ", ".join(map(str, BASES))
    raise LinkError(f"no SunSpec device: its mark is at none of {places}")


async def _chain(read: Read, at: int) -> AsyncIterator[Model]:
    left = CHAIN_REGISTERS_MAX
    for _ in range(MODELS_MAX):
        # Number and length one by one: some devices have no length behind the end of the chain.
        number = _word(await read(at, 1) if at < ADDRESSES else None, at)
        if number == END:
            return
        length = _word(await read(at + 1, 1) if at + 1 < ADDRESSES else None, at + 1)
        left -= length + 2
        if left < 0 or at + 2 + length > ADDRESSES:
            raise LinkError(f"SunSpec: model {number} at {at} has {length} registers: not credible")
        yield Model(number, at, await _whole(read, at, length + 2))
        at += length + 2
    raise LinkError(f"SunSpec: more than {MODELS_MAX} models")


def _word(data: bytes | None, at: int) -> int:
    if data is None or len(data) != 2:
        raise LinkError(f"SunSpec: the chain of models breaks off at {at}")
    return data[0] << 8 | data[1]


async def _whole(read: Read, at: int, count: int) -> bytes:
    """All registers of a model, in as many reads as it takes."""
    parts = []
    for start in range(at, at + count, REGISTERS_MAX):
        part = await read(start, min(REGISTERS_MAX, at + count - start))
        if part is None:
            raise LinkError(f"SunSpec: registers from {start} are in the chain and refused")
        parts.append(part)
    return b"".join(parts)


def point_map(models: tuple[Model, ...], rhythm: Rhythm) -> PointMap:
    """The points of a device. Raises LinkError where nothing of it is known."""
    station, entries, seen = "", list[Entry](), dict[int, int]()
    for model in models:
        defined = definition(model.number)
        if defined is None:
            continue
        seen[model.number] = seen.get(model.number, 0) + 1
        nth = f"#{seen[model.number]}" if seen[model.number] > 1 else ""
        walk = _Walk(model, rhythm)
        entries += walk.entries(defined, f"{defined['name']}{nth}")
        if model.number == COMMON and not station:
            station = " ".join(filter(None, (walk.texts.get(key) for key in ("Mn", "Md", "SN"))))
    if not entries or len(entries) > POINTS_MAX:
        raise LinkError(f"SunSpec: {len(entries)} points in {len(models)} models")
    name = station[:NAME_CHARACTERS_MAX]
    return PointMap(name, GAP_DEFAULT, REGISTERS_MAX, tuple(entries))


@functools.lru_cache(MODELS_MAX)
def definition(number: int) -> dict[str, Any] | None:
    """The top group of a model's definition, by pysunspec2; None for one that it does not know."""
    package = importlib.resources.files("sunspec2")
    file = package.joinpath("models", "json", f"model_{number}.json")
    if not file.is_file():
        return None
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))["group"]
    return found


class _Walk:
    """Goes through one model by its definition."""

    def __init__(self, model: Model, rhythm: Rhythm) -> None:
        self._model, self._rhythm = model, rhythm
        self._at = 0  # registers from the model's number
        self.texts: dict[str, str] = {}
        self._end = len(model.registers) // 2

    def entries(self, top: dict[str, Any], name: str) -> list[Entry]:
        """The points that are there and implemented."""
        return list(self._group(top, name, {}, 0))

    def _group(
        self, group: dict[str, Any], name: str, above: dict[str, int], depth: int
    ) -> Iterator[Entry]:
        """`above`: where points of the groups around it stand, by name."""
        places = dict(above)
        rows: list[tuple[dict[str, Any], int]] = []
        short = self._model.number == COMMON and self._end == COMMON_SHORT + 2
        for row in group.get("points", ()):
            if short and row["name"] == "Pad":
                continue
            places[row["name"]] = self._at
            rows.append((row, self._at))
            self._at += row["size"]
        for row, at in rows:
            entry = self._entry(row, at, f"{name}.{row['name']}", places)
            if entry is not None:
                yield entry
        if depth >= DEPTH_MAX:
            return
        for inner in group.get("groups", ()):
            count = self._count(inner, places)
            for number in range(1, count + 1):
                if self._at >= self._end:
                    return
                mark = f"[{number}]" if "count" in inner else ""
                yield from self._group(inner, f"{name}.{inner['name']}{mark}", places, depth + 1)

    def _count(self, group: dict[str, Any], places: dict[str, int]) -> int:
        """How often a group is there: a number, a point that says so, or to the model's end (0)."""
        count = group.get("count", 1)
        if isinstance(count, str):
            at = places.get(count)
            count = self._number(at, 1) if at is not None else 0
            return 0 if count == END else min(count or 0, REPEATS_MAX)
        return int(count) or REPEATS_MAX

    def _number(self, at: int, size: int, signed: bool = False) -> int | None:
        data = self._model.registers[2 * at : 2 * (at + size)]
        return int.from_bytes(data, "big", signed=signed) if len(data) == 2 * size else None

    def _entry(
        self, row: dict[str, Any], at: int, name: str, places: dict[str, int]
    ) -> Entry | None:
        made = _TYPES.get(row["type"])
        size = row["size"]
        if made is None or row["name"] in ("ID", "L"):
            return None
        if at + size > self._end or size > REGISTERS_MAX:
            return None
        kind, invalid = made
        data = self._model.registers[2 * at : 2 * (at + size)]
        if not _is_there(kind, data, invalid):
            return None
        if kind == "string":
            self.texts[row["name"]] = data.split(b"\0", 1)[0].decode("utf-8", "replace").strip()
        scale, exponent = self._scale(row, at, size, places)
        if scale is None:
            return None
        symbols = row.get("symbols", ()) if kind.startswith("u") else ()
        flagged = row["type"].startswith("bitfield") and symbols
        unit = str(row.get("units", ""))
        point = Point(
            name[-NAME_CHARACTERS_MAX:],
            "digital" if flagged else quantity_of(unit, kind, bool(symbols)),
            unit[:NAME_CHARACTERS_MAX],
            kind,
            self._model.address + at,
            size,
            scale=scale,
            exponent=exponent,
            invalid=invalid,
            bits=_bits(symbols, size) if flagged else (),
            labels=() if flagged else _labels(symbols),
        )
        rhythm, still = self._rhythm, row.get("static") == "S"
        group = Group("static" if still else "", STATIC_PERIOD_MS if still else rhythm.period_ms)
        return Entry(point, TABLES["holding"], group, rhythm.refresh_us, rhythm.filter_us)

    def _scale(
        self, row: dict[str, Any], at: int, size: int, places: dict[str, int]
    ) -> tuple[float | int | None, int | None]:
        """Scale and address of the exponent; a scale of None where the device has no exponent."""
        factor = row.get("sf")
        if factor is None:
            return 1, None
        if isinstance(factor, int):
            return _ten_to(factor), None
        place = places.get(factor)
        found = self._number(place, 1, signed=True) if place is not None else None
        if place is None or found is None or abs(found) > EXPONENT_MAX:
            return None, None
        if max(at + size, place + 1) - min(at, place) <= REGISTERS_MAX:
            return 1, self._model.address + place
        return _ten_to(found), None


def _ten_to(exponent: int) -> float | int:
    return int(10**exponent) if exponent >= 0 else 1 / int(10**-exponent)


def _is_there(kind: str, data: bytes, invalid: tuple[int, ...]) -> bool:
    """Whether a device has a point, by what it reads as."""
    if kind in ("f32", "f64"):
        (number,) = struct.unpack(">f" if kind == "f32" else ">d", data)
        return bool(number == number)  # NaN is not
    if kind in ("string", "octets"):
        return any(data) and set(data) != {0xFF}
    return int.from_bytes(data, "big", signed=kind in _SIGNED) not in invalid


def _bits(symbols: Any, size: int) -> tuple[tuple[str, int, int], ...]:
    return tuple(
        (str(one["name"])[:NAME_CHARACTERS_MAX], one["value"], 1)
        for one in symbols
        if 0 <= one["value"] < 16 * size
    )


def _labels(symbols: Any) -> tuple[tuple[int, str], ...]:
    return tuple(sorted((one["value"], str(one["name"])[:NAME_CHARACTERS_MAX]) for one in symbols))
