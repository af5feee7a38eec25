"""A scenario is played: what stands on the stage is measured, sealed and logged, and what its
script says is said when its time has come.

1. Time is the scenario's: it moves to the next thing that happens, a batch or a line of the script,
   and the record's clock with it.
2. What is said is a record signed by its author and admitted by the record's own rules, then signed
   by whom the script names. What is refused is a fact of the outcome, never passed over.
3. A line of the script outside of the part that is played is not said. A play that is stopped has
   been one of the part until then.

Who looks at the outcome are hil.scenario.fact and hil.scenario.verdict.
"""

import heapq
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from evidence import anchor
from evidence.code import Word
from evidence.joint.record import Record
from evidence.leap import BUILT_IN, NS
from hil.scenario import stage
from hil.scenario.archive import Archive
from hil.scenario.cast import Cast
from hil.scenario.figures import Hours, tai_of
from hil.scenario.follower import Follower, following
from hil.scenario.gateway import Stated
from hil.scenario.observed import Reader
from hil.scenario.script import Script
from hil.scenario.stage import HEARD_NS, Stage
from hil.scenario.witnesses import Witnesses

ANCHORS, STORE = "anchors.toml", "record.db"
Say = Callable[[str], None]
Act = Callable[["Play"], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Part:
    """What is played of a scenario, ns TAI."""

    begins: int
    ends: int

    def holds(self, tai: int) -> bool:
        return self.begins <= tai < self.ends

    def measured(self, of: Script) -> int:
        """Until when devices measure: the reading that ends the last interval is among it."""
        return self.ends + of.scenario.period_s * NS


@dataclass(slots=True)
class Told:
    """A record as it was said: by its script's name where it has one."""

    record: Record
    name: bytes
    mark: str = ""
    topic: str = ""


@dataclass(slots=True)
class Play:
    """One scenario being played. `say`: progress, for people."""

    script: Script
    cast: Cast
    stage: Stage
    archive: Archive
    part: Part
    folder: Path
    reader: Reader
    witnesses: Witnesses
    mirror: Follower | None
    say: Say
    stopped: Callable[[], bool]  # whether who started it wants it to end here
    clock: Callable[..., str]  # an instant in words, by the scenario's clock
    told: dict[str, Told] = field(default_factory=dict)
    entries: int = 0
    copied: int = 0  # entries, by the mirror
    _due: list[tuple[int, int, Act]] = field(default_factory=list)
    _count: "count[int]" = field(default_factory=count)

    def at(self, tai: int, act: Act) -> None:
        """Something is to be done at an instant, after what was due then already."""
        heapq.heappush(self._due, (tai, next(self._count), act))

    async def run(self) -> None:
        """From the beginning to the end of the part."""
        batch_ns, day = self.script.scenario.batch_s * NS, ""
        ends = self.part.measured(self.script)
        while (self.stage.now < ends or self._due) and not self.stopped():
            now = self.stage.now
            aligned = now - (now - self.stage.begins) % batch_ns + batch_ns
            due = self._due[0][0] if self._due else ends
            # What is said of the last interval may come when nothing is measured any more.
            until = due if now >= ends else min(max(due, now), aligned, ends)
            self.stage.move(until)
            await self.admit()
            while self._due and self._due[0][0] <= until:
                await heapq.heappop(self._due)[2](self)
            if (today := self.clock(until, "%d %b %Y")) != day:
                day = today
                self.say(f"{self.clock(until)}  {self.entries:,} entries of the log")
        await self.admit()

    async def admit(self) -> None:
        """What was heard until now is cut, and logged."""
        for gateway in self.stage.gateways.values():
            gateway.cut()
        self.archive.now = max(self.archive.now, self.stage.now + HEARD_NS)
        for gateway in self.stage.gateways.values():
            for item in gateway.take():
                self.entries += 1
                if isinstance(item, Stated):
                    await self.archive.state(item.encoded, item.pairs, gateway.name)
                else:
                    await self.archive.batch(item.encoded, item.id, gateway.name)

    async def publish(self) -> None:
        """The log as it stands is cosigned, and copied."""
        await self.witnesses.publish(self.archive, self.reader.store)
        if self.mirror is not None:
            await self.mirror.pull()

    async def tell(
        self, key: str, record: Record, assent: list[str], mark: str = "", topic: str = ""
    ) -> Told:
        """Says a record, under a name of the script, and has it signed."""
        encoded, name = self.cast.record(record)
        taken = await self.archive.say(encoded, key)
        told = self.told[key] = Told(record, name, mark, topic)
        self.entries += taken
        for author in assent:
            if taken and author != record.author:
                await self.word(author, key, Word.ASSENT)
        return told

    async def word(self, author: str, key: str, word: Word, text: str = "") -> None:
        """What another says of a record that was said before."""
        encoded = self.cast.word(author, self.told[key].name, word, text)
        self.entries += await self.archive.say(encoded, f"{author} of {key}")


def face(of: Script) -> Callable[..., str]:
    """What tells an instant, ns TAI, by the clock of a scenario: that of its beginning."""
    zone = of.scenario.begins.tzinfo

    def clock(tai: int, form: str = "%d %b %H:%M:%S") -> str:
        return (
            datetime.fromtimestamp(BUILT_IN.utc_ns(tai) // NS, UTC).astimezone(zone).strftime(form)
        )

    return clock


async def played(
    of: Script,
    hours: Hours | None,
    part: Part,
    folder: Path,
    say: Say,
    stopped: Callable[[], bool],
    lines: Callable[[Play], None],
) -> Play:
    """Plays a part of a scenario into a record in a folder; `lines` puts what is said into it. Who
    stops it has a play of a shorter part."""
    cast = Cast(of)
    witnesses = Witnesses(folder, cast.log_name, cast.log_key, cast.witness_keys)
    policy = witnesses.policy if cast.witness_keys else ""
    text = cast.anchors(policy)
    (folder / ANCHORS).write_text(text, encoding="utf-8")
    anchors = anchor.read(text, ANCHORS)
    stood = stage.built(of, cast, hours, part.begins, part.measured(of))
    async with AsyncExitStack() as ends:
        archive = Archive(folder / STORE, cast.log_key, anchors, part.begins)
        ends.push_async_callback(archive.close)
        await archive.open()
        store = archive.reader()
        ends.callback(store.close)
        ends.callback(witnesses.close)
        witnesses.open(lambda: archive.now)
        mirror = None
        if of.scenario.mirror:
            how = (cast.log, cast.mirror_key, policy, lambda: archive.now, archive.url)
            mirror = await ends.enter_async_context(following(folder, *how))
        play = Play(
            of, cast, stood, archive, part, folder, Reader(store, of), witnesses, mirror, say,
            stopped, face(of),
        )  # fmt: skip
        lines(play)
        publish_ns = of.scenario.publish_s * NS
        for tai in range(part.begins + publish_ns, part.ends, publish_ns):
            play.at(tai, Play.publish)
        await play.run()
        if stood.now < part.measured(of):
            play.part = Part(part.begins, max(stood.now - of.scenario.period_s * NS, part.begins))
        await play.publish()
        if mirror is not None:
            play.copied = mirror.check()
    return play


def whole(of: Script) -> Part:
    """All of a scenario."""
    return Part(tai_of(of.scenario.begins), tai_of(of.scenario.ends))
