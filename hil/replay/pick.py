"""Which connections of a capture speak which protocol, told by what they say.

1. Ports alone say nothing. A connection belongs to the first reader whose `opens` knows one payload
   of it, or whose judge is certain.
2. What was said before that is given out too, in order: it waits, CHUNKS_MAX or BYTES_MAX of one
   connection, WAITING_BYTES_MAX of all.
3. Where nobody is certain by then, the first reader to whom it looks like its own has it.

It judges connections, never frames: what is wrong with a frame its reader says.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence

from hil.capture import Chunk, Tally
from hil.replay.reader import Talk

CHUNKS_MAX = 64  # of one connection, before it is judged by its looks
BYTES_MAX = 131_072
WAITING_BYTES_MAX = 16 * 1024 * 1024  # of all connections that are not judged yet
JUDGED_MAX = 65_536  # verdicts remembered; a connection that comes back later is judged anew

Picked = tuple[Talk, Chunk]


class _Waiting:
    """A connection that has not been judged."""

    __slots__ = ("chunks", "judges", "size")

    def __init__(self, readers: Sequence[Talk]) -> None:
        self.chunks: list[Chunk] = []
        self.judges = [(reader, reader.judge()) for reader in readers]
        self.size = 0


class Picker:
    """Chunks in, chunks of our connections out. `tally.other` counts those that are not."""

    def __init__(self, tally: Tally, readers: Sequence[Talk]) -> None:
        self._tally, self._readers = tally, readers
        self._waiting: OrderedDict[int, _Waiting] = OrderedDict()
        self._verdicts: OrderedDict[int, Talk | None] = OrderedDict()
        self._size = 0

    def pick(self, chunk: Chunk) -> Iterator[Picked]:
        """What can be given out now that this was heard."""
        number = chunk.flow.number
        if number not in self._verdicts:
            yield from self._weigh(number, chunk)
            return
        reader = self._verdicts[number]
        if reader is None:
            reader = self._opened(chunk)  # it began to speak late
            if reader is not None:
                self._judge(number, reader)
        if reader is not None:
            yield reader, chunk
        else:
            self._tally.other["payload"] += 1

    def end(self) -> Iterator[Picked]:
        """The capture is over: what waits is judged by its looks."""
        while self._waiting:
            yield from self._by_looks(next(iter(self._waiting)))

    def _weigh(self, number: int, chunk: Chunk) -> Iterator[Picked]:
        known = self._waiting.get(number)
        if known is None:
            known = self._waiting[number] = _Waiting(self._readers)
        known.chunks.append(chunk)
        known.size += len(chunk.payload)
        self._size += len(chunk.payload)
        sure = [reader for reader, judge in known.judges if judge.weigh(chunk)]
        reader = self._opened(chunk) or (sure[0] if sure else None)
        if reader is not None:
            yield from self._given(number, reader)
        elif len(known.chunks) >= CHUNKS_MAX or known.size >= BYTES_MAX:
            yield from self._by_looks(number)
        while self._size > WAITING_BYTES_MAX:
            yield from self._by_looks(next(iter(self._waiting)))

    def _opened(self, chunk: Chunk) -> Talk | None:
        return next((reader for reader in self._readers if reader.opens(chunk)), None)

    def _by_looks(self, number: int) -> Iterator[Picked]:
        judges = self._waiting[number].judges
        yield from self._given(number, next((one for one, judge in judges if judge.looks()), None))

    def _given(self, number: int, reader: Talk | None) -> Iterator[Picked]:
        self._judge(number, reader)
        known = self._waiting.pop(number)
        self._size -= known.size
        if reader is None:
            self._tally.other["payload"] += len(known.chunks)
            return
        for chunk in known.chunks:
            yield reader, chunk

    def _judge(self, number: int, reader: Talk | None) -> None:
        if number not in self._verdicts and len(self._verdicts) >= JUDGED_MAX:
            self._verdicts.popitem(last=False)
        self._verdicts[number] = reader
