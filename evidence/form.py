"""Writes the samples of one stream fast, byte for byte as evidence.observation does.

Samples of a stream differ in a few numbers, their link and their frame; the rest is the same bytes.
So the first is written by `observation.content`, its form kept, and those that follow packed into
it. What does not fit is written by `observation.content` again.

1. The result always equals `observation.content` of the same sample.
2. Only samples whose seq and heard need four bytes, and tai eight, are packed: the usual ones.

It is the writing twin of evidence.layout, and signs nothing.
"""

from struct import Struct

from evidence import cbor
from evidence.merkle import HASH_BYTES
from evidence.observation import SampleFields, content

FOUR_BYTES, EIGHT_BYTES = 1 << 16, 1 << 32  # from these on, a number takes so many
_EIGHT_FOLLOW = 0x1B  # the head byte of such a number


class Form:
    """The form of one stream's samples. Another stream needs another Form."""

    __slots__ = ("_after_heard", "_after_prev", "_after_tai", "_before_seq", "_fixed", "_pack")

    def __init__(self) -> None:
        self._fixed: tuple[object, ...] = ()

    def content(self, sample: SampleFields) -> bytes:
        """`observation.content` of a Sample, or its plain tuple."""
        _, seq, tai, bound, source, flags, heard, heard_bound, prev, kind, raw = sample
        if (
            (bound, source, flags, heard_bound, kind, len(raw)) != self._fixed
            or not FOUR_BYTES <= seq < EIGHT_BYTES <= tai
            or not FOUR_BYTES <= heard < EIGHT_BYTES
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
        if FOUR_BYTES <= seq < EIGHT_BYTES <= tai and FOUR_BYTES <= heard < EIGHT_BYTES:
            four = b"\x1a"
            after_tai = b"".join(map(cbor.encode, (bound, source, flags))) + four
            after_heard = cbor.encode(heard_bound) + cbor.bytes_head(HASH_BYTES)
            after_prev = cbor.encode(kind) + cbor.bytes_head(len(raw))
            tail = f"IBQ{len(after_tai)}sI{len(after_heard)}s{HASH_BYTES}s{len(after_prev)}s"
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
