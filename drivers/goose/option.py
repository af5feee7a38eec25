"""The options of a GOOSE source, as gateway.toml states them, and what follows from them.

1. Unknown keys are refused, and every range is checked here, before anything is opened.
2. What is subscribed: each [[source.options.subscribe]]; or the one that gocbref, appid and goid of
   the source itself state; or, with an SCL file and neither, all GOOSE control blocks in it; or,
   with nothing at all, whatever is heard.
3. Facts of the SCL file fill in what a subscription does not state; what both state must agree.
4. Members by hand and members from a file exclude each other.

It opens nothing: the bytes of the SCL file are brought to it.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec

from drivers.goose import scl
from drivers.goose.data import TYPES
from drivers.goose.dataset import DataSet, Member
from drivers.goose.session import Subscription, Terms
from drivers.line import STREAMS_MAX
from evidence.config import ConfigError

Reference = Annotated[str, msgspec.Meta(min_length=1, max_length=129)]  # VisibleString129
Appid = Annotated[int, msgspec.Meta(ge=0, le=0xFFFF)]
Revision = Annotated[int, msgspec.Meta(ge=0, le=0xFFFF_FFFF)]
Mac = Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Fa-f]{2}([-:][0-9A-Fa-f]{2}){5}$")]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
_LEAVES = tuple(name for name in TYPES.values() if name not in ("structure", "array"))


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One member of a data set, by hand. With members of its own it is a structure."""

    name: Name
    type: str = ""
    quality: bool = False  # a bit string of IEC 61850-7-3 6.2, to be judged as one
    members: list["Entry"] = []

    def member(self, place: str, depth: int = 0) -> Member:
        """Raises ConfigError."""
        if depth > scl.TYPES_DEEP_MAX:
            raise ConfigError(place, "members", f"nested deeper than {scl.TYPES_DEEP_MAX}")
        if self.members:
            if self.type not in ("", "structure", "array"):
                raise ConfigError(place, "type", f"{self.type!r} has no members")
            inside = tuple(each.member(place, depth + 1) for each in self.members)
            return Member(self.name, self.type or "structure", "", inside)
        if self.type and self.type not in _LEAVES:
            text = f"{self.type!r} of {self.name!r} is none; known: {', '.join(_LEAVES)}"
            raise ConfigError(place, "type", text)
        if self.quality:
            return Member(self.name, "bit-string", "Quality")
        return Member(self.name, self.type)


class Subscribe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One stream, or all that match."""

    gocbref: Reference | None = None
    appid: Appid | None = None
    goid: Reference | None = None
    confrev: Revision | None = None
    datset: Reference | None = None
    destination: Mac | None = None
    members: list[Entry] = []


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """scheme = "goose": one interface."""

    interface: Annotated[str, msgspec.Meta(min_length=1, max_length=15)]  # IFNAMSIZ
    gocbref: Reference | None = None
    appid: Appid | None = None
    goid: Reference | None = None
    confrev: Revision | None = None
    scl: str = ""  # an ICD, CID or SCD file
    ied: str = ""  # of those in the file
    subscribe: Annotated[list[Subscribe], msgspec.Meta(max_length=STREAMS_MAX)] = []
    # Multicast addresses to join beside those that subscriptions and file state; outside
    # 01-0C-CD-01-..., too.
    groups: list[Mac] = []
    # "groups": only the addresses known; "all": whatever multicast arrives at the interface.
    multicast: Literal["auto", "groups", "all"] = "auto"
    simulated: bool = False

    def terms(self, name: str, content: bytes = b"") -> Terms:
        """What the session needs. `content`: of the SCL file. Raises ConfigError."""
        found = scl.blocks(content, self.scl, self.ied) if self.scl else []
        if self.scl and not found:
            text = f"no GSEControl of IED {self.ied!r}" if self.ied else "no GSEControl in it"
            raise ConfigError(name, "scl", f"{self.scl}: {text}")
        own = (self.gocbref, self.appid, self.goid)
        wanted = list(self.subscribe)
        if any(each is not None for each in own):
            alone = Subscribe(
                gocbref=self.gocbref, appid=self.appid, goid=self.goid, confrev=self.confrev
            )
            wanted.append(alone)
        if wanted:
            made = [_subscription(each, found, f"{name}: subscribe") for each in wanted]
        else:
            made = [_of_block(block) for block in found]
        if len(made) > STREAMS_MAX:
            text = f"{len(made)} control blocks; at most {STREAMS_MAX}: name the IED, or subscribe"
            raise ConfigError(name, "scl" if found else "subscribe", text)
        return Terms(tuple(made), self.simulated)

    def joined(self, subscriptions: Sequence[Subscription]) -> tuple[bytes, ...]:
        """The multicast addresses to join; none where all are wanted."""
        known = {_octets(each) for each in self.groups}
        known |= {each.destination for each in subscriptions if each.destination is not None}
        complete = bool(subscriptions) and all(each.destination for each in subscriptions)
        if self.multicast == "all" or (self.multicast == "auto" and not (complete or self.groups)):
            return ()
        return tuple(sorted(known))


def _octets(mac: str) -> bytes:
    return bytes.fromhex(mac.replace("-", "").replace(":", ""))


def _of_block(block: scl.Block) -> Subscription:
    """All that the file says. Its goID is the frame's to differ in: see dataset.py."""
    reference = block.dataset.gocbRef
    return Subscription(reference, block.appid, None, block.dataset, block.destination)


def _subscription(wanted: Subscribe, found: Sequence[scl.Block], place: str) -> Subscription:
    """A subscription, completed from the file."""
    block = _block_of(wanted, found, place) if found else None
    destination = None if wanted.destination is None else _octets(wanted.destination)
    members = tuple(each.member(place) for each in wanted.members)
    reference, appid = wanted.gocbref, wanted.appid
    dataset: DataSet | None = None
    if block is not None:
        if members:
            text = "from the file and by hand; one of them must go"
            raise ConfigError(place, "members", text)
        known = block.dataset
        _agree(place, "confrev", wanted.confrev, known.confRev)
        _agree(place, "datset", wanted.datset, known.datSet)
        _agree(place, "appid", appid, block.appid)
        dataset, reference = known, known.gocbRef
        appid = block.appid if appid is None else appid
        destination = destination or block.destination
    elif members or wanted.confrev is not None or wanted.datset is not None:
        dataset = DataSet(reference or "", wanted.datset, None, wanted.confrev, members)
    if reference is None and appid is None and wanted.goid is None:
        raise ConfigError(place, "gocbref", "missing: a subscription needs gocbref, appid or goid")
    return Subscription(reference, appid, wanted.goid, dataset, destination)


def _block_of(wanted: Subscribe, found: Sequence[scl.Block], place: str) -> scl.Block:
    """The one control block of the file that is meant. Raises ConfigError."""
    fits = [
        block
        for block in found
        if wanted.gocbref in (None, block.dataset.gocbRef)
        and (wanted.appid is None or block.appid in (None, wanted.appid))
        and wanted.goid in (None, block.dataset.goID)
    ]
    if len(fits) == 1:
        return fits[0]
    known = ", ".join(block.dataset.gocbRef for block in (fits or found)[:8])
    text = f"{len(fits)} control blocks of the file fit; there are {known}"
    raise ConfigError(place, "gocbref", text)


def _agree(place: str, key: str, stated: object, told: object) -> None:
    if stated is not None and told is not None and stated != told:
        raise ConfigError(place, key, f"{stated!r} is stated, and the file says {told!r}")
