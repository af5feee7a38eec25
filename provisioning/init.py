"""The first of everything: keys, credential and configuration of an authority, a record, a gateway.

1. All is placed or nothing is (provisioning.placement), and only after each file has been read back
   by who will read it: keys by the key store, the gateway's files by agent.config. Only record.toml
   is not, as nothing here may import the record; tests hold the two together.
2. Time and randomness come in by argument: the same request, second and random bytes give the same
   files.
3. Private keys are made here, written once, and neither printed nor returned.

The folder is an authority's too (provisioning.authority), until its files are moved to a desk. It
makes no TLS certificates: gateway and record of one init share a machine. What the credential says
is provisioning.grant's.
"""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

from agent import config as agent_config
from agent.clock import SystemClock
from drivers import registry
from drivers.keystore import file as keyfile
from drivers.line import Source
from evidence import cbor, cose, siteplan
from evidence.code import Typ
from evidence.credential import BUSES_MAX, MRID_BYTES, ROLES
from evidence.key import Ed25519Key, PublicKey
from evidence.leap import BUILT_IN
from evidence.siteplan import Bus, Survey
from provisioning import grant, template
from provisioning.authority import book, issued
from provisioning.authority import folder as authority_folder
from provisioning.authority.folder import AUTHORITY, BOOK, ISSUED, AuthorityFile, RecordTable
from provisioning.authority.issued import Row
from provisioning.grant import Random
from provisioning.placement import Disk, NewFile, PlacementError, SystemDisk, place
from provisioning.source import RequestError, SourceRequest

AUTHORITY_KEY, LOG_KEY, DEVICE_KEY = "authority.key", "log.key", "device.key"
CREDENTIAL, ANCHORS, SITE, RECORD, GATEWAY = (
    *("credential.cbor", "anchors.toml"),
    *("site.toml", "record.toml", "gateway.toml"),
)
AUTHORITY_FILES = (AUTHORITY_KEY, AUTHORITY, BOOK, ISSUED)  # of who signs, and no gateway's
NAME_CHARACTERS_MAX = 64  # what agent.config takes
SOURCES_MAX = 256
ALTITUDE_M_MAX = 100_000  # no antenna of a substation is higher, or surveyed worse
_OPTION = re.compile(r"[A-Za-z0-9_-]{1,64}")  # a bare key of TOML
PUBLIC_MODE = 0o644


@dataclass(frozen=True, slots=True)
class InitRequest:
    """What is to be made. Site name and position stay hidden; the other names are public."""

    folder: Path
    gateway: str = "gateway-1"
    site: str = "Site 1"
    authority: str = "authority-1"
    log: str = "log-1"
    listen: tuple[str, int] = ("127.0.0.1", 8443)
    sources: Sequence[SourceRequest] = ()
    buses: Sequence[str] = ()
    survey: Survey | None = None
    valid_days: int = 365
    role: str = "gateway"


@dataclass(frozen=True, slots=True)
class InitResult:
    """What was made, with public keys only."""

    folder: Path
    files: tuple[str, ...]
    authority: PublicKey
    log: PublicKey
    device: PublicKey
    credential: bytes  # its name: SHA-256 of its payload
    not_before_s: int
    expires_s: int
    url: str
    sources: tuple[str, ...]
    buses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Keys:
    """The seeds, for as long as it takes to write them."""

    authority: bytes
    log: bytes
    device: bytes

    def __repr__(self) -> str:
        return "_Keys(...)"


