"""What the record is told: `record.toml`, and `anchors.toml` with whom it believes.

1. Typed, unknown keys refused; a fault is a ConfigError with file, key, what was found and what was
   expected.
2. Paths are relative to the folder of the file that names them.
3. Without TLS it listens on loopback only.

It reads these files and no other; keys are the key store's.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec

from evidence import anchor, config
from evidence.anchor import Anchors
from evidence.config import ConfigError
from record import publishing, region
from record.database import Place, is_url, tells_a_secret
from record.publishing import LogTable, Publishing, WitnessTable
from record.region import NatsTable, Region, is_loopback

KEY_BYTES = 32
PORT_MAX = 65535
STORE = "a file, such as record.db, or a URL: postgresql://USER@HOST/DATABASE"  # for people


class RecordTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[record]. `store`: a file, or the URL of a PostgreSQL database. `every`: check each
    observation's own signature, not only the head's. `appraise_s`: how often it looks at the values
    of what it admitted."""

    listen: str = "127.0.0.1:8443"
    store: str = "record.db"
    key: str = "file:log.key"
    anchors: str = "anchors.toml"
    every: bool = False
    appraise_s: Annotated[int, msgspec.Meta(ge=1, le=86_400)] = 600


class TlsTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[tls], paths of PEM files. `client_ca`: gateways must show a certificate of this one."""

    certificate: str
    key: str
    client_ca: str = ""


class RecordFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    record: RecordTable = RecordTable()
    tls: TlsTable | None = None
    nats: NatsTable | None = None
    log: LogTable = LogTable()
    witness: list[WitnessTable] = []


@dataclass(frozen=True, slots=True)
class TlsFiles:
    certificate: Path
    key: Path
    client_ca: Path | None


@dataclass(frozen=True, slots=True)
class RecordConfig:
    """A checked configuration; `folder`: what the key's URI is relative to."""

    host: str
    port: int
    store: Place
    key: str
    folder: Path
    anchors: Anchors
    every: bool
    appraise_s: int
    tls: TlsFiles | None
    region: Region | None  # whose requests a broker brings
    publishing: Publishing


def read_record(path: Path, listen: str | None = None) -> RecordConfig:
    """The configuration in a file; `listen` overrides the file's. Raises ConfigError."""
    found = config.read(read_text(path), RecordFile, str(path))
    folder = path.parent
    table = found.record
    host, port = address(listen or table.listen, "--listen" if listen else str(path))
    if found.tls is None and not is_loopback(host):
        text = f"{host} is not loopback; expected a [tls] table, or 127.0.0.1"
        raise ConfigError(str(path), "record.listen", text)
    tls = None
    if found.tls is not None:
        client_ca = folder / found.tls.client_ca if found.tls.client_ca else None
        tls = TlsFiles(folder / found.tls.certificate, folder / found.tls.key, client_ca)
    anchors = read_anchors(folder / table.anchors)
    return RecordConfig(
        *(host, port, place(table.store, folder, str(path), "record.store"), table.key, folder),
        *(anchors, table.every, table.appraise_s, tls),
        region.checked(found.nats, folder, str(path)) if found.nats else None,
        publishing.checked(found.log, found.witness, anchors, str(path), folder),
    )


def place(store: str, folder: Path = Path(), file: str = "STORE", key: str = "") -> Place:
    """Where a record is: a file, or the URL of a PostgreSQL database; where it was named so.

    Raises ConfigError.
    """
    if not is_url(store):
        return folder / store
    if tells_a_secret(store):
        text = (
            "found a password in a URL; expected one without: libpq reads it from the file that"
            " PGPASSFILE or passfile= names, or from a service"
        )
        raise ConfigError(file, key, text)
    return store


def read_anchors(path: Path) -> Anchors:
    """The trust anchors in a file. Raises ConfigError."""
    return anchor.read(read_text(path), str(path))


def read_text(path: Path) -> str:
    """A configuration file. Raises ConfigError."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as fault:
        raise ConfigError(str(path), "", fault.strerror or "cannot be read") from fault
    except UnicodeDecodeError as fault:
        raise ConfigError(str(path), "", "not UTF-8 text") from fault


def address(listen: str, file: str) -> tuple[str, int]:
    """Host and port of HOST:PORT; an IPv6 host stands in brackets. Raises ConfigError."""
    host, colon, port = listen.rpartition(":")
    digits = port.isascii() and port.isdigit()
    if digits and (len(port) > len(str(PORT_MAX)) or int(port) > PORT_MAX):
        text = f"found {listen!r}; the port is over {PORT_MAX}, expected HOST:PORT"
        raise ConfigError(file, "" if file == "--listen" else "record.listen", text)
    if not colon or not digits or not host:
        text = (
            f"found {listen!r}; expected HOST:PORT, such as 127.0.0.1:8443 (port 0: any free one)"
        )
        raise ConfigError(file, "" if file == "--listen" else "record.listen", text)
    return host.removeprefix("[").removesuffix("]"), int(port)
