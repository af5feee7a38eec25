"""`gridseal-hil places`: what each place has, what it lacks and what to do, and which live
scenarios can be played there.

It starts nothing, and asks no device.
"""

import json
import sys
from typing import Any

from evidence.config import ConfigError
from hil.live import ability, place, script
from hil.live.command import is_live
from hil.live.place import PLACES, Place
from hil.live.script import Script
from hil.outcome import WRONG
from hil.script import SCENARIOS, text_of


def main(name: str | None, as_json: bool) -> int:
    """0, or 2 in one line where a file cannot be read."""
    try:
        names = [name] if name else sorted(path.stem for path in PLACES.glob("*.toml"))
        found = {one: _told(place.found(one)) for one in names}
    except ConfigError as fault:
        print(f"gridseal-hil places: {fault}", file=sys.stderr)
        return WRONG
    if as_json:
        print(json.dumps(found), flush=True)
        return 0
    for one, told in found.items():
        print(f"{one}: {told['about']}")
        for what in ("resources", "can"):
            if told[what]:
                print(f"  {what}: {', '.join(told[what])}")
        for what, why in told["cannot"].items():
            print(f"  cannot: {what}: {why}")
        for scenario, lacks in told["scenarios"].items():
            print(f"  {scenario}: {'; '.join(lacks) or 'all of it'}")
    return 0


def _told(of: Place) -> dict[str, Any]:
    return {
        "about": of.file.place.about,
        "kind": of.file.place.kind,
        "resources": [f"{one.name} ({one.kind})" for one in of.file.resource],
        "can": [text for name, text in ability.TEXTS.items() if name not in of.missing],
        "cannot": {ability.TEXTS[name]: why for name, why in of.missing.items()},
        "scenarios": {one.live.name: _lacks(of, one) for one in _scenarios()},
    }


def _scenarios() -> list[Script]:
    """The live ones of hil/scenarios. Raises ConfigError."""
    found = []
    for path in sorted(SCENARIOS.glob("*.toml")):
        text = text_of(path)
        if is_live(text):
            found.append(script.read(text, path.name))
    return found


def _lacks(of: Place, scenario: Script) -> list[str]:
    cast = of.cast(scenario)
    if not cast.whole or not cast.devices:
        return [f"not at all: {next((one.why for one in cast.lacks), 'it has no devices')}"]
    return [f"without {lack.what} {lack.name} ({lack.why})" for lack in cast.lacks]
