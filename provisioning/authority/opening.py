"""`authority init`: opens an authority's book.

1. The root key is made in its store, or is there already where `--existing` says so: keys of a
   token are often made in a ceremony of their own. It is Ed25519, as anchors are.
2. All other files appear together or not at all (provisioning.placement), authority.toml last. A
   power cut before leaves a root key and nothing else: the same command with `--existing` goes on.
3. The TLS key is another than the root key: whose certificates open connections is not whose
   credentials make evidence.
"""

import argparse
import json
import os
import shlex
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from drivers.keystore import file as keyfile
from drivers.keystore import uri
from drivers.keystore.uri import Ask, AwayError, KeyStoreError, PinError
from evidence import anchor, config
from evidence.code import ALG_ED25519
from evidence.credential import ROLES
from evidence.key import PublicKey, Signer
from evidence.leap import NS
from provisioning.argument import Now, Parser, UsageError, content, only, tai, whole
from provisioning.authority import book, folder, outfile
from provisioning.authority.folder import AuthorityFile, RecordTable, TlsTable
from provisioning.authority.issue import Random
from provisioning.init import check_name
from provisioning.key import asker
from provisioning.placement import Disk, NewFile, PlacementError, SystemDisk, place
from provisioning.terminal import Terminal

PUBLIC, PRIVATE = 0o644, keyfile.MODE
_CA_BYTES_MAX = 65_536
_SERIAL_BYTES = 16
_DOOR_HOST = "authority.invalid"  # RFC 2606: whoever was invited goes by the certificate itself


@dataclass(frozen=True, slots=True)
class Opening:
    """What is to be opened. `anchors`, `record_ca`: contents of files; empty: not told."""

    folder: Path
    file: AuthorityFile
    anchors: str = ""
    record_ca: bytes = b""


def run(argv: Sequence[str], now: Now) -> int:
    """What was typed after `authority init`."""
    asked = only(_parser(), argv)
    out = Terminal(asked.json)
    _check(asked)
    told = {"folder": str(asked.folder), "name": asked.name, "root": uri.shown(asked.root)}
    if asked.dry_run:
        done = "take" if asked.existing else "make"
        out.say(f"Would {done} the root key {uri.shown(asked.root)}, and open {asked.folder}.")
        out.object(told | {"done": False})
        return 0
    ask = asker()
    anchors = content(asked.anchors) if asked.anchors is not None else ""
    record_ca = b""
    if asked.record_ca is not None:
        record_ca = outfile.content(asked.record_ca, _CA_BYTES_MAX)
    _make_folder(asked.folder)
    signer = _key(asked.root, asked.folder, asked.existing, ask)
    root = signer.public
    file = _file(asked, root)
    tls = None if asked.no_tls else _tls_key(asked.tls_key, asked.folder, asked.existing, ask)
    opening = Opening(asked.folder, file, anchors, record_ca)
    opened(opening, (signer, tls), now(), os.urandom)
    out.say(
        f"Opened {asked.folder}: the book of {asked.name!r}.",
        f"Root key     {uri.shown(asked.root)}",
        f"Fingerprint  {root.fingerprint} (SHA-256 of the raw public key)",
        "",
        "Into anchors.toml of every record, gateway and auditor, compared by another way:",
        *_anchor(asked.name, root).splitlines(),
        "",
        *_next(asked),
    )
    out.object(told | {"done": True, "fingerprint": root.fingerprint, "root_key": root.raw.hex()})
    return 0


