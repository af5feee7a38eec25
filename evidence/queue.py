"""The names under which requests and answers travel through a NATS broker: what agent and record
must agree on beside HTTP's paths and bodies, which stay the same.

    gridseal.REGION.ask.KID              a request; one stream a region takes all of them
    gridseal.REGION.answer.KID.TOKENS    where its answer goes, as the header ANSWER names it

1. KID is the device's, so that a broker can give each gateway leave for its own subjects alone.
2. A request names where its answer goes. Only a place under the asker's own KID is one: otherwise
   whoever may ask could have the record publish into somebody else's subjects.

It speaks to no broker.
"""

import re

ASK = "Gridseal-Ask"  # header of a request: method and path
ANSWER = "Gridseal-Answer"  # header of a request: the subject of its answer
STATUS = "Gridseal-Status"  # header of an answer: what HTTP's status would be
MESSAGE_ID = "Nats-Msg-Id"  # fresh each time: a broker drops what it has seen under the same one
KID = r"[0-9a-f]{16}"
TOKENS_MAX = 96  # characters behind the KID
_REGION = re.compile(r"[a-z0-9-]{1,32}")
_ASKED = re.compile(rf"gridseal\.([a-z0-9-]{{1,32}})\.ask\.({KID})")
_TOKENS = re.compile(r"[A-Za-z0-9]+(\.[A-Za-z0-9]+)*")


def is_region(text: str) -> bool:
    """Whether this can be a region's name: 1 to 32 of a-z, 0-9 and -."""
    return _REGION.fullmatch(text) is not None


def stream(region: str) -> str:
    """The name of the stream that holds a region's requests."""
    return f"GRIDSEAL_{region}"


def asks(region: str, kid: str = "*") -> str:
    """The subject of a device's requests; of all devices' without one."""
    return f"gridseal.{region}.ask.{kid}"


def answers(region: str, kid: str) -> str:
    """What the subjects of a device's answers begin with."""
    return f"gridseal.{region}.answer.{kid}"


def asker(region: str, subject: str) -> str | None:
    """The KID of who asked under this subject; None where it is no request of the region."""
    found = _ASKED.fullmatch(subject)
    return found[2] if found and found[1] == region else None


def may_answer(region: str, kid: str, subject: str) -> bool:
    """Whether an answer to this device may go to this subject."""
    under = answers(region, kid) + "."
    tokens = subject[len(under) :]
    fits = len(tokens) <= TOKENS_MAX and _TOKENS.fullmatch(tokens) is not None
    return fits and subject.startswith(under)
