"""A witness: every answer of C2SP tlog-witness, what it remembers, and what it never does.

Real processes over loopback, and for the crash a process that ends itself where it hurts.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evidence.merkle import EMPTY_ROOT
from evidence.tlog import cosignature, submission
from evidence.tlog.note import Verifier
from evidence.tlog.submission import Submission
from record.cli import main
from record.database import StoreError
from record.witness import state
from record.witness.witness import TIME_BACK_MAX_S, Cosigner, Witness
from tests.record.witness.watched import (
    FORKED,
    HONEST,
    KEY,
    LOG,
    LOGS_KEY,
    NAME,
    NOW,
    ORIGIN,
    ROOT,
    STRANGER,
    WAIT_S,
    GrownLog,
    add,
    ask,
    cosigned,
    served,
    told,
    witness_files,
)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Verifier]]:
    """A witness that has cosigned a tree of five entries."""
    path, key = witness_files(tmp_path_factory.mktemp("witness"))
    with served("witness", path, "--new") as (_, url):
        status, _, lines = add(url, HONEST.body(0, 5))
        assert status == 200 and cosignature.times(cosigned(HONEST, 5, lines), key)
        yield url, key


ELSEWHERE = GrownLog(origin="log.example/elsewhere")
ANSWERS = {
    "an origin that nobody watches": (ELSEWHERE.body(0, 5), 404),
    "no signature of the log": (STRANGER.body(5, 8), 403),
    "a signature that does not hold": (
        HONEST.body(5, 8).replace(b"\n8\n", b"\n9\n"),
        403,
    ),
    "an old size beyond the checkpoint's": (HONEST.body(9, 8), 400),
    "an old size that it does not have": (HONEST.body(4, 8), 409),
    "an old size of zero": (HONEST.body(0, 8), 409),
    "a proof that is another's": (
        Submission(5, HONEST.proof(5, 7), HONEST.note(8)).encode(),
        422,
    ),
    "no proof": (Submission(5, (), HONEST.note(8)).encode(), 422),
    "a forked tree": (FORKED.body(5, 8), 422),
    "the same size with another root": (FORKED.body(5, 5), 422),
    "a proof where none is due": (
        Submission(5, (bytes(32),), HONEST.note(5)).encode(),
        422,
    ),
    "garbage": (b"\x00\xff\xfe", 400),
    "nothing": (b"", 400),
    "a note without a signature": (b"old 0\n\n" + HONEST.note(8).split(b"\n\n")[0] + b"\n", 400),
    "a checkpoint that is none": (b"old 0\n\nhello\n\n\xe2\x80\x94 x AAAAAAA=\n", 400),
}


@pytest.mark.parametrize("what", ANSWERS)
def test_every_answer_is_the_published_one(running: tuple[str, Verifier], what: str):
    body, expected = ANSWERS[what]
    status, media, said = add(running[0], body)
    assert status == expected, said
    if status == 409:
        assert (media, said) == ("text/x.tlog.size", b"5\n")
    else:
        assert media == "text/plain" and said.endswith(b"\n")


def test_a_body_that_is_too_long_and_questions_that_are_none(running: tuple[str, Verifier]):
    url, _ = running
    assert add(url, b"old 0\n\n" + b"x" * submission.BODY_BYTES_MAX)[0] == 413
    assert ask(url, "GET", "/add-checkpoint")[0] == 405
    assert ask(url, "POST", "/add-entries", b"")[0] == 404


def test_the_same_tree_is_cosigned_again(running: tuple[str, Verifier]):
    url, key = running
    status, _, lines = add(url, HONEST.body(5, 5))
    assert status == 200 and cosignature.times(cosigned(HONEST, 5, lines), key)


def test_it_goes_on_where_it_ended(tmp_path: Path):
    path, key = witness_files(tmp_path)
    with served("witness", path, "--new") as (process, url):
        assert add(url, HONEST.body(0, 5))[0] == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_S) == 0
    with served("witness", path) as (process, url):
        assert add(url, FORKED.body(5, 8))[0] == 422
        status, _, lines = add(url, HONEST.body(5, 8))
        assert status == 200 and cosignature.times(cosigned(HONEST, 8, lines), key)
        process.send_signal(signal.SIGKILL)
        process.wait(WAIT_S)
    with served("witness", path) as (_, url):
        assert add(url, HONEST.body(5, 9))[2] == b"8\n"


def refused(capsys: pytest.CaptureFixture[str], words: str, *asked: object) -> None:
    """Exit 2 and one line that says why."""
    assert told("witness", *asked) == 2
    err = capsys.readouterr().err
    assert words in err and err.count("\n") == 1


def test_who_has_forgotten_does_not_sign(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path, _ = witness_files(tmp_path)
    refused(capsys, "forgotten what it signed must not sign", path)
    with served("witness", path, "--new"):
        pass
    refused(capsys, "is there already", path, "--new")
    (tmp_path / "witness.db").rename(tmp_path / "away.db")
    refused(capsys, "say --new for a key that never signed", path)
    (tmp_path / "witness.db").write_bytes(b"")
    refused(capsys, "of no witness that this reads", path)


def test_a_memory_is_of_one_key(tmp_path: Path):
    path = tmp_path / "witness.db"
    state.make(path, KEY.public.raw, NAME)
    for key, name in ((LOG.public.raw, NAME), (KEY.public.raw, "witness.example/2")):
        with pytest.raises(StoreError, match="it is the memory of"):
            state.open_state(path, key, name)
    other = tmp_path / "other.db"
    other.write_bytes(path.read_bytes()[:100])
    with pytest.raises(StoreError):
        state.open_state(other, KEY.public.raw, NAME)


def test_keys_are_distinct_and_refused_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path, key = witness_files(tmp_path)
    own = Verifier("mirror.example/1", 4, key.key)
    witness_files(tmp_path, f'others = ["{own.vkey()}"]')
    refused(capsys, "is the key of mirror.example/1 too", path, "--new")
    text = path.read_text().replace(f'others = ["{own.vkey()}"]', "")
    logs = Verifier("log.example/own", 1, key.key)
    path.write_text(f'{text}[[log]]\nvkey = "{logs.vkey()}"\n')
    refused(capsys, "is the key of log.example/own too", path, "--new")
    assert not (tmp_path / "witness.db").exists()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ('name = "a b"', "cannot be a key's name"),
        ('name = "a"\nlisten = "192.0.2.1:1"', "is not loopback"),
        ('name = "a"\nlisten = "nowhere"', "expected HOST:PORT"),
        ('name = "a"\nkeys = "x"', "did you mean 'key'"),
        ('name = "a"\nothers = ["a+0+b"]', "witness.toml:3: witness.others[0]"),
        ('name = "a"\n[[log]]\nvkey = "log.example+00000000+AAAA"', "witness.toml:4: log[0].vkey"),
    ],
)
def test_a_configuration_is_refused_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], wrong: str, words: str
):
    path = tmp_path / "witness.toml"
    path.write_text(f'[witness]\n{wrong}\n[[log]]\nvkey = "{LOGS_KEY.vkey()}"\n')
    refused(capsys, words, path)


def test_two_roots_of_one_size_are_kept_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path, _ = witness_files(tmp_path)
    with served("witness", path, "--new") as (_, url):
        assert add(url, HONEST.body(0, 5))[0] == 200
        assert told("witness", path, "--show") == 0
        capsys.readouterr()
        assert add(url, FORKED.body(5, 5))[0] == 422
        assert add(url, FORKED.body(2, 5))[0] == 409  # asked wrongly, and yet it was shown
    assert told("witness", path, "--show", "--json") == 1
    (exhibit,) = json.loads(capsys.readouterr().out)["exhibits"]
    assert (exhibit["reason"], exhibit["standing"]) == ("fork", "proven")
    assert exhibit["note"].encode() == FORKED.note(5)
    assert exhibit["held_note"].encode() == HONEST.note(5)
    assert main(["show", str(tmp_path / "witness.db")]) == 1
    assert f"{ORIGIN}: fork (proven)" in capsys.readouterr().out


def test_an_empty_tree_has_one_root(witness: Witness):
    assert HONEST.checkpoint(0).root == EMPTY_ROOT
    assert witness.add_checkpoint(HONEST.body(0, 0)).status == 200
    assert witness.add_checkpoint(HONEST.body(0, 3)).status == 200


def test_times_do_not_go_back(tmp_path: Path):
    path, at = tmp_path / "witness.db", [NOW]
    state.make(path, KEY.public.raw, NAME)
    kept = state.open_state(path, KEY.public.raw, NAME)
    witness = Witness(Cosigner(NAME, KEY, kept, lambda: at[0]), {ORIGIN: [LOGS_KEY]})
    key = Verifier(NAME, 4, KEY.public)
    times = []
    for old, size, back_s in ((0, 3, 0), (3, 5, TIME_BACK_MAX_S - 1)):
        at[0] = NOW - back_s * 1_000_000_000
        said = witness.add_checkpoint(HONEST.body(old, size))
        times += cosignature.times(cosigned(HONEST, size, said.body), key)
    assert times[0] == times[1]
    at[0] = NOW - (TIME_BACK_MAX_S + 1) * 1_000_000_000
    said = witness.add_checkpoint(HONEST.body(5, 8))
    assert said.status == 503 and b"the clock is 61 s before" in said.body
    at[0] = NOW
    assert witness.add_checkpoint(HONEST.body(5, 8)).status == 200
    kept.close()


CRASHES = """
import os, signal, sys
from pathlib import Path
from evidence.key import Ed25519Key
from record.witness import state
from record.witness.witness import Cosigner, Witness
from tests.record.witness.watched import FORKED, HONEST, LOGS_KEY, NAME, ORIGIN

