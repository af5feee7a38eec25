"""A run: the time in which one run key signs. Its statement is signed by the device key, with typ
RUN.

1. The run key lives in memory only, so no disk image, clone or restart can sign a second content
   for a position.
2. The statement names what it continues: the predecessor, and of each stream the last link known to
   be durable. If the predecessor's last commit is uncertain it says so, and which instants may have
   been lost.
3. `possession` is the run key's own signature over the device and the credential: nobody claims
   another's run key.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

from evidence import cbor, shape
from evidence.code import ALG_ED25519, VERSION, Cause, Reason
from evidence.key import SIGNATURE_BYTES, PublicKey
from evidence.merkle import HASH_BYTES
from evidence.refusal import EvidenceError

# Of one gateway: far more than a core can seal; a run statement then has 320 KB.
STREAMS_MAX = 4096
CAUSES = (
    *(Cause.FIRST_START, Cause.RESTART, Cause.COMMIT_FAILED, Cause.ROLLBACK),
    *(Cause.SNAPSHOT, Cause.DAILY),
)


class Reached(NamedTuple):
    """How far a stream had come: the last durable link of an earlier run."""

    stream: int
    run: bytes  # name of the run in which it was sealed
    seq: int
    leaf: bytes  # its leaf hash, the `prev` of the next link


@dataclass(frozen=True, slots=True)
class Run:
    """The statement of one run.

    Instants in ns TAI; `lost`: first and last instant that may be missing.
    """

    credential: bytes  # name of the credential it acts under
    key: bytes  # raw Ed25519 public run key
    started: int
    bound: int | None
    cause: Cause
    predecessor: bytes | None  # name of the run before, None for the first
    uncertain: bool  # the predecessor's last commit may or may not be durable
    lost: tuple[int, int] | None
    reached: tuple[Reached, ...]
    software: str
    possession: bytes

    def payload(self) -> bytes:
        return cbor.encode(
            [
                *(VERSION, self.credential, self.key, self.started, self.bound, int(self.cause)),
                *(self.predecessor, self.uncertain, self.lost, self.reached, self.software),
                self.possession,
            ]
        )

    @property
    def public(self) -> PublicKey:
        return PublicKey(ALG_ED25519, self.key)

    def check_possession(self, device: PublicKey) -> None:
        """Whether the run key itself agreed to serve this device.

        Raises EvidenceError(POSSESSION).
        """
        if not self.public.verify(possession_bytes(device, self.credential), self.possession):
            raise EvidenceError(
                Reason.POSSESSION, "the run key did not sign for this device and credential"
            )


def possession_bytes(device: PublicKey, credential: bytes) -> bytes:
    """What the run key signs to show that it serves this device under this credential."""
    return b"gridseal/1 run" + cbor.encode([device.alg, device.raw, credential])


def read(payload: bytes) -> Run:
    """The run in a payload. Raises EvidenceError."""
    value = shape.versioned(cbor.decode(payload), "run", 12)
    cause = shape.uint(value[5], "cause")
    if cause not in CAUSES:
        shape.fail("cause", cause, "a cause for a run")
    reached = shape.array(value[9], "reached")
    if len(reached) > STREAMS_MAX:
        shape.fail("reached", len(reached), f"at most {STREAMS_MAX}")
    names = tuple(_read_reached(item) for item in reached)
    if len({name.stream for name in names}) != len(names):
        shape.fail("reached", len(names), "one link a stream")
    return Run(
        shape.blob(value[1], "credential", HASH_BYTES),
        shape.blob(value[2], "run key", 32),
        shape.uint(value[3], "started"),
        shape.optional(value[4], shape.uint, "bound"),
        Cause(cause),
        shape.optional(value[6], shape.blob, "predecessor", HASH_BYTES),
        shape.boolean(value[7], "uncertain"),
        _read_lost(value[8]),
        names,
        shape.text(value[10], "software"),
        shape.blob(value[11], "possession", SIGNATURE_BYTES),
    )


def _read_lost(value: Any) -> tuple[int, int] | None:
    if value is None:
        return None
    first, last = shape.array(value, "lost", 2)
    if shape.uint(first, "lost from") > shape.uint(last, "lost until"):
        shape.fail("lost", value, "an interval that begins before it ends")
    return first, last


def _read_reached(value: Any) -> Reached:
    stream, run, seq, leaf = shape.array(value, "reached", 4)
    return Reached(
        shape.uint(stream, "stream"),
        shape.blob(run, "run", HASH_BYTES),
        shape.uint(seq, "seq"),
        shape.blob(leaf, "leaf", HASH_BYTES),
    )
