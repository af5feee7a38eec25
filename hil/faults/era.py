"""Another date, at which a leap second is due: what everybody's clock shows then, without setting
any.

1. The date is this machine's time and a whole number of seconds. The leap second list that says so
   agrees with the one built in until that expires, and is given to all as a site would give it.
2. The operating system's clock of the agent shows the inserted second as Linux does: CLOCK_REALTIME
   counts 23:59:59 once more, in the state TIME_OOP of adjtimex(2). libfaketime knows no adjtimex;
   so the shipped agent is started with this clock in place of Linux's (`main`).
3. The clock of durations, and everything else, is the machine's own.

Started as a program it is the agent: ERA SECONDS-AHEAD, then what gridseal-agent takes.
"""

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import agent.clock
from agent.clock import Linux, Timex
from evidence import leap
from evidence.leap import BUILT_IN, NS, LeapTable
from hil.devices.pace import tai_now

MIDNIGHT_S = 1_814_400_000  # 2027-07-01 00:00 UTC: the list that is built in expires before
VOUCHES_S = 200 * 86_400  # for so long after
FILE = "leap-seconds.list"
_NTP_S = 2_208_988_800  # RFC 5905 6
# adjtimex(2): a second will be inserted; it is being; it was.
_TIME_INS, _TIME_OOP, _TIME_WAIT = 1, 3, 4


@dataclass(frozen=True, slots=True)
class Era:
    """A date: `table` says when the second is inserted."""

    table: LeapTable
    ahead_s: int  # of this machine's time
    file: Path  # the table, as a site has it

    @property
    def inserted_tai(self) -> int:
        """Where the inserted second begins, ns TAI of that date."""
        return (self.table.starts_s[-1] + self.table.offsets_s[-1] - 1) * NS

    @property
    def due(self) -> int:
        """The same by this machine's time."""
        return self.inserted_tai - self.ahead_s * NS

    def utc_s(self) -> int:
        """What the date's clocks show now."""
        return self.table.utc_ns(tai_now() + self.ahead_s * NS) // NS


def begin(folder: Path, due_s: int) -> Era:
    """A date at which the second is inserted `due_s` from now. Raises OSError."""
    last = BUILT_IN.offsets_s[-1]
    table = LeapTable(
        (*BUILT_IN.starts_s, MIDNIGHT_S),
        (*BUILT_IN.offsets_s, last + 1),
        MIDNIGHT_S + VOUCHES_S,
    )
    rows = zip(table.starts_s, table.offsets_s, strict=True)
    text = f"#@\t{table.expires_s + _NTP_S}\n"
    text += "".join(f"{start + _NTP_S}\t{offset}\n" for start, offset in rows)
    file = folder / FILE
    file.write_text(text, encoding="ascii")
    ahead_s = MIDNIGHT_S + last - (tai_now() // NS + due_s)
    return Era(table, ahead_s, file)


class EraLinux(Linux):
    """The clocks of a machine at that date."""

    era: Era

    def __init__(self) -> None:
        super().__init__()
        self.realtime_ns = self._shown_ns

    def _shown_ns(self) -> int:
        return self._shown(time.time_ns())

    def _shown(self, real_ns: int) -> int:
        """By the kernel's counting: the second before midnight twice."""
        tai = BUILT_IN.tai_ns(*divmod(real_ns, NS)) + self.era.ahead_s * NS
        return self.era.table.utc_ns(tai)

    def adjtimex(self) -> Timex:
        """The machine's own, at that date. Raises OSError."""
        found = super().adjtimex()
        tai = BUILT_IN.tai_ns(*divmod(found.time_ns, NS)) + self.era.ahead_s * NS
        left_ns = self.era.inserted_tai - tai
        state = _TIME_INS if left_ns > 0 else _TIME_OOP if left_ns > -NS else _TIME_WAIT
        return found._replace(state=state, time_ns=self._shown(found.time_ns))


def main() -> NoReturn:
    """The shipped agent at that date."""
    file, ahead_s, *arguments = sys.argv[1:]
    table = leap.parse(Path(file).read_text(encoding="ascii"))
    EraLinux.era = Era(table, int(ahead_s), Path(file))
    agent.clock.Linux = EraLinux  # type: ignore[misc]
    from agent.cli import main as run

    sys.argv = ["gridseal-agent", *arguments]
    raise SystemExit(run())


if __name__ == "__main__":
    main()
