"""Clients that misbehave, at the socket of an agent that goes on sealing: whatever they do, they
are answered by name or hung up on, and nobody else notices.
"""

import json
import socket
import threading
import time

import pytest

from agent.page import door, service, watch
from tests.agent.page.gateway import Gateway, descriptors, resident_kib, said_on
from tests.provisioning.page.rig import until

HEAD = b"HTTP/1.1\r\nHost: localhost\r\n\r\n"


def sealed(gateway: Gateway) -> int:
    return int(gateway.status()["sealed"])


@pytest.fixture(autouse=True)
def still_seals(gateway: Gateway):
    """Before, and after; and no descriptor stays."""
    before, held = sealed(gateway), descriptors(gateway.agent.pid)
    yield
    until(lambda: sealed(gateway) > before + 20, "sealing")
    until(lambda: descriptors(gateway.agent.pid) <= held + 1, "closed connections")
    assert gateway.status()["bugs"] == 0 and gateway.status()["unkept"] == 0
    assert "a bug" not in gateway.log.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello", 405),
        (b"DELETE /metrics " + HEAD, 405),
        (b"HEAD / " + HEAD, 405),
        (b"GET / HTTP/1.1\r\nHost: rebound.example\r\n\r\n", 421),
        (b"GET /../../gateway.toml " + HEAD, 404),
        (b"GET /static/../door.py " + HEAD, 404),
        (b"GET /metrics?every=100 " + HEAD, 404),
        (b"GET /events?every=1 " + HEAD, 400),
        (b"GET /events?every=100&more=1 " + HEAD, 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nx: " + b"y" * 200_000, 431),
        (b"\x00\xff garbage\r\n\r\n", 400),
    ],
)
def test_what_is_refused_is_told_so(gateway: Gateway, said: bytes, status: int) -> None:
    with gateway.line() as line:
        line.settimeout(10)
        try:
            line.sendall(said)
        except (BrokenPipeError, ConnectionResetError):  # the agent stopped reading: as it should
            pass
        answer = said_on(line)
    # Who sends on and on may lose the answer to a reset; whoever stops gets it.
    assert answer.startswith(b"HTTP/1.1 %d " % status) or (len(said) > 100_000 and not answer)
    assert b"gateway-1" not in answer and b"SIM PMU" not in answer
    if status == 405:
        assert b"Allow: GET" in answer


def test_who_closes_his_half_is_answered(gateway: Gateway) -> None:
    with gateway.line() as line:
        line.sendall(b"GET /status.json " + HEAD)
        line.shutdown(socket.SHUT_WR)
        head, _, body = said_on(line).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ") and json.loads(body)["sources"]["pmu-1"]


def test_half_a_question_and_a_listener_who_never_reads_are_dropped(gateway: Gateway) -> None:
    def dropped() -> int:
        rows = gateway.get("/metrics")[2].decode().splitlines()
        return next(int(row.split()[1]) for row in rows if row.startswith("gridseal_page_dropped"))

    before = dropped()
    with gateway.line() as slow, socket.socket() as mute:
        slow.sendall(b"GET / HTTP/1.1\r\nHos")
        begun = time.monotonic()
        mute.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        mute.connect(("127.0.0.1", gateway.port))
        mute.sendall(b"GET /events?every=50 " + HEAD)
        assert gateway.get("/")[0] == 200
        assert said_on(slow) == b""
        assert time.monotonic() - begun < service.ASK_S + 5
        until(lambda: dropped() == before + 1, "that it is dropped")


def test_no_more_listeners_than_there_may_be_and_the_owner_listens_all_the_same(
    gateway: Gateway,
) -> None:
    lines = [socket.create_connection(("127.0.0.1", gateway.port), 10) for _ in range(9)]
    try:
        for line in lines:
            line.sendall(b"GET /events?every=1000 " + HEAD)
        heads = [line.recv(12) for line in lines]
        heard, refused = service.STRANGERS_MAX, len(lines) - service.STRANGERS_MAX
        assert sorted(heads) == [b"HTTP/1.1 200"] * heard + [b"HTTP/1.1 503"] * refused
        assert next(watch.events(gateway.spool, 1000))[0] == "streams"
    finally:
        for line in lines:
            line.close()


def test_the_owner_gets_in_while_strangers_hold_every_connection(gateway: Gateway) -> None:
    lines: list[socket.socket] = []

    def full() -> bool:
        """Every connection again, as each is let go after a while; and one more is told so."""
        for _ in range(door.CONNECTIONS_MAX + 1):
            lines.append(socket.create_connection(("127.0.0.1", gateway.port), 10))
        return said_on(lines[-1]).startswith(b"HTTP/1.1 503 ")

    try:
        until(full, "that strangers hold them all")
        beside = socket.socket(socket.AF_UNIX)
        with beside:
            beside.connect(str(gateway.spool) + door.SUFFIX)
            beside.sendall(b"GET /metrics " + HEAD)
            assert b"gridseal_source_up" in said_on(beside)
    finally:
        for line in lines:
            line.close()


def test_who_asks_without_end_gets_a_part_of_the_agent_and_no_more(gateway: Gateway) -> None:
    begun, answered = time.monotonic(), 0
    while time.monotonic() < begun + 1.0:
        with gateway.line() as line:
            line.sendall(b"GET /metrics " + HEAD)
            answered += said_on(line).startswith(b"HTTP/1.1 200 ")
    assert 0 < answered <= 1.0 / door.NEXT_S + 2


def test_who_comes_and_goes_leaves_no_memory_behind(gateway: Gateway) -> None:
    """A page that is asked for every 15 s for a year: 40 times at once here, and what is resident
    stays.
    """

    def ask() -> None:
        for _ in range(10):
            gateway.get("/metrics")

    def round_of_questions() -> int:
        threads = [threading.Thread(target=ask) for _ in range(4)]
        for one in threads:
            one.start()
        for one in threads:
            one.join(30)
        return resident_kib(gateway.agent.pid)

    first = round_of_questions()
    assert round_of_questions() - first < 1024


def test_the_socket_beside_the_spool_is_its_owners(gateway: Gateway) -> None:
    path = gateway.spool.with_name(gateway.spool.name + door.SUFFIX)
    assert path.stat().st_mode & 0o777 == 0o600


def test_nothing_secret_is_told(gateway: Gateway) -> None:
    """No place, no key, no salt, no bytes; and no browser may keep it or show it elsewhere."""
    status, heads, body = gateway.get("/status.json")
    told = body.decode()
    assert status == 200 and "places" not in told and '"raw"' not in told
    assert heads["cache-control"] == "no-store" and heads["x-frame-options"] == "DENY"
    assert "default-src 'none'" in heads["content-security-policy"]
    assert "unsafe" not in heads["content-security-policy"]
    assert not any(name.startswith("access-control") for name in heads)
