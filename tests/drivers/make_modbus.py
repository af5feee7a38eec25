"""Makes tests/vectors/modbus/*.hex from the examples of MODBUS Application Protocol V1.1b3 and by
hand.

    python -m tests.drivers.make_modbus

1. It uses none of the driver's code: ADUs are written out field by field, the CRC is bitwise by
   Serial Line V1.02 6.2.2, a configuration is an array given to cbor2.
2. There is no randomness: the same bytes come out every time.

What the vectors must decode to stands in expected.json, written by hand.
"""

from pathlib import Path
from struct import pack
from typing import Any

import cbor2

FOLDER = Path(__file__).resolve().parent.parent / "vectors" / "modbus"
ASKED, HEARD = 1_700_000_037_000_000_000, 1_700_000_037_012_345_678  # ns TAI
# IEC 60870-5-4: year 25, month 11, weekday 2 and day 25, summer time and hour 14, minute 30, and
# 12,345 ms.
CP56 = 25 << 48 | 11 << 40 | (2 << 5 | 25) << 32 | (0x80 | 14) << 24 | 30 << 16 | 12_345


def crc(data: bytes) -> bytes:
    """Serial Line V1.02 6.2.2, bit by bit; low byte first."""
    word = 0xFFFF
    for byte in data:
        word ^= byte
        for _ in range(8):
            word = word >> 1 ^ 0xA001 if word & 1 else word >> 1
    return pack("<H", word)


def tcp(unit: int, pdu: bytes, transaction: int = 7) -> bytes:
    return pack(">HHHB", transaction, 0, len(pdu) + 1, unit) + pdu


def rtu(unit: int, pdu: bytes) -> bytes:
    return bytes((unit,)) + pdu + crc(bytes((unit,)) + pdu)


def exchange(framing: int, request: bytes, response: bytes) -> bytes:
    """Version 1, framing, two instants, length of the request, both ADUs."""
    return pack(">BBQQB", 1, framing, ASKED, HEARD, len(request)) + request + response


def both(name: str, what: str, request: str, response: str) -> dict[str, tuple[str, bytes]]:
    """An example of the standard, framed as over TCP and as on a serial line."""
    ask, answer = bytes.fromhex(request), bytes.fromhex(response)
    return {
        f"{name}_tcp": (f"{what}; over TCP", exchange(0, tcp(17, ask), tcp(17, answer))),
        f"{name}_rtu": (f"{what}; serial line", exchange(1, rtu(17, ask), rtu(17, answer))),
    }


def point(name: str, kind: str, address: int, size: int, **more: Any) -> list[Any]:
    """A point of the configuration, field by field in the order of the encoding."""
    return [
        name,
        more.get("quantity", "analog"),
        more.get("unit", ""),
        kind,
        address,
        size,
        more.get("words", 0),
        more.get("octets", 0),
        more.get("scale", 1),
        more.get("offset", 0),
        more.get("exponent"),
        more.get("invalid", []),
        more.get("bits", []),
        more.get("labels", []),
        more.get("utc_offset_min", 0),
        more.get("optional", False),
    ]


def block(request: tuple[int, int, int, int], points: list[list[Any]], **more: Any) -> bytes:
    """A configuration: one read of (unit, function, address, count) and what is in it."""
    return cbor2.dumps(
        [
            *(1, "relay", more.get("group", ""), *request, more.get("period_ms", 1000)),
            *(more.get("refresh_us"), more.get("filter_us", 0), more.get("stamp"), points),
        ]
    )


BITS = [[f"bit {number}", number, 1] for number in (0, 1)] + [["mode", 4, 3]]
TYPES = [
    point("u16", "u16", 0, 1, scale=0.1, offset=-5),
    point("s16", "s16", 1, 1, exponent=2, unit="W", quantity="power"),
    point("u32 low word first", "u32", 3, 2, words=1),
    point("s32 low byte first", "s32", 5, 2, octets=1),
    point("f32 all turned", "f32", 7, 2, words=1, octets=1),
    point("f64", "f64", 9, 4),
    point("u64", "u64", 13, 4),
    point("s64", "s64", 17, 4),
    point("text", "string", 21, 3, quantity="other"),
    point("bits", "u16", 24, 1, bits=BITS, quantity="digital"),
    point("enum", "u16", 25, 1, labels=[[0, "off"], [2, "remote"]], quantity="other"),
    point("enum without label", "u16", 26, 1, labels=[[0, "off"]], quantity="other"),
    point("sentinel", "u16", 27, 1, invalid=[0xFFFF]),
    point("NaN", "f32", 28, 2),
    point("bool", "bool", 30, 1, bits=[["", 3, 1]], quantity="digital"),
    point("octets", "octets", 31, 2, quantity="other"),
    point("time_s", "time_s", 33, 2, quantity="other"),
    point("time_ms", "time_ms", 35, 4, utc_offset_min=60, quantity="other"),
    point("cp56", "cp56", 39, 4, quantity="other"),
    point("cp56 invalid", "cp56", 43, 4, quantity="other"),
]
REGISTERS = (
    pack(">Hhh", 235, -15, 2)
    + pack(">HH", 0xBEEF, 0xDEAD)  # 0xDEADBEEF
    + bytes.fromhex("fffe4ffb")  # 0xFEFFFB4F
    + pack("<f", 50.125)
    + pack(">d", -1.5)
    + pack(">Q", 1 << 63)
    + pack(">q", -2)
    + b"SEL\0\0\0"
    + pack(">HHHH", 0b0011_0010, 2, 9, 0xFFFF)
    + bytes.fromhex("7fc00000")
    + pack(">H", 8)
    + bytes.fromhex("c0000207")
    + pack(">IQ", 1_700_000_000, 1_700_003_600_123)
    + pack(">QQ", CP56, CP56 | 1 << 23)
)


