"""`gridseal-provision key`, as it is typed: into files, a real token and a real TPM, and at a real
terminal.
"""

import errno
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from drivers.keystore import file as keyfile
from drivers.keystore.uri import open_signer
from provisioning.cli import main
from tests.drivers import keyring
from tests.drivers.keyring import PIN

PASSPHRASE = "correct horse battery staple"
TYPED_S = 30
PROGRAM = (sys.executable, "-c", "import sys, provisioning.cli as c; sys.exit(c.main())")


@pytest.fixture(params=["file", "sealed", "pkcs11", "tpm", "handle"])
def place(
    request: pytest.FixtureRequest, tmp_path: Path, program: Callable[[str], Path]
) -> Iterator[str]:
    """The URI of a key that is to be, in each store."""
    if request.param == "file":
        yield f"file:{tmp_path}/device.key"
    elif request.param == "sealed":
        source = tmp_path / "passphrase"
        source.write_text(PASSPHRASE)
        source.chmod(0o600)
        yield f"file:{tmp_path}/device.key?passphrase-source=file:{source}"
    elif request.param == "pkcs11":
        with keyring.token(tmp_path / "token", program) as token:
            yield token.uri()
    else:
        with keyring.chip(tmp_path / "tpm", program) as chip:
            name = f"{tmp_path}/device.tpm" if request.param == "tpm" else "0x81008001"
            yield chip.uri(name, pin=True)


def test_new_and_show_say_the_same_of_a_key(place, tmp_path, capsys):
    assert main(["key", "new", place]) == 0
    made, err = capsys.readouterr()
    assert err == "" and made.startswith("Made ")
    assert main(["key", "show", place, "--json"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    public = open_signer(place, tmp_path).public
    assert told == {
        "uri": place.partition("?")[0],
        "algorithm": "P-256" if place.startswith("tpm:") else "Ed25519",
        "public_key": public.raw.hex(),
        "kid": public.kid.hex(),
        "fingerprint": public.fingerprint,
        "made": False,
        "proved": False,
    }
    for name in ("algorithm", "public_key", "kid", "fingerprint"):
        assert re.search(rf"\b{told[name]}\b", made)
    assert main(["key", "show", "--prove", place]) == 0
    assert capsys.readouterr().out.endswith("It signs.\n")


def test_a_key_is_never_overwritten(place, tmp_path, capsys):
    assert main(["key", "new", place]) == 0
    first = open_signer(place, tmp_path).public
    capsys.readouterr()
    assert main(["key", "new", place]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and "already" in err
    assert open_signer(place, tmp_path).public == first


def test_no_secret_is_ever_printed(place, tmp_path, capfd):
    for form in ([], ["--json"]):
        main(["key", "new", place, *form])
        main(["key", "show", place, *form])
        main(["key", "show", "--prove", place, *form])
    out, err = capfd.readouterr()
    said = out + err
    assert PIN not in said and PASSPHRASE not in said
    for path in (*tmp_path.glob("*.key"), *tmp_path.glob("*.tpm")):
        for line in path.read_text().splitlines()[1:-1]:
            assert line[:24] not in said and line[-20:] not in said


def test_a_relative_path_begins_where_base_says(tmp_path, capsys):
    assert main(["key", "new", "file:device.key", "--base", str(tmp_path)]) == 0
    fingerprint = keyfile.read(tmp_path / "device.key").public.fingerprint
    assert fingerprint in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["kye"], "did you mean 'key'"),
        (["key", "nwe", "file:a"], "did you mean 'new'"),
        (["key", "new"], "URI"),
        (["key", "new", "file:a", "--jsn"], "did you mean '--json'"),
        (["key", "new", "file:a", "--prove"], "'--prove' is unknown"),
        (["key", "new", "a.key"], "'file:a.key'"),
        (["key", "new", "fiel:a"], "did you mean 'file'"),
        (["key", "new", "file:no/where"], "cannot be made"),
        (["key", "show", "file:missing"], "is not there"),
        (["key", "show", "file:a?passphrase-source=hunter2"], "credential:NAME"),
        (["key", "new", "pkcs11:token=a?module-path=/m.so&pin-value=hunter2"], "change that PIN"),
        (["key", "new", "pkcs11:token=a;id=1?module-path=/m.so"], "needs a name"),
    ],
)
def test_what_is_typed_wrongly_gets_one_helpful_line(tmp_path, monkeypatch, capsys, argv, says):
    monkeypatch.chdir(tmp_path)
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and says in err
    assert "pin-value=hunter2" not in err
    assert not list(tmp_path.iterdir())


