"""Sampled Values on an Ethernet interface: the driver that the runner opens.

1. Nothing is ever sent. What is wanted is filtered by the kernel (EtherType, APPID), the rest of it
   by svID.
2. Frames are read some milliseconds after the first has come, together; each has the kernel's
   stamp.
3. An interface that is silent of what was asked for is a LinkError, as is one that fails. What had
   come before is handed on first. While frames wait to be read it is we who are late, and silence
   is not judged. What we were held up is nobody's silence, and lets no open block go until frames
   are here again: whoever sends may have stood still with us, as where a whole machine did.
4. What is wrong with streams rather than with a frame is told once a second as faults, by name and
   number: samples missing, frames that the kernel had no room for, and the rest of NOTICED.

It retries nothing and logs nothing.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Sequence

from drivers.ethernet.capture import Capture, Interest
from drivers.ethernet.frame import TYPE_SV
from drivers.line import (
    READ_FRAMES_MAX,
    Clock,
    Frame,
    FrameError,
    LinkError,
    Setup,
    Source,
    one_read,
)
from drivers.sv.option import SvOptions
from drivers.sv.session import Session
from drivers.sv.stream import SV, Item
from evidence.code import TimeSource
from evidence.config import convert
from evidence.leap import NS

TICK_S = 0.1  # how long what is held waits to be looked at where nothing more comes
OPEN_S = 4.0  # how long streams are waited for while others have said what they are
NOTICE_S = 1.0  # how often at most a fault of one name is told
# What the session counts and somebody should look at.
NOTICED = {
    "frames_dropped": "frames found no room in the kernel",
    "samples_missing": "samples are missing in their blocks",
    "smp_cnt_repeated": "frames repeat a counter with other contents",
    "reordered": "frames came before one that was sent earlier",
    "late": "frames came after their block was closed",
    "rate_contradicted": "times the counter was not at the rate that was taken for it",
    "configuration_changed": "times the data set changed",
    "conf_rev_mismatch": "times confRev is not that of the data set on file",
    "sample_size_mismatch": "times samples are not as long as the data set on file",
    "sv_id_twice": "svIDs are sent by several devices",
}
QUEUE_MAX = 8 * READ_FRAMES_MAX  # blocks heard while streams are learned; beyond it, a flood


class SvDriver:
    """One interface, as drivers.line.Driver has it."""

    def __init__(self, source: Source, clock: Clock) -> None:
        """Raises ConfigError for options that are not this scheme's."""
        self._clock = clock
        name = f"source {source.name!r}"
        self._options = convert(dict(source.options), SvOptions, name)
        self._terms = self._options.terms(name)
        self._groups = self._options.joined(name)
        self._capture: Capture | None = None
        self._session: Session | None = None
        self._queue: deque[Item] = deque()
        self._ended: LinkError | None = None
        self._good_s = self._ticked_s = self._noticed_s = 0.0
        self._due_s = 0.0  # the end of a wait, at the latest, where nothing holds us up
        self._late_s = 0.0  # by what we were held up since frames came
        self._noticed: Counter[str] = Counter()

    @property
    def counts(self) -> Counter[str]:
        """What happened on this interface, by name."""
        return self._session.counts if self._session is not None else Counter()

    def expected(self) -> tuple[int, tuple[int, int]] | None:
        """Only the frames tell how long they are."""
        return None

    async def open(self) -> Sequence[Setup]:
        """Hears until the streams that are there have said what they are. Raises LinkError."""
        await self.close()
        self._queue.clear()
        self._ended, self._noticed = None, Counter()
        options = self._options
        interest = Interest(
            options.interface,
            {TYPE_SV: options.appids},
            self._groups,
            options.pause_ms / 1000,
        )
        self._session = session = Session(self._terms, self._clock.table)
        self._capture = capture = Capture(interest, self._clock)
        self._good_s = asyncio.get_running_loop().time()
        self._due_s, self._late_s = self._good_s + TICK_S, 0.0
        begun = False
        try:
            begun_s = self._good_s
            while not session.ruled():
                await self._hear(capture, session)
                if self._queue and asyncio.get_running_loop().time() - begun_s > OPEN_S:
                    break  # what is still being learned comes by read()
                if self._ended is not None:
                    raise self._ended
                if len(self._queue) > QUEUE_MAX:
                    raise LinkError(f"{options.interface}: new streams without end")
            begun = True
        finally:
            if not begun:
                await self.close()
        return self._known()

    async def read(self) -> Sequence[Frame | Setup]:
        """As drivers.line.Driver says."""
        capture, session = self._capture, self._session
        if capture is None or session is None:
            raise LinkError("not open")
        while not self._queue:
            if self._ended is not None:
                raise self._ended
            await self._hear(capture, session)
        return one_read(self._queue)

    async def close(self) -> None:
        """Idempotent, never raises."""
        capture, self._capture = self._capture, None
        if capture is not None:
            capture.close()

    async def _hear(self, capture: Capture, session: Session) -> None:
        """Waits for frames, or for TICK_S; queues what they say."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(TICK_S):
                packets = await capture.take()
        except TimeoutError:
            packets = []
        except LinkError as fault:
            self._queue.extend(session.flush())
            self._ended = fault
            return
        now_s = loop.time()
        self._hold_up(now_s, bool(packets))
        if packets:
            before = session.counts["not_asked_for"] + session.counts["other"]
            items = session.feed(packets)
            self._queue.extend(items)
            passed = session.counts["not_asked_for"] + session.counts["other"] - before
            if passed < len(packets):
                self._good_s = now_s
        if now_s - self._noticed_s >= NOTICE_S:
            self._noticed_s = now_s
            self._notice(capture, session)
        if packets and now_s - self._ticked_s < TICK_S:
            return
        now = self._clock.now()  # before the look: what comes after it is later
        if capture.untaken():
            return  # where frames wait, it is we who are late
        self._ticked_s = now_s
        self._queue.extend(session.tick(now.tai - int(self._late_s * NS)))
        silent_s = now_s - self._good_s
        if silent_s >= self._options.silence_s:
            self._queue.extend(session.flush())
            self._ended = LinkError(self._silence(silent_s, session))

    def _hold_up(self, now_s: float, heard: bool) -> None:
        """Rule 3: what this wait took too long. Frames that came of it may be from before."""
        late_s = max(now_s - self._due_s, 0.0)
        self._due_s = now_s + TICK_S
        self._late_s = late_s if heard else self._late_s + late_s
        self._good_s += late_s

    def _notice(self, capture: Capture, session: Session) -> None:
        """What happened since it was last told."""
        session.counts["frames_dropped"] = capture.dropped()
        for name, text in NOTICED.items():
            count = session.counts[name] - self._noticed[name]
            if count:
                self._noticed[name] += count
                fault = FrameError(name, f"{self._options.interface}: {count} {text}")
                now, unknown = self._clock.now(), int(TimeSource.UNKNOWN)
                self._queue.append(Frame("", SV, b"", now.tai, None, unknown, 0, now, fault))

    def _silence(self, silent_s: float, session: Session) -> str:
        text = f"{self._options.interface}: no Sampled Values"
        if self._options.svid != () or self._options.appid != ():
            text += " of those asked for"
        text += f" for {silent_s:.1f} s"
        if session.passed_over:
            text += f"; there are {', '.join(session.passed_over)}"
        return text

    def _known(self) -> list[Setup]:
        """The first Setup of each stream, taken out of the queue; what follows is read() order."""
        setups: dict[str, Setup] = {}
        rest: deque[Item] = deque()
        for item in self._queue:
            if isinstance(item, Setup) and item.key not in setups:
                setups[item.key] = item
            else:
                rest.append(item)
        self._queue = rest
        return list(setups.values())
