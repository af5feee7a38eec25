"""Which connections of a capture speak C37.118, told by what they say.

1. A connection is ours from the first whole frame with a good CHK that opens a payload, or the
   second in one direction wherever they stand: 16 bits of CRC alone would find one in any megabyte
   of other traffic.
2. What was said before that is given out too, in order: it waits, CHUNKS_MAX or BYTES_MAX of one
   connection, WAITING_BYTES_MAX of all.
3. A connection without a good frame is ours only if what it says looks like frames that are
   spoiled: most payloads open with SYNC, and end where FRAMESIZE says or go to a port that is
   registered for synchrophasors.
4. Bytes without a connection (hex text, plain bytes) are ours from the first good frame, wherever
   it stands.

It judges connections, never frames: what is wrong with a frame the session says.
"""

from collections import OrderedDict
from collections.abc import Iterator

from drivers.c37118.frame import FRAME_BYTES_MIN, SYNC_LEAD
from drivers.c37118.wire import Bad, Splitter, whole
from hil.capture import Chunk, Tally

CHUNKS_MAX = 64  # of one connection, before it is judged by its looks
BYTES_MAX = 131_072
WAITING_BYTES_MAX = 16 * 1024 * 1024  # of all connections that are not judged yet
JUDGED_MAX = 65_536  # verdicts remembered; a connection that comes back later is judged anew
PORTS = (":4712", ":4713")  # IEEE C37.118.2-2011 Annex E: TCP and UDP
_KIND_MAX, _VERSION_MAX = 5, 3


class _Waiting:
    """A connection that has not been judged."""

    __slots__ = ("chunks", "claims", "good", "size", "splitters")

    def __init__(self) -> None:
        self.chunks: list[Chunk] = []
        self.claims = self.size = 0
        self.good = [0, 0]
        self.splitters = (Splitter(), Splitter())


class Picker:
    """Chunks in, chunks of our connections out. `tally.other` counts those that are not."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._waiting: OrderedDict[int, _Waiting] = OrderedDict()
        self._verdicts: OrderedDict[int, bool] = OrderedDict()
        self._size = 0

    def pick(self, chunk: Chunk) -> Iterator[Chunk]:
        """What can be given out now that this was heard."""
        number = chunk.flow.number
        verdict = self._verdicts.get(number)
        if verdict is False and _opens(chunk.payload):
            verdict = self._judge(number, True)  # it began to speak late
        if verdict is not None:
            if verdict:
                yield chunk
            else:
                self._tally.other["payload"] += 1
            return
        yield from self._weigh(number, chunk)

    def end(self) -> Iterator[Chunk]:
        """The capture is over: what waits is judged by its looks."""
        while self._waiting:
            yield from self._by_looks(next(iter(self._waiting)))

    def _weigh(self, number: int, chunk: Chunk) -> Iterator[Chunk]:
        known = self._waiting.get(number)
        if known is None:
            known = self._waiting[number] = _Waiting()
        known.chunks.append(chunk)
        known.size += len(chunk.payload)
        self._size += len(chunk.payload)
        known.claims += _claims(chunk)
        if _opens(chunk.payload) or self._second(known, chunk):
            self._judge(number, True)
            yield from self._given(number)
        elif len(known.chunks) >= CHUNKS_MAX or known.size >= BYTES_MAX:
            yield from self._by_looks(number)
        while self._size > WAITING_BYTES_MAX:
            yield from self._by_looks(next(iter(self._waiting)))

    def _second(self, known: _Waiting, chunk: Chunk) -> bool:
        """Whether this direction has now shown enough good frames, wherever they stand."""
        splitter = known.splitters[chunk.direction]
        if chunk.fresh:
            splitter.flush()
        found = splitter.feed(chunk.payload)
        known.good[chunk.direction] += sum(not isinstance(item, Bad) for item in found)
        return known.good[chunk.direction] >= (1 if chunk.kind == "file" else 2)

    def _by_looks(self, number: int) -> Iterator[Chunk]:
        known = self._waiting[number]
        ours = self._judge(number, known.claims * 2 > len(known.chunks))
        given = list(self._given(number))
        if ours:
            yield from given
        else:
            self._tally.other["payload"] += len(given)

    def _judge(self, number: int, ours: bool) -> bool:
        if len(self._verdicts) >= JUDGED_MAX:
            self._verdicts.popitem(last=False)
        self._verdicts[number] = ours
        return ours

    def _given(self, number: int) -> Iterator[Chunk]:
        known = self._waiting.pop(number)
        self._size -= known.size
        yield from known.chunks


def _opens(payload: bytes) -> bool:
    """Whether a whole good frame opens this payload."""
    if len(payload) < FRAME_BYTES_MIN or payload[0] != SYNC_LEAD:
        return False
    return not isinstance(whole(payload[: payload[2] << 8 | payload[3]]), Bad)


def _claims(chunk: Chunk) -> bool:
    """Whether this looks like a frame whose contents were spoiled."""
    payload = chunk.payload
    if len(payload) < 4 or payload[0] != SYNC_LEAD:
        return False
    # Bit 7 is set by version 3 (C37.118.2-2024): not ours to read, ours to name.
    kind, version = payload[1] >> 4 & 7, payload[1] & 0x0F
    if kind > _KIND_MAX or not 1 <= version <= _VERSION_MAX:
        return False
    registered = any(end.endswith(PORTS) for end in (chunk.flow.client, chunk.flow.server))
    alone = chunk.kind == "file" or registered
    return alone or (payload[2] << 8 | payload[3]) == len(payload)
