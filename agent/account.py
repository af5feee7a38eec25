"""What is said of the clock's synchronisation: by the kernel, and by chrony.

1. An account is what was said at one moment. Who is not synchronised, or follows nothing but the
   machine's own clock, states no bound.
2. Figures are read from text into integer ns; no float comes near them.
3. chronyc is asked for its tracking, and for nothing else; its answer is bounded in time and size.

The bound, as a maximum:
- kernel: maxerror + |offset|, growing by 500 ppm. maxerror is what the NTP daemon stated, to which
  the kernel adds 500 ppm (MAXFREQ) and at 16 s calls itself unsynchronised (kernel/time/ntp.c);
  offset is the part of the last correction that is still to be slewed. Where the daemon states no
  error at all (esterror 0), UNSTATED_NS is added.
- chrony: |system time| + root dispersion + root delay / 2, which chronyc(1) calls an absolute bound
  "assuming the stratum-1 computer is correct". Between two accounts it grows as chronyd lets its
  root dispersion grow: by skew, residual frequency and maxclockerror (1 ppm by default). The last
  offset has no term of its own: what is left of it to slew is the system time.

A source that smears leap seconds, or lies, is believed as far as the daemon believes it.
"""

import asyncio
import re
from typing import NamedTuple

from evidence.code import TimeSource
from evidence.leap import NS

KERNEL_GROWTH_PPB = 500_000  # MAXFREQ: the kernel slews no faster and assumes no better
# systemd-timesyncd states an error of 0. It accepts a root distance of 5 s (RootDistanceMaxSec) and
# waits 10 s for an answer, half of which may be asymmetry.
UNSTATED_NS = 10 * NS
CHRONY_GROWTH_PPB = 1_000  # maxclockerror, chrony.conf(5)
CHRONY_ROUNDING_NS = 2  # three figures, each rounded to the nearest ns
CHRONYC_S = 5  # it answers in 4 ms, and gives up by itself after some seconds
CHRONYC_BYTES_MAX = 4096  # one line of 14 figures

# adjtimex(2): states, and bits of status.
TIME_INS, TIME_DEL, TIME_OOP, TIME_WAIT, TIME_ERROR = 1, 2, 3, 4, 5
STA_UNSYNC, STA_CLOCKERR, STA_NANO = 0x0040, 0x1000, 0x2000

_DECIMAL = re.compile(r"([+-]?)(\d{1,12})(?:\.(\d{1,9}))?")
_CHRONY_LOCAL = 0x7F7F0101  # 127.127.1.1: chronyd follows its own clock, and calls that Normal
# The kinds that RFC 5905 (figure 12) and the habit of chrony.conf name. A PHC may be anything, a
# virtual machine's host included, and so may SHM and SOCK: those stay unknown.
_REFCLOCKS = {
    "GPS": TimeSource.GNSS, "GNSS": TimeSource.GNSS, "GAL": TimeSource.GNSS, "GLO": TimeSource.GNSS,
    "BDS": TimeSource.GNSS, "NMEA": TimeSource.GNSS, "PPS": TimeSource.GNSS,
    "PTP": TimeSource.PTP, "IRIG": TimeSource.IRIG,
}  # fmt: skip


class ClockError(Exception):
    """The operating system, or chrony, gives no account of the clock. Asked again, for ever."""


class Timex(NamedTuple):
    """What adjtimex(2) tells: state, status, and ns or us as named."""

    state: int
    status: int
    offset_ns: int
    maxerror_us: int
    esterror_us: int
    time_ns: int  # CLOCK_REALTIME of the same moment as the state


class Account(NamedTuple):
    """What was said of the clock's synchronisation at one moment."""

    bound_ns: int | None  # None: not synchronised, and `fault` says why
    growth_ppb: int
    source: TimeSource
    leap_pending: bool  # a leap second is announced, or in progress
    mark: int  # rises when whoever disciplines the clock has corrected it
    fault: str


