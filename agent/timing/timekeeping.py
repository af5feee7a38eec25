"""The loop that asks every source of time each second, hears those that tell by themselves, and
gives the clock what is made of them.

1. A ruling comes every second, whatever a source does: one that has not answered within ANSWER_S is
   represented by its last word, which ages, and after WORD_S_MAX by none.
2. A word that was spoken before this machine's clock was set says nothing of the clock as it is:
   each source is heard again from the first word on whose mark has risen since. Who had no word
   before the step is believed at once: that was the first synchronisation. A source that fails
   keeps its mark; one that calls itself unsynchronised starts anew.
3. Who listens is told each ruling after the clock has it. Listeners must not raise.

It weighs nothing itself (agent/timing/choice.py does), and sets no clock.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from agent.clock import BOOT_JUMP_NS, SystemClock
from agent.timing import face
from agent.timing.choice import Chooser
from agent.timing.jitter import Jitter
from agent.timing.opinion import Opinion, Ruling, TimeKeeper
from agent.timing.oscillator import Oscillator
from drivers.gnss.fix import Fix
from evidence.code import TimeSource
from evidence.leap import NS

PERIOD_S = 1.0
SOON_NS = 100_000_000  # between two rulings: of a receiver at ten epochs a second each is one
ANSWER_S = 0.2  # they answer in a few ms; a jump must be ruled on within a second all the same
WORD_S_MAX = 4  # an answer that takes longer will not come, and the last one is old
# What parts CLOCK_REALTIME from CLOCK_MONOTONIC is a step. They are read within some us of each
# other, or, where the machine is very busy, within some hundred.
STEP_NS = 1_000_000
STEPPED = "this machine's clock was set, and it has not been heard of since"


class Heard(Protocol):
    """A source that tells by itself, each epoch."""

    name: str

    def hear(self, fix: Fix) -> None:
        """Must not raise."""
        ...

    def opinion(self, now_ns: int) -> Opinion: ...


class _Clocks:
    """agent.timing.jitter.Clocks, with TAI by the gateway's clock as the wall clock."""

    def __init__(self, clock: SystemClock) -> None:
        self.realtime_ns = clock.tai_ns
        self.monotonic_ns, self.raw_ns = clock.monotonic_ns, clock.raw_ns


