"""Makes the vectors of the link and of the board's frame, from their text and other code than ours.

    python tests/vectors/board/make.py        writes vectors.json beside it

hashlib and hmac (SHA-256, HMAC), PyNaCl (Ed25519, X25519), zlib (CRC-32); COBS is written here once
more, an octet at a time. Deterministic: the same file every time.
"""

import hashlib
import hmac
import json
import struct
import zlib
from pathlib import Path

from nacl import bindings

KEY = bytes(range(32))
SEED = bytes(range(32, 64))
PUBLIC = bindings.crypto_sign_seed_keypair(SEED)[0]
BOOT = 7
# From a PMU's data frame, a line that has fallen silent, and nothing at all.
BODIES = (bytes.fromhex("aa01001200f15f5e100000000000000089c4"), b"\x00" * 9, b"")


def stuffed(plain: bytes) -> bytes:
    """COBS, an octet at a time."""
    out, block = bytearray(), bytearray()
    for octet in plain:
        if octet:
            block.append(octet)
        if not octet or len(block) == 254:
            out += bytes([len(block) + 1]) + block
            full, block = bool(octet), bytearray()
            if not full:
                continue
    return bytes(out + bytes([len(block) + 1]) + block)


def packet(kind: int, body: bytes) -> bytes:
    plain = bytes([kind]) + body
    return stuffed(plain + struct.pack(">I", zlib.crc32(plain))) + b"\0"


def frames() -> list[dict[str, object]]:
    link = hashlib.sha256(b"gridseal board chain 1\0" + PUBLIC + struct.pack(">I", BOOT)).digest()
    made: list[dict[str, object]] = []
    for seq, body in enumerate(BODIES):
        ticks, span = 1_000_000 * (seq + 1), 1389 * seq
        head = struct.pack(">BBBBIIQIH", 1, 1, seq, 1, BOOT, seq, ticks, span, len(body))
        raw = head + body + hmac.digest(KEY, head + body, "sha256")[:16]
        link = hashlib.sha256(link + raw).digest()
        made.append(
            {"port": seq, "ticks_us": ticks, "span_us": span, "body": body.hex()}
            | {"raw": raw.hex(), "link": link.hex()}
        )
    return made


def pong() -> dict[str, object]:
    """The octets of a PONG's tag are over what it is for, the boot, and the body before the tag."""
    session, nonce, heard, said = 0x01020304, bytes(range(0xA0, 0xA8)), 7_000_000, 7_000_100
    body = struct.pack(">I8sQQ", session, nonce, heard, said)
    signed = b"gridseal board ticks 1\0" + struct.pack(">I", BOOT) + body
    body += hmac.digest(KEY, signed, "sha256")[:16]
    told = {"session": session, "nonce": nonce.hex(), "heard_us": heard, "said_us": said}
    return told | {"packet": packet(0x83, body).hex()}


def vectors() -> dict[str, object]:
    """Everything, by what it is of; octets in hexadecimal."""
    chain = frames()
    link = bytes.fromhex(str(chain[-1]["link"]))
    signed = b"gridseal board head 1\0" + PUBLIC + struct.pack(">II", BOOT, len(BODIES) - 1) + link
    scalar, point = bytes(range(1, 33)), bindings.crypto_scalarmult_base(bytes(range(2, 34)))
    plains = (b"", b"\0", b"\0\0", b"\1" * 254, b"\1" * 255, b"\0" + b"\2" * 600 + b"\0")
    return {
        "key": KEY.hex(),
        "seed": SEED.hex(),
        "public": PUBLIC.hex(),
        "boot": BOOT,
        "frames": chain,
        "head": {
            "message": signed.hex(),
            "signature": bindings.crypto_sign(signed, SEED + PUBLIC)[:64].hex(),
        },
        "x25519": {
            "scalar": scalar.hex(),
            "point": point.hex(),
            "shared": bindings.crypto_scalarmult(scalar, point).hex(),
        },
        "pong": pong(),
        "sha512": [
            {"message": plain.hex(), "digest": hashlib.sha512(plain).hexdigest()}
            for plain in plains
        ],
        "packets": [
            {"kind": kind, "body": body.hex(), "packet": packet(kind, body).hex()}
            for kind, body in enumerate(plains, 0x7E)
        ],
    }


def text() -> str:
    return json.dumps(vectors(), indent=1) + "\n"


if __name__ == "__main__":
    Path(__file__).with_name("vectors.json").write_text(text())
