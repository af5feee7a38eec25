"""Makes the vectors of Sampled Values, and frames for other tests, from the tables of IEC 61850-9-2
clause 8, by other code than drivers/sv and hil/devices/sv.py.

    python -m tests.drivers.make_sv

No seed. `expected.json` is written by hand.
"""

import struct
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent / "vectors" / "sv"
TARGET, SOURCE = bytes.fromhex("010ccd040001"), bytes.fromhex("0200000000a1")
SAMPLE = struct.Struct(">" + "iI" * 8)
VLAN = bytes.fromhex("8100800a")
# 2026-11-25 12:00:00.5 UTC, 10 bits of accuracy.
REFR_TM = (1_795_608_000).to_bytes(4, "big") + b"\x80\0\0\x0a"
HSR_TYPE, RCT_SUFFIX = b"\x89\x2f", b"\x88\xfb"


def tlv(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 128:
        return bytes((tag, size)) + content
    return bytes((tag, 0x82)) + size.to_bytes(2, "big") + content


def sample(number: int, quality: int = 0) -> bytes:
    """Eight values that tell the channel and the number."""
    return SAMPLE.pack(*(part for at in range(8) for part in (1000 * at - number, quality)))


def asdu(count: int, content: bytes, sv_id: str = "MU01", synch: int | None = 2, **more: bytes):
    """`more`: dat_set, refr_tm, smp_rate, smp_mod, gm_identity, conf_rev."""
    fields = [
        (0x80, sv_id.encode("utf-8")),
        (0x81, more.get("dat_set")),
        (0x82, struct.pack(">H", count)),
        (0x83, more.get("conf_rev", bytes((0, 0, 0, 1)))),
        (0x84, more.get("refr_tm")),
        (0x85, None if synch is None else bytes((synch,))),
        (0x86, more.get("smp_rate")),
        (0x87, content),
        (0x88, more.get("smp_mod")),
        (0x89, more.get("gm_identity")),
    ]
    return tlv(0x30, b"".join(tlv(tag, each) for tag, each in fields if each is not None))


def sav_pdu(*asdus: bytes, stated: int | None = None, security: bytes | None = None) -> bytes:
    parts = tlv(0x80, bytes((len(asdus) if stated is None else stated,)))
    if security is not None:
        parts += tlv(0x81, security)
    return tlv(0x60, parts + tlv(0xA2, b"".join(asdus)))


def frame(
    apdu: bytes,
    tags: bytes = b"",
    appid: int = 0x4000,
    simulated: bool = False,
    source: bytes = SOURCE,
    length: int | None = None,
) -> bytes:
    said = len(apdu) + 8 if length is None else length
    head = struct.pack(">HHHH", appid, said, 0x8000 if simulated else 0, 0)
    return TARGET + source + tags + b"\x88\xba" + head + apdu


def plain(count: int, rate: int = 4800, asdus: int = 1, **how: object) -> bytes:
    """A frame of one stream, whose samples are by their counts."""
    quality, synch = how.pop("quality", 0), how.pop("synch", 2)
    sv_id = how.pop("sv_id", "MU01")
    more = {
        name: how.pop(name)
        for name in ("dat_set", "refr_tm", "smp_rate", "smp_mod", "gm_identity", "conf_rev")
        if name in how
    }
    several = [
        asdu((count + at) % rate, sample(count + at, quality), sv_id, synch, **more)  # type: ignore[arg-type]
        for at in range(asdus)
    ]
    return frame(sav_pdu(*several), **how)  # type: ignore[arg-type]


def prp(made: bytes, sequence: int, lan: int, tags: int = 0) -> bytes:
    """With a trailer. `tags`: octets of VLAN tags in the frame, which its size does not count."""
    size = len(made) - 14 - tags + 6
    return made + struct.pack(">HH", sequence, lan << 12 | size) + RCT_SUFFIX


def hsr(made: bytes, sequence: int, path: int) -> bytes:
    """With a tag, of a frame without others."""
    size = len(made) - 14 + 6
    return made[:12] + HSR_TYPE + struct.pack(">HH", path << 12 | size, sequence) + made[12:]


def block(*frames: bytes) -> bytes:
    """As drivers/sv/block.py lays it out."""
    each = b"".join(len(one).to_bytes(2, "big") + one for one in frames)
    return b"\x01" + len(frames).to_bytes(2, "big") + each


def made() -> dict[str, tuple[str, bytes]]:
    """Every vector, with what it is."""
    le = plain(4799)
    whole = [
        asdu(
            10 + at, sample(10 + at), dat_set=b"MU1/LLN0$Phs", smp_rate=b"\x00\x50", smp_mod=b"\0\0"
        )
        for at in range(2)
    ]
    nested = b"\x30\x80" * 1000
    return {
        "le": ("9-2LE: one ASDU, smpCnt 4799 of 4,800", le),
        "le_vlan": ("the same, VLAN 10, priority 4", plain(4799, tags=VLAN)),
        "le_prp": ("the same, LAN B of PRP", prp(le, 0x1234, 0xB)),
        "le_hsr": ("the same, path 1 of HSR", hsr(le, 0x1234, 1)),
        "six": ("IEC 61869-9: six ASDUs of 14,400/s", plain(14_394, 14_400, 6)),
        "every_field": (
            "two ASDUs with every field but refrTm and gmIdentity",
            frame(sav_pdu(*whole)),
        ),
        "refr_tm": (
            "refrTm of 2026-11-25 12:00:00.5 UTC, accuracy of 10 bits; gmIdentity",
            plain(2400, refr_tm=REFR_TM, gm_identity=bytes(8)),
        ),
        "simulated": ("the simulation bit", plain(1, simulated=True)),
        "security": ("security in the PDU", frame(sav_pdu(asdu(1, sample(1)), security=bytes(16)))),
        "padded": ("four octets behind Length", plain(1) + bytes(4)),
        "no_synch": ("without smpSynch, as the first edition allows", plain(1, synch=None)),
        "two_names": (
            "two svIDs in one frame",
            frame(sav_pdu(asdu(5, sample(5), "A"), asdu(5, sample(6), "B"))),
        ),
        "count_lies": ("noASDU 3, two there", frame(sav_pdu(*whole, stated=3))),
        "length_2_31": (
            "a sample whose length is 2^31",
            frame(tlv(0x60, b"\x80\x01\x01\xa2\x06\x30\x84\x80\x00\x00\x00")),
        ),
        "length_lies": (
            "Length beyond the frame",
            plain(1).replace(b"\x40\x00\x00", b"\x40\x00\x03", 1),
        ),
        "nested": ("a thousand levels of indefinite length", frame(nested)),
        "no_sample": (
            "an ASDU without sample",
            frame(sav_pdu(tlv(0x30, b"\x80\x01A\x82\x02\0\x01"))),
        ),
        "block": (
            "samples 0 to 2 and 4 of a block of five at 100/s",
            block(*map(plain, (0, 1, 2, 4))),
        ),
    }


def main() -> None:
    ROOT.mkdir(exist_ok=True)
    for name, (about, raw) in made().items():
        lines = [raw[at : at + 32].hex() for at in range(0, len(raw), 32)]
        text = f"# {about}\n# by tests/drivers/make_sv.py, no seed\n" + "\n".join(lines) + "\n"
        (ROOT / f"{name}.hex").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
