"""`gridseal-provision support-bundle`: one file for whoever helps, without a secret in it.

1. What goes in is a list (provisioning.account.PARTS), each part a JSON text; the manifest names
   them with their hashes, and what was left out.
2. The file has mode 0600, is whole or not there, and takes nobody's name.
3. With --dry-run the parts are shown, and no file is made.

It sends nothing: the technician does, by what way the utility allows.
"""

import gzip
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from drivers.keystore import file as keyfile
from evidence import instant
from evidence.leap import BUILT_IN, NS
from provisioning import account
from provisioning.account import Case
from provisioning.argument import Now, Parser, UsageError, only
from provisioning.placement import PlacementError, SystemDisk
from provisioning.terminal import Terminal

PROG = "gridseal-provision support-bundle"
FOLDER = "gridseal-support"
MANIFEST = "manifest.json"
NEVER = (
    "keys, sealed or not",
    "PINs, passphrases, passwords and one-time codes",
    "requests and challenges of an enrolment",
    "what devices said: observations, frames, positions",
)
HIDDEN = "names of site, sources, buses and channels; survey and antenna (--with-places)"


def run(argv: Sequence[str], now: Now) -> int:
    """What was typed after `support-bundle`. Raises UsageError, PlacementError."""
    asked = only(_parser(), argv)
    out = Terminal(asked.json)
    if not asked.folder.is_dir():
        raise UsageError(f"{asked.folder}: expected a gateway's folder; there is none")
    of = account.case(asked.folder, now(), asked.with_places, asked.log)
    parts = {name: _text(make(of)) for name, make in account.PARTS.items()}
    manifest = _manifest(of, parts)
    whole = packed({MANIFEST: _text(manifest), **parts}, of.utc_ns)
    told = {"file": str(asked.out), "bytes": len(whole), **manifest}
    if asked.dry_run:
        for name, text in parts.items():
            out.say(f"{name}:", *text.decode().splitlines())
    else:
        place(asked.out, whole)
        out.say(f"Made {asked.out}, {len(whole)} bytes: {', '.join(parts)}.")
    out.say("Left out: " + "; ".join(manifest["left_out"]) + ".")
    out.object({**told, "done": not asked.dry_run})
    return 0


def packed(parts: Mapping[str, bytes], utc_ns: int) -> bytes:
    """The archive: the same parts make the same bytes."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, text in parts.items():
            entry = tarfile.TarInfo(f"{FOLDER}/{name}")
            entry.size, entry.mode, entry.mtime = len(text), 0o644, utc_ns // NS
            archive.addfile(entry, io.BytesIO(text))
    return gzip.compress(tar.getvalue(), mtime=utc_ns // NS)


def place(path: Path, whole: bytes) -> None:
    """Raises PlacementError."""
    disk = SystemDisk()
    try:
        disk.write_new(path, whole, keyfile.MODE)
        disk.sync_folder(path.parent)
    except FileExistsError as fault:
        raise PlacementError(f"{path} is there already, and is not overwritten") from fault
    except OSError as fault:
        raise PlacementError(f"{path}: {fault.strerror or fault}") from fault


def _manifest(of: Case, parts: Mapping[str, bytes]) -> dict[str, Any]:
    made = instant.words(BUILT_IN.tai_ns(of.utc_ns // NS, of.utc_ns % NS))
    return {
        "made": made,
        "parts": {name: sha256(text).hexdigest() for name, text in parts.items()},
        "left_out": [*NEVER, *(() if of.places else (HIDDEN,))],
    }


def _text(told: Any) -> bytes:
    return json.dumps(told, indent=1, ensure_ascii=False, default=str).encode()


def _parser() -> Parser:
    about = "Makes one file with what whoever helps needs: configuration, versions, state. No key,"
    about += " PIN, password or code is in it, and no place unless asked for."
    parser = Parser(prog=PROG, description=about, allow_abbrev=False)
    add = parser.add_argument
    add("folder", type=Path, metavar="DIR", help="the gateway's folder")
    add("--out", type=Path, required=True, metavar="FILE.tar.gz", help="never overwritten")
    add("--log", type=Path, metavar="FILE", help="the agent's log: its own last lines go in")
    add("--with-places", action="store_true", help="names and positions of the site go in, too")
    add("--dry-run", action="store_true", help="show what would go in, and make no file")
    add("--json", action="store_true", help="one JSON object instead of words")
    return parser
