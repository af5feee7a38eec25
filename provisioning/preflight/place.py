"""The places: what receivers measure, what the credential grants and what devices state, against
the survey.

1. Agreement is the gateway's own (agent.place, agent.survey, evidence.position): three sigma, 10 m.
2. A device that states no place is passed over, as most do; a gateway of which nothing measures or
   states where it is cannot be told about.

It asks nobody.
"""

from collections.abc import Iterator

from agent import place, survey
from agent.config import Gateway, Sketch
from agent.survey import Spot
from drivers.gnss.fix import Fix, Mode
from evidence import position
from evidence.position import Position
from evidence.refusal import EvidenceError
from provisioning.preflight.outcome import Outcome, cannot_tell, fault, ok
from provisioning.preflight.scene import Scene

CHECK = "position"
MOVED = "correct the survey in site.toml, or find out what else stands here"
TYPED = "correct the place in the device's settings, or the survey in site.toml"
NO_SURVEY = "[site.survey] in site.toml"
NO_WITNESS = "a receiver that measures its place, or a device that states one (CFG-3)"


def check(scene: Scene, sketch: Sketch) -> Iterator[Outcome]:
    surveyed = scene.plan.site.survey
    if surveyed is None:
        yield cannot_tell(CHECK, "", "no survey to compare with", NO_SURVEY)
        return
    found = [*_devices(scene), *_receivers(scene)]
    yield from found
    if isinstance(sketch, Gateway):
        yield from _credential(sketch)
    if not any(one.of for one in found):
        yield cannot_tell(CHECK, "", f"survey {surveyed.place().words()}", NO_WITNESS)


def _devices(scene: Scene) -> Iterator[Outcome]:
    for heard in scene.heard:
        where = survey.spots(scene.plan, heard.source)
        for block in heard.setup.blocks:
            if block.position is not None:
                of = f"{heard.source}/{block.station.strip() or block.idcode}"
                yield _against(of, block.position, where, TYPED)


def _against(of: str, stated: Position, where: list[Spot], todo: str) -> Outcome:
    away = survey.away(stated, where)
    if away.agrees:
        return ok(CHECK, of, f"{away.words()}; limit {position.length(away.allowed_m)}")
    return fault(CHECK, of, away.words(), todo)


def _receivers(scene: Scene) -> Iterator[Outcome]:
    """What the agent concludes of its receivers; else each as it was heard from here."""
    said = scene.place
    if said is not None and said.get("state"):
        words = str(said.get("words"))
        state = said["state"]
        if state == "doubted":
            yield fault(CHECK, "antenna", words, MOVED)
        elif state == "checked":
            yield ok(CHECK, "antenna", words)
        return
    for name in scene.receivers:
        yield from _fix(scene, name, scene.fixes.get(name))


def _fix(scene: Scene, name: str, fix: Fix | None) -> Iterator[Outcome]:
    if fix is None:
        needs = "a receiver that is heard: are its line, its baud and its power right?"
        yield cannot_tell(CHECK, name, "it said nothing", needs)
        return
    surveyed = scene.plan.site.survey
    if surveyed is None:
        return
    if fix.mode is Mode.FIXED:
        figure = "in fixed mode it tells the point that it was given, wherever it stands"
        yield cannot_tell(CHECK, name, figure, "a receiver in navigation mode, for some minutes")
    elif fix.place is None or not fix.place_counts:
        needs = "its antenna under the open sky, for some minutes"
        yield cannot_tell(CHECK, name, "it measures no position now", needs)
    else:
        found = place.apart(surveyed, fix.place)
        if not found.within():
            yield fault(CHECK, name, found.words(), MOVED)
        elif fix.place.horizontal_mm is None:
            needs = "a receiver that states its accuracy (UBX, or NMEA with GST)"
            yield cannot_tell(CHECK, name, f"{found.words()}: {place.UNSTATED}", needs)
        else:
            yield ok(CHECK, name, found.words())


def _credential(gateway: Gateway) -> Iterator[Outcome]:
    """The place that the authority granted; where it granted none, the record takes any."""
    try:
        granted = gateway.credential.position()
        where = survey.spots(gateway.plan)
        if granted is not None:
            todo = "have the authority issue a credential for the survey as it is"
            yield _against("credential", position.read(granted), where, todo)
    except EvidenceError as broken:
        yield fault(CHECK, "credential", str(broken), "ask the authority for it anew")
