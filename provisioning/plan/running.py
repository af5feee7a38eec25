"""What runs in a gateway's folder, as far as it can be read there: what was signed last, and what
the agent says of itself. Nothing is written, and the agent is not disturbed.

1. What was signed last are the descriptors of the latest run in the spool, of each stream the last.
2. Where there is no spool, or no agent answers, that is said, and is no fault.
"""

from pathlib import Path
from typing import Any, NamedTuple

from agent import status
from agent.archive import Archive, ArchiveError
from agent.config import Sketch, read_credential
from agent.schema import SpoolError
from evidence import cbor, cose, descriptor, disclosure
from evidence.config import ConfigError
from evidence.refusal import EvidenceError
from evidence.siteplan import SitePlan
from provisioning.plan import difference
from provisioning.plan.difference import Difference, Signed


class Compared(NamedTuple):
    """`unknown`: what could not be compared, and why, for people."""

    differences: list[Difference]
    unknown: list[str]


def compared(sketch: Sketch, plan: SitePlan) -> Compared:
    """A plan for this gateway against what runs there. Raises ConfigError where a file that says
    so cannot be read.
    """
    unknown: list[str] = []
    found = granted(sketch, plan)
    spool = sketch.path(sketch.file.spool.path)
    try:
        found += difference.descriptors(plan, signed(spool))
    except (SpoolError, ArchiveError) as fault:
        unknown.append(f"nothing signed to compare with: {fault}")
    except EvidenceError as fault:
        unknown.append(f"what was signed cannot be read: {fault}")
    told = account(spool)
    if told is None:
        unknown.append("no agent answers: what it listens to is not known")
    else:
        found += difference.account([source.name for source in sketch.sources], told)
    return Compared(found, unknown)


def granted(sketch: Sketch, plan: SitePlan) -> list[Difference]:
    """A plan against the credential, if there is one yet. Raises ConfigError."""
    file = sketch.file.gateway.credential
    path = sketch.path(file)
    try:
        return difference.credential(plan, read_credential(path) if path.exists() else None)
    except EvidenceError as fault:
        raise ConfigError(file, "", f"does not say what it hides: {fault}") from fault


def signed(spool: Path) -> list[Signed]:
    """Rule 1. Raises SpoolError, ArchiveError, EvidenceError."""
    archive = Archive(spool)
    try:
        runs = archive.runs()
        latest: dict[int, tuple[int, bytes]] = {}
        for statement in archive.descriptors(runs[-1].name) if runs else ():
            says = descriptor.read(cose.read(statement.encoded).payload)
            if latest.get(says.stream, (-1, b""))[0] < says.seq:
                latest[says.stream] = says.seq, statement.name
        found = []
        for _, name in latest.values():
            whole = archive.statement(name)
            if whole is not None:  # not freed meanwhile
                says = descriptor.read(cose.read(whole.encoded).payload)
                pairs = disclosure.read_pairs(cbor.decode(whole.disclosures))
                found.append(Signed(says, disclosure.match(pairs, says.digests)))
        return found
    finally:
        archive.close()


def account(spool: Path) -> dict[str, Any] | None:
    """What the agent of this spool says; None: none answers."""
    try:
        return status.ask(spool)
    except (OSError, ValueError):
        return None
