"""Invited gateways at the door of a real `authority serve`: once, for what was said, bounded."""

import asyncio
import http.client
import json
import os
import signal
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.child import Child
from hil.loopback import free_port
from provisioning.authority import door, invitation, link
from provisioning.authority.door import Tries
from provisioning.authority.refusal import RefusedError
from provisioning.cli import main
from provisioning.source import RequestError
from tests.provisioning.authority.desk import Asker, Desk, answer_in, desk

READY_S, WAIT_S = 30.0, 20.0


class Served:
    """A door that is open, on this machine."""

    def __init__(self, at: Desk, port: int, log: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.at, self.port, self._capsys = at, port, capsys
        argv = ["authority", "serve", "--authority", str(at.place), "--listen", f"127.0.0.1:{port}"]
        self.child = Child("authority", "provisioning.cli", argv, log)

    def ready(self) -> None:
        asyncio.run(self.child.says("listens on", READY_S))

    def invite(self, gateway: str = "gw-7", *more: str) -> link.Link:
        """An invitation, as the utility types it."""
        self._capsys.readouterr()
        asked = ["authority", "invite", "--gateway", gateway, "--at", f"127.0.0.1:{self.port}"]
        assert main([*asked, "--authority", str(self.at.place), *more, "--json"]) == 0
        return link.read(json.loads(self._capsys.readouterr().out)["invitation"])

    def ask(self, to: link.Link, data: bytes, code: str | None = None) -> tuple[int, bytes]:
        """One request, by a client that knows HTTP alone."""
        line = self.connection(to)
        try:
            headers = {"Authorization": f"Bearer {to.code if code is None else code}"}
            line.request("POST", link.PATH, data, headers)
            answer = line.getresponse()
            return answer.status, answer.read()
        finally:
            line.close()

    def connection(self, to: link.Link) -> http.client.HTTPSConnection:
        """To the server that invited, and no other."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        line = http.client.HTTPSConnection(to.host, to.port, timeout=WAIT_S, context=context)
        line.connect()
        assert isinstance(line.sock, ssl.SSLSocket)
        assert to.finds(line.sock.getpeercert(binary_form=True) or b"")
        return line

    def refused(self, to: link.Link, data: bytes, code: str | None = None) -> tuple[int, str]:
        status, body = self.ask(to, data, code)
        told = json.loads(body)
        assert told.keys() == {"reason", "text"}
        return status, told["reason"]


@pytest.fixture
def served(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Served]:
    at = desk(tmp_path / "utility", int(time.time()) - 60)
    found = Served(at, free_port(), tmp_path / "log", capsys)
    try:
        found.ready()
        yield found
    finally:
        found.child.kill()


def now() -> int:
    return int(time.time())


def test_an_invited_gateway_is_answered_once(served: Served) -> None:
    to = served.invite("gw-7", "--days", "30")
    gateway = Asker()
    data = gateway.file(now(), tls=gateway.csr())
    status, body = served.ask(to, data)
    assert status == 200
    found, says = answer_in(body)
    assert (says.subject, says.key) == ("gw-7", gateway.key.public)
    assert says.expires_s - now() <= 30 * 86_400 and len(found.certificates) == 2
    # A network loses answers: the same request again, the same answer, no second credential.
    assert served.ask(to, data) == (200, body)
    assert len(served.at.read().book.lines) == 2
    # Another request finds the code used.
    assert served.refused(to, gateway.file(now())) == (422, "code_used")
    assert len(served.at.read().book.lines) == 2


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("Authorization : Bearer {}", 400),
        ("Authorization: Bearer {}\r\nContent-Length: -1", 400),
        ("Authorization: Bearer {}\r\nContent-Encoding: gzip\r\nContent-Length: 3", 422),
    ],
)
def test_what_is_no_http_is_one_line_of_the_log_without_the_code(
    served: Served, tmp_path: Path, head: str, status: int
) -> None:
    to = served.invite()
    line = served.connection(to)
    asked = f"POST {link.PATH} HTTP/1.1\r\nHost: x\r\n{head.format(to.code)}\r\n\r\nabc"
    line.sock.sendall(asked.encode())
    assert line.sock.recv(4096).split(b" ")[1] == str(status).encode()
    line.close()
    assert served.ask(to, Asker().file(now()))[0] == 200  # and goes on
    said = (tmp_path / "log").read_text()
    assert "refused" in said and to.code not in said and "Traceback" not in said


def test_a_code_is_nowhere_but_in_the_invitation(served: Served, tmp_path: Path) -> None:
    to = served.invite()
    assert served.ask(to, Asker().file(now()))[0] == 200
    texts = b"".join(path.read_bytes() for path in served.at.place.iterdir())
    texts += (tmp_path / "log").read_bytes()
    for form in (to.code, link.grouped(to.code)):
        assert form.encode() not in texts
    kept = invitation.read(served.at.place)
    assert len(kept) == 1 and len(kept[0].code) == 64
    assert (served.at.place / "invitations.json").stat().st_mode & 0o777 == 0o600


def test_it_is_of_no_use_to_others(served: Served) -> None:
    mark = Asker().key.public.fingerprint
    to = served.invite("gw-7", "--key", mark[:20])
    assert served.refused(to, Asker("gw-8", 2).file(now())) == (422, "other_gateway")
    assert served.refused(to, Asker("gw-7", 9).file(now())) == (422, "other_key")
    assert served.refused(to, Asker().file(now(), role="bench")) == (422, "role_not_allowed")
    assert served.refused(to, Asker().file(86_400)) == (422, "clock_unset")
    assert served.refused(to, b"rubbish") == (422, "parcel")
    # None of them used it up.
    assert served.ask(to, Asker().file(now()))[0] == 200


def test_what_it_does_not_allow_is_refused(served: Served, tmp_path: Path) -> None:
    to = served.invite("gw-7", "--bus", "123e4567-e89b-12d3-a456-4266141740ff")
    assert served.refused(to, Asker().file(now())) == (422, "bus_not_granted")
    plan = tmp_path / "site.toml"
    plan.write_text(Asker().plan)
    assert served.ask(served.invite("gw-7", "--plan", str(plan)), Asker().file(now()))[0] == 200
    to = served.invite("gw-7")
    assert served.refused(to, Asker(seed=2).file(now())) == (422, "other_live_key")
    to = served.invite("gw-7", "--replace")
    assert served.ask(to, Asker(seed=2).file(now()))[0] == 200


def test_a_wrong_code_is_refused_before_anything_is_read(served: Served) -> None:
    to = served.invite()
    data = Asker().file(now())
    for code in ("", "x", link.new_code(os.urandom), to.code[:-1]):
        assert served.refused(to, data, code) == (401, "code_unknown")
    assert len(served.at.read().book.lines) == 1


def test_guessing_is_slowed_down(served: Served) -> None:
    to = served.invite()
    data = Asker().file(now())
    found = [served.refused(to, b"", link.new_code(os.urandom)) for _ in range(door.TRIES_MAX + 2)]
    assert found[: door.TRIES_MAX] == [(401, "code_unknown")] * door.TRIES_MAX
    assert found[door.TRIES_MAX :] == [(429, "too_many")] * 2
    assert served.refused(to, data) == (429, "too_many")


def test_too_long_a_body_is_not_read(served: Served) -> None:
    to = served.invite()
    assert served.refused(to, bytes(door.BODY_BYTES_MAX + 1)) == (413, "too_long")
    assert served.ask(to, Asker().file(now()))[0] == 200


def test_nothing_else_is_answered(served: Served) -> None:
    to = served.invite()
    for method, path in (("GET", link.PATH), ("POST", "/"), ("GET", "/../authority.toml")):
        line = served.connection(to)
        line.request(method, path)
        assert line.getresponse().status in (404, 405)
        line.close()


def test_many_idle_connections_keep_nobody_out_for_ever(served: Served) -> None:
    """More than are held: those beyond are closed, and when some go, others come."""
    to = served.invite()
    lines = [served.connection(to) for _ in range(door.CONNECTIONS_MAX + 8)]
    assert sum(map(answered, lines)) == door.CONNECTIONS_MAX
    for line in lines:
        line.close()
    until = time.monotonic() + WAIT_S
    while True:
        try:
            assert served.ask(to, Asker().file(now()))[0] in (200, 422)
            break
        except (http.client.HTTPException, OSError):
            assert time.monotonic() < until


def answered(line: http.client.HTTPSConnection) -> bool:
    """Whether the other side is there."""
    try:
        line.request("GET", "/")
        return line.getresponse().status == 404
    except (http.client.HTTPException, OSError):
        return False


def test_no_plain_http_and_no_old_tls(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.port), WAIT_S) as line:
        line.sendall(b"POST /v1/enrol HTTP/1.1\r\nHost: x\r\n\r\n")
        assert not line.recv(100).startswith(b"HTTP")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with (
        socket.create_connection(("127.0.0.1", served.port), WAIT_S) as line,
        pytest.raises(OSError),  # ssl.SSLError, or the line is reset
    ):
        context.wrap_socket(line)


def test_a_server_that_was_killed_between_code_and_answer_costs_no_code(
    served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The code is used, durably, and nothing is issued yet: the same request comes again."""
    to = served.invite()
    data = Asker().file(now())
    all_ = invitation.read(served.at.place)
    from provisioning.authority import request

    name = request.read(data).name
    invitation.write(served.at.place, invitation.used(all_, all_[0], name))
    served.child.kill()
    again = Served(served.at, served.port, tmp_path / "again", capsys)
    try:
        again.ready()
        assert again.refused(to, Asker().file(now())) == (422, "code_used")
        assert again.ask(to, data)[0] == 200
    finally:
        again.child.kill()


def test_it_ends_when_it_is_told(served: Served) -> None:
    os.kill(served.child.pid, signal.SIGTERM)
    assert asyncio.run(served.child.ended(WAIT_S)) == 0


# --- the string, and the file


def made(place: Path, **changes: object) -> tuple[str, invitation.Invitation]:
    code = link.new_code(os.urandom)
    fields: dict[str, object] = {
        "code": "", "gateway": "gw-7", "role": "gateway", "made_s": 1000, "until_s": 4600,
        "days": 30,
    }  # fmt: skip
    one = invitation.made(invitation.Invitation(**(fields | changes)), code)  # type: ignore[arg-type]
    place.mkdir(exist_ok=True)
    invitation.write(place, invitation.added(invitation.read(place), one))
    return code, one


def test_a_code_has_its_time(tmp_path: Path) -> None:
    code, _ = made(tmp_path)
    one = invitation.found(invitation.read(tmp_path), code)
    invitation.check(one, b"r" * 32, 4599)
    for now_s, reason in ((4600, "code_expired"), (999, "clock")):
        with pytest.raises(RefusedError) as fault:
            invitation.check(one, b"r" * 32, now_s)
        assert fault.value.reason == reason


def test_old_invitations_go_and_open_ones_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invitation, "OPEN_MAX", 2)
    made(tmp_path)
    made(tmp_path)
    with pytest.raises(RefusedError, match="2 are open"):
        made(tmp_path)
    late = 4600 + invitation.KEPT_S
    made(tmp_path, made_s=late, until_s=late + 60)
    assert [one.made_s for one in invitation.read(tmp_path)] == [late]


