"""Bookmarks: how far devices were heard that keep what they said until it is kept here.

1. A bookmark is committed with all that was heard up to it: the next agent goes on behind it, and
   has none twice. That the commit is through is what the device is told.
2. A device is told what `durability` promises: with "spill", that it is held in memory, and then no
   bookmark is written (agent.shelf). None waits for a receipt.
3. Of such a device nothing is heard that cannot be sealed: it waits where it is. What was sealed
   and had no room on a failing disk is stated as that, and asked for no more.

Of a source whose driver is no Keeping it knows nothing, and nothing is done for it.
"""

from drivers.line import Driver, Keeping


class Bookmarks:
    """By source: what was heard of it up to, and what is durable."""

    def __init__(self) -> None:
        self._drivers: dict[str, Keeping] = {}
        self._heard: dict[str, bytes] = {}
        self._durable: dict[str, bytes] = {}

    def find(self, durable: dict[str, bytes]) -> None:
        """What an earlier run made durable."""
        self._heard, self._durable = dict(durable), dict(durable)

    def opened(self, source: str, driver: Driver) -> Keeping | None:
        """To be called before a driver is opened: it goes on where its source was left. None of one
        that has no bookmarks."""
        if not isinstance(driver, Keeping):
            return None
        driver.resume(self._heard.get(source, b""))
        driver.kept(self._durable.get(source, b""))
        self._drivers[source] = driver
        return driver

    def heard(self, source: str) -> None:
        """All that its driver gave was sealed."""
        at = self._drivers[source].bookmark()
        if at:
            self._heard[source] = at

    def closed(self, source: str) -> None:
        """Its line is down; what was heard is still to be committed."""
        self._drivers.pop(source, None)

    def taken(self) -> dict[str, bytes]:
        """A commit takes all that was heard: what is new since the last that was durable. Not to be
        called while nothing is sealed: then what was heard may be in no commit.
        """
        durable = self._durable
        return {source: at for source, at in self._heard.items() if durable.get(source) != at}

    def durable(self, committed: dict[str, bytes]) -> None:
        """A commit with these is through."""
        for source, at in committed.items():
            self._durable[source] = at
            if source in self._drivers:
                self._drivers[source].kept(at)
