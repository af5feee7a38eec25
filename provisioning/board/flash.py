"""`gridseal-provision board flash`: puts a release on a board, at its prompt.

1. Nothing is copied before the release holds here, and is newer than what runs there.
2. It goes to the folder that does not run; the board itself checks it there, manifest and files;
   then `slot` is replaced, which says what starts. Until then that is what it was before: whatever
   was cut short is done again from the beginning.
3. A board that has keys is not flashed at its prompt: it is updated over its link, or wiped first.
"""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from firmware_bridge.firmware import boot
from firmware_bridge.firmware.settings import Settings, SettingsError
from provisioning.argument import Now, Parser, only
from provisioning.board import release
from provisioning.board.making import arguments
from provisioning.board.prompt import Prompt
from provisioning.board.release import BoardError, Release, dotted
from provisioning.terminal import Terminal

PROG = "gridseal-provision board flash"
_SETTINGS_MAX_BYTES = 16_384
_MAIN = b'import boot\n\nboot.start("")\n'
_BOOT = "firmware_bridge/firmware/boot.py"
MICROPYTHON_MIN = (1, 25)  # what the firmware is tested with
_PYTHON = "import sys\nprint(sys.implementation[0], *sys.implementation[1][:2])"
# What the board is asked: its slot, and whether it has keys; and the text of a file.
_STATE = """
def text(path):
    try:
        with open(path) as file: return file.read()
    except OSError: return ''
print(text('/slot').strip() or '-')
print(1 if text('/keys.json') else 0)
print(text('/release').strip() or '-')
"""
_VERSION = "print((text('/{}/manifest').split('\\n') + ['', ''])[1])"
_CLEAR = """
import os
def clear(place):
    try: names = os.listdir(place)
    except OSError: return
    for name in sorted(names, key=lambda name: name != 'manifest'):
        path = place + '/' + name
        if os.stat(path)[0] & 0x4000: clear(path); os.rmdir(path)
        else: os.remove(path)
def folder(path):
    try: os.mkdir(path)
    except OSError: pass
clear('/{0}')
folder('/{0}')
"""
_CHECK = """
import sys, gc
sys.path.insert(0, '/{0}')
from firmware_bridge.firmware import update
from firmware_bridge.release import Manifest
with open('/{0}/manifest', 'rb') as file: m = Manifest(file.read())
for _ in m.checked(update.release('')): pass
for _ in update.whole('/{0}', m): pass
print('holds')
"""
_REPLACE = "os.rename('/{0}.new', '/{0}')"
_WIPE = """
with open('/keys.json', 'r+b') as file: file.write(bytes(256))
import os
os.remove('/keys.json')
"""


def run(argv: Sequence[str], now: Now) -> int:
    """What was typed after `board flash`. Raises BoardError, UsageError."""
    asked = only(_parser(), argv)
    terminal = Terminal(asked.json)
    public = release.key(asked.release_key)
    held = release.opened(asked.release, public)
    settings = _settings(asked.settings)
    prompt = Prompt(asked.port)
    try:
        prompt.open()
        into = _into(prompt, held, public, asked)
        _copied(prompt, into, held, terminal)
        _placed(prompt, into, public, held, settings)
        prompt.restart()
    finally:
        prompt.close()
    terminal.say(
        f"The board checked release {held.version} itself, and starts it.",
        f"Next: gridseal-provision board pair {asked.port} DIR --name NAME",
    )
    terminal.object({"port": asked.port, "version": held.version, "folder": into})
    return 0


def _settings(path: Path | None) -> bytes | None:
    """Raises BoardError where the board would not start with them."""
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            found = file.read(_SETTINGS_MAX_BYTES)
        Settings(found)
    except OSError as fault:
        raise BoardError(f"{path}: cannot be read: {fault.strerror}") from fault
    except SettingsError as fault:
        raise BoardError(f"{path}: {fault}") from fault
    return found


