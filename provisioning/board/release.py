"""A release of the firmware on this machine: a folder with its manifest and its files.

1. A release is read whole and checked before anything is said to a board: its signature by the key
   that was named, and every file by its length and SHA-256.
2. The version that the manifest states is the one that the firmware itself says on its link.

It signs nothing and writes nothing.
"""

import hashlib
import re
from pathlib import Path
from typing import NamedTuple

from evidence.code import ALG_ED25519
from evidence.key import PublicKey
from firmware_bridge.release import (
    ENDINGS,
    FILE_MAX_BYTES,
    MANIFEST_MAX_BYTES,
    TOP,
    Manifest,
    ManifestError,
)
from provisioning.source import RequestError

MANIFEST = "manifest"
# For MicroPython's build, and the other end of the link: a board has no use for them.
_ELSEWHERE = (f"{TOP}/manifest", f"{TOP}/gateway")
_VERSION = f"{TOP}/firmware/bridge.py"
_SAYS = re.compile(rb"^FIRMWARE = \((\d+), (\d+), (\d+)\)$", re.MULTILINE)


class BoardError(RequestError):
    """What cannot be done with this board, this port or this release. Says what to do instead."""


class Release(NamedTuple):
    """A manifest that holds, and its files in its order."""

    manifest: Manifest
    contents: tuple[bytes, ...]

    @property
    def version(self) -> str:
        return dotted(self.manifest.version)


def dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def key(told: str) -> bytes:
    """A release key: 64 digits, or the file that holds them. Raises BoardError."""
    text = told
    if not re.fullmatch(r"[0-9a-f]{64}", told):
        text = _content(Path(told), 200).decode("ascii", "replace").strip()
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise BoardError(f"{told}: no release key; expected 64 digits of 0-9 and a-f")
    return bytes.fromhex(text)


def opened(folder: Path, public: bytes) -> Release:
    """The release of a folder. Raises BoardError: it is not as this key's holder signed it."""
    path = folder / MANIFEST
    try:
        manifest = Manifest(_content(path, MANIFEST_MAX_BYTES))
    except ManifestError as fault:
        raise BoardError(f"{path}: {fault}") from fault
    if not PublicKey(ALG_ED25519, public).verify(manifest.message, manifest.signature):
        raise BoardError(f"{path}: not signed by the release key that was named")
    contents = []
    for name, length, digest in manifest.files:
        found = _content(folder / name, FILE_MAX_BYTES)
        if len(found) != length or hashlib.sha256(found).digest() != digest:
            raise BoardError(f"{folder / name}: not as it was signed; fetch the release anew")
        contents.append(found)
    return Release(manifest, tuple(contents))


def sources(folder: Path) -> dict[str, bytes]:
    """The files of which a release is to be made, by path. Raises BoardError."""
    paths = sorted(
        path
        for ending in ENDINGS
        for path in (folder / TOP).rglob(f"*.{ending}")
        if path.is_file() and path.relative_to(folder).with_suffix("").as_posix() not in _ELSEWHERE
    )
    if not paths:
        raise BoardError(f"{folder}: holds no {TOP} folder with files")
    found = {path.relative_to(folder).as_posix(): _content(path, FILE_MAX_BYTES) for path in paths}
    return dict(sorted(found.items()))


def check_version(files: dict[str, bytes], version: tuple[int, int, int]) -> None:
    """Raises BoardError where the firmware says another of itself."""
    says = _SAYS.search(files.get(_VERSION, b""))
    if says and tuple(int(part) for part in says.groups()) != version:
        told = b".".join(says.groups()).decode()
        raise BoardError(f"the firmware says of itself that it is {told}, not {dotted(version)}")


def _content(path: Path, bytes_max: int) -> bytes:
    try:
        with path.open("rb") as file:
            found = file.read(bytes_max + 1)
    except OSError as fault:
        raise BoardError(f"{path}: cannot be read: {fault.strerror}") from fault
    if len(found) > bytes_max:
        raise BoardError(f"{path}: longer than {bytes_max} bytes")
    return found
