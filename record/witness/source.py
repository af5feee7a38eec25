"""The log that a mirror copies, as it is asked over HTTP.

1. Every answer is bounded by what may come of it, and every wait.
2. What is not there (404) is told from what cannot be had now: neither says anything of the log.
3. No redirection is followed: it is asked where the configuration says.

It believes nothing of what it brings.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

ANSWER_S = 60.0  # a bundle of the longest entries has 16 MiB
CONNECT_S = 10.0


class SourceError(Exception):
    """The log cannot be asked, or does not answer what is asked. The text is for people."""


class AbsentError(SourceError):
    """It says that there is no such thing."""


class Source:
    """One log at one address."""

    def __init__(
        self, session: aiohttp.ClientSession, url: str, tls: ssl.SSLContext | bool
    ) -> None:
        self._session, self._url, self._tls = session, url, tls

    async def get(self, path: str, most: int) -> bytes:
        """What stands there, `most` bytes at most. Raises SourceError."""
        where = f"{self._url}/{path}"
        try:
            async with (
                asyncio.timeout(ANSWER_S),
                self._session.get(where, allow_redirects=False, ssl=self._tls) as answer,
            ):
                if answer.status == 404:
                    raise AbsentError(f"{where}: is not there")
                if answer.status != 200:
                    raise SourceError(f"{where}: answered {answer.status}")
                parts, size = [], 0
                async for part in answer.content.iter_any():
                    parts.append(part)
                    size += len(part)
                    if size > most:
                        raise SourceError(f"{where}: over {most} bytes")
                return b"".join(parts)
        except TimeoutError as fault:
            raise SourceError(f"{where}: did not answer within {ANSWER_S:g} s") from fault
        except (aiohttp.ClientError, OSError) as fault:
            words = f"{where}: {type(fault).__name__}: {fault}"
            raise SourceError(words.rstrip(": ")) from fault


@asynccontextmanager
async def opened(url: str, ca: Path | None) -> AsyncIterator[Source]:
    """A source, while it is needed; `ca`: whom to believe instead of the machine's own.

    Raises OSError.
    """
    tls: ssl.SSLContext | bool = True
    if ca is not None:
        tls = await asyncio.to_thread(ssl.create_default_context, cafile=str(ca))
    wait = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S)
    async with aiohttp.ClientSession(timeout=wait, auto_decompress=True) as session:
        yield Source(session, url, tls)
