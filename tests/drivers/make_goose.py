"""Makes tests/vectors/goose/*.hex from IEC 61850-8-1 Annexes A and C and IEC 61850-90-5, by hand.

    python -m tests.drivers.make_goose

1. It uses none of the driver's code: tags, lengths and contents are written out field by field.
2. There is no randomness: the same bytes come out every time.

What the vectors must decode to stands in expected.json, written by hand.
"""

from pathlib import Path
from struct import pack

FOLDER = Path(__file__).resolve().parent.parent / "vectors" / "goose"
DESTINATION, SOURCE = bytes.fromhex("010ccd010001"), bytes.fromhex("0030a7001122")
T = bytes.fromhex("6553f100800000") + b"\x8a"  # 1700000000.5, LeapSecondsKnown, 10 bits


def tlv(tag: int, contents: bytes) -> bytes:
    size = len(contents)
    if size < 0x80:
        return bytes((tag, size)) + contents
    if size < 0x100:
        return bytes((tag, 0x81, size)) + contents
    return bytes((tag, 0x82)) + pack(">H", size) + contents


def message(
    entries: list[bytes],
    told: int | None = None,
    st: bytes = b"\x05",
    sq: bytes = b"\x00",
    simulation: bytes = b"\x00",
    rest: bytes = b"",
) -> bytes:
    count = len(entries) if told is None else told
    fields = (
        tlv(0x80, b"IED1LD0/LLN0$GO$gcb01"),
        tlv(0x81, b"\x07\xd0"),  # 2000 ms
        tlv(0x82, b"IED1LD0/LLN0$dsTrip"),
        tlv(0x83, b"TRIP"),
        tlv(0x84, T),
        tlv(0x85, st),
        tlv(0x86, sq),
        tlv(0x87, simulation),
        tlv(0x88, b"\x03"),
        tlv(0x89, b"\x00"),
        tlv(0x8A, bytes((count,))),
        tlv(0xAB, b"".join(entries)),
        rest,
    )
    return tlv(0x61, b"".join(fields))


def frame(
    pdu: bytes, tags: bytes = b"", reserved1: int = 0, behind: bytes = b"", length: int = 0
) -> bytes:
    """Destination, source, tags, EtherType, APPID, Length (which may lie), Reserved1 and 2."""
    head = pack(">HHHHH", 0x88B8, 0x3001, length or 8 + len(pdu), reserved1, 0)
    return DESTINATION + SOURCE + tags + head + pdu + behind


TRIP = [
    tlv(0x83, b"\x01"),
    tlv(0x84, b"\x03\x00\x00"),  # a good quality
    tlv(0x84, b"\x06\x80"),  # a double point, on
    tlv(0x87, b"\x08" + pack(">f", 131.5)),
]
DEEP = b""
for _ in range(1000):
    DEEP = tlv(0xA2, DEEP)


def all_types() -> bytes:
    structure = tlv(0xA2, tlv(0x83, b"\x00") + tlv(0xA1, tlv(0x85, b"\x01") + tlv(0x85, b"\x02")))
    return frame(
        message(
            [
                tlv(0x83, b"\xff"),
                tlv(0x84, b"\x03\x40\x08"),
                tlv(0x85, b"\xff\x7f"),
                tlv(0x85, b"\x80" + bytes(7)),
                tlv(0x86, b"\x00\xff\xff\xff\xff"),
                tlv(0x87, b"\x08" + pack(">f", -0.5)),
                tlv(0x87, b"\x0b" + pack(">d", 1e-300)),
                tlv(0x89, b"\x00\xff"),
                tlv(0x8A, b"Bay 7"),
                tlv(0x8B, b"20231114221320Z"),
                tlv(0x8C, b"\x00\x00\x03\xe8\x38\xc5"),
                tlv(0x8C, b"\x00\x00\x03\xe8"),
                tlv(0x8D, b"\x12"),
                tlv(0x8E, b"\x05\xa0"),
                tlv(0x8F, b"\x2b\x86\x48"),
                tlv(0x90, "Süd".encode()),
                tlv(0x91, T),
                structure,
            ]
        )
    )


def routed(version: int, *security: int, form: str) -> bytes:
    """R-GOOSE, not encrypted, with a signature of 4 octets that nobody made."""
    pdu = message(TRIP)
    payload = b"\x81\x00" + pack(">HH", 0x3001, len(pdu)) + pdu
    keys = pack(">IH", 1700000000, 60) + pack(form, *security)
    common = pack(">IIH", 14 + len(keys) + len(payload), 77, version) + keys
    header = b"\x80" + bytes((len(common),)) + common
    session = b"\xa1" + bytes((len(header),)) + header + pack(">I", len(payload)) + payload
    return b"\x01\x40" + session + b"\x85\x04\xde\xad\xbe\xef"


def prp(raw: bytes) -> bytes:
    """With a trailer of LAN A (IEC 62439-3 4.2.7)."""
    size = len(raw) - 14 + 6
    return raw + pack(">HHH", 0x1234, 0xA000 | size, 0x88FB)


VECTORS = {
    "trip": ("a data set of four", frame(message(TRIP))),
    "vlan": ("VLAN 10, priority 4", frame(message(TRIP), bytes.fromhex("8100800a"))),
    "hsr": ("IEC 62439-3 5.7", frame(message(TRIP), bytes.fromhex("892f00b20007"))),
    "prp": ("LAN A", prp(frame(message(TRIP)))),
    "fixed_length": (
        "numbers of five octets",
        frame(message(TRIP, st=b"\x00\xff\xff\xff\xff", sq=b"\x00\x00\x00\x00\x07")),
    ),
    "simulated": ("the bit of Reserved1 alone", frame(message(TRIP), reserved1=0x8000)),
    "simulation": ("the flag of the message alone", frame(message(TRIP, simulation=b"\x01"))),
    "all_types": ("every type of Data", all_types()),
    "security": (
        "IEC 62351-6: security in the message, an extension of 3 octets behind it",
        frame(message(TRIP, rest=tlv(0xAC, b"\x01\x02")), reserved1=3, behind=b"\xaa\xbb\xcc"),
    ),
    "padded": ("padded, as a bridge does", frame(message(TRIP), behind=bytes(20))),
    "routed": ("IEC 61850-90-5, version 1", routed(1, 0, 1, 9, form=">BBI")),
    "routed_2": (
        "IEC 61850-90-5, version 2: no initialisation vector",
        routed(2, 9, 0, form=">IB"),
    ),
    "entries_lie": ("numDatSetEntries 5 of 4", frame(message(TRIP, told=5))),
    "deep": ("structures nested 1,000 deep", frame(message([DEEP]))),
    "length_2_31": (
        "an entry of 2^31 octets",
        frame(message([b"\x8a\x84\x80\x00\x00\x00abc"])),
    ),
    "length_lies": ("Length 9 beyond the frame", frame(message(TRIP), length=8 + 9 + 142)),
    "twice": ("goID twice", frame(message(TRIP).replace(b"\x84\x08" + T, tlv(0x83, b"TRIPPPPP")))),
}


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, (what, raw) in VECTORS.items():
        lines = [
            f"# {what}",
            "# by tests/drivers/make_goose.py, no seed; octets by IEC 61850-8-1 A and C,",
            "# independent of the driver",
        ]
        text = raw.hex()
        lines += [text[at : at + 64] for at in range(0, len(text), 64)]
        (FOLDER / f"{name}.hex").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