def initialise(
    request: InitRequest, now_s: int, random: Random, disk: Disk | None = None
) -> InitResult:
    """Makes the folder's files. `now_s`: UTC since 1970; `random(n)`: n random bytes fit for keys.

    Raises RequestError, ConfigError (options, or a file that its reader refuses), PlacementError
    or KeyStoreError; then nothing is there.
    """
    asked = _completed(request)
    keys = _Keys(*(random(keyfile.SEED_BYTES) for _ in range(3)))
    authority, log, device = (Ed25519Key(seed) for seed in (keys.authority, keys.log, keys.device))
    plan_buses = [Bus(name, str(UUID(bytes=random(MRID_BYTES), version=4))) for name in asked.buses]
    url = f"http://{_joined(asked.listen)}"
    site = template.site(
        asked.site, asked.survey, plan_buses, [(one.name, one.bus) for one in asked.sources]
    )
    granted = grant.credential(
        grant.Holder(asked.authority, asked.gateway, device.public, asked.role),
        *(siteplan.read(site, SITE), now_s, asked.valid_days, random),
    )
    texts = {
        ANCHORS: template.anchors((asked.log, log.public), (asked.authority, authority.public)),
        SITE: site,
        RECORD: template.record(_joined(asked.listen)),
        GATEWAY: template.gateway(asked.gateway, url, asked.sources, asked.role == "bench"),
    }
    signed = cose.sign(Typ.CREDENTIAL, granted.says.payload(), authority)
    files = [
        NewFile(AUTHORITY_KEY, keyfile.encode(keys.authority), keyfile.MODE),
        NewFile(LOG_KEY, keyfile.encode(keys.log), keyfile.MODE),
        NewFile(DEVICE_KEY, keyfile.encode(keys.device), keyfile.MODE),
        *_authority_files(asked, authority, url, issued.of_credential(signed, granted.pairs, None)),
        NewFile(CREDENTIAL, cbor.encode([signed, granted.pairs]), PUBLIC_MODE),
        *(NewFile(name, text.encode(), PUBLIC_MODE) for name, text in texts.items()),
    ]
    says = granted.says
    result = InitResult(
        *(
            asked.folder,
            tuple(file.name for file in files),
            authority.public,
            log.public,
            device.public,
        ),
        *(cose.name(says.payload()), says.not_before_s, says.expires_s, url),
        *(tuple(one.name for one in asked.sources), tuple(asked.buses)),
    )
    place(asked.folder, files, lambda folder: _check(folder, files, result), disk or SystemDisk())
    return result


def _authority_files(asked: InitRequest, root: Ed25519Key, url: str, first: Row) -> list[NewFile]:
    """What makes this folder an authority's too: its book opens, and names the first credential."""
    file = AuthorityFile(
        *(asked.authority, f"file:{AUTHORITY_KEY}", root.public.raw.hex(), (asked.role,)),
        *(asked.valid_days, "", RecordTable(url, "", ANCHORS)),
    )
    tai = BUILT_IN.tai_ns(first.says.not_before_s + grant.BACKDATED_S)
    opened = book.opened(asked.authority, root, tai)
    line = book.first_issued(opened, first.name, tai, root)
    return [
        NewFile(AUTHORITY, authority_folder.told(file).encode(), PUBLIC_MODE),
        NewFile(BOOK, opened.encoded + line.encoded, PUBLIC_MODE),
        NewFile(ISSUED, first.encoded(), keyfile.MODE),
    ]


def _check(folder: Path, files: Sequence[NewFile], result: InitResult) -> None:
    """Reads everything back, as the programs will."""
    for file in files:
        if (folder / file.name).read_bytes() != file.content:
            raise PlacementError(
                f"{folder / file.name} reads back otherwise than it was written; check the disk"
            )
    for name, public in (
        (AUTHORITY_KEY, result.authority),
        (LOG_KEY, result.log),
        (DEVICE_KEY, result.device),
    ):
        if keyfile.read(folder / name).public != public:
            raise PlacementError(f"{folder / name} reads back as another key; check the disk")
    gateway = agent_config.load(folder / GATEWAY)
    authority_folder.read(folder)
    cose.check(cose.read(gateway.credential.encoded), result.authority)
    told = (
        gateway.credential.says.key,
        gateway.anchors.log_key,
        tuple(one.name for one in gateway.sources),
    )
    if told != (result.device, result.log, result.sources):
        raise PlacementError(
            f"{folder / GATEWAY} reads back with other keys or sources than it was given"
        )