def test_help_shows_the_uris(capsys):
    assert main(["key"]) == 0
    out = capsys.readouterr().out
    for scheme in ("file:", "pkcs11:", "tpm:"):
        assert scheme in out


class Terminal:
    """A program at a terminal of its own; what it says there, and what is typed."""

    def __init__(self, *argv: str) -> None:
        self.said = b""
        self._pid, self._line = pty.fork()
        if self._pid == 0:
            os.execv(PROGRAM[0], [*PROGRAM, *argv])

    def type(self, after: str, line: str) -> None:
        """Types a line once it is asked."""
        while after.encode() not in self.said:
            more = os.read(self._line, 4096)
            assert more, self.said
            self.said += more
        self.said = b""
        os.write(self._line, line.encode(errors="surrogateescape") + b"\n")

    def ended(self) -> tuple[int, str]:
        try:
            while more := os.read(self._line, 4096):
                self.said += more
        except OSError as fault:
            assert fault.errno == errno.EIO  # how a terminal ends
        os.close(self._line)
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1]), self.said.decode()


def test_a_passphrase_is_asked_twice_and_not_shown(tmp_path):
    uri = f"file:{tmp_path}/root.key?passphrase-source=ask"
    terminal = Terminal("key", "new", uri)
    terminal.type("Passphrase of ", PASSPHRASE)
    terminal.type("again: ", PASSPHRASE)
    code, said = terminal.ended()
    assert code == 0 and "Made" in said and PASSPHRASE not in said
    made = open_signer(f"file:{tmp_path}/root.key", tmp_path, lambda words: PASSPHRASE).public
    terminal = Terminal("key", "show", "--prove", f"file:{tmp_path}/root.key")
    terminal.type("Passphrase of ", PASSPHRASE)
    code, said = terminal.ended()
    assert code == 0 and made.fingerprint in said and PASSPHRASE not in said


def test_two_passphrases_that_differ_make_nothing(tmp_path):
    terminal = Terminal("key", "new", f"file:{tmp_path}/root.key?passphrase-source=ask")
    terminal.type("Passphrase of ", PASSPHRASE)
    terminal.type("again: ", "another")
    code, said = terminal.ended()
    assert code == 2 and "nothing was made" in said
    assert not list(tmp_path.iterdir())


def test_what_is_typed_in_another_encoding_is_said_in_words(tmp_path):
    terminal = Terminal("key", "new", f"file:{tmp_path}/root.key?passphrase-source=ask")
    terminal.type("Passphrase of ", "\udcfcber")  # Latin-1
    code, said = terminal.ended()
    assert code == 2 and "not UTF-8" in said and "Traceback" not in said
    assert not list(tmp_path.iterdir())


def test_a_pin_is_asked_where_none_is_named(tmp_path, program):
    with keyring.token(tmp_path / "token", program) as token:
        terminal = Terminal("key", "new", token.uri(source=None))
        terminal.type("PIN of pkcs11:", PIN)
        code, said = terminal.ended()
        assert code == 0 and PIN not in said
        assert open_signer(token.uri(), tmp_path).public.fingerprint in said


def test_nobody_is_asked_without_a_terminal(tmp_path, program):
    """As in a script: what is typed into the input is no PIN."""
    with keyring.token(tmp_path / "token", program) as token:
        argv = [*PROGRAM, "key", "new", token.uri(source=None)]
        done = subprocess.run(
            argv, input=f"{PIN}\n".encode(), capture_output=True, timeout=TYPED_S,
            start_new_session=True,
        )  # fmt: skip
        assert done.returncode == 2 and b"none is named" in done.stderr
