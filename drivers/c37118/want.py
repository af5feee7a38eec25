"""When one IDCODE is asked for its configuration again: at once, then ever more seldom.

1. The peer never sets the pace of asks: two are ASK_NS_MIN apart, whatever it does.
2. One that does not answer is asked by each type preferred in turn, and after each round half as
   often, down to once in ASK_NS_MAX.

It sends nothing and reads no clock.
"""

from evidence.leap import NS

ASK_NS_MIN = 1 * NS  # between two asks for a configuration while data runs
ASK_NS_MAX = 64 * NS  # a PMU that never answers is asked about once a minute
_DOUBLINGS_MAX = 16


class Want:
    """Of one IDCODE. `wanted`: a configuration is to be asked for."""

    __slots__ = ("_asked_tai", "_asks", "wanted")

    def __init__(self, wanted: bool) -> None:
        self.wanted = wanted
        self._asked_tai: int | None = None
        self._asks = 0

    def arise(self, tai: int) -> None:
        """Something happened that makes a configuration wanted."""
        self.wanted = True
        if self._asked_tai is None or not 0 <= tai - self._asked_tai < ASK_NS_MIN:
            self._asked_tai, self._asks = None, 0

    def turn(self, tai: int, types: int) -> int | None:
        """Which of so many types is to be asked for now, counted on and on; None: not yet."""
        if not self.wanted:
            return None
        pause = min(ASK_NS_MIN << min(self._asks // types, _DOUBLINGS_MAX), ASK_NS_MAX)
        if self._asked_tai is not None and 0 <= tai - self._asked_tai < pause:
            return None
        self._asked_tai = tai
        self._asks += 1
        return self._asks - 1
