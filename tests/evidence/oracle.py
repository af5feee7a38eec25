"""Questions to independent libraries: `cwt` for COSE, `cryptography` for P-256. JSON in, JSON out.

Runs in an environment of its own, .oracle, which has nothing of ours; a list of questions on
standard input is answered by a list on standard output. It decides nothing.
"""

import hashlib
import json
import sys
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cwt import COSE, COSEKey  # type: ignore[import-not-found]
from cwt.exceptions import CWTError  # type: ignore[import-not-found]

_EC = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)  # RFC 6979


def p256_private(question: dict[str, Any]) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int(question["secret"], 16), ec.SECP256R1())


def p256_public(question: dict[str, Any]) -> str:
    numbers = p256_private(question).public_key().public_numbers()
    return f"{numbers.x:064x}{numbers.y:064x}"


def p256_sign(question: dict[str, Any]) -> str:
    signature = p256_private(question).sign(bytes.fromhex(question["message"]), _EC)
    return "".join(f"{part:064x}" for part in decode_dss_signature(signature))


def p256_verify(question: dict[str, Any]) -> bool:
    raw, signature = bytes.fromhex(question["key"]), bytes.fromhex(question["signature"])
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + raw)
        key.verify(encode_dss_signature(r, s), bytes.fromhex(question["message"]), _EC)
    except (InvalidSignature, ValueError):
        return False
    return True


def verify(question: dict[str, Any]) -> list[Any]:
    """[the payload in hex, the typ]; [null, why] where the library refuses."""
    raw = bytes.fromhex(question["key"]["raw"])
    kid = hashlib.sha256(raw).digest()[:8]
    if question["key"]["alg"] == -19:
        parts = {1: 1, 2: kid, 3: -19, -1: 6, -2: raw}
    else:
        parts = {1: 2, 2: kid, 3: -9, -1: 1, -2: raw[:32], -3: raw[32:]}
    try:
        protected, _, payload = COSE.new().decode_with_headers(
            bytes.fromhex(question["encoded"]),
            COSEKey.new(parts),
            external_aad=bytes.fromhex(question["aad"]),
        )
    except (CWTError, ValueError, TypeError, AttributeError) as fault:
        return [None, type(fault).__name__]
    return [bytes(payload).hex(), protected.get(16)]


ANSWERS = {
    "p256_public": p256_public,
    "p256_sign": p256_sign,
    "p256_verify": p256_verify,
    "verify": verify,
}

if __name__ == "__main__":
    asked = json.load(sys.stdin)
    json.dump([ANSWERS[question["do"]](question) for question in asked], sys.stdout)
