"""What is asked, read strictly: bytes in; a question, or a refusal by name.

1. GET alone; a target in origin form (RFC 9112 3.2.1) of TARGET_CHARS_MAX; no body; a head of
   HEAD_BYTES_MAX. A connection is for one question.
2. Host names this machine (agent.page.address). Otherwise 421: a browser that was led here by
   somebody's name server learns nothing.
3. Nothing is told to another site's page: its browser says whose page asks (Origin, and
   Sec-Fetch-Site of the Fetch Metadata draft). Only opening the page itself is everybody's.

It knows no socket and no page.
"""

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl

import h11

from agent.page import address

HEAD_BYTES_MAX = 8 * 1024  # browsers send one KiB, Prometheus less
TARGET_CHARS_MAX = 256
_METHODS_OF_HTTP = 16  # characters of one that is quoted


class RefusedError(Exception):
    """A question that is not answered. `status` of HTTP, and why in words."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Asked(NamedTuple):
    """A question."""

    path: str
    options: Mapping[str, str]


class Reader:
    """Of one connection. `http` answers in what the peer speaks; `bare`: by a head alone, for HEAD
    was asked, whose answer has no content (RFC 9110 9.3.2)."""

    def __init__(self) -> None:
        self.http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES_MAX)
        self.bare = False

    def receive(self, data: bytes) -> Asked | None:
        """None: more is needed. Raises RefusedError; EOFError where nobody asks any more."""
        try:
            self.http.receive_data(data)
            event = self.http.next_event()
        except h11.RemoteProtocolError as fault:
            if not data:
                raise EOFError from fault
            raise RefusedError(fault.error_status_hint, str(fault)) from fault
        if event is h11.NEED_DATA:
            return None
        if not isinstance(event, h11.Request):
            raise EOFError
        self.bare = event.method == b"HEAD"
        return _asked(event)


def _asked(request: h11.Request) -> Asked:
    heads: dict[str, list[str]] = {}
    for name, value in request.headers:
        heads.setdefault(name.decode("ascii"), []).append(value.decode("latin-1"))
    method = request.method.decode("ascii")
    if method != "GET":
        raise RefusedError(405, f"{method[:_METHODS_OF_HTTP]} is not asked here; GET is all")
    if "transfer-encoding" in heads or heads.get("content-length", ["0"]) != ["0"]:
        raise RefusedError(400, "a question has no body")
    hosts = heads.get("host", [])
    if len(hosts) != 1 or not address.names_own(hosts[0]):
        raise RefusedError(421, "asked for by a name that is not this machine's: use localhost")
    target = request.target.decode("ascii", "replace")
    if not target.startswith("/") or len(target) > TARGET_CHARS_MAX:
        raise RefusedError(400 if len(target) <= TARGET_CHARS_MAX else 414, "no such address")
    path, _, query = target.partition("?")
    if not _from_here(heads, hosts[0], path):
        raise RefusedError(403, "another site's page asks")
    return Asked(path, dict(parse_qsl(query)))


def _from_here(heads: Mapping[str, list[str]], host: str, path: str) -> bool:
    if heads.get("origin", [f"http://{host}"]) != [f"http://{host}"]:
        return False
    if heads.get("sec-fetch-site", ["none"]) in (["none"], ["same-origin"]):
        return True
    return path == "/" and heads.get("sec-fetch-mode") == ["navigate"]
