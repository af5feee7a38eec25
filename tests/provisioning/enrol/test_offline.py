"""From an empty folder to a gateway that runs, by files on a stick; and the answers refused."""

import os
import stat
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from agent import config as agent_config
from agent.cli import main as agent_main
from drivers.keystore import file as keyfile
from drivers.keystore.uri import open_signer
from evidence import cose
from evidence.code import Typ
from evidence.key import Ed25519Key
from evidence.leap import NS
from provisioning.enrol import parcel, part
from tests.provisioning.enrol import desk as desks
from tests.provisioning.enrol.conftest import Gateway
from tests.provisioning.enrol.desk import NOW, Desk, files

DAY = 86_400 * NS


def test_from_nothing_to_a_gateway_that_can_run(gateway: Gateway, desk: Desk, capsys) -> None:
    gateway.new()
    assert (gateway.folder / "device.key").exists()
    answer = desk.answer(gateway.request())
    said = gateway.accept(answer, "--fingerprint", desk.root.public.fingerprint.upper())
    assert "Done: gw-1: credential" in said and "Utility A" in said
    found = agent_config.load(gateway.folder / "gateway.toml")
    assert found.credential.says.key == open_signer("file:device.key", gateway.folder).public
    assert found.anchors.log_key == desk.log.public
    assert found.file.record.url == "https://record.example:8443"
    assert agent_main(["check", "--config", str(gateway.folder / "gateway.toml")]) == 0
    assert not (gateway.folder / "enrol-request.cbor").exists()


def test_what_opens_connections_fits(enrolled: Gateway) -> None:
    record = agent_config.load(enrolled.folder / "gateway.toml").file.record
    names = (record.ca, record.certificate, record.certificate_key)
    assert names == ("ca.pem", "tls.pem", "tls.key")
    key = serialization.load_pem_private_key((enrolled.folder / "tls.key").read_bytes(), None)
    own = x509.load_pem_x509_certificate((enrolled.folder / "tls.pem").read_bytes())
    ca = x509.load_pem_x509_certificate((enrolled.folder / "ca.pem").read_bytes())
    assert own.public_key() == key.public_key()
    own.verify_directly_issued_by(ca)
    device = open_signer("file:device.key", enrolled.folder).public
    assert device.raw not in own.public_bytes(serialization.Encoding.DER)


def test_no_secret_is_for_others_or_leaves(gateway: Gateway) -> None:
    said = gateway.new()
    packed = gateway.request()
    inside = parcel.unpack(packed)
    for name in ("device.key", "tls.key"):
        path = gateway.folder / name
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        lines = [line for line in path.read_bytes().splitlines() if b"-----" not in line]
        assert all(line not in inside and line.decode() not in said for line in lines)
    assert stat.S_IMODE(gateway.folder.stat().st_mode) == 0o700


def test_a_request_is_small_and_says_what_stands_there(gateway: Gateway) -> None:
    gateway.new()
    told = gateway.json("enrol", "request", gateway.folder)
    assert told["bytes"] < 4096
    from evidence import enrolment

    _, asks = enrolment.asked(parcel.unpack(Path(told["file"]).read_bytes()))
    assert asks.plan == (gateway.folder / "site.toml").read_bytes()
    assert (asks.subject, asks.role, asks.credential, asks.rotation) == (
        "gw-1",
        "gateway",
        None,
        None,
    )
    assert asks.tls is not None


def test_a_lost_stick_the_newest_request_counts(gateway: Gateway, desk: Desk) -> None:
    gateway.new()
    first = gateway.request()
    gateway.now_ns += DAY
    said = gateway.type("enrol", "request", gateway.folder)
    assert "The new one counts" in said
    second = (gateway.folder / "enrol-request.gse").read_bytes()
    fingerprint = desk.root.public.fingerprint
    refused = gateway.accept(desk.answer(first), "--fingerprint", fingerprint, fails=2)
    assert "other_request" in refused and "2026-11-19" in refused
    gateway.accept(desk.answer(second, gateway.now_ns), "--fingerprint", fingerprint)


