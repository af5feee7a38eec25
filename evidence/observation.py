"""One observation: one frame of a device, sealed. Everything about its bytes is here.

    observation = 18([ {1: -19, 4: kid}, {}, sample, signature ])
    sample = [version, stream, seq, tai, bound, source, flags, heard, heard_bound, prev, kind, raw]

1. Signed by the run key over external_aad = "gridseal/1 observation" || SHA-256(descriptor
   payload).
2. `prev` is the RFC 9162 leaf hash of the whole link before, signature included: one hash serves
   chain and tree.
3. `tai` and `bound` are claims of the clock that stamped; `heard` (arrival minus tai) and
   `heard_bound` are the gateway's. The second guards the first and never narrows it.

`content` is on the gateway's hot path.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import cbor2

from evidence import cbor, cose, shape
from evidence.code import ALG_ED25519, VERSION, Reason
from evidence.key import SIGNATURE_BYTES, PublicKey
from evidence.merkle import HASH_BYTES
from evidence.refusal import EvidenceError

AAD = b"gridseal/1 observation"
RAW_BYTES_MAX = 65535  # the longest frame of any protocol here (C37.118 FRAMESIZE)
OBSERVATION_BYTES_MAX = RAW_BYTES_MAX + 256
_FIELDS = 12
SIGNATURE_HEAD = cbor.bytes_head(SIGNATURE_BYTES)
_dumps = cbor2.dumps
# Bytes of an integer by the first of them (RFC 8949 3).
_WIDTHS = bytes(([1] * 24 + [2, 3, 5, 9] + [1] * 4) * 2 + [1] * 192)
_NULL = 0xF6
_heads = tuple(cbor.bytes_head(length) for length in range(1024))


class Sample(NamedTuple):
    """What was measured and when, as signed. Instants and bounds in ns; None: nobody can say."""

    stream: int
    seq: int
    tai: int
    bound: int | None
    source: int
    flags: int
    heard: int
    heard_bound: int | None
    prev: bytes
    kind: int
    raw: bytes


# A Sample, or the plain tuple of its fields, which is cheaper to make.
SampleFields = tuple[
    int, int, int, int | None, int, int, int, int | None, bytes, int, bytes
]  # as Sample has them


class Binding:
    """What all observations under one descriptor share: the run key's kid and the descriptor's
    name, as bytes."""

    __slots__ = ("message_prefix", "signed_prefix")

    def __init__(self, kid: bytes, descriptor: bytes) -> None:
        protected = cose.protected_header(ALG_ED25519, kid, None)
        self.message_prefix = cose.message_prefix(protected)
        self.signed_prefix = cose.signed_prefix(protected, AAD + descriptor)


def content(sample: SampleFields) -> bytes:
    """The payload of a Sample (or its plain tuple), as the byte string that is signed and kept.

    Raises EvidenceError(TOO_LONG) for a raw that nobody would read.
    """
    payload = _dumps((VERSION, *sample))
    length = len(payload)
    return (_heads[length] if length < 1024 else _long_head(length, sample)) + payload


def seal(binding: Binding, sample: SampleFields, sign: Callable[[bytes], bytes]) -> bytes:
    """The encoded observation of a Sample (or its plain tuple); `sign` gives 64 bytes.

    Raises EvidenceError(TOO_LONG). The gateway's own loop is agent.sealer's.
    """
    signed = content(sample)
    return binding.message_prefix + signed + SIGNATURE_HEAD + sign(binding.signed_prefix + signed)


def _long_head(length: int, sample: SampleFields) -> bytes:
    _check_raw(Sample(*sample).raw)
    return cbor.bytes_head(length)


def _check_raw(raw: bytes) -> bytes:
    if len(raw) > RAW_BYTES_MAX:
        raise EvidenceError(Reason.TOO_LONG, f"a raw of {len(raw)} bytes; at most {RAW_BYTES_MAX}")
    return raw


def read_at(data: bytes, at: int) -> tuple[Sample, cose.Sign1, int]:
    """Takes the observation that begins at `at` apart; nothing is believed yet.

    Raises EvidenceError.
    """
    message, end = cose.read_at(data, at)
    if end - at > OBSERVATION_BYTES_MAX:
        raise EvidenceError(Reason.TOO_LONG, f"an observation of {end - at} bytes")
    if message.typ is not None:
        raise EvidenceError(Reason.TYP, "an observation has no typ")
    if message.alg != ALG_ED25519:
        raise EvidenceError(
            Reason.ALG, f"algorithm {message.alg}; an observation is signed by a run key"
        )
    return read_sample(message.payload), message, end


def read_sample(payload: bytes) -> Sample:
    """The sample in a payload. Raises EvidenceError."""
    value = shape.versioned(cbor.decode(payload), "sample", _FIELDS)
    return Sample(
        shape.uint(value[1], "stream"),
        shape.uint(value[2], "seq"),
        shape.uint(value[3], "tai"),
        shape.optional(value[4], shape.uint, "bound"),
        shape.uint(value[5], "source"),
        shape.uint(value[6], "flags"),
        shape.integer(value[7], "heard"),
        shape.optional(value[8], shape.uint, "heard bound"),
        shape.blob(value[9], "prev", HASH_BYTES),
        shape.uint(value[10], "kind"),
        _check_raw(shape.blob(value[11], "raw")),
    )


def check(message: cose.Sign1, run_key: PublicKey, descriptor: bytes) -> None:
    """Whether the run key sealed this under the named descriptor.

    Raises EvidenceError(ALG, KID or SIGNATURE).
    """
    cose.check(message, run_key, AAD + descriptor)


def verify(encoded: bytes, run_key: PublicKey, descriptor: bytes) -> Sample:
    """The sample of one observation, after its signature held. Raises EvidenceError."""
    message = cose.read(encoded)
    if message.typ is not None:
        raise EvidenceError(Reason.TYP, "an observation has no typ")
    check(message, run_key, descriptor)
    return read_sample(message.payload)


def check_at(body: bytes, at: int, binding: Binding, run_key: PublicKey, seq: int) -> int:
    """Checks the signature of the observation at `at`, already read strictly, and says where it
    ends.

    Raises EvidenceError(KID or SIGNATURE).
    """
    start = at + len(binding.message_prefix)
    _, length, content = cbor.head_at(body, start)
    end = content + length
    if body[at:start] != binding.message_prefix:
        raise EvidenceError(Reason.KID, f"seq {seq} is not by key {run_key.kid.hex()}")
    signature = end + len(SIGNATURE_HEAD)
    if not run_key.verify(
        binding.signed_prefix + body[start:end], body[signature : signature + SIGNATURE_BYTES]
    ):
        raise EvidenceError(
            Reason.SIGNATURE, f"seq {seq} does not carry a signature of key {run_key.kid.hex()}"
        )
    return signature + SIGNATURE_BYTES


def split(links: bytes) -> Iterator[bytes]:
    """The observations of a sequence, each as encoded, by their lengths alone.

    Raises EvidenceError(ENCODING).
    """
    at = 0
    while at < len(links):
        _, protected, start = cbor.head_at(links, at + 2)
        _, length, content = cbor.head_at(links, start + protected + 1)
        end = content + length + len(SIGNATURE_HEAD) + SIGNATURE_BYTES
        if end > len(links):
            raise EvidenceError(Reason.ENCODING, f"the observation at byte {at} ends early")
        yield links[at:end]
        at = end


def instants(links: bytes) -> Iterator[int]:
    """The instant of each observation of a sequence that was read strictly before, ns TAI."""
    for field in _tai_fields(links):
        yield _number(links, field)


def arrivals(links: bytes) -> Iterator[tuple[int, int, int | None]]:
    """The instant of each, ns TAI; how long after it the gateway heard it, and that clock's bound,
    ns. Of a sequence that was read strictly before."""
    for field in _tai_fields(links):
        heard = field
        for _ in range(4):  # tai, bound, source, flags
            heard += _WIDTHS[links[heard]]
        bound = heard + _WIDTHS[links[heard]]
        after = _number(links, heard)
        # RFC 8949 3.1: major type 1 is -1 - n; null (major type 7) is of one byte.
        yield (
            _number(links, field),
            -1 - after if links[heard] >> 5 else after,
            None if links[bound] == _NULL else _number(links, bound),
        )


def _tai_fields(links: bytes) -> Iterator[int]:
    """Where the instant of each observation stands."""
    at, size = 0, len(links)
    while at < size:
        # 18([ protected, {}, payload, signature ]): the tag and the array's head take two bytes.
        protected = links[at + 2] & 0x1F  # of fewer than 24 bytes: {1: -19, 4: kid}
        _, length, content = cbor.head_at(links, at + protected + 4)
        # The heads of the array and of the version, then stream and seq.
        field = content + 2
        field += _WIDTHS[links[field]]
        field += _WIDTHS[links[field]]
        at = content + length + len(SIGNATURE_HEAD) + SIGNATURE_BYTES
        yield field


def _number(links: bytes, at: int) -> int:
    """Of an integer, what stands after its major type."""
    width = _WIDTHS[links[at]]
    if width == 1:
        return links[at] & 0x1F
    return int.from_bytes(links[at + 1 : at + width], "big")
