"""`gridseal-provision import-scl`: a site plan and sources from an SCL file."""

import re
from collections.abc import Sequence
from pathlib import Path

from drivers.goose import scl as goose
from provisioning.argument import Now, Parser, only
from provisioning.placement import NewFile
from provisioning.plan import delivery, intake, scl

_MODE = 0o644
_NAME = re.compile(r"[\w][\w.+ -]{0,199}", re.ASCII)
_PLAIN = "station.scd"  # where its own name is none that is copied


def run(argv: Sequence[str], now: Now) -> int:
    """What was typed. Raises UsageError, ConfigError, PlacementError."""
    about = "Makes a site plan, and proposes sources, from an SCL file (SSD, SCD, CID)."
    parser = Parser(prog="gridseal-provision import-scl", description=about, allow_abbrev=False)
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument("--ied", metavar="NAME", default="", help="only what this one sends")
    parser.add_argument(
        "--interface", metavar="NAME", default="eth1", help="that hears it; default %(default)s"
    )
    delivery.options(parser)
    asked = only(parser, argv)
    delivery.check(asked)
    pieces = list(intake.pieces(asked.file, goose.SCL_BYTES_MAX)) if asked.into else None
    root = goose.tree(
        intake.pieces(asked.file, goose.SCL_BYTES_MAX) if pieces is None else pieces,
        str(asked.file),
    )
    name = asked.file.name if _NAME.fullmatch(asked.file.name) else _PLAIN
    found = scl.found(
        root,
        str(asked.file),
        *(asked.substation, asked.ied, asked.interface),
        beside=str(asked.file) if pieces is None else name,
    )
    goose_there = any(one.scheme == "goose" for one in found.proposals)
    files = [NewFile(name, b"".join(pieces), _MODE)] if pieces and goose_there else []
    return delivery.deliver(asked, found, str(asked.file), files)
