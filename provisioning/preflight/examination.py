"""All checks of a gateway, one after another: one row a check, and the function that the command,
the page and the report call.

1. What is heard is heard once, for those that need it.
2. What needs a network is left out with `offline`, and what writes with `writes` false; what is
   left out is named, and never `ok`.
3. A name that was read for no bay that there is, is refused: it would otherwise confirm nothing.
"""

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from agent.clock import SystemClock
from agent.config import Gateway, Sketch
from evidence import config, instant
from evidence.config import ConfigError
from evidence.leap import NS
from provisioning.argument import Now, UsageError, tai
from provisioning.preflight import (
    attempt,
    bus,
    clock,
    current,
    gateway,
    line,
    place,
    route,
    sequence,
    waiver,
)
from provisioning.preflight.outcome import Outcome, Word, cannot_tell, worst
from provisioning.preflight.scene import HEAR_S, Scene, hear
from provisioning.preflight.waiver import Waiver
from provisioning.snapshot import Snapshot

# Of what was heard; `position` and `disk` look at more than that.
HEARD: Mapping[str, Callable[[Scene], Iterable[Outcome]]] = {
    "line-speed": line.speed,
    "line-errors": line.errors,
    "configuration": line.configuration,
    "rate": line.rate,
    "gateway-clock": clock.gateway,
    "device-clock": clock.device,
    "sequence": sequence.check,
    "roll": bus.roll,
    "pt-ratio": bus.pt_ratio,
    "same-bus": bus.same_bus,
    "ct-direction": current.directions,
    "ct-ratio": current.ratios,
}
NETWORK = ("route", "test-observation")
# In the order in which they are told: what others stand on first.
CHECKS: Mapping[str, str] = {
    "disk": "room for the spool, writable, and how long a sync takes",
    "device-key": "opens, signs, and is the credential's",
    "credential": "in force, for this plan, by an authority of anchors.toml",
    "gateway-clock": "how far the gateway's clock may be off",
    "line-speed": "what frames take of a serial line's baud",
    "line-errors": "bad frames among all that arrive",
    "configuration": "IDCODE, and the channels that the plan names",
    "rate": "frames a second, as configured and as heard",
    "device-clock": "how far each device's clock is off, by its word and by arrivals",
    "position": "receivers, credential and devices against the survey",
    "sequence": "three single phases against the stated rotation",
    "pt-ratio": "voltages against nominal and a second source",
    "roll": "phases against a second source on the bus",
    "same-bus": "voltages of one bus against each other",
    "ct-direction": "power against MW read elsewhere, or the bus sum",
    "ct-ratio": "currents against a second source, or the bus sum",
    "route": "name, connection, TLS, certificate, and the record's signed word",
    "test-observation": "one observation flagged TEST, sealed, sent and receipted",
}


def plan_sha256(sketch: Sketch) -> str:
    """Of a gateway's site plan, in hex. Raises ConfigError."""
    name = sketch.file.gateway.plan
    try:
        return hashlib.sha256(sketch.path(name).read_bytes()).hexdigest()
    except OSError as fault:
        raise ConfigError(name, "", f"cannot be read: {fault.strerror}") from fault


class Asked(NamedTuple):
    """What is to be done. `only`: of CHECKS; empty: all."""

    only: Sequence[str] = ()
    offline: bool = False
    writes: bool = True
    seconds: float = HEAR_S
    waivers: Sequence[Waiver] = ()
    readings: Mapping[str, float] = {}

    def checks(self) -> list[str]:
        """Those that are made, in order."""
        return [name for name in CHECKS if not self._without(name)]

    def left_out(self) -> dict[str, str]:
        """Those that were asked for and are not, with the option that says so."""
        return {name: why for name in CHECKS if (why := self._why(name))}

    def _without(self, name: str) -> bool:
        return bool(self.only and name not in self.only) or bool(self._why(name))

    def _why(self, name: str) -> str:
        if self.only and name not in self.only:
            return ""
        if self.offline and name in NETWORK:
            return "--offline"
        return "--dry-run" if not self.writes and name == "test-observation" else ""


@dataclass(frozen=True)
class Findings:
    """What it came to. `snapshots`: what each source said last, where they were listened to."""

    gateway: str
    plan_sha256: str  # of the site plan that it was held against, in hex
    utc_ns: int  # when it was over
    outcomes: list[Outcome]
    left_out: dict[str, str] = field(default_factory=dict)
    snapshots: Sequence[Snapshot] = ()
    idle: Sequence[str] = ()  # waivers of nothing, in words

    def word(self) -> Word:
        return worst(self.outcomes)

    def well(self) -> bool:
        """Whether all is ok, or waived."""
        return self.word() in (Word.OK, Word.WAIVED)

    def told(self) -> dict[str, Any]:
        """As one object for programs."""
        return {
            "gateway": self.gateway,
            "plan_sha256": self.plan_sha256,
            "made": instant.words(tai(self.utc_ns)),
            "word": str(self.word()),
            "outcomes": [one.told() for one in self.outcomes],
            "left_out": self.left_out,
            "idle_waivers": list(self.idle),
        }


