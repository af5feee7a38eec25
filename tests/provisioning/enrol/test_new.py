"""A gateway's folder before an authority knows it: what is made, asked and refused."""

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from agent import config as agent_config
from drivers.keystore import uri
from tests.drivers import keyring
from tests.provisioning.enrol.conftest import SOURCE, Gateway
from tests.provisioning.enrol.desk import Desk, files

ASKED_S = 30


def test_a_plan_that_is_given_is_taken_as_it_is(gateway: Gateway, tmp_path: Path) -> None:
    gateway.new()
    plan = tmp_path / "plan.toml"
    plan.write_bytes((gateway.folder / "site.toml").read_bytes() + b"\n# as planned\n")
    other = tmp_path / "other"
    told = ("--gateway", "gw-2", "--plan", plan, "--source", SOURCE)
    gateway.type("new", other, *told)
    assert (other / "site.toml").read_bytes() == plan.read_bytes()
    found = agent_config.sketch(other / "gateway.toml")
    assert [one.name for one in found.sources] == ["pmu-a"]


def test_a_plan_whose_source_nobody_named_is_refused(gateway: Gateway, tmp_path: Path) -> None:
    gateway.new()
    told = ("--gateway", "gw-2", "--plan", gateway.folder / "site.toml")
    said = gateway.type("new", tmp_path / "other", *told, fails=2)
    assert "'pmu-a'" in said and not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (("--key", "file:../away/no.key"), "cannot be made"),
        (("--key", "device.key"), "no scheme"),
        (("--key", "pkcs11:token=none;object=o?module-path=/none.so"), "none.so"),
        (("--role", "gate"), "--role"),
        (("--gateway", "gw\x07"), "printable"),
        (("--anchors", "/none.toml"), "none.toml"),
        (("--source", "c37118+tcp://h:1?idcode=7&name=pmu-a&bus=B"), "two sources"),
        (("--sauce", "x"), "did you mean '--source'"),
    ],
)
def test_what_cannot_be_made_leaves_nothing(
    gateway: Gateway, more: tuple[str, str], expected: str
) -> None:
    before = sorted(gateway.folder.parent.iterdir())
    named = ("--gateway", "gw-1", "--site", "West", "--bus", "B", "--source", SOURCE)
    said = gateway.type("new", gateway.folder, *named, *more, fails=2)
    assert expected in said and said.count("\n") == 1
    assert sorted(gateway.folder.parent.iterdir()) == before


def test_nothing_is_overwritten(gateway: Gateway) -> None:
    gateway.new()
    before = files(gateway.folder)
    named = ("--gateway", "gw-1", "--site", "West", "--bus", "B")
    said = gateway.type("new", gateway.folder, *named, fails=2)
    assert "none is overwritten" in said
    assert files(gateway.folder) == before


def test_where_nobody_can_be_asked_the_option_is_named(gateway: Gateway) -> None:
    said = gateway.type("new", gateway.folder, fails=2)
    assert "--gateway NAME" in said


def test_a_bench_asks_as_one(gateway: Gateway, desk: Desk) -> None:
    gateway.new("--role", "bench")
    answer = desk.answer(gateway.request())
    gateway.accept(answer, "--fingerprint", desk.root.public.fingerprint)
    assert agent_config.load(gateway.folder / "gateway.toml").credential.says.role == "bench"


def test_a_key_of_a_token_enrols_and_rotates(
    gateway: Gateway, desk: Desk, tmp_path: Path, program: Callable[[str], Path]
) -> None:
    with keyring.token(tmp_path / "store", program) as token:
        gateway.new("--key", token.uri())
        public = uri.show(token.uri(), gateway.folder)
        answer = desk.answer(gateway.request())
        gateway.accept(answer, "--fingerprint", desk.root.public.fingerprint)
        found = agent_config.load(gateway.folder / "gateway.toml")
        assert (found.credential.says.key, found.file.gateway.key) == (public, token.uri())
        assert not list(gateway.folder.glob("device*"))
        gateway.accept(desk.answer(gateway.rotate("file:next.key")))
        again = gateway.folder.parent / "again"
        named = ("--gateway", "gw-1", "--site", "West", "--bus", "B", "--key", token.uri())
        said = gateway.type("new", again, *named, fails=2)
        assert "--existing-key" in said and not again.exists()
        gateway.type("new", again, *named, "--existing-key")


def test_a_sealed_key_and_its_blob_stay_in_the_folder_they_were_born_in(
    gateway: Gateway, desk: Desk, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("correct horse")
    secret.chmod(0o600)
    told = f"file:device.key?passphrase-source=file:{secret}"
    gateway.new("--key", told)
    assert b"SEALED" in (gateway.folder / "device.key").read_bytes()
    assert (gateway.folder / "device.key").stat().st_nlink == 1
    answer = desk.answer(gateway.request())
    gateway.accept(answer, "--fingerprint", desk.root.public.fingerprint)


def test_three_questions_at_a_terminal(tmp_path: Path) -> None:
    """Typed at a pseudo-terminal, as a technician would."""
    code = "import sys; from provisioning.cli import main; sys.exit(main(sys.argv[1:]))"
    master, slave = pty.openpty()
    argv = [sys.executable, "-c", code, "new", str(tmp_path / "gw")]
    child = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    said, left, until = b"", [b"gw-1\n", b"West\n", b"\n"], time.monotonic() + ASKED_S
    try:
        while time.monotonic() < until:
            if select.select([master], [], [], 0.2)[0]:
                try:
                    said += os.read(master, 4096)
                except OSError:  # the other end is closed: it ended
                    break
            if left and said.count(b": ") > 3 - len(left) and said.endswith(b": "):
                os.write(master, left.pop(0))
        assert child.wait(ASKED_S) == 0, said.decode()
    finally:
        child.kill()
        child.wait()
        os.close(master)
    assert not left and b"Bus 1" in said
    found = agent_config.sketch(tmp_path / "gw" / "gateway.toml")
    assert (found.file.gateway.name, found.plan.site.name) == ("gw-1", "West")
    assert [bus.name for bus in found.plan.bus] == ["Bus 1"]
