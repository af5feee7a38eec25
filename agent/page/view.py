"""What whoever looks is shown, as events of text/event-stream: what streams there are, what they
measured last, how the agent is.

1. Frames are handed on only while somebody looks, and the latest of each stream is kept; it is
   decoded when an event is made.
2. An event is made once for all who look within FRESH_S.
3. No position of a device or of the site, and no bytes of a frame, are in any of it; names are.

It knows no connection.
"""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from agent.page import metrics, sheet
from agent.page.door import Inside
from agent.page.shown import Shown
from drivers.line import Frame
from evidence.leap import NS

FRESH_NS = 40_000_000  # below the shortest interval at which anybody is shown anything: 50 ms
ACCOUNT_NS = NS // 2
_encode = msgspec.json.Encoder().encode


class _Made(NamedTuple):
    """An event, and when it was made, monotonic."""

    encoded: bytes
    at_ns: int


_NOTHING = _Made(b"", -NS)


class View:
    """The agent as it is shown."""

    def __init__(self, inside: Inside) -> None:
        self._gateway, self._hearing, self._clock, self._health, self._report = inside
        self._shown: dict[tuple[str, str], Shown] = {}
        self._number = 0  # of what streams there are
        self._live, self._account = _NOTHING, _NOTHING

    # --- what is heard

    def hear(self, source: str, items: Iterable[object]) -> None:
        """What a read brought, while somebody looks."""
        shown = self._shown
        for item in items:
            if type(item) is Frame and item.fault is None:
                stream = shown.get((source, item.key))
                if stream is not None:
                    stream.hear(item)

    def forget(self) -> None:
        """Nobody looks: what was shown is not kept."""
        self._shown.clear()
        self._live = self._account = _NOTHING

    # --- what is shown

    def streams(self) -> int:
        """Looks which streams there are; a number that is another whenever they are others."""
        found: dict[tuple[str, str], Shown] = {}
        for source in self._gateway.sources:
            for lane in self._hearing.lanes(source.name):
                of = (lane.source, lane.key)
                before = self._shown.get(of)
                known = before is not None and before.setup is lane.setup
                found[of] = before if known and before else Shown(lane, self._clock.table)
        same = found.keys() == self._shown.keys()
        if not same or any(found[of] is not self._shown[of] for of in found):
            self._number += 1
            self._shown, self._live = found, _NOTHING
        return self._number

    def setup(self) -> bytes:
        """What streams there are."""
        streams = [one.told() for one in self._shown.values()]
        return event("streams", {"gateway": self._gateway.file.gateway.name, "streams": streams})

    def live(self) -> bytes:
        """What each of them measured last."""
        now_ns = self._clock.monotonic_ns()
        if now_ns - self._live.at_ns >= FRESH_NS:
            tai = self._clock.now().tai
            said = [one.now(tai) for one in self._shown.values()]
            told = {"utc_ms": self._clock.table.utc_ns(tai) // 1_000_000, "streams": said}
            self._live = _Made(event("live", told), now_ns)
        return self._live.encoded

    def account(self) -> bytes:
        """How the agent is."""
        now_ns = self._clock.monotonic_ns()
        if now_ns - self._account.at_ns >= ACCOUNT_NS:
            name, answered = self._gateway.file.gateway.name, self._health.answered
            told = sheet.told(name, self._report(), answered, self._clock.table)
            self._account = _Made(event("account", told), now_ns)
        return self._account.encoded

    def report(self) -> bytes:
        """The account as status tells it, in JSON, but for what the page does not tell."""
        return _encode(sheet.plain(self._report()))

    def metrics(self, listeners: int, dropped: int) -> bytes:
        """The same for Prometheus."""
        counted = metrics.Counted(listeners, dropped)
        name, table = self._gateway.file.gateway.name, self._clock.table
        return metrics.exposition(name, self._report(), self._health, counted, table)


def event(name: str, told: object) -> bytes:
    """One event of text/event-stream. JSON of msgspec has no line end in it, and null for NaN."""
    return b"event: %b\ndata: %b\n\n" % (name.encode("ascii"), _encode(told))
