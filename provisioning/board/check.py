"""`gridseal-provision board check`: what a board is, how it stands, and how good its line is.

1. It takes nothing away: it says what it has heard, so that the board goes on, and of no frame that
   it is kept, so that the board keeps all of them for its gateway.
2. What it says of losses and damage is what was seen in so many seconds; what the board has lost is
   what its own LOST frames say, as far as they were seen. Of a ring that needs longer (64 KiB: 6 s
   at 115,200 baud) only the beginning is seen, which is said.
3. Frames are checked where the gateway's key of the board is named; elsewhere they are believed,
   and it says so.
"""

import secrets
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from drivers.keystore import private
from firmware_bridge import frame, link
from firmware_bridge.frame import Fields, FrameError
from firmware_bridge.gateway import Offset
from firmware_bridge.shim.digest import Hmac, same
from provisioning.argument import Now, Parser, UsageError, only, whole
from provisioning.board.line import BAUD, CLOCK, NS, Line
from provisioning.board.release import BoardError, dotted
from provisioning.terminal import Terminal

PROG = "gridseal-provision board check"
DONE, WRONG = 0, 1
SECONDS_MAX = 60
CREDIT = 0xFFFF  # octets: all that a ring holds
DRIFT_PPM = 200  # of a board's oscillator against this machine's
PING_NS = NS // 5
HEARD_NS = NS // 25  # below link.RESEND_US
# Longer than link.SILENT_US: until then it is at the rate of the gateway that was stopped.
_HELLO_NS, _HELLOS = NS // 2, 14
KEY_FILE_BYTES_MAX = 128  # 64 digits, and how a line ends
KEY_BYTES = 32


class Glance:
    """What is seen of one board."""

    def __init__(self, greeting: tuple[Any, ...], key: bytes | None) -> None:
        _, self.session, name, self.boot, self.first, after, *firmware = greeting
        self.waiting = max(after - self.first, 0)  # frames, at the greeting
        self._next = self.first
        self.name: str = name.hex()
        self.firmware: str = dotted(tuple(firmware))
        self.offset = Offset(DRIFT_PPM)
        self.pings = self.pongs = self.uptime_us = self.foreign = self.forged = 0
        self.seen: set[int] = set()
        self.missed = 0  # frames that did not come when their turn was
        self.lost = [0, 0, 0, 0, 0]  # by cause, and all
        self.damaged = 0  # packets, before this session: a port may be opened in the middle of one
        self._hmac = Hmac(key) if key else None
        self._said_ns = self.asked_ns = 0
        self._whole = self.first  # all below it were seen
        self._nonce = b""

    def ping(self, line: Line) -> None:
        self.pings += 1
        self._said_ns = self.asked_ns = CLOCK.monotonic_ns()
        self._nonce = secrets.token_bytes(8)
        line.say(link.PING, struct.pack(link.PING_BODY, self.session, self._nonce))

    def heard(self, line: Line) -> None:
        """Says so: else the board sends the same again, and nothing behind it."""
        while self._whole in self.seen:
            self._whole += 1
        told = (self.session, self.boot, self._whole, self.first, CREDIT)
        line.say(link.ACK, struct.pack(link.ACK_BODY, *told))

    def hear(self, kind: int, body: bytes) -> None:
        if kind == link.PONG and len(body) == struct.calcsize(link.PONG_BODY):
            session, nonce, heard_us, said_us, tag = struct.unpack(link.PONG_BODY, body)
            if session == self.session and nonce == self._nonce and self._said_ns:
                told = (self.boot, session, nonce, heard_us, said_us)
                if self._hmac and not same(link.ticks_tag(self._hmac, *told), tag):
                    self.forged += 1
                    return
                self.offset.told(self._said_ns, heard_us, said_us, CLOCK.monotonic_ns())
                self.pongs, self._said_ns, self.uptime_us = self.pongs + 1, 0, said_us
        elif kind == link.DATA:
            self._frame(body)

    def _frame(self, raw: bytes) -> None:
        try:
            fields = Fields(raw)
        except FrameError:
            self.foreign += 1
            return
        tag = self._hmac.tag(raw[: -frame.TAG_BYTES])[: frame.TAG_BYTES] if self._hmac else None
        if fields.boot != self.boot or (tag and not same(tag, raw[-frame.TAG_BYTES :])):
            self.foreign += 1
            return
        if fields.seq in self.seen:
            return
        self.missed += max(fields.seq - self._next, 0)
        self._next = max(self._next, fields.seq + 1)
        self.seen.add(fields.seq)
        if fields.kind == frame.LOST and len(fields.body) == struct.calcsize(frame.LOST_BODY):
            cause, count, _, _ = struct.unpack(frame.LOST_BODY, fields.body)
            if cause < len(self.lost):
                self.lost[0] += count
                self.lost[cause] += count


def run(argv: Sequence[str], now: Now) -> int:
    """What was typed after `board check`. Raises BoardError, KeyStoreError, UsageError."""
    asked = only(_parser(), argv)
    terminal = Terminal(asked.json)
    seconds = whole("--seconds", asked.seconds)
    if not 1 <= seconds <= SECONDS_MAX:
        raise UsageError(f"{PROG}: --seconds {seconds}: from 1 to {SECONDS_MAX}")
    key = _key(asked.key)
    line = Line(asked.port, whole("--baud", asked.baud))
    try:
        glance = _opened(line, asked.port, key)
        if glance is not None:
            _measured(line, glance, seconds)
    finally:
        line.close()
    told: dict[str, Any] = {"port": asked.port, "paired": glance is not None}
    faults = ["this board is not paired: type gridseal-provision board pair"]
    if glance is not None:
        told |= _told(glance, line, seconds, key is not None)
        faults = _faults(told)
    _say(terminal, told, faults)
    terminal.object(told | {"faults": faults})
    return WRONG if faults else DONE


