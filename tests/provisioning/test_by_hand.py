"""A first gateway and its record, by hand: the commands of README.md as they stand there, in their
order, typed in an empty folder until the record shows the first sample and holds.

1. Every command is read out of the README and handed to a shell. What is put in its place, added or
   left out is only what the README tells the reader to, in the words beside it.
2. A comment of the README counts too: what is to be waited for, and what is typed again.
3. Every wait is bounded, and what is started is ended.

It has no command of its own: where an option there is wrong, it fails.
"""

import asyncio
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from os import pathsep
from pathlib import Path

import pytest

from hil.child import Program
from hil.loopback import free_port
from tests.conftest import ROOT

BEGINS, ENDS = "\nA first gateway and its record, by hand", "\n## "
BLOCK = re.compile(r"(?:^    .*\n)+", re.MULTILINE)
# A command; whether it stays behind; what its comment says, and what that quotes.
LINE = re.compile(
    r"(?P<command>.+?)(?P<behind> &)?(?: +# (?P<comment>[^\"]*(?:\"(?P<said>.*)\")?))?"
)
WAIT_S, AGAIN_S, LOOK_S = 20.0, 20.0, 0.2
PMU, RECEIVER, PORT = "192.0.2.7:4712", "/dev/ttyACM0", "127.0.0.1:PORT"
pytestmark = pytest.mark.timeout(120)  # 8 s, and more on a machine that does other things too


class Reader:
    """Who reads that part of the README, and types it."""

    def __init__(self, folder: Path) -> None:
        text = (ROOT / "README.md").read_text(encoding="utf-8")
        part = text.partition(BEGINS)[2].partition(ENDS)[0]
        self.words = " ".join(BLOCK.sub("", part).split())
        self.blocks = [
            # A shell takes a backslash at the end of a line away, with the end.
            [line.strip() for line in block.replace("\\\n", "").splitlines()]
            for block in BLOCK.findall(part)
        ]
        self._logs, self.started = folder, list[Program]()

    def told(self, words: str) -> str:
        """Words that the README has for this, between its ticks."""
        assert f"`{words}`" in self.words, f"README.md does not tell of {words}"
        return words

    def typed(self, line: str) -> str:
        """Types it as it stands; what it says. What stays behind is waited for as the comment has
        it."""
        found = LINE.fullmatch(line)
        assert found is not None, line
        command, comment = found["command"], found["comment"] or ""
        if found["behind"]:
            log = self._logs / f"{len(self.started)}.log"
            program = Program(command.split()[0], ["sh", "-c", f"exec {command}"], log, {})
            self.started.append(program)
            asyncio.run(program.says(found["said"] or "\n", WAIT_S))
            return program.said()
        until = time.monotonic() + (AGAIN_S if "again" in comment else 0)
        while True:
            done = subprocess.run(
                ["sh", "-c", command], capture_output=True, text=True, timeout=WAIT_S, check=False
            )
            if done.returncode == 0:
                return done.stdout
            if time.monotonic() >= until:
                pytest.fail(f"{line}\n{done.stdout}{done.stderr}", pytrace=False)
            time.sleep(LOOK_S)

    def end(self) -> None:
        """As `kill` of all jobs does; each ends well."""
        for program in reversed(self.started):
            assert asyncio.run(program.end(WAIT_S)) == 0, program.said()


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    """In an empty folder with nothing but the environment, as `make venv` leaves it."""
    here = tmp_path / "here"
    here.mkdir()
    (here / ".venv").symlink_to(sys.prefix, target_is_directory=True)
    monkeypatch.chdir(here)
    monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=pathsep)  # these sources, whoever's .venv
    reader = Reader(tmp_path)
    try:
        yield reader
    finally:
        for program in reader.started:
            program.kill()


def where(said: str, *path: str | int) -> str:
    """What a simulated device says of itself in its first line."""
    told = json.loads(said.splitlines()[0])
    for key in path:
        told = told[key]
    return str(told)


def replaced(line: str, told: str, instead: str) -> str:
    assert told in line, f"{told} is not in {line}"
    return line.replace(told, instead)


def last(said: dict[str, str], command: str) -> str:
    """What the one command said that has these words."""
    (found,) = (text for line, text in said.items() if command in line)
    return found


def all_typed(reader: Reader, init: str) -> dict[str, str]:
    """The block from `init` on, that one as it was changed; what each line said."""
    port = replaced(reader.told(f"--record-listen {PORT}"), "PORT", str(free_port()))
    said = {init: reader.typed(f"{init} {port}")}
    return said | {line: reader.typed(line) for line in reader.blocks[0][1:]}


def test_it_comes_to_a_first_receipt_as_it_stands(reader: Reader) -> None:
    pmu, receiver = (reader.typed(line) for line in reader.blocks[1])
    init = replaced(reader.blocks[0][0], reader.told(PMU), where(pmu, "pmus", 0, "tcp"))
    init = replaced(init, reader.told(RECEIVER), where(receiver, "pty"))
    said = all_typed(reader, f"{init} {reader.told('--role bench')}")
    places = last(said, "agent check")
    assert re.search(r"place of gps: [\d.]+ m from the survey", places) is not None
    assert "the configuration can be run" in places
    shown = last(said, "record show")
    assert "of gw-1 (pmu-a" in shown and "bus North is " in shown
    assert "simulated: simulation, by its receipt" in shown  # nothing settles
    entries = re.search(r"everything holds: (\d+) entries", last(said, "record verify"))
    assert entries is not None and int(entries[1]) > 0
    reader.end()


def test_without_receiver_and_survey_it_settles_and_says_so(reader: Reader) -> None:
    pmu = reader.typed(reader.blocks[1][0])
    init = replaced(reader.blocks[0][0], PMU, where(pmu, "pmus", 0, "tcp"))
    for told, left_out in (
        ("ublox", r" +--source 'ublox:[^']*'"),
        ("--survey", r" +--survey \S+"),
    ):
        reader.told(told)
        init, count = re.subn(left_out, "", init)
        assert count == 1
    said = all_typed(reader, init)
    assert "the antenna: no receiver" in last(said, "agent check")
    assert "place_unchecked: no_receiver, by its receipt" in last(said, "record show")
    assert "everything holds: " in last(said, "record verify")
    reader.end()