async def examine(
    path: Path,
    asked: Asked,
    system: SystemClock,
    now: Now,
    random: Callable[[int], bytes],
) -> Findings:
    """All that is asked of the gateway whose gateway.toml is at `path`. Raises ConfigError where
    that or the plan cannot be read, UsageError for a reading of nothing.
    """
    one = _Examination(*gateway.loaded(path), asked, system, now, random)
    return await one.run()


def _of_plan(one: Outcome, plan: str) -> Outcome:
    """With the name that the plan has here: a search, or an import, writes the next one beside
    site.toml, and whoever mends the one before mends nothing.
    """
    needs, todo = (text.replace("site.toml", plan) for text in (one.needs, one.todo))
    return one._replace(needs=needs, todo=todo)


class _Examination:
    """One, under way. `why`: the gateway could not be loaded whole."""

    def __init__(
        self,
        sketch: Sketch,
        why: str,
        asked: Asked,
        system: SystemClock,
        now: Now,
        random: Callable[[int], bytes],
    ) -> None:
        self._sketch, self._why, self._asked = sketch, why, asked
        self._system, self._now, self._random = system, now, random
        self._plan_sha256 = plan_sha256(sketch)
        self._scene: Scene | None = None
        self._found: dict[str, list[Outcome]] = {}

    async def run(self) -> Findings:
        asked, names = self._asked, self._asked.checks()
        if any(name in HEARD or name == place.CHECK for name in names):
            self._scene = await hear(self._sketch, self._system, asked.seconds, asked.readings)
            _check_readings(self._scene, asked.readings)
        for name in names:
            self._found[name] = await self._one(name)
        empty = any(one.needs == route.EMPTY for one in self._found.get(route.CHECK, ()))
        tried = self._found.get(attempt.CHECK, [])
        if empty and worst(tried) is Word.OK and tried:  # the log has its first entry now
            self._found[route.CHECK] = [await self._route()]
        plan = self._sketch.file.gateway.plan
        outcomes = [_of_plan(one, plan) for name in names for one in self._found[name]]
        shots = self._scene.last if self._scene is not None else ()
        name = self._sketch.file.gateway.name
        told, idle = waiver.waived(outcomes, asked.waivers)
        over = (self._plan_sha256, self._now())
        return Findings(name, *over, told, asked.left_out(), shots, idle)

    async def _one(self, name: str) -> list[Outcome]:
        scene, sketch = self._scene, self._sketch
        if scene is not None and name in HEARD:
            return list(HEARD[name](scene))
        if scene is not None and name == place.CHECK:
            return list(place.check(scene, sketch))
        if name == "disk":
            tried = gateway.disk(sketch, scene, self._system.monotonic_ns, self._asked.writes)
            return await asyncio.to_thread(list, tried)
        if name == "device-key":
            return [await gateway.device_key(sketch)]
        if name == "credential":
            return [gateway.credential(sketch, self._why, self._now() // NS)]
        return [await (self._route() if name == route.CHECK else self._attempt())]

    async def _route(self) -> Outcome:
        return await route.check(self._sketch, self._system.monotonic_ns, self._now() // NS)

    async def _attempt(self) -> Outcome:
        sketch = self._sketch
        if not isinstance(sketch, Gateway):
            figure = "there is no credential to seal under"
            return cannot_tell(attempt.CHECK, "", figure, gateway.ENROL)
        barred = [
            name
            for name in ("disk", "device-key", "credential", route.CHECK)
            if any(one.word is Word.FAULT for one in self._found.get(name, ()))
        ]
        if barred:
            return cannot_tell(
                attempt.CHECK, "", "it was not tried", f"{', '.join(barred)} in order"
            )
        runs = await attempt.runs(sketch)
        return await attempt.check(sketch, self._system, self._random, runs)


def _check_readings(scene: Scene, readings: Mapping[str, float]) -> None:
    known = [name for course in scene.currents for name in current.names(scene, course)]
    for name in readings:
        if name not in known:
            found = config.nearest(name, known) if known else "no bay: no current is heard"
            raise UsageError(f"{waiver.PROG}: --reading {name!r} is {found}")