def kernel_account(timex: Timex) -> Account:
    """The account of the kernel. Which source its daemon follows it does not know: NTP."""
    pending = timex.state in (TIME_INS, TIME_DEL, TIME_OOP)
    mark = -timex.maxerror_us  # grows by itself, falls only when a daemon states it anew
    # adjtimex(2): TIME_ERROR also for STA_CLOCKERR, and for a PPS discipline without its signal.
    if timex.state == TIME_ERROR or timex.status & (STA_UNSYNC | STA_CLOCKERR):
        fault = "the kernel's clock is not synchronised"
        return Account(None, 0, TimeSource.UNKNOWN, pending, mark, fault)
    bound = timex.maxerror_us * 1000 + abs(timex.offset_ns)
    if not timex.esterror_us:
        bound += UNSTATED_NS
    return Account(bound, KERNEL_GROWTH_PPB, TimeSource.NTP, pending, mark, "")


def chrony_account(line: str) -> Account:
    """The account in a line of `chronyc -c tracking`. Raises ClockError."""
    fields = line.strip().split(",")
    if len(fields) < 14 or not re.fullmatch(r"[0-9A-Fa-f]{8}", fields[0]):
        raise ClockError(f"chronyc says {line.strip()[:80]!r}, which is no tracking report")
    refid, status = int(fields[0], 16), fields[13]
    pending = status in ("Insert second", "Delete second")
    fault = ""
    if refid == _CHRONY_LOCAL:
        fault = "chrony follows no source but the machine's own clock"
    elif status != "Normal" and not pending:
        fault = f"chrony's clock: {status[:40]}"
    if fault:
        return Account(None, 0, TimeSource.UNKNOWN, pending, _billionths(fields[3]), fault)
    ref_time, system = (_billionths(field) for field in fields[3:5])
    residual, skew, delay, dispersion = (abs(_billionths(field)) for field in fields[8:12])
    bound = abs(system) + dispersion + delay // 2 + CHRONY_ROUNDING_NS
    growth = (residual + skew) // 1_000_000 + CHRONY_GROWTH_PPB + 1  # of ppm, rounded up
    source = _chrony_source(refid, _billionths(fields[2]) // NS)
    return Account(bound, growth, source, pending, ref_time, "")


def _chrony_source(refid: int, stratum: int) -> TimeSource:
    """What chrony follows. Only at stratum 1 does the reference ID name a clock of this machine."""
    if stratum != 1:
        return TimeSource.NTP
    word = refid.to_bytes(4).decode("latin-1").rstrip("\0").rstrip("0123456789")
    return _REFCLOCKS.get(word, TimeSource.UNKNOWN)


def _billionths(text: str) -> int:
    """A decimal number times 10^9, exactly. Raises ClockError."""
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise ClockError(f"chronyc says {text[:40]!r}, which is no number")
    sign, whole, fraction = match.groups(default="")
    number = int(whole) * NS + int(fraction.ljust(9, "0"))
    return -number if sign == "-" else number


class _Said(asyncio.SubprocessProtocol):
    """What a process says, and its end: both pipe and process, or more said than wanted."""

    def __init__(self) -> None:
        self.said = self.complaint = b""
        self.ended = asyncio.Event()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == 1:
            self.said = (self.said + data)[: CHRONYC_BYTES_MAX + 1]
        else:
            self.complaint = (self.complaint + data)[:CHRONYC_BYTES_MAX]
        if len(self.said) > CHRONYC_BYTES_MAX:
            self.ended.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set()


async def ask_chrony(program: str, host: str) -> str:
    """What `chronyc -c tracking` answers; `host` as its option -h takes it. Raises ClockError."""
    where = ("-h", host) if host else ()
    try:
        transport, answer = await asyncio.get_running_loop().subprocess_exec(
            _Said, program, "-c", "-n", *where, "tracking",
            stdin=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
    except OSError as fault:
        raise ClockError(f"{program} does not start: {fault.strerror}") from fault
    try:
        async with asyncio.timeout(CHRONYC_S):
            await answer.ended.wait()
    except TimeoutError as fault:
        raise ClockError(f"{program} does not answer within {CHRONYC_S} s") from fault
    finally:
        transport.close()  # ends the process, if it has not ended by itself
    if len(answer.said) > CHRONYC_BYTES_MAX:
        raise ClockError(f"chronyc says more than {CHRONYC_BYTES_MAX} bytes")
    if transport.get_returncode() != 0:
        complaint = (answer.complaint or answer.said).decode("ascii", "replace")
        raise ClockError(f"{program} fails: {complaint.strip()[:80]}")
    return answer.said.decode("ascii", "replace")