def opened(
    opening: Opening,
    keys: tuple[Signer, Signer | None],
    now_ns: int,
    random: Random,
    disk: Disk | None = None,
) -> None:
    """Places the files. Raises PlacementError, ConfigError, RefusedError."""
    root, tls = keys
    file = opening.file
    first = book.opened(file.name, root, tai(now_ns))
    files = [
        NewFile(folder.BOOK, first.encoded, PUBLIC),
        NewFile(folder.ISSUED, b"", PRIVATE),
    ]
    if opening.record_ca:
        _check_certificates(opening.record_ca)
        files.append(NewFile(folder.RECORD_CA, opening.record_ca, PUBLIC))
    if opening.anchors:
        text = _with_us(opening.anchors, file.name, root.public)
        files.append(NewFile(folder.ANCHORS, text.encode(), PUBLIC))
    if tls is not None:
        files += _tls_files(file.name, root, tls, now_ns // NS, random)
    files.append(NewFile(folder.AUTHORITY, folder.told(file).encode(), PUBLIC))
    place(opening.folder, files, _read_back, disk or SystemDisk())


def _next(asked: argparse.Namespace) -> list[str]:
    at = shlex.quote(str(asked.folder))
    lines = []
    if asked.anchors is None:
        text = f"anchors.toml with log and authority into {at}, and named in its authority.toml"
        lines = [f"Missing: {text}", "(anchors under [record]), or no new gateway can believe it."]
    return [
        *lines,
        "Next, for each gateway's request:",
        f"  gridseal-provision authority issue REQUEST --out ANSWER --authority {at}",
    ]


def _read_back(staged: Path) -> None:
    """As whoever uses it will. Raises ConfigError, PlacementError."""
    folder.read(staged)


def _tls_files(name: str, root: Signer, tls: Signer, now_s: int, random: Random) -> list[NewFile]:
    """The authority's certificate for connections, and the one of `authority serve`."""
    from provisioning.authority import certificate

    if tls.public == root.public:
        raise KeyStoreError("--tls-key", "is the root key; expected a key of its own (rule 3)")
    ca = certificate.authority(f"{name} TLS"[:64], tls, now_s, random(_SERIAL_BYTES))
    key, private = certificate.new_key()
    days = certificate.CA_DAYS  # it is pinned by who was invited, not judged by its dates
    serial = random(_SERIAL_BYTES)
    door = certificate.server(name, [_DOOR_HOST], key.public_key(), ca, tls, now_s, serial, days)
    return [
        NewFile(folder.TLS_CA, certificate.pem(ca), PUBLIC),
        NewFile(folder.DOOR_KEY, private, PRIVATE),
        NewFile(folder.DOOR, certificate.pem(door, ca), PUBLIC),
    ]


def _check_certificates(pem: bytes) -> None:
    """Raises PlacementError."""
    try:
        ssl.PEM_cert_to_DER_cert(pem.decode("ascii").strip())
    except (ValueError, UnicodeDecodeError) as fault:
        raise PlacementError("--record-ca: holds no certificate in PEM") from fault


def _make_folder(path: Path) -> None:
    """Raises PlacementError."""
    if os.path.lexists(path / folder.AUTHORITY):
        raise PlacementError(f"{path} is an authority's folder already, and stays as it is")
    try:
        path.mkdir(mode=0o700, exist_ok=True)
    except OSError as fault:
        raise PlacementError(f"{path}: {fault.strerror}") from fault


def _key(text: str, base: Path, existing: bool, ask: Ask | None) -> Signer:
    """A key, made or found. Raises KeyStoreError."""
    if not existing:
        uri.make(text, base, ask)
    return uri.open_signer(text, base, ask)


def _tls_key(text: str, base: Path, existing: bool, ask: Ask | None) -> Signer:
    """The key of connections: made, where a power cut or a ceremony left none. Raises
    KeyStoreError.
    """
    if existing:
        try:
            uri.show(text, base, ask)
        except (AwayError, PinError):
            raise
        except KeyStoreError:
            existing = False
    return _key(text, base, existing, ask)


def _check(asked: argparse.Namespace) -> None:
    """Raises UsageError, RequestError."""
    check_name("authority", asked.name)
    for role in asked.role:
        if role not in ROLES:
            raise UsageError(f"--role {role!r} is {config.nearest(role, list(ROLES))}")
    if asked.record_ca is not None and not asked.record_url:
        raise UsageError("--record-ca: without --record-url nobody is told where the record is")


def _file(asked: argparse.Namespace, root: PublicKey) -> AuthorityFile:
    """authority.toml. Raises KeyStoreError for a root key of the wrong kind."""
    if root.alg != ALG_ED25519:
        text = "is a P-256 key; anchors.toml knows Ed25519, as in a file or a PKCS#11 token"
        raise KeyStoreError(uri.shown(asked.root), text)
    record = RecordTable(
        asked.record_url or "",
        folder.RECORD_CA if asked.record_ca else "",
        folder.ANCHORS if asked.anchors else "",
    )
    tls = None if asked.no_tls else TlsTable(asked.tls_key)
    days = whole("--days", asked.days)
    folder.check_days(days)
    roles = tuple(asked.role) or ("gateway",)
    return AuthorityFile(
        asked.name, asked.root, root.raw.hex(), roles, days, asked.door, record, tls
    )


def _with_us(text: str, name: str, root: PublicKey) -> str:
    """The anchors, with this authority in them. Raises ConfigError."""
    found = anchor.read(text, "anchors").authorities.get(root.kid)
    if found is not None and (found.name, found.key) != (name, root):
        raise config.ConfigError("anchors", "", f"name this root key {found.name!r}, not {name!r}")
    return text if found is not None else f"{text.rstrip()}\n\n{_anchor(name, root)}"


def _anchor(name: str, root: PublicKey) -> str:
    """What stands in anchors.toml for this authority."""
    lines = ["[[authority]]", f"name = {json.dumps(name, ensure_ascii=False)}"]
    return "\n".join([*lines, f'key = "{root.raw.hex()}"', ""])


def _parser() -> Parser:
    about = "Opens an authority's book, with its root key. Nothing is overwritten."
    command = Parser(prog="gridseal-provision authority init", description=about,
                     allow_abbrev=False)  # fmt: skip
    add = command.add_argument
    add("folder", type=Path, metavar="DIR", help="where it goes")
    add("--name", metavar="NAME", required=True, help="of the authority; public")
    told = "of the root key, such as 'pkcs11:token=root;object=root?pin-source=ask'"
    add("--root", metavar="URI", required=True, help=told)
    add("--existing", action="store_true", help="the root key is there: make none")
    told = "of the key of certificates for connections; default %(default)s"
    add("--tls-key", metavar="URI", default="file:tls-ca.key", help=told)
    add("--no-tls", action="store_true", help="make no certificates for connections")
    add("--record-url", metavar="URL", help="of the record; told to gateways")
    add("--record-ca", type=Path, metavar="FILE", help="who certifies it, in PEM")
    add("--anchors", type=Path, metavar="FILE", help="anchors.toml for gateways")
    add("--role", metavar="ROLE", action="append", default=[], help="that it grants; repeat")
    add("--days", metavar="N", default="365", help="of a credential; default %(default)s")
    add("--door", metavar="HOST:PORT", default="", help="where gateways find `authority serve`")
    add("--dry-run", action="store_true", help="show what would be done, and do nothing")
    add("--json", action="store_true", help="one JSON object instead of words")
    return command
