"""`gridseal-provision board flash`: puts a release on a board, at its prompt.

1. Nothing is copied before the release holds here, and is newer than what runs there.
2. It goes to the folder that does not run; the board itself checks it there, manifest and files;
   then `slot` is replaced, which says what starts. Until then that is what it was before: whatever
   was cut short is done again from the beginning.
3. A board that has keys is not flashed at its prompt: it is updated over its link, or wiped first.
4. Every path is one from where the board starts: / on some ports, /flash on others (stm32).
5. A board is refused whose flash is FAT, where a power cut may leave neither the old file nor the
   new; one that would start without settings, or with its USB as link and no way back; and one that
   cannot load the files as they are.
"""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from firmware_bridge.firmware import boot
from firmware_bridge.firmware.settings import Settings, SettingsError
from firmware_bridge.release import TOP, ManifestError, numbers
from firmware_bridge.shim.uart import USB
from provisioning.argument import Now, Parser, only
from provisioning.board import compiler, release
from provisioning.board.making import arguments
from provisioning.board.prompt import Prompt
from provisioning.board.release import BoardError, Release, dotted
from provisioning.terminal import Terminal

PROG = "gridseal-provision board flash"
_SETTINGS_MAX_BYTES = 16_384
_MAIN = b'import os\n\nimport boot\n\nboot.start(os.getcwd().rstrip("/"))\n'
_BOOTS = ("boot.py", "boot.mpy")  # the first is the one that `import` takes
MICROPYTHON_MIN = (1, 25)  # what the firmware is tested with
_PYTHON = "import sys\nprint(sys.implementation[0], *sys.implementation[1][:2])"
# The version of compiled files that it loads; 0: none.
_LOADS = "import sys\nprint(getattr(sys.implementation, '_mpy', 0) & 255)"
# What the board is asked: its slot, whether it has keys and settings, and whether it takes capital
# letters for small ones, as FAT does; and the text of a file.
_STATE = """
import os
def text(path):
    try:
        with open(path) as file: return file.read()
    except OSError: return ''
print(text('slot').strip() or '-')
print(1 if text('keys.json') else 0)
print(text('release').strip() or '-')
print(1 if text('board.json') else 0)
with open('case.new', 'w') as file: file.write('?')
print(1 if text('CASE.NEW') else 0)
os.remove('case.new')
"""
_VERSION = "print((text('{}/manifest').split('\\n') + ['', ''])[1])"
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
clear('{0}')
folder('{0}')
"""
# Dots: mpremote waits 10 s for something to be said, and a slow board checks for longer.
_CHECK = """
import sys
sys.path.insert(0, '{0}')
from firmware_bridge.firmware import update
from firmware_bridge.release import Manifest
with open('{0}/manifest', 'rb') as file: m = Manifest(file.read())
def slices():
    yield from m.checked(update.release('.'))
    yield from update.whole('{0}', m)
for number, _ in enumerate(slices()):
    if not number % 50: print('.', end='')
print('holds')
"""
_REMOVE = """
try: os.remove('{0}')
except OSError: pass
"""
_REPLACE = "os.rename('{0}.new', '{0}')"
_WIPE = """
with open('keys.json', 'r+b') as file: file.write(bytes(256))
import os
os.remove('keys.json')
"""


def run(argv: Sequence[str], now: Now) -> int:
    """What was typed after `board flash`. Raises BoardError, UsageError."""
    asked = only(_parser(), argv)
    terminal = Terminal(asked.json)
    public = release.key(asked.release_key)
    held = release.opened(asked.release, public)
    chooses = _boot(held)
    settings = _settings(asked.settings)
    prompt = Prompt(asked.port)
    try:
        prompt.open()
        into = _into(prompt, held, public, asked)
        _copied(prompt, into, held, terminal)
        _placed(prompt, into, public, chooses, settings)
        prompt.restart()
    finally:
        prompt.close()
    terminal.say(
        f"The board checked release {held.version} itself, and starts it.",
        "Next, over its link: gridseal-provision board pair PORT DIR --name NAME",
    )
    terminal.object({"port": asked.port, "version": held.version, "folder": into})
    return 0


def _boot(held: Release) -> tuple[str, bytes]:
    """The release's file that chooses what starts. Raises BoardError where there is none."""
    for (name, _, _), octets in zip(held.manifest.files, held.contents, strict=True):
        for boots in _BOOTS:
            if name == f"{TOP}/firmware/{boots}":
                return boots, octets
    raise BoardError(f"release {held.version} has no {_BOOTS[0]}: a board would start nothing")


