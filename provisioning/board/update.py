"""`gridseal-provision board update`: sends a newer release to a board, over its link.

1. The board checks the manifest before it takes a file, and every file before it tries the version:
   what it refuses, it says why, and runs on as before.
2. Cut short at any place it is typed again, and begins anew.
3. The new version is on trial: it stays when a gateway is heard under it, else the old one is back.
"""

import struct
from collections.abc import Sequence

from firmware_bridge.firmware import boot
from firmware_bridge.firmware import update as end
from provisioning.argument import Now, Parser, only, whole
from provisioning.board import release
from provisioning.board.line import BAUD, NS, Line
from provisioning.board.making import arguments
from provisioning.board.release import BoardError, Release
from provisioning.terminal import Terminal

PROG = "gridseal-provision board update"
_MANIFEST_BYTES = 56  # of a body of 64
_FILE_BYTES = 56
# A packet is lost; a board is busy at its taps; or it is still at the rate of the gateway that was
# stopped, for link.SILENT_US.
_EVERY_NS, _TIMES = NS, 8
_CHECK_TIMES = 60  # it checks a signature, in slices: a minute on the slowest board


def run(argv: Sequence[str], now: Now) -> int:
    """What was typed after `board update`. Raises BoardError, UsageError."""
    asked = only(_parser(), argv)
    terminal = Terminal(asked.json)
    held = release.opened(asked.release, release.key(asked.release_key))
    line = Line(asked.port, whole("--baud", asked.baud))
    try:
        _Sending(line, asked.port).release(held, terminal)
    finally:
        line.close()
    terminal.say(
        f"The board checked release {held.version}; it tries it {boot.TRIAL_STARTS} times at most.",
        "It stays once a gateway is heard under it.",
        f"Next: gridseal-provision board check {asked.port}",
    )
    terminal.object({"port": asked.port, "version": held.version, "trial": True})
    return 0


class _Sending:
    def __init__(self, line: Line, port: str) -> None:
        self._line, self._port = line, port

    def release(self, held: Release, terminal: Terminal) -> None:
        """Raises BoardError."""
        octets = held.manifest.octets
        for at in range(0, len(octets), _MANIFEST_BYTES):
            part = octets[at : at + _MANIFEST_BYTES]
            body = struct.pack(">HH", at, len(octets)) + part
            last = at + len(part) == len(octets)
            self._said(end.MANIFEST, 0, body, at + len(part), _CHECK_TIMES if last else _TIMES)
        for index, ((name, _, _), whole_file) in enumerate(
            zip(held.manifest.files, held.contents, strict=True)
        ):
            for at in range(0, len(whole_file), _FILE_BYTES):
                part = whole_file[at : at + _FILE_BYTES]
                body = struct.pack(">BH", index, at) + part
                self._said(end.FILE, index, body, at + len(part), _TIMES)
            terminal.say(f"  {name}")
        self._said(end.FINISH, 0, b"", 0, _CHECK_TIMES)

    def _said(self, kind: int, index: int, body: bytes, have: int, times: int) -> None:
        """One packet, until the board has it. Raises BoardError."""
        for _ in range(times):
            heard = self._line.asked(kind, body, (end.TAKEN, end.REFUSES), _EVERY_NS, 1)
            if heard is None:
                continue
            if heard[0] == end.REFUSES:
                why = heard[1].decode("ascii", "replace")
                raise BoardError(f"{self._port}: the board refuses: {why}; it runs on as before")
            if heard[1] == struct.pack(end.TAKEN_BODY, kind, index, have):
                return
        text = "no board answers there" if not self._line.octets else "the board took no more"
        raise BoardError(f"{self._port}: {text}; it runs on as before, and this can be typed again")


def _parser() -> Parser:
    about = "Sends a newer release to a board, over its link."
    parser = Parser(prog=PROG, description=about, allow_abbrev=False)
    parser.add_argument("port", metavar="PORT", help="the board's link, such as /dev/ttyUSB0")
    arguments(parser)
    parser.add_argument("--baud", default=str(BAUD), help=f"default: {BAUD}")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of words")
    return parser
