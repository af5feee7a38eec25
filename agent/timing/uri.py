"""A source of time as it is configured: one line.

    kernel:                     what the daemon that disciplines this machine tells the kernel
    chrony:?host=SOCKET         a chronyd, by chronyc
    ptp:/var/run/ptp4l?domain=0 a ptp4l, by pmc
    pps:///sys/class/pps/pps0?receiver=NAME&delay_ns=N      a pulse, and who says which second
    ublox:///dev/ttyACM0, nmea:///dev/ttyS0, gpsd://HOST    a receiver, as [[source]] declares one

1. What stands after ? are options by name; one that is unknown is refused with the nearest.
2. A source's name is what stands before the ? (kernel, ptp:/var/run/ptp4l), or its option `name`.
   Rulings and verdicts call it by that.

It opens nothing and runs nothing.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from drivers import registry
from drivers.line import Source
from evidence.config import ConfigError, nearest

URI_CHARACTERS_MAX = registry.URL_CHARACTERS_MAX
NAME_CHARACTERS_MAX = 64  # as of a [[source]]
NS_MAX = 1_000_000_000  # a delay or an accuracy beyond a second is a slip of the pen
# pps-gpio on a BeagleBone stamps 6.0 to 8.6 us after the edge in 98 % of all cases, 6.9 in the mean
# (by a timer's capture of the same edge). Twice that, for slower machines.
PULSE_LATENCY_NS = 15_000
_Ns = Annotated[int, msgspec.Meta(ge=0, le=NS_MAX)]
_Path = Annotated[str, msgspec.Meta(max_length=256)]


class KernelOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """kernel: has none."""


class ChronyOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """chrony:"""

    chronyc: _Path = "chronyc"
    host: _Path = ""  # as chronyc -h takes it: a socket or an address; empty: its own default


class PtpOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """ptp:"""

    path: _Path = "/var/run/ptp4l"  # where ptp4l is asked: uds_address, or uds_ro_address
    domain: Annotated[int, msgspec.Meta(ge=0, le=255)] = 0
    pmc: _Path = "pmc"
    reply: _Path = ""  # pmc's own socket; empty: /var/run/pmc.PID
    clock: Literal["auto", "system", "phc"] = "auto"  # which clock this ptp4l measures
    phc2sys_ns: _Ns | None = None  # how far phc2sys lets this machine's clock be from the PHC
    accuracy_ns: _Ns | None = None  # of the grandmaster, by its document: where it says "unknown"
    network_ns: _Ns | None = None  # of the links that this clock cannot measure


class PpsOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """pps:"""

    path: _Path
    edge: Literal["assert", "clear"] = "assert"
    receiver: str = ""  # whose pulse it is; empty: of a clock that tells nothing else
    delay_ns: _Ns = 0  # of the cable
    latency_ns: _Ns = PULSE_LATENCY_NS  # from the edge to the kernel's stamp, at most
    accuracy_ns: _Ns | None = None  # of the pulse, by its document: where no receiver states one
    source: Literal["gnss", "irig", "ptp", "unknown"] = "unknown"  # what a pulse alone comes from


Options = KernelOptions | ChronyOptions | PtpOptions | PpsOptions
_SCHEMES: dict[str, Any] = {
    "kernel": KernelOptions,
    "chrony": ChronyOptions,
    "ptp": PtpOptions,
    "pps": PpsOptions,
}
RECEIVERS = registry.RECEIVERS


@dataclass(frozen=True, slots=True)
class Told:
    """A source of time that is asked."""

    name: str
    options: Options


def read(text: str, folder: str = "") -> Told | Source:
    """What a URI is: a source to be asked, or a receiver to be opened. Raises ConfigError, whose
    key is the option.
    """
    if len(text) > URI_CHARACTERS_MAX or not text.isprintable():
        raise _fault(f"{text[:40]!r} is no URI of at most {URI_CHARACTERS_MAX} characters")
    scheme, colon, _ = text.partition(":")
    known = [*_SCHEMES, *RECEIVERS]
    if not colon:
        hint = f"; write {text}:" if text in _SCHEMES else ""
        raise _fault(f"{text!r} is no URI{hint}")
    if scheme not in known:
        raise _fault(f"scheme {scheme!r} is {nearest(scheme, known)}")
    return _receiver(text, folder) if scheme in RECEIVERS else _told(text, scheme)


def _receiver(text: str, folder: str) -> Source:
    from drivers import url  # where a receiver is named so, and nowhere else

    found = url.read(text, words=("name",))
    name = _name(text, found.words.get("name"))
    source = Source(name, found.scheme, found.options, folder)
    registry.options_of(source)
    return source


def _told(text: str, scheme: str) -> Told:
    try:
        parts = urlsplit(text)
        query = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError as fault:
        raise _fault(f"{text[:60]!r}: {fault}") from fault
    if parts.netloc:
        raise _fault(f"has a host; a file is written {scheme}:///{parts.netloc}{parts.path}")
    if parts.fragment:
        raise _fault(f"'#{parts.fragment}' means nothing here")
    given: dict[str, str] = {}
    for key, value in query:
        if key in given:
            raise _fault("is given twice", key)
        given[key] = value
    name = _name(text, given.pop("name", None))
    kind = _SCHEMES[scheme]
    if parts.path:
        if "path" not in kind.__struct_fields__ or "path" in given:
            raise _fault(f"{parts.path!r} means nothing here")
        given["path"] = unquote(parts.path)
    return Told(name, _options(given, kind))


def _options(given: dict[str, str], kind: Any) -> Options:
    known = list(kind.__struct_fields__)
    for key in given:
        if key not in known:
            raise _fault(nearest(key, known) if known else "unknown; there are no options", key)
    if kind is PpsOptions and "path" not in given:
        raise _fault("say which, such as pps:///sys/class/pps/pps0", "path")
    try:
        made: Options = msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as fault:
        said, _, place = str(fault).partition(" - at ")
        raise _fault(said, place.strip("`$.")) from fault
    if isinstance(made, PpsOptions) and not made.receiver and made.accuracy_ns is None:
        raise _fault("of a pulse without a receiver, say accuracy_ns", "accuracy_ns")
    return made


def _name(text: str, given: str | None) -> str:
    name = text.partition("?")[0].removesuffix(":") if given is None else given
    if not 1 <= len(name) <= NAME_CHARACTERS_MAX or name != name.strip():
        raise _fault(f"{name[:80]!r} is no name of 1 to {NAME_CHARACTERS_MAX} characters", "name")
    return name


def _fault(text: str, key: str = "") -> ConfigError:
    return ConfigError("source of time", key, text)
