"""Files of one grid in every form that is imported, and what is changed in them."""

from pathlib import Path

import pytest

from drivers.goose import scl as goose
from evidence.config import ConfigError
from evidence.siteplan import SitePlan
from provisioning.plan import cim, grid, scl, text
from provisioning.plan.grid import Found
from provisioning.plan.rdf import Model

FOLDER = Path(__file__).resolve().parent
SCD = (FOLDER / "grid.scd").read_bytes()
EQ, EQBD = ((FOLDER / f"cgmes3_{name}.xml").read_bytes() for name in ("EQ", "EQBD"))
OLD_EQ, OLD_EQBD = ((FOLDER / f"cgmes2_{name}.xml").read_bytes() for name in ("EQ", "EQBD"))


def mrid(number: int) -> str:
    return f"5c1e0000-0000-4000-8000-{number:012d}"


def changed(content: bytes, *pairs: tuple[str, str], count: int = 1) -> bytes:
    told = content.decode()
    for before, after in pairs:
        assert before in told, before
        told = told.replace(before, after, count)
    return told.encode()


def checked(found: Found, file: str) -> SitePlan:
    """The plan, as an import gives it out."""
    plan = grid.plan(found)
    text.checked(plan, text.written(plan), file)
    return plan


def of_scl(content: bytes = SCD, substation: str = "North", ied: str = "") -> Found:
    return scl.found(goose.tree((content,), "grid.scd"), "grid.scd", substation, ied)


def of_cim(*contents: bytes, substation: str = "North") -> Found:
    model = Model(cim.ASKED)
    for number, content in enumerate(contents or (EQ, EQBD), 1):
        model.add((content,), f"{number}.xml")
    return cim.found(model, substation)


def refused_scl(content: bytes, **of: str) -> ConfigError:
    with pytest.raises(ConfigError) as fault:
        checked(of_scl(content, **of), "grid.scd")
    return fault.value


def refused_cim(*contents: bytes, substation: str = "North") -> ConfigError:
    with pytest.raises(ConfigError) as fault:
        checked(of_cim(*contents, substation=substation), "model")
    return fault.value
