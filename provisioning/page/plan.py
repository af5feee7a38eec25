"""The step that says what stands where: the site plan, taken in from a file of an engineering tool,
or asked for.

1. What a file says is shown first, with what would change and what follows from it; it is taken in
   by a second press. Until then it is held in memory, for whichever browser looks.
2. Readers, limits and the change itself are provisioning.plan's, as `import-scl` and `import-cim`
   have them: what is wrong is refused with file and line, and nothing is half done.
"""

import re
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import NamedTuple

from agent import config
from agent.config import Sketch
from drivers.goose import scl as goose
from evidence.siteplan import SitePlan
from provisioning import change
from provisioning.change import Change
from provisioning.init import GATEWAY
from provisioning.page import layout, questions
from provisioning.page.desk import Desk
from provisioning.page.element import Child, Html, joined, tag
from provisioning.page.sketch import sketched
from provisioning.page.step import Download, Form, FormError, Standing, Upload
from provisioning.placement import NewFile
from provisioning.plan import adoption, cim, difference, grid, import_cim, scl, text
from provisioning.plan.adoption import Adopted
from provisioning.plan.ask import Heard
from provisioning.plan.difference import Consequence, Difference
from provisioning.plan.grid import Found

HELD = "plan"
FEW = 8  # changes that are shown without a press
FILES_MAX = 16  # of a CIM model: an equipment profile, a boundary, and what else is beside them
_NAME = re.compile(r"[\w][\w.+ -]{0,199}", re.ASCII)  # as import-scl copies it
_MODE = 0o644
_KINDS = (("scl", "SCL: SSD, SCD or CID"), ("cim", "CIM: CGMES equipment, XML or ZIP"))


class Held(NamedTuple):
    """What a file would bring."""

    file: str
    site: str
    notes: Sequence[str]
    adopted: Adopted


class Plan:
    """The step."""

    name, title = "plan", "Site plan"

    def standing(self, desk: Desk) -> Standing:
        sketch = sketched(desk.folder)
        if sketch is None:
            return Standing.WAITS
        return Standing.DONE if sketch.plan.bus else Standing.OPEN

    async def show(self, desk: Desk, form: Form) -> Html:
        sketch = sketched(desk.folder)
        if sketch is None:
            return tag("p", "There is no gateway in this folder yet: begin with the identity.")
        held: Held | None = desk.held.get(HELD)
        return joined(
            _held(held, form.token) if held is not None else None,
            _plan(sketch.plan),
            questions.shown(await _heard(desk, sketch), form, sketch.plan),
            _import(form),
        )

    async def act(self, desk: Desk, act: str, form: Form) -> str:
        if act == "look":
            desk.held.pop(HELD, None)
            desk.held[HELD] = await desk.do(lambda: _look(desk.folder, form))
            return ""
        if act == "ask":
            desk.held.pop(HELD, None)
            sketch = config.sketch(desk.folder / GATEWAY)
            plan = questions.answered(await _heard(desk, sketch), form, sketch.plan, desk.random)
            desk.held[HELD] = _of_answers(sketch, plan)
            return ""
        held: Held | None = desk.held.get(HELD)
        if act == "leave":
            desk.held.pop(HELD, None)
            return "The file is left out; nothing was changed."
        if act == "take":
            if held is None or held.adopted.change is None:
                raise FormError("There is nothing to take in. Choose the file again.")
            # Read again: the folder may have changed since it was looked at.
            made = held.adopted.change
            await desk.do(lambda: change.apply(desk.folder, made))
            desk.held.pop(HELD, None)
            return f"Done: {made.what}. What runs goes by it when it is started again."
        raise FormError(f"there is no {act!r} here")

    def panel(self, desk: Desk) -> AsyncIterator[tuple[Html, str]] | None:
        return None

    async def download(self, desk: Desk, name: str) -> Download | None:
        sketch = sketched(desk.folder)
        if sketch is None or name != "site.toml":
            return None
        data = sketch.path(sketch.file.gateway.plan).read_bytes()
        return Download(name, "application/toml", data)


# --- what is done


def _look(folder: Path, form: Form) -> Held:
    """Raises FormError, ConfigError."""
    files = [one for one in form.files.get("file", ()) if one.content]
    if not files:
        raise FormError("Choose the file.", "file")
    if len(files) > FILES_MAX:
        raise FormError(f"{len(files)} files; at most {FILES_MAX}.", "file")
    names = [one.name if _NAME.fullmatch(one.name) else f"file-{at}" for at, one in
             enumerate(files, 1)]  # fmt: skip
    if form.text("kind") == "cim":
        found, beside = _cim(files, names, form.text("substation")), list[NewFile]()
    else:
        found, beside = _scl(files[0], names[0], form)
    plan = grid.plan(found)
    what = ", ".join(names)
    text.checked(plan, text.written(plan), what)
    adopted = adoption.adopted(folder, f"take in {what}", plan, found.proposals, beside)
    return Held(what, plan.site.name, found.notes, adopted)


async def _heard(desk: Desk, sketch: Sketch) -> list[Heard]:
    seen = await desk.watch.seen()
    return questions.heard([section.name for section in sketch.file.source], seen)


def _of_answers(sketch: Sketch, plan: SitePlan) -> Held:
    """Raises ConfigError."""
    name = sketch.file.gateway.plan
    made = text.checked(plan, text.written(plan, ("What stands where.",)), name)
    differences = difference.plans(sketch.plan, plan)
    written = Change(f"write {name}", (), NewFile(name, made.encode(), _MODE))
    adopted = Adopted(written if differences else None, (), tuple(differences))
    return Held("these answers", plan.site.name, (), adopted)


