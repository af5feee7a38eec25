"""What a worker and the sequencer's process say to each other, over one socket: frames of strict
CBOR behind their length.

    worker:     [number, ASK, method, target, body]                    as a gateway asked it
                [number, CHECKED, id, tree size, body, verdict]        a batch that may enter
    sequencer:  [number, status, body]      answers it; number 0: end

1. Every frame is bounded before it is read, and read field by field. What does not fit is a
   PipeError, and the other side is not listened to any more.
2. When either process ends, however, the other finds the end of the stream.
"""

import asyncio
import socket
import struct
from typing import NamedTuple

from evidence import cbor, shape
from evidence.batch import BATCH_BYTES_MAX
from evidence.head import COUNT_MAX
from evidence.merkle import HASH_BYTES
from evidence.refusal import EvidenceError

ASK, CHECKED = 0, 1
END = 0  # the number of no question
_CLASS_BYTES_MAX = 1 + 3 * 9 + 2 * 2  # a stream and two seqs of 64 bits, a class, a reason
# A batch, the leaves and classes of each of its observations, and what is around them.
FRAME_BYTES_MAX = BATCH_BYTES_MAX + COUNT_MAX * (HASH_BYTES + _CLASS_BYTES_MAX) + (1 << 20)
BUFFER_BYTES = 1 << 20  # of a socket and of its reader: some batches of a backlog
_LENGTH = struct.Struct(">I")


class PipeError(Exception):
    """The other side has gone, or talks nonsense."""


class Ask(NamedTuple):
    """A request as it came."""

    method: str
    target: str
    body: bytes


class Checked(NamedTuple):
    """A batch that may enter."""

    batch_id: bytes
    size: int
    body: bytes
    verdict: bytes


class Reply(NamedTuple):
    """The answer to the question of this number."""

    number: int
    status: int
    body: bytes


class Pipe:
    """One end of the socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def over(cls, sock: socket.socket) -> "Pipe":
        """The end at a connected socket, with buffers for a few frames: fewer turns a frame."""
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            sock.setsockopt(socket.SOL_SOCKET, option, BUFFER_BYTES)
        return cls(*await asyncio.open_connection(sock=sock, limit=BUFFER_BYTES))

    async def tell(self, number: int, what: Ask | Checked) -> None:
        """Hands a question to the sequencer's process. Raises PipeError."""
        kind = ASK if isinstance(what, Ask) else CHECKED
        await self._send(cbor.encode([number, kind, *what]))

    async def reply(self, reply: Reply) -> None:
        """Answers a worker. Raises PipeError."""
        await self._send(cbor.encode([*reply]))

    async def told(self) -> tuple[int, Ask | Checked]:
        """The next question of a worker. Raises PipeError."""
        frame = await self._receive()
        try:
            parts = shape.array(frame, "frame")
            number, kind = (shape.uint(part, "number") for part in parts[:2])
            if kind == ASK:
                _, _, method, target, body = shape.array(parts, "question", 5)
                texts = (shape.text(method, "method"), shape.text(target, "target"))
                return number, Ask(*texts, shape.blob(body, "body"))
            _, _, name, size, body, verdict = shape.array(parts, "batch", 6)
            name, size = shape.blob(name, "id", HASH_BYTES), shape.uint(size, "size")
            return number, Checked(name, size, shape.blob(body, "body"), shape.blob(verdict, "v"))
        except (EvidenceError, ValueError) as fault:
            raise PipeError(f"a frame of another shape: {fault}") from fault

    async def replied(self) -> Reply:
        """The next answer of the sequencer's process. Raises PipeError."""
        frame = await self._receive()
        try:
            number, status, body = shape.array(frame, "reply", 3)
            numbers = (shape.uint(number, "number"), shape.uint(status, "status"))
            return Reply(*numbers, shape.blob(body, "body"))
        except EvidenceError as fault:
            raise PipeError(f"a frame of another shape: {fault}") from fault

    def close(self) -> None:
        """Ends it at once."""
        self._writer.transport.abort()

    async def _send(self, frame: bytes) -> None:
        try:
            self._writer.write(_LENGTH.pack(len(frame)) + frame)  # one write: one wake
            await self._writer.drain()
        except OSError as fault:
            raise PipeError(f"the other process has gone: {fault}") from fault

    async def _receive(self) -> object:
        try:
            (length,) = _LENGTH.unpack(await self._reader.readexactly(_LENGTH.size))
            if length > FRAME_BYTES_MAX:
                raise PipeError(f"a frame of {length} bytes")
            return cbor.decode(await self._reader.readexactly(length))
        except (OSError, EOFError) as fault:
            raise PipeError("the other process has gone") from fault
        except EvidenceError as fault:
            raise PipeError(f"a frame that is none: {fault}") from fault