def read(function: int, address: int, count: int) -> bytes:
    return pack(">BHH", function, address, count)


def answer(function: int, data: bytes) -> bytes:
    return bytes((function, len(data))) + data


def failures() -> dict[str, tuple[str, bytes]]:
    """A read of three registers that comes to nothing, each in its way."""
    ask, good = read(3, 107, 3), answer(3, bytes.fromhex("022b00000064"))
    over_tcp, serial = tcp(17, ask), rtu(17, ask)
    made = {
        "exception_tcp": (0, over_tcp, tcp(17, b"\x83\x02")),
        "exception_rtu": (1, serial, rtu(17, b"\x83\x0b")),
        "no_answer_tcp": (0, over_tcp, b""),
        "no_answer_rtu": (1, serial, b""),
        "wrong_unit_tcp": (0, over_tcp, tcp(18, good)),
        "wrong_unit_rtu": (1, serial, rtu(18, good)),
        "wrong_function_tcp": (0, over_tcp, tcp(17, b"\x04" + good[1:])),
        "wrong_function_rtu": (1, serial, rtu(17, b"\x04" + good[1:])),
        "wrong_size_tcp": (0, over_tcp, tcp(17, answer(3, bytes(8)))),
        "wrong_size_rtu": (1, serial, rtu(17, answer(3, bytes(8)))),
        "short_answer_tcp": (0, over_tcp, tcp(17, good)[:-1]),
        "short_answer_rtu": (1, serial, rtu(17, good)[:-1]),
        "long_answer_tcp": (0, over_tcp, tcp(17, good) + b"\0"),
        "long_answer_rtu": (1, serial, rtu(17, good) + b"\0"),
        "check_word_rtu": (1, serial, rtu(17, good)[:-1] + b"\0"),
        "crossed_answer_tcp": (0, over_tcp, tcp(17, good, 8)),
        "not_modbus_tcp": (0, over_tcp, b"HTTP/1.1 400"),
    }
    return {name: (f"{name}: of registers_rtu", exchange(*row)) for name, row in made.items()}


def named(table: int, first: int, count: int) -> list[list[Any]]:
    """Untyped points."""
    kind, quantity = ("u16", "analog") if table > 2 else ("bool", "digital")
    return [
        point(f"item {number}", kind, first + number, 1, quantity=quantity)
        for number in range(count)
    ]


VECTORS: dict[str, tuple[str, bytes]] = {
    "map_coils": ("19 coils from 19", block((17, 1, 19, 19), named(1, 19, 19))),
    "map_discrete": ("22 discrete inputs from 196", block((17, 2, 196, 22), named(2, 196, 22))),
    "map_registers": ("3 registers from 107", block((17, 3, 107, 3), named(3, 107, 3))),
    "map_input": ("input register 8", block((17, 4, 8, 1), named(4, 8, 1))),
    "map_types": ("every type and order", block((17, 3, 0, 47), TYPES, refresh_us=20_000)),
    "map_stamped": (
        "three registers, of which two are the device's time",
        block(
            (17, 3, 0, 3),
            [point("value", "u16", 0, 1), point("at", "time_s", 1, 2, quantity="other")],
            stamp=[1, 5_000_000, "manual rev. C, 7.1"],
        ),
    ),
    **both("coils", "V1.1b3 6.1, its example", "0100130013", "0103cd6b05"),
    **both("discrete", "V1.1b3 6.2, its example", "0200c40016", "0203acdb35"),
    **both("registers", "V1.1b3 6.3, its example", "03006b0003", "0306022b00000064"),
    **both("input", "V1.1b3 6.4, its example", "0400080001", "0402000a"),
    "types_rtu": (
        "every type and order, of map_types",
        exchange(1, rtu(17, read(3, 0, 47)), rtu(17, answer(3, REGISTERS))),
    ),
    "stamped_rtu": (
        "of map_stamped: 2023-11-14T22:13:20 UTC",
        exchange(
            1,
            rtu(17, read(3, 0, 3)),
            rtu(17, answer(3, pack(">HI", 42, 1_700_000_000))),
        ),
    ),
    **failures(),
    "version_2": ("a version that is not there yet", b"\2" + exchange(1, rtu(17, b"\3"), b"")[1:]),
}


def main() -> None:
    """Writes every vector."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for label, (what, raw) in VECTORS.items():
        lines = [f"# {what}", "# by tests/drivers/make_modbus.py, no seed; bytes by V1.1b3 and"]
        lines += ["# Serial Line V1.02, independent of the driver"]
        lines += [raw[at : at + 32].hex() for at in range(0, len(raw), 32)]
        (FOLDER / f"{label}.hex").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