class Dying:
    public = Ed25519Key(b"W" * 32).public
    def sign(self, message):
        if sys.argv[2] == "checked":
            os.kill(os.getpid(), signal.SIGKILL)
        return Ed25519Key(b"W" * 32).sign(message)

kept = state.open_state(Path(sys.argv[1]), Dying.public.raw, NAME)
witness = Witness(Cosigner(NAME, Dying(), kept, lambda: 1790000000 * 10**9), {ORIGIN: [LOGS_KEY]})
said = witness.add_checkpoint(HONEST.body(0, 5))
assert said.status == 200
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(("where", "answer"), [("checked", 200), ("persisted", 409)])
def test_a_crash_anywhere_cosigns_no_two_trees(tmp_path: Path, where: str, answer: int):
    """Between check and signature nothing is kept; from the commit on the other tree is refused,
    though nobody was answered."""
    path = tmp_path / "witness.db"
    state.make(path, KEY.public.raw, NAME)
    done = subprocess.run(
        [sys.executable, "-c", CRASHES, str(path), where], cwd=ROOT, timeout=WAIT_S, check=False
    )
    assert done.returncode == -signal.SIGKILL
    kept = state.open_state(path, KEY.public.raw, NAME)
    witness = Witness(Cosigner(NAME, KEY, kept, lambda: NOW), {ORIGIN: [LOGS_KEY]})
    assert witness.add_checkpoint(FORKED.body(0, 5)).status == answer
    if answer == 409:
        assert witness.add_checkpoint(FORKED.body(5, 5)).status == 422
        assert witness.add_checkpoint(HONEST.body(5, 5)).status == 200
    kept.close()


