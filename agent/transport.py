"""The way to the record, whatever carries it: what the uplink asks for, and how that may fail.

1. A request is answered once, by status and body; the same ones over HTTPS and through a broker.
2. Whatever the peer, the network or a broker does comes out as UplinkError, named by cause.
3. Nothing but an Answer is an answer: that a broker took a request says nothing of the record.

A transport retries nothing: the caller knows what may be asked twice.
"""

from typing import NamedTuple, Protocol

SLOWEST_BYTES_S = 1000  # of a line that is worth waiting for: 8 kbit/s, a bad GPRS channel's share


class UplinkError(Exception):
    """The record could not be asked, or did not answer well.

    `cause` is one word, for counting: name, refused, unreachable, timeout, tls, reset, garbage,
    too_large, closed, busy; or answer: this request is at fault, and others may go through.
    """

    def __init__(self, text: str, cause: str = "answer") -> None:
        super().__init__(text)
        self.cause = cause


class Answer(NamedTuple):
    """A whole answer."""

    status: int
    body: bytes


class Transport(Protocol):
    """Requests to one record."""

    async def request(self, method: str, path: str, body: bytes | None, timeout_s: float) -> Answer:
        """Asks once. Raises UplinkError; ValueError for what is no method or path."""
        ...

    async def close(self) -> None:
        """Idempotent, bounded."""
        ...
