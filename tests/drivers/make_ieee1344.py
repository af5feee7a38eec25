"""Makes tests/vectors/ieee1344/*.hex field by field, by the layout that drivers/ieee1344/README.md
has from public sources.

    python -m tests.drivers.make_ieee1344

It uses none of the driver's code, and there is no randomness: the same bytes come out every time.
What the vectors must decode to stands in expected.json, written by hand.
"""

from pathlib import Path
from struct import pack

from tests.drivers.make_c37118 import crc, name

FOLDER = Path(__file__).resolve().parent.parent / "vectors" / "ieee1344"
SOC = 1_700_000_000 + 2_208_988_800  # 2023-11-14T22:13:20 UTC, counted from 1900


def frame(sample: int, status: int, body: bytes, soc: int = SOC, length: int = 0) -> bytes:
    """SOC, SMPCNT, STATUS with the length (which may lie), body, CHK."""
    head = pack(">IHH", soc, sample, status | (length or 10 + len(body)))
    return head + body + pack(">H", crc(head + body))


def configuration_body() -> bytes:
    body = name("Umspannwerk Süd")[:16] + pack(">Q", 4711) + pack(">HH", 2, 1)
    body += name("U L1") + name("I L1") + name("Breaker")
    body += pack(">II", 0x001E8480, 0x010186A0) + pack(">H", 0x0011)
    return body + pack(">HH", 0x0001, 100)  # 50 Hz, a frame a cycle


def configuration() -> bytes:
    """Configuration: 50 frames a second at 50 Hz, two phasors and a digital word."""
    return frame(0x4000, 0, configuration_body())


def configuration_parts() -> bytes:
    """The same in three parts."""
    body = configuration_body()
    parts = [(0x4800, body[:50]), (0x5800, body[50:80]), (0x5000, body[80:])]
    return b"".join(frame(sample, 0, part) for sample, part in parts)


def data() -> bytes:
    body = pack(">hh", 3000, -4000) + pack(">hh", -32768, 1) + pack(">hh", -250, 37)
    return frame(0x0000 | 48, 0x1800, body + pack(">H", 0x8001))


def data_unsynchronised() -> bytes:
    """Data of the same PMU: not synchronised, not valid; the first sample of its second."""
    return frame(0, 0xC000, pack(">hhhhhh", 0, 0, 0, 0, 0, 0) + pack(">H", 0))


def configuration_absent() -> bytes:
    """A configuration at 60 Hz that measures neither frequency nor its rate of change."""
    body = name("Bare") + pack(">Q", 1) + pack(">HH", 0, 0) + pack(">HH", 0x0300, 200)
    return frame(0x4000, 0, body)


def command() -> bytes:
    head = pack(">IQH", SOC, 4711, 2)
    return head + pack(">H", crc(head))


VECTORS: dict[str, tuple[str, bytes]] = {
    "configuration": (configuration.__doc__ or "", configuration()),
    "configuration_parts": (configuration_parts.__doc__ or "", configuration_parts()),
    "data": ("of configuration; sample 48 of its second, trigger 3", data()),
    "data_unsynchronised": (data_unsynchronised.__doc__ or "", data_unsynchronised()),
    "configuration_absent": (configuration_absent.__doc__ or "", configuration_absent()),
    "data_absent": ("of configuration_absent", frame(0, 0, pack(">hh", 5, 7))),
    "header": ("a header file in one part", frame(0x2000, 0, b"PMU in bay 3")),
    "header_empty": ("a header without text, 10 bytes", frame(0x2000, 0, b"")),
    "command_data_on": ("command 2", command()),
    "type_3": ("SMPCNT 6000: no such type", frame(0x6000, 0, bytes(10))),
    "era_1": ("2036-02-07T06:28:16 UTC: SOC is 0 again", frame(0, 0, bytes(10), soc=0)),
    "configuration_65535_phasors": (
        "PHNMR 65,535 in a frame of 60 bytes",
        frame(0x4000, 0, name("Greedy") + pack(">QHH", 1, 0xFFFF, 0) + bytes(22)),
    ),
}


def main() -> None:
    """Writes every vector."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for label, (what, raw) in VECTORS.items():
        lines = [f"# {' '.join(what.split())}", "# by tests/drivers/make_ieee1344.py, no seed"]
        lines += [raw[at : at + 32].hex() for at in range(0, len(raw), 32)]
        (FOLDER / f"{label}.hex").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
