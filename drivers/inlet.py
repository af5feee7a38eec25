"""What a descriptor under a driver brings, kept until it is taken: what a byte stream, a UDP socket
and a packet socket have in common.

1. It is read as soon as the loop sees it, and kept until taken: a reader that is cancelled loses
   nothing.
2. A failure is told once everything before it has been taken. It is always a LinkError.

How it is read, how much may wait, and what is said of that, is the subclass's.
"""

import asyncio
import select
from abc import ABC, abstractmethod
from typing import Generic, TypeVar

from drivers.line import LinkError

Item = TypeVar("Item")


class Inlet(ABC, Generic[Item]):
    """Owns a non-blocking descriptor from now on. Needs a running loop."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._loop = asyncio.get_running_loop()
        self._items: list[Item] = []
        self._waiter: asyncio.Future[None] | None = None
        self._failure: LinkError | None = None
        self._listening = self._closed = False

    async def take(self) -> list[Item]:
        """All that has arrived, at least one. Raises LinkError when nothing can arrive."""
        while not self._items:
            if self._failure is not None:
                raise self._failure
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        items, self._items = self._items, []
        self._listen()
        return items

    def untaken(self) -> bool:
        """Whether something has arrived that nobody has taken yet, or that is still to be read.

        A process that was stopped sees its timers before its descriptors: asyncio asks for no
        events when the wait for them was interrupted and its time is over.
        """
        if self._items or self._closed:
            return bool(self._items)
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        return bool(poll.poll(0))

    def fileno(self) -> int:
        """The descriptor, for drivers.asks. Raises LinkError when it is no longer ours."""
        if self._closed:
            raise LinkError("the line is closed")
        return self._fd

    def fail(self, fault: LinkError) -> None:
        """No more is expected, for this reason."""
        self._mute()
        if self._failure is None:
            self._failure = fault
        self._wake()

    def close(self) -> None:
        """Idempotent, never raises."""
        if self._closed:
            return
        self.fail(LinkError("the line is closed"))
        self._closed = True
        try:
            self._release()
        except OSError:
            pass  # it is gone either way

    @abstractmethod
    def _readable(self) -> None:
        """Something is there to be read: into `_items`."""

    @abstractmethod
    def _release(self) -> None:
        """Closes whatever the descriptor belongs to. Raises OSError."""

    def _listen(self) -> None:
        if not self._listening and self._failure is None:
            self._loop.add_reader(self._fd, self._readable)
            self._listening = True

    def _mute(self) -> None:
        if self._listening:
            self._loop.remove_reader(self._fd)
            self._listening = False

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
