"""Whom a file makes believe: its statements, from the trust anchors down to each descriptor.

1. A credential is signed by an authority of the anchors, a run by the device key of its credential
   (and the run key agreed), a descriptor by its run key. A later key of a device has a credential
   that names the rotation by which the key before handed over.
2. Nothing is believed before the signature over it held, and nothing that names what did not come
   before it.
3. A file is one device's.

What they say of batches is evidence.verifier's.
"""

from collections.abc import Iterable, Mapping, Sized
from typing import NamedTuple

from evidence import cose, descriptor, disclosure, merkle, position, rotation, run, trust
from evidence.code import Reason, Typ
from evidence.credential import Credential
from evidence.edge import Edges, Link
from evidence.export import Pairs, Stated
from evidence.head import Range
from evidence.key import PublicKey
from evidence.refusal import EvidenceError
from evidence.rotation import Rotation
from evidence.run import Reached
from evidence.tally import Tally
from evidence.trust import Anchors

# Of one file, kept in memory while it is checked: credentials and runs; descriptors (300 bytes
# each); what all runs say they continue; readers, which the oldest leaves for the next.
RUNS_MAX, DESCRIPTORS_MAX, REACHED_MAX, READERS_MAX = 1 << 14, 1 << 17, 1 << 18, 1024


class Granted(NamedTuple):
    """A credential, and the first key of its device."""

    says: Credential
    device: bytes


class Run(NamedTuple):
    name: bytes
    public: PublicKey
    credential: Credential
    place: bytes | None  # that it grants; None: none, or it is not disclosed
    reached: Mapping[int, Reached]
    uncertain: bool


class Ruling(NamedTuple):
    """A descriptor, as far as it rules ranges."""

    name: bytes
    stream: int
    seq: int
    run: Run


class Statements:
    """The statements of one file that hold."""

    def __init__(self, anchors: Anchors, edges: Edges, tally: Tally) -> None:
        self._anchors, self._edges, self._tally = anchors, edges, tally
        self._credentials: dict[bytes, Granted] = {}
        self._rotations: dict[bytes, tuple[Rotation, Granted]] = {}  # and from whom
        self._places: dict[bytes, bytes] = {}  # that they grant, where it is disclosed
        self._runs: dict[bytes, Run] = {}
        self._rulings: dict[bytes, Ruling] = {}
        self._reached = 0
        self.device: bytes | None = None

    def add(self, item: Stated) -> cose.Sign1:
        """The next statement, once it holds. Raises EvidenceError."""
        message = cose.read(item.encoded)
        known = (self._credentials, self._rotations, self._runs, self._rulings)
        if any(message.name in names for names in known):
            raise EvidenceError(Reason.SHAPE, f"statement {message.name.hex()[:16]} is there twice")
        if message.typ == Typ.CREDENTIAL:
            self._add_credential(cose.stated(message, Typ.CREDENTIAL), item.pairs)
        elif message.typ == Typ.ROTATION:
            self._add_rotation(cose.stated(message, Typ.ROTATION), item.pairs)
        elif message.typ == Typ.RUN:
            self._add_run(cose.stated(message, Typ.RUN), item.pairs)
        else:
            self._add_descriptor(cose.stated(message, Typ.DESCRIPTOR), item.pairs)
        self._tally.statements += 1
        return message

    def _add_credential(self, message: cose.Sign1, pairs: Pairs | None) -> None:
        says = trust.vouched(message, self._anchors.authorities)
        device = says.key.raw
        if says.rotation is not None:
            if says.rotation not in self._rotations:
                raise _unknown(Typ.ROTATION, says.rotation)
            over, before = self._rotations[says.rotation]
            over.check_grant(before.says, says)
            device = before.device
        told = self._disclosed(pairs, says.digests)
        _bounded(self._credentials, RUNS_MAX)
        self._credentials[message.name] = Granted(says, device)
        if says.position in told:
            self._places[message.name] = told[says.position]

    def _add_rotation(self, message: cose.Sign1, pairs: Pairs | None) -> None:
        value = rotation.read(message.payload)
        before = self._granted(value.credential)
        cose.check(message, before.says.key)
        value.check_possession()
        self._disclosed(pairs, ())
        _bounded(self._rotations, RUNS_MAX)
        self._rotations[message.name] = (value, before)

    def _add_run(self, message: cose.Sign1, pairs: Pairs | None) -> None:
        value = run.read(message.payload)
        under, device = self._granted(value.credential)
        cose.check(message, under.key)
        value.check_possession(under.key)
        self._disclosed(pairs, ())
        if self.device not in (None, device):
            raise EvidenceError(Reason.RUN, f"run {message.name.hex()[:16]} is another device's")
        self._reached += len(value.reached)
        if self._reached > REACHED_MAX:
            raise EvidenceError(Reason.TOO_LONG, f"runs continue more than {REACHED_MAX} streams")
        _bounded(self._runs, RUNS_MAX)
        self.device = device
        self._runs[message.name] = Run(
            *(message.name, value.public, under, self._places.get(value.credential)),
            *({one.stream: one for one in value.reached}, value.uncertain),
        )

    def _add_descriptor(self, message: cose.Sign1, pairs: Pairs | None) -> None:
        value = descriptor.read(message.payload)
        by = self.run(value.run)
        cose.check(message, by.public)
        refused = by.credential.refusal(value.claimed)
        if refused:
            raise EvidenceError(*refused)
        before = by.reached.get(value.stream)
        if value.seq == 0 and value.prev != (before.leaf if before else merkle.ZERO):
            text = f"stream {value.stream} does not begin where its run says"
            raise EvidenceError(Reason.LINK, text)
        told = self._disclosed(pairs, value.digests)
        elsewhere = position.refusal(told.get(value.position or b""), by.place)
        if elsewhere:
            raise EvidenceError(Reason.PLACE_NOT_GRANTED, elsewhere)
        _bounded(self._rulings, DESCRIPTORS_MAX)
        self._rulings[message.name] = Ruling(message.name, value.stream, value.seq, by)
        link = Link(value.seq, value.prev, merkle.leaf_hash(message.encoded))
        self._edges.describe(by.name, value.stream, link)
        self._tally.name(value.stream, told.get(value.source))

    def _disclosed(self, pairs: Pairs | None, digests: Iterable[bytes]) -> dict[bytes, bytes]:
        wanted = set(digests)
        found = disclosure.match(pairs or (), wanted)
        self._tally.disclosed |= bool(found)
        self._tally.hidden += len(wanted) - len(found)
        return found

    def _granted(self, name: bytes) -> Granted:
        found = self._credentials.get(name)
        if found is None:
            raise _unknown(Typ.CREDENTIAL, name)
        return found

    def run(self, name: bytes) -> Run:
        """Raises EvidenceError(UNKNOWN_NAME)."""
        found = self._runs.get(name)
        if found is None:
            raise _unknown(Typ.RUN, name)
        return found

    def ruling(self, part: Range) -> Ruling:
        """What rules a range. Raises EvidenceError(UNKNOWN_NAME)."""
        found = self._rulings.get(part.descriptor)
        if found is None:
            raise _unknown(Typ.DESCRIPTOR, part.descriptor)
        return found


def _unknown(typ: Typ, name: bytes) -> EvidenceError:
    text = f"names {typ.name.lower()} {name.hex()[:16]}, which is not in the file before it"
    return EvidenceError(Reason.UNKNOWN_NAME, text)


def _bounded(names: Sized, most: int) -> None:
    if len(names) >= most:
        raise EvidenceError(Reason.TOO_LONG, f"more than {most} statements of a kind")
