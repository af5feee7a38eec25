"""RefusedError: why an authority does not do what it was asked.

The reason is one word, for programs and for the answer over HTTPS; the text is for people. Where
evidence has a name for it (evidence.code.Reason), that name is taken.
"""

from evidence.refusal import EvidenceError
from provisioning.source import RequestError


class RefusedError(RequestError):
    """Not done, and nothing changed."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(f"{reason}: {text}")
        self.reason, self.text = reason, text


def refused(fault: EvidenceError, what: str = "") -> RefusedError:
    """A piece of evidence that does not hold."""
    return RefusedError(fault.reason.name.lower(), f"{what}: {fault.text}" if what else fault.text)
