"""The step that checks: each check with its word, the figure and what to do, and who waived what.

1. The checks are provisioning.preflight's, as `gridseal-provision preflight` makes them. What they
   found stands in the folder (checked.py), for the report and for whoever looks next.
2. It is a job: it goes on while nobody looks. While it listens, nobody else does (watch.py).
3. A waiver names somebody and a reason, and the fault stays beside it. It is of one outcome.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence

from agent import config
from provisioning import live
from provisioning.init import GATEWAY
from provisioning.page import checked, layout
from provisioning.page.desk import Desk, Job
from provisioning.page.element import Child, Html, joined, tag
from provisioning.page.fault import REFUSED
from provisioning.page.sketch import sketched
from provisioning.page.step import Download, Form, FormError, Standing
from provisioning.preflight import waiver
from provisioning.preflight.examination import CHECKS, Asked, examine
from provisioning.preflight.outcome import Outcome, Word, worst
from provisioning.preflight.waiver import Waiver

CHECKING = "preflight"  # the job
RENEW_S = 0.5
_STANDING = {Word.OK: Standing.DONE, Word.WAIVED: Standing.DONE}


class Preflight:
    """The step."""

    name, title = "preflight", "Pre-flight"

    def standing(self, desk: Desk) -> Standing:
        sketch = sketched(desk.folder)
        if sketch is None or not sketch.sources:
            return Standing.WAITS
        found = checked.outcomes(desk.folder, desk.now())
        return _STANDING.get(worst(found), Standing.FAULT) if found else Standing.OPEN

    async def show(self, desk: Desk, form: Form) -> Html:
        if sketched(desk.folder) is None:
            return tag("p", "There is no gateway in this folder yet: begin with the identity.")
        job = desk.jobs.get(CHECKING)
        if job is not None and job.runs:
            stop = layout.form("preflight", "stop", form.token, layout.button("Stop", quiet=True))
            return joined(layout.panel(self.name, _course(job)), stop)
        found = checked.outcomes(desk.folder, desk.now())
        return joined(
            layout.alert(f"Not checked: {job.fault}") if job is not None and job.fault else None,
            _result(found, form) if found else None,
            tag("h2", "Check again" if found else "Check"),
            _asked(form),
        )

    async def act(self, desk: Desk, act: str, form: Form) -> str:
        if act == "check":
            asked = _wanted(desk, form)
            desk.start(CHECKING, lambda job: _check(desk, job, asked), REFUSED)
            return ""
        if act == "stop":
            await desk.stop(CHECKING)
            return "The pre-flight was stopped; what the one before found stands as it was."
        if act == "waive":
            return await desk.do(lambda: _waive(desk, form))
        raise FormError(f"there is no {act!r} here")

    def panel(self, desk: Desk) -> AsyncIterator[tuple[Html, str]] | None:
        job = desk.jobs.get(CHECKING)
        return _renewed(job) if job is not None and job.runs else None

    async def download(self, desk: Desk, name: str) -> Download | None:
        return None


# --- what is done


def _wanted(desk: Desk, form: Form) -> Asked:
    """Raises ConfigError, UsageError."""
    sketch = config.sketch(desk.folder / GATEWAY)
    typed = [line for line in form.text("readings").splitlines() if line.strip()]
    readings = waiver.readings(typed, [one.name for one in sketch.sources])
    return Asked(offline=form.text("offline") == "yes", readings=readings)


async def _check(desk: Desk, job: Job, asked: Asked) -> None:
    """Raises ConfigError, UsageError, PlacementError."""
    job.say(f"{len(asked.checks())} checks. The sources are heard for {asked.seconds:.0f} s.")
    clock = live.clock_of(config.sketch(desk.folder / GATEWAY))
    async with desk.watch.rest():
        found = await examine(desk.folder / GATEWAY, asked, clock, desk.now, desk.random)
    await desk.do(lambda: checked.keep(desk.folder, found))


def _waive(desk: Desk, form: Form) -> str:
    """Raises FormError, UsageError, PlacementError."""
    found = checked.outcomes(desk.folder, desk.now())
    names = {_name(one): one for one in found if one.word in (Word.FAULT, Word.CANNOT_TELL)}
    meant = names.get(form.text("which"))
    if meant is None:
        raise FormError("Choose what is waived.", "which")
    for name, what in (("who", "who waives it"), ("why", "why")):
        if not form.text(name):
            raise FormError(f"Say {what}.", name)
    typed = waiver.waivers([f"{meant.check}={form.text('who')}:{form.text('why')}"], list(CHECKS))
    mine = Waiver(meant.check, meant.of, typed[0].who, typed[0].why)
    kept: list[Outcome] = []
    for one in found:
        kept += waiver.waived([one], [mine])[0] if one is meant else [one]
    checked.mark(desk.folder, kept)
    return f"Waived by {mine.who}: {_name(meant)}."


def _name(one: Outcome) -> str:
    return f"{one.check}@{one.of}" if one.of else one.check


# --- how it is shown


async def _renewed(job: Job) -> AsyncIterator[tuple[Html, str]]:
    while job.runs:
        yield _course(job), "Checking. This takes some seconds."
        await asyncio.sleep(RENEW_S)


def _course(job: Job) -> Html:
    return joined(tag("p", tag("strong", "Checking.")), *(tag("p", line) for line in job.lines))


def _result(found: Sequence[Outcome], form: Form) -> Html:
    order = list(reversed(Word))
    rows: list[Sequence[Child]] = [
        (_titled(one), layout.word(str(one.word)), one.figure or "no figure", _remedy(one))
        for one in sorted(found, key=lambda one: order.index(one.word))
    ]
    left = [one for one in found if one.word in (Word.FAULT, Word.CANNOT_TELL)]
    return joined(
        tag("p", layout.word(str(worst(found))), f" {', '.join(checked.counted(found))}.",
            role="status"),
        layout.table("What was found", ("Check", "Result", "Figure", "What to do"), rows),
        tag("p", "What is needed in the site plan is answered under ",
            tag("a", "Site plan", href="/step/plan"), ".")
        if any(".toml" in one.needs for one in left) else None,
        _waiving(left, form) if left else None,
    )  # fmt: skip


def _titled(one: Outcome) -> Html:
    """The check, and what it is of on a line of its own."""
    return joined(one.check, tag("span", one.of, class_="of") if one.of else None)


def _remedy(one: Outcome) -> str:
    parts = [one.todo, f"needs {one.needs}" if one.needs else ""]
    if one.waived_by:
        parts.append(f"waived by {one.waived_by}: {one.waived_why}")
    return "; ".join(filter(None, parts)) or "nothing"


def _waiving(left: Sequence[Outcome], form: Form) -> Html:
    options = [(_name(one), f"{_name(one)}: {one.word}") for one in left]

    def wrong(name: str) -> str:
        return "say it" if form.wrong == name else ""

    return tag(
        "details",
        tag("summary", "Waive what stays as it is"),
        tag("p", "Who waives a fault stands in the report with the reason, and the fault beside."),
        layout.form(
            *("preflight", "waive", form.token),
            layout.choice("which", "What is waived", options, form.text("which")),
            layout.field("who", "Who waives it", form.text("who"), required=True,
                         wrong=wrong("who")),
            layout.field("why", "Why", form.text("why"), required=True, wrong=wrong("why")),
            layout.button("Waive it", quiet=True),
        ),
        open=form.wrong in ("which", "who", "why"),
    )  # fmt: skip


def _asked(form: Form) -> Html:
    return layout.form(
        *("preflight", "check", form.token),
        layout.area(
            "readings", "Megawatts read elsewhere, one a line", form.texts.get("readings", ""),
            hint="Positive from the bus into the line, with the sign: pmu-a/I=+118.", rows=2,
        ),
        layout.tick("offline", "Without a network: leave out the way to the record",
                    checked=form.text("offline") == "yes"),
        layout.button("Check now"),
    )  # fmt: skip