def _key(path: Path | None) -> bytes | None:
    """The key of a pairing. Raises BoardError, KeyStoreError."""
    if path is None:
        return None
    try:
        key = bytes.fromhex(private.content(path, KEY_FILE_BYTES_MAX).decode("ascii"))
    except ValueError as fault:
        raise BoardError(f"{path}: not what `board pair` writes") from fault
    if len(key) != KEY_BYTES:
        raise BoardError(f"{path}: not what `board pair` writes")
    return key


def _opened(line: Line, port: str, key: bytes | None) -> Glance | None:
    """A session; None: it is a board without keys. Raises BoardError."""
    body = struct.pack(link.HELLO_BODY, *link.VERSIONS, secrets.randbits(32), CREDIT)
    answers = (link.WELCOME, link.REFUSED, link.UNPAIRED)
    heard = line.asked(link.HELLO, body, answers, _HELLO_NS, _HELLOS)
    if heard is not None and heard[0] == link.REFUSED:
        raise BoardError(f"{port}: the board speaks another version of the link: update it")
    if heard is not None and heard[0] == link.UNPAIRED:
        return None
    if heard is not None and len(heard[1]) == struct.calcsize(link.WELCOME_BODY):
        glance = Glance(struct.unpack(link.WELCOME_BODY, heard[1]), key)
        glance.damaged = line.damaged
        return glance
    what = "nothing was heard" if not line.octets else "what was heard is no board"
    raise BoardError(f"{port}: {what}; is it the board's link, at its rate (--baud)?")


def _measured(line: Line, glance: Glance, seconds: int) -> None:
    end = CLOCK.monotonic_ns() + seconds * NS
    while (at := CLOCK.monotonic_ns()) < end:
        if at - glance.asked_ns >= PING_NS:
            glance.ping(line)
        for kind, body in line.hear(min(end, at + HEARD_NS)):
            glance.hear(kind, body)
        glance.heard(line)


def _told(glance: Glance, line: Line, seconds: int, checked: bool) -> dict[str, Any]:
    known = glance.offset.at_ns is not None
    return {
        "firmware": glance.firmware,
        "name": glance.name,
        "boot": glance.boot,
        "uptime_s": glance.uptime_us // 1_000_000 if known else None,
        "waiting_frames": glance.waiting,
        "seen_frames": len(glance.seen),
        "frames_checked": checked,
        "lost": dict(
            zip(("all", "ring_full", "too_long", "overrun", "noise"), glance.lost, strict=True)
        ),
        "seconds": seconds,
        "damaged_packets": line.damaged - glance.damaged,
        "missed_frames": glance.missed,
        "foreign_frames": glance.foreign,
        "pings": glance.pings,
        "pongs": glance.pongs,
        "forged_pongs": glance.forged,
        "offset_bound_ns": (glance.offset.high - glance.offset.low) // 2 if known else None,
    }


def _faults(told: dict[str, Any]) -> list[str]:
    """What is wrong, a line each."""
    found = []
    if told["foreign_frames"]:
        found.append(f"{told['foreign_frames']} frames are not of the board with this key")
    if told["damaged_packets"] or told["missed_frames"]:
        found.append("packets came damaged, or not at all: look at the cable")
    if told["forged_pongs"]:
        found.append(f"{told['forged_pongs']} answers are not of the board with this key")
    if told["pongs"] * 2 < told["pings"]:
        found.append("less than half of what was asked was answered")
    if told["lost"]["ring_full"]:
        text = f"its ring ran full, and {told['lost']['ring_full']} frames or more are lost"
        found.append(f"{text}: no gateway fetched them in time")
    elif told["lost"]["all"]:
        found.append(f"the board says that it lost {told['lost']['all']} frames")
    return found


def _say(terminal: Terminal, told: dict[str, Any], faults: list[str]) -> None:
    rows = [
        (key.replace("_", " "), "cannot tell" if value is None else str(value))
        for key, value in told.items()
        if key != "lost"
    ]
    terminal.table(("what", "is"), rows)
    if told.get("seen_frames", 0) < told.get("waiting_frames", 0):
        terminal.say("More waits on the board than was seen: what it lost is told of that alone.")
    for fault in faults:
        terminal.say(fault, style="fault")


def _parser() -> Parser:
    about = "Says what a board is, how it stands, and how good its line is."
    parser = Parser(prog=PROG, description=about, allow_abbrev=False)
    parser.add_argument("port", metavar="PORT", help="the board's link, such as /dev/ttyUSB0")
    parser.add_argument("--baud", default=str(BAUD), help=f"default: {BAUD}")
    parser.add_argument("--seconds", default="3", help="how long to listen; default: 3")
    told = "boards/NAME.key of the gateway's folder: whether the frames are that board's"
    parser.add_argument("--key", type=Path, metavar="FILE", help=told)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of words")
    return parser