def _settings(path: Path | None) -> bytes | None:
    """Raises BoardError where the board would not start with them."""
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            found = file.read(_SETTINGS_MAX_BYTES)
        held = Settings(found)
    except OSError as fault:
        raise BoardError(f"{path}: cannot be read: {fault.strerror}") from fault
    except SettingsError as fault:
        raise BoardError(f"{path}: {fault}") from fault
    if held.link.place == USB and None in (held.led, held.open_pin):
        text = "a link on USB takes the prompt's place: name led, which shows a pairing's code, and"
        raise BoardError(f"{path}: {text} open_pin, which alone opens a prompt again")
    return found


def _into(prompt: Prompt, held: Release, public: bytes, asked: argparse.Namespace) -> str:
    """The folder to write to. Raises BoardError: the board is not to have this release."""
    port = asked.port
    _check_python(prompt.run(_PYTHON), port)
    _check_loads(prompt.run(_LOADS), held, port)
    said = prompt.run(_STATE).split("\n")
    if len(said) != 5:
        raise BoardError(f"{port}: what answers there is no board with MicroPython")
    slot, keys, trusted, settings, fat = (line.strip() for line in said)
    if keys == "1" and not asked.wipe_keys:
        text = "this board is paired; update it over its link, or type --wipe-keys"
        raise BoardError(f"{port}: {text}")
    if trusted not in ("-", public.hex()):
        raise BoardError(f"{port}: this board takes releases of another key, {trusted[:64]}")
    if fat == "1":
        raise BoardError(f"{port}: this board's flash is FAT; format it as littlefs")
    if settings == "0" and asked.settings is None:
        raise BoardError(f"{port}: this board has no board.json yet; name one by --settings")
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


def _check_loads(said: str, held: Release, port: str) -> None:
    """Raises BoardError where the board would not load what is compiled."""
    for (name, _, _), octets in zip(held.manifest.files, held.contents, strict=True):
        if name.endswith(compiler.COMPILED):
            wants = compiler.form(name, octets).version
            if said != str(wants):
                has = f"version {said}" if said != "0" else "none"
                text = f"{name} is compiled for mpy version {wants}, and the board loads {has}"
                raise BoardError(f"{port}: {text}; make the release with --sources")


def _beside(prompt: Prompt, held: Release, slot: str, port: str) -> str:
    """The folder that does not run. Raises BoardError: what runs is as new."""
    works = slot.split(" ")[0]
    if works not in boot.FOLDERS:
        raise BoardError(f"{port}: the board's slot says {slot!r}; erase its flash")
    runs = prompt.run(_VERSION.format(works)).removeprefix("version ").strip()
    try:
        there = numbers(runs)
    except ManifestError:
        return boot.other(works)  # what is there cannot run
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
                prompt.run(f"folder('{into}/{folder}')")
                made.add(folder)
        prompt.put(f"{into}/{name}", octets)
        terminal.say(f"  {name}")
    prompt.put(f"{into}/manifest", held.manifest.octets)


def _placed(
    prompt: Prompt, into: str, public: bytes, chooses: tuple[str, bytes], settings: bytes | None
) -> None:
    """The board checks; then what starts is changed. Raises BoardError."""
    _replaced(prompt, "release", public.hex().encode())
    if prompt.run(_CHECK.format(into)).lstrip(".") != "holds":
        raise BoardError("the board does not find the release whole; nothing of it starts")
    if settings is not None:
        _replaced(prompt, "board.json", settings)
    _replaced(prompt, *chooses)
    for boots in _BOOTS:
        if boots != chooses[0]:
            prompt.run(_REMOVE.format(boots))  # its maker's, or an older release's
    _replaced(prompt, "main.py", _MAIN)
    _replaced(prompt, "slot", boot.written((into, boot.NONE, 0)))


def _replaced(prompt: Prompt, name: str, octets: bytes) -> None:
    prompt.put(f"{name}.new", octets)
    prompt.run(_REPLACE.format(name))


def _parser() -> Parser:
    about = "Puts a release on a board at its prompt (MicroPython's raw REPL)."
    parser = Parser(prog=PROG, description=about, allow_abbrev=False)
    parser.add_argument("port", metavar="PORT", help="a serial port, such as /dev/ttyACM0")
    arguments(parser)
    told = "board.json: its ports, ring, pins; a board that has one needs none"
    parser.add_argument("--settings", type=Path, metavar="FILE", help=told)
    told = "the board is paired: its keys are to go"
    parser.add_argument("--wipe-keys", action="store_true", help=told)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of words")
    return parser
