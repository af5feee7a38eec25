"""Programs that are asked by the line: real processes that hang, die, flood, and come back."""

import asyncio
import functools
import os
import stat
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest

from agent.timing import child
from agent.timing.child import Child, ChildError

TEST_S = 30
BYTES_MAX = 4096


def line(said: bytes) -> bool:
    return said.endswith(b"\n")


def runs(test: Callable[..., Coroutine[None, None, None]]) -> Callable[..., None]:
    @functools.wraps(test)
    def run(*given: object, **named: object) -> None:
        asyncio.run(asyncio.wait_for(test(*given, **named), TEST_S))

    return run


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str], str]:
    def made(text: str) -> str:
        path = tmp_path / "program"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return str(path)

    return made


@runs
async def test_one_process_answers_many_questions(script: Callable[[str], str]):
    program = Child([script('while read -r x; do echo "$$ $x"; done')], BYTES_MAX)
    said = [await program.ask(f"question {at}", line) for at in range(20)]
    assert len({one.split()[0] for one in said}) == 1, "one process"
    assert [one.split()[2] for one in said] == [str(at).encode() for at in range(20)]
    number = int(said[0].split()[0])
    await program.close()
    await program.close()
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("read -r x; echo 506 Cannot talk to daemon; exit 1", "ends: 506 Cannot talk to daemon"),
        ("echo broken pipe >&2; exit 3", "ends: broken pipe"),
        ("exit 0", "ends"),
        ("yes", "says more than 4096 bytes"),
        ("exec yes", "says more than 4096 bytes"),
        ("exec tr -d '\\n' </dev/zero", "says more than 4096 bytes"),
        ("exec sleep 20", "does not answer within"),
        ("exec 1>&-; sleep 20", "ends"),
        ("exec 0<&-; sleep 20", "does not answer within"),
        ("trap '' TERM PIPE HUP; while :; do sleep 1; done", "does not answer within"),
    ],
)
@runs
async def test_what_misbehaves_is_named_and_ended(
    script: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, text: str, fault: str
):
    monkeypatch.setattr(child, "ASK_S", 0.3 if "answer" in fault else 10.0)
    program = Child([script(text)], BYTES_MAX)
    with pytest.raises(ChildError, match=fault):
        await program.ask("tracking", lambda said: said == b"an answer\n")
    await program.close()


@runs
async def test_what_is_absent_is_named(tmp_path: Path):
    program = Child([str(tmp_path / "none")], BYTES_MAX)
    with pytest.raises(ChildError, match="does not start: No such file"):
        await program.ask("tracking", line)
    with pytest.raises(ChildError, match="does not start: No such file"):
        await program.ask("tracking", line)
    await program.close()


@runs
async def test_it_is_started_again_after_a_wait_that_doubles(
    script: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr(child, "BACKOFF_S", (0.2, 0.8))
    count, ready = tmp_path / "count", tmp_path / "ready"
    text = f'echo x >>{count}; [ -e {ready} ] || exit 1; while read -r x; do echo "$x"; done'
    program = Child([script(text)], BYTES_MAX)
    loop = asyncio.get_running_loop()
    begun = loop.time()
    while loop.time() - begun < 1.5:
        with pytest.raises(ChildError, match="ends"):
            await program.ask("tracking", line)
        await asyncio.sleep(0.01)
    # At 0, 0.2, 0.6 and 1.4 s: a busy machine makes it fewer.
    assert 2 <= len(count.read_text().split()) <= 4
    ready.touch()
    async with asyncio.timeout(20):
        while True:
            try:
                assert await program.ask("tracking", line) == b"tracking\n"
                break
            except ChildError:
                await asyncio.sleep(0.05)
    await program.close()


@runs
async def test_what_was_said_unasked_is_no_answer(script: Callable[[str], str], tmp_path: Path):
    said = tmp_path / "said"
    text = f'while read -r x; do echo "$x"; sleep 0.05; echo late; : >{said}; done'
    program = Child([script(text)], BYTES_MAX)
    assert await program.ask("one", line) == b"one\n"
    async with asyncio.timeout(20):
        while not said.exists():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)  # what it said is heard
    assert await program.ask("two", line) == b"two\n"
    await program.close()


@runs
async def test_an_ask_that_is_cancelled_leaves_no_rest_of_an_answer(script: Callable[[str], str]):
    text = 'while read -r x; do sleep 0.2; echo "$$ $x"; done'
    program = Child([script(text)], BYTES_MAX)
    asking = asyncio.ensure_future(program.ask("one", line))
    await asyncio.sleep(0.1)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert (await program.ask("two", line)).split()[1] == b"two"
    await program.close()


@runs
async def test_it_ends_with_its_input(
    script: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """As when the agent is killed: nothing of it is left behind."""
    monkeypatch.setattr(child, "LEAVE_S", 10.0)
    ended = tmp_path / "ended"
    text = f'while read -r x; do echo "$$"; done; : >{ended}'
    program = Child([script(text)], BYTES_MAX)
    await program.ask("one", line)
    await program.close()
    assert ended.exists(), "by itself, not by a signal: pmc removes its socket then"
