"""Questions, and what is no question: byte by byte and at once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.page.request import HEAD_BYTES_MAX, Asked, Reader, RefusedError

GOOD = b"GET /events?every=100 HTTP/1.1\r\nHost: localhost:8460\r\n\r\n"


def asked(data: bytes) -> Asked | None:
    return Reader().receive(data)


def test_a_question_whole_and_a_byte_at_a_time() -> None:
    found = Asked("/events", {"every": "100"})
    assert asked(GOOD) == found
    reader = Reader()
    assert [reader.receive(GOOD[at : at + 1]) for at in range(len(GOOD))][-1] == found


@pytest.mark.parametrize(
    ("data", "status", "says"),
    [
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}", 405, "POST"),
        (b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n", 405, "GET is all"),
        (b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421, "use localhost"),
        (b"GET / HTTP/1.0\r\n\r\n", 421, "use localhost"),
        (b"GET / HTTP/1.1\r\n\r\n", 400, "Host"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400, "Host"),
        (b"GET http://localhost/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "no such address"),
        (b"GET /%b HTTP/1.1\r\nHost: localhost\r\n\r\n" % (b"x" * 300), 414, "no such address"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n", 400, "no body"),
        (
            b"GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n",
            *(400, "no body"),
        ),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nx: %b" % (b"y" * HEAD_BYTES_MAX), 431, "too long"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 TLS\r\n\r\n", 400, "illegal"),
        (
            b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\n\r\n",
            *(403, "another site"),
        ),
        (b"GET /events HTTP/1.1\r\nHost: localhost\r\nOrigin: null\r\n\r\n", 403, "another site"),
        (
            b"GET /events HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: cross-site\r\n\r\n",
            *(403, "another site"),
        ),
    ],
)
def test_what_is_refused_and_why(data: bytes, status: int, says: str) -> None:
    with pytest.raises(RefusedError, match=says) as refused:
        asked(data)
    assert refused.value.status == status


def test_a_link_from_elsewhere_opens_the_page_and_nothing_else() -> None:
    head = b"HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate"
    assert asked(b"GET / %b\r\n\r\n" % head) == Asked("/", {})
    with pytest.raises(RefusedError):
        asked(b"GET /status.json %b\r\n\r\n" % head)


def test_who_ends_before_a_question_was_whole() -> None:
    for before in (b"", GOOD[:10]):
        reader = Reader()
        if before:
            assert reader.receive(before) is None
        with pytest.raises(EOFError):
            reader.receive(b"")


@given(st.binary(max_size=300), st.integers(0, len(GOOD)))
def test_whatever_comes_is_a_question_or_refused(noise: bytes, at: int) -> None:
    for data in (noise, GOOD[:at] + noise + GOOD[at:]):
        reader = Reader()
        try:
            found = reader.receive(data)
        except RefusedError as refused:
            assert 400 <= refused.status < 500
        except EOFError:
            pass
        else:
            assert found is None or found.path.startswith("/")