class Timekeeping:
    """All sources of a gateway. `tell`: whoever listens to rulings."""

    def __init__(
        self,
        clock: SystemClock,
        oscillator: Oscillator,
        keepers: Iterable[TimeKeeper],
        heard: Iterable[Heard] = (),
        tell: Callable[[Ruling], None] | None = None,
    ) -> None:
        self.ruling: Ruling | None = None  # the last
        self._clock, self._oscillator, self._tell = clock, oscillator, tell
        self._jitter = Jitter(_Clocks(clock))
        self._chooser = Chooser(oscillator, self._jitter.ns)
        self._keepers = {keeper.name: keeper for keeper in keepers}
        self._heard: Mapping[str, Heard] = {one.name: one for one in heard}
        self._asking: dict[str, asyncio.Task[Opinion]] = {}
        self._words: dict[str, Opinion] = {}  # the last of each that is asked
        self._steps = Steps()
        self._asleep_ns = clock.boottime_ns() - clock.monotonic_ns()

    def hear(self, name: str, fix: Fix) -> None:
        """A receiver told an epoch. It is ruled on at once: within a second of an epoch that jumped
        the clock must know.
        """
        found, ruling = self._heard.get(name), self.ruling
        if found is None:
            return
        found.hear(fix)
        if ruling is not None and self._clock.monotonic_ns() - ruling.at_ns >= SOON_NS:
            self._rule()

    async def watch(self) -> None:
        """Asks and rules every second, until cancelled."""
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while True:
            await self.renew()
            due_s = max(due_s + PERIOD_S, loop.time())  # what was missed is not made up for
            await asyncio.sleep(due_s - loop.time())

    async def renew(self) -> None:
        """Asks all sources, and rules by what they say."""
        for name, keeper in self._keepers.items():
            if name not in self._asking:
                self._asking[name] = asyncio.ensure_future(keeper.ask())
        if self._asking:
            done, _ = await asyncio.wait(self._asking.values(), timeout=ANSWER_S)
            for name in [name for name, task in self._asking.items() if task in done]:
                self._words[name] = self._asking.pop(name).result()
        self._rule()

    async def close(self) -> None:
        """Ends what was begun. Idempotent and bounded."""
        asking = list(self._asking.values())
        self._asking.clear()
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        await asyncio.gather(*(keeper.close() for keeper in self._keepers.values()))

    def report(self) -> dict[str, Any]:
        """The last ruling, as one object."""
        now_ns, tai_ns = self._clock.monotonic_ns(), self._clock.tai_ns()
        return face.told(self.ruling, now_ns, tai_ns, self._oscillator.name, self._clock.table)

    def _rule(self) -> None:
        self._look_for_sleep()
        now_ns, tai_ns, raw_ns, _ = self._jitter.read()
        words = [self._word(name, now_ns) for name in self._keepers]
        words += [one.opinion(now_ns) for one in self._heard.values()]
        opinions = self._steps.judged(words, tai_ns - now_ns)
        self._chooser.stamping_ns = self._jitter.ns
        ruling = self.ruling = self._chooser.rule(opinions, now_ns, tai_ns, raw_ns)
        self._clock.rule(ruling, tai_ns - now_ns)
        if self._tell is not None:
            self._tell(ruling)

    def _look_for_sleep(self) -> None:
        """What the oscillator did while the machine slept nobody knows: no clock of it ran."""
        asleep_ns = self._clock.boottime_ns() - self._clock.monotonic_ns()
        if abs(asleep_ns - self._asleep_ns) > BOOT_JUMP_NS:
            self._chooser.forget()
        self._asleep_ns = asleep_ns

    def _word(self, name: str, now_ns: int) -> Opinion:
        """Rule 1."""
        last = self._words.get(name)
        if last is None:
            return wordless(name, now_ns, "has not answered yet")
        if name in self._asking and now_ns - last.at_ns > WORD_S_MAX * NS:
            return silenced(last, f"no answer for {(now_ns - last.at_ns) // NS} s")
        return last


class Steps:
    """Which words are of this machine's clock as it was before it was set."""

    def __init__(self) -> None:
        self._anchor_ns: int | None = None  # TAI less monotonic, at the last look
        self._vouching: set[str] = set()  # who had a word then, or had one and fails since
        self._marks: dict[str, int] = {}
        self._before: dict[str, int] = {}  # marks at the step, of those not heard anew since

    def judged(self, words: Sequence[Opinion], anchor_ns: int) -> list[Opinion]:
        """The same words; those from before a step vouch for nothing. `anchor_ns`: TAI less
        monotonic.
        """
        if self._anchor_ns is not None and abs(anchor_ns - self._anchor_ns) > STEP_NS:
            stepped = [word for word in words if word.name in self._vouching]
            self._before.update((word.name, word.mark) for word in stepped)
        self._anchor_ns = anchor_ns
        for word in words:
            if word.error_ns is not None:
                self._vouching.add(word.name)
            elif word.mark != self._marks.get(word.name):
                self._vouching.discard(word.name)
            self._marks[word.name] = word.mark
        return [self._judged(word) for word in words]

    def _judged(self, word: Opinion) -> Opinion:
        mark = self._before.get(word.name)
        if mark is None:
            return word
        if word.error_ns is None:  # whatever it says once it vouches again is said anew
            self._before[word.name] = min(mark, word.mark)
            return word
        if word.mark > mark:
            del self._before[word.name]
            return word
        return silenced(word, STEPPED)


def wordless(name: str, at_ns: int, fault: str, mark: int = 0) -> Opinion:
    """Of a source that does not answer."""
    unknown = TimeSource.UNKNOWN
    return Opinion(name, unknown, at_ns, None, None, 0, (), mark=mark, fault=fault)


def silenced(word: Opinion, fault: str) -> Opinion:
    """The same source, vouching for nothing."""
    return word._replace(offset_ns=None, error_ns=None, terms=(), locked=False, fault=fault)
