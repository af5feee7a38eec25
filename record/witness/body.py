"""The observations of a batch beside its head in the log: whether they are those that the head
signs.

Nothing of an observation is read here: the head's root is over their bytes.
"""

import hashlib

from evidence import cose, head, merkle, observation
from evidence.batch import BATCH_BYTES_MAX
from evidence.code import Reason, Typ
from evidence.head import Head
from evidence.refusal import EvidenceError

BYTES_MAX = BATCH_BYTES_MAX


def head_in(entry: bytes) -> Head | None:
    """The head that an entry of a log is; None where it is something else, or nothing of ours."""
    try:
        message = cose.read(entry)
        return head.read(message.payload) if message.typ == Typ.HEAD else None
    except EvidenceError:
        return None


def subject(entry: bytes) -> bytes:
    """Under which name the record has the observations of this head."""
    return hashlib.sha256(entry).digest()


def path_of(entry: bytes) -> str:
    """Where the record shows them."""
    return f"v1/body/{subject(entry).hex()}"


def check(of: Head, observations: bytes) -> None:
    """Whether these are the head's, all of them and nothing else.

    Raises EvidenceError(ROOT, COUNT, ENCODING).
    """
    leaves = [merkle.leaf_hash(one) for one in observation.split(observations)]
    if len(leaves) != of.count:
        raise EvidenceError(
            Reason.COUNT, f"{len(leaves)} observations, where the head signs {of.count}"
        )
    if merkle.root(leaves) != of.root:
        raise EvidenceError(Reason.ROOT, "observations with another root than the head signs")
