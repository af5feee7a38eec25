"""What a target of the fuzzing is: what reads a peer's bytes, and where its seeds come from.

1. A target's readers are called with the same bytes, one after the other; each may return, or raise
   what the target calls a refusal. Anything else that comes out is a failure. Each has a name.
2. `mend` puts check words and outer lengths right, so that a case gets past the door and reaches
   what is behind it. It changes nothing else, and never fails.
3. `vary` changes one thing that only this protocol has (a BER node, a line of TOML).

It runs nothing: see trial.py.
"""

from collections.abc import Callable, Mapping
from random import Random
from typing import NamedTuple

# The longest case of a stream. Longer than any frame, so that several in a row are a case too.
STREAM_BYTES_MAX = 65_536
JUMBO_BYTES_MAX = 9_216  # the longest Ethernet frame that a switch of a station bus passes on
# A frame takes 2 to 50 us; a case is at most STREAM_BYTES_MAX of them. What costs more than its
# length does is far beyond this.
CASE_NS_MAX = 50_000_000


class Piece(NamedTuple):
    """Something recorded: of a capture, or a file."""

    kind: str  # "frame": link layer and all; "tcp", "udp": a payload; "file"
    label: str  # a file's folder and name; of a payload, the ports
    data: bytes


def unmended(raw: bytes) -> bytes:
    """For what carries no check word."""
    return raw


def unvaried(chance: Random, raw: bytes) -> bytes:
    """For what has no structure that would be broken in a way of its own."""
    return raw


class Target(NamedTuple):
    """One kind of bytes, and all that reads them."""

    readers: Mapping[str, Callable[[bytes], object]]
    refusal: type[Exception]
    seeds: tuple[bytes, ...]  # good ones, made here: captures and vectors add to them
    takes: Callable[[Piece], bool]  # whether something recorded is a seed
    mend: Callable[[bytes], bytes] = unmended
    vary: Callable[[Random, bytes], bytes] = unvaried
    tokens: tuple[bytes, ...] = ()  # worth inserting
    bytes_max: int = STREAM_BYTES_MAX
    cpu_ns_max: int = CASE_NS_MAX
