"""The options of a source of Sampled Values, as gateway.toml states them.

1. Unknown keys are refused, and every range is checked here, before anything is opened.
2. What a data set is made of is stated member by member; where nothing is, samples of eight pairs
   are 9-2LE's, and others stay octets.

It opens nothing.
"""

import re
from typing import Annotated, Literal

import msgspec

from drivers.ethernet.filter import APPIDS_MAX
from drivers.sv.dataset import MEMBERS_MAX, QUALITY, RATE_MAX, TYPES, Member, can_scale
from drivers.sv.session import DatasetTerms, Terms
from drivers.sv.stamp import Vouched
from evidence.config import ConfigError

Seconds = Annotated[float, msgspec.Meta(gt=0, le=3600)]
Appid = Annotated[int, msgspec.Meta(ge=0, le=0xFFFF)]
_ADDRESS = re.compile(r"[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5}")


class ChannelOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One member of a data set, and the quality behind it where it has one."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    quantity: Literal[
        "voltage", "current", "frequency", "rocof", "power", "digital", "analog", "other"
    ] = "other"
    unit: Annotated[str, msgspec.Meta(max_length=32)] = ""
    type: str = "int32"
    scale: float = 1.0  # of a count, in the unit
    quality: bool = True

    def members(self, name: str) -> list[Member]:
        """Raises ConfigError."""
        if self.type not in TYPES or self.type == QUALITY:
            known = ", ".join(kind for kind in TYPES if kind != QUALITY)
            raise ConfigError(name, "dataset.channel.type", f"{self.type!r} is none of {known}")
        if not can_scale(self.type, self.scale):
            raise ConfigError(name, "dataset.channel.scale", f"{self.type!r} has none")
        value = Member(self.name, self.quantity, self.unit, "", self.type, self.scale)
        if not self.quality:
            return [value]
        return [value, Member(self.name, self.quantity, "", QUALITY, QUALITY)]


class DatasetOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[[source.options.dataset]]: what the samples of an svID are made of."""

    channel: Annotated[
        tuple[ChannelOptions, ...], msgspec.Meta(min_length=1, max_length=MEMBERS_MAX // 2)
    ]
    svid: str = ""  # everybody's
    conf_rev: Annotated[int, msgspec.Meta(ge=0, lt=1 << 32)] | None = None


class SvOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """scheme = "sv": one interface, and what is wanted of it."""

    interface: Annotated[str, msgspec.Meta(min_length=1, max_length=15)]  # IFNAMSIZ
    svid: str | tuple[str, ...] = ()  # one or several; none: every stream
    appid: Appid | Annotated[tuple[Appid, ...], msgspec.Meta(max_length=APPIDS_MAX)] = ()
    groups: str | tuple[str, ...] = ()  # multicast addresses to join; none: all of them
    rate: Annotated[int, msgspec.Meta(ge=1, le=RATE_MAX)] | None = None  # samples a second
    nominal_hz: Literal[50, 60] | None = None
    dataset: tuple[DatasetOptions, ...] = ()
    # Of a sender's clock where smpSynch says 2, or names an area clock that is listed; site.toml
    # states it, with its document. Without it a global clock has what 9-2LE asks of it, and an area
    # clock has nothing.
    time_bound_ns: Annotated[int, msgspec.Meta(ge=1)] | None = None
    area_clock: tuple[Annotated[int, msgspec.Meta(ge=1, le=254)], ...] = ()
    simulated: bool = False
    pause_ms: Annotated[int, msgspec.Meta(ge=0, le=50)] = 10
    silence_s: Seconds = 5.0

    @property
    def appids(self) -> tuple[int, ...]:
        return (self.appid,) if isinstance(self.appid, int) else self.appid

    def joined(self, name: str) -> tuple[bytes, ...]:
        """The multicast addresses to join. Raises ConfigError."""
        several = (self.groups,) if isinstance(self.groups, str) else self.groups
        for text in several:
            if not _ADDRESS.fullmatch(text):
                raise ConfigError(name, "groups", f"{text!r}: 01-0C-CD-04-00-01 is of that form")
        return tuple(bytes.fromhex(re.sub("[:-]", "", text)) for text in several)

    def terms(self, name: str) -> Terms:
        """What the session needs. Raises ConfigError."""
        datasets: dict[str, DatasetTerms] = {}
        for each in self.dataset:
            if each.svid in datasets:
                raise ConfigError(name, "dataset.svid", f"{each.svid!r} has two data sets")
            members = [member for one in each.channel for member in one.members(name)]
            datasets[each.svid] = DatasetTerms(tuple(members), each.conf_rev)
        if self.time_bound_ns is None:
            vouched = Vouched(simulated=self.simulated)
        else:
            clocks = frozenset(self.area_clock)
            vouched = Vouched(self.time_bound_ns, clocks, self.simulated)
        return Terms(
            frozenset((self.svid,) if isinstance(self.svid, str) else self.svid),
            frozenset(self.appids),
            self.rate,
            self.nominal_hz,
            datasets,
            vouched,
        )
