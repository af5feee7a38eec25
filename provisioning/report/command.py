"""`gridseal-provision report`: makes the hand-over report of a gateway, a PDF and its signed JSON.

1. Both files appear, or neither does; neither is written over another.
2. What can be refused is refused before anything is measured, and a PIN is asked before too: nobody
   waits for a key that is away.
3. With --dry-run nothing is signed, and no store is asked to.

Exit 0: made, and the gateway passed. 1: made, and it did not. 2: not made.
"""

import argparse
import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from drivers.keystore import uri
from evidence.config import CONFIG_BYTES_MAX, ConfigError
from evidence.key import PublicKey
from evidence.refusal import EvidenceError
from provisioning import change, live
from provisioning.argument import Now, Parser, UsageError, only, whole
from provisioning.change import Change
from provisioning.key import asker
from provisioning.placement import NewFile, PlacementError
from provisioning.preflight import waiver
from provisioning.preflight.examination import CHECKS, Asked, examine
from provisioning.preflight.outcome import Outcome
from provisioning.preflight.waiver import Waiver
from provisioning.report import binding, checked, facts, sheet, summary
from provisioning.report.binding import Papers
from provisioning.report.document import TEXT_MAX, Report
from provisioning.report.facts import Standing
from provisioning.snapshot import Snapshot
from provisioning.terminal import Terminal

PROG = "gridseal-provision report"
# It names a site and where it stands: for its owner, and whoever that lets read it.
MODE = 0o640
SECONDS = 10  # of hearing the sources, as preflight does
SECONDS_MAX = 600


def run(argv: Sequence[str], now: Now) -> int:
    """What was typed after `report`. Raises UsageError, ConfigError, KeyStoreError,
    PlacementError.
    """
    asked = only(_parser(), argv)
    out = Terminal(asked.json)
    waivers = waiver.waivers(asked.waive, list(CHECKS))
    pdf, text = _targets(asked.out)
    stands = facts.standing(asked.folder)
    look = _look(asked, stands, waivers, now)
    technician = asked.technician or out.ask("Who hands over", "--technician NAME")
    if not 0 < len(technician.strip()) <= TEXT_MAX:
        words = f"a report names who made it, in {TEXT_MAX} characters: --technician NAME"
        raise UsageError(words)
    signer = None if asked.dry_run else uri.open_signer(stands.key, stands.sketch.folder, asker())
    public = signer.public if signer else _public(stands)
    facts.check_key(stands, public)
    out.say(f"Looking at {stands.sketch.file.gateway.name} for {look.seconds} s ...")
    outcomes, snapshots = asyncio.run(look.seen(now))
    try:
        made = facts.report(
            stands, public, snapshots, outcomes, technician.strip(), now(), facts.installed()
        )
        papers = None if signer is None else binding.bound(made, asked.paper, signer)
    except EvidenceError as fault:
        raise ConfigError(str(asked.folder), "", f"no report can say this: {fault.text}") from fault
    if papers is None:
        size = len(sheet.drawn(made, asked.paper))
        out.say(f"Would make {pdf} and {text}: {size} bytes of pages, and the signed report")
    else:
        _write(pdf, text, papers)
        out.say(f"Made {pdf} ({len(papers.pdf)} bytes) and {text}")
    out.say(*_lines(made))
    out.object(_told(made, pdf, text, papers))
    return 0 if made.passed() else 1


@dataclass(frozen=True)
class _Look:
    """How the gateway is looked at. `outcomes`: of a file; None: a pre-flight is made now."""

    stands: Standing
    outcomes: list[Outcome] | None
    waivers: Sequence[Waiver]
    seconds: int
    offline: bool
    writes: bool
    readings: Mapping[str, float]

    async def seen(self, now: Now) -> tuple[list[Outcome], Sequence[Snapshot]]:
        """Outcomes with their waivers, and what each source says. Raises UsageError,
        ConfigError.
        """
        sketch = self.stands.sketch
        clock = live.clock_of(sketch)
        if self.outcomes is not None:
            return self.outcomes, await live.moment(sketch, clock, self.seconds)
        asked = Asked((), self.offline, self.writes, self.seconds, (), self.readings)
        found = await examine(sketch.path(facts.GATEWAY), asked, clock, now, os.urandom)
        outcomes = checked.whole(found.outcomes, found.left_out)
        return checked.waived(outcomes, self.waivers), found.snapshots


