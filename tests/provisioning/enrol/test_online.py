"""Enrolment over HTTPS: by an invitation, to the server that invited, or not at all.

The server is a real one, with a certificate of its own; what an authority decides is not asked.
"""

import http.server
import io
import json
import os
import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from agent import config as agent_config
from evidence.leap import NS
from hil.loopback import free_port
from provisioning.authority import certificate, link
from provisioning.authority.link import Link
from provisioning.enrol import online, pending
from provisioning.source import RequestError
from tests.provisioning.enrol.conftest import Gateway
from tests.provisioning.enrol.desk import NOW, Desk, files

JOIN_S = 10


class Door(http.server.ThreadingHTTPServer):
    """What an authority's server does, as far as a gateway sees it."""

    daemon_threads = True

    def __init__(self, desk: Desk, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.desk, self.code = desk, link.new_code(os.urandom)
        self.heard: list[bytes] = []
        self.answers: dict[bytes, bytes] = {}
        self.said: tuple[int, bytes] | None = None  # instead of an answer
        self.breaks = 0  # answers that are lost on the way
        key, text = certificate.new_key()
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        serial = os.urandom(16)
        ca = desk.ca_certificate()
        own = certificate.server(
            "door", ["127.0.0.1"], key.public_key(), ca, desk.ca, NOW // NS, serial
        )
        (folder / "door.pem").write_bytes(certificate.pem(own))
        (folder / "door.key").write_bytes(text)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "door.pem", folder / "door.key")
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.certificate = own

    @property
    def invitation(self) -> str:
        return self.link().text()

    def link(self) -> Link:
        port = self.server_address[1]
        return Link("127.0.0.1", port, self.code, link.fingerprint(self.certificate))

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # a client that turned away is no news


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Door

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.heard.append(body)
        status, said = self._answer(body)
        if self.server.breaks:
            self.server.breaks -= 1
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send_response(status)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def _answer(self, body: bytes) -> tuple[int, bytes]:
        if self.server.said is not None:
            return self.server.said
        if self.headers["Authorization"] != f"Bearer {self.server.code}":
            text = {"reason": "code_unknown", "text": "nobody was invited by this code"}
            return 403, json.dumps(text).encode()
        if body not in self.server.answers:
            self.server.answers[body] = self.server.desk.answer(body)
        return 200, self.server.answers[body]

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def door(desk: Desk, tmp_path: Path) -> Iterator[Door]:
    server = Door(desk, tmp_path)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(JOIN_S)
    assert not thread.is_alive()


def go(gateway: Gateway, invitation: str, *more: str, fails: int = 0) -> str:
    return gateway.type("enrol", "online", gateway.folder, invitation, *more, fails=fails)


def test_one_string_enrols(gateway: Gateway, desk: Desk, door: Door) -> None:
    gateway.new()
    said = go(gateway, door.invitation)
    assert "Done: gw-1" in said and desk.root.public.fingerprint in said
    assert agent_config.load(gateway.folder / "gateway.toml").anchors.log_key == desk.log.public
    assert pending.read(gateway.folder) is None
    assert door.code not in said


def test_an_invitation_comes_by_a_pipe_where_no_list_of_processes_may_show_it(
    gateway: Gateway, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway.new()
    for piped in (b"", b"\xff\n"):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(piped)))
        assert go(gateway, "-", fails=2).startswith("no invitation")
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{door.invitation}\n"))
    assert "Done: gw-1" in go(gateway, "-")


def test_an_answer_that_was_lost_is_given_again_to_the_same_request(
    gateway: Gateway, door: Door
) -> None:
    gateway.new()
    door.breaks = 1
    said = go(gateway, door.invitation, fails=2)
    assert "try again" in said
    go(gateway, door.invitation)
    assert len(set(door.heard)) == 1 and len(door.heard) == 2


def test_an_edited_plan_makes_another_request(gateway: Gateway, door: Door) -> None:
    gateway.new()
    door.breaks = 1
    go(gateway, door.invitation, fails=2)
    path = gateway.folder / "site.toml"
    path.write_text(path.read_text() + "\n# looked at\n")
    go(gateway, door.invitation)
    assert len(set(door.heard)) == 2


def test_a_wrong_code_is_the_authoritys_own_word(gateway: Gateway, door: Door) -> None:
    gateway.new()
    before = files(gateway.folder)
    wrong = door.link()._replace(code=link.new_code(os.urandom))
    said = go(gateway, wrong.text(), fails=2)
    assert said == "code_unknown: nobody was invited by this code\n"
    kept = files(gateway.folder)
    assert kept.pop(pending.NAME) and kept == before
    go(gateway, door.invitation)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            (403, b'{"reason": "code_expired", "text": "its time is over"}'),
            "code_expired: its time",
        ),
        ((409, b'{"reason": "code_used", "text": "used"}'), "code_used: used"),
        ((503, b"<html>"), "the server answers 503"),
        ((500, b'{"reason": 5'), "the server answers 500"),
        ((403, b'{"reason": "x\\u001b[31m", "text": "y"}'), r"x\u001b[31m: y"),
        ((200, b"GSE1"), "cut short"),
        ((200, b"<html>"), "no request and no answer"),
        ((200, bytes(4 << 20)), "no request and no answer"),
    ],
)
def test_what_a_server_says_is_passed_on_or_named(
    gateway: Gateway, door: Door, said: tuple[int, bytes], expected: str
) -> None:
    gateway.new()
    door.said = said
    found = go(gateway, door.invitation, fails=2)
    assert expected in found and found.count("\n") == 1 and "\x1b" not in found
    door.said = None
    go(gateway, door.invitation)


def test_another_server_hears_neither_code_nor_request(gateway: Gateway, door: Door) -> None:
    gateway.new()
    wrong = door.link()._replace(fingerprint=bytes(16))
    said = go(gateway, wrong.text(), fails=2)
    assert "another server" in said and "nothing was sent" in said
    assert door.heard == []


def test_no_network_no_tls_and_no_answer_are_told_apart(gateway: Gateway, door: Door) -> None:
    gateway.new()
    nobody = door.link()._replace(port=free_port())
    assert "not reached" in go(gateway, nobody.text(), fails=2)
    for host in ("gateway.invalid", "a" * 70, "..a"):
        unknown = door.link()._replace(host=host)
        assert "not reached" in go(gateway, unknown.text(), fails=2)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        to = door.link()._replace(port=mute.getsockname()[1])
        with pytest.raises(RequestError, match="no answer within"):
            online.fetched(to, b"request", timeout_s=0.3)

    with socket.create_server(("127.0.0.1", 0)) as plain:

        def answer() -> None:
            line, _ = plain.accept()
            with line:
                line.recv(4096)
                line.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        to = door.link()._replace(port=plain.getsockname()[1])
        with pytest.raises(RequestError, match="no TLS there"):
            online.fetched(to, b"request", timeout_s=5.0)
        thread.join(JOIN_S)


def test_an_answer_of_another_authority_is_refused_where_anchors_are(
    gateway: Gateway, desk: Desk, door: Door, tmp_path: Path
) -> None:
    from tests.provisioning.enrol import desk as desks

    path = tmp_path / "anchors.toml"
    path.write_text(desks.desk().anchors())
    gateway.new("--anchors", str(path))
    assert "unknown_authority" in go(gateway, door.invitation, fails=2)


def test_a_dry_run_sends_nothing(gateway: Gateway, door: Door) -> None:
    gateway.new()
    before = files(gateway.folder)
    go(gateway, door.invitation, "--dry-run")
    assert door.heard == [] and files(gateway.folder) == before