def one_view(cosigns: list[tuple[GrownLog, int]]) -> None:
    """Whether all that was cosigned is of one tree: one root a size, and past the twist one log."""
    roots: dict[int, set[bytes]] = {}
    for log, size in cosigns:
        roots.setdefault(size, set()).add(log.checkpoint(size).root)
    assert all(len(of) == 1 for of in roots.values()), cosigns
    assert len({id(log) for log, size in cosigns if size > 3}) <= 1, cosigns


def test_two_processes_on_one_memory_are_one_witness(tmp_path: Path):
    """A log and its fork ask both at once; one of them is killed meanwhile."""
    path, key = witness_files(tmp_path)
    cosigns: list[tuple[GrownLog, int]] = []
    with served("witness", path, "--new") as (first, one), served("witness", path) as (_, other):
        begun = threading.Barrier(4)

        def grow(log: GrownLog, url: str) -> None:
            size = 0
            begun.wait(WAIT_S)
            for _ in range(25):
                try:
                    status, _, said = add(url, log.body(size, size + 2))
                except OSError:
                    return  # it was killed
                if status == 200:
                    size += 2
                    assert cosignature.times(cosigned(log, size, said), key)
                    cosigns.append((log, size))
                elif status == 409:
                    size = submission.read_size(said)
                if len(cosigns) == 8:
                    os.kill(first.pid, signal.SIGKILL)

        with ThreadPoolExecutor(4) as crowd:
            asked = [
                crowd.submit(grow, log, url) for log in (HONEST, FORKED) for url in (one, other)
            ]
            for each in asked:
                each.result(WAIT_S)
    assert len(cosigns) > 8
    one_view(cosigns)


steps = st.lists(
    st.tuples(st.sampled_from([HONEST, FORKED]), st.integers(0, 9), st.integers(0, 9)), max_size=25
)


@settings(max_examples=40)
@given(steps)
def test_whatever_is_asked_in_whatever_order_one_tree_is_cosigned(
    tmp_path_factory: pytest.TempPathFactory, asked: list[tuple[GrownLog, int, int]]
):
    path = tmp_path_factory.mktemp("any") / "witness.db"
    state.make(path, KEY.public.raw, NAME)
    kept = state.open_state(path, KEY.public.raw, NAME)
    witness = Witness(Cosigner(NAME, KEY, kept, lambda: NOW), {ORIGIN: [LOGS_KEY]})
    cosigns, largest = [], 0
    for log, old, size in asked:
        if witness.add_checkpoint(log.body(old, size)).status == 200:
            assert old == largest <= size
            largest = size
            cosigns.append((log, size))
    kept.close()
    one_view(cosigns)
