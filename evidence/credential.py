"""What an authority says of a device key: whose it is, where it stands, for which buses, from when
to when.

A CWT (RFC 8392) with a confirmation key (RFC 8747), signed with typ CREDENTIAL. Times are
NumericDate in s, UTC.

1. Buses and terminals are CIM mRIDs (UUIDs, 16 bytes), which tell nothing by themselves. A terminal
   is granted with its bus and with the direction that counts as positive: the sign of a power is
   part of what is vouched for.
2. The first key of a device has no rotation. A later one names the rotation (evidence.rotation) in
   which the key before agreed, and is the same device: the old key alone makes no credential, and
   the authority alone does not hand over.
3. Where that is (site, position of the antenna and how it was found, cable, the names of each bus
   and its offset from the antenna) are salted hashes (evidence.disclosure).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from evidence import cbor, shape
from evidence.code import ALG_ED25519, ALG_ESP256, Reason
from evidence.key import PublicKey
from evidence.merkle import HASH_BYTES

# RFC 8392 4 and RFC 8747 3.1; below -65536 is for private use (IANA CWT Claims).
_ISS, _SUB, _EXP, _NBF, _CTI, _CNF = 1, 2, 4, 5, 7, 8
_ROLE, _SITE, _POSITION, _BUSES = -65537, -65538, -65539, -65540
_TERMINALS, _SURVEY, _ANTENNA, _ROTATION = -65541, -65542, -65543, -65544
_CLAIMS = frozenset(
    {
        *(_ISS, _SUB, _EXP, _NBF, _CTI, _CNF, _ROLE, _SITE, _POSITION, _BUSES),
        *(_TERMINALS, _SURVEY, _ANTENNA, _ROTATION),
    }
)
_COSE_KEY = 1
_KTY, _CRV, _X, _Y = 1, -1, -2, -3  # RFC 9053 7
_OKP, _EC2, _CRV_ED25519, _CRV_P256 = 1, 2, 6, 1
BUSES_MAX = 256
TERMINALS_MAX = 4096  # as many as a descriptor has channels
MRID_BYTES = 16
DIRECTIONS = (0, 1, -1)  # unknown; positive into the terminal's equipment; positive out of it
ROLES = ("gateway", "bench")  # a bench's samples are simulated, whatever else they say


class Terminal(NamedTuple):
    """A CIM Terminal, the ConnectivityNode that it is at, and its positive direction."""

    terminal: bytes
    node: bytes
    direction: int


class Named(NamedTuple):
    """What is hidden of one bus: digests of its names, and of its offset from the antenna."""

    node: bytes
    names: bytes | None
    offset: bytes | None


@dataclass(frozen=True, slots=True)
class Credential:
    """One device key's credential.

    `site`, `position`, `survey`, `antenna` are digests; position None: not surveyed. `named` has a
    row for each bus of which something is hidden, in the order of `buses`.
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
    terminals: tuple[Terminal, ...] = ()
    survey: bytes | None = None  # how the position was found
    antenna: bytes | None = None  # cable and splitter
    named: tuple[Named, ...] = ()
    rotation: bytes | None = None  # name of the statement by which the key before hands over

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
            _BUSES: self._bus_rows(),
            _TERMINALS: self.terminals,
            _SURVEY: self.survey,
            _ANTENNA: self.antenna,
            _ROTATION: self.rotation,
        }
        return cbor.encode(claims)

    def _bus_rows(self) -> list[Named]:
        named = {item.node: item for item in self.named}
        return [named.get(bus, Named(bus, None, None)) for bus in self.buses]

    @property
    def digests(self) -> tuple[bytes, ...]:
        hidden = [self.site, self.position, self.survey, self.antenna]
        hidden += [digest for item in self.named for digest in (item.names, item.offset)]
        return tuple(item for item in hidden if item is not None)

    def refusal(self, claimed: Iterable[Terminal]) -> tuple[Reason, str] | None:
        """Why it does not grant what channels claim; None when it does. A claim without a terminal
        is of its bus alone; one without a direction (0) is granted with any.

        `claimed`: mRIDs that a channel does not name are empty.
        """
        buses, terminals = set(self.buses), set(self.terminals)
        places = {(item.terminal, item.node) for item in self.terminals}
        for one in claimed:
            if one.node and one.node not in buses:
                return Reason.BUS_NOT_GRANTED, f"the credential does not name bus {_uuid(one.node)}"
            if not one.terminal and one.direction:
                text = "a direction is claimed, and no terminal"
                return Reason.TERMINAL_NOT_GRANTED, text
            if one.terminal and (one.terminal, one.node) not in places:
                at = f"terminal {_uuid(one.terminal)} at bus {_uuid(one.node)}"
                return Reason.TERMINAL_NOT_GRANTED, f"the credential does not name {at}"
            if one.direction and one not in terminals:
                text = f"terminal {_uuid(one.terminal)} with direction {one.direction}"
                return Reason.TERMINAL_NOT_GRANTED, f"the credential does not name {text}"
        return None


def read(payload: bytes) -> Credential:
    """The credential in a payload. Raises EvidenceError."""
    claims = cbor.decode(payload)
    if type(claims) is not dict or claims.keys() != _CLAIMS:
        shape.fail("credential", claims, "the claims of a credential")
    buses = tuple(_read_bus(item) for item in _some(claims[_BUSES], "buses", BUSES_MAX))
    if len({bus.node for bus in buses}) < len(buses):
        shape.fail("buses", len(buses), "buses named once each")
    terminals = _some(claims[_TERMINALS], "terminals", TERMINALS_MAX)
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
        shape.blob(claims[_SITE], "site", HASH_BYTES),
        shape.optional(claims[_POSITION], shape.blob, "position", HASH_BYTES),
        tuple(bus.node for bus in buses),
        tuple(_read_terminal(item) for item in terminals),
        shape.optional(claims[_SURVEY], shape.blob, "survey", HASH_BYTES),
        shape.optional(claims[_ANTENNA], shape.blob, "antenna", HASH_BYTES),
        tuple(bus for bus in buses if bus.names is not None or bus.offset is not None),
        shape.optional(claims[_ROTATION], shape.blob, "rotation", HASH_BYTES),
    )


def read_direction(value: Any) -> int:
    """A positive direction. Raises EvidenceError."""
    direction = shape.integer(value, "direction")
    if direction not in DIRECTIONS:
        shape.fail("direction", direction, "0, 1 or -1")
    return direction


def _some(value: Any, field: str, most: int) -> tuple[Any, ...]:
    found = shape.array(value, field)
    if len(found) > most:
        shape.fail(field, len(found), f"at most {most}")
    return found


def _read_bus(value: Any) -> Named:
    node, names, offset = shape.array(value, "bus", 3)
    return Named(
        shape.blob(node, "bus", MRID_BYTES),
        shape.optional(names, shape.blob, "names", HASH_BYTES),
        shape.optional(offset, shape.blob, "offset", HASH_BYTES),
    )


def _read_terminal(value: Any) -> Terminal:
    terminal, node, direction = shape.array(value, "terminal", 3)
    return Terminal(
        shape.blob(terminal, "terminal", MRID_BYTES),
        shape.blob(node, "bus", MRID_BYTES),
        read_direction(direction),
    )


def _uuid(mrid: bytes) -> str:
    """An mRID as people write it."""
    return str(UUID(bytes=mrid)) if mrid else "none"


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
