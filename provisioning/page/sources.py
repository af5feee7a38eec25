"""The step that looks for sources, and adds what was found to the gateway's folder.

1. Where it looks is filled in, as `gridseal-provision discover` is told it, within the same limits;
   it scans nothing. What it sends is in drivers.asks.
2. The search is a job: it goes on while nobody looks, and what it found stands there for whoever
   looks next. What is added stands in the folder.
3. While it looks, nobody listens to the lines (watch.py).
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from agent.clock import SystemClock, leap_table
from drivers import registry
from evidence.config import ConfigError
from provisioning import change
from provisioning.discover import command as limits
from provisioning.discover import ethernet, modbus, pmu, proposal, serial
from provisioning.discover.finding import Finding, Found, SearchError
from provisioning.page import layout
from provisioning.page.desk import Desk, Job
from provisioning.page.element import Html, joined, tag
from provisioning.page.fault import REFUSED
from provisioning.page.sketch import sketched
from provisioning.page.step import Download, Form, FormError, Standing

SEARCH = "search"  # the job
RENEW_S = 0.5
_LINES = 6  # of what the search says, the last


@dataclass(frozen=True, slots=True)
class Wanted:
    """Where to look."""

    hosts: Sequence[tuple[str, int]]
    idcodes: Sequence[int]
    lines: Sequence[str]  # of Modbus
    interfaces: Sequence[str]
    serial: bool
    ask: bool

    def places(self) -> int:
        return len(self.hosts) + len(self.lines) + len(self.interfaces) + self.serial


class Sources:
    """The step."""

    name, title = "sources", "Sources"

    def standing(self, desk: Desk) -> Standing:
        sketch = sketched(desk.folder)
        if sketch is None:
            return Standing.WAITS
        return Standing.DONE if sketch.sources else Standing.OPEN

    async def show(self, desk: Desk, form: Form) -> Html:
        if sketched(desk.folder) is None:
            return tag("p", "There is no gateway in this folder yet: begin with the identity.")
        job = desk.jobs.get(SEARCH)
        if job is not None and job.runs:
            stop = layout.form("sources", "stop", form.token, layout.button("Stop", quiet=True))
            return joined(layout.panel(self.name, _course(job)), stop)
        return joined(
            _there(desk),
            _result(desk, job, form) if job is not None else None,
            tag("h2", "Look for sources"),
            _asked(form),
        )

    async def act(self, desk: Desk, act: str, form: Form) -> str:
        if act == "search":
            wanted = _wanted(form)
            desk.start(SEARCH, lambda job: _search(desk, job, wanted), REFUSED)
            return ""
        if act == "stop":
            await desk.stop(SEARCH)
            return "The search was stopped; what was found until then stands below."
        if act == "add":
            return await desk.do(lambda: _add(desk, form))
        raise FormError(f"there is no {act!r} here")

    def panel(self, desk: Desk) -> AsyncIterator[tuple[Html, str]] | None:
        job = desk.jobs.get(SEARCH)
        return _renewed(job) if job is not None and job.runs else None

    async def download(self, desk: Desk, name: str) -> Download | None:
        return None


# --- what is done


def _wanted(form: Form) -> Wanted:
    """Raises UsageError, ConfigError, FormError."""
    hosts, lines, interfaces = (form.text(one).split() for one in ("hosts", "modbus", "goose"))
    for what, several, most in (
        ("hosts", hosts, limits.HOSTS_MAX),
        ("modbus", lines, limits.LINES_MAX),
        ("goose", interfaces, limits.INTERFACES_MAX),
    ):
        if len(several) > most:
            raise FormError(f"{len(several)} are too many at once; at most {most}.", what)
    modbus.check(lines)
    wanted = Wanted(
        [limits.host(one) for one in hosts],
        limits.idcodes(form.text("idcodes")) if form.text("idcodes") else list(pmu.IDCODES),
        lines,
        interfaces,
        form.text("serial") == "yes",
        form.text("ask") == "yes",
    )
    if not wanted.places():
        raise FormError("Say where to look: a PMU's address, say, or the serial ports.", "hosts")
    return wanted


async def _search(desk: Desk, job: Job, wanted: Wanted) -> None:
    """Looks at all places side by side; what could not be looked at is a fault of the search."""
    found, faults = Found(job.say), list[str]()
    job.result = (found, faults)
    clock = SystemClock(leap_table(None))
    work: list[Coroutine[Any, Any, None]] = [
        *(pmu.search(*where, wanted.idcodes, clock, found) for where in wanted.hosts),
        *(modbus.search(one, clock, found) for one in wanted.lines),
        *(ethernet.search(one, limits.SECONDS, clock, found) for one in wanted.interfaces),
    ]
    if wanted.serial:
        try:
            work += [
                serial.search(port, wanted.ask, wanted.idcodes, serial.HEAR_S, clock, found)
                for port in await asyncio.to_thread(serial.ports)
            ]
        except SearchError as fault:
            faults.append(str(fault))

    async def guarded(one: Coroutine[Any, Any, None]) -> None:
        try:
            await one
        except (SearchError, ConfigError) as fault:
            faults.append(str(fault))

    async with desk.watch.rest():
        try:
            async with asyncio.timeout(limits.TOTAL_S):
                await asyncio.gather(*map(guarded, work))
        except TimeoutError:
            faults.append(f"not all was looked at in {limits.TOTAL_S:.0f} s")


def _add(desk: Desk, form: Form) -> str:
    """Raises FormError, UsageError, ConfigError, PlacementError."""
    findings = _found(desk.jobs.get(SEARCH))
    chosen = form.text("which").splitlines()
    picked = [one for at, one in enumerate(findings) if str(at) in chosen]
    if not picked:
        raise FormError("Choose what is to be added.", "which")
    proposed = proposal.propose(desk.folder, picked, form.text("bus"))
    if proposed.change is None:
        return "Nothing is added: " + "; ".join(proposed.left_out or ["it is there already"])
    change.apply(desk.folder, proposed.change)
    desk.jobs.pop(SEARCH, None)
    left = f" Left out: {'; '.join(proposed.left_out)}." if proposed.left_out else ""
    return f"Done: {proposed.change.what}.{left}"


def _found(job: Job | None) -> list[Finding]:
    if job is None or job.result is None:
        return []
    found: Found = job.result[0]
    return found.findings


# --- how it is shown


async def _renewed(job: Job) -> AsyncIterator[tuple[Html, str]]:
    while job.runs:
        count = len(_found(job))
        yield _course(job), f"{count} found so far" if count else "Looking"
        await asyncio.sleep(RENEW_S)


def _course(job: Job) -> Html:
    lines = [tag("li", line) for line in job.lines[-_LINES:]]
    return joined(
        tag("p", tag("strong", f"Looking. {len(_found(job))} found so far.")),
        tag("ul", *lines, class_="course"),
    )


def _there(desk: Desk) -> Html:
    sketch = sketched(desk.folder)
    sources = sketch.sources if sketch is not None else ()
    if not sources:
        return tag("p", layout.word("to do"), " This gateway has no source yet.")
    rows = []
    for one in sources:
        stream = sketch.plan.stream_of(one.name) if sketch is not None else None
        told = ", ".join(f"{key} {value}" for key, value in one.options.items())
        bus = stream.bus if stream is not None else ""
        receiver = one.scheme in registry.RECEIVERS
        rows.append((one.name, one.scheme, "" if receiver else bus or "not said", told))
    return layout.table("Sources of this gateway", ("Name", "Kind", "Bus", "How"), rows)


def _result(desk: Desk, job: Job, form: Form) -> Html:
    findings = _found(job)
    faults = [job.fault] if job.fault else []
    faults += job.result[1] if job.result is not None else []
    told = [layout.alert(*(f"Not looked at: {one}" for one in faults))] if faults else []
    if not findings:
        return joined(*told, tag("p", "Nothing was found.") if job.result is not None else None)
    boxes = [
        layout.tick("which", _finding(one), str(at), checked=not one.needs)
        if one.url
        else tag("p", _finding(one))
        for at, one in enumerate(findings)
    ]
    sketch = sketched(desk.folder)
    buses = [bus.name for bus in sketch.plan.bus] if sketch is not None else []
    return joined(
        *told,
        layout.form(
            *("sources", "add", form.token),
            tag("fieldset", tag("legend", "What was found"), *boxes),
            layout.choice("bus", "Bus of what is added", [(one, one) for one in buses])
            if len(buses) > 1
            else None,
            layout.button("Add what is ticked") if any(one.url for one in findings) else None,
        ),
    )


def _finding(one: Finding) -> Html:
    needs = f" It needs {one.needs}." if one.needs else ""
    return joined(tag("strong", one.name or one.kind), f" at {one.where}: {one.what}.{needs}")


def _asked(form: Form) -> Html:
    def area(name: str, label: str, hint: str) -> Html:
        return layout.area(name, label, form.texts.get(name, ""), hint=hint, rows=2)

    return layout.form(
        *("sources", "search", form.token),
        area("hosts", "PMUs, one address a line", "Such as 192.0.2.7, or 192.0.2.7:4713."),
        layout.field(
            "idcodes", "IDCODEs that they are asked for", form.text("idcodes"),
            hint=f"Such as 7, or 1-60,101; without: {pmu.IDCODES.start}-{pmu.IDCODES.stop - 1}.",
        ),
        layout.tick("serial", "Serial ports: listen at all of them",
                    checked=form.text("serial") == "yes"),
        layout.tick("ask", "Ask on them too: a PMU's configuration, a receiver's version",
                    checked=form.text("ask") == "yes"),
        area("modbus", "Lines of Modbus, one URL a line",
             "Such as modbus+tcp://192.0.2.9:502?units=1-8."),
        layout.field("goose", "Interfaces for GOOSE and Sampled Values", form.text("goose"),
                     hint="Such as eth1; several with spaces between them."),
        layout.button("Look for sources"),
    )  # fmt: skip
