"""Who the authorities are, at each place of the log: roles, footprints, keys, successors. Body of a
record of matter REGISTRY, and what its bodies come to.

    registry = [name, [* role], [* footprint], [* key], [* revoked: hash], successor of / null]
    key = [alg, raw key, from: tai, until: tai / null, possession: signature / null]

1. A body is all that holds of one authority from the place where it comes into force: roles,
   footprints and keys replace those before; a key that was revoked stays revoked. What was signed
   before was judged where it stands, and stays.
2. Anchors found it: an authority that has a role there is in it before the first record, with keys
   of no end.
3. A successor has, beside its own, the roles and footprints of what it follows, whose keys sign no
   more. What the predecessor said before stands as the successor's word; and where the predecessor
   was asked before, the successor may answer afterwards.
4. A key is one authority's, for ever, and is named by its kid: two keys with one kid do not both
   come in.
5. A key holds from its `from` to before its `until`, by the log's clock where its signature came.
6. A key that the registry does not have as this authority's comes with `possession`: its own
   signature over all of this listing but such signatures. A key that is mistyped, of small order,
   somebody else's, or that agreed to another listing has none, so that nobody is asked for what
   nobody can sign. Beside another key a signature may stand, and then holds as well.

Bodies are read and followed here; whether one has come into force is evidence.joint.state's.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, NamedTuple

from evidence import cbor, cose, shape
from evidence.code import Reason, Role
from evidence.joint.record import NAMES_MAX, TAI_MAX, read_name
from evidence.key import SIGNATURE_BYTES, PublicKey, Signer
from evidence.merkle import HASH_BYTES
from evidence.refusal import EvidenceError
from evidence.trust import Authority

KEYS_MAX = 64  # of one body: an authority has a few at a time


class Key(NamedTuple):
    """A key and when it holds, ns TAI; `until` None: until it is replaced or revoked. `possession`:
    its signature over `Listing.stated`."""

    public: PublicKey
    since: int
    until: int | None
    possession: bytes | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """One body."""

    name: str
    roles: frozenset[Role] = frozenset()
    footprints: frozenset[str] = frozenset()
    keys: tuple[Key, ...] = ()
    revoked: frozenset[bytes] = frozenset()
    successor_of: str | None = None

    def body(self) -> bytes:
        """Raises EvidenceError where `read` would."""
        keys = [[*_terms(key), key.possession] for key in self.keys]
        encoded = cbor.encode(self._rows(keys))
        read(encoded)
        return encoded

    def stated(self) -> bytes:
        """What a key signs that agrees to be listed so."""
        return b"gridseal/1 listing" + cbor.encode(self._rows(list(map(_terms, self.keys))))

    def proved(self, signer: Signer) -> "Listing":
        """The listing with the possession of a key that is in it, once the others are as they
        will be."""
        said = signer.sign(self.stated())
        keys = (
            key._replace(possession=said) if key.public == signer.public else key
            for key in self.keys
        )
        return replace(self, keys=tuple(keys))

    def check_possession(self) -> None:
        """Whether each signature of a key beside itself holds. Raises EvidenceError."""
        for key in self.keys:
            if key.possession is not None and not key.public.verify(self.stated(), key.possession):
                text = f"key {key.public.kid.hex()} did not sign this listing of {self.name!r}"
                raise EvidenceError(Reason.POSSESSION, text)

    def _rows(self, keys: list[list[object]]) -> list[object]:
        return [
            *(self.name, sorted(map(int, self.roles)), sorted(self.footprints), keys),
            *(sorted(self.revoked), self.successor_of),
        ]


@dataclass(frozen=True, slots=True)
class Member:
    """An authority as it stands. `place`: of the log, where this came into force; -1: the anchors.
    `succeeded`: by whom, and from which place."""

    listing: Listing
    place: int
    succeeded: tuple[str, int] | None = None


def read(body: bytes) -> Listing:
    """The listing in a body. Raises EvidenceError."""
    name, roles, footprints, keys, revoked, before = shape.array(cbor.decode(body), "registry", 6)
    found = tuple(_key(item) for item in _some(keys, "keys", KEYS_MAX))
    if len({key.public.kid for key in found}) != len(found):
        shape.fail("keys", len(found), "each once")
    known = [shape.uint(role, "role") for role in _some(roles, "roles", len(Role))]
    if any(role not in list(Role) for role in known):
        shape.fail("roles", known, "roles of authorities")
    places = [read_name(item, "footprint") for item in _some(footprints, "footprints", NAMES_MAX)]
    gone = [shape.blob(item, "revoked", HASH_BYTES) for item in _some(revoked, "revoked", KEYS_MAX)]
    _check_rising("roles", known)
    _check_rising("footprints", places)
    _check_rising("revoked", gone)
    listing = Listing(
        read_name(name, "authority"),
        frozenset(map(Role, known)),
        frozenset(places),
        found,
        frozenset(gone),
        shape.optional(before, read_name, "successor of"),
    )
    if listing.name == listing.successor_of:
        shape.fail("successor of", listing.name, "another authority")
    return listing


@dataclass(slots=True)
class Registry:
    """The authorities at the place of the log that was followed last."""

    members: dict[str, Member] = field(default_factory=dict)
    founding: frozenset[str] = frozenset()  # who founded the record, by name
    _keys: dict[bytes, tuple[str, PublicKey]] = field(default_factory=dict)  # by kid, for ever
    _revoked: dict[bytes, int] = field(default_factory=dict)  # fingerprint, and from which place
    # By role and footprint, counted when it is asked for; None: somebody has changed since.
    _holders: dict[tuple[Role, str], tuple[str, ...]] | None = None

    # --- asking -------------------------------------------------------------------------------

    def key(self, kid: bytes) -> PublicKey | None:
        """The key of this name, whether it holds or not."""
        found = self._keys.get(kid)
        return None if found is None else found[1]

    def signer(self, message: cose.Sign1, tai: int) -> str:
        """The authority that signed a message which came at this instant of the log's clock.

        Raises EvidenceError(UNKNOWN_AUTHORITY, ALG, SIGNATURE, KEY_REVOKED or KEY_EXPIRED).
        """
        found = self._keys.get(message.kid)
        if found is None:
            text = f"the registry has no key {message.kid.hex()}"
            raise EvidenceError(Reason.UNKNOWN_AUTHORITY, text)
        name, public = found
        cose.check(message, public)
        self._check_force(name, public, tai)
        return name

    def has_key(self, name: str, tai: int) -> bool:
        """Whether an authority could sign at this instant."""
        member = self.members.get(name)
        return member is not None and any(
            self._holds(member, key, tai) for key in member.listing.keys
        )

    def will_have_key(self, name: str, tai: int) -> bool:
        """Whether it could at this instant or later, as it is listed."""
        member = self.members.get(name)
        return member is not None and any(
            self._holds(member, key, max(tai, key.since)) for key in member.listing.keys
        )

    def roles(self, name: str) -> frozenset[Role]:
        """What an authority is now."""
        member = self._acting(name)
        return frozenset() if member is None else member.listing.roles

    def footprints(self, name: str) -> frozenset[str]:
        member = self._acting(name)
        return frozenset() if member is None else member.listing.footprints

    def holders(self, role: Role, footprint: str) -> tuple[str, ...]:
        """Who has a role in a footprint, by name."""
        if self._holders is None:
            self._holders = self._counted()
        return self._holders.get((role, footprint), ())

    def with_role(self, role: Role) -> tuple[str, ...]:
        """Who has a role anywhere, by name."""
        return tuple(name for name in sorted(self.members) if role in self.roles(name))

    def place(self, name: str) -> int:
        """Where what holds of an authority came into force; -1: in the anchors, or not there."""
        member = self.members.get(name)
        return -1 if member is None else member.place

    def stands_for(self, author: str, asked: str, said: int, asked_at: int) -> bool:
        """Whether what an authority said at one place of the log is the word of the one that was
        asked at another. Rule 3."""
        if author == asked:
            return True
        return self._follows(asked, author, said) or self._follows(author, asked, asked_at)

    # --- following ----------------------------------------------------------------------------

    def after(self, listing: Listing, place: int) -> "Registry":
        """Another registry: this one with a listing that would come into force."""
        found = Registry(dict(self.members), self.founding, dict(self._keys), dict(self._revoked))
        found.follow(listing, place)
        return found

    def check_possession(self, listing: Listing) -> None:
        """Rule 6. Raises EvidenceError(POSSESSION)."""
        for key in listing.keys:
            if key.possession is None and key.public.kid not in self._keys:
                text = f"key {key.public.kid.hex()} is new, and has not signed its listing"
                raise EvidenceError(Reason.POSSESSION, text)
        listing.check_possession()

    def check(self, listing: Listing) -> None:
        """Whether a listing can be followed. Raises EvidenceError(TWIN or UNKNOWN_AUTHORITY)."""
        for key in listing.keys:
            there = self._keys.get(key.public.kid)
            if there is not None and there != (listing.name, key.public):
                text = f"key {key.public.kid.hex()} is {there[0]!r}'s"
                raise EvidenceError(Reason.TWIN, text)
        before = listing.successor_of
        if before is None:
            return
        member = self.members.get(before)
        if member is None:
            raise EvidenceError(Reason.UNKNOWN_AUTHORITY, f"nobody knows {before!r}")
        by = member.succeeded
        if (by is not None and by[0] != listing.name) or self._reaches(listing.name, before):
            text = f"{before!r} is succeeded already, or succeeds {listing.name!r}"
            raise EvidenceError(Reason.TWIN, text)

    def revoke(self, listing: Listing, place: int) -> None:
        """Takes the keys of its authority out that a listing revokes; another's it cannot."""
        for print_ in listing.revoked:
            if self._owner(print_) == listing.name:
                self._revoked.setdefault(print_, place)

    def follow(self, listing: Listing, place: int) -> None:
        """A listing comes into force at this place of the log; `check` has passed."""
        before = listing.successor_of
        if before is not None:
            of = self.members.get(before, Member(Listing(before), -1))
            listing = replace(
                listing,
                roles=listing.roles | of.listing.roles,
                footprints=listing.footprints | of.listing.footprints,
            )
            if of.succeeded is None:
                self.members[before] = replace(of, succeeded=(listing.name, place))
        known = self.members.get(listing.name)
        succeeded = None if known is None else known.succeeded
        self.members[listing.name] = Member(listing, place, succeeded)
        for key in listing.keys:
            self._keys.setdefault(key.public.kid, (listing.name, key.public))
        self.revoke(listing, place)
        self._holders = None

    def _counted(self) -> dict[tuple[Role, str], tuple[str, ...]]:
        found: dict[tuple[Role, str], list[str]] = {}
        for name in sorted(self.members):
            for footprint in self.footprints(name):
                for role in self.roles(name):
                    found.setdefault((role, footprint), []).append(name)
        return {key: tuple(names) for key, names in found.items()}

    # --- inside -------------------------------------------------------------------------------

    def _acting(self, name: str) -> Member | None:
        member = self.members.get(name)
        return None if member is None or member.succeeded is not None else member

    def _check_force(self, name: str, public: PublicKey, tai: int) -> None:
        """Raises EvidenceError(KEY_REVOKED or KEY_EXPIRED)."""
        whose = f"key {public.kid.hex()} of {name!r}"
        member = self.members[name]
        revoked = self._revoked.get(bytes.fromhex(public.fingerprint))
        if revoked is not None:
            raise EvidenceError(Reason.KEY_REVOKED, f"{whose} is revoked since entry {revoked}")
        if member.succeeded is not None:
            text = f"{whose}: succeeded by {member.succeeded[0]!r} since entry"
            raise EvidenceError(Reason.KEY_EXPIRED, f"{text} {member.succeeded[1]}")
        if not any(key.public == public and _within(key, tai) for key in member.listing.keys):
            raise EvidenceError(Reason.KEY_EXPIRED, f"{whose} is not in force by the log's clock")

    def _holds(self, member: Member, key: Key, tai: int) -> bool:
        gone = bytes.fromhex(key.public.fingerprint) in self._revoked
        return not gone and member.succeeded is None and _within(key, tai)

    def _owner(self, print_: bytes) -> str | None:
        for name, public in self._keys.values():
            if bytes.fromhex(public.fingerprint) == print_:
                return name
        return None

    def _follows(self, before: str, after: str, place: int) -> bool:
        """Whether one has succeeded the other, by way of whomever, at this place."""
        name, seen = before, set[str]()
        while name not in seen:
            seen.add(name)
            member = self.members.get(name)
            if member is None or member.succeeded is None or member.succeeded[1] > place:
                return False
            name = member.succeeded[0]
            if name == after:
                return True
        return False

    def _reaches(self, start: str, end: str) -> bool:
        """Whether the successors of one lead to the other."""
        return self._follows(start, end, TAI_MAX)


