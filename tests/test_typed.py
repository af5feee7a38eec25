"""What a README has people type is what the program takes: each command of ours, and each option
behind it, is one that its own help has.

1. Read are blocks of commands, tables and words between ticks, of every folder's README.
2. What stands behind an option, and what the command then does, is for other tests.

It starts nothing: a program's `main` is asked for its help, in this process.
"""

import contextlib
import io
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from agent import cli as agent
from hil import cli as hil
from provisioning import cli as provisioning
from record import cli as record
from tests.conftest import ROOT
from tests.test_house import PACKAGES

PROGRAMS: dict[str, Callable[[list[str]], int]] = {
    "agent": agent.main,
    "hil": hil.main,
    "provision": provisioning.main,
    "record": record.main,
}
BLOCK = re.compile(r"(?:^    .*\n)+", re.MULTILINE)
TICKS = re.compile(r"`([^`]+)`")
# A program, its command in plain words, and the rest.
TYPED = re.compile(r"gridseal-(agent|hil|provision|record)((?: [a-z][a-z-]*)*)(.*)")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
SEEN_MIN = 200  # fewer: they are not read any more as they are written


def pages() -> list[Path]:
    found = [path for top in PACKAGES for path in (ROOT / top).rglob("README.md")]
    return [ROOT / "README.md", *sorted(found)]


def commands(page: Path) -> Iterator[str]:
    """All that stands on a page as it is typed, a command each, without comments."""
    text = page.read_text(encoding="utf-8").replace("\\\n", "")
    for block in BLOCK.findall(text):
        yield from (re.sub(r"\s#\s.*", "", line) for line in block.splitlines())
    yield from (" ".join(one.split()) for one in TICKS.findall(BLOCK.sub("\n", text)))


@cache
def help_of(program: str, *words: str) -> str:
    """What the program says of a command; nothing where it knows none of these words."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        try:
            code = PROGRAMS[program]([*words, "--help"])
        except SystemExit as ended:  # argparse's own way to end
            code = int(ended.code or 0)
    return out.getvalue() if code == 0 else ""


def test_programs_know_what_pages_have_people_type() -> None:
    unknown, seen = [], 0
    for page in pages():
        for text in commands(page):
            for program, words, rest in TYPED.findall(text):
                seen += 1
                told = help_of(program, *words.split())
                options = set(OPTION.findall(rest)) - set(OPTION.findall(told))
                if not told or options:
                    what = ", ".join(sorted(options)) if told else "no such command"
                    unknown.append(f"{page.relative_to(ROOT)}: {text.strip()}: {what}")
    assert not unknown, "\n".join(unknown)
    assert seen >= SEEN_MIN
