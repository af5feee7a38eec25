"""A request handed over: as a file for a stick, as QR codes on the terminal, as pictures.

1. It is kept in the folder first (provisioning.enrol.pending): so its answer can be taken.
2. A file that is no request of ours is not overwritten; one that is, is: a stick gets lost.
"""

import argparse
import os
import shlex
import shutil
from pathlib import Path

from evidence.leap import BUILT_IN, NS
from provisioning import credential
from provisioning.argument import Parser
from provisioning.enrol import parcel, pending
from provisioning.enrol.pending import Pending
from provisioning.key import grouped
from provisioning.placement import Disk, PlacementError, SystemDisk
from provisioning.source import RequestError
from provisioning.terminal import Terminal

_COLUMNS = 80  # of a terminal that does not say


def add_options(parser: Parser) -> None:
    add = parser.add_argument
    add("--out", type=Path, metavar="FILE", help=f"the file to carry; default DIR/{pending.FILE}")
    add("--qr", action="store_true", help="show it as QR codes, one after another")
    add("--png", type=Path, metavar="FILE", help="write it as QR codes in pictures")


def say_earlier(out: Terminal, folder: Path, now_ns: int) -> None:
    """That a request waits already, which the next one replaces."""
    try:
        waits = pending.read(folder)
    except RequestError:
        return  # damaged: the next one replaces it
    if waits is None:
        return
    made = credential.instant(BUILT_IN.utc_ns(waits.request.tai) // NS)
    what = "of a rotation " if waits.request.rotation is not None else ""
    out.say(
        f"A request {what}of {made} waited for its answer. The new one counts: an answer to the"
        " earlier will be refused."
    )


def hand_over(
    asked: argparse.Namespace, out: Terminal, made: Pending, disk: Disk | None = None
) -> None:
    """Raises RequestError, PlacementError."""
    packed = parcel.pack(made.encoded)
    name, size = made.name.hex(), len(packed)
    path = asked.out or asked.folder / pending.FILE
    _check(path)
    told: dict[str, object] = {"done": not asked.dry_run, "request": name, "bytes": size}
    told |= {"fingerprint": made.request.key.fingerprint}
    if asked.dry_run:
        out.say(f"Would ask for a credential by {size} bytes in {path}; nothing was kept")
        out.object(told)
        return
    pending.keep(asked.folder, made, disk or SystemDisk())
    told["file"] = str(path)
    carry(path, packed)
    out.say(
        f"Request {name[:16]} of {made.request.subject!r}: {size} bytes in {path}",
        "Device key, to be read out to the authority:",
        *(f"  {line}" for line in grouped(made.request.key.fingerprint)),
    )
    if asked.png is not None:
        from provisioning.enrol import qr

        pictures = [str(one) for one in qr.pictures(packed, asked.png)]
        told["pictures"] = pictures
        out.say(f"QR codes    {', '.join(pictures)}")
    if asked.qr:
        _show(out, packed)
    out.say("When the answer is here:")
    out.say(f"  gridseal-provision enrol accept {shlex.quote(str(asked.folder))} ANSWER")
    out.object(told)


def carry(path: Path, packed: bytes) -> None:
    """A file for a stick: no modes, which FAT does not have; whole or as it was.

    Raises PlacementError.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            file.write(packed)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as fault:
        part.unlink(missing_ok=True)
        raise PlacementError(f"{path}: {fault.strerror or fault}; name another (--out)") from fault


def _check(path: Path) -> None:
    """Whether what stands there is ours to replace. Raises PlacementError."""
    try:
        with path.open("rb") as file:
            begins = file.read(len(parcel.MAGIC))
    except FileNotFoundError:
        return
    except OSError as fault:
        raise PlacementError(f"{path}: {fault.strerror}; name a file (--out)") from fault
    if begins != parcel.MAGIC:
        raise PlacementError(f"{path} is no request of ours, and is not overwritten (--out)")


def _show(out: Terminal, packed: bytes) -> None:
    from provisioning.enrol import qr

    parts = qr.split(packed, shutil.get_terminal_size((_COLUMNS, 24)).columns)
    for number, text in enumerate(parts, 1):
        if number > 1 and not out.objects:
            out.pause("Enter shows the next code")
        out.say(f"QR code {number} of {len(parts)}", *qr.shown(text).splitlines())
