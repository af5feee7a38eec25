"""`gridseal-provision import-cim`: a site plan from the files of a CIM model (CGMES)."""

from collections.abc import Sequence
from pathlib import Path

from provisioning.argument import Now, Parser, only
from provisioning.plan import cim, delivery, intake, rdf
from provisioning.plan.rdf import Model


def run(argv: Sequence[str], now: Now) -> int:
    """What was typed. Raises UsageError, ConfigError, PlacementError."""
    about = (
        "Makes a site plan from the equipment profile of a CIM model (CGMES 2.4.15 or 3.0): XML"
        " files or archives of them, the boundary (EQBD) among them."
    )
    parser = Parser(prog="gridseal-provision import-cim", description=about, allow_abbrev=False)
    parser.add_argument("files", type=Path, metavar="FILE", nargs="+")
    delivery.options(parser)
    asked = only(parser, argv)
    delivery.check(asked)
    found = cim.found(read(asked.files), asked.substation)
    return delivery.deliver(asked, found, ", ".join(map(str, asked.files)))


def read(files: Sequence[Path]) -> Model:
    """The model of these files. Raises ConfigError."""
    model = Model(cim.ASKED)
    for path in files:
        if intake.is_archive(path):
            for name, pieces in intake.members(path, ".xml"):
                model.add(pieces, name)
        else:
            model.add(intake.pieces(path, rdf.CIM_BYTES_MAX), str(path))
    return model
