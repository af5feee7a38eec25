"""A witness against HTTP as clients, proxies and strangers speak it: by real sockets, against the
program. C2SP tlog-witness asks for POST and for connections that stay (SHOULD), and names no type
of content.
"""

import re
import socket
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from evidence.tlog import cosignature, submission
from evidence.tlog.note import Verifier
from tests.record.witness.watched import HONEST, WAIT_S, cosigned, served, witness_files


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Verifier]]:
    path, key = witness_files(tmp_path_factory.mktemp("witness"))
    with served("witness", path, "--new") as (_, url):
        yield url, key


def sent(url: str, *parts: bytes, wait_s: float = 0.05) -> bytes:
    """All that is answered until the witness, or this side after a while of silence, hangs up."""
    place = urlsplit(url)
    with socket.create_connection((place.hostname or "", place.port or 0), WAIT_S) as line:
        for part in parts:
            line.sendall(part)
            time.sleep(wait_s if len(parts) > 1 else 0)
        found = bytearray()
        try:
            while part := line.recv(65536):
                found += part
                line.settimeout(2.0)
        except TimeoutError:
            pass
        except ConnectionError:
            pass
        return bytes(found)


def head(
    *lines: str, path: str = "/add-checkpoint", how: str = "POST", version: str = "1.1"
) -> bytes:
    rows = (f"{how} {path} HTTP/{version}", "Host: w.example", *lines, "Connection: close", "", "")
    return "\r\n".join(rows).encode()


def posted(body: bytes, *lines: str, version: str = "1.1") -> bytes:
    return head(*lines, f"Content-Length: {len(body)}", version=version) + body


def statuses(answer: bytes) -> list[int]:
    return [int(each) for each in re.findall(rb"HTTP/1\.[01] (\d{3}) ", answer)]


def known(url: str) -> int:
    """The size that it has."""
    answer = sent(url, posted(HONEST.body(0, 1000)))
    assert b"Content-Type: text/x.tlog.size\r\n" in answer or statuses(answer) == [200]
    return int(answer.rpartition(b"\r\n\r\n")[2]) if statuses(answer) == [409] else 1000


def test_pipelined_submissions_are_answered_in_their_order(running: tuple[str, Verifier]):
    url, key = running
    had = known(url)
    steps = [(had + old, had + size) for old, size in ((0, 5), (5, 8), (8, 8), (5, 9), (8, 9))]
    *stay, last = (posted(HONEST.body(*step)) for step in steps)
    stays = b"".join(stay).replace(b"Connection: close", b"Connection: keep-alive")
    answer = sent(url, stays + last)
    assert statuses(answer) == [200, 200, 200, 409, 200]
    lines = [row for row in answer.split(b"\n") if row.startswith("\u2014 ".encode())]
    for (_, size), line in zip([*steps[:3], steps[4]], lines, strict=True):
        assert cosignature.times(cosigned(HONEST, size, line + b"\n"), key)


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "application/json", "multipart/form-data; boundary=x", "\u00e9/;;="]
)
def test_the_type_of_the_content_means_nothing(running: tuple[str, Verifier], kind: str):
    size = known(running[0])
    body = HONEST.body(size, size)
    assert statuses(sent(running[0], posted(body, f"Content-Type: {kind}"))) == [200]


def test_http_1_0_and_chunks_and_an_expectation(running: tuple[str, Verifier]):
    url, size = running[0], known(running[0])
    body = HONEST.body(size, size)
    assert statuses(sent(url, posted(body, version="1.0"))) == [200]
    pieces = b"".join(b"%x\r\n%s\r\n" % (1, body[at : at + 1]) for at in range(len(body)))
    chunked = head("Transfer-Encoding: chunked") + pieces + b"0\r\n\r\n"
    assert statuses(sent(url, chunked)) == [200]
    waits = head("Expect: 100-continue", f"Content-Length: {len(body)}")
    assert statuses(sent(url, waits, body)) == [100, 200]
    absolute = posted(body).replace(b"/add-checkpoint", b"http://w.example/add-checkpoint", 1)
    assert statuses(sent(url, absolute)) == [200]


ODD = {
    "two lengths": (head("Content-Length: 5", "Content-Length: 6") + b"old 0\n", {400}),
    "a length and chunks": (
        head("Content-Length: 5", "Transfer-Encoding: chunked") + b"0\r\n\r\n", {400},
    ),
    "a negative length": (head("Content-Length: -1"), {400}),
    "a length in hex": (head("Content-Length: 0x10"), {400}),
    "a chunk that is none": (head("Transfer-Encoding: chunked") + b"zz\r\n", {400}),
    "an empty body": (head("Content-Length: 0"), {400}),
    "no body": (head(), {400}),
    "a head without an end of line": (head(f"X: {'x' * 100_000}"), {400, 431}),
    "many lines": (head(*(f"X{at}: x" for at in range(5000))), {400, 431}),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 404, 405, 505}),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200), {400}),
    "zeroes": (bytes(1000) + b"\r\n\r\n", {400}),
    "GET": (head(how="GET"), {405}),
    "HEAD": (head(how="HEAD"), {405}),
    "PUT": (head("Content-Length: 0", how="PUT"), {405}),
    "OPTIONS *": (head(how="OPTIONS", path="*"), {404, 405, 400}),
    "another place": (head("Content-Length: 0", path="/add-checkpoint/"), {404}),
    "another spelling": (head("Content-Length: 0", path="/Add-Checkpoint"), {404}),
    "up and down": (head("Content-Length: 0", path="/x/../add-checkpoint"), {404}),
    "an announced gigabyte": (head("Content-Length: 1073741824") + b"old", {413}),
    "a longer body than any": (posted(b"x" * (submission.BODY_BYTES_MAX + 1)), {413}),
    "chunks without an end": (
        head("Transfer-Encoding: chunked") + b"ffff\r\n" + bytes(65535) + b"\r\nfffff\r\n"
        + bytes(300_000), {413},
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", ODD)
def test_what_is_no_submission_is_answered_and_changes_nothing(
    running: tuple[str, Verifier], what: str
):
    data, wanted = ODD[what]
    before = known(running[0])
    begun = time.monotonic()
    answer = sent(running[0], data)
    assert set(statuses(answer)) <= wanted and answer, answer[:200]
    assert b"Traceback" not in answer and time.monotonic() - begun < 5
    assert known(running[0]) == before


def test_a_smuggled_submission_is_not_taken(running: tuple[str, Verifier]):
    """What a proxy takes for a body is none of the witness's requests, nor the other way about."""
    url = running[0]
    before = known(url)
    hidden = posted(HONEST.body(before, before + 5))
    for lines in (
        (f"Content-Length: {len(hidden)}", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: identity, chunked", "Content-Length: 4"),
        ("Transfer-Encoding: xchunked",),
        ("Transfer-Encoding : chunked",),
        ("Content-Length: +4",),
    ):
        answer = sent(url, head(*lines) + b"0\r\n\r\n" + hidden)
        assert 200 not in statuses(answer), (lines, answer)
        assert known(url) == before