def _scl(sent: Upload, name: str, form: Form) -> tuple[Found, list[NewFile]]:
    root = goose.tree([sent.content], name)
    ied, interface = form.text("ied"), form.text("interface") or "eth1"
    found = scl.found(root, name, form.text("substation"), ied, interface)
    reads = any(one.scheme == "goose" for one in found.proposals)
    return found, [NewFile(name, sent.content, _MODE)] if reads else []


def _cim(sent: Sequence[Upload], names: Sequence[str], substation: str) -> Found:
    with tempfile.TemporaryDirectory() as made:
        paths = [Path(made) / f"{at}-{name}" for at, name in enumerate(names, 1)]
        for path, one in zip(paths, sent, strict=True):
            path.write_bytes(one.content)
        return cim.found(import_cim.read(paths), substation)


# --- how it is shown


def _held(held: Held, token: str) -> Html:
    adopted = held.adopted
    quiet = [one for one in adopted.differences if one.means == (Consequence.NOTHING,)]
    loud = [one for one in adopted.differences if one not in quiet]
    notes = [tag("li", one) for one in held.notes]
    kept = [tag("li", f"Kept as it is: {one}") for one in adopted.kept]
    take = layout.form("plan", "take", token, layout.button("Take it in"))
    leave = layout.form("plan", "leave", token, layout.button("Leave it out", quiet=True))
    return tag(
        "section",
        tag("h2", f"What {held.file} would change", id="held"),
        tag("p", f"It is of {held.site}. Nothing is written yet."),
        tag("ul", *notes, *kept) if notes or kept else None,
        _changes("Changes of what is signed", loud) if loud else None,
        tag(
            "details",
            tag("summary", f"{len(quiet)} changes for people and pre-flight only"),
            _changes("Changes of what is not signed", quiet),
            open=len(quiet) <= FEW,
        )
        if quiet
        else None,
        tag("p", "This plan has all of it already.") if adopted.change is None else None,
        tag("div", take if adopted.change is not None else None, leave, class_="row"),
        aria_labelledby="held",
    )


def _changes(caption: str, differences: Sequence[Difference]) -> Html:
    rows: list[Sequence[Child]] = [
        (one.of, one.key or "all of it", one.before, one.after, ", ".join(map(str, one.means)))
        for one in differences
    ]
    return layout.table(caption, ("What", "Key", "Before", "After", "Means"), rows)


def _plan(plan: SitePlan) -> Html:
    buses: list[Sequence[Child]] = [
        (
            bus.name,
            f"{bus.nominal_kv:g} kV" if bus.nominal_kv else "not said",
            bus.rotation or plan.site.rotation or "not said",
            tag("code", bus.mrid),
        )
        for bus in plan.bus
    ]
    return joined(
        layout.facts(_facts(plan)),
        layout.table("Buses", ("Bus", "Nominal", "Rotation", "mRID"), buses) if buses else None,
        *(_channels(plan, at) for at in range(len(plan.stream))),
        tag("p", tag("a", "Download site.toml", href="/step/plan/file/site.toml",
                     download="site.toml")),
    )  # fmt: skip


def _facts(plan: SitePlan) -> list[tuple[str, Child]]:
    where = plan.site.survey
    place = "not surveyed"
    if where is not None:
        place = f"{where.latitude:.5f}, {where.longitude:.5f}, within {where.accuracy_m:g} m"
    counts = {"lines": len(plan.line), "ties": len(plan.tie), "equipment": len(plan.equipment)}
    told = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    return [
        ("Site", plan.site.name),
        ("Nominal", f"{plan.site.nominal_hz:g} Hz" if plan.site.nominal_hz else "not said"),
        ("Antenna", place),
        ("Further", told or "nothing"),
    ]


def _channels(plan: SitePlan, at: int) -> Html:
    stream = plan.stream[at]
    rows: list[Sequence[Child]] = []
    for one in stream.channel:
        bus = plan.bus_of(stream, one)
        ratio = f"{one.ratio[0]:g} to {one.ratio[1]:g}" if one.ratio else "not said"
        rows.append(
            (one.name, bus.name if bus else "not said", one.phase or "not said", ratio,
             one.direction)
        )  # fmt: skip
    if not rows:
        return tag("p", tag("strong", stream.source), f" at {stream.bus or 'no bus'}; of its"
                   " channels nothing is said.")  # fmt: skip
    headings = ("Channel", "Bus", "Phase", "Ratio", "Positive direction")
    return layout.table(f"Channels of {stream.source}", headings, rows)


def _import(form: Form) -> Html:
    return joined(
        tag("h2", "From a file of the engineering tool"),
        layout.form(
            *("plan", "look", form.token),
            layout.field(
                "file", "The file", kind="file", required=True, multiple=True,
                hint="Of a CIM model all of its files, the boundary among them.",
                wrong="choose it" if form.wrong == "file" else "",
            ),
            layout.choice("kind", "What it is", _KINDS, form.text("kind")),
            layout.field("substation", "Substation", form.text("substation"),
                         hint="Where the file has several."),
            layout.field("ied", "IED", form.text("ied"), hint="SCL: only what this one sends."),
            layout.field("interface", "Interface that hears it", form.text("interface"),
                         hint="SCL: of this gateway, such as eth1."),
            layout.button("See what it would change"),
            files=True,
        ),
    )  # fmt: skip
