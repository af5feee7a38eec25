"""What a credential rests on: of a device whose key was rotated, how each key before led to the
next.

It reads what somebody keeps, and checks nothing. Loaded by who writes exports alone.
"""

from collections.abc import Callable

from agent.sealer import Statement
from evidence import cose, credential, rotation
from evidence.code import Typ

HANDOVERS_MAX = 64  # one a year is much


def credentials(statement: Callable[[bytes], Statement | None], name: bytes) -> list[Statement]:
    """The credential of this name, behind all rotations and credentials that lead to it, the first
    one first; what `statement` does not have ends it. Raises EvidenceError for what is none."""
    found: list[Statement] = []
    wanted: bytes | None = name
    while wanted is not None and len(found) <= 2 * HANDOVERS_MAX:
        one = statement(wanted)
        if one is None:
            break
        found.append(one)
        message = cose.read(one.encoded)
        if message.typ == Typ.ROTATION:
            wanted = rotation.read(message.payload).credential
        else:
            wanted = credential.read(message.payload).rotation
    return found[::-1]
