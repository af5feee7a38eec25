"""Makes tests/vectors/c37118/*.hex from the tables of C37.118.2-2011, by hand and bit by bit.

    python -m tests.drivers.make_c37118

1. It uses none of the driver's code: fields are written out in the order of the standard's tables,
   and CHK is the bitwise CRC of Annex B.
2. There is no randomness: the same bytes come out every time.

What the vectors must decode to stands in expected.json, written by hand.
"""

from pathlib import Path
from struct import pack

FOLDER = Path(__file__).resolve().parent.parent / "vectors" / "c37118"
INFINITY = float("inf")
LEAP_MIDNIGHT = 1483228800  # 2017-01-01T00:00:00 UTC: a leap second was inserted before it


def crc(data: bytes) -> int:
    """C37.118.2-2011 Annex B: x^16 + x^12 + x^5 + 1, from 0xFFFF, most significant bit first."""
    word = 0xFFFF
    for byte in data:
        for bit in range(7, -1, -1):
            top = word >> 15 ^ byte >> bit & 1
            word = word << 1 & 0xFFFF ^ (0x1021 if top else 0)
    return word


def frame(second: int, idcode: int, soc: int, fracsec: int, body: bytes, size: int = 0) -> bytes:
    """SYNC, FRAMESIZE (which may lie), IDCODE, SOC, FRACSEC, body, CHK."""
    head = pack(">BBHHII", 0xAA, second, size or 16 + len(body), idcode, soc, fracsec)
    return head + body + pack(">H", crc(head + body))


def name(text: str) -> bytes:
    return text.encode().ljust(16)


def name_3(text: str) -> bytes:
    return bytes((len(text.encode()),)) + text.encode()


def cfg2_integers() -> bytes:
    """Two PMUs at 50 Hz: rectangular and polar integers, an analog with a scale, a digital word."""
    first = name("Alpha") + pack(">HHHHH", 101, 0x0000, 2, 1, 1)
    first += name("VA") + name("IA") + name("Oil") + b"".join(name(f"D{i}") for i in range(16))
    first += pack(">II", 0x000DF847, 0x0100B2D0) + pack(">I", 0x01FFFFFE) + pack(">HH", 0, 0x0003)
    first += pack(">HH", 1, 5)
    second = name("Beta") + pack(">HHHHH", 102, 0x0001, 1, 0, 0) + name("V1")
    second += pack(">I", 0x000186A0) + pack(">HH", 1, 6)
    body = pack(">IH", 1_000_000, 2) + first + second + pack(">h", -5)
    return frame(0x32, 100, 1700000000, 0, body)


def data_integers() -> bytes:
    first = pack(">H", 0x2410) + pack(">hh", 14635, -7318) + pack(">hh", -32768, 12)
    first += pack(">hh", -250, 37) + pack(">h", 100) + pack(">H", 0x0002)
    second = pack(">H", 0x0080) + pack(">Hh", 60000, -31416) + pack(">hh", 2500, -1)
    return frame(0x02, 100, 1700000000, 500_000, first + second)


def cfg3_body() -> bytes:
    station = name_3("Umspannwerk Süd") + pack(">H", 7) + bytes(range(16)) + pack(">H", 0x000F)
    station += pack(">HHH", 2, 1, 1) + name_3("U L1") + name_3("I positive") + name_3("P")
    station += b"".join(name_3(f"bit {i}") for i in range(16))
    station += pack(">HBBff", 0x0140, 0x04, 0, 1.0, 0.0) + pack(">HBBff", 0, 0x09, 9, 2.0, 0.5)
    station += pack(">ff", 10.0, -3.0) + pack(">HH", 0x0001, 0xFFFF)
    station += pack(">fff", 46.25, 6.125, INFINITY) + b"P" + pack(">ii", 40_000, 18_500)
    station += pack(">HH", 1, 22)
    return pack(">IH", 16_777_215, 1) + station + pack(">h", 50)


def cfg3() -> bytes:
    return frame(0x52, 7, 1700000000, 0, pack(">H", 0) + cfg3_body())


def cfg3_fragments() -> list[bytes]:
    body = cfg3_body()
    cuts = [body[:100], body[100:250], body[250:]]
    indices = (1, 2, 0xFFFF)
    return [
        frame(0x52, 7, 1700000000, 0, pack(">H", index) + part)
        for index, part in zip(indices, cuts, strict=True)
    ]


def data_floats() -> bytes:
    body = pack(">H", 0x0000) + pack(">ff", 63508.5, 0.25) + pack(">ff", 400.0, -1.5)
    body += pack(">ff", 50.0125, -0.25) + pack(">f", 2.0) + pack(">H", 0x8001)
    return frame(0x02, 7, 1700000000, 16_777_214, body)


def angle_infinite() -> bytes:
    body = pack(">H", 0x0000) + pack(">ff", 63508.5, INFINITY) + pack(">ff", 400.0, -1.5)
    body += pack(">ff", 50.0, 0.0) + pack(">f", 2.0) + pack(">H", 0x8001)
    return frame(0x02, 7, 1700000000, 0, body)