def _completed(request: InitRequest) -> InitRequest:
    """The request with every bus named, or RequestError with the part that is wrong."""
    names = {
        "gateway": request.gateway,
        "site": request.site,
        "authority": request.authority,
        "log": request.log,
    }
    for what, name in names.items():
        check_name(what, name)
    if request.role not in ROLES:
        raise RequestError(f"role {request.role!r}; known: {', '.join(ROLES)}")
    _check_listen(*request.listen)
    _check_survey(request.survey)
    if len(request.sources) > SOURCES_MAX:
        raise RequestError(f"{len(request.sources)} sources; at most {SOURCES_MAX}")
    named = [*request.buses, *(one.bus for one in request.sources if one.bus)]
    buses = tuple(dict.fromkeys(named)) or ("Bus 1",)
    if len(buses) > BUSES_MAX:
        raise RequestError(f"{len(buses)} buses; a credential grants at most {BUSES_MAX}")
    for bus in buses:
        check_name("bus", bus)
    sources = [completed_source(one, buses, request.folder) for one in request.sources]
    for at, one in enumerate(sources):
        if one.name in [other.name for other in sources[:at]]:
            raise RequestError(f"two sources are named {one.name!r}; give each its own: &name=NAME")
    return replace(request, buses=buses, sources=sources)


def completed_source(source: SourceRequest, buses: Sequence[str], folder: Path) -> SourceRequest:
    check_name("source", source.name)
    for key, value in source.options.items():
        if not _OPTION.fullmatch(key) or (isinstance(value, str) and not value.isprintable()):
            raise RequestError(f"source {source.name!r}: option {key!r} cannot be written")
    if agent_config.BOUND in source.options:
        text = f"{agent_config.BOUND} stands in site.toml, beside the document that says so"
        raise RequestError(f"source {source.name!r}: {text} (time_document of its [[stream]])")
    if source.bus:
        return _checked(source, folder)
    if len(buses) > 1:
        known = ", ".join(repr(bus) for bus in buses)
        raise RequestError(
            f"source {source.name!r}: say at which bus it is, such as &bus=NAME; known: {known}"
        )
    return _checked(replace(source, bus=buses[0]), folder)


def _checked(source: SourceRequest, folder: Path) -> SourceRequest:
    """The source, if its driver takes it: what is made here, the agent must accept.

    Nothing is opened but the device's configuration file, where one is named. Raises ConfigError.
    """
    told = Source(source.name, source.scheme, source.options, str(folder))
    registry.open_driver(told, SystemClock(BUILT_IN)).expected()
    return source


def check_name(what: str, name: str) -> None:
    if not 1 <= len(name) <= NAME_CHARACTERS_MAX or not name.isprintable() or name != name.strip():
        text = (
            f"expected 1 to {NAME_CHARACTERS_MAX} printable characters, without spaces around them"
        )
        raise RequestError(f"{what} name {name[: NAME_CHARACTERS_MAX + 1]!r}: {text}")


def _check_listen(host: str, port: int) -> None:
    if not 1 <= port <= 65535:
        raise RequestError(f"record-listen: port {port}; expected 1 to 65535")
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        text = "init makes no TLS certificates, and without them a record listens on loopback only"
        raise RequestError(
            f"record-listen: {host!r}: {text}; take 127.0.0.1 now, and see provisioning/README.md"
        )


def _check_survey(survey: Survey | None) -> None:
    if survey is None:
        return
    if not (abs(survey.latitude) <= 90 and abs(survey.longitude) <= 180):
        raise RequestError(f"survey: {survey.latitude}, {survey.longitude} is no place in degrees")
    if not (abs(survey.altitude_m) <= ALTITUDE_M_MAX and 0 < survey.accuracy_m <= ALTITUDE_M_MAX):
        raise RequestError(
            f"survey: {survey.altitude_m} m within {survey.accuracy_m} m; expected m, and above 0"
        )
    if not survey.method.isprintable():
        raise RequestError("survey: the method has characters that cannot be printed")


def _joined(listen: tuple[str, int]) -> str:
    host, port = listen
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
