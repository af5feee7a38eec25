"""`gridseal-provision board manifest`: makes a release, signed by the release key.

1. The folder appears by one rename, whole, and over none.
2. What was made is read back as a technician's end reads it.
3. Its files are compiled, unless sources are asked for: a board of 64 KiB has no room to compile.
   Of the files on a board only `main.py` is a source then, which flash.py puts there: MicroPython
   starts no other.
4. `package.json` names the same files for `mip`, which checks no signature: it is not signed.
"""

import argparse
import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import firmware_bridge
from drivers.keystore import private, uri
from evidence.code import ALG_ED25519
from firmware_bridge import release as manifest
from firmware_bridge.release import ManifestError
from provisioning.argument import Now, Parser, only
from provisioning.board import compiler, release
from provisioning.board.release import BoardError
from provisioning.key import asker
from provisioning.terminal import Terminal

PROG = "gridseal-provision board manifest"
PACKAGE = "package.json"
_MODE = 0o644


def run(argv: Sequence[str], now: Now) -> int:
    """What was typed after `board manifest`. Raises BoardError, KeyStoreError, UsageError."""
    asked = only(_parser(), argv)
    terminal = Terminal(asked.json)
    if os.path.lexists(asked.out):
        raise BoardError(f"{asked.out} is there already, and is not overwritten; name another")
    files = release.sources(asked.source)
    signer = uri.open_signer(asked.key, Path(), asker())
    if signer.public.alg != ALG_ED25519:
        raise BoardError(f"{uri.shown(asked.key)}: a board checks Ed25519 alone; name such a key")
    try:
        version = manifest.numbers(asked.version)
        release.check_version(files, version)
        if not asked.sources:
            files = compiler.compiled(files)
        listed = [(path, len(held), hashlib.sha256(held).digest()) for path, held in files.items()]
        text = manifest.text(version, listed)
    except ManifestError as fault:
        raise BoardError(str(fault)) from fault
    whole = manifest.signed(text, signer.sign(manifest.message(text)))
    package = _package(files, asked.version)
    _write(asked.out, {release.MANIFEST: whole, PACKAGE: package, **files}, signer.public.raw)
    public = signer.public.raw.hex()
    how = "source" if asked.sources else "compiled"
    terminal.say(
        f"Release {asked.version} of {len(files)} {how} files is in {asked.out}",
        f"Release key  {public}",
        f"Next: gridseal-provision board flash PORT --release {asked.out} --release-key {public}",
    )
    told = {"version": asked.version, "files": len(files), "compiled": not asked.sources}
    terminal.object(told | {"release_key": public})
    return 0


def _package(files: dict[str, bytes], version: str) -> bytes:
    """For `mpremote mip install package.json`: where each file goes, and where it is."""
    urls = [[path, path] for path in files]
    return (json.dumps({"urls": urls, "version": version}, indent=2) + "\n").encode()


def _write(out: Path, files: dict[str, bytes], public: bytes) -> None:
    """Raises BoardError."""
    part = out.with_name(f".{out.name}.part")
    try:
        shutil.rmtree(part, ignore_errors=True)  # what a power cut left
        for name, held in files.items():
            (part / name).parent.mkdir(parents=True, exist_ok=True)
            private.write_new(part / name, held, _MODE)
        release.opened(part, public)
        os.rename(part, out)
        private.sync_folder(out.resolve().parent)
    except OSError as fault:
        raise BoardError(f"{out}: cannot be made: {fault.strerror}") from fault


def _parser() -> Parser:
    about = "Makes a release: the firmware's files and their manifest, signed."
    parser = Parser(prog=PROG, description=about, allow_abbrev=False)
    parser.add_argument("out", type=Path, metavar="OUT", help="the folder to be made")
    parser.add_argument("--version", required=True, help="three numbers, newer than the last")
    parser.add_argument("--key", required=True, metavar="URI", help="the release key (Ed25519)")
    parser.add_argument(
        "--source",
        type=Path,
        metavar="DIR",
        default=Path(firmware_bridge.__file__).resolve().parent.parent,
        help="where firmware_bridge/ lies; default: this program's own",
    )
    told = "keep the sources: a board then compiles them at each start, in 256 KiB or more"
    parser.add_argument("--sources", action="store_true", help=told)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of words")
    return parser


def arguments(parser: argparse.ArgumentParser) -> None:
    """What names a release, for those who send it."""
    told = "a folder that `board manifest` made"
    parser.add_argument("--release", type=Path, required=True, metavar="DIR", help=told)
    told = "whose releases are taken: 64 digits, or a file of them"
    parser.add_argument("--release-key", required=True, metavar="KEY", help=told)