def test_an_answer_is_good_once_and_here_alone(
    enrolled: Gateway, desk: Desk, tmp_path: Path, monkeypatch, capsys
) -> None:
    packed = enrolled.request()
    answer = desk.answer(packed)
    enrolled.accept(answer)
    before = files(enrolled.folder)
    assert "other_request" in enrolled.accept(answer, fails=2)
    (tmp_path / "other").mkdir()
    other = Gateway(tmp_path / "other" / "gw", monkeypatch, capsys)
    other.new()
    other.request()
    there = files(other.folder)
    said = other.accept(answer, "--fingerprint", desk.root.public.fingerprint, fails=2)
    assert "other_request" in said
    assert (files(enrolled.folder), files(other.folder)) == (before, there)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"key": Ed25519Key(os.urandom(32)).public}, "another key"),
        ({"subject": "gw-2"}, "the credential is for 'gw-2'"),
        ({"role": "bench"}, "as bench"),
        ({"not_before_s": NOW // NS + 60}, "credential_not_yet"),
        ({"expires_s": NOW // NS}, "credential_expired"),
        ({"rotation": bytes(32)}, "rotation_not_granted"),
        ({"issuer": "Utility B"}, "in the name of 'Utility B'"),
        ({"request": bytes(32)}, "other_request"),
        ({"certificates": (b"\x30\x00",)}, "a certificate in the answer cannot be read"),
        ({"ca": (b"",)}, "a certificate in the answer cannot be read"),
        ({"anchors": b"\xff"}, "anchors.toml in the answer"),
        ({"anchors": b""}, "believes nobody yet: put"),
        ({"pairs": ()}, "does not tell all that it hides"),
        ({"_root": Ed25519Key(os.urandom(32))}, "unknown_authority"),
    ],
)
def test_what_is_wrong_with_an_answer_is_said_and_nothing_is_written(
    gateway: Gateway, desk: Desk, changes: dict[str, Any], expected: str
) -> None:
    gateway.new()
    answer = desk.answer(gateway.request(), **changes)
    before = files(gateway.folder)
    said = gateway.accept(answer, "--fingerprint", desk.root.public.fingerprint, fails=2)
    assert expected in said
    assert said.count("\n") == 1
    assert files(gateway.folder) == before


def test_a_certificate_for_another_key_is_refused(gateway: Gateway, desk: Desk) -> None:
    gateway.new()
    answer = desk.answer(gateway.request())
    from provisioning.enrol import tls

    (gateway.folder / "tls.key").write_bytes(tls.new_key())
    said = gateway.accept(answer, "--fingerprint", desk.root.public.fingerprint, fails=2)
    assert "for another key than" in said


def test_the_key_must_still_be_in_its_store(gateway: Gateway, desk: Desk) -> None:
    gateway.new()
    answer = desk.answer(gateway.request())
    (gateway.folder / "device.key").rename(gateway.stick / "device.key")
    said = gateway.accept(answer, "--fingerprint", desk.root.public.fingerprint, fails=2)
    assert "device.key" in said


@pytest.mark.parametrize("typed", ["", "12:34", "g" * 64, "00" * 32])
def test_a_fingerprint_that_is_not_the_authoritys(gateway: Gateway, desk: Desk, typed: str) -> None:
    gateway.new()
    answer = desk.answer(gateway.request())
    before = files(gateway.folder)
    gateway.accept(answer, "--fingerprint", typed, fails=2)
    assert files(gateway.folder) == before


def test_half_a_fingerprint_with_spaces_is_enough(gateway: Gateway, desk: Desk) -> None:
    gateway.new()
    read_out = desk.root.public.fingerprint[:32]
    groups = " ".join(read_out[at : at + 4] for at in range(0, 32, 4))
    gateway.accept(desk.answer(gateway.request()), "--fingerprint", groups)


def test_anchors_that_are_there_need_no_telephone(gateway: Gateway, desk: Desk) -> None:
    path = gateway.stick / "anchors.toml"
    path.write_text(desk.anchors())
    gateway.new("--anchors", str(path))
    other = desks.desk()
    packed = gateway.request()
    assert "unknown_authority" in gateway.accept(other.answer(packed), fails=2)
    gateway.accept(desk.answer(packed))


def test_a_plan_edited_meanwhile_is_said_by_the_bus(gateway: Gateway, desk: Desk) -> None:
    gateway.new()
    answer = desk.answer(gateway.request())
    path = gateway.folder / "site.toml"
    mrid = "7d8f1b80-0000-4000-8000-000000000001"
    path.write_text(path.read_text() + f'\n[[bus]]\nname = "South 345"\nmrid = "{mrid}"\n')
    before = files(gateway.folder)
    said = gateway.accept(answer, "--fingerprint", desk.root.public.fingerprint, fails=2)
    assert "bus 'South 345'" in said and "edited after it was asked" in said
    assert files(gateway.folder) == before
    gateway.accept(desk.answer(gateway.request()), "--fingerprint", desk.root.public.fingerprint)


def test_a_clock_that_was_never_set(gateway: Gateway, desk: Desk) -> None:
    gateway.new()
    answer = desk.answer(gateway.request())
    before = files(gateway.folder)
    gateway.now_ns = 86_400 * NS  # 1970-01-02
    fingerprint = desk.root.public.fingerprint
    for said in (
        gateway.type("enrol", "request", gateway.folder, fails=2),
        gateway.accept(answer, "--fingerprint", fingerprint, fails=2),
        gateway.type("enrol", "online", gateway.folder, "https://h/#0.0", fails=2),
        gateway.type("rotate", gateway.folder, "--key", "file:n.key", fails=2),
    ):
        assert "clock_unset" in said or "no invitation" in said or "a code has" in said
    assert files(gateway.folder) == before
    gateway.now_ns = NOW
    gateway.accept(answer, "--fingerprint", fingerprint)


def test_a_dry_run_writes_nothing(gateway: Gateway, desk: Desk) -> None:
    gateway.new("--dry-run")
    assert not gateway.folder.exists()
    gateway.new()
    before = files(gateway.folder)
    gateway.type("enrol", "request", gateway.folder, "--dry-run")
    assert files(gateway.folder) == before
    packed = gateway.request()
    before = files(gateway.folder)
    said = gateway.accept(
        desk.answer(packed), "--fingerprint", desk.root.public.fingerprint, "--dry-run"
    )
    assert "new " in said and "credential.cbor" in said and "+credential =" in said
    gateway.type("rotate", gateway.folder, "--key", "file:n.key", "--dry-run", fails=2)
    assert files(gateway.folder) == before


def test_rolled_back_and_forward_again(enrolled: Gateway, desk: Desk) -> None:
    once = files(enrolled.folder)
    enrolled.now_ns += DAY
    enrolled.accept(desk.answer(enrolled.request(), enrolled.now_ns))
    path = enrolled.folder / "gateway.toml"
    twice = agent_config.load(path).credential.name
    enrolled.type("rollback", enrolled.folder)
    assert path.read_bytes() == once["gateway.toml"]
    assert agent_config.load(path).credential.name != twice
    enrolled.type("rollback", enrolled.folder)
    assert agent_config.load(path).credential.name == twice


def test_scanned_codes_in_any_order_are_as_good_as_the_file(gateway: Gateway, desk: Desk) -> None:
    gateway.new()
    answer = desk.answer(gateway.request())
    scanned = [f"QR-Code:{text}" for text in part.split(answer, 400)]
    text = "\n".join(reversed(scanned)).encode()
    fingerprint = desk.root.public.fingerprint
    missing = gateway.accept(text.rsplit(b"\n", 1)[0], "--fingerprint", fingerprint, fails=2)
    assert "scan what is missing: part 1" in missing
    gateway.accept(text, "--fingerprint", fingerprint)


def test_the_settings_that_stood_there_stay(enrolled: Gateway) -> None:
    text = (enrolled.folder / "gateway.toml").read_text()
    assert '# or "chrony:"' in text.replace("'", '"')
    told = tomllib.loads(text)
    assert told["spool"] == {"path": "spool.db", "keep_days": 10}
    assert told["source"][0]["options"]["idcode"] == 7


def test_a_statement_of_another_kind_is_no_answer(enrolled: Gateway) -> None:
    packed = enrolled.request()
    assert "this is a request" in enrolled.accept(packed, fails=2)
    message = cose.read_statement(parcel.unpack(packed), Typ.REQUEST)
    assert "garbage" not in enrolled.accept(message.payload, fails=2)


def test_no_room_to_read_it_back_is_said(
    gateway: Gateway, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*told: object, **more: object) -> None:
        raise OSError(28, "No space left on device", "room")

    gateway.new()
    packed = desk.answer(gateway.request())
    before = files(gateway.folder)
    monkeypatch.setattr(tempfile, "TemporaryDirectory", full)
    said = gateway.accept(packed, "--fingerprint", desk.root.public.fingerprint, fails=2)
    assert said.startswith("room: cannot be read as it will be: No space left on device")
    assert files(gateway.folder) == before


def test_a_key_that_was_exchanged_since_it_asked_gets_nothing(gateway: Gateway, desk: Desk) -> None:
    gateway.new()
    packed = desk.answer(gateway.request())
    (gateway.folder / "device.key").unlink()
    keyfile.create(gateway.folder / "device.key")
    said = gateway.accept(packed, "--fingerprint", desk.root.public.fingerprint, fails=2)
    assert "holds another key than the one that asked" in said
