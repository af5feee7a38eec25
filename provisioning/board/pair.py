"""`gridseal-provision board pair`: a board and a gateway come to a key, and a person makes sure.

1. The key stands in `boards/NAME.key` of the gateway's folder, mode 0600, and nowhere else; it is
   never printed. What is printed is the board's public key, and the source that names both.
2. It is written, under another name, before the board is told to keep its own; it gets its name
   when the board has said that it has. A file that is there is never overwritten.
3. A board that has keys refuses: they are wiped at its prompt, by who is there with its jumper.
"""

import os
import re
import secrets
from collections.abc import Sequence
from pathlib import Path

from drivers.keystore import private
from drivers.keystore.uri import KeyStoreError
from firmware_bridge import link, pairing
from firmware_bridge.curve25519 import run as driven
from firmware_bridge.pairing import GatewayEnd, PairingError
from provisioning.argument import Now, Parser, UsageError, only, whole
from provisioning.board.line import BAUD, NS, Line
from provisioning.board.release import BoardError
from provisioning.terminal import Terminal

PROG = "gridseal-provision board pair"
BOARDS = "boards"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
# A board draws its own key at an offer, and multiplies at each step: seconds, each of them.
# It answers the same OFFER again, and CONFIRM at once, again for a few seconds (firmware/pair.py).
# OFFER and REVEAL it works at, for seconds, and reads nothing meanwhile.
_EVERY = {
    pairing.OFFER: (5 * NS, 8),
    pairing.REVEAL: (3 * NS, 10),
    pairing.CONFIRM: (NS, 60),
}
_LEFT = "hold its jumper while it starts, which wipes its keys, and pair anew"


def run(argv: Sequence[str], now: Now) -> int:
    """What was typed after `board pair`. Raises BoardError, KeyStoreError, UsageError."""
    asked = only(_parser(), argv)
    terminal = Terminal()
    path = _place(asked.dir, asked.name)
    line = Line(asked.port, whole("--baud", asked.baud))
    try:
        public = _paired(line, path, asked.port, terminal)
    finally:
        line.close()
    terminal.say(
        f"Paired. The key is in {path}, mode 0600.",
        f"Board's public key  {public.hex()}",
        f"Source              {_source(asked.port, asked.baud, public, path)}",
    )
    return 0


def _source(port: str, baud: str, public: bytes, path: Path) -> str:
    """For gateway.toml, which names files from its own folder."""
    more = "" if baud == str(BAUD) else f"&baud={baud}"
    return f"mcu+serial://{port}?board={public.hex()}&key={BOARDS}/{path.name}{more}"


def _place(folder: Path, name: str) -> Path:
    """Where the key will be. Raises UsageError, BoardError."""
    if not _NAME.fullmatch(name):
        raise UsageError(f"{PROG}: --name {name!r}: small letters, digits, - and _; at most 32")
    if not folder.is_dir():
        raise BoardError(f"{folder}: no folder of a gateway; name the one with gateway.toml")
    path = folder / BOARDS / f"{name}.key"
    if os.path.lexists(path):
        raise BoardError(f"{path} is there already: name another board, or move it away")
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
    except OSError as fault:
        raise BoardError(f"{path.parent}: cannot be made: {fault.strerror}") from fault
    return path


def _paired(line: Line, path: Path, port: str, terminal: Terminal) -> bytes:
    """The board's public key, once its key is in the file."""
    end = GatewayEnd(secrets.token_bytes(32), secrets.token_bytes(pairing.NONCE_BYTES))
    offer = driven(end.offer())
    terminal.say("Asking the board for a key ...")
    answer = _asked(line, port, pairing.OFFER, offer, pairing.ANSWER)
    try:
        reveal = driven(end.answered(answer))
    except PairingError as fault:
        raise BoardError(f"{port}: {fault}; nothing was kept") from fault
    _asked(line, port, pairing.REVEAL, reveal, pairing.REVEALED)
    agreed = end.agreed
    if agreed is None:
        raise BoardError(f"{port}: nothing was agreed")
    _compared(agreed.code, terminal)
    part = path.with_name(f".{path.name}.part")
    try:
        part.unlink(missing_ok=True)  # what a pairing left that came to no end
        private.create(part, f"{agreed.key.hex()}\n".encode())
        try:
            end.paired(_asked(line, port, pairing.CONFIRM, end.confirm(), pairing.PAIRED))
            os.link(part, path)  # never over another
        finally:
            part.unlink()
        private.sync_folder(path.parent)
    except PairingError as fault:
        raise BoardError(f"{port}: {fault}; {_LEFT}") from fault
    except OSError as fault:
        raise KeyStoreError(str(path), f"cannot be made: {fault.strerror}; {_LEFT}") from fault
    return end.board_public


def _asked(line: Line, port: str, kind: int, body: bytes, wanted: int) -> bytes:
    """The answer of this kind. Raises BoardError."""
    # A board that was paired this moment hears no OFFER until it starts, which it says.
    kinds = (wanted, pairing.KEYED, pairing.FAILED, link.STARTED)
    heard = line.asked(kind, body, kinds, *_EVERY[kind])
    if heard is None and kind == pairing.CONFIRM:
        text = "whether the board has kept its keys cannot be told; type this again, and it says"
        raise BoardError(f"{port}: {text}")
    if heard is None and kind == pairing.REVEAL:
        raise BoardError(f"{port}: the board does not say that it shows a code; nothing was kept")
    if heard is None:
        what = "no board answers there" if line.octets == 0 else "what answers there is no board"
        raise BoardError(f"{port}: {what}; nothing was kept")
    if heard[0] in (pairing.KEYED, link.STARTED):
        raise BoardError(f"{port}: this board is paired already: {_LEFT}")
    if heard[0] == pairing.FAILED:
        why = heard[1].decode("ascii", "replace")
        raise BoardError(f"{port}: the board goes no further: {why}; nothing was kept")
    return heard[1]


def _compared(code: str, terminal: Terminal) -> None:
    """Raises BoardError where the board shows another code."""
    terminal.say(f"Here: {code[:3]} {code[3:]}", style="head")
    question = "Does the board show the same six digits, yes or no"
    said = terminal.ask(question, "typing it at a terminal", "no")
    if said.lower() not in ("y", "yes"):
        raise BoardError("the codes differ: somebody may sit on the line; nothing was kept")


def _parser() -> Parser:
    about = "Agrees on a key with a board, and keeps it in a gateway's folder."
    parser = Parser(prog=PROG, description=about, allow_abbrev=False)
    parser.add_argument("port", metavar="PORT", help="the board's link, such as /dev/ttyUSB0")
    parser.add_argument("dir", type=Path, metavar="DIR", help="the gateway's folder")
    parser.add_argument("--name", required=True, help="the board's name: boards/NAME.key")
    parser.add_argument("--baud", default=str(BAUD), help=f"default: {BAUD}")
    return parser