def _parser() -> Parser:
    about = "Makes the hand-over report of a gateway: a PDF, and beside it its signed JSON."
    parser = Parser(prog=PROG, description=about, allow_abbrev=False)
    add = parser.add_argument
    add("folder", type=Path, metavar="DIR", help="the gateway's folder")
    add("--out", type=Path, metavar="FILE.pdf", required=True, help="the JSON goes beside it")
    told = "what preflight --json printed; without it, a pre-flight is made now"
    add("--preflight", type=Path, metavar="FILE", help=told)
    told = "who takes a check as it is, and why; CHECK@SOURCE of one source; repeat"
    add("--waive", action="append", default=[], metavar="CHECK=WHO:WHY", help=told)
    told = "MW read elsewhere, for a pre-flight now; repeat"
    add("--reading", action="append", default=[], metavar="SOURCE/BAY=MW", help=told)
    told = "leave out what needs a network, for a pre-flight now"
    add("--offline", action="store_true", help=told)
    add("--technician", metavar="NAME", default="", help="who hands over")
    add("--paper", choices=tuple(sheet.PAPERS), default="a4", help="default %(default)s")
    told = "how long the sources are heard; default %(default)s"
    add("--seconds", metavar="N", default=str(SECONDS), help=told)
    add("--dry-run", action="store_true", help="look and draw, but sign and write nothing")
    add("--json", action="store_true", help="one JSON object instead of words")
    return parser


def _look(
    asked: argparse.Namespace, stands: Standing, waivers: Sequence[Waiver], now: Now
) -> _Look:
    """Raises UsageError, ConfigError."""
    seconds = whole("--seconds", asked.seconds)
    if not 1 <= seconds <= SECONDS_MAX:
        raise UsageError(f"--seconds {seconds}: expected 1 to {SECONDS_MAX}")
    sources = [one.name for one in stands.sketch.sources]
    readings = waiver.readings(asked.reading, sources)
    outcomes: list[Outcome] | None = None
    if asked.preflight is not None:
        if asked.reading or asked.offline:
            raise UsageError("--reading and --offline are for a pre-flight now: no --preflight")
        outcomes = checked.waived(_outcomes(asked.preflight, stands, now()), waivers)
    return _Look(stands, outcomes, waivers, seconds, asked.offline, not asked.dry_run, readings)


def _targets(out: Path) -> tuple[Path, Path]:
    """The two files to be. Raises UsageError, PlacementError."""
    if out.suffix.lower() != ".pdf":
        raise UsageError(f"--out {str(out)!r}: expected a name that ends in .pdf")
    if not out.parent.is_dir():
        raise PlacementError(f"{out.parent} is not there; type: mkdir -p {out.parent}")
    text = out.with_suffix(".json")
    for path in (out, text):
        if os.path.lexists(path):
            raise PlacementError(f"{path} is there already, and is not overwritten")
    return out, text


def _public(stands: Standing) -> PublicKey:
    """The device key's public half, without a PIN."""
    if stands.credential is not None:
        return stands.credential.says.key
    return uri.show(stands.key, stands.sketch.folder, None)


def _outcomes(path: Path, stands: Standing, now: int) -> list[Outcome]:
    """Of a file. Raises ConfigError."""
    try:
        with path.open("rb") as file:
            data = file.read(CONFIG_BYTES_MAX + 1)
        return checked.of_file(data, str(path), stands.sketch, now)
    except OSError as fault:
        raise ConfigError(str(path), "", f"cannot be read: {fault.strerror}") from fault


def _write(pdf: Path, text: Path, papers: Papers) -> None:
    """Both files, or neither. Raises PlacementError."""
    files = [NewFile(text.name, papers.text, MODE), NewFile(pdf.name, papers.pdf, MODE)]
    change.apply(pdf.parent, Change("make a hand-over report", files))


def _lines(made: Report) -> list[str]:
    told = [f"{made.result()}: of {len(made.checks)} checks {summary.counted(made)}"]
    told.append(f"Report number {made.number()}")
    told.append(f"Device key    {made.key.kid}, fingerprint {made.key.fingerprint}")
    if made.credential is None:
        told.append("No credential yet: nobody vouches for this key.")
    elif made.authority is None:
        told.append("The credential is of no authority that this gateway believes.")
    return told


def _told(made: Report, pdf: Path, text: Path, papers: Papers | None) -> dict[str, object]:
    return {
        "done": papers is not None,
        "pdf": str(pdf),
        "json": str(text),
        "bytes": None if papers is None else len(papers.pdf),
        "number": made.number(),
        "result": made.result(),
        "passed": made.passed(),
        "fingerprint": made.key.fingerprint,
        "sources": [one.source for one in made.sources],
    }
