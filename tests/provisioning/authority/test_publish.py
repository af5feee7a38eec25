"""A book and its credentials go to a real record: in order, again and again, and no further than
they are taken.
"""

import asyncio
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.http import Client
from drivers.c37118.wire import Layout
from evidence import cbor
from hil.child import Child
from hil.loopback import free_port
from provisioning.authority import folder, request
from provisioning.authority.standing import Register
from provisioning.cli import main
from provisioning.init import RECORD, InitRequest, initialise
from record.cli import main as record_main
from tests.provisioning.authority.desk import Asker, Desk, desk
from tests.record.gateway import Gateway, cfg_bytes, configuration, frame, id_of

READY_S = 30.0
Said = pytest.CaptureFixture[str]


class Record:
    """`gridseal-record serve`, which believes its own init's authority and another."""

    def __init__(self, place: Path, at: Desk | None) -> None:
        self.place, self.port = place, free_port()
        request = InitRequest(place, listen=("127.0.0.1", self.port))
        initialise(request, int(time.time()) - 60, os.urandom)
        if at is not None:
            more = f'\n[[authority]]\nname = "Utility A"\nkey = "{at.root.public.raw.hex()}"\n'
            anchors = place / "anchors.toml"
            anchors.write_text(anchors.read_text() + more)
            (at.place / "anchors.toml").write_text(anchors.read_text())
        argv = ["serve", "--config", str(place / RECORD)]
        self.child = Child("record", "record.cli", argv, place / "log")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def verified(self) -> bool:
        anchors = str(self.place / "anchors.toml")
        return record_main(["verify", str(self.place / "record.db"), "--anchors", anchors]) == 0


@pytest.fixture
def at(tmp_path: Path) -> Desk:
    """Two gateways, one of which has handed over to its next key."""
    now_s = int(time.time())
    found = desk(tmp_path / "utility", now_s - 60)
    first = found.answer(Asker().file(now_s - 50), now_s - 50)
    found.answer(Asker("gw-8", 2).file(now_s - 40), now_s - 40)
    _, data = Asker().rotated(3, first.name, now_s - 30)
    found.answer(data, now_s - 30)
    return found


@pytest.fixture
def record(tmp_path: Path, at: Desk) -> Iterator[Record]:
    found = Record(tmp_path / "record", at)
    try:
        asyncio.run(found.child.says("listens on", READY_S))
        yield found
    finally:
        found.child.kill()


def published(place: Path, url: str, capsys: Said) -> tuple[int, list[dict[str, object]]]:
    capsys.readouterr()
    asked = ["authority", "publish", "--record", url, "--authority", str(place), "--json"]
    code = main(asked)
    return code, json.loads(capsys.readouterr().out)["answers"]


def test_a_book_is_published_in_order_and_again_the_same(
    at: Desk, record: Record, capsys: Said
) -> None:
    code, told = published(at.place, record.url, capsys)
    assert code == 0
    assert [str(one["what"]).split(" ")[0:3] for one in told] == [
        ["book", "entry", "0,"],
        ["credential", *str(told[1]["what"]).split(" ")[1:3]],
        ["book", "entry", "1,"],
        ["credential", *str(told[3]["what"]).split(" ")[1:3]],
        ["book", "entry", "2,"],
        ["rotation", "before", "credential"],
        ["credential", *str(told[6]["what"]).split(" ")[1:3]],
        ["book", "entry", "3,"],
    ]
    places = [one["index"] for one in told]
    assert places == list(range(8))
    assert published(at.place, record.url, capsys) == (0, told)
    assert record.verified()


def test_what_is_new_is_added_and_a_revocation_rules_there(
    at: Desk, record: Record, capsys: Said
) -> None:
    _, before = published(at.place, record.url, capsys)
    yes = ["--authority", str(at.place), "--yes"]
    assert main(["authority", "revoke", "gw-8", "--why", "stolen", *yes]) == 0
    code, after = published(at.place, record.url, capsys)
    assert code == 0 and after[:-1] == before
    assert "revoked" in str(after[-1]["what"])
    assert record.verified()


