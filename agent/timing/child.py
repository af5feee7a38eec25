"""A program that is asked by a line on its standard input and answers on its standard output, again
and again: a process a question would cost more than the answer is worth.

1. One question at a time. What was said before it is not of its answer, and is dropped.
2. An answer is bounded in time and in bytes. A program that exceeds either, or ends, is ended, and
   started again no sooner than after a wait that doubles up to BACKOFF_S; until then whoever asks
   is told why, at once.
3. It ends with its standard input: none is left behind by an agent that was killed.

Measured with chronyc 4.3 and pmc 3.1.1: both write out what they say after each answer, though a
pipe is no terminal. chronyc takes lines as they come. pmc takes one line each time that it wakes
up, and leaves others unread in its buffer: it must be asked for one thing at a time.

It knows no answer; whoever asks says when one is whole.
"""

import asyncio
from collections.abc import Callable, Sequence

ASK_S = 2.0  # they answer in some ms; chronyc itself gives up on its daemon in some seconds
LEAVE_S = 0.3  # pmc waits 0.1 s for answers under way
END_S = 1.0  # killed, a process is gone in some ms
BACKOFF_S = (1.0, 16.0)
COMPLAINT_BYTES_MAX = 1024


class ChildError(Exception):
    """The program does not answer. Asked again, for ever."""


class _Talk(asyncio.SubprocessProtocol):
    """What one process says."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max, self._mute = bytes_max, False
        self.said = self.complaint = b""
        self.whole: Callable[[bytes], bool] = bool
        self.heard = asyncio.Event()  # an answer is whole, too long, or will not come
        self.gone = asyncio.Event()  # the process, and all that it said was heard

    @property
    def too_long(self) -> bool:
        return len(self.said) > self._bytes_max

    def ask(self, whole: Callable[[bytes], bool]) -> None:
        self.said, self.whole = b"", whole
        self.heard.clear()
        if self._mute:
            self.heard.set()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd != 1:
            self.complaint = (self.complaint + data)[-COMPLAINT_BYTES_MAX:]
            return
        self.said = (self.said + data)[: self._bytes_max + 1]
        if self.too_long or self.whole(self.said):
            self.heard.set()

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if fd == 1:
            self._mute = True  # without an output it answers nothing
            self.heard.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._mute = True
        self.gone.set()
        self.heard.set()


class Child:
    """The program of `argv`, kept running."""

    def __init__(self, argv: Sequence[str], bytes_max: int) -> None:
        self._argv, self._bytes_max = tuple(argv), bytes_max
        self._transport: asyncio.SubprocessTransport | None = None
        self._talk: _Talk | None = None
        self._fault = ""
        self._wait_s = BACKOFF_S[0]
        self._amid = False  # an answer was not waited for: the next one would begin with its rest
        self._due_s = 0.0  # loop time before which it is not started again

    async def ask(self, line: str, whole: Callable[[bytes], bool]) -> bytes:
        """What it answers to a line, once `whole` finds it complete. Raises ChildError."""
        transport, talk = await self._running()
        try:
            talk.ask(whole)
            pipe = transport.get_pipe_transport(0)
            if isinstance(pipe, asyncio.WriteTransport):
                pipe.write(line.encode("ascii") + b"\n")
            async with asyncio.timeout(ASK_S):
                await talk.heard.wait()
        except TimeoutError as fault:
            raise await self._failed(f"does not answer within {ASK_S:g} s") from fault
        except asyncio.CancelledError:
            self._amid = True
            raise
        if talk.too_long:
            raise await self._failed(f"says more than {self._bytes_max} bytes")
        if not whole(talk.said):
            await self._gone(talk, END_S)
            words = (talk.complaint or talk.said).decode("ascii", "replace").strip()
            last = "".join(words.splitlines()[-1:])
            raise await self._failed(f"ends: {last[:80]}" if last else "ends")
        self._wait_s = BACKOFF_S[0]
        return talk.said

    async def again(self, why: str) -> None:
        """What it answered shows that it is of no use: it is started anew, after the wait."""
        await self._failed(why)

    async def close(self) -> None:
        """Ends it. Idempotent, bounded, never raises."""
        transport, talk = self._transport, self._talk
        if transport is None or talk is None:
            return
        self._transport, self._talk, self._amid = None, None, False
        pipe = transport.get_pipe_transport(0)
        if pipe is not None:
            pipe.close()  # pmc leaves its socket behind where it is killed
        await self._gone(talk, LEAVE_S)
        transport.close()  # and kills it
        await self._gone(talk, END_S)

    async def _running(self) -> tuple[asyncio.SubprocessTransport, _Talk]:
        if self._amid:
            await self.close()
        if self._transport is not None and self._talk is not None:
            return self._transport, self._talk
        loop = asyncio.get_running_loop()
        if loop.time() < self._due_s:
            raise ChildError(self._fault)
        pipe = asyncio.subprocess.PIPE
        try:
            transport, talk = await loop.subprocess_exec(
                lambda: _Talk(self._bytes_max), *self._argv, stdin=pipe, stdout=pipe, stderr=pipe
            )
        except (OSError, ValueError) as fault:  # ValueError: a path that cannot be one
            why = fault.strerror if isinstance(fault, OSError) else str(fault)
            raise await self._failed(f"does not start: {why}") from fault
        self._transport, self._talk = transport, talk
        return transport, talk

    async def _failed(self, why: str) -> ChildError:
        """Rule 2."""
        await self.close()
        self._fault = f"{self._argv[0]} {why}"
        self._due_s = asyncio.get_running_loop().time() + self._wait_s
        self._wait_s = min(self._wait_s * 2, BACKOFF_S[1])
        return ChildError(self._fault)

    async def _gone(self, talk: _Talk, within_s: float) -> None:
        try:
            async with asyncio.timeout(within_s):
                await talk.gone.wait()
        except TimeoutError:
            pass  # a kernel that cannot end it will not be waited for