def leap_second() -> bytes:
    """The first quarter of 23:59:60: SOC of midnight, Leap Second Pending (bit 4) still set."""
    body = pack(">H", 0x0080) + pack(">Hh", 0, 0) + pack(">hh", 0, 0)
    first = pack(">H", 0x0080) + pack(">hh", 0, 0) * 2 + pack(">hh", 0, 0) + pack(">h", 0)
    return frame(0x02, 100, LEAP_MIDNIGHT, 0x10 << 24 | 250_000, first + pack(">H", 0) + body)


def configuration_2024(annmr: int = 0) -> bytes:
    """Two phasors, a frequency and a rate of change; the fields as drivers/c37118/README.md has
    them from a public simulator.
    """
    pmu = name_3("Nord") + pack(">HH", 21, 3) + bytes(range(16)) + pack(">H", 1)
    pmu += pack(">HHHHH", 2, annmr, 1, 1, 0)
    pmu += name_3("U L1") + name_3("I L1") + name_3("f") + name_3("df/dt")
    pmu += pack(">HBBfff", 0, 0x04, 0, 10.0, 0.0, 400_000.0)
    pmu += pack(">HBBfff", 0, 0x0C, 0, 0.5, 0.25, 400_000.0)
    pmu += pack(">ff", 0.001, 0.0) + pack(">ff", 0.01, 0.0)
    pmu += pack(">fff", 46.25, INFINITY, INFINITY) + pack(">H", 0xA000) + pack(">ii", -1, -1)
    pmu += pack(">hH", 50, 3)
    return pack(">HI", 0, 1_000_000) + name_3("PDC") + pack(">H", 1) + pmu + pack(">hH", 50, 0)


def data_2024() -> bytes:
    body = pack(">HH", 0x2000, 0x7FFF) + pack(">Hh", 23094, 0) + pack(">Hh", 1000, -20944)
    return frame(0x83, 1001, 1700000000, 20_000, body + pack(">hh", -12, 3))


def many_phasors() -> bytes:
    """PHNMR 65,535 in a frame of 100 bytes."""
    body = pack(">IH", 1_000_000, 1) + name("Greedy") + pack(">HHHHH", 1, 0, 0xFFFF, 0, 0)
    return frame(0x32, 1, 1700000000, 0, body.ljust(84, b"\0"))


VECTORS: dict[str, tuple[str, bytes]] = {
    "cfg2_integers": (cfg2_integers.__doc__ or "", cfg2_integers()),
    "data_integers": ("of cfg2_integers; the second phasor of Alpha is missing", data_integers()),
    "cfg3": ("one CFG-3: names in UTF-8, PHSCALE, ANSCALE, place, class, window", cfg3()),
    "cfg3_fragments": ("the same CFG-3 in three fragments, in order", b"".join(cfg3_fragments())),
    "data_floats": ("of cfg3; FRACSEC is TIME_BASE - 1", data_floats()),
    "data_angle_infinite": (
        "of cfg3; the first angle is infinite: found by fuzzing",
        angle_infinite(),
    ),
    "fracsec_leap_second": (leap_second.__doc__ or "", leap_second()),
    "header_empty": ("HDR without text, 16 bytes", frame(0x12, 7, 1700000000, 0, b"")),
    "header_text": ("HDR", frame(0x11, 7, 1700000000, 0, "Größe".encode())),
    "command_data_on": ("CMD 2", frame(0x42, 7, 1700000000, 0x0F000000, pack(">H", 2))),
    "stream_configuration_2024": (
        f"version 3: {configuration_2024.__doc__}",
        frame(0xB3, 1001, 1700000000, 0, configuration_2024()),
    ),
    "capability_2024": (
        "version 3: the same as capability",
        frame(0xA3, 1001, 1700000000, 0, configuration_2024()),
    ),
    "analog_2024": (
        "version 3 with ANNMR 1: where an analog's scale stands is not known",
        frame(0xB3, 1001, 1700000000, 0, configuration_2024(1)),
    ),
    "data_2024": ("version 3, of stream_configuration_2024; SYNC aa83", data_2024()),
    "command_2024": (
        "version 3: start, as somebody else may send it",
        frame(0xC3, 1001, 1700000000, 0, pack(">H", 0x20)),
    ),
    "error_2024": (
        "version 3: an error response",
        frame(0xF3, 1001, 1700000000, 0, pack(">HH", 2, 0)),
    ),
    "type_9_2024": ("SYNC aa93: a type of version 3", frame(0x93, 7, 1700000000, 0, bytes(10))),
    "version_3_type_0": (
        "SYNC aa03: a type of version 2, marked 3",
        frame(0x03, 7, 1700000000, 0, bytes(10)),
    ),
    "type_6": ("SYNC aa62: no such type", frame(0x62, 7, 1700000000, 0, bytes(10))),
    "cfg2_65535_phasors": (many_phasors.__doc__ or "", many_phasors()),
    "framesize_short": ("FRAMESIZE 15", frame(0x12, 7, 1700000000, 0, b"", size=15)),
}


def main() -> None:
    """Writes every vector."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for label, (what, raw) in VECTORS.items():
        text = " ".join(what.split())
        lines = [f"# {text}", "# by tests/drivers/make_c37118.py, no seed; bytes by the tables of"]
        lines += ["# C37.118.2-2011, CHK by Annex B, independent of the driver"]
        lines += [raw[at : at + 32].hex() for at in range(0, len(raw), 32)]
        (FOLDER / f"{label}.hex").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
