"""Writes the samples of one stream fast, byte for byte as evidence.observation does.

Samples of a stream differ in a few numbers, their link and their frame; the rest is the same bytes.
So the first is written by `observation.content`, its form kept, and those that follow packed into
it. What does not fit is written by `observation.content` again.

1. The result always equals `observation.content` of the same sample.
2. Only samples whose seq needs two or four bytes, heard four and tai eight are packed: the usual
   ones.

It is the writing twin of evidence.layout, and signs nothing.
"""

from struct import Struct

from evidence import cbor
from evidence.merkle import HASH_BYTES
from evidence.observation import SampleFields, content

# From these on, a number takes so many bytes behind its head.
TWO_BYTES, FOUR_BYTES, EIGHT_BYTES = 1 << 8, 1 << 16, 1 << 32
_EIGHT_FOLLOW = 0x1B  # the head byte of such a number


class Form:
    """The form of one stream's samples. Another stream needs another Form."""

    __slots__ = (
        *("_after_heard", "_after_prev", "_after_tai", "_before_seq", "_fixed", "_pack"),
        *("_seq_least", "_seq_most"),
    )

    def __init__(self) -> None:
        self._fixed: tuple[object, ...] = ()
        self._seq_least = self._seq_most = 0

    def content(self, sample: SampleFields) -> bytes:
        """`observation.content` of a Sample, or its plain tuple."""
        _, seq, tai, bound, source, flags, heard, heard_bound, prev, kind, raw = sample
        if (
            (bound, source, flags, heard_bound, kind, len(raw)) != self._fixed
            or not self._seq_least <= seq < self._seq_most
            or not FOUR_BYTES <= heard < EIGHT_BYTES <= tai
        ):
            return self._learn(sample)
        return (
            self._pack(
                self._before_seq,
                seq,
                _EIGHT_FOLLOW,
                tai,
                self._after_tai,
                heard,
                self._after_heard,
                prev,
                self._after_prev,
            )
            + raw
        )

    def _learn(self, sample: SampleFields) -> bytes:
        written = content(sample)
        _, seq, tai, bound, source, flags, heard, heard_bound, _, kind, raw = sample
        if TWO_BYTES <= seq < EIGHT_BYTES and FOUR_BYTES <= heard < EIGHT_BYTES <= tai:
            short = seq < FOUR_BYTES
            self._seq_least, self._seq_most = (
                (TWO_BYTES, FOUR_BYTES) if short else (FOUR_BYTES, EIGHT_BYTES)
            )
            four = b"\x1a"
            after_tai = b"".join(map(cbor.encode, (bound, source, flags))) + four
            after_heard = cbor.encode(heard_bound) + cbor.bytes_head(HASH_BYTES)
            after_prev = cbor.encode(kind) + cbor.bytes_head(len(raw))
            lengths = (len(after_tai), len(after_heard), HASH_BYTES, len(after_prev))
            tail = ("HBQ" if short else "IBQ") + "{}sI{}s{}s{}s".format(*lengths)
            size = len(written) - len(raw) - Struct(f">{tail}").size
            self._pack = Struct(f">{size}s{tail}").pack
            self._before_seq = written[:size]
            self._after_tai, self._after_heard, self._after_prev = (
                after_tai,
                after_heard,
                after_prev,
            )
            self._fixed = (bound, source, flags, heard_bound, kind, len(raw))
        return written