def founded(authorities: Iterable[Authority]) -> Registry:
    """The registry before the first record: the authorities of the anchors that have roles."""
    rows: dict[str, list[Authority]] = {}
    for one in authorities:
        rows.setdefault(one.name, []).append(one)
    founding = {name: of for name, of in rows.items() if any(one.roles for one in of)}
    registry = Registry(founding=frozenset(founding))
    for name, of in founding.items():
        listing = Listing(
            name,
            frozenset().union(*(one.roles for one in of)),
            frozenset().union(*(one.footprints for one in of)),
            tuple(Key(one.key, 0, None) for one in of),
        )
        registry.follow(listing, -1)
    return registry


def _within(key: Key, tai: int) -> bool:
    return key.since <= tai and (key.until is None or tai < key.until)


def _terms(key: Key) -> list[object]:
    return [key.public.alg, key.public.raw, key.since, key.until]


def _key(value: Any) -> Key:
    alg, raw, since, until, possession = shape.array(value, "key", 5)
    public = PublicKey(shape.integer(alg, "alg"), shape.blob(raw, "raw key"))
    found = Key(
        public,
        shape.uint(since, "from", TAI_MAX),
        shape.optional(until, shape.uint, "until", TAI_MAX),
        shape.optional(possession, shape.blob, "possession", SIGNATURE_BYTES),
    )
    if found.until is not None and found.until <= found.since:
        shape.fail("until", until, "later than from")
    return found


def _check_rising(field: str, items: Sequence[Any]) -> None:
    if any(one >= after for one, after in pairwise(items)):
        shape.fail(field, items, "sorted, each once")


def _some(value: Any, field: str, most: int) -> tuple[Any, ...]:
    found = shape.array(value, field)
    if len(found) > most:
        shape.fail(field, len(found), f"at most {most}")
    return found