def _into(prompt: Prompt, held: Release, public: bytes, asked: argparse.Namespace) -> str:
    """The folder to write to. Raises BoardError: the board is not to have this release."""
    port = asked.port
    _check_python(prompt.run(_PYTHON), port)
    said = prompt.run(_STATE).split("\n")
    if len(said) != 3:
        raise BoardError(f"{port}: what answers there is no board with MicroPython")
    slot, keys, trusted = (line.strip() for line in said)
    if keys == "1" and not asked.wipe_keys:
        text = "this board is paired; update it over its link, or type --wipe-keys"
        raise BoardError(f"{port}: {text}")
    if trusted not in ("-", public.hex()):
        raise BoardError(f"{port}: this board takes releases of another key, {trusted}")
    into = boot.FOLDERS[0] if slot == "-" else _beside(prompt, held, slot, port)
    if keys == "1":
        prompt.run(_WIPE)
    return into


def _check_python(said: str, port: str) -> None:
    """Raises BoardError where the firmware would not run."""
    found = re.fullmatch(r"micropython (\d{1,3}) (\d{1,3})", said)
    if not found:
        raise BoardError(f"{port}: what answers there is no board with MicroPython")
    version = (int(found[1]), int(found[2]))
    if version < MICROPYTHON_MIN:
        text = f"MicroPython {dotted(version)} is too old; put {dotted(MICROPYTHON_MIN)} on it"
        raise BoardError(f"{port}: {text}, as its maker says how")


def _beside(prompt: Prompt, held: Release, slot: str, port: str) -> str:
    """The folder that does not run. Raises BoardError: what runs is as new."""
    works = slot.split(" ")[0]
    if works not in boot.FOLDERS:
        raise BoardError(f"{port}: the board's slot says {slot!r}; erase its flash")
    runs = prompt.run(_VERSION.format(works)).removeprefix("version ").strip()
    parts = runs.split(".")
    if len(parts) == 3 and all(part.isdigit() for part in parts):
        there = tuple(int(part) for part in parts)
        if held.manifest.version <= there:
            text = f"{held.version} is not newer than {runs}, which is on the board"
            raise BoardError(f"{port}: {text}; nothing was changed")
    return boot.other(works)


def _copied(prompt: Prompt, into: str, held: Release, terminal: Terminal) -> None:
    prompt.run(_CLEAR.format(into))
    made: set[str] = set()
    for (name, _, _), octets in zip(held.manifest.files, held.contents, strict=True):
        parts = name.split("/")
        for deep in range(1, len(parts)):
            folder = "/".join(parts[:deep])
            if folder not in made:
                prompt.run(f"folder('/{into}/{folder}')")
                made.add(folder)
        prompt.put(f"/{into}/{name}", octets)
        terminal.say(f"  {name}")
    prompt.put(f"/{into}/manifest", held.manifest.octets)


def _placed(
    prompt: Prompt, into: str, public: bytes, held: Release, settings: bytes | None
) -> None:
    """The board checks; then what starts is changed. Raises BoardError."""
    files = {name: octets for (name, _, _), octets in
             zip(held.manifest.files, held.contents, strict=True)}  # fmt: skip
    _replaced(prompt, "release", public.hex().encode())
    if prompt.run(_CHECK.format(into)) != "holds":
        raise BoardError("the board does not find the release whole; nothing of it starts")
    if settings is not None:
        _replaced(prompt, "board.json", settings)
    if _BOOT in files:
        _replaced(prompt, "boot.py", files[_BOOT])
    _replaced(prompt, "main.py", _MAIN)
    _replaced(prompt, "slot", boot.written((into, boot.NONE, 0)))


def _replaced(prompt: Prompt, name: str, octets: bytes) -> None:
    prompt.put(f"/{name}.new", octets)
    prompt.run(_REPLACE.format(name))


def _parser() -> Parser:
    about = "Puts a release on a board at its prompt (MicroPython's raw REPL)."
    parser = Parser(prog=PROG, description=about, allow_abbrev=False)
    parser.add_argument("port", metavar="PORT", help="a serial port, such as /dev/ttyACM0")
    arguments(parser)
    told = "board.json: its ports, ring, pins"
    parser.add_argument("--settings", type=Path, metavar="FILE", help=told)
    told = "the board is paired: its keys are to go"
    parser.add_argument("--wipe-keys", action="store_true", help=told)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of words")
    return parser