def test_a_credential_that_the_record_refuses_stops_no_revocation(
    at: Desk, record: Record, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = int(time.time())
    with monkeypatch.context() as patched:  # as an authority of an earlier version did
        patched.setattr(request, "_set_lineage", mistaken(request._set_lineage))
        at.answer(Asker("gw-9", 9).file(now_s), now_s)
    yes = ["--authority", str(at.place), "--yes"]
    assert main(["authority", "revoke", "gw-8", "--why", "stolen", *yes]) == 0
    code, told = published(at.place, record.url, capsys)
    assert code == 1
    assert [one["what"] for one in told if one["index"] is None] == [told[-3]["what"]]
    assert "revoked" in str(told[-1]["what"]) and told[-1]["index"] is not None
    assert record.verified()


def mistaken(real: Callable[..., None]) -> Callable[..., None]:
    """Makes credentials that name a rotation which leads elsewhere."""

    def lineage(found: request.Weighed, register: Register, *rest: object) -> None:
        real(found, register, *rest)
        found.rotation = next(row.says.rotation for row in register.rows if row.says.rotation)

    return lineage


def test_a_folder_of_init_is_an_authoritys_too(record: Record, capsys: Said) -> None:
    """The bench's: its own record has its book."""
    asked = ["authority", "renew", str(record.place / "credential.cbor"), "--authority"]
    asked += [str(record.place), "--plan", str(record.place / "site.toml")]
    assert main([*asked, "--out", str(record.place / "next.cbor")]) == 0
    code, told = published(record.place, record.url, capsys)
    assert code == 0 and len(told) == 5
    assert record.verified()


def test_a_book_that_a_backup_set_back_is_found_out(at: Desk, record: Record, capsys: Said) -> None:
    """Two entries of one number: the record keeps the first, and says so."""
    kept = {name: (at.place / name).read_bytes() for name in ("book.cbor", "issued.cbor")}
    yes = ["--authority", str(at.place), "--yes"]
    assert main(["authority", "revoke", "gw-8", "--why", "lost", *yes]) == 0
    assert published(at.place, record.url, capsys)[0] == 0
    for name, content in kept.items():
        (at.place / name).write_bytes(content)
    assert main(["authority", "revoke", "gw-7", "--why", "lost", *yes]) == 0
    assert Asker(seed=3).key.public.fingerprint in capsys.readouterr().out
    code, told = published(at.place, record.url, capsys)
    assert code == 1 and str(told[-1]["text"]).startswith("book_forked")
    assert told[-1]["index"] is None and len(folder.read(at.place).book.lines) == 6


def test_a_record_that_does_not_know_the_authority_refuses_it(
    at: Desk, tmp_path: Path, capsys: Said
) -> None:
    found = Record(tmp_path / "stranger", None)
    try:
        asyncio.run(found.child.says("listens on", READY_S))
        (at.place / "anchors.toml").unlink()
        code, told = published(at.place, found.url, capsys)
        assert code == 1 and len(told) == 1
        assert str(told[0]["text"]).startswith("unknown_authority")
    finally:
        found.child.kill()


def test_a_batch_is_vouched_for_that_the_record_has(at: Desk, record: Record, capsys: Said) -> None:
    gateway = Gateway("gw-1", at.root, expires_s=int(time.time()) + 86_400)
    run = gateway.start()
    layout = Layout(configuration())
    statements = [gateway.statement, run.statement, run.describe(1, cfg_bytes(configuration()))]
    run.observe(1, frame(layout, 0))
    batch = run.cut()

    async def play() -> None:
        client = Client(record.url)
        for one in statements:
            body = cbor.encode([one.encoded, one.pairs])
            assert (await client.request("POST", "/v1/statement?size=0", body, 20.0)).status == 200
        path = f"/v1/batch/{id_of(batch).hex()}?size=0"
        assert (await client.request("POST", path, batch, 20.0)).status == 200
        await client.close()

    asyncio.run(asyncio.wait_for(play(), 40))
    more = ["--text", "disk read", "--authority", str(at.place), "--record", record.url, "--yes"]
    asked = ["authority", "vouch", run.name.hex(), "0"]
    capsys.readouterr()
    assert main([*asked, "ab" * 32, *more]) == 2
    assert "the record has no batch abab" in capsys.readouterr().err
    assert main([*asked, id_of(batch).hex(), *more]) == 0
    code, told = published(at.place, record.url, capsys)
    assert code == 0 and "vouched" in str(told[-1]["what"])
    assert record.verified()


def test_nobody_there_and_another_log_are_said(at: Desk, tmp_path: Path, capsys: Said) -> None:
    code, told = published(at.place, f"http://127.0.0.1:{free_port()}", capsys)
    assert code == 1 and "refused" in str(told[0]["text"])
    other = Record(tmp_path / "other", at)
    try:
        asyncio.run(other.child.says("listens on", READY_S))
        anchors = at.place / "anchors.toml"
        log = next(line for line in anchors.read_text().splitlines() if line.startswith("key"))
        anchors.write_text(anchors.read_text().replace(log, f'key = "{"ab" * 32}"'))
        code, told = published(at.place, other.url, capsys)
        assert code == 1 and "does not hold" in str(told[0]["text"])
    finally:
        other.child.kill()


def test_a_dry_run_sends_nothing(at: Desk, record: Record, capsys: Said) -> None:
    asked = ["authority", "publish", "--record", record.url, "--authority", str(at.place)]
    capsys.readouterr()
    assert main([*asked, "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"done": False, "statements": 8}
    assert main([*asked]) == 0
    assert "The record has all of it." in capsys.readouterr().out
