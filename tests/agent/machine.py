"""The clocks of a machine that a test moves by hand, under the shipped agent.clock."""

from dataclasses import dataclass

from agent.clock import Timex
from evidence.leap import NS

NOON = 1_700_000_000 * NS  # 2023-11-14, far from any leap second
TIME_OK, TIME_INS, TIME_OOP, TIME_WAIT, TIME_ERROR = 0, 1, 3, 4, 5
STA_UNSYNC = 0x40


@dataclass
class Machine:
    """The clocks of a machine that a test moves by hand; a step of time only when told."""

    real: int = NOON
    mono: int = 1_000 * NS
    boot: int = 1_000 * NS
    state: int = TIME_OK
    status: int = 0
    offset_ns: int = 0
    maxerror_us: int = 100
    esterror_us: int = 10
    broken: bool = False
    leap_at_s: int = 0  # the kernel inserts a second before this count
    late_ns: int = 0  # how much later than due it does so, on CLOCK_REALTIME

    def run(self, ns: int) -> None:
        """Time passes, awake."""
        self.real += ns
        self.mono += ns
        self.boot += ns

    def realtime_ns(self) -> int:
        due = self.leap_at_s * NS
        if self.leap_at_s and self.real >= due + self.late_ns:
            return self.real - NS
        return self.real

    def monotonic_ns(self) -> int:
        return self.mono

    def boottime_ns(self) -> int:
        return self.boot

    def raw_ns(self) -> int:
        return self.mono

    def adjtimex(self) -> Timex:
        """As the kernel answers: before the late tick too, the right second and state."""
        if self.broken:
            raise PermissionError(1, "Operation not permitted")
        state, real = self.state, self.real
        if self.leap_at_s and real >= self.leap_at_s * NS:
            real -= NS
            state = TIME_OOP if real < self.leap_at_s * NS else TIME_WAIT
        return Timex(
            state, self.status, self.offset_ns, self.maxerror_us, self.esterror_us, real
        )  # fmt: skip
