"""EvidenceError: why a piece of evidence is not accepted.

One exception for all of evidence; `reason` is the number that is signed in refusals and counted in
statistics, the text is for people. Anything else that comes out of this package on foreign bytes is
a bug.
"""

from evidence.code import Reason


class EvidenceError(ValueError):
    """Evidence that does not hold. `reason`: evidence.code.Reason."""

    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(f"{reason.name.lower()}: {text}")
        self.reason = reason
        self.text = text
