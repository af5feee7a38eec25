"""[nats] of record.toml: a region whose requests a broker brings, checked.

1. In the clear to this machine only; everywhere else tls://, with certificates that are checked.
2. The stream is bounded in bytes, messages and age, as a whole and for each device. What waits
   longer than a gateway waits for its answer is work for nobody: it has been asked again by then.

It opens nothing.
"""

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec

from evidence import queue
from evidence.config import ConfigError

DEVICE_MSGS_MAX = 128  # of one device: at most 64 in flight (agent), each asked twice
PORT = 4222


class NatsTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[nats]. `url`: one server, or several of a cluster, separated by commas. `domain`: that of
    JetStream, where the server is in another. `replicas`, `max_*`: of a stream that is made."""

    url: str
    region: str
    processes: Annotated[int, msgspec.Meta(ge=1, le=16)] = 2
    domain: str = ""
    ca: str = ""
    certificate: str = ""
    key: str = ""
    replicas: Literal[1, 3, 5] = 1
    max_bytes: Annotated[int, msgspec.Meta(ge=1 << 16)] = 1 << 30
    max_msgs: Annotated[int, msgspec.Meta(ge=1)] = 65536
    max_age_s: Annotated[int, msgspec.Meta(ge=1, le=86_400)] = 20  # an agent waits 30 s


@dataclass(frozen=True, slots=True)
class Region:
    """A region, its broker, and the bounds of its stream."""

    name: str
    servers: tuple[str, ...]
    secure: bool
    processes: int
    domain: str
    ca: Path | None
    certificate: Path | None
    key: Path | None
    replicas: int
    max_bytes: int
    max_msgs: int
    max_age_s: int


def checked(table: NatsTable, folder: Path, file: str) -> Region:
    """The region that a table describes. Raises ConfigError."""
    if not queue.is_region(table.region):
        text = f"found {table.region!r}; expected 1 to 32 of a-z, 0-9 and -"
        raise ConfigError(file, "nats.region", text)
    servers = tuple(_server(one.strip(), file) for one in table.url.split(","))
    schemes = {one.partition(":")[0] for one in servers}
    if len(schemes) != 1:
        raise ConfigError(file, "nats.url", "mixes nats:// and tls://")
    secure = schemes == {"tls"}
    ca, certificate, key = (
        folder / name if name else None for name in (table.ca, table.certificate, table.key)
    )
    if (ca or certificate or key) and not secure:
        raise ConfigError(file, "nats.url", "has certificates, and is not tls://")
    if table.domain and not table.domain.isalnum():
        raise ConfigError(file, "nats.domain", f"found {table.domain!r}; letters and digits only")
    return Region(
        *(table.region, servers, secure, table.processes, table.domain, ca, certificate, key),
        *(table.replicas, table.max_bytes, table.max_msgs, table.max_age_s),
    )


def _server(url: str, file: str) -> str:
    wanted = "expected tls://HOST[:PORT], or several separated by commas"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as fault:
        raise ConfigError(file, "nats.url", f"is no address: {fault}") from fault
    if parts.path or parts.query or parts.fragment or "@" in parts.netloc:
        raise ConfigError(file, "nats.url", f"{wanted}, and nothing else")  # not quoted: see "@"
    if parts.scheme not in ("nats", "tls") or not host or port == 0:
        raise ConfigError(file, "nats.url", f"found {url!r}; {wanted}")
    if parts.scheme == "nats" and not is_loopback(host):
        text = f"{host} is not loopback; nats:// goes to this machine only, use tls://"
        raise ConfigError(file, "nats.url", text)
    name = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{name}:{port or PORT}"


def is_loopback(host: str) -> bool:
    """Whether this names this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
