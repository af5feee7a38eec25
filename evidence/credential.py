"""What an authority says of a device key: whose it is, where it stands, for which buses, from when
to when.

A CWT (RFC 8392) with a confirmation key (RFC 8747), signed with typ CREDENTIAL. Times are
NumericDate in s, UTC. Site name and position are salted hashes (evidence.disclosure); buses are CIM
mRIDs (UUIDs, 16 bytes), which tell nothing by themselves.
"""

from dataclasses import dataclass
from typing import Any

from evidence import cbor, shape
from evidence.code import ALG_ED25519, ALG_ESP256
from evidence.key import PublicKey

# RFC 8392 4 and RFC 8747 3.1; below -65536 is for private use (IANA CWT Claims).
_ISS, _SUB, _EXP, _NBF, _CTI, _CNF = 1, 2, 4, 5, 7, 8
_ROLE, _SITE, _POSITION, _BUSES = -65537, -65538, -65539, -65540
_COSE_KEY = 1
_KTY, _CRV, _X, _Y = 1, -1, -2, -3  # RFC 9053 7
_OKP, _EC2, _CRV_ED25519, _CRV_P256 = 1, 2, 6, 1
BUSES_MAX = 256
MRID_BYTES = 16
ROLES = ("gateway", "bench")  # a bench's samples are simulated, whatever else they say


@dataclass(frozen=True, slots=True)
class Credential:
    """One device key's credential.

    `site` and `position` are digests; position None: not surveyed.
    """

    issuer: str
    subject: str
    serial: bytes
    not_before_s: int
    expires_s: int
    key: PublicKey
    role: str
    site: bytes
    position: bytes | None
    buses: tuple[bytes, ...]

    def payload(self) -> bytes:
        claims: dict[int, Any] = {
            _ISS: self.issuer,
            _SUB: self.subject,
            _EXP: self.expires_s,
            _NBF: self.not_before_s,
            _CTI: self.serial,
            _CNF: {_COSE_KEY: _cose_key(self.key)},
            _ROLE: ROLES.index(self.role),
            _SITE: self.site,
            _POSITION: self.position,
            _BUSES: self.buses,
        }
        return cbor.encode(claims)

    @property
    def digests(self) -> tuple[bytes, ...]:
        return (self.site,) if self.position is None else (self.site, self.position)


def read(payload: bytes) -> Credential:
    """The credential in a payload. Raises EvidenceError."""
    claims = cbor.decode(payload)
    wanted = {_ISS, _SUB, _EXP, _NBF, _CTI, _CNF, _ROLE, _SITE, _POSITION, _BUSES}
    if type(claims) is not dict or claims.keys() != wanted:
        shape.fail("credential", claims, "the claims of a credential")
    buses = shape.array(claims[_BUSES], "buses")
    if len(buses) > BUSES_MAX:
        shape.fail("buses", len(buses), f"at most {BUSES_MAX}")
    cnf = claims[_CNF]
    if type(cnf) is not dict or cnf.keys() != {_COSE_KEY}:
        shape.fail("cnf", cnf, "a COSE key")
    return Credential(
        shape.text(claims[_ISS], "iss"),
        shape.text(claims[_SUB], "sub"),
        shape.blob(claims[_CTI], "cti"),
        shape.uint(claims[_NBF], "nbf"),
        shape.uint(claims[_EXP], "exp"),
        _read_cose_key(cnf[_COSE_KEY]),
        ROLES[shape.uint(claims[_ROLE], "role", len(ROLES) - 1)],
        shape.blob(claims[_SITE], "site", 32),
        shape.optional(claims[_POSITION], shape.blob, "position", 32),
        tuple(shape.blob(bus, "bus", MRID_BYTES) for bus in buses),
    )


def _cose_key(key: PublicKey) -> dict[int, Any]:
    if key.alg == ALG_ED25519:
        return {_KTY: _OKP, _CRV: _CRV_ED25519, _X: key.raw}
    return {_KTY: _EC2, _CRV: _CRV_P256, _X: key.raw[:32], _Y: key.raw[32:]}


def _read_cose_key(value: Any) -> PublicKey:
    if type(value) is not dict:
        shape.fail("cnf", value, "a COSE key")
    kind = (shape.uint(value.get(_KTY), "kty"), shape.uint(value.get(_CRV), "crv"))
    if value.keys() == {_KTY, _CRV, _X} and kind == (_OKP, _CRV_ED25519):
        return PublicKey(ALG_ED25519, shape.blob(value[_X], "x", 32))
    if value.keys() == {_KTY, _CRV, _X, _Y} and kind == (_EC2, _CRV_P256):
        return PublicKey(
            ALG_ESP256, shape.blob(value[_X], "x", 32) + shape.blob(value[_Y], "y", 32)
        )
    shape.fail("cnf", value, "an Ed25519 or P-256 key")
