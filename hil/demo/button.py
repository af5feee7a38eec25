"""The buttons: each does what the scenario's rows say, by hil.live.act, and takes it back.

1. A button is a line of BUTTONS: rows of the scenario that are done together, and what takes them
   back. `hold_s`: it takes itself back after so long; else pressing it again does.
2. What of its rows this place cannot do is left out; a button without any says why, in words.
3. One thing at a time is done by a button: pressed meanwhile, it does nothing, and says so. Two
   buttons do not wait for each other.

What is forged is hil.demo.forgery's.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from hil.live.play import Deed, Play, done
from hil.live.sheet import Event, Fault

FORGE = "forge"


@dataclass(frozen=True, slots=True)
class Button:
    """`do`, `undo`: names of rows; `undo` empty: those that were done are taken back."""

    name: str
    key: str  # in the terminal
    label: str
    undo_label: str  # empty: there is nothing to take back
    text: str
    do: tuple[str, ...]
    undo: tuple[str, ...] = ()
    hold_s: float = 0.0


BUTTONS = (
    Button(
        *("trip", "t", "Trip the line", "Close the line"),
        "Circuit 2 opens at both ends; relay and breaker say so, circuit 1 carries all.",
        *(("trip", "relay", "breaker"), ("close",)),
    ),
    Button(
        *("link", "l", "Cut the link", "Mend the link"),
        "West's gateway loses the record: it keeps what it seals, and sends it afterwards.",
        ("link",),
    ),
    Button(
        *("antenna", "a", "Pull the GPS antenna", "Plug the antenna in"),
        "West's receiver has no fix: it vouches for no time any more, its place is unchecked.",
        ("antenna",),
    ),
    Button(
        *("move", "m", "Move the gateway", "Carry it back"),
        "East's antenna stands 500 m from where it was surveyed.",
        ("move",),
    ),
    Button(
        *("agent", "k", "Kill the agent", ""),
        "East's agent is killed outright; it starts anew two seconds later.",
        *(("agent",), (), 2.0),
    ),
    Button(
        *(FORGE, "f", "Forge a sample", ""),
        "The newest batch once more, one sample changed, posted to the record's door.",
        (),
    ),
)


class Panel:
    """The buttons of one play."""

    def __init__(self, play: Play) -> None:
        self._play = play
        rows: list[Event | Fault] = [*play.cast.events, *play.cast.faults]
        self._rows: Mapping[str, Event | Fault] = {row.name: row for row in rows}
        self._deeds: dict[str, list[Deed]] = {}
        self._busy: set[str] = set()
        self.version = 0

    def why_not(self, button: Button) -> str:
        """Why it can do nothing here and now; empty where it can."""
        return "it is under way" if button.name in self._busy else self._never(button)

    def _never(self, button: Button) -> str:
        """Why this machine cannot do it; empty where it can."""
        if not button.do:
            return ""
        reasons = [self._missing(name) for name in button.do]
        return "" if "" in reasons else reasons[0]

    def told(self) -> list[dict[str, object]]:
        """All of them, as a page shows them."""
        rows = []
        for one in BUTTONS:
            is_done = one.name in self._deeds
            rows.append({
                "name": one.name, "key": one.key, "text": one.text,
                "label": one.undo_label if is_done and one.undo_label else one.label,
                "done": is_done, "busy": one.name in self._busy, "why_not": self._never(one),
            })  # fmt: skip
        return rows

    def begin(self, button: Button) -> None:
        """It is under way from now on, until `end`."""
        self._busy.add(button.name)
        self.version += 1

    def end(self, button: Button) -> None:
        """It may be pressed again."""
        self._busy.discard(button.name)
        self.version += 1

    async def press(self, button: Button) -> list[str]:
        """Does it, or takes it back; what could not be done, in words. Raises what acts do not
        turn into words: nothing else is expected."""
        if button.name in self._deeds:
            return await self._take_back(button)
        problems = await self._do(button)
        if button.hold_s:
            await asyncio.sleep(button.hold_s)
            problems += await self._take_back(button)
        return problems

    # --- inside

    def _missing(self, name: str) -> str:
        row = self._rows.get(name)
        if row is None:
            return next((one.why for one in self._play.cast.lacks if one.name == name), "not here")
        device = row.device if isinstance(row, Fault) else None
        return self._play.stage.absent.get(device or "", "")

    async def _do(self, button: Button) -> list[str]:
        deeds = [Deed(self._rows[name]) for name in button.do if not self._missing(name)]
        self._play.deeds += deeds
        for deed in deeds:
            await done(self._play, deed, True)
        if any(deed.began is not None for deed in deeds):  # else there is nothing to take back
            self._deeds[button.name] = deeds
        return [f"{deed.name}: {deed.why}" for deed in deeds if deed.why]

    async def _take_back(self, button: Button) -> list[str]:
        deeds = self._deeds.pop(button.name, [])
        for name in button.undo:
            deed = Deed(self._rows[name])
            self._play.deeds.append(deed)
            deeds.append(deed)
            await done(self._play, deed, True)
        for deed in deeds:
            if isinstance(deed.row, Fault) and deed.began is not None and deed.over is None:
                await done(self._play, deed, False)
        return [f"{deed.name}: {deed.why}" for deed in deeds if deed.why]
