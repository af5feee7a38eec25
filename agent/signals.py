"""What the strength of one receiver's signals says: that all of them collapse, that all are alike.

1. Its own level is learnt while all is well: how many satellites it uses and how strong they are,
   LEARN_EPOCHS to begin with, slowly from then on. Not where it stands is judged: what changes.
2. COLLAPSED: half of the satellites are gone and what is left is COLLAPSE_DB weaker, against the
   level, which follows what changes over minutes. Jamming, a cable, an amplifier without power do
   that. What stands in the way takes some satellites, and leaves the rest as strong as they were.
3. ALIKE: ALIKE_MIN or more, all strong and none stronger than another. A sky has satellites high
   and low, near and far; one transmitter that plays them all has one strength.
4. What was found stands until the signals are back where they were (2), or differ again (3). The
   level is not learnt meanwhile.

It asks no clock and knows no receiver: epochs come in by argument.
"""

from typing import NamedTuple

from drivers.gnss.fix import Signals

LEARN_EPOCHS = 20
FOLLOW = 64  # of so many parts of the level each epoch is one
COLLAPSE_DB = 6.0  # a quarter of the strength. A sky changes by 1 or 2 dB in a minute
LOST_MIN = 3  # satellites: half of four is no sky
BACK_DB = 3.0
ALIKE_MIN = 8  # satellites: as many of one strength by chance is not seen in the open
ALIKE_SPREAD_DB = 3
ALIKE_MEAN_DB = 40.0  # weak ones are alike at the edge of what can be tracked
ALIKE_EPOCHS = 5


class Level(NamedTuple):
    """What a receiver has at one epoch, or usually."""

    used: float  # satellites; as many as are tracked where it does not say which are used
    tracked: float  # GGA says 12 used at the most, whatever GSV lists
    cn0: float  # dB-Hz

    def satellites(self) -> float:
        return max(self.used, self.tracked)

    def half_of(self, usual: "Level") -> bool:
        """Whether half of the satellites are gone."""
        return any(
            2 * now <= before and before - now >= LOST_MIN
            for now, before in zip(self[:2], usual[:2], strict=True)
        )

    def back_at(self, usual: "Level") -> bool:
        there = 4 * self.used >= 3 * usual.used and 4 * self.tracked >= 3 * usual.tracked
        return there and usual.cn0 - self.cn0 < BACK_DB


class SignalWatch:
    """One receiver. `collapsed` and `alike`: in words, empty while nothing is found."""

    def __init__(self) -> None:
        self.collapsed = self.alike = ""
        self._level: Level | None = None
        self._epochs = 0
        self._alike_epochs = 0

    @property
    def level(self) -> Level | None:
        """What was learnt; None while too little was."""
        return self._level if self._epochs >= LEARN_EPOCHS else None

    def hear(self, signals: Signals | None, sound: bool) -> None:
        """An epoch. `sound`: with a fix that nothing is said against."""
        if signals is None:
            return  # nothing is said of them, which is no collapse
        self._judge_alike(signals)
        usual = self.level
        now = Level(_used(signals), signals.tracked, signals.cn0_mean or 0.0)
        if usual is not None and (signals.cn0_mean is not None or not now.satellites()):
            self._judge_collapse(usual, now)
        if sound and signals.cn0_mean is not None and not self.collapsed and not self.alike:
            self._learn(now)

    def _judge_collapse(self, usual: Level, now: Level) -> None:
        if self.collapsed and now.back_at(usual):
            self.collapsed = ""
        elif now.half_of(usual) and usual.cn0 - now.cn0 >= COLLAPSE_DB:
            before = f"{usual.satellites():.0f} satellites at {usual.cn0:.0f} dB-Hz"
            left = f"{now.satellites():.0f} at {now.cn0:.0f} dB-Hz" if now.cn0 else "none"
            self.collapsed = f"{left} of {before}: jammed, or its antenna or cable"

    def _judge_alike(self, signals: Signals) -> None:
        spread, mean = signals.cn0_spread, signals.cn0_mean
        count = _used(signals)
        alike = (
            spread is not None and spread <= ALIKE_SPREAD_DB
            and mean is not None and mean >= ALIKE_MEAN_DB and count >= ALIKE_MIN
        )  # fmt: skip
        self._alike_epochs = self._alike_epochs + 1 if alike else 0
        self.alike = ""
        if self._alike_epochs >= ALIKE_EPOCHS:
            self.alike = (
                f"{count} satellites all within {spread} dB of {mean:.0f} dB-Hz,"
                " as from one transmitter"
            )

    def _learn(self, now: Level) -> None:
        before = self._level or now
        self._epochs = min(self._epochs + 1, FOLLOW)
        share = 1 / self._epochs
        self._level = Level(*(b + (n - b) * share for b, n in zip(before, now, strict=True)))


def _used(signals: Signals) -> int:
    return signals.tracked if signals.used is None else signals.used
