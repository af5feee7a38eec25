"""What becomes of an answer that holds: new files, and one rename of gateway.toml.

1. Credential, anchors and certificates come under names that are not there yet; gateway.toml names
   them, and the key. Until it is renamed all is as it was.
2. The agent's own reader reads the folder as it will be, elsewhere, before anything is written.
3. A key that hands over stays named (key_before): a store that was away may have runs to sign.
4. After a power cut the same command goes on: what was written already is taken as it is, and a
   change that holds is not made twice.
"""

import hashlib
import tempfile
from collections.abc import Mapping
from pathlib import Path

from agent import config as agent_config
from agent import handover
from agent.config import HANDOVERS_MAX, Handover
from evidence import cbor, cose
from evidence.code import Typ
from evidence.config import ConfigError
from provisioning import change
from provisioning.change import Change
from provisioning.enrol import pending, setting
from provisioning.enrol.answer import Judged
from provisioning.enrol.pending import Pending
from provisioning.enrol.request import GATEWAY, TLS_KEY, Place
from provisioning.enrol.setting import Setting
from provisioning.placement import Disk, NewFile, PlacementError, SystemDisk
from provisioning.source import RequestError

_MODE = 0o644
_NAME_BYTES = 4  # of the content's SHA-256, in a name beside another's
_FILE_BYTES_MAX = 2 << 20  # of a file that may be the one to be written


def change_of(of: Place, asked: Pending, judged: Judged, now_ns: int) -> Change:
    """Raises RequestError, ConfigError, KeyStoreError, PlacementError."""
    files = {"credential": ("credential.cbor", _credential(of, asked, judged))}
    if judged.anchors is not None:
        files["anchors"] = ("anchors.toml", judged.anchors.encode())
    answer = judged.answer
    if answer.certificates or answer.ca:
        files |= _tls(of, judged, now_ns)
    named = {key: _named(of.folder, name, content) for key, (name, content) in files.items()}
    text = setting.changed(_text(of), _settings(of, asked, judged, named), GATEWAY)
    try:
        _check(of, text, {named[key]: content for key, (_, content) in files.items()})
    except OSError as fault:
        why = f"cannot be read as it will be: {fault.strerror or fault}; is there room in /tmp?"
        raise PlacementError(f"{fault.filename or of.folder}: {why}") from fault
    added = [
        NewFile(named[key], content, _MODE)
        for key, (_, content) in files.items()
        if not (of.folder / named[key]).exists()
    ]
    says, by = judged.held.says, judged.authority.name
    what = f"{says.subject}: credential {judged.held.name.hex()[:16]} of {by}"
    if asked.request.rotation is not None:
        what += f", key {says.key.fingerprint[:16]}"
    return Change(what, added, NewFile(GATEWAY, text.encode(), _MODE))


def apply(folder: Path, made: Change, disk: Disk | None = None) -> None:
    """Makes it hold; the request is answered then. Raises PlacementError."""
    disk = disk or SystemDisk()
    change.apply(folder, made, disk)
    pending.forget(folder, disk)


def holds(of: Place, asked: Pending, judged: Judged) -> bool:
    """Whether a rotation was made already, and a power cut left its request standing."""
    rotated = asked.request.rotation is not None and asked.uri == of.sketch.file.gateway.key
    return rotated and of.held is not None and of.held.name == judged.held.name


def _credential(of: Place, asked: Pending, judged: Judged) -> bytes:
    """The file: with the rotations that led to its key."""
    held, chain = judged.held, of.held.before if of.held is not None else ()
    if asked.request.rotation is not None and of.held is not None:
        message = cose.read_statement(asked.request.rotation, Typ.ROTATION)
        chain = (Handover(message.encoded, message.name, of.held), *chain)[:HANDOVERS_MAX]
    whole = [held.encoded, held.pairs]
    return cbor.encode([*whole, handover.rows(chain)] if chain else whole)


def _tls(of: Place, judged: Judged, now_ns: int) -> dict[str, tuple[str, bytes]]:
    from provisioning.enrol import tls

    found, answer = {}, judged.answer
    if answer.certificates:
        if of.tls_key is None:
            raise RequestError(f"the answer has a certificate, and {of.folder} has no {TLS_KEY}")
        tls.check(of.tls_key, answer.certificates, now_ns)
        found["certificate"] = ("tls.pem", tls.pem(answer.certificates))
    if answer.ca:
        found["ca"] = ("ca.pem", tls.pem(answer.ca))
    return found


def _settings(
    of: Place, asked: Pending, judged: Judged, named: Mapping[str, str]
) -> dict[tuple[str, str], Setting]:
    """What gateway.toml is to say."""
    file = of.sketch.file
    found: dict[tuple[str, str], Setting] = {("gateway", "credential"): named["credential"]}
    if asked.uri != file.gateway.key:
        before = tuple(dict.fromkeys((file.gateway.key, *file.gateway.key_before)))
        before = tuple(one for one in before if one != asked.uri)
        found |= {
            ("gateway", "key"): asked.uri,
            ("gateway", "key_before"): before[:HANDOVERS_MAX],
        }
    for key in ("anchors", "ca", "certificate"):
        if key in named:
            found["record", key] = named[key]
    if "certificate" in named and not file.record.certificate_key:
        found["record", "certificate_key"] = TLS_KEY
    if not file.record.url and judged.answer.url:
        found["record", "url"] = judged.answer.url
    return found


def _named(folder: Path, name: str, content: bytes) -> str:
    """The plain name where it is free, or has this very content; else one of its own."""
    path = folder / name
    if not path.exists() or _is(path, content):
        return name
    digest = hashlib.sha256(content).hexdigest()[: 2 * _NAME_BYTES]
    other = f"{path.stem}-{digest}{path.suffix}"
    if (folder / other).exists() and not _is(folder / other, content):
        raise RequestError(f"{folder / other} stands where this belongs; move it away")
    return other


def _is(path: Path, content: bytes) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(_FILE_BYTES_MAX) == content
    except OSError:
        return False


def _text(of: Place) -> str:
    try:
        return (of.folder / GATEWAY).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        raise ConfigError(GATEWAY, "", "cannot be read") from fault


def _check(of: Place, text: str, files: Mapping[str, bytes]) -> None:
    """Has the agent's reader read the folder as it will be. Raises ConfigError."""
    file = of.sketch.file
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for other, content in files.items():
            (folder / other).write_bytes(content)
        plan, anchors = of.sketch.path(file.gateway.plan), of.sketch.path(file.record.anchors)
        (folder / "plan").write_bytes(plan.read_bytes())
        moved: dict[tuple[str, str], Setting] = {("gateway", "plan"): "plan"}
        if not any(other.startswith("anchors") for other in files):
            moved["record", "anchors"] = str(anchors.resolve())
        (folder / GATEWAY).write_text(setting.changed(text, moved, GATEWAY), encoding="utf-8")
        agent_config.load(folder / GATEWAY)