@given(
    st.sampled_from(["192.0.2.9", "2001:db8::7", "utility.example"]),
    st.integers(1, 65535),
    st.binary(min_size=link.CODE_BYTES, max_size=link.CODE_BYTES),
    st.binary(min_size=16, max_size=16),
)
def test_an_invitation_reads_back_however_it_is_typed(
    host: str, port: int, code: bytes, mark: bytes
) -> None:
    to = link.Link(host, port, link.new_code(lambda _: code), mark)
    text = to.text()
    assert link.read(text) == to and len(text) < 100
    begun, _, end = text.partition("#")
    typed = end.lower().replace("0", "o").replace("1", "l").replace("-", " ")
    assert link.read(f"{begun}#{typed}") == to


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text.replace("https", "http"),
        lambda text: text[:-1],
        lambda text: text[:-1] + "U",
        lambda text: text.partition(".")[0],
        lambda text: text.replace("#", "?"),
        lambda text: text.replace("//", "//user@"),
        lambda text: text.replace("8444", "84444"),
        lambda text: "x" * 1000,
        lambda text: "",
    ],
)
def test_what_is_no_invitation_is_refused_without_its_code(spoil: Callable[[str], str]) -> None:
    to = link.Link("192.0.2.9", 8444, link.new_code(lambda n: bytes(range(n))), bytes(16))
    with pytest.raises(RequestError) as fault:
        link.read(spoil(to.text()))
    assert to.code[:8] not in str(fault.value).replace("-", "")


@given(st.text(max_size=80))
def test_no_text_surprises_the_reader(text: str) -> None:
    with pytest.raises(RequestError):
        link.read(f"https://host:1/#{text}")


def test_wrong_codes_are_counted_by_address_and_forgotten() -> None:
    tries = Tries()
    for n in range(door.TRIES_MAX):
        tries.check("a", float(n))
        tries.note("a", float(n))
    with pytest.raises(RefusedError):
        tries.check("a", 20.0)
    tries.check("b", 20.0)
    tries.check("a", door.TRIES_S + 20.0)
    for n in range(door.ADDRESSES_MAX + 10):
        tries.note(str(n), 200.0)
    assert len(tries.by) == door.ADDRESSES_MAX
    with pytest.raises(RefusedError):
        tries.check("new", 201.0)
