"""The last step: the hand-over report, a PDF and its signed JSON, made from what was checked last.

1. What stands in it, how it is drawn and signed is provisioning.report's, as
   `gridseal-provision report` makes it. The files stand in the gateway's folder.
2. It is of the pre-flight that stands there, with whoever waived what (preflight.py); a pre-flight
   whose waivers are on file keeps them in the report.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Literal

from drivers.keystore import uri
from evidence.config import ConfigError
from evidence.refusal import EvidenceError
from provisioning import change, credential, live
from provisioning.change import Change
from provisioning.page import checked, layout
from provisioning.page.desk import Desk
from provisioning.page.element import Html, joined, tag
from provisioning.page.sketch import sketched
from provisioning.page.step import Download, Form, FormError, Standing
from provisioning.placement import NewFile
from provisioning.preflight.outcome import Outcome
from provisioning.report import binding, facts, sheet
from provisioning.report.binding import Papers
from provisioning.report.command import MODE, SECONDS

_NAME = "hand-over-"
_KINDS = {".pdf": "application/pdf", ".json": "application/json"}


class Report:
    """The step."""

    name, title = "report", "Report"

    def standing(self, desk: Desk) -> Standing:
        if made(desk.folder):
            return Standing.DONE
        return Standing.OPEN if checked.outcomes(desk.folder, desk.now()) else Standing.WAITS

    async def show(self, desk: Desk, form: Form) -> Html:
        if sketched(desk.folder) is None:
            return tag("p", "There is no gateway in this folder yet: begin with the identity.")
        outcomes = checked.outcomes(desk.folder, desk.now())
        return joined(
            _made(desk.folder),
            tag("h2", "Make a report"),
            _asked(form, outcomes) if outcomes else tag("p", "Nothing was checked yet: a report is"
            " made of a pre-flight."),
        )  # fmt: skip

    async def act(self, desk: Desk, act: str, form: Form) -> str:
        if act != "make":
            raise FormError(f"there is no {act!r} here")
        technician = form.text("technician")
        if not technician:
            raise FormError("Say who hands over.", "technician")
        return await _make(desk, technician, "letter" if form.text("paper") == "letter" else "a4")

    def panel(self, desk: Desk) -> AsyncIterator[tuple[Html, str]] | None:
        return None

    async def download(self, desk: Desk, name: str) -> Download | None:
        for path in made(desk.folder):
            for one in (path, path.with_suffix(".json")):
                if one.name == name:
                    data = await asyncio.to_thread(one.read_bytes)
                    return Download(name, _KINDS[one.suffix], data)
        return None


def made(folder: Path) -> list[Path]:
    """The reports of this folder, the newest first."""
    return sorted(folder.glob(f"{_NAME}*.pdf"), reverse=True)


async def _make(desk: Desk, technician: str, paper: Literal["a4", "letter"]) -> str:
    """Raises ConfigError, KeyStoreError, PlacementError."""
    outcomes = checked.outcomes(desk.folder, desk.now())
    stands = facts.standing(desk.folder)
    # Before anything is measured: nobody waits for a key that is away.
    signer = await desk.do(lambda: uri.open_signer(stands.key, desk.folder, None))
    facts.check_key(stands, signer.public)
    clock = live.clock_of(stands.sketch)
    async with desk.watch.rest():
        snapshots = await live.moment(stands.sketch, clock, SECONDS)
    now_ns = desk.now()

    def bound() -> tuple[str, Papers]:
        try:
            told = facts.report(
                stands, signer.public, snapshots, outcomes, technician, now_ns, facts.installed()
            )
            return told.result(), binding.bound(told, paper, signer)
        except EvidenceError as fault:
            text = f"no report can say this: {fault.text}"
            raise ConfigError(desk.folder.name, "", text) from fault

    result, papers = await desk.do(bound)
    stamp = credential.instant(now_ns // 1_000_000_000).replace(":", "").replace("-", "")
    files = [
        NewFile(f"{_NAME}{stamp}.json", papers.text, MODE),
        NewFile(f"{_NAME}{stamp}.pdf", papers.pdf, MODE),
    ]
    await desk.do(lambda: change.apply(desk.folder, Change("make a hand-over report", files)))
    return f"Made {files[1].name}, {len(papers.pdf) // 1024} KiB: {result}."


def _made(folder: Path) -> Html:
    found = made(folder)
    if not found:
        return tag("p", layout.word("to do"), " No report was made yet.")
    parts = []
    for at, path in enumerate(found):
        href = f"/step/report/file/{path.name}"
        signed = path.with_suffix(".json").name
        parts.append(
            tag(
                "p",
                tag("a", f"Download {path.name}", href=href, download=path.name,
                    class_="button" if at == 0 else None),
                " ",
                tag("a", "its signed JSON", href=f"/step/report/file/{signed}", download=signed),
            )
        )  # fmt: skip
    return joined(tag("h2", "Reports"), *parts)


def _asked(form: Form, outcomes: Sequence[Outcome]) -> Html:
    counted = ", ".join(checked.counted(outcomes))
    papers = [(one, one.upper() if one == "a4" else one.capitalize()) for one in sheet.PAPERS]
    return joined(
        tag("p", f"Of the last pre-flight, {len(outcomes)} checks: {counted}. The sources are heard"
            f" for {SECONDS} s once more, and the device key signs it."),
        layout.form(
            *("report", "make", form.token),
            layout.field(
                "technician", "Who hands over", form.text("technician"), required=True,
                wrong="say it" if form.wrong == "technician" else "",
            ),
            layout.choice("paper", "Paper", papers, form.text("paper")),
            layout.button("Make the report"),
        ),
    )  # fmt: skip
