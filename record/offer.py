"""One witness, as the log sees it: offered the newest checkpoint, answering with a cosignature.
C2SP tlog-witness, add-checkpoint.

1. It is told from which size it is led on; where it knows another it says so (409), and is led on
   from there, once an offer.
2. A cosignature counts when it holds for this checkpoint by the witness's key. Whatever else it
   answers is the answer of a witness that is away.
3. A witness that has seen a longer log, or another of the same size, has seen a fork or a
   truncation: that is said as such, and never as "away".
4. A witness that knows less than it cosigned has forgotten it: that is said, and it is shown its
   own cosignature before anything new.
5. Every wait and every answer is bounded.

It keeps nothing but the note that the witness cosigned last.
"""

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable

import aiohttp

from evidence.refusal import EvidenceError
from evidence.tlog import cosignature, note, submission
from evidence.tlog.note import Line, Note, Verifier

OFFER_S = 10.0  # connecting, sending, a witness that syncs its disk, and the answer
ANSWER_BYTES_MAX = 16384  # some lines of 400 bytes
Proof = Callable[[int, int], Awaitable[tuple[bytes, ...]]]  # from a smaller tree to a larger
log = logging.getLogger("gridseal.record.offer")


class OfferError(Exception):
    """No cosignature came; the text says why, on one line."""


class ForkError(OfferError):
    """The witness has seen a log that this one does not continue."""


class Offer:
    """One witness at one address."""

    def __init__(
        self,
        url: str,
        key: Verifier,
        proof: Proof,
        last: tuple[int, Note] | None = None,
        trust: ssl.SSLContext | bool = True,
    ) -> None:
        """`last`: the size and the note that it is known to have cosigned; `trust`: whom to believe
        for its certificate, True: whom the machine does."""
        self._url, self._key, self._proof = url + submission.PATH, key, proof
        self._last, self._trust = last, trust
        self._size = 0 if last is None else last[0]  # of the tree that it is thought to have

    async def cosigned(self, session: aiohttp.ClientSession, size: int, signed: Note) -> list[Line]:
        """Its cosignatures of a note over a tree of this size. Raises OfferError."""
        try:
            async with asyncio.timeout(OFFER_S):
                status, kind, body = await self._post(session, size, signed)
                if status == 409 and kind == submission.SIZE_MEDIA:
                    await self._take_size(session, body, size)
                    status, kind, body = await self._post(session, size, signed)
        except TimeoutError as fault:
            raise OfferError(f"did not answer within {OFFER_S:g} s") from fault
        except (aiohttp.ClientError, OSError) as fault:
            raise OfferError(f"{type(fault).__name__}: {fault}".rstrip(": ")) from fault
        if status != 200:
            words = " ".join(body[:200].decode("utf-8", "replace").split())
            kinds = {409: ForkError, 422: ForkError}
            raise kinds.get(status, OfferError)(f"answered {status}: {words}")
        try:
            lines = self._lines(signed, body)
        except EvidenceError as fault:
            raise OfferError(f"no cosignature: {fault}") from fault
        self._last, self._size = (size, signed.with_lines(lines)), size
        return lines

    async def _post(
        self, session: aiohttp.ClientSession, size: int, signed: Note
    ) -> tuple[int, str, bytes]:
        old = min(self._size, size)
        proof = await self._proof(old, size)
        body = submission.Submission(old, proof, signed.encode()).encode()
        asked = session.post(self._url, data=body, allow_redirects=False, ssl=self._trust)
        async with asked as answer:
            told = await answer.content.read(ANSWER_BYTES_MAX + 1)
            while len(told) <= ANSWER_BYTES_MAX and not answer.content.at_eof():
                told += await answer.content.read(ANSWER_BYTES_MAX + 1 - len(told))
            if len(told) > ANSWER_BYTES_MAX:
                raise OfferError(f"answered with over {ANSWER_BYTES_MAX} bytes")
            return answer.status, answer.content_type, told

    async def _take_size(self, session: aiohttp.ClientSession, body: bytes, size: int) -> None:
        """Goes on from the size that it says to have. Raises OfferError."""
        self._size = _known(body, size)
        if self._last is None or self._size >= self._last[0]:
            return
        (had, signed), self._last = self._last, None
        words = "witness %s has forgotten: it cosigned %s entries of this log, and knows of %s"
        log.error(words, self._key.name, had, self._size)
        status, kind, told = await self._post(session, had, signed)
        if status == 200:  # it has no use for its own line, and took it for new
            self._size = had
        elif status == 409 and kind == submission.SIZE_MEDIA:
            self._size = _known(told, size)

    def _lines(self, signed: Note, body: bytes) -> list[Line]:
        """The lines of its key alone, each of which holds. Raises EvidenceError."""
        answered = Note(signed.text, note.read_lines(note.read_text(body, "the answer")))
        if not cosignature.times(answered, self._key):
            raise OfferError(f"answered without a line of {self._key.name}")
        return self._key.lines_of(answered)


def _known(body: bytes, size: int) -> int:
    """The size in an answer of 409. Raises OfferError, ForkError where it is beyond this one."""
    try:
        known = submission.read_size(body)
    except EvidenceError as fault:
        raise OfferError(f"answered 409 without a size: {fault}") from fault
    if known > size:
        raise ForkError(f"has seen {known} entries of this log, which has {size}")
    return known
